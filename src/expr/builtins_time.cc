#include <array>
#include <cmath>

#include "base/time.h"
#include "expr/builtin_functions.h"
#include "expr/checker.h"
#include "expr/time_layout.h"
#include "expr/time_methods.h"
#include "expr/times.h"

namespace testmesh::expr {
namespace {

int64_t wrapping_subtract(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}

constexpr double kNanosPerSecond = 1e9;

bool is_utc(std::string_view zone) { return zone == "UTC" || zone == "GMT" || zone == "Etc/UTC"; }

struct Method {
  std::string_view name;
  size_t arguments;
  bool (*run)(Budget&, const Value& object, const List& arguments, Value& out);
};

constexpr std::array kDurationMethods = {
    Method{"Hours", 0,
           [](Budget&, const Value& d, const List&, Value& out) {
             out = static_cast<double>(d.as_duration().nanos) / (3600 * kNanosPerSecond);
             return true;
           }},
    Method{"Minutes", 0,
           [](Budget&, const Value& d, const List&, Value& out) {
             out = static_cast<double>(d.as_duration().nanos) / (60 * kNanosPerSecond);
             return true;
           }},
    Method{"Seconds", 0,
           [](Budget&, const Value& d, const List&, Value& out) {
             out = static_cast<double>(d.as_duration().nanos) / kNanosPerSecond;
             return true;
           }},
    Method{"Milliseconds", 0,
           [](Budget&, const Value& d, const List&, Value& out) {
             out = d.as_duration().nanos / 1'000'000;
             return true;
           }},
    Method{"Microseconds", 0,
           [](Budget&, const Value& d, const List&, Value& out) {
             out = d.as_duration().nanos / 1000;
             return true;
           }},
    Method{"Nanoseconds", 0,
           [](Budget&, const Value& d, const List&, Value& out) {
             out = d.as_duration().nanos;
             return true;
           }},
    Method{"String", 0,
           [](Budget& budget, const Value& d, const List&, Value& out) {
             out = Value(to_string(d.as_duration()));
             return budget.text(40);
           }},
};

template <auto Field>
bool field(Budget&, const Value& time, const List&, Value& out) {
  out = static_cast<int64_t>(civil(time.as_time()).*Field);
  return true;
}

template <int64_t Divisor>
bool unix_time(Budget&, const Value& time, const List&, Value& out) {
  const int64_t nanos = time.as_time().unix_nanos;
  out = nanos / Divisor - (nanos % Divisor < 0 ? 1 : 0);
  return true;
}

bool wants(Budget& budget, const Value& value, Kind kind) {
  if (value.kind() == kind) return true;
  return budget.fail("expected a " + std::string(kind_name(kind)) + ", got " + type_name(value));
}

constexpr std::array kTimeMethods = {
    Method{"Year", 0, field<&CivilTime::year>},
    Method{"Month", 0, field<&CivilTime::month>},
    Method{"Day", 0, field<&CivilTime::day>},
    Method{"Hour", 0, field<&CivilTime::hour>},
    Method{"Minute", 0, field<&CivilTime::minute>},
    Method{"Second", 0, field<&CivilTime::second>},
    Method{"Nanosecond", 0, field<&CivilTime::nanos>},
    Method{"Weekday", 0, field<&CivilTime::weekday>},
    Method{"YearDay", 0, field<&CivilTime::year_day>},
    Method{"Unix", 0, unix_time<1'000'000'000>},
    Method{"UnixMilli", 0, unix_time<1'000'000>},
    Method{"UnixMicro", 0, unix_time<1000>},
    Method{"UnixNano", 0, unix_time<1>},
    Method{"UTC", 0,
           [](Budget&, const Value& time, const List&, Value& out) {
             out = Time{.unix_nanos = time.as_time().unix_nanos, .offset_seconds = 0};
             return true;
           }},
    Method{"String", 0,
           [](Budget& budget, const Value& time, const List&, Value& out) {
             out = Value(to_string(time.as_time()));
             return budget.text(40);
           }},
    Method{"Add", 1,
           [](Budget& budget, const Value& time, const List& in, Value& out) {
             return wants(budget, in[0], Kind::kDuration) && add(budget, time, in[0], out);
           }},
    Method{"Sub", 1,
           [](Budget& budget, const Value& time, const List& in, Value& out) {
             return wants(budget, in[0], Kind::kTime) && subtract_times(time, in[0], out);
           }},
    Method{"Before", 1,
           [](Budget& budget, const Value& time, const List& in, Value& out) {
             if (!wants(budget, in[0], Kind::kTime)) return false;
             out = time.as_time().unix_nanos < in[0].as_time().unix_nanos;
             return true;
           }},
    Method{"After", 1,
           [](Budget& budget, const Value& time, const List& in, Value& out) {
             if (!wants(budget, in[0], Kind::kTime)) return false;
             out = time.as_time().unix_nanos > in[0].as_time().unix_nanos;
             return true;
           }},
    Method{"Equal", 1,
           [](Budget& budget, const Value& time, const List& in, Value& out) {
             if (!wants(budget, in[0], Kind::kTime)) return false;
             out = time.as_time() == in[0].as_time();
             return true;
           }},
    Method{"Format", 1,
           [](Budget& budget, const Value& time, const List& in, Value& out) {
             if (!wants(budget, in[0], Kind::kString)) return false;
             constexpr size_t kMost = 1000;
             if (in[0].as_string().size() > kMost) return budget.fail("the layout is too long");
             std::string text = format_time(in[0].as_string(), time.as_time());
             if (!budget.text(text.size())) return false;
             out = Value(std::move(text));
             return true;
           }},
};

template <size_t N>
bool call_of(const std::array<Method, N>& methods, Budget& budget, const Value& object, std::string_view name,
             const List& arguments, Value& out) {
  std::vector<std::string> names;
  for (const Method& method : methods) {
    if (method.name != name) {
      names.emplace_back(method.name);
      continue;
    }
    if (arguments.size() != method.arguments)
      return budget.fail(std::string(name) + " takes " + std::to_string(method.arguments) +
                         " arguments (got " + std::to_string(arguments.size()) + ")");
    return method.run(budget, object, arguments, out);
  }
  return budget.fail_missing("a " + type_name(object) + " has no method " + std::string(name.substr(0, 60)) +
                             did_you_mean(name, names));
}

}  // namespace

bool subtract_times(const Value& a, const Value& b, Value& out) {
  if (a.kind() == Kind::kTime && b.kind() == Kind::kTime) {
    out = Duration{wrapping_subtract(a.as_time().unix_nanos, b.as_time().unix_nanos)};
  } else if (a.kind() == Kind::kTime && b.kind() == Kind::kDuration) {
    out = Time{.unix_nanos = wrapping_subtract(a.as_time().unix_nanos, b.as_duration().nanos),
               .offset_seconds = a.as_time().offset_seconds};
  } else if (a.kind() == Kind::kDuration && b.kind() == Kind::kDuration) {
    out = Duration{wrapping_subtract(a.as_duration().nanos, b.as_duration().nanos)};
  } else {
    return false;
  }
  return true;
}

bool scale_duration(const Value& a, const Value& b, Value& out) {
  if (b.kind() == Kind::kDuration && a.is_number()) return scale_duration(b, a, out);
  if (a.kind() != Kind::kDuration || !b.is_number()) return false;
  if (b.kind() == Kind::kInt) {
    out = Duration{static_cast<int64_t>(static_cast<uint64_t>(a.as_duration().nanos) *
                                        static_cast<uint64_t>(b.as_int()))};
    return true;
  }
  const double nanos = static_cast<double>(a.as_duration().nanos) * b.as_float();
  if (!(std::fabs(nanos) < 9.2e18)) return false;
  out = Duration{static_cast<int64_t>(nanos)};
  return true;
}

bool call_time_method(Budget& budget, const Value& object, std::string_view name, const List& arguments,
                      Value& out) {
  return object.kind() == Kind::kTime ? call_of(kTimeMethods, budget, object, name, arguments, out)
                                      : call_of(kDurationMethods, budget, object, name, arguments, out);
}

namespace functions {

bool now(const Arguments&, Value& out) {
  out = Time{.unix_nanos = static_cast<int64_t>(base::system_clock().now()), .offset_seconds = 0};
  return true;
}

bool duration(const Arguments& in, Value& out) {
  if (in[0].kind() != Kind::kString)
    return in.budget.fail("duration wants a string, got " + type_name(in[0]));
  const auto parsed = parse_duration(in[0].as_string());
  if (!parsed) return in.budget.fail(parsed.error().message);
  out = *parsed;
  return true;
}

bool date(const Arguments& in, Value& out) {
  for (const Value& value : in.values)
    if (value.kind() != Kind::kString) return in.budget.fail("date wants strings, got " + type_name(value));
  if (in.size() == 3 && !is_utc(in[2].as_string())) return in.budget.fail("the only time zone known is UTC");
  constexpr size_t kMost = 1000;
  for (const Value& value : in.values)
    if (value.as_string().size() > kMost) return in.budget.fail("date: the text is too long");
  const bool zone_first = in.size() == 2 && is_utc(in[0].as_string());
  const std::string_view text = in[zone_first ? 1 : 0].as_string();
  const auto time = in.size() == 1 || zone_first ? parse_any_time(text) : parse_time(in[1].as_string(), text);
  if (!time) return in.budget.fail("date: " + describe(Value(text), 60) + " is no date");
  out = *time;
  return true;
}

bool timezone(const Arguments& in, Value& out) {
  if (in[0].kind() != Kind::kString)
    return in.budget.fail("timezone wants a string, got " + type_name(in[0]));
  if (!is_utc(in[0].as_string())) return in.budget.fail("the only time zone known is UTC");
  out = in[0];
  return true;
}

}  // namespace functions
}  // namespace testmesh::expr
