#include "otlp/json_document.h"

#include <fmt/format.h>

#include <algorithm>

namespace testmesh::otlp {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

// Follows the grammar without recursion and without keeping anything.
class GrammarScanner {
 public:
  explicit GrammarScanner(std::string_view text) : text_(text) {}

  std::optional<size_t> run() {
    bool value_next = true;  // else: behind a value
    while (true) {
      skip_space();
      if (value_next) {
        if (at_ == text_.size()) return at_;
        const char c = text_[at_];
        if (c == '{' || c == '[') {
          ++at_;
          skip_space();
          if (at_ < text_.size() && text_[at_] == (c == '{' ? '}' : ']')) {
            ++at_;
            value_next = false;
            continue;
          }
          open_ += c;
          if (c == '{' && !key()) return at_;
          continue;
        }
        if (!scalar()) return at_;
        value_next = false;
        continue;
      }
      if (open_.empty()) return at_ == text_.size() ? std::nullopt : std::optional(at_);
      if (at_ == text_.size()) return at_;
      const bool in_object = open_.back() == '{';
      if (text_[at_] == ',') {
        ++at_;
        if (in_object && !key()) return at_;
        value_next = true;
      } else if (text_[at_] == (in_object ? '}' : ']')) {
        ++at_;
        open_.pop_back();
      } else {
        return at_;
      }
    }
  }

 private:
  void skip_space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r'))
      ++at_;
  }
  bool take(char c) {
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool key() {
    skip_space();
    if (!string()) return false;
    skip_space();
    return take(':');
  }
  bool string() {
    if (!take('"')) return false;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (static_cast<uint8_t>(c) < 0x20) return false;
      ++at_;
      if (c == '"') return true;
      if (c != '\\') continue;
      if (at_ == text_.size()) return false;
      const char escaped = text_[at_];
      if (escaped == 'u') {
        ++at_;
        for (int i = 0; i < 4; ++i, ++at_)
          if (at_ == text_.size() || !is_hex(text_[at_])) return false;
      } else if (std::string_view("\"\\/bfnrt").find(escaped) == std::string_view::npos) {
        return false;
      } else {
        ++at_;
      }
    }
    return false;
  }
  bool digits() {
    const size_t start = at_;
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    return at_ > start;
  }
  bool number() {
    take('-');
    if (!take('0') && !digits()) return false;
    if (take('.') && !digits()) return false;
    if (take('e') || take('E')) {
      if (!take('+')) take('-');
      if (!digits()) return false;
    }
    return true;
  }
  bool scalar() {
    for (const std::string_view word : {"true", "false", "null"}) {
      if (text_[at_] != word.front()) continue;
      const size_t common =
          static_cast<size_t>(std::ranges::mismatch(text_.substr(at_, word.size()), word).in2 - word.begin());
      at_ += common;
      return common == word.size();
    }
    return text_[at_] == '"' ? string() : number();
  }

  const std::string_view text_;
  size_t at_ = 0;
  std::string open_;
};

// The value of `\uXXXX` at `at`, or -1.
int unicode_escape(std::string_view text, size_t at) {
  if (at + 6 > text.size() || text[at] != '\\' || text[at + 1] != 'u') return -1;
  int value = 0;
  for (size_t i = at + 2; i < at + 6; ++i) {
    if (!is_hex(text[i])) return -1;
    const int digit = is_digit(text[i]) ? text[i] - '0' : (text[i] | 0x20) - 'a' + 10;
    value = value << 4 | digit;
  }
  return value;
}
bool is_high_surrogate(int unit) { return unit >= 0xd800 && unit < 0xdc00; }
bool is_low_surrogate(int unit) { return unit >= 0xdc00 && unit < 0xe000; }

// Grammar untouched: an error stays one.
std::string respell(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 64);
  bool in_string = false;
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (in_string && c == '\\') {
      const int unit = unicode_escape(text, i);
      if (is_high_surrogate(unit) && is_low_surrogate(unicode_escape(text, i + 6))) {
        out.append(text.substr(i, 12));
        i += 12;
      } else if (is_high_surrogate(unit) || is_low_surrogate(unit)) {
        out += "\\ufffd";
        i += 6;
      } else {
        out.append(text.substr(i, 2));
        i += 2;
      }
    } else if (!in_string && is_digit(c)) {
      const size_t end = std::min(text.find_first_not_of("0123456789+-.eE", i), text.size());
      const std::string_view number = text.substr(i, end - i);
      out.append(number);
      if (number.size() >= 19 && std::ranges::all_of(number, is_digit)) out += "e0";
      i = end;
    } else {
      if (c == '"') in_string = !in_string;
      out += c;
      ++i;
    }
  }
  return out;
}

std::string describe(simdjson::error_code code, std::string_view text) {
  if (code == simdjson::EMPTY) return "no JSON: the text is empty";
  if (code == simdjson::DEPTH_ERROR) return "JSON nested deeper than 1024 levels";
  if (code == simdjson::CAPACITY) return "JSON of more than 4 GiB";
  if (!simdjson::validate_utf8(text.data(), text.size())) return "JSON with text that is not UTF-8";
  const auto error = find_json_error(text);
  if (!error) return "JSON with a number out of range";
  const size_t line = 1 + static_cast<size_t>(std::ranges::count(text.substr(0, *error), '\n'));
  if (*error == text.size()) return fmt::format("JSON cut off after {} bytes, in line {}", *error, line);
  return fmt::format("no valid JSON at byte {}, in line {}", *error, line);
}

}  // namespace

std::optional<size_t> find_json_error(std::string_view text) { return GrammarScanner(text).run(); }

base::Result<simdjson::dom::element> JsonParser::parse(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  simdjson::dom::element root;
  auto code = parser_.parse(text.data(), text.size()).get(root);
  // Only these two errors can be spellings of JavaScript's.
  if (code == simdjson::NUMBER_ERROR || code == simdjson::STRING_ERROR) {
    const std::string spelled = respell(text);
    code = parser_.parse(spelled.data(), spelled.size()).get(root);
  }
  if (code == simdjson::MEMALLOC)
    return base::fail(base::ErrorCode::kUnavailable, "not enough memory to parse JSON");
  if (code != simdjson::SUCCESS) return base::fail(base::ErrorCode::kInvalidArgument, describe(code, text));
  return root;
}

}  // namespace testmesh::otlp
