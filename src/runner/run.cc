#include <fmt/format.h>

#include <algorithm>

#include "runner/run_impl.h"

namespace testmesh::runner {
namespace {

using expr::Value;
using flow_file::FlowFile;
using flow_file::Step;

// How long teardowns may go on once the run was cancelled.
constexpr std::chrono::seconds kGrace{30};

}  // namespace

std::string_view to_string(Phase phase) {
  switch (phase) {
    case Phase::kSetup:
      return "setup";
    case Phase::kMain:
      return "main";
    case Phase::kTeardown:
      return "teardown";
  }
  return "";
}

std::string_view to_string(StepStatus status) {
  switch (status) {
    case StepStatus::kPassed:
      return "passed";
    case StepStatus::kFailed:
      return "failed";
    case StepStatus::kSkipped:
      return "skipped";
  }
  return "";
}

std::string_view to_string(RunStatus status) {
  switch (status) {
    case RunStatus::kPassed:
      return "passed";
    case RunStatus::kFailed:
      return "failed";
    case RunStatus::kError:
      return "error";
    case RunStatus::kCancelled:
      return "cancelled";
  }
  return "";
}

Run::Run(const RunRequest& request, const RunServices& services, Timing& timing)
    : request_(request),
      services_(services),
      timing_(timing),
      spans_(request.execution, request.workspace, request.trace_id, request.flow.name) {}

RunResult Run::run() {
  RunResult result;
  started_at_ = result.started_at = services_.clock.now();
  FlowNames names({services_.clock, request_.execution, request_.flow.name});
  const CallView call{.flow = &request_.flow};
  const PlaceView place{.names = names, .call = &call, .prefix = {}, .span = spans_.root_id()};
  FlowOutcome outcome = run_phases(request_.flow, place, request_.variables, result.steps);
  if (outcome.could_not_run) {
    result.status = RunStatus::kError;
    result.error = std::move(outcome.could_not_run);
  } else {
    for (auto* error : {&outcome.main.failure, &outcome.main.continued, &outcome.teardown.failure,
                        &outcome.teardown.continued})
      if (!result.error) result.error = std::move(*error);
    if (outcome.cancelled)
      result.status = RunStatus::kCancelled;
    else if (result.error)
      result.status = RunStatus::kFailed;
  }
  if (result.error) result.error->message = masker_.mask(result.error->message);
  result.steps_left_out = left_out_;
  result.finished_at = std::max(result.started_at, services_.clock.now());
  // A secret may have become known after what it stands in was kept.
  if (masker_.version() > first_kept_at_)
    for (StepResult& step : result.steps) mask(step);
  emit_root(result);
  return result;
}

Run::FlowOutcome Run::run_phases(const FlowFile& flow, PlaceView place,
                                 const std::vector<std::pair<std::string, Value>>& variables,
                                 std::vector<StepResult>& results) {
  const auto at = [&place](Phase phase) {
    PlaceView here = place;
    here.phase = phase;
    here.teardown |= phase == Phase::kTeardown;
    return here;
  };
  FlowOutcome outcome;
  outcome.could_not_run = set_variables(flow, place.names, variables);
  if (outcome.could_not_run) {
    skip_steps(flow.setup, at(Phase::kSetup), results);
    skip_steps(flow.steps, at(Phase::kMain), results);
    skip_steps(flow.teardown, at(Phase::kTeardown), results);
    return outcome;
  }
  outcome.main = run_steps(flow.setup, at(Phase::kSetup), results, false);
  if (outcome.main.failure) {
    skip_steps(flow.steps, at(Phase::kMain), results);
  } else {
    ListOutcome main = run_steps(flow.steps, at(Phase::kMain), results, false);
    outcome.main.failure = std::move(main.failure);
    if (!outcome.main.continued) outcome.main.continued = std::move(main.continued);
  }
  outcome.cancelled = stopped(at(Phase::kMain));
  outcome.teardown = run_steps(flow.teardown, at(Phase::kTeardown), results, true);
  return outcome;
}

// Given variables first, so that those of the file can be made of them.
std::optional<RunError> Run::set_variables(const FlowFile& flow, FlowNames& names,
                                           const std::vector<std::pair<std::string, Value>>& variables) {
  const auto set = [&](std::string_view name, Value value) {
    masker_.learn_variable(name, value);
    names.set_variable(name, std::move(value));
  };
  for (const auto& [name, value] : variables) set(name, value);
  for (const auto& [name, value] : flow.env) {
    if (std::ranges::find(variables, name, &std::pair<std::string, Value>::first) != variables.end())
      continue;
    auto expanded = flow_file::expand(value, names.lookup(nullptr));
    if (!expanded)
      return RunError{"unknown_reference",
                      fmt::format("`env` of the flow, `{}`: {}", name, expanded.error().message)};
    set(name, *std::move(expanded));
  }
  return std::nullopt;
}

ListOutcome Run::run_steps(std::span<const Step> steps, const PlaceView& place,
                           std::vector<StepResult>& results, bool whatever_happens) {
  ListOutcome outcome;
  for (const Step& step : steps) {
    if (stopped(place) || (outcome.failure && !whatever_happens)) {
      skip_steps({&step, 1}, place, results);
      if (!outcome.failure && place.depth > 0)
        outcome.failure = RunError{std::string(kCancelled), "The run was cancelled"};
      continue;
    }
    StepOutcome ended = run_step(step, place, results);
    if (!outcome.failure) outcome.failure = std::move(ended.failure);
    if (!outcome.continued) outcome.continued = std::move(ended.continued);
  }
  return outcome;
}

void Run::skip_steps(std::span<const Step> steps, const PlaceView& place, std::vector<StepResult>& results) {
  for (const Step& step : steps) {
    StepResult skipped = blank_result(step, place);
    skipped.status = StepStatus::kSkipped;
    publish_step(step, place, {}, StepStatus::kSkipped);
    finish(std::move(skipped), {}, results);
  }
}

// A teardown goes on for a while after a cancel; counted from the first look at
// the flag, for all teardowns of the run together.
bool Run::stopped(const PlaceView& place) {
  if (!services_.cancelled.load(std::memory_order_relaxed)) return false;
  if (!place.teardown) return true;
  const auto now = timing_.now().time_since_epoch().count();
  SteadyTime::rep ends = 0;
  const SteadyTime::rep fresh = now + SteadyTime::duration(kGrace).count();
  return !grace_ends_.compare_exchange_strong(ends, fresh) && now >= ends;
}

bool Run::wait_until(SteadyTime until, const PlaceView& place) {
  return timing_.wait_until(until, [&] { return stopped(place); });
}

RunResult run_flow(const RunRequest& request, const RunServices& services, Timing& timing) {
  return Run(request, services, timing).run();
}

RunResult run_flow(const RunRequest& request, const RunServices& services) {
  return run_flow(request, services, system_timing());
}

}  // namespace testmesh::runner
