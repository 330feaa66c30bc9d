#include "otlp/json_writer.h"

#include <charconv>
#include <cmath>

#include "otlp/base64.h"

namespace testmesh::otlp {

void JsonWriter::string(std::string_view value) {
  static constexpr char kDigits[] = "0123456789abcdef";
  out_ += '"';
  size_t plain = 0;  // start of what needs no escape
  for (size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    if (static_cast<uint8_t>(c) >= 0x20 && c != '"' && c != '\\') continue;
    out_.append(value.substr(plain, i - plain));
    plain = i + 1;
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
        out_ += "\\u00";
        out_ += kDigits[c >> 4];
        out_ += kDigits[c & 15];
    }
  }
  out_.append(value.substr(plain));
  out_ += '"';
}

void JsonWriter::key(std::string_view name) {
  separate();
  string(name);
  out_ += ':';
  first_ = true;
}

void JsonWriter::text(std::string_view value) {
  separate();
  string(value);
}

void JsonWriter::boolean(bool value) {
  separate();
  out_ += value ? "true" : "false";
}

void JsonWriter::number(int64_t value) {
  separate();
  out_ += std::to_string(value);
}

void JsonWriter::quoted(int64_t value) { text(std::to_string(value)); }
void JsonWriter::quoted(uint64_t value) { text(std::to_string(value)); }

void JsonWriter::real(double value) {
  if (std::isnan(value)) return text("NaN");
  if (std::isinf(value)) return text(value > 0 ? "Infinity" : "-Infinity");
  char digits[32];
  const auto [end, code] = std::to_chars(digits, digits + sizeof digits, value);
  const std::string_view shortest(digits, static_cast<size_t>(end - digits));
  separate();
  out_.append(shortest);
  // "-0" would read as the integer, which has no sign.
  if (shortest == "-0") out_ += ".0";
}

void JsonWriter::base64(std::string_view bytes) {
  separate();
  out_ += '"';
  out_ += to_base64(bytes);
  out_ += '"';
}

}  // namespace testmesh::otlp
