#include "api/attribute_query.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <optional>

namespace testmesh::api {
namespace {

using base::Result;

void append_utf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 63));
  } else {
    out += static_cast<char>(0xe0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 63));
    out += static_cast<char>(0x80 | (code & 63));
  }
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  void skip_space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r'))
      ++at_;
  }
  bool take(std::string_view token) {
    skip_space();
    if (!text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }
  bool at_end() {
    skip_space();
    return at_ == text_.size();
  }
  size_t position() const { return at_; }

  std::optional<std::string> take_string() {
    skip_space();
    if (at_ >= text_.size()) return std::nullopt;
    const char quote = text_[at_];
    if (quote != '\'' && quote != '"' && quote != '`') return std::nullopt;
    std::string value;
    for (++at_; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == quote) {
        ++at_;
        return value;
      }
      if (c == '\\' && quote != '`') {
        ++at_;
        if (!take_escape(value)) return std::nullopt;
      } else {
        value += c;
      }
    }
    return std::nullopt;
  }

  std::optional<model::Value> take_number() {
    skip_space();
    const size_t begin = at_;
    size_t end = at_;
    while (end < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[end])) || text_[end] == '.' ||
                                  text_[end] == '-' || text_[end] == '+'))
      ++end;
    const char* first = text_.data() + begin;
    const char* last = text_.data() + end;
    int64_t integer = 0;
    if (const auto [stop, error] = std::from_chars(first, last, integer);
        error == std::errc() && stop == last) {
      at_ = end;
      return model::Value{integer};
    }
    // from_chars also reads "inf" and "nan", which are no numbers here.
    if (begin == end || !(std::isdigit(static_cast<unsigned char>(*first)) || *first == '-' || *first == '.'))
      return std::nullopt;
    double real = 0;
    if (const auto [stop, error] = std::from_chars(first, last, real);
        error == std::errc() && stop == last && std::isfinite(real)) {
      at_ = end;
      return model::Value{real};
    }
    return std::nullopt;
  }

 private:
  bool take_escape(std::string& value) {
    if (at_ >= text_.size()) return false;
    switch (text_[at_]) {
      case '\\':
        value += '\\';
        return true;
      case '\'':
        value += '\'';
        return true;
      case '"':
        value += '"';
        return true;
      case 'n':
        value += '\n';
        return true;
      case 'r':
        value += '\r';
        return true;
      case 't':
        value += '\t';
        return true;
      case 'u': {
        if (text_.size() - at_ < 5) return false;
        uint32_t code = 0;
        const char* digits = text_.data() + at_ + 1;
        const auto [stop, error] = std::from_chars(digits, digits + 4, code, 16);
        if (error != std::errc() || stop != digits + 4 || (code >= 0xd800 && code <= 0xdfff)) return false;
        append_utf8(value, code);
        at_ += 4;
        return true;
      }
      default:
        return false;
    }
  }

  std::string_view text_;
  size_t at_ = 0;
};

base::Error unsupported(size_t position) {
  return {base::ErrorCode::kInvalidArgument,
          fmt::format(
              "The expression in `q` is not understood at character {}. Supported is the equality of one "
              "attribute with a string, a number, true or false: attributes['http.route'] == '/orders' or "
              "resource['service.version'] == \"1.2\"",
              position + 1)};
}

}  // namespace

Result<store::AttributeEquals> parse_attribute_query(std::string_view text) {
  Reader reader(text);
  store::AttributeEquals query;
  if (reader.take("resource"))
    query.resource = true;
  else if (!reader.take("attributes"))
    return std::unexpected(unsupported(reader.position()));
  if (!reader.take("[")) return std::unexpected(unsupported(reader.position()));
  auto key = reader.take_string();
  if (!key || !reader.take("]") || !reader.take("==")) return std::unexpected(unsupported(reader.position()));
  query.key = std::move(*key);
  if (auto value = reader.take_string())
    query.value.data = std::move(*value);
  else if (reader.take("true"))
    query.value.data = true;
  else if (reader.take("false"))
    query.value.data = false;
  else if (auto number = reader.take_number())
    query.value = std::move(*number);
  else
    return std::unexpected(unsupported(reader.position()));
  if (!reader.at_end()) return std::unexpected(unsupported(reader.position()));
  return query;
}

}  // namespace testmesh::api
