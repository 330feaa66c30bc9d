// RFC 9535, section 2: from text to tree.
#include <fmt/format.h>

#include <charconv>

#include "base/utf8.h"
#include "flow_file/json_path_tree.h"

namespace testmesh::flow_file::path {
namespace {

using expr::Value;

constexpr size_t kMostBytes = 16 << 10;
constexpr int kMostDepth = 64;
constexpr int kMostPatterns = 32;  // each may take a megabyte
constexpr int64_t kMostInteger = (int64_t{1} << 53) - 1;

enum class FunctionType { kValue, kLogical };

struct Signature {
  std::string_view name;
  Function function;
  FunctionType result;
  size_t arguments;
  bool takes_nodes;
};
constexpr Signature kFunctions[] = {
    {"length", Function::kLength, FunctionType::kValue, 1, false},
    {"count", Function::kCount, FunctionType::kValue, 1, true},
    {"match", Function::kMatch, FunctionType::kLogical, 2, false},
    {"search", Function::kSearch, FunctionType::kLogical, 2, false},
    {"value", Function::kValue, FunctionType::kValue, 1, true},
};

const Signature& signature_of(Function function) {
  for (const Signature& signature : kFunctions)
    if (signature.function == function) return signature;
  return kFunctions[0];
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_first(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool is_function_first(char c) { return c >= 'a' && c <= 'z'; }

// Thrown and caught within parse_query().
struct Failed {
  ParseFailure failure;
};

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Query whole() {
    if (text_.size() > kMostBytes) fail("the path is longer than 16 KiB");
    if (!base::valid_utf8(text_)) fail("the path is no text in UTF-8");
    if (!take('$')) fail("a path begins with `$`");
    Query query{.from_root = true, .segments = segments()};
    if (at_ < text_.size()) fail(fmt::format("`{}` cannot stand here", shown()));
    return query;
  }

 private:
  class Deeper {
   public:
    explicit Deeper(Parser& parser) : parser_(parser) {
      if (++parser_.depth_ > kMostDepth) parser_.fail("the path nests too deep");
    }
    ~Deeper() { --parser_.depth_; }

   private:
    Parser& parser_;
  };

  [[noreturn]] void fail(std::string message) const { fail_at(at_, std::move(message)); }
  [[noreturn]] static void fail_at(size_t offset, std::string message) {
    throw Failed{{offset, std::move(message)}};
  }

  char peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  bool take(char c) {
    if (peek() != c || at_ >= text_.size()) return false;
    ++at_;
    return true;
  }
  bool take(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  void blanks() {
    while (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r') ++at_;
  }
  std::string_view shown() const { return base::utf8_prefix(text_.substr(at_), 12); }
  void expect(char c) {
    if (take(c)) return;
    if (at_ >= text_.size()) fail(fmt::format("`{}` is expected at the end", c));
    fail(fmt::format("`{}` is expected before `{}`", c, shown()));
  }

  std::vector<Segment> segments() {
    std::vector<Segment> result;
    for (;;) {
      const size_t before = at_;
      blanks();
      Segment segment;
      if (take("..")) {
        segment.descendant = true;
        if (peek() == '[')
          bracketed(segment);
        else
          dotted(segment);
      } else if (take('.')) {
        dotted(segment);
      } else if (peek() == '[') {
        bracketed(segment);
      } else {
        at_ = before;
        return result;
      }
      result.push_back(std::move(segment));
    }
  }

  void dotted(Segment& segment) {
    if (take('*')) {
      segment.selectors.emplace_back(Wildcard());
      return;
    }
    if (!is_name_first(peek())) fail("a name or `*` is expected behind the dot");
    const size_t begin = at_;
    while (is_name_first(peek()) || is_digit(peek())) ++at_;
    segment.selectors.emplace_back(std::string(text_.substr(begin, at_ - begin)));
  }

  void bracketed(Segment& segment) {
    expect('[');
    do {
      blanks();
      segment.selectors.push_back(selector());
      blanks();
    } while (take(','));
    expect(']');
  }

  Selector selector() {
    const char c = peek();
    if (c == '\'' || c == '"') return text();
    if (take('*')) return Wildcard();
    if (take('?')) {
      blanks();
      return std::make_unique<Filter>(logical_or());
    }
    if (is_digit(c) || c == '-' || c == ':') return index_or_slice();
    fail("a name in quotes, an index, a slice, `*` or `?` is expected here");
  }

  int64_t integer() {
    const size_t begin = at_;
    const bool negative = take('-');
    if (!is_digit(peek())) fail("a number is expected here");
    if (peek() == '0' && (is_digit(peek(1)) || negative))
      fail_at(begin, "a number has no zero in front, and no -0");
    int64_t value = 0;
    while (is_digit(peek())) {
      value = value * 10 + (text_[at_++] - '0');
      if (value > kMostInteger) fail_at(begin, "a number must be from -(2^53-1) to 2^53-1");
    }
    return negative ? -value : value;
  }

  std::optional<int64_t> optional_integer() {
    if (!is_digit(peek()) && peek() != '-') return std::nullopt;
    return integer();
  }

  Selector index_or_slice() {
    Slice slice{.start = optional_integer()};
    const size_t behind = at_;
    blanks();
    if (!take(':')) {
      at_ = behind;
      return *slice.start;
    }
    blanks();
    slice.end = optional_integer();
    const size_t behind_end = at_;
    blanks();
    if (take(':')) {
      const size_t behind_colon = at_;
      blanks();
      slice.step = optional_integer();
      if (!slice.step) at_ = behind_colon;
    } else {
      at_ = behind_end;
    }
    return slice;
  }

  uint32_t hex4() {
    uint32_t value = 0;
    const std::string_view digits = text_.substr(std::min(at_, text_.size()), 4);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (digits.size() != 4 || error != std::errc() || end != digits.data() + 4)
      fail("four hexadecimal digits are expected behind `\\u`");
    at_ += 4;
    return value;
  }

  std::string text() {
    const size_t begin = at_;
    const char quote = text_[at_++];
    std::string result;
    for (;;) {
      if (at_ >= text_.size()) fail_at(begin, "the quotes are not closed");
      const char c = text_[at_];
      if (c == quote) {
        ++at_;
        return result;
      }
      if (static_cast<unsigned char>(c) < 0x20) fail("a control character cannot stand in quotes");
      ++at_;
      if (c != '\\') {
        result += c;
        continue;
      }
      const char escape = at_ < text_.size() ? text_[at_++] : '\0';
      constexpr std::string_view kEscapes = "bfnrt/\\", kMeanings = "\b\f\n\r\t/\\";
      if (escape == quote) {
        result += quote;
      } else if (escape == 'u') {
        const size_t place = at_ - 2;
        uint32_t code = hex4();
        if (code >= 0xd800 && code < 0xdc00) {
          if (!take("\\u")) fail_at(place, "the second half of a surrogate pair is missing");
          const uint32_t low = hex4();
          if (low < 0xdc00 || low > 0xdfff) fail_at(place, "the second half of a surrogate pair is missing");
          code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        } else if (code >= 0xdc00 && code <= 0xdfff) {
          fail_at(place, "the first half of a surrogate pair is missing");
        }
        base::append_utf8(result, code);
      } else if (const size_t i = escape == '\0' ? std::string_view::npos : kEscapes.find(escape);
                 i != std::string_view::npos) {
        result += kMeanings[i];
      } else {
        fail_at(at_ - std::min<size_t>(at_, 2), "there is no such escape");
      }
    }
  }

  // ---- Filters ----------------------------------------------------------------

  Filter logical_or() {
    const Deeper deeper(*this);
    Filter result{.kind = Filter::Kind::kOr};
    result.inner.push_back(logical_and());
    for (blanks(); take("||"); blanks()) {
      blanks();
      result.inner.push_back(logical_and());
    }
    return result.inner.size() == 1 ? std::move(result.inner[0]) : std::move(result);
  }

  Filter logical_and() {
    Filter result{.kind = Filter::Kind::kAnd};
    result.inner.push_back(basic());
    for (;;) {
      const size_t before = at_;
      blanks();
      if (!take("&&")) {
        at_ = before;
        break;
      }
      blanks();
      result.inner.push_back(basic());
    }
    return result.inner.size() == 1 ? std::move(result.inner[0]) : std::move(result);
  }

  Filter basic() {
    if (peek() == '!' && peek(1) != '=') {
      ++at_;
      blanks();
      Filter result{.kind = Filter::Kind::kNot};
      if (peek() == '(')
        result.inner.push_back(parenthesised());
      else
        result.inner.push_back(test(at_, operand()));
      return result;
    }
    if (peek() == '(') return parenthesised();
    const size_t begin = at_;
    Operand left = operand();
    const size_t behind = at_;
    blanks();
    const auto comparison = comparison_operator();
    if (!comparison) {
      at_ = behind;
      return test(begin, std::move(left));
    }
    comparable(begin, left);
    blanks();
    const size_t right_begin = at_;
    Operand right = operand();
    comparable(right_begin, right);
    Filter result{.kind = Filter::Kind::kCompare, .comparison = *comparison};
    result.operands.push_back(std::move(left));
    result.operands.push_back(std::move(right));
    return result;
  }

  Filter parenthesised() {
    expect('(');
    blanks();
    Filter result = logical_or();
    blanks();
    expect(')');
    return result;
  }

  std::optional<Comparison> comparison_operator() {
    constexpr std::pair<std::string_view, Comparison> kOperators[] = {
        {"==", Comparison::kEqual},          {"!=", Comparison::kNotEqual}, {"<=", Comparison::kLessOrEqual},
        {">=", Comparison::kGreaterOrEqual}, {"<", Comparison::kLess},      {">", Comparison::kGreater}};
    for (const auto& [sign, comparison] : kOperators)
      if (take(sign)) return comparison;
    return std::nullopt;
  }

  static Filter test(size_t begin, Operand operand) {
    if (std::holds_alternative<Value>(operand.what))
      fail_at(begin, "a value alone is no condition; compare it with something");
    Filter result{.kind = Filter::Kind::kExists};
    if (const auto* call = std::get_if<std::unique_ptr<Call>>(&operand.what)) {
      const Signature& signature = signature_of((*call)->function);
      if (signature.result != FunctionType::kLogical)
        fail_at(begin, fmt::format("{}() gives a value; compare it with something", signature.name));
      result.kind = Filter::Kind::kTest;
    }
    result.operands.push_back(std::move(operand));
    return result;
  }

  // Something that is one value at most.
  static void comparable(size_t begin, const Operand& operand) {
    if (const auto* query = std::get_if<Query>(&operand.what); query && !query->is_singular())
      fail_at(begin, "this path may give several values; only one can be compared");
    if (const auto* call = std::get_if<std::unique_ptr<Call>>(&operand.what)) {
      const Signature& signature = signature_of((*call)->function);
      if (signature.result != FunctionType::kValue)
        fail_at(begin, fmt::format("{}() is true or false by itself; it cannot be compared", signature.name));
    }
  }

  Operand operand() {
    const Deeper deeper(*this);
    const char c = peek();
    if (c == '\'' || c == '"') return {Value(text())};
    if (c == '@' || c == '$') {
      ++at_;
      return {Query{.from_root = c == '$', .segments = segments()}};
    }
    if (is_digit(c) || c == '-') return {number()};
    if (is_function_first(c)) {
      const size_t begin = at_;
      while (is_function_first(peek()) || is_digit(peek()) || peek() == '_') ++at_;
      const std::string_view name = text_.substr(begin, at_ - begin);
      if (peek() == '(') return {std::make_unique<Call>(call(begin, name))};
      if (name == "true") return {Value(true)};
      if (name == "false") return {Value(false)};
      if (name == "null") return {Value()};
      fail_at(begin, fmt::format("`{}` is no value; a text needs quotes", base::utf8_prefix(name, 40)));
    }
    fail("a value, a path from `@` or `$`, or a function is expected here");
  }

  Value number() {
    const size_t begin = at_;
    (void)take('-');
    if (!is_digit(peek())) fail("a number is expected here");
    if (peek() == '0' && is_digit(peek(1))) fail_at(begin, "a number has no zero in front");
    while (is_digit(peek())) ++at_;
    bool whole = true;
    if (peek() == '.') {
      whole = false;
      ++at_;
      if (!is_digit(peek())) fail("a digit is expected behind the point");
      while (is_digit(peek())) ++at_;
    }
    if (peek() == 'e' || peek() == 'E') {
      whole = false;
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      if (!is_digit(peek())) fail("a digit is expected in the exponent");
      while (is_digit(peek())) ++at_;
    }
    const std::string_view digits = text_.substr(begin, at_ - begin);
    int64_t integer = 0;
    if (whole && std::from_chars(digits.data(), digits.data() + digits.size(), integer).ec == std::errc())
      return digits == "-0" ? Value(0) : Value(integer);
    double real = 0;
    if (std::from_chars(digits.data(), digits.data() + digits.size(), real).ec != std::errc())
      fail_at(begin, "the number is out of range");
    return Value(real);
  }

  Call call(size_t begin, std::string_view name) {
    const Signature* signature = nullptr;
    for (const Signature& candidate : kFunctions)
      if (candidate.name == name) signature = &candidate;
    if (!signature)
      fail_at(begin,
              fmt::format("there is no function {}(); there are length, count, match, search and value",
                          base::utf8_prefix(name, 40)));
    expect('(');
    Call result{.function = signature->function};
    blanks();
    if (peek() != ')') {
      do {
        blanks();
        const size_t argument_begin = at_;
        result.arguments.push_back(operand());
        check_argument(argument_begin, *signature, result.arguments.back());
        blanks();
      } while (take(','));
    }
    expect(')');
    if (result.arguments.size() != signature->arguments)
      fail_at(begin, fmt::format("{}() takes {} argument{}, found {}", name, signature->arguments,
                                 signature->arguments == 1 ? "" : "s", result.arguments.size()));
    if (signature->result == FunctionType::kLogical)
      if (const auto* pattern = std::get_if<Value>(&result.arguments[1].what)) {
        if (++patterns_ > kMostPatterns) fail_at(begin, "the path has too many patterns");
        result.is_constant = true;
        if (pattern->kind() == expr::Kind::kString)
          result.pattern = compile_pattern(pattern->as_string(), result.function == Function::kMatch);
      }
    return result;
  }

  static void check_argument(size_t begin, const Signature& signature, const Operand& argument) {
    if (!signature.takes_nodes) return comparable(begin, argument);
    if (!std::holds_alternative<Query>(argument.what))
      fail_at(begin, fmt::format("{}() takes a path from `@` or `$`", signature.name));
  }

  const std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
  int patterns_ = 0;
};

}  // namespace

bool Query::is_singular() const {
  for (const Segment& segment : segments) {
    if (segment.descendant || segment.selectors.size() != 1) return false;
    const Selector& only = segment.selectors[0];
    if (!std::holds_alternative<std::string>(only) && !std::holds_alternative<int64_t>(only)) return false;
  }
  return true;
}

// I-Regexp (RFC 9485) in RE2's spelling: a dot outside brackets is no line
// break of either kind.
std::unique_ptr<re2::RE2> compile_pattern(std::string_view pattern, bool whole) {
  std::string translated = whole ? "^(?:" : "";
  bool in_brackets = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size()) {
      translated.append(pattern.substr(i++, 2));
      continue;
    }
    if (c == '[') in_brackets = true;
    if (c == ']') in_brackets = false;
    if (c == '.' && !in_brackets)
      translated += "[^\\n\\r]";
    else
      translated += c;
  }
  if (whole) translated += ")$";
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(1 << 20);
  auto compiled = std::make_unique<re2::RE2>(translated, options);
  return compiled->ok() ? std::move(compiled) : nullptr;
}

std::variant<Query, ParseFailure> parse_query(std::string_view text) {
  try {
    return Parser(text).whole();
  } catch (Failed& failed) {
    return std::move(failed.failure);
  }
}

}  // namespace testmesh::flow_file::path
