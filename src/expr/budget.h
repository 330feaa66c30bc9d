// What one evaluation may use, and why it failed.
#pragma once

#include <cstdint>
#include <string>

#include "expr/program.h"
#include "expr/value.h"

namespace testmesh::expr {

// Every function gives false once something was too much or wrong; the first
// reason is kept.
class Budget {
 public:
  explicit Budget(const Limits& limits)
      : elements_left_(limits.elements), text_left_(limits.text_bytes), steps_left_(limits.steps) {}

  // Elements of lists and maps about to be made. As in the reference, the last
  // one of the budget is too many.
  bool elements(uint64_t count) {
    if (count >= elements_left_) return too_much("a million elements");
    elements_left_ -= count;
    return true;
  }
  bool text(uint64_t bytes) {
    if (bytes > text_left_) return too_much("its memory for texts");
    text_left_ -= bytes;
    return true;
  }
  // Work in steps, each of some ten nanoseconds.
  bool work(uint64_t steps) {
    if (steps > steps_left_) {
      steps_left_ = 0;
      return too_much("its steps");
    }
    steps_left_ -= steps;
    return true;
  }
  // A list or map just made: neither too deep nor, with its shared parts, too large.
  bool accept(const Value& made);

  bool fail(std::string message);
  // A name, member or element that is not there: false to `exists`.
  bool fail_missing(std::string message);

  bool failed() const { return failed_; }
  bool is_missing() const { return missing_; }
  const std::string& message() const { return message_; }
  // `exists` took the failure as its answer.
  void forget_failure();

 private:
  bool too_much(const char* what);

  uint64_t elements_left_, text_left_, steps_left_;
  bool failed_ = false, missing_ = false;
  std::string message_;
};

// What a value is called in messages: "int", "list", "span".
std::string type_name(const Value&);

// What a map of groups gives for a key it has not: an empty list that is as good
// as nil.
const Value& no_group();
inline bool is_nothing(const Value& value) { return value.is_nil() || value.is_same_object(no_group()); }

// `==` within the budget: an answer, or false with a failure.
bool equal(Budget&, const Value& a, const Value& b);
// a < b. False with a failure unless both are numbers, texts, times or durations.
bool less(Budget&, const Value& a, const Value& b, std::string_view op);
bool comparable(const Value& a, const Value& b);
// a + b.
bool add(Budget&, const Value& a, const Value& b, Value& out);
// object[key] as in `get` and member accesses; false with a failure where there is none.
bool fetch(Budget&, const Value& object, const Value& key, Value& out);
// Of a number; false with a failure.
bool to_index(Budget&, const Value&, int64_t& out);
// a ** b, to the last bit as the reference has it.
double power(double a, double b);
// As the function string() shows it.
bool to_display(Budget&, const Value&, std::string& out);

}  // namespace testmesh::expr
