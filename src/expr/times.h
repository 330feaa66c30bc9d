// Times and durations as the language reads and shows them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "expr/value.h"

namespace testmesh::expr {

// "1h2m3.5s", "-1.5h", "100ms", "0".
base::Result<Duration> parse_duration(std::string_view text);
std::string to_string(Duration);

// RFC 3339 with as much fraction as there is, in its zone.
std::string to_string(Time);

// Days since 1970-01-01 of a day of the Gregorian calendar, and back.
int64_t days_of(int64_t year, int month, int day);
struct CivilTime {
  int64_t year = 0;
  int month = 1, day = 1, hour = 0, minute = 0, second = 0;
  int32_t nanos = 0;
  int weekday = 0;  // Sunday is 0
  int year_day = 1;
};
CivilTime civil(Time);
// nullopt: further from 1970 than 64 bits of nanoseconds reach.
std::optional<Time> time_of(const CivilTime&, int32_t offset_seconds);

}  // namespace testmesh::expr
