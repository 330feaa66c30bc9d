#include "expr/lexer.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/utf8.h"

namespace testmesh::expr {
namespace {

constexpr std::array<std::string_view, 11> kKeywords = {
    "not", "in", "or", "and", "matches", "contains", "startsWith", "endsWith", "let", "if", "else"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

char32_t decode(std::string_view character) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(character[i]); };
  switch (character.size()) {
    case 1:
      return byte(0);
    case 2:
      return ((byte(0) & 31u) << 6) | (byte(1) & 63u);
    case 3:
      return ((byte(0) & 15u) << 12) | ((byte(1) & 63u) << 6) | (byte(2) & 63u);
    default:
      return ((byte(0) & 7u) << 18) | ((byte(1) & 63u) << 12) | ((byte(2) & 63u) << 6) | (byte(3) & 63u);
  }
}

bool is_wide_space(char32_t c) {
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

// Letters beyond ASCII, roughly: everything but the blocks of punctuation,
// symbols, private use and control.
bool is_wide_letter(char32_t c) {
  if (c < 0xC0) return c == 0xAA || c == 0xB5 || c == 0xBA;
  if (c == 0xD7 || c == 0xF7 || is_wide_space(c)) return false;
  if (c >= 0x2000 && c < 0x2C00) return (c >= 0x2100 && c < 0x2190) || c == 0x2071 || c == 0x207F;
  if (c >= 0x3000 && c < 0x3041) return c == 0x3005 || c == 0x3006;
  if (c >= 0xD800 && c < 0xF900) return false;
  if (c >= 0xFE00 && c < 0xFE70) return false;
  if (c >= 0xFF00 && c < 0xFF66) return (c >= 0xFF21 && c <= 0xFF3A) || (c >= 0xFF41 && c <= 0xFF5A);
  if (c >= 0xFFE0 && c < 0x10000) return false;
  return c < 0x1D000 || (c >= 0x20000 && c < 0x40000);
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$'; }

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  std::expected<std::vector<Token>, SyntaxError> run() {
    tokens_.reserve(source_.size() / 4 + 4);
    while (next()) {
    }
    if (failed_) return std::unexpected(std::move(error_));
    tokens_.push_back({.kind = TokenKind::kEnd,
                       .offset = static_cast<uint32_t>(source_.size()),
                       .end = static_cast<uint32_t>(source_.size()),
                       .text = source_.substr(source_.size()),
                       .value = {}});
    return std::move(tokens_);
  }

 private:
  bool fail(size_t offset, std::string message) {
    failed_ = true;
    error_ = {.message = std::move(message), .offset = static_cast<uint32_t>(offset)};
    return false;
  }

  char peek(size_t ahead = 0) const { return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0'; }

  void emit(TokenKind kind, size_t start) {
    tokens_.push_back({.kind = kind,
                       .offset = static_cast<uint32_t>(start),
                       .end = static_cast<uint32_t>(at_),
                       .text = source_.substr(start, at_ - start),
                       .value = {}});
  }

  bool emit_operator(size_t length) {
    const size_t start = at_;
    at_ += length;
    emit(TokenKind::kOperator, start);
    return true;
  }

  // Length of the letter or digit at `at`; 0: there is none.
  size_t word_character(size_t at) const {
    if (at >= source_.size()) return 0;
    const char c = source_[at];
    if (static_cast<unsigned char>(c) < 0x80) return is_letter(c) || is_digit(c) ? 1 : 0;
    const size_t length = base::utf8_length(source_.substr(at));
    return length != 0 && is_wide_letter(decode(source_.substr(at, length))) ? length : 0;
  }

  size_t word_end(size_t at) const {
    while (const size_t length = word_character(at)) at += length;
    return at;
  }

  bool next() {
    if (at_ >= source_.size()) return false;
    const char c = source_[at_];
    if (c == ' ' || (c >= '\t' && c <= '\r')) {
      ++at_;
      return true;
    }
    switch (c) {
      case '\'':
      case '"':
        return quoted(c);
      case '`':
        return raw();
      case '/':
        return slash();
      case '(':
      case ')':
      case '[':
      case ']':
      case '{':
      case '}':
        ++at_;
        emit(TokenKind::kBracket, at_ - 1);
        return true;
      case ',':
      case ';':
      case '%':
      case '+':
      case '-':
      case '^':
      case '#':
        return emit_operator(1);
      case '|':
      case ':':
        return emit_operator(peek(1) == c ? 2 : 1);
      case '?':
        return emit_operator(peek(1) == '.' || peek(1) == '?' ? 2 : 1);
      case '&':
      case '!':
      case '=':
      case '*':
      case '<':
      case '>':
        return emit_operator(peek(1) == '&' || peek(1) == '=' || peek(1) == '*' ? 2 : 1);
      case '.':
        if (is_digit(peek(1))) return number();
        return emit_operator(peek(1) == '.' ? 2 : 1);
      default:
        break;
    }
    if (is_digit(c)) return number();
    const size_t end = word_end(at_);
    if (end > at_) {
      const std::string_view word = source_.substr(at_, end - at_);
      const size_t start = at_;
      at_ = end;
      emit(is_keyword(word) ? TokenKind::kOperator : TokenKind::kName, start);
      return true;
    }
    return other(c);
  }

  bool other(char c) {
    const size_t length = base::utf8_length(source_.substr(at_));
    if (length > 1 && is_wide_space(decode(source_.substr(at_, length)))) {
      at_ += length;
      return true;
    }
    char text[32];
    if (length == 0) {
      std::snprintf(text, sizeof text, "byte 0x%02X (no UTF-8)", static_cast<unsigned char>(c));
    } else {
      std::snprintf(text, sizeof text, "U+%04X", static_cast<unsigned>(decode(source_.substr(at_, length))));
    }
    std::string message = "unexpected character " + std::string(text);
    if (length > 1 || (length == 1 && c > ' ' && c < 0x7F))
      message += " '" + std::string(source_.substr(at_, length)) + "'";
    return fail(at_, std::move(message));
  }

  bool slash() {
    if (peek(1) == '/') {
      const size_t end = source_.find('\n', at_);
      at_ = end == std::string_view::npos ? source_.size() : end + 1;
      return true;
    }
    if (peek(1) == '*') {
      const size_t end = source_.find("*/", at_ + 2);
      if (end == std::string_view::npos) return fail(at_, "the comment is not closed");
      at_ = end + 2;
      return true;
    }
    return emit_operator(1);
  }

  void skip(std::string_view characters) {
    while (at_ < source_.size() && characters.find(source_[at_]) != std::string_view::npos) ++at_;
  }

  bool number() {
    const size_t start = at_;
    std::string_view digits = "0123456789_";
    if (peek() == '0') {
      const char base = static_cast<char>(peek(1) | 0x20);
      if (base == 'x' || base == 'o' || base == 'b') {
        digits = base == 'x' ? "0123456789abcdefABCDEF_" : base == 'o' ? "01234567_" : "01_";
        at_ += 2;
      }
    }
    skip(digits);
    if (peek() == '.' && peek(1) != '.') {
      ++at_;
      skip(digits);
    }
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      skip(digits);
    }
    if (word_character(at_) != 0)
      return fail(at_,
                  "a number is followed by '" + std::string(source_.substr(at_, word_character(at_))) + "'");
    emit(TokenKind::kNumber, start);
    return true;
  }

  bool raw() {
    const size_t start = at_;
    const size_t end = source_.find('`', at_ + 1);
    if (end == std::string_view::npos) return fail(start, "the text is not closed");
    at_ = end + 1;
    emit(TokenKind::kText, start);
    tokens_.back().value = source_.substr(start + 1, end - start - 1);
    return true;
  }

  bool quoted(char quote) {
    const size_t start = at_++;
    std::string value;
    for (;;) {
      if (at_ >= source_.size() || source_[at_] == '\n') return fail(start, "the text is not closed");
      const char c = source_[at_];
      if (c == quote) break;
      if (c == '\\') {
        if (!escape(value, quote)) return false;
      } else {
        value += c;
        ++at_;
      }
    }
    ++at_;
    emit(TokenKind::kText, start);
    tokens_.back().value = std::move(value);
    return true;
  }

  bool escape(std::string& out, char quote) {
    const size_t start = at_++;
    const char c = peek();
    static constexpr std::string_view kEscapes = "abfnrtv\\", kMeanings = "\a\b\f\n\r\t\v\\";
    if (const size_t known = kEscapes.find(c); at_ < source_.size() && known != std::string_view::npos) {
      out += kMeanings[known];
      ++at_;
      return true;
    }
    if (c == quote && at_ < source_.size()) {
      out += c;
      ++at_;
      return true;
    }
    if (c >= '0' && c <= '7') return digits(out, start, 8, 3);
    ++at_;
    if (c == 'x') return digits(out, start, 16, 2);
    if (c == 'u') return digits(out, start, 16, 4);
    if (c == 'U') return digits(out, start, 16, 8);
    return fail(start, "unknown escape in a text");
  }

  bool digits(std::string& out, size_t start, unsigned base, int count) {
    uint64_t code = 0;
    for (int i = 0; i < count; ++i, ++at_) {
      const char c = static_cast<char>(peek() | 0x20);
      const unsigned digit = is_digit(peek())       ? static_cast<unsigned>(peek() - '0')
                             : c >= 'a' && c <= 'f' ? static_cast<unsigned>(c - 'a' + 10)
                                                    : 99;
      if (digit >= base) return fail(start, "an escape in a text has too few digits");
      code = code * base + digit;
    }
    if (base == 8 || count == 2) {
      if (code > 0xFF) return fail(start, "an escape in a text is no byte");
      out += static_cast<char>(code);
      return true;
    }
    if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
      return fail(start, "an escape in a text is no character");
    base::append_utf8(out, static_cast<uint32_t>(code));
    return true;
  }

  const std::string_view source_;
  size_t at_ = 0;
  std::vector<Token> tokens_;
  SyntaxError error_;
  bool failed_ = false;
};

}  // namespace

std::expected<std::vector<Token>, SyntaxError> tokenize(std::string_view source) {
  return Lexer(source).run();
}

bool is_keyword(std::string_view text) {
  return !text.empty() && std::find(kKeywords.begin(), kKeywords.end(), text) != kKeywords.end();
}

bool is_name(std::string_view text) {
  if (text.empty() || is_digit(text.front())) return false;
  size_t at = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (static_cast<unsigned char>(c) < 0x80) {
      if (!is_letter(c) && !is_digit(c)) return false;
      ++at;
      continue;
    }
    const size_t length = base::utf8_length(text.substr(at));
    if (length == 0 || !is_wide_letter(decode(text.substr(at, length)))) return false;
    at += length;
  }
  return true;
}

}  // namespace testmesh::expr
