// Arithmetic and methods of times and durations.
#pragma once

#include <cstdint>
#include <string_view>

#include "expr/budget.h"
#include "expr/value.h"

namespace testmesh::expr {

// time - time, time - duration, duration - duration; false: none of these.
bool subtract_times(const Value& a, const Value& b, Value& out);
// duration * number, number * duration.
bool scale_duration(const Value& a, const Value& b, Value& out);
// time.Year(), duration.Seconds(), …
bool call_time_method(Budget&, const Value& object, std::string_view name, const List& arguments, Value& out);

// Steps that looking for one text in another may cost.
inline uint64_t search_cost(std::string_view text, std::string_view part) {
  return part.size() <= 1 ? text.size() / 64 : text.size() / 16 * (1 + part.size() / 64);
}

}  // namespace testmesh::expr
