#include "simulate/values.h"

#include <charconv>
#include <cmath>

namespace testmesh::simulate {

std::optional<double> number_of(std::string_view text) {
  double value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::optional<Duration> time_of(std::string_view text) {
  const size_t digits = text.find_last_of("0123456789");
  if (digits == std::string_view::npos) return std::nullopt;
  const auto value = number_of(text.substr(0, digits + 1));
  const std::string_view unit = text.substr(digits + 1);
  if (!value) return std::nullopt;
  const double scale = unit == "ns"                   ? 1
                       : unit == "us" || unit == "µs" ? 1e3
                       : unit == "ms"                 ? 1e6
                       : unit == "s"                  ? 1e9
                       : unit == "m" || unit == "min" ? 60e9
                       : unit == "h"                  ? 3600e9
                       : unit.empty() && *value == 0  ? 1
                                                      : 0;
  const double nanos = *value * scale;
  if (scale == 0 || std::abs(nanos) > 1e18) return std::nullopt;
  return Duration(std::llround(nanos));
}

std::optional<double> share_of(std::string_view text) {
  const bool percent = text.ends_with('%');
  if (percent) text.remove_suffix(1);
  if (text.ends_with(' ')) text.remove_suffix(1);
  const auto value = number_of(text);
  if (!value) return std::nullopt;
  const double share = percent ? *value / 100 : *value;
  if (!(share >= 0 && share <= 1)) return std::nullopt;
  return share;
}

std::optional<double> rate_of(std::string_view text) {
  double per = 1;
  if (const size_t slash = text.find('/'); slash != std::string_view::npos) {
    const std::string_view unit = text.substr(slash + 1);
    per = unit == "s" ? 1 : unit == "m" || unit == "min" ? 60 : unit == "h" ? 3600 : 0;
    text = text.substr(0, slash);
  }
  const auto value = number_of(text);
  if (!value || per == 0 || !(*value > 0) || *value / per > 1e6) return std::nullopt;
  return *value / per;
}

std::optional<uint32_t> count_of(std::string_view text) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<Repeat> repeat_of(std::string_view text) {
  const size_t dots = text.find("..");
  const auto least = count_of(text.substr(0, dots));
  const auto most = dots == std::string_view::npos ? least : count_of(text.substr(dots + 2));
  if (!least || !most || *least > *most || *most > kMostSpansPerTrace) return std::nullopt;
  return Repeat{*least, *most};
}

std::optional<bool> yes_or_no(std::string_view text) {
  if (text == "yes" || text == "true") return true;
  if (text == "no" || text == "false") return false;
  return std::nullopt;
}

}  // namespace testmesh::simulate
