#include "expr/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/utf8.h"
#include "expr/times.h"

namespace testmesh::expr {
namespace {

constexpr char kHexDigits[] = "0123456789abcdef";
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Numbers between these are written without an exponent, as the reference does.
bool is_plain(double magnitude) { return magnitude == 0 || (magnitude >= 1e-6 && magnitude < 1e21); }

void append_escape(std::string& out, unsigned char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    default:
      out += "\\u00";
      out += kHexDigits[c >> 4];
      out += kHexDigits[c & 15];
  }
}

// `for_html`: as the reference's toJSON writes <, >, & and the line separators.
void append_quoted(std::string& out, std::string_view text, bool for_html) {
  out += '"';
  size_t i = 0;
  while (i < text.size()) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x80) {
      if (c < 0x20 || c == '"' || c == '\\' || (for_html && (c == '<' || c == '>' || c == '&'))) {
        append_escape(out, c);
      } else {
        out += static_cast<char>(c);
      }
      ++i;
      continue;
    }
    const size_t length = base::utf8_length(text.substr(i));
    if (length == 0) {
      out += kReplacement;
      ++i;
      continue;
    }
    const std::string_view character = text.substr(i, length);
    if (for_html && (character == "\xE2\x80\xA8" || character == "\xE2\x80\xA9")) {
      out += character.back() == '\xA8' ? "\\u2028" : "\\u2029";
    } else {
      out += character;
    }
    i += length;
  }
  out += '"';
}

bool holds_records(const Value& value) {
  if (value.kind() == Kind::kRecord) return true;
  if (value.kind() == Kind::kList)
    return std::any_of(value.as_list().begin(), value.as_list().end(), holds_records);
  if (value.kind() == Kind::kMap)
    return std::any_of(value.as_map().begin(), value.as_map().end(),
                       [](const auto& entry) { return holds_records(entry.second); });
  return false;
}

class Writer {
 public:
  Writer(std::string& out, JsonStyle style, size_t max_bytes, JsonProblem& problem)
      : out_(out),
        style_(style),
        problem_(problem),
        end_(out.size() + std::min(max_bytes, SIZE_MAX - out.size())) {}

  bool write(const Value& value, int indent) {
    switch (value.kind()) {
      case Kind::kNil:
        out_ += "null";
        break;
      case Kind::kBool:
        out_ += value.as_bool() ? "true" : "false";
        break;
      case Kind::kInt:
        out_ += std::to_string(value.as_int());
        break;
      case Kind::kFloat:
        return write_float(value.as_float());
      case Kind::kString:
        if (value.as_string().size() > end_ - std::min(end_, out_.size())) return too_large();
        append_quoted(out_, value.as_string(), style_ == JsonStyle::kLanguage);
        break;
      case Kind::kTime:
        write_tagged("$time", to_string(value.as_time()));
        break;
      case Kind::kDuration:
        write_duration(value.as_duration());
        break;
      case Kind::kList:
        return write_list(value.as_list(), indent);
      case Kind::kMap:
        return write_map(value.as_map(), indent);
      case Kind::kRecord:
        return write_record(*value.as_record(), indent);
    }
    return out_.size() <= end_ || too_large();
  }

 private:
  bool too_large() {
    problem_ = {.too_large = true, .message = "the value is too large to be written"};
    return false;
  }

  bool fail(std::string message) {
    problem_ = {.too_large = false, .message = std::move(message)};
    return false;
  }

  bool write_float(double value) {
    if (style_ == JsonStyle::kLanguage) {
      if (!std::isfinite(value))
        return fail(std::isnan(value) ? "cannot write NaN as JSON" : "cannot write an infinity as JSON");
      std::string text;
      append_shortest(text, value, is_plain(std::fabs(value)));
      // e-09 is written as e-9.
      const size_t e = text.find("e-0");
      if (e != std::string::npos) text.erase(e + 2, 1);
      out_ += text;
    } else if (std::isfinite(value)) {
      append_float(out_, value);
    } else {
      const std::string_view name = std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
      if (style_ == JsonStyle::kTagged) {
        write_tagged("$float", std::isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
      } else {
        out_ += '"';
        out_ += name;
        out_ += '"';
      }
    }
    return out_.size() <= end_ || too_large();
  }

  void write_tagged(std::string_view tag, std::string_view text) {
    if (style_ == JsonStyle::kTagged) {
      out_ += "{\"";
      out_ += tag;
      out_ += "\":";
    }
    append_quoted(out_, text, false);
    if (style_ == JsonStyle::kTagged) out_ += '}';
  }

  void write_duration(Duration duration) {
    if (style_ == JsonStyle::kTagged) {
      out_ += "{\"$duration_ns\":" + std::to_string(duration.nanos) + "}";
    } else if (style_ == JsonStyle::kLanguage) {
      out_ += std::to_string(duration.nanos);
    } else {
      append_quoted(out_, to_string(duration), false);
    }
  }

  void new_line(int indent) {
    if (style_ != JsonStyle::kLanguage) return;
    out_ += '\n';
    out_.append(static_cast<size_t>(indent) * 2, ' ');
  }

  bool write_list(const List& list, int indent) {
    out_ += '[';
    for (size_t i = 0; i < list.size(); ++i) {
      if (i != 0) out_ += ',';
      new_line(indent + 1);
      if (!write(list[i], indent + 1)) return false;
    }
    if (!list.empty()) new_line(indent);
    out_ += ']';
    return out_.size() <= end_ || too_large();
  }

  bool write_pairs(const Map& map) {
    out_ += "{\"$map\":[";
    bool first = true;
    for (const auto& [key, value] : map) {
      out_ += first ? "[" : ",[";
      first = false;
      if (!write(key, 0)) return false;
      out_ += ',';
      if (!write(value, 0)) return false;
      out_ += ']';
    }
    out_ += "]}";
    return out_.size() <= end_ || too_large();
  }

  void write_key(const Value& key) {
    if (key.kind() == Kind::kString) {
      append_quoted(out_, key.as_string(), style_ == JsonStyle::kLanguage);
    } else {
      append_quoted(out_, to_text(key), false);
    }
    out_ += style_ == JsonStyle::kLanguage ? ": " : ":";
  }

  bool write_map(const Map& map, int indent) {
    std::vector<const std::pair<Value, Value>*> entries;
    entries.reserve(map.size());
    bool texts = true;
    for (const auto& entry : map) {
      entries.push_back(&entry);
      texts = texts && entry.first.kind() == Kind::kString;
    }
    if (!texts && style_ == JsonStyle::kTagged) return write_pairs(map);
    if (style_ == JsonStyle::kLanguage) {
      if (!texts || map.is_grouped())
        return fail("cannot write a map as JSON whose keys may be other than texts");
      std::sort(entries.begin(), entries.end(),
                [](const auto* a, const auto* b) { return a->first.as_string() < b->first.as_string(); });
    }
    out_ += '{';
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i != 0) out_ += ',';
      new_line(indent + 1);
      write_key(entries[i]->first);
      if (!write(entries[i]->second, indent + 1)) return false;
    }
    if (!entries.empty()) new_line(indent);
    out_ += '}';
    return out_.size() <= end_ || too_large();
  }

  // Records refer to each other in circles: only what holds none is written.
  bool write_record(const Record& record, int indent) {
    Map plain;
    for (const std::string_view name : record.members()) {
      Value value;
      if (record.member(name, value) && !holds_records(value)) plain.set(name, std::move(value));
    }
    return write_map(plain, indent);
  }

  std::string& out_;
  const JsonStyle style_;
  JsonProblem& problem_;
  const size_t end_;
};

class Parser {
 public:
  Parser(std::string_view text, bool floats) : text_(text), floats_(floats) {}

  base::Result<Value> parse() {
    skip_space();
    Value value;
    if (read(value, 0)) {
      skip_space();
      if (at_ == text_.size()) return value;
      fail("unexpected text after the value");
    }
    return base::fail(base::ErrorCode::kInvalidArgument,
                      "invalid JSON at byte " + std::to_string(at_ + 1) + ": " + problem_);
  }

 private:
  bool fail(std::string problem) {
    if (problem_.empty()) problem_ = std::move(problem);
    return false;
  }

  bool fail_here(std::string_view expected) {
    if (at_ >= text_.size()) return fail("the text ends where " + std::string(expected) + " is expected");
    return fail("expected " + std::string(expected));
  }

  void skip_space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t'))
      ++at_;
  }

  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  bool take_word(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return fail_here("a value");
    at_ += word.size();
    return true;
  }

  bool read(Value& out, uint32_t depth) {
    if (at_ >= text_.size()) return fail_here("a value");
    switch (text_[at_]) {
      case '{':
        return read_map(out, depth + 1);
      case '[':
        return read_list(out, depth + 1);
      case '"': {
        std::string text;
        if (!read_text(text)) return false;
        out = Value(std::move(text));
        return true;
      }
      case 't':
        out = true;
        return take_word("true");
      case 'f':
        out = false;
        return take_word("false");
      case 'n':
        out = nullptr;
        return take_word("null");
      default:
        return read_number(out);
    }
  }

  bool read_list(Value& out, uint32_t depth) {
    if (depth > kMaxValueDepth) return fail("nested more than 512 deep");
    ++at_;
    List list;
    skip_space();
    if (!take(']')) {
      do {
        skip_space();
        if (!read(list.emplace_back(), depth)) return false;
        skip_space();
      } while (take(','));
      if (!take(']')) return fail_here("',' or ']'");
    }
    out = Value(std::move(list));
    return true;
  }

  bool read_map(Value& out, uint32_t depth) {
    if (depth > kMaxValueDepth) return fail("nested more than 512 deep");
    ++at_;
    Map map;
    skip_space();
    if (!take('}')) {
      do {
        skip_space();
        std::string key;
        if (at_ >= text_.size() || text_[at_] != '"') return fail_here("a key in quotes");
        if (!read_text(key)) return false;
        skip_space();
        if (!take(':')) return fail_here("':'");
        skip_space();
        Value value;
        if (!read(value, depth)) return false;
        map.set(Value(std::move(key)), std::move(value));
        skip_space();
      } while (take(','));
      if (!take('}')) return fail_here("',' or '}'");
    }
    out = Value(std::move(map));
    return true;
  }

  bool read_number(Value& out) {
    const size_t start = at_;
    bool whole = true;
    take('-');
    if (take('0')) {
      if (at_ < text_.size() && is_digit(text_[at_])) return fail("a number does not begin with 0");
    } else if (!take_digits()) {
      at_ = start;
      return fail_here("a value");
    }
    if (take('.')) {
      whole = false;
      if (!take_digits()) return fail_here("a digit");
    }
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      ++at_;
      whole = false;
      if (!take('+')) take('-');
      if (!take_digits()) return fail_here("a digit");
    }
    const char* begin = text_.data() + start;
    const char* end = text_.data() + at_;
    if (whole && !floats_) {
      int64_t value = 0;
      if (const auto result = std::from_chars(begin, end, value); result.ec == std::errc{}) {
        out = value;
        return true;
      }
    }
    double value = 0;
    if (std::from_chars(begin, end, value).ec == std::errc::result_out_of_range) {
      // Too small is zero; too large is no number of ours.
      value = std::strtod(std::string(begin, end).c_str(), nullptr);
      if (!std::isfinite(value)) {
        at_ = start;
        return fail("the number is too large");
      }
    }
    out = value;
    return true;
  }

  static bool is_digit(char c) { return c >= '0' && c <= '9'; }

  bool take_digits() {
    const size_t start = at_;
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    return at_ > start;
  }

  bool read_hex(uint32_t& out) {
    if (text_.size() - at_ < 4) return fail("\\u wants four digits");
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + at_ + 4, out, 16);
    if (error != std::errc{} || end != text_.data() + at_ + 4) return fail("\\u wants four digits");
    at_ += 4;
    return true;
  }

  bool read_escape(std::string& out) {
    if (at_ >= text_.size()) return fail("the text is not closed");
    const char c = text_[at_++];
    static constexpr std::string_view kEscapes = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
    if (const size_t known = kEscapes.find(c); known != std::string_view::npos) {
      out += kMeanings[known];
      return true;
    }
    if (c != 'u') return fail("unknown escape");
    uint32_t code = 0;
    if (!read_hex(code)) return false;
    if (code >= 0xD800 && code < 0xDC00 && text_.substr(at_).starts_with("\\u")) {
      const size_t second_at = at_;
      at_ += 2;
      uint32_t second = 0;
      if (!read_hex(second)) return false;
      if (second >= 0xDC00 && second < 0xE000) {
        base::append_utf8(out, 0x10000 + ((code - 0xD800) << 10) + (second - 0xDC00));
        return true;
      }
      at_ = second_at;
    }
    // Half a pair is no character.
    if (code >= 0xD800 && code < 0xE000) {
      out += kReplacement;
    } else {
      base::append_utf8(out, code);
    }
    return true;
  }

  bool read_text(std::string& out) {
    ++at_;
    while (at_ < text_.size()) {
      const auto c = static_cast<unsigned char>(text_[at_]);
      if (c == '"') {
        ++at_;
        return true;
      }
      if (c == '\\') {
        ++at_;
        if (!read_escape(out)) return false;
      } else if (c < 0x20) {
        return fail("a control character in a text");
      } else if (c < 0x80) {
        out += static_cast<char>(c);
        ++at_;
      } else {
        const size_t length = base::utf8_length(text_.substr(at_));
        if (length == 0) return fail("the text is not UTF-8");
        out += text_.substr(at_, length);
        at_ += length;
      }
    }
    return fail("the text is not closed");
  }

  const std::string_view text_;
  const bool floats_;
  size_t at_ = 0;
  std::string problem_;
};

}  // namespace

void append_json_text(std::string& out, std::string_view text) { append_quoted(out, text, false); }

// Past 2^53 the plain form of to_chars has every digit of the binary number.
void append_shortest(std::string& out, double value, bool plain) {
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  const std::string_view text(buffer, static_cast<size_t>(end - buffer));
  if (!plain) {
    out += text;
    return;
  }
  const size_t e = text.find('e');
  int exponent = 0;
  const char* digits_of_exponent = text.data() + e + (text[e + 1] == '+' ? 2 : 1);
  std::from_chars(digits_of_exponent, end, exponent);
  std::string digits(text.substr(0, e));
  if (digits.front() == '-') {
    out += '-';
    digits.erase(0, 1);
  }
  if (digits.size() > 1) digits.erase(1, 1);
  if (exponent < 0) {
    out += "0.";
    out.append(static_cast<size_t>(-exponent - 1), '0');
    out += digits;
  } else if (digits.size() <= static_cast<size_t>(exponent) + 1) {
    out += digits;
    out.append(static_cast<size_t>(exponent) + 1 - digits.size(), '0');
  } else {
    out.append(digits, 0, static_cast<size_t>(exponent) + 1);
    out += '.';
    out.append(digits, static_cast<size_t>(exponent) + 1);
  }
}

void append_float(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
    return;
  }
  const size_t start = out.size();
  const bool plain = is_plain(std::fabs(value));
  append_shortest(out, value, plain);
  if (plain && out.find('.', start) == std::string::npos) out += ".0";
}

bool write_json(std::string& out, const Value& value, JsonStyle style, size_t max_bytes,
                JsonProblem* problem) {
  JsonProblem unused;
  return Writer(out, style, max_bytes, problem ? *problem : unused).write(value, 0);
}

base::Result<Value> parse_json(std::string_view text) { return Parser(text, false).parse(); }
base::Result<Value> parse_json_floats(std::string_view text) { return Parser(text, true).parse(); }

void append_json(std::string& out, const Value& value) {
  write_json(out, value, JsonStyle::kCompact, SIZE_MAX);
}

std::string to_json(const Value& value) {
  std::string out;
  append_json(out, value);
  return out;
}

std::string describe(const Value& value, size_t max_bytes) {
  std::string out;
  if (value.kind() == Kind::kRecord) {
    out = std::string(value.as_record()->type_name()) + " ";
  }
  // A text longer than the bound is cut before it is copied.
  if (value.kind() == Kind::kString && value.as_string().size() > max_bytes) {
    append_quoted(out, base::utf8_prefix(value.as_string(), max_bytes), false);
    out.insert(out.size() - 1, "…");
    return out;
  }
  if (value.is_nil()) return "nil";
  if (!write_json(out, value, JsonStyle::kCompact, max_bytes)) {
    out.resize(base::utf8_prefix(out, max_bytes).size());
    out += "…";
  }
  return out;
}

std::string to_text(const Value& value) {
  switch (value.kind()) {
    case Kind::kNil:
      return "";
    case Kind::kString:
      return std::string(value.as_string());
    case Kind::kTime:
      return to_string(value.as_time());
    case Kind::kDuration:
      return to_string(value.as_duration());
    case Kind::kFloat: {
      std::string out;
      append_float(out, value.as_float());
      return out;
    }
    default:
      return to_json(value);
  }
}

}  // namespace testmesh::expr
