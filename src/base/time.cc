#include "base/time.h"

#include <chrono>

namespace testmesh::base {
namespace {

constexpr uint64_t kNanosPerSecond = 1'000'000'000;

class SystemClock final : public Clock {
 public:
  UnixNanos now() const override {
    return static_cast<UnixNanos>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                      std::chrono::system_clock::now().time_since_epoch())
                                      .count());
  }
};

void put_number(std::string& text, size_t at, size_t digits, uint64_t number) {
  for (size_t i = digits; i-- > 0; number /= 10) text[at + i] = static_cast<char>('0' + number % 10);
}

// Reads exactly `digits` decimal digits; -1 when they are not there.
int take_number(std::string_view& text, size_t digits) {
  if (text.size() < digits) return -1;
  int value = 0;
  for (size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool take_one_of(std::string_view& text, std::string_view characters) {
  if (text.empty() || characters.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

std::string to_rfc3339(UnixNanos time) {
  namespace chrono = std::chrono;
  const uint64_t seconds = time / kNanosPerSecond;
  const chrono::year_month_day date{chrono::sys_days(chrono::days(seconds / 86'400))};
  // Digits by hand: an answer may hold some ten thousand times.
  std::string text = "0000-00-00T00:00:00.000000000Z";
  put_number(text, 0, 4, static_cast<uint64_t>(static_cast<int>(date.year())));
  put_number(text, 5, 2, static_cast<unsigned>(date.month()));
  put_number(text, 8, 2, static_cast<unsigned>(date.day()));
  put_number(text, 11, 2, seconds / 3600 % 24);
  put_number(text, 14, 2, seconds / 60 % 60);
  put_number(text, 17, 2, seconds % 60);
  put_number(text, 20, 9, time % kNanosPerSecond);
  return text;
}

std::optional<UnixNanos> from_rfc3339(std::string_view text) {
  namespace chrono = std::chrono;
  const int year = take_number(text, 4);
  if (year < 0 || !take_one_of(text, "-")) return std::nullopt;
  const int month = take_number(text, 2);
  if (month < 0 || !take_one_of(text, "-")) return std::nullopt;
  const int day = take_number(text, 2);
  if (day < 0 || !take_one_of(text, "Tt ")) return std::nullopt;
  const int hour = take_number(text, 2);
  if (hour < 0 || hour > 23 || !take_one_of(text, ":")) return std::nullopt;
  const int minute = take_number(text, 2);
  if (minute < 0 || minute > 59 || !take_one_of(text, ":")) return std::nullopt;
  const int second = take_number(text, 2);
  if (second < 0 || second > 60) return std::nullopt;
  const chrono::year_month_day date{chrono::year(year), chrono::month(static_cast<unsigned>(month)),
                                    chrono::day(static_cast<unsigned>(day))};
  if (!date.ok() || year < 1970 || year > 2554) return std::nullopt;
  uint64_t fraction = 0;
  if (take_one_of(text, ".")) {
    uint64_t unit = kNanosPerSecond / 10;
    size_t digits = 0;
    while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
      fraction += static_cast<uint64_t>(text.front() - '0') * unit;
      unit /= 10;
      ++digits;
      text.remove_prefix(1);
    }
    if (digits == 0 || digits > 9) return std::nullopt;
  }
  int64_t offset_minutes = 0;
  if (!take_one_of(text, "Zz")) {
    if (text.empty()) return std::nullopt;
    const int sign = text.front() == '-' ? -1 : 1;
    if (!take_one_of(text, "+-")) return std::nullopt;
    const int offset_hour = take_number(text, 2);
    if (offset_hour < 0 || offset_hour > 23 || !take_one_of(text, ":")) return std::nullopt;
    const int offset_minute = take_number(text, 2);
    if (offset_minute < 0 || offset_minute > 59) return std::nullopt;
    offset_minutes = sign * (int64_t{offset_hour} * 60 + offset_minute);
  }
  if (!text.empty()) return std::nullopt;
  const int64_t days = chrono::sys_days(date).time_since_epoch().count();
  const int64_t total = ((days * 24 + hour) * 60 + minute - offset_minutes) * 60 + second;
  if (total < 0 || total > 18'446'744'072) return std::nullopt;
  return static_cast<uint64_t>(total) * kNanosPerSecond + fraction;
}

}  // namespace testmesh::base
