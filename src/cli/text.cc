#include "cli/text.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdint>

namespace testmesh::cli {
namespace {

// C0, C1, and what turns the direction of text or hides in it.
bool harmful(uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x200b && code <= 0x200f) ||
         (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) || code == 0xfeff;
}

size_t columns_of(uint32_t code) {
  if (code >= 0x300 && code <= 0x36f) return 0;
  const bool wide = (code >= 0x1100 && code <= 0x115f) || (code >= 0x2e80 && code <= 0xa4cf) ||
                    (code >= 0xac00 && code <= 0xd7a3) || (code >= 0xf900 && code <= 0xfaff) ||
                    (code >= 0xfe30 && code <= 0xfe6f) || (code >= 0xff00 && code <= 0xff60) ||
                    (code >= 0xffe0 && code <= 0xffe6) || (code >= 0x1f300 && code <= 0x1faff) ||
                    (code >= 0x20000 && code <= 0x3fffd);
  return wide ? 2 : 1;
}

}  // namespace

Character first_character(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const unsigned first = byte(0);
  if (first < 0x80) return {first, 1};
  const size_t length = first >= 0xf0 && first <= 0xf4  ? 4
                        : first >= 0xe0 && first < 0xf0 ? 3
                        : first >= 0xc2 && first < 0xe0 ? 2
                                                        : 0;
  if (length == 0) return {};
  uint32_t code = first & (0xff >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    code = code << 6 | (byte(i) & 63);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kLeast[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return {};
  return {code, length};
}

std::string printable_lines(std::string_view text) {
  std::string shown;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    shown += (begin == 0 ? "" : "\n") + printable(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return shown;
}

std::string painted(std::string text, Style style, bool colour) {
  static constexpr const char* kCodes[] = {"", "1", "2", "32", "33", "31"};
  if (!colour || style == Style::kPlain || text.empty()) return text;
  return std::string("\x1b[") + kCodes[static_cast<int>(style)] + "m" + text + "\x1b[0m";
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Character next = first_character(text);
    if (next.bytes == 0 || harmful(next.code))
      out += kReplacement;
    else
      out += text.substr(0, next.bytes);
    text.remove_prefix(std::max<size_t>(next.bytes, 1));
  }
  return out;
}

size_t width_of(std::string_view text) {
  size_t columns = 0;
  while (!text.empty()) {
    const Character next = first_character(text);
    columns += next.bytes == 0 ? 1 : columns_of(next.code);
    text.remove_prefix(std::max<size_t>(next.bytes, 1));
  }
  return columns;
}

std::string cut(std::string_view text, size_t columns) {
  if (width_of(text) <= columns) return std::string(text);
  if (columns == 0) return {};
  std::string out;
  size_t used = 0;
  while (!text.empty()) {
    const Character next = first_character(text);
    const size_t wide = next.bytes == 0 ? 1 : columns_of(next.code);
    if (used + wide > columns - 1) break;
    used += wide;
    out += text.substr(0, std::max<size_t>(next.bytes, 1));
    text.remove_prefix(std::max<size_t>(next.bytes, 1));
  }
  return out + "…";
}

std::string cut_front(std::string_view text, size_t columns) {
  size_t width = width_of(text);
  if (width <= columns) return std::string(text);
  if (columns == 0) return {};
  while (width > columns - 1) {
    const Character next = first_character(text);
    width -= next.bytes == 0 ? 1 : columns_of(next.code);
    text.remove_prefix(std::max<size_t>(next.bytes, 1));
  }
  return "…" + std::string(text);
}

std::string wrap(std::string_view text, std::string_view separator, size_t columns, size_t indent) {
  std::string out;
  size_t used = 0;
  while (!text.empty()) {
    const size_t at = text.find(separator);
    const size_t end = at == std::string_view::npos ? text.size() : at + separator.size();
    const std::string_view piece = text.substr(0, end);
    const size_t width = width_of(piece);
    if (columns != 0 && used != 0 && used + width > columns) {
      out += '\n' + std::string(indent, ' ');
      used = 0;
    }
    out += piece;
    used += width;
    text.remove_prefix(end);
  }
  return out;
}

std::string counted(double count, std::string_view noun) {
  return fmt::format("{:.0f} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string pad_right(std::string text, size_t columns) {
  const size_t width = width_of(text);
  if (width < columns) text.append(columns - width, ' ');
  return text;
}

std::string pad_left(std::string text, size_t columns) {
  const size_t width = width_of(text);
  return width < columns ? std::string(columns - width, ' ') + text : text;
}

std::string duration_text(double milliseconds) {
  if (!std::isfinite(milliseconds)) return "-";
  if (milliseconds < 0.0005) return fmt::format("{:.0f} ns", milliseconds * 1e6);
  if (milliseconds < 0.9995) return fmt::format("{:.0f} µs", milliseconds * 1e3);
  if (milliseconds < 99.95) return fmt::format("{:.1f} ms", milliseconds);
  if (milliseconds < 999.5) return fmt::format("{:.0f} ms", milliseconds);
  if (milliseconds < 119'950) return fmt::format("{:.1f} s", milliseconds / 1000);
  const auto seconds = static_cast<uint64_t>(std::min(milliseconds / 1000, 1e15));
  return fmt::format("{} min {} s", seconds / 60, seconds % 60);
}

std::string percent_text(double share) {
  const double percent = share * 100;
  if (percent == 0) return "0 %";
  if (percent == 100) return "100 %";
  if (percent < 0.995) return fmt::format("{:.2f} %", percent);
  return fmt::format("{:.1f} %", percent);
}

}  // namespace testmesh::cli
