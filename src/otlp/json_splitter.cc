#include "otlp/json_splitter.h"

namespace testmesh::otlp {

JsonSplitter::Event JsonSplitter::scan(std::string_view bytes, size_t& taken) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    const char c = bytes[i];
    if (in_string_) {
      if (escaped_) {
        escaped_ = false;
      } else if (c == '\\') {
        escaped_ = true;
      } else if (c == '"') {
        in_string_ = false;
      } else if (c == '\n') {
        ++line_;  // no JSON, but lines are counted all the same
      }
      continue;
    }
    switch (c) {
      case '\n':
        ++line_;
        break;
      case '"':
        in_string_ = depth_ > 0;
        break;
      case '{':
      case '[':
        if (depth_ == 0 && !announced_) {
          announced_ = true;
          taken = i;
          return Event::kBegin;
        }
        announced_ = false;
        ++depth_;
        break;
      case '}':
      case ']':
        if (depth_ > 0 && --depth_ == 0) {
          taken = i + 1;
          return Event::kEnd;
        }
        break;
      default:
        break;
    }
    if (depth_ == 0 && c != ' ' && c != '\n' && c != '\r' && c != '\t') {
      taken = i;
      return Event::kStray;
    }
  }
  taken = bytes.size();
  return Event::kNeedMore;
}

}  // namespace testmesh::otlp
