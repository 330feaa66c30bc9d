// Environment files, and which names are secrets.
#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.h"
#include "flow_file/flow_file.h"

namespace testmesh::flow_file {
namespace {

constexpr size_t kMostBytes = size_t{1} << 20;

bool is_blank(char c) { return c == ' ' || c == '\t'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && (is_blank(text.back()) || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

bool is_name(std::string_view text) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  if (text.empty() || !letter(text[0])) return false;
  return std::ranges::all_of(
      text, [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '.'; });
}

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

class EnvFile {
 public:
  explicit EnvFile(std::string_view text) : text_(text) {}

  base::Result<std::vector<std::pair<std::string, std::string>>> read() {
    if (text_.size() > kMostBytes)
      return base::fail(base::ErrorCode::kInvalidArgument, "The file is larger than 1 MiB");
    if (!base::valid_utf8(text_) || text_.find('\0') != std::string_view::npos)
      return base::fail(base::ErrorCode::kInvalidArgument, "The file is no text in UTF-8");
    if (text_.starts_with("\xef\xbb\xbf")) text_.remove_prefix(3);
    std::vector<std::pair<std::string, std::string>> entries;
    while (at_ < text_.size()) {
      ++line_;
      std::string_view line = trimmed(rest_of_line());
      if (line.empty() || line[0] == '#') {
        next_line();
        continue;
      }
      if (line.starts_with("export ") || line.starts_with("export\t")) line = trimmed(line.substr(7));
      const size_t equals = line.find('=');
      if (equals == std::string_view::npos) return fail("expected NAME=VALUE");
      const std::string_view name = trimmed(line.substr(0, equals));
      if (!is_name(name))
        return fail(fmt::format("`{}` is no name: letters, digits, `_`, `-` and `.` make one",
                                base::utf8_prefix(name, 60)));
      at_ = static_cast<size_t>(line.data() - text_.data()) + equals + 1;
      TRY_ASSIGN(std::string value, read_value());
      entries.emplace_back(name, std::move(value));
    }
    return entries;
  }

 private:
  std::string_view rest_of_line() const { return text_.substr(at_, text_.find('\n', at_) - at_); }
  void next_line() {
    const size_t end = text_.find('\n', at_);
    at_ = end == std::string_view::npos ? text_.size() : end + 1;
  }
  std::unexpected<base::Error> fail(std::string sentence) const {
    return base::fail(base::ErrorCode::kInvalidArgument, fmt::format("Line {}: {}", line_, sentence));
  }

  base::Result<std::string> read_value() {
    while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
    const char first = at_ < text_.size() ? text_[at_] : '\n';
    if (first == '"' || first == '\'') return quoted(first);
    std::string_view value = rest_of_line();
    for (size_t i = 0; i < value.size(); ++i)
      if (value[i] == '#' && (i == 0 || is_blank(value[i - 1]))) {
        value = value.substr(0, i);
        break;
      }
    next_line();
    return std::string(trimmed(value));
  }

  // May go over several lines; within double quotes `\n`, `\r`, `\t`, `\"`, `\\` and `\$`.
  base::Result<std::string> quoted(char quote) {
    const size_t begin_line = line_;
    std::string value;
    for (++at_; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == quote) {
        ++at_;
        const std::string_view behind = trimmed(rest_of_line());
        if (!behind.empty() && behind[0] != '#') return fail("nothing but a comment can follow the quotes");
        next_line();
        return value;
      }
      if (c == '\n') ++line_;
      if (c != '\\' || quote == '\'' || at_ + 1 >= text_.size()) {
        value += c;
        continue;
      }
      const char escape = text_[++at_];
      switch (escape) {
        case 'n':
          value += '\n';
          break;
        case 'r':
          value += '\r';
          break;
        case 't':
          value += '\t';
          break;
        case '"':
        case '\\':
        case '$':
          value += escape;
          break;
        default:
          value.append({'\\', escape});
          if (escape == '\n') ++line_;
      }
    }
    line_ = begin_line;
    return fail("the quotes are not closed");
  }

  std::string_view text_;
  size_t at_ = 0;
  size_t line_ = 0;
};

}  // namespace

base::Result<std::vector<std::pair<std::string, std::string>>> read_env_file(std::string_view text) {
  return EnvFile(text).read();
}

// Wider than the rule by what plainly means the same: `x-api-key`, `apiKey` and
// `DB_PASSWORD` are as secret as `API_KEY` and `PASSWORD`.
bool is_secret_name(std::string_view name) {
  std::string words;
  for (size_t i = 0; i < name.size(); ++i) {
    const bool lower_before = i > 0 && name[i - 1] >= 'a' && name[i - 1] <= 'z';
    if (lower_before && name[i] >= 'A' && name[i] <= 'Z') words += '_';
    words += name[i] == '-' ? '_' : upper(name[i]);
  }
  const std::string_view text = words;
  return text.ends_with("_TOKEN") || text.ends_with("_KEY") || text.ends_with("_SECRET") ||
         text.find("PASSWORD") != std::string_view::npos || text.ends_with("AUTHORIZATION") ||
         text.ends_with("COOKIE");
}

}  // namespace testmesh::flow_file
