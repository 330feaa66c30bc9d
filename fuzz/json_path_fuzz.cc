// A path in the first line, a document in the rest: no path or document makes
// it crash or hang, and what is selected is the same each time.
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "flow_file/json_path.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace testmesh;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(text.find('\n'), text.size());
  const auto path = flow_file::JsonPath::parse(text.substr(0, end));
  if (!path) {
    CHECK(!path.error().message.empty());
    return 0;
  }
  const auto document = expr::parse_json(text.substr(std::min(end + 1, text.size())));
  const expr::Value value =
      document ? *document : expr::Value(expr::List{1, "a", expr::Value(expr::Map{{"a", 1}})});
  const auto first = path->select(value), second = path->select(value);
  CHECK(first.has_value() == second.has_value());
  if (first) CHECK(expr::to_json(expr::Value(*first)) == expr::to_json(expr::Value(*second)));
  return 0;
}
