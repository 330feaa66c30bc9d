#include "expr/time_layout.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include "expr/times.h"

namespace testmesh::expr {
namespace {

enum class Part : uint8_t {
  kLiteral,
  kYear,
  kShortYear,
  kMonth,
  kMonth2,
  kMonthName,
  kLongMonthName,
  kDay,
  kDay2,
  kDaySpace,
  kHour24,
  kHour12,
  kHour12Two,
  kMinute,
  kMinute2,
  kSecond,
  kSecond2,
  kFraction,
  kNoon,
  kWeekday,
  kLongWeekday,
  kZoneName,
  kOffset,
  kOffsetColon,
  kOffsetZ,
};

struct Element {
  std::string_view text;
  Part part;
};

// Longer ones first where one begins another.
constexpr std::array kElements = {
    Element{"January", Part::kLongMonthName},
    Element{"Jan", Part::kMonthName},
    Element{"Monday", Part::kLongWeekday},
    Element{"Mon", Part::kWeekday},
    Element{"MST", Part::kZoneName},
    Element{"2006", Part::kYear},
    Element{"-07:00", Part::kOffsetColon},
    Element{"Z07:00", Part::kOffsetZ},
    Element{"-0700", Part::kOffset},
    Element{"01", Part::kMonth2},
    Element{"02", Part::kDay2},
    Element{"03", Part::kHour12Two},
    Element{"04", Part::kMinute2},
    Element{"05", Part::kSecond2},
    Element{"06", Part::kShortYear},
    Element{"15", Part::kHour24},
    Element{"_2", Part::kDaySpace},
    Element{"PM", Part::kNoon},
    Element{"1", Part::kMonth},
    Element{"2", Part::kDay},
    Element{"3", Part::kHour12},
    Element{"4", Part::kMinute},
    Element{"5", Part::kSecond},
};
constexpr std::array<std::string_view, 12> kMonths = {"January",   "February", "March",    "April",
                                                      "May",       "June",     "July",     "August",
                                                      "September", "October",  "November", "December"};
constexpr std::array<std::string_view, 7> kDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                   "Thursday", "Friday", "Saturday"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The element at the front; a literal character where none is known.
Element next_element(std::string_view layout) {
  if (layout.size() > 1 && (layout[0] == '.' || layout[0] == ',') && (layout[1] == '0' || layout[1] == '9')) {
    size_t end = 1;
    while (end < layout.size() && layout[end] == layout[1]) ++end;
    if (end == layout.size() || !is_digit(layout[end])) return {layout.substr(0, end), Part::kFraction};
  }
  for (const Element& element : kElements)
    if (layout.starts_with(element.text)) return {layout.substr(0, element.text.size()), element.part};
  return {layout.substr(0, 1), Part::kLiteral};
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool number(int least, int most_digits, int& out) {
    int digits = 0;
    out = 0;
    while (digits < most_digits && !text_.empty() && is_digit(text_[0])) {
      out = out * 10 + (text_[0] - '0');
      text_.remove_prefix(1);
      ++digits;
    }
    return digits >= least;
  }

  bool literal(std::string_view expected) {
    if (!text_.starts_with(expected)) return false;
    text_.remove_prefix(expected.size());
    return true;
  }

  template <size_t N>
  bool name(const std::array<std::string_view, N>& names, size_t length, int& out) {
    for (size_t i = 0; i < N; ++i) {
      if (!literal(names[i].substr(0, std::min(length, names[i].size())))) continue;
      out = static_cast<int>(i);
      return true;
    }
    return false;
  }

  bool offset(bool colon, int32_t& out) {
    const bool negative = text_.starts_with('-');
    if (!negative && !text_.starts_with('+')) return false;
    text_.remove_prefix(1);
    int hours = 0, minutes = 0;
    if (!number(2, 2, hours) || (colon && !literal(":")) || !number(2, 2, minutes)) return false;
    if (hours > 24 || minutes > 59) return false;
    out = (hours * 3600 + minutes * 60) * (negative ? -1 : 1);
    return true;
  }

  // A fraction may follow the seconds even where the layout shows none.
  void fraction(int32_t& out) {
    if (text_.size() < 2 || (text_[0] != '.' && text_[0] != ',') || !is_digit(text_[1])) return;
    text_.remove_prefix(1);
    int32_t unit = 100'000'000;
    out = 0;
    for (; !text_.empty() && is_digit(text_[0]); text_.remove_prefix(1), unit /= 10)
      out += (text_[0] - '0') * unit;
  }

  bool zone_name() {
    size_t length = 0;
    while (length < text_.size() && length < 5 && text_[length] >= 'A' && text_[length] <= 'Z') ++length;
    if (length < 3) return false;
    text_.remove_prefix(length);
    return true;
  }

  bool empty() const { return text_.empty(); }

 private:
  std::string_view text_;
};

int days_in(int64_t year, int month) {
  return static_cast<int>(days_of(month == 12 ? year + 1 : year, month == 12 ? 1 : month + 1, 1) -
                          days_of(year, month, 1));
}

}  // namespace

std::optional<Time> parse_time(std::string_view layout, std::string_view text) {
  Reader in(text);
  CivilTime at;
  at.year = 0;
  int32_t offset = 0;
  int value = 0, unused = 0;
  bool afternoon = false, twelve = false;
  while (!layout.empty()) {
    const Element element = next_element(layout);
    layout.remove_prefix(element.text.size());
    bool good = true;
    switch (element.part) {
      case Part::kLiteral:
        good = in.literal(element.text);
        break;
      case Part::kYear:
        good = in.number(4, 4, value);
        at.year = value;
        break;
      case Part::kShortYear:
        good = in.number(2, 2, value);
        at.year = value + (value >= 69 ? 1900 : 2000);
        break;
      case Part::kMonth:
      case Part::kMonth2:
        good = in.number(element.part == Part::kMonth2 ? 2 : 1, 2, at.month);
        break;
      case Part::kMonthName:
      case Part::kLongMonthName:
        good = in.name(kMonths, element.part == Part::kMonthName ? 3 : 20, value);
        at.month = value + 1;
        break;
      case Part::kDaySpace:
        in.literal(" ");
        [[fallthrough]];
      case Part::kDay:
      case Part::kDay2:
        good = in.number(element.part == Part::kDay2 ? 2 : 1, 2, at.day);
        break;
      case Part::kHour24:
        good = in.number(2, 2, at.hour);
        break;
      case Part::kHour12:
      case Part::kHour12Two:
        good = in.number(element.part == Part::kHour12Two ? 2 : 1, 2, at.hour) && at.hour <= 12;
        twelve = true;
        break;
      case Part::kMinute:
      case Part::kMinute2:
        good = in.number(element.part == Part::kMinute2 ? 2 : 1, 2, at.minute);
        break;
      case Part::kSecond:
      case Part::kSecond2:
        good = in.number(element.part == Part::kSecond2 ? 2 : 1, 2, at.second);
        in.fraction(at.nanos);
        break;
      case Part::kFraction:
        break;  // read with the seconds
      case Part::kNoon:
        afternoon = in.literal("PM");
        good = afternoon || in.literal("AM");
        break;
      case Part::kWeekday:
      case Part::kLongWeekday:
        good = in.name(kDays, element.part == Part::kWeekday ? 3 : 20, unused);
        break;
      case Part::kZoneName:
        good = in.zone_name();
        break;
      case Part::kOffsetZ:
        if (in.literal("Z")) break;
        [[fallthrough]];
      case Part::kOffsetColon:
        good = in.offset(true, offset);
        break;
      case Part::kOffset:
        good = in.offset(false, offset);
        break;
    }
    if (!good) return std::nullopt;
  }
  if (!in.empty()) return std::nullopt;
  if (twelve) at.hour = at.hour % 12 + (afternoon ? 12 : 0);
  if (at.month < 1 || at.month > 12 || at.day < 1 || at.day > days_in(at.year, at.month)) return std::nullopt;
  if (at.hour > 23 || at.minute > 59 || at.second > 59) return std::nullopt;
  return time_of(at, offset);
}

std::optional<Time> parse_any_time(std::string_view text) {
  static constexpr std::array<std::string_view, 7> kLayouts = {"2006-01-02",
                                                               "15:04:05",
                                                               "2006-01-02 15:04:05",
                                                               "2006-01-02T15:04:05Z07:00",
                                                               "02 Jan 06 15:04 MST",
                                                               "Monday, 02-Jan-06 15:04:05 MST",
                                                               "Mon, 02 Jan 2006 15:04:05 MST"};
  for (const std::string_view layout : kLayouts)
    if (const auto time = parse_time(layout, text)) return time;
  return std::nullopt;
}

std::string format_time(std::string_view layout, Time time) {
  const CivilTime at = civil(time);
  std::string out;
  const auto number = [&](int64_t value, int width) {
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "%0*lld", width, static_cast<long long>(value));
    out += buffer;
  };
  const auto offset = [&](std::string_view separator) {
    const int minutes = std::abs(time.offset_seconds) / 60;
    out += time.offset_seconds < 0 ? '-' : '+';
    number(minutes / 60, 2);
    out += separator;
    number(minutes % 60, 2);
  };
  const int hour12 = at.hour % 12 == 0 ? 12 : at.hour % 12;
  while (!layout.empty()) {
    const Element element = next_element(layout);
    layout.remove_prefix(element.text.size());
    switch (element.part) {
      case Part::kLiteral:
        out += element.text;
        break;
      case Part::kYear:
        number(at.year, 4);
        break;
      case Part::kShortYear:
        number(at.year % 100, 2);
        break;
      case Part::kMonth:
      case Part::kMonth2:
        number(at.month, element.part == Part::kMonth2 ? 2 : 1);
        break;
      case Part::kMonthName:
      case Part::kLongMonthName:
        out +=
            kMonths[static_cast<size_t>(at.month - 1)].substr(0, element.part == Part::kMonthName ? 3 : 20);
        break;
      case Part::kDaySpace:
        if (at.day < 10) out += ' ';
        number(at.day, 1);
        break;
      case Part::kDay:
      case Part::kDay2:
        number(at.day, element.part == Part::kDay2 ? 2 : 1);
        break;
      case Part::kHour24:
        number(at.hour, 2);
        break;
      case Part::kHour12:
      case Part::kHour12Two:
        number(hour12, element.part == Part::kHour12Two ? 2 : 1);
        break;
      case Part::kMinute:
      case Part::kMinute2:
        number(at.minute, element.part == Part::kMinute2 ? 2 : 1);
        break;
      case Part::kSecond:
      case Part::kSecond2:
        number(at.second, element.part == Part::kSecond2 ? 2 : 1);
        break;
      case Part::kFraction: {
        char digits[16];
        std::snprintf(digits, sizeof digits, "%09d", at.nanos);
        std::string fraction = std::string(digits).substr(0, std::min<size_t>(9, element.text.size() - 1));
        if (element.text[1] == '9')
          while (!fraction.empty() && fraction.back() == '0') fraction.pop_back();
        if (!fraction.empty()) out += element.text[0] + fraction;
        break;
      }
      case Part::kNoon:
        out += at.hour < 12 ? "AM" : "PM";
        break;
      case Part::kWeekday:
      case Part::kLongWeekday:
        out += kDays[static_cast<size_t>(at.weekday)].substr(0, element.part == Part::kWeekday ? 3 : 20);
        break;
      case Part::kZoneName:
        if (time.offset_seconds == 0) {
          out += "UTC";
        } else {
          offset("");
        }
        break;
      case Part::kOffsetZ:
        if (time.offset_seconds == 0) {
          out += 'Z';
          break;
        }
        [[fallthrough]];
      case Part::kOffsetColon:
        offset(":");
        break;
      case Part::kOffset:
        offset("");
        break;
    }
  }
  return out;
}

}  // namespace testmesh::expr
