#include "flow_export/yaml_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "base/utf8.h"

namespace testmesh::flow_export {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Letters, digits, slashes, … that no reader takes for anything but a text.
bool is_plain(std::string_view text) {
  constexpr std::string_view kWords[] = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"};
  if (text.empty() || text.size() > 200 || !is_letter(text[0]) || text.back() == ' ') return false;
  if (text.find("  ") != std::string_view::npos) return false;
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
  if (std::ranges::find(kWords, lower) != std::end(kWords)) return false;
  return std::ranges::all_of(text, [](char c) {
    return is_letter(c) || is_digit(c) || c == ' ' || c == '/' || c == '.' || c == '-' || c == '=' ||
           c == '(' || c == ')';
  });
}

uint32_t code_of(std::string_view character) {
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(character[i])); };
  switch (character.size()) {
    case 1:
      return byte(0);
    case 2:
      return (byte(0) & 0x1f) << 6 | (byte(1) & 0x3f);
    case 3:
      return (byte(0) & 0x0f) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f);
    default:
      return (byte(0) & 0x07) << 18 | (byte(1) & 0x3f) << 12 | (byte(2) & 0x3f) << 6 | (byte(3) & 0x3f);
  }
}

// What YAML does not print, or what would hide: written by number.
bool is_hidden(uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0xad || (code >= 0x200b && code <= 0x200f) ||
         (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) || code == 0xfeff ||
         code == 0xfffe || code == 0xffff;
}

}  // namespace

std::string quoted(std::string_view text) {
  std::string result = "\"";
  while (!text.empty()) {
    const size_t length = base::utf8_length(text);
    if (length == 0) {
      result += "\xef\xbf\xbd";
      text.remove_prefix(1);
      continue;
    }
    const std::string_view character = text.substr(0, length);
    text.remove_prefix(length);
    const uint32_t code = code_of(character);
    if (code == '"' || code == '\\')
      result.append("\\").append(character);
    else if (code == '\n')
      result += "\\n";
    else if (code == '\t')
      result += "\\t";
    else if (code == '\r')
      result += "\\r";
    else if (is_hidden(code))
      result += fmt::format("\\u{:04x}", code);
    else
      result += character;
  }
  return result + '"';
}

std::string scalar(std::string_view text) { return is_plain(text) ? std::string(text) : quoted(text); }

// The same escapes mean the same there.
std::string literal(std::string_view text) {
  const bool simple = std::ranges::all_of(text, [](char c) {
    return is_letter(c) || is_digit(c) || c == ' ' || c == '/' || c == '.' || c == '-' || c == ':';
  });
  return simple ? fmt::format("'{}'", text) : quoted(text);
}

}  // namespace testmesh::flow_export
