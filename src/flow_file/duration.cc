#include <charconv>
#include <cmath>

#include "flow_file/flow_file.h"

namespace testmesh::flow_file {

std::optional<Milliseconds> parse_duration(std::string_view text) {
  constexpr double kMostMilliseconds = 366.0 * 24 * 3600 * 1000;
  // Largest unit first, each at most once.
  constexpr std::pair<std::string_view, double> kUnits[] = {
      {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}};
  size_t next_unit = 0;
  double total = 0;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    if (text[0] < '0' || text[0] > '9') return std::nullopt;
    double number = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (error != std::errc() || end[-1] == '.') return std::nullopt;
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    const std::string_view unit = text.substr(0, text.find_first_of("0123456789."));
    while (next_unit < std::size(kUnits) && kUnits[next_unit].first != unit) ++next_unit;
    if (next_unit == std::size(kUnits)) return std::nullopt;
    total += number * kUnits[next_unit++].second;
    text.remove_prefix(unit.size());
  }
  if (!(total <= kMostMilliseconds)) return std::nullopt;
  return Milliseconds(static_cast<int64_t>(std::llround(total)));
}

}  // namespace testmesh::flow_file
