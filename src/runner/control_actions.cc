#include "runner/control_actions.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace testmesh::runner {
namespace {

using expr::Kind;
using expr::List;
using expr::Map;
using expr::Value;
using flow_file::Assertion;
using flow_file::Milliseconds;
using flow_file::Step;

constexpr std::array kActions{std::string_view("delay"),       std::string_view("log"),
                              std::string_view("assert"),      std::string_view("condition"),
                              std::string_view("for_each"),    std::string_view("parallel"),
                              std::string_view("wait_until"),  std::string_view("run_flow"),
                              std::string_view("otel.inject"), std::string_view("otel.assert")};

constexpr size_t kDeepestCall = 8;
// Between two looks of otel.assert.
constexpr Milliseconds kLookInterval{100};

std::string text_of(const Value& config, std::string_view key) {
  const Value* value = config.find(key);
  return value && !value->is_nil() ? expr::to_text(*value) : std::string();
}

}  // namespace

Milliseconds duration_of(const Value& config, std::string_view key, Milliseconds otherwise) {
  const Value* value = config.find(key);
  if (!value || value->kind() != Kind::kString) return otherwise;
  return flow_file::parse_duration(value->as_string()).value_or(otherwise);
}

bool ControlActions::has(std::string_view action) {
  return std::ranges::find(kActions, action) != kActions.end();
}

void ControlActions::act(const Value& config) {
  if (step_.action == "delay") return delay(config);
  if (step_.action == "log") return log(config);
  if (step_.action == "condition") return condition();
  if (step_.action == "for_each") return for_each(config);
  if (step_.action == "parallel") return parallel(config);
  if (step_.action == "wait_until") return wait_until(config);
  if (step_.action == "run_flow") return run_other_flow(config);
  if (step_.action == "otel.inject") return otel_inject();
  if (step_.action == "otel.assert") return otel_assert(config);
  // `assert` has nothing to do: what it checks is checked as of every step.
}

// ---- What they share

const std::vector<Assertion>& ControlActions::expressions(std::string_view key) const {
  static const std::vector<Assertion> kNone;
  for (const auto& [name, assertions] : step_.config_assertions)
    if (name == key) return assertions;
  return kNone;
}

const std::vector<Step>* ControlActions::steps(std::string_view key) const {
  for (const auto& [name, nested] : step_.nested)
    if (name == key) return &nested;
  return nullptr;
}

PlaceView ControlActions::inside(std::string_view prefix, const LocalsView* locals) const {
  PlaceView place = place_;
  place.deadline = deadline_;
  place.depth = place_.depth + 1;
  place.span = span_;
  place.prefix += prefix;
  if (locals) place.locals = locals;
  return place;
}

SteadyTime ControlActions::from_now(Milliseconds duration) const {
  return std::min(deadline_, run_.timing_.now() + duration);
}

bool ControlActions::wait(SteadyTime until) const { return run_.wait_until(until, place_); }

void ControlActions::take(ListOutcome&& outcome) {
  if (outcome.failure) attempt_.error = std::move(outcome.failure);
  if (!attempt_.continued) attempt_.continued = std::move(outcome.continued);
}

void ControlActions::cancelled() { attempt_.fail(std::string(kCancelled), "The run was cancelled", true); }

// ---- Simple ones

void ControlActions::delay(const Value& config) {
  const Milliseconds duration = duration_of(config, "duration", Milliseconds(0));
  const SteadyTime until = run_.timing_.now() + duration;
  if (!wait(std::min(until, deadline_))) return cancelled();
  if (until > deadline_)
    return attempt_.fail("timeout", fmt::format("The delay of {} is longer than the step may take",
                                                text_of(config, "duration")));
  attempt_.result = Map{{"duration_ms", static_cast<int64_t>(duration.count())}};
}

void ControlActions::log(const Value& config) {
  const std::string level = text_of(config, "level");
  attempt_.result = Map{{"message", text_of(config, "message")}, {"level", level.empty() ? "info" : level}};
}

void ControlActions::condition() {
  const auto& conditions = expressions("if");
  if (conditions.empty()) return attempt_.fail("invalid_config", "The condition has no `if`", true);
  const Assertion& decides = conditions.front();
  const auto value = decides.program.evaluate(StepNamesView(place_.names, place_.locals));
  if (!value)
    return attempt_.fail("expression", fmt::format("`if` could not be evaluated: {}",
                                                   expr::with_caret(decides.source, value.error())));
  if (value->kind() != Kind::kBool)
    return attempt_.fail("expression", fmt::format("`if` must be true or false, `{}` is {}", decides.source,
                                                   expr::describe(*value)));
  const std::string_view branch = value->as_bool() ? "then" : "else";
  attempt_.result = Map{{"condition", value->as_bool()}, {"branch", branch}};
  if (const auto* chosen = steps(branch)) take(run_.run_steps(*chosen, inside(), attempt_.nested, false));
}

// ---- Other flows

void ControlActions::run_other_flow(const Value& config) {
  const std::string name = text_of(config, "file");
  const flow_file::FlowFile* flow = nullptr;
  if (run_.request_.flows) {
    const auto found = run_.request_.flows->find(name);
    if (found != run_.request_.flows->end()) flow = &found->second;
  }
  if (!flow) return attempt_.fail("unknown_flow", fmt::format("There is no flow `{}` to run", name), true);
  size_t depth = 0;  // of that flow below the run's own
  for (const CallView* call = place_.call; call; call = call->outer, ++depth)
    if (call->flow == flow)
      return attempt_.fail("cycle", fmt::format("The flow `{}` runs itself, through this step", name), true);
  if (depth > kDeepestCall)
    return attempt_.fail("too_deep", fmt::format("Flows run each other more than {} deep here", kDeepestCall),
                         true);

  std::vector<std::pair<std::string, Value>> variables;
  const Value* given = config.find("variables");
  if (given && given->kind() == Kind::kMap)
    for (const auto& [key, value] : given->as_map()) variables.emplace_back(expr::to_text(key), value);
  for (const auto& [key, value] : run_.request_.variables)
    if (std::ranges::find(variables, key, &std::pair<std::string, Value>::first) == variables.end())
      variables.emplace_back(key, value);

  FlowNames names({run_.services_.clock, run_.request_.execution, flow->name});
  const CallView call{.outer = place_.call, .flow = flow};
  PlaceView place = inside(fmt::format("{}.", step_.id));
  const PlaceView there{.names = names,
                        .call = &call,
                        .deadline = place.deadline,
                        .phase = place.phase,
                        .teardown = place.teardown,
                        .depth = place.depth,
                        .prefix = place.prefix,
                        .span = place.span};
  Run::FlowOutcome outcome = run_.run_phases(*flow, there, variables, attempt_.nested);

  if (outcome.could_not_run) outcome.main.failure = std::move(outcome.could_not_run);
  if (!outcome.main.failure) outcome.main.failure = std::move(outcome.teardown.failure);
  if (!outcome.main.continued) outcome.main.continued = std::move(outcome.teardown.continued);
  const bool passed = !outcome.main.failure && !outcome.main.continued && !outcome.cancelled;
  Map result{{"status", passed ? "passed" : outcome.cancelled ? "cancelled" : "failed"}};
  const Map outputs = names.outputs();
  result.set("outputs", Value(outputs));
  for (const auto& [key, value] : outputs)
    if (!result.find(key)) result.set(key, value);
  attempt_.result = Value(std::move(result));
  if (outcome.cancelled) return cancelled();
  take(std::move(outcome.main));
}

// ---- Traces

// The context is that of a span that will be there: a trace whose parents never
// come is never complete.
void ControlActions::otel_inject() {
  const model::SpanId id = random_span_id();
  const actions::TraceContext context = run_.spans_.context(id);
  const base::UnixNanos now = run_.services_.clock.now();
  actions::ActionOutcome outcome;
  outcome.span_kind = model::SpanKind::kInternal;
  attempt_.spans.push_back(run_.spans_.protocol(outcome, step_.action, id, span_, {now, now}));
  attempt_.result = Map{{"traceparent", actions::traceparent(context)},
                        {"tracestate", context.trace_state},
                        {"trace_id", context.trace_id.to_hex()},
                        {"span_id", id.to_hex()}};
}

void ControlActions::otel_assert(const Value& config) {
  if (!run_.services_.otel_assert)
    return attempt_.fail("unsupported", "This run has no store of traces to look into", true);
  std::optional<model::TraceId> trace_id;
  if (const std::string text = text_of(config, "trace_id"); !text.empty()) {
    trace_id = model::TraceId::parse(text);
    if (!trace_id)
      return attempt_.fail(
          "invalid_config",
          fmt::format("`trace_id` is {}; expected 32 hex digits", expr::describe(Value(text))), true);
  }
  const std::string service = text_of(config, "service"), operation = text_of(config, "operation");
  const StepNamesView names(place_.names, place_.locals);
  const TraceQuestionView question{.workspace = run_.request_.workspace,
                                   .trace_id = trace_id,
                                   .service = service,
                                   .operation = operation,
                                   .since = run_.started_at_,
                                   .assertions = expressions("assert"),
                                   .names = names};
  const Milliseconds within = duration_of(config, "within", Milliseconds(10'000));
  const SteadyTime until = from_now(within);
  TraceLook look;
  for (;;) {
    auto answer = run_.services_.otel_assert(question);
    if (!answer) return attempt_.fail("store", answer.error().message);
    look = *std::move(answer);
    if (look.found) {
      const auto& seen = look.outcomes;
      const bool passes =
          std::ranges::all_of(seen, [](const auto& one) { return one.passed && one.settled; });
      const bool fails =
          std::ranges::any_of(seen, [](const auto& one) { return !one.passed && one.settled; });
      if (look.complete || passes || fails) break;
    }
    const SteadyTime now = run_.timing_.now();
    if (now >= until) break;
    if (!wait(std::min(until, now + kLookInterval))) return cancelled();
  }
  if (!look.found)
    return attempt_.fail(
        "timeout",
        fmt::format("No span of {} came within {} ms",
                    trace_id ? "the trace " + trace_id->to_hex()
                             : fmt::format("`{}{}{}`", service, operation.empty() ? "" : "/", operation),
                    within.count()));
  attempt_.result = Map{{"trace_id", look.trace_id.to_hex()},
                        {"span_count", static_cast<int64_t>(look.span_count)},
                        {"complete", look.complete}};
  for (size_t i = 0; i < look.outcomes.size() && i < question.assertions.size(); ++i) {
    TraceLook::Outcome& one = look.outcomes[i];
    if (one.passed) continue;
    attempt_.failed.push_back({.expression = question.assertions[i].source,
                               .actual = std::move(one.actual),
                               .expected = std::move(one.expected),
                               .error = std::move(one.error),
                               .at = question.assertions[i].at});
  }
  if (!attempt_.failed.empty())
    attempt_.fail("assertion", fmt::format("{} of {} assertions about the trace {} failed, first `{}`",
                                           attempt_.failed.size(), question.assertions.size(),
                                           look.trace_id.to_hex(), attempt_.failed.front().expression));
}

}  // namespace testmesh::runner
