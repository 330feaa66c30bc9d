// What a value may still become while spans of the trace may come.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "expr/value.h"

namespace testmesh::validation {

struct PossibleList;

// A set of values, described from outside: what is in it may be, what is not in
// it can never be.
struct Possible {
  static constexpr double kInfinity = std::numeric_limits<double>::infinity();

  // Bits of expr::Kind; 0: it fails for certain.
  uint32_t kinds = 0;
  // Exactly this one, whatever comes (as the same span, of spans).
  std::optional<expr::Value> exact;
  double low = -kInfinity, high = kInfinity;  // of numbers
  bool can_true = true, can_false = true;     // of bools
  bool nil_is_absent = false;                 // every nil is that of an absent span
  bool is_span = false;                       // every record is a span
  bool is_attributes = false;                 // every record is the attributes of a span
  std::shared_ptr<const PossibleList> list;   // of lists that are not exact; null: any list
  bool fails_missing = false;                 // may fail because something is not there
  bool fails = false;                         // may fail otherwise

  bool may_be(expr::Kind kind) const { return (kinds & bit(kind)) != 0; }
  bool is_only(uint32_t these) const { return (kinds & ~these) == 0; }
  bool may_fail() const { return fails || fails_missing; }
  static uint32_t bit(expr::Kind kind) { return 1u << static_cast<unsigned>(kind); }
};

// Elements that are in it whatever comes, and others that may be: `maybe` of
// those that are known, any number where `open`. In no order unless it is
// neither open nor has maybes.
struct PossibleList {
  std::vector<Possible> sure;
  uint64_t maybe = 0;
  bool open = false;
  Possible others;  // each of those that may be

  bool in_order() const { return !open && maybe == 0; }
};

Possible exactly(expr::Value value);
Possible anything();  // and any failure
Possible failure(bool missing);
Possible any_bool(bool can_true, bool can_false);
Possible any_number(double low, double high, bool whole);
Possible any_of(expr::Kind kind);
Possible any_span();
Possible list_of(PossibleList list);
// One or the other.
Possible either(const Possible& a, const Possible& b);
// The same, and it may fail as this may.
Possible with_failures(Possible value, const Possible& of);
Possible without_failures(Possible value);

// A record somewhere in it: what it shows of itself may change.
bool holds_record(const expr::Value& value);
// Of a value that may be a list; null: any list.
std::shared_ptr<const PossibleList> elements_of(const Possible& list);
double lowest_length(const Possible& list);
double highest_length(const Possible& list);

}  // namespace testmesh::validation
