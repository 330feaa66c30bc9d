// Text on a terminal: how wide it is, and how it is made harmless.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace testmesh::cli {

// The first character of a text that is not empty.
struct Character {
  uint32_t code = 0;
  size_t bytes = 0;  // 0: no UTF-8
};
Character first_character(std::string_view text);
inline constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

// Telemetry is written by strangers: control characters (a terminal would obey
// them) and bytes that are no UTF-8 become U+FFFD.
std::string printable(std::string_view text);
// The same of a text of several lines: newlines stay.
std::string printable_lines(std::string_view text);

enum class Style { kPlain, kBold, kDim, kGood, kWarning, kBad };
// Printable text in the style, where the terminal shows colours.
std::string painted(std::string text, Style, bool colour);

// Columns that printable text takes.
size_t width_of(std::string_view text);

// Cut to at most `columns`, the last of them `…` when something was cut.
std::string cut(std::string_view text, size_t columns);
// The same, with the front cut off.
std::string cut_front(std::string_view text, size_t columns);
// `text` on lines of at most `columns` (0: one line), broken behind `separator`
// where that is possible; each line but the first starts with `indent` blanks,
// for which, as for the first, there is room beside `columns`.
std::string wrap(std::string_view text, std::string_view separator, size_t columns, size_t indent);
std::string pad_right(std::string text, size_t columns);
std::string pad_left(std::string text, size_t columns);

std::string duration_text(double milliseconds);            // "412 µs", "3.4 ms", "12.1 s", "2 min 3 s"
std::string counted(double count, std::string_view noun);  // "1 error", "2 errors"
std::string percent_text(double share);                    // "0 %", "0.04 %", "12.5 %", "100 %"

}  // namespace testmesh::cli
