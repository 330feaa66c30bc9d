// The functions of the language: one table, from which the checker, the
// evaluator and the reference page work.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "expr/value.h"

namespace testmesh::expr {

class Budget;  // expr/budget.h

// What a function was called with. run() gives the value, or false after
// saying to the budget what is wrong.
struct Arguments {
  Budget& budget;
  std::span<const Value> values;

  size_t size() const { return values.size(); }
  const Value& operator[](size_t i) const { return values[i]; }
};

// Those that take a predicate are part of the evaluator.
enum class Predicate : uint8_t {
  kNone,
  kAll,
  kNoneOf,
  kAny,
  kOne,
  kFilter,
  kMap,
  kFind,
  kFindIndex,
  kFindLast,
  kFindLastIndex,
  kCount,
  kSum,
  kGroupBy,
  kSortBy,
  kReduce,
};

struct Builtin {
  std::string_view name;
  std::string_view section;    // of the reference
  std::string_view arguments;  // as the reference shows them
  uint8_t min_arguments, max_arguments;
  // A letter for each argument, the last one for all that follow. What is known
  // to be something else is an error of the check:
  // * anything  s text  i integer  n number  c number or text  a list  m map
  // l text, list or map  g number or list  o time zone
  std::string_view accepts;
  // Of what it gives: as above, and b bool, f float, t time, d duration, = of the first argument.
  char gives;
  std::string_view summary;
  std::string_view example, result;  // as `testmesh eval` prints it
  bool (*run)(const Arguments&, Value& out) = nullptr;
  Predicate predicate = Predicate::kNone;
};

std::span<const Builtin> builtins();
const Builtin* find_builtin(std::string_view name);

// docs/expressions.md from "## Functions" on.
std::string reference_page();

}  // namespace testmesh::expr
