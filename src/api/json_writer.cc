#include "api/json_writer.h"

#include <array>
#include <charconv>
#include <cmath>

#include "base/utf8.h"

namespace testmesh::api {
namespace {

constexpr char kHexDigits[] = "0123456789abcdef";

// Characters that stand for themselves.
constexpr auto kPlain = [] {
  std::array<bool, 256> plain{};
  for (size_t byte = 0x20; byte < 0x7f; ++byte) plain[byte] = byte != '"' && byte != '\\';
  return plain;
}();

bool plain(char c) { return kPlain[static_cast<unsigned char>(c)]; }

}  // namespace

JsonWriter& JsonWriter::begin_object() {
  separate();
  out_ += '{';
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::end_object() {
  out_ += '}';
  comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::begin_array() {
  separate();
  out_ += '[';
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::end_array() {
  out_ += ']';
  comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  string(name);
  out_ += ':';
  comma_ = false;
  return *this;
}

void JsonWriter::string(std::string_view text) {
  separate();
  out_ += '"';
  while (!text.empty()) {
    size_t run = 0;
    while (run < text.size() && plain(text[run])) ++run;
    out_.append(text.substr(0, run));
    text.remove_prefix(run);
    if (text.empty()) break;
    const char c = text.front();
    size_t taken = 1;
    switch (c) {
      case '"':
        out_ += "\\\"";
        break;
      case '\\':
        out_ += "\\\\";
        break;
      case '\n':
        out_ += "\\n";
        break;
      case '\r':
        out_ += "\\r";
        break;
      case '\t':
        out_ += "\\t";
        break;
      default:
        if (const auto byte = static_cast<unsigned char>(c); byte < 0x20 || byte == 0x7f) {
          out_ += "\\u00";
          out_ += kHexDigits[byte >> 4];
          out_ += kHexDigits[byte & 15];
        } else if (const size_t length = base::utf8_length(text); length != 0) {
          out_.append(text.substr(0, length));
          taken = length;
        } else {
          out_ += "\xef\xbf\xbd";
        }
    }
    text.remove_prefix(taken);
  }
  out_ += '"';
}

void JsonWriter::boolean(bool value) {
  separate();
  out_ += value ? "true" : "false";
}

void JsonWriter::integer(int64_t value) {
  separate();
  char text[24];
  out_.append(text, std::to_chars(text, text + sizeof text, value).ptr);
}

void JsonWriter::unsigned_integer(uint64_t value) {
  separate();
  char text[24];
  out_.append(text, std::to_chars(text, text + sizeof text, value).ptr);
}

void JsonWriter::number(double value) {
  if (std::isnan(value)) return string("NaN");
  if (std::isinf(value)) return string(value > 0 ? "Infinity" : "-Infinity");
  separate();
  char text[40];
  const std::string_view digits(text, std::to_chars(text, text + sizeof text - 2, value).ptr);
  out_ += digits;
  // Readers that tell integers from doubles shall see a double.
  if (digits.find_first_not_of("-0123456789") == std::string_view::npos) out_ += ".0";
}

void JsonWriter::null() {
  separate();
  out_ += "null";
}

void JsonWriter::base64(std::string_view bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  separate();
  out_ += '"';
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k)
      group = group << 8 | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (size_t k = 0; k < 4; ++k) out_ += k <= count ? kDigits[group >> (18 - 6 * k) & 63] : '=';
  }
  out_ += '"';
}

void JsonWriter::raw(std::string_view json) {
  separate();
  out_ += json;
}

}  // namespace testmesh::api
