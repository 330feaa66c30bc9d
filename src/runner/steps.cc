// One step: its attempts, its outputs, its assertions.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "flow_file/action_schema.h"
#include "runner/control_actions.h"
#include "runner/run_impl.h"

namespace testmesh::runner {
namespace {

using expr::Kind;
using expr::Map;
using expr::Value;
using flow_file::Assertion;
using flow_file::Milliseconds;
using flow_file::Retry;
using flow_file::Step;

// Of an action without a timeout of its own or of its step.
constexpr std::chrono::minutes kLongestAction{5};
constexpr Milliseconds kLongestDelay{60'000};

// Before the attempt after this many.
Milliseconds delay_after(uint32_t attempts, const Retry& retry) {
  const Milliseconds most = std::max(retry.delay, kLongestDelay);
  Milliseconds delay = retry.delay;
  if (retry.backoff == Retry::Backoff::kLinear)
    delay = retry.delay * attempts;
  else if (retry.backoff == Retry::Backoff::kExponential)
    for (uint32_t i = 1; i < attempts && delay < most; ++i) delay *= 2;
  return std::min(delay, most);
}

// "503", "5xx", "UNAVAILABLE": of what HTTP and gRPC answered.
bool names_status(std::string_view wanted, const Value& result) {
  const Value* status = result.find("status");
  if (!status || (status->kind() != Kind::kInt && status->kind() != Kind::kString)) return false;
  const std::string text = expr::to_text(*status);
  if (wanted.size() != text.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool any = (wanted[i] == 'x' || wanted[i] == 'X') && text[i] >= '0' && text[i] <= '9';
    if (!any && wanted[i] != text[i]) return false;
  }
  return true;
}

std::string sides(const FailedAssertion& failed) {
  if (failed.error) return *failed.error;
  std::string text = fmt::format("it is {}", expr::describe(failed.actual, 200));
  if (failed.expected) text += fmt::format(", compared with {}", expr::describe(*failed.expected, 200));
  return text;
}

}  // namespace

Run::StepOutcome Run::run_step(const Step& step, const PlaceView& place, std::vector<StepResult>& results) {
  StepResult result = blank_result(step, place);
  if (step.disabled || !decide_when(step, place, result.error)) {
    result.status = result.error ? StepStatus::kFailed : StepStatus::kSkipped;
    StepOutcome outcome;
    if (result.error) {
      (step.continue_on_error ? outcome.continued : outcome.failure) =
          RunError{result.error->code, fmt::format("Step `{}` failed: {}", result.id, result.error->message)};
      result.continued = step.continue_on_error;
    }
    publish_step(step, place, {}, result.status);
    finish(std::move(result), {}, results);
    return outcome;
  }

  tell_started(step, place);
  result.span_id = random_span_id();
  const SteadyTime began = timing_.now();
  std::vector<model::Span> spans;
  Attempt last;
  for (;;) {
    last = attempt(step, place, result.span_id, ++result.attempts);
    std::ranges::move(last.spans, std::back_inserter(spans));
    if (result.attempts >= step.retry.max_attempts || !wants_another(step, last) || stopped(place)) break;
    const SteadyTime next = timing_.now() + delay_after(result.attempts, step.retry);
    if (next >= place.deadline || !wait_until(next, place)) break;
  }

  result.status = last.error ? StepStatus::kFailed : StepStatus::kPassed;
  publish_step(step, place, last, result.status);
  if (last.error && !step.error_steps.empty() && !stopped(place)) {
    const LocalsView locals{.outer = place.locals,
                            .values = {{"error", Map{{"code", last.error->code},
                                                     {"message", last.error->message},
                                                     {"step_id", step.id}}}}};
    PlaceView inside = place;
    inside.locals = &locals;
    inside.depth = place.depth + 1;
    inside.span = result.span_id;
    run_steps(step.error_steps, inside, last.nested, false);
  }

  result.duration_ns = static_cast<uint64_t>(std::max<int64_t>(
      0, std::chrono::duration_cast<std::chrono::nanoseconds>(timing_.now() - began).count()));
  StepOutcome outcome{.failure = std::nullopt, .continued = std::move(last.continued)};
  if (last.error) {
    RunError error{last.error->code, fmt::format("Step `{}` failed: {}", result.id, last.error->message)};
    result.continued = step.continue_on_error && last.error->code != kCancelled;
    if (!result.continued)
      outcome.failure = std::move(error);
    else if (!outcome.continued)
      outcome.continued = std::move(error);
  }
  result.request = std::move(last.request);
  result.result = std::move(last.result);
  result.output = Value(std::move(last.outputs));
  result.failed_assertions = std::move(last.failed);
  result.error = std::move(last.error);
  emit_step(step, place, result, std::move(spans));
  finish(std::move(result), std::move(last.nested), results);
  return outcome;
}

// False: the step is not to run; why, if that is an error.
bool Run::decide_when(const Step& step, const PlaceView& place, std::optional<RunError>& error) {
  if (!step.when) return true;
  const auto value = step.when->program.evaluate(StepNamesView(place.names, place.locals));
  if (!value)
    error = RunError{"expression", fmt::format("`when` could not be evaluated: {}",
                                               expr::with_caret(step.when->source, value.error()))};
  else if (value->kind() != Kind::kBool)
    error = RunError{"expression", fmt::format("`when` must be true or false, `{}` is {}", step.when->source,
                                               expr::describe(*value))};
  return value && value->kind() == Kind::kBool && value->as_bool();
}

bool Run::wants_another(const Step& step, const Attempt& attempt) const {
  if (attempt.error && (attempt.final || attempt.error->code == kCancelled)) return false;
  const auto& wanted = step.retry.retry_on;
  // A status is asked for even when nothing failed: a 503 is no error by itself.
  if (std::ranges::any_of(wanted, [&](const auto& code) { return names_status(code, attempt.result); }))
    return true;
  if (!attempt.error) return false;
  return wanted.empty() || std::ranges::any_of(wanted, [&](const std::string& code) {
           return code == "any" || code == attempt.error->code;
         });
}

// Outputs too when the step failed: what was made before must be cleaned up.
void Run::publish_step(const Step& step, const PlaceView& place, const Attempt& attempt, StepStatus status) {
  Map known{{"status", to_string(status)}};
  if (attempt.result.kind() == Kind::kMap)
    for (const auto& [key, value] : attempt.result.as_map()) known.set(key, value);
  for (const auto& [key, value] : attempt.outputs) {
    known.set(key, value);
    place.names.set_output(key.as_string(), value);
  }
  place.names.set_step(step.id, std::move(known));
}

// ---- An attempt

Attempt Run::attempt(const Step& step, const PlaceView& place, const model::SpanId& span, uint32_t number) {
  Attempt attempt;
  const SteadyTime now = timing_.now();
  const bool is_control = ControlActions::has(step.action);
  if (now >= place.deadline) {
    attempt.fail("timeout", "The time of the step around it was up before it began", true);
    return attempt;
  }
  const auto config = expanded_config(step, place, attempt);
  if (!config) return attempt;
  SteadyTime limit = SteadyTime::max();
  if (step.timeout)
    limit = now + *step.timeout;
  else if (!is_control)
    limit = now + duration_of(*config, "timeout", kLongestAction);
  const SteadyTime deadline = std::min(limit, place.deadline);

  if (is_control) {
    attempt.request = *config;
    ControlActions(*this, step, place, span, deadline, attempt).act(*config);
  } else {
    run_action(step, place, span, number, *config, deadline, attempt);
  }
  masker_.learn_exchange(attempt.request);
  masker_.learn_exchange(attempt.result);
  if (attempt.error) return attempt;
  take_outputs(step, attempt);
  check_assertions(step, place, attempt);
  return attempt;
}

std::optional<Value> Run::expanded_config(const Step& step, const PlaceView& place, Attempt& attempt) {
  Map written;
  const auto is_expression = [&](const Value& key) {
    return key.kind() == Kind::kString && std::ranges::any_of(step.config_assertions, [&](const auto& entry) {
             return entry.first == key.as_string();
           });
  };
  if (step.config.kind() == Kind::kMap)
    for (const auto& [key, value] : step.config.as_map())
      if (!is_expression(key)) written.set(key, value);
  if (step.action == "for_each" &&
      !ControlActions(*this, step, place, {}, place.deadline, attempt).find_items(written))
    return std::nullopt;
  // Items are values already, whose texts are not to be looked at again.
  Value items;
  if (const Value* found = written.find("items"); found && step.action == "for_each") {
    items = *found;
    written.set("items", Value(expr::List()));
  }
  auto expanded = flow_file::expand(Value(std::move(written)), place.names.lookup(place.locals));
  if (!expanded) {
    const bool unknown = expanded.error().code == base::ErrorCode::kNotFound;
    attempt.fail(unknown ? "unknown_reference" : "too_large", expanded.error().message, true);
    return std::nullopt;
  }
  masker_.learn_exchange(*expanded);
  Value config = *std::move(expanded);
  if (const flow_file::ActionSchema* schema = flow_file::find_action_schema(step.action)) {
    auto conforming = flow_file::conform(*schema, config);
    if (!conforming) {
      attempt.fail("invalid_config", conforming.error().message, true);
      return std::nullopt;
    }
    config = *std::move(conforming);
  }
  if (!items.is_nil()) {
    Map with_items = config.as_map();
    with_items.set("items", std::move(items));
    config = Value(std::move(with_items));
  }
  return config;
}

void Run::run_action(const Step& step, const PlaceView& place, const model::SpanId& span, uint32_t number,
                     const Value& config, SteadyTime deadline, Attempt& attempt) {
  const actions::Action* action = services_.find_action(step.action);
  if (!action)
    return attempt.fail("unknown_action", fmt::format("There is no action `{}`", step.action), true);
  const model::SpanId id = random_span_id();
  actions::ActionContext context{.trace = spans_.context(id),
                                 .deadline = deadline,
                                 .cancelled = place.teardown ? never_ : services_.cancelled,
                                 .hosts = services_.hosts,
                                 .connections = connections_,
                                 .run_started_at = started_at_};
  const SpanTime time{.start = services_.clock.now()};
  actions::ActionOutcome outcome = action->run(config, context);
  attempt.spans.push_back(
      spans_.protocol(outcome, step.action, id, span, {time.start, services_.clock.now()}));
  attempt.spans.back().attributes.push_back(attribute("testmesh.attempt", int64_t{number}));
  attempt.request = std::move(outcome.request);
  attempt.result = std::move(outcome.result);
  if (outcome.error) attempt.fail(std::move(outcome.error->code), std::move(outcome.error->message));
}

void Run::take_outputs(const Step& step, Attempt& attempt) {
  for (const flow_file::Output& output : step.outputs) {
    auto found = output.path.select(attempt.result);
    std::string problem;
    if (!found)
      problem = found.error().message;
    else if (found->empty())
      problem = fmt::format("`{}` matches nothing in the result", output.path.source());
    if (!problem.empty()) {
      if (!attempt.error)
        attempt.fail("output", fmt::format("There is no value for the output `{}` (line {}): {}", output.name,
                                           output.at.line, problem));
      continue;
    }
    Value value = found->size() == 1 ? std::move(found->front()) : Value(*std::move(found));
    masker_.learn_variable(output.name, value);
    attempt.outputs.set(output.name, std::move(value));
  }
}

std::optional<FailedAssertion> Run::check(const Assertion& assertion, const expr::Environment& names) const {
  auto evaluation = assertion.program.evaluate_with_sides(names);
  if (evaluation && evaluation->value.kind() == Kind::kBool && evaluation->value.as_bool())
    return std::nullopt;
  FailedAssertion failed;
  failed.expression = assertion.source;
  failed.at = assertion.at;
  if (!evaluation) {
    failed.error = expr::with_caret(assertion.source, evaluation.error());
    return failed;
  }
  if (evaluation->value.kind() != Kind::kBool) {
    failed.actual = evaluation->value;
    failed.error =
        fmt::format("an assertion must be true or false, this is {}", expr::describe(evaluation->value));
    return failed;
  }
  failed.actual = evaluation->actual.value_or(evaluation->value);
  failed.expected = std::move(evaluation->expected);
  return failed;
}

void Run::check_assertions(const Step& step, const PlaceView& place, Attempt& attempt) {
  const StepNamesView names(place.names, place.locals, &attempt.result, &attempt.outputs);
  size_t count = step.assertions.size();
  const auto check_all = [&](const std::vector<Assertion>& assertions) {
    for (const Assertion& assertion : assertions)
      if (auto failed = check(assertion, names)) attempt.failed.push_back(*std::move(failed));
  };
  check_all(step.assertions);
  if (step.action == "assert")
    for (const auto& [key, assertions] : step.config_assertions) {
      count += assertions.size();
      check_all(assertions);
    }
  if (attempt.failed.empty()) return;
  const FailedAssertion& first = attempt.failed.front();
  std::string message = count == 1
                            ? fmt::format("The assertion `{}` failed: {}", first.expression, sides(first))
                            : fmt::format("{} of {} assertions failed, first `{}`: {}", attempt.failed.size(),
                                          count, first.expression, sides(first));
  // What is missing in an unexpected answer says less than that it is unexpected.
  if (attempt.error) message += ". " + attempt.error->message;
  attempt.fail("assertion", std::move(message));
}

}  // namespace testmesh::runner
