#include "validation/verdict.h"

#include "expr/ast.h"
#include "validation/outlook.h"

namespace testmesh::validation {
namespace {

constexpr uint32_t kBool = 1u << static_cast<unsigned>(expr::Kind::kBool);

Truth settled_of(const Possible& value) {
  const bool can_pass = value.may_be(expr::Kind::kBool) && value.can_true;
  if (!can_pass) return Truth::kFalse;
  const bool can_fail = value.may_fail() || !value.is_only(kBool) || value.can_false;
  return can_fail ? Truth::kUnknown : Truth::kTrue;
}

std::vector<model::SpanId> ids_of(const std::vector<expr::Value>& spans) {
  std::vector<model::SpanId> ids;
  for (const expr::Value& span : spans) {
    expr::Value hex;
    if (!span.as_record()->member("span_id", hex) || hex.kind() != expr::Kind::kString) continue;
    if (const auto id = model::SpanId::parse(hex.as_string())) ids.push_back(*id);
  }
  return ids;
}

}  // namespace

AssertionOutcome judge(const expr::Program& program, const expr::Environment& environment, bool complete) {
  AssertionOutcome outcome;
  if (const auto evaluation = program.evaluate_with_sides(environment)) {
    const expr::Value& value = evaluation->value;
    outcome.passed = value.kind() == expr::Kind::kBool && value.as_bool();
    outcome.actual = evaluation->actual.value_or(value);
    outcome.expected = evaluation->expected;
    if (value.kind() != expr::Kind::kBool)
      outcome.error = "an assertion is true or false, and this is " + expr::describe(value);
  } else {
    outcome.error = evaluation.error().message;
  }
  const Truth current = outcome.passed ? Truth::kTrue : Truth::kFalse;
  outcome.settled = current;
  if (complete && outcome.passed) return outcome;  // nobody asks what it rests on
  Outlook now(program, environment, Outlook::Trace::kIsComplete);
  now.evaluate();
  outcome.span_ids = ids_of(now.witnesses());
  if (complete) return outcome;
  // Whatever it says of all that may come holds of what is there now as well.
  const Truth settled = settled_of(Outlook(program, environment, Outlook::Trace::kGrows).evaluate());
  outcome.settled = settled == current ? settled : Truth::kUnknown;
  return outcome;
}

}  // namespace testmesh::validation
