#include "expr/times.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace testmesh::expr {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

// Sums that may pass 64 bits before they are found too large.
__extension__ typedef __int128 Wide;

struct Unit {
  std::string_view name;
  int64_t nanos;
};
constexpr std::array kUnits = {
    Unit{"ns", 1},         Unit{"us", 1000},   Unit{"µs", 1000},  // U+00B5
    Unit{"μs", 1000},                                             // U+03BC
    Unit{"ms", 1'000'000}, Unit{"s", kSecond}, Unit{"m", 60 * kSecond}, Unit{"h", 3600 * kSecond}};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

std::string without_trailing_zeros(std::string digits) {
  while (!digits.empty() && digits.back() == '0') digits.pop_back();
  return digits;
}

std::string fraction(int64_t value, int width) {
  std::string digits = std::to_string(value);
  digits.insert(0, static_cast<size_t>(width) - digits.size(), '0');
  digits = without_trailing_zeros(std::move(digits));
  return digits.empty() ? "" : "." + digits;
}

}  // namespace

base::Result<Duration> parse_duration(std::string_view text) {
  const auto wrong = [&] {
    return base::fail(base::ErrorCode::kInvalidArgument, "invalid duration \"" +
                                                             std::string(text.substr(0, 64)) +
                                                             "\" (expected one like \"1h30m\" or \"250ms\")");
  };
  std::string_view rest = text;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  if (rest == "0") return Duration{0};
  if (rest.empty()) return wrong();
  Wide total = 0;
  while (!rest.empty()) {
    size_t length = 0, digits = 0;
    bool dot = false;
    while (length < rest.size() && (is_digit(rest[length]) || (rest[length] == '.' && !dot))) {
      if (rest[length] == '.') {
        dot = true;
      } else {
        ++digits;
      }
      ++length;
    }
    if (digits == 0) return wrong();
    const std::string_view number = rest.substr(0, length);
    rest.remove_prefix(length);
    size_t unit_length = 0;
    while (unit_length < rest.size() && !is_digit(rest[unit_length]) && rest[unit_length] != '.')
      ++unit_length;
    const Unit* unit = nullptr;
    for (const Unit& known : kUnits)
      if (known.name == rest.substr(0, unit_length)) unit = &known;
    if (!unit) return wrong();
    rest.remove_prefix(unit_length);
    const size_t point = number.find('.');
    int64_t whole = 0;
    const std::string_view before = number.substr(0, point);
    if (!before.empty() &&
        std::from_chars(before.data(), before.data() + before.size(), whole).ec != std::errc{})
      return wrong();
    total += static_cast<Wide>(whole) * unit->nanos;
    if (point != std::string_view::npos) {
      Wide scaled = 0, scale = 1;
      for (const char c : number.substr(point + 1).substr(0, 18)) {
        scaled = scaled * 10 + (c - '0');
        scale *= 10;
      }
      total += scaled * unit->nanos / scale;
    }
    if (total > (Wide{1} << 63)) return wrong();
  }
  if (negative) total = -total;
  if (total > INT64_MAX || total < INT64_MIN) return wrong();
  return Duration{static_cast<int64_t>(total)};
}

std::string to_string(Duration duration) {
  if (duration.nanos == 0) return "0s";
  const bool negative = duration.nanos < 0;
  const uint64_t nanos =
      negative ? uint64_t{0} - static_cast<uint64_t>(duration.nanos) : static_cast<uint64_t>(duration.nanos);
  std::string out = negative ? "-" : "";
  if (nanos < 1000) return out + std::to_string(nanos) + "ns";
  if (nanos < 1'000'000)
    return out + std::to_string(nanos / 1000) + fraction(static_cast<int64_t>(nanos % 1000), 3) + "µs";
  if (nanos < static_cast<uint64_t>(kSecond))
    return out + std::to_string(nanos / 1'000'000) + fraction(static_cast<int64_t>(nanos % 1'000'000), 6) +
           "ms";
  const uint64_t seconds = nanos / static_cast<uint64_t>(kSecond);
  if (seconds >= 3600) out += std::to_string(seconds / 3600) + "h";
  if (seconds >= 60) out += std::to_string(seconds / 60 % 60) + "m";
  return out + std::to_string(seconds % 60) +
         fraction(static_cast<int64_t>(nanos % static_cast<uint64_t>(kSecond)), 9) + "s";
}

int64_t days_of(int64_t year, int month, int day) {
  // Years begin in March, so that the leap day is the last of one.
  const int64_t y = year - (month <= 2 ? 1 : 0);
  const int64_t era = floor_div(y, 400);
  const int64_t year_of_era = y - era * 400;
  const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

CivilTime civil(Time time) {
  CivilTime out;
  const int64_t total_seconds = floor_div(time.unix_nanos, kSecond) + time.offset_seconds;
  out.nanos = static_cast<int32_t>(time.unix_nanos - floor_div(time.unix_nanos, kSecond) * kSecond);
  const int64_t days = floor_div(total_seconds, 86400);
  const auto of_day = static_cast<int>(total_seconds - days * 86400);
  out.hour = of_day / 3600;
  out.minute = of_day / 60 % 60;
  out.second = of_day % 60;
  const int64_t shifted = days + 719468;
  const int64_t era = floor_div(shifted, 146097);
  const int64_t day_of_era = shifted - era * 146097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const auto month_from_march = static_cast<int>((5 * day_of_year + 2) / 153);
  out.day = static_cast<int>(day_of_year - (153 * month_from_march + 2) / 5 + 1);
  out.month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
  out.year = year_of_era + era * 400 + (out.month <= 2 ? 1 : 0);
  out.weekday = static_cast<int>(((days % 7) + 11) % 7);
  out.year_day = static_cast<int>(days - days_of(out.year, 1, 1) + 1);
  return out;
}

std::optional<Time> time_of(const CivilTime& at, int32_t offset_seconds) {
  const int64_t days = days_of(at.year, at.month, at.day);
  const Wide seconds =
      static_cast<Wide>(days) * 86400 + at.hour * 3600 + at.minute * 60 + at.second - offset_seconds;
  const Wide nanos = seconds * kSecond + at.nanos;
  if (nanos > INT64_MAX || nanos < INT64_MIN) return std::nullopt;
  return Time{.unix_nanos = static_cast<int64_t>(nanos), .offset_seconds = offset_seconds};
}

std::string to_string(Time time) {
  const CivilTime at = civil(time);
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%04lld-%02d-%02dT%02d:%02d:%02d", static_cast<long long>(at.year),
                at.month, at.day, at.hour, at.minute, at.second);
  std::string out = buffer + fraction(at.nanos, 9);
  if (time.offset_seconds == 0) return out + "Z";
  const int minutes = std::abs(time.offset_seconds) / 60;
  std::snprintf(buffer, sizeof buffer, "%c%02d:%02d", time.offset_seconds < 0 ? '-' : '+', minutes / 60,
                minutes % 60);
  return out + buffer;
}

}  // namespace testmesh::expr
