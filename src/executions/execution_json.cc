#include "executions/execution_json.h"

#include <cmath>

#include "executions/map_reader.h"

namespace testmesh::executions {
namespace {

using expr::Map;
using expr::Value;

Value time_or_nil(base::UnixNanos time) { return time == 0 ? Value() : Value(base::to_rfc3339(time)); }

Value milliseconds(uint64_t nanos) { return static_cast<double>(nanos) / 1e6; }

Map to_map(const runner::RunError& error) { return {{"code", error.code}, {"message", error.message}}; }

Map to_map(const runner::FailedAssertion& failed) {
  Map map{{"expression", failed.expression}, {"actual", failed.actual}};
  if (failed.expected) map.set("expected", *failed.expected);
  if (failed.error) map.set("error", *failed.error);
  map.set("line", static_cast<int64_t>(failed.at.line));
  map.set("column", static_cast<int64_t>(failed.at.column));
  return map;
}

flow_file::Position position_of(const MapReader& map) {
  return {static_cast<uint32_t>(map.integer("line")), static_cast<uint32_t>(map.integer("column"))};
}

}  // namespace

std::string_view to_string(ExecutionKind kind) { return kind == ExecutionKind::kRun ? "run" : "trace"; }

std::string_view to_string(ExecutionStatus status) {
  switch (status) {
    case ExecutionStatus::kPending:
      return "pending";
    case ExecutionStatus::kRunning:
      return "running";
    case ExecutionStatus::kPassed:
      return "passed";
    case ExecutionStatus::kFailed:
      return "failed";
    case ExecutionStatus::kError:
      return "error";
    case ExecutionStatus::kCancelled:
      return "cancelled";
  }
  return "";
}

Map to_map(const Execution& execution) {
  Map map;
  map.set("id", execution.id.to_string());
  map.set("flow_name", execution.flow_name);
  map.set("kind", to_string(execution.kind));
  map.set("status", to_string(execution.status));
  map.set("trace_id", execution.trace_id.to_hex());
  map.set("created_at", time_or_nil(execution.created_at));
  map.set("started_at", time_or_nil(execution.started_at));
  map.set("finished_at", time_or_nil(execution.finished_at));
  const bool timed = execution.started_at != 0 && execution.finished_at >= execution.started_at;
  map.set("duration_ms", timed ? milliseconds(execution.finished_at - execution.started_at) : Value());
  map.set("total_steps", static_cast<int64_t>(execution.total_steps));
  map.set("passed_steps", static_cast<int64_t>(execution.passed_steps));
  map.set("failed_steps", static_cast<int64_t>(execution.failed_steps));
  if (execution.error) map.set("error", to_map(*execution.error));
  return map;
}

std::string to_json(const Execution& execution) { return expr::to_json(to_map(execution)); }

Map to_map(const runner::StepResult& step) {
  Map map;
  map.set("id", step.id);
  map.set("name", step.name);
  map.set("action", step.action);
  map.set("phase", runner::to_string(step.phase));
  map.set("status", runner::to_string(step.status));
  map.set("attempts", static_cast<int64_t>(step.attempts));
  map.set("started_at", time_or_nil(step.started_at));
  map.set("duration_ms", milliseconds(step.duration_ns));
  map.set("request", step.request);
  map.set("result", step.result);
  map.set("output", step.output);
  if (step.error) map.set("error", to_map(*step.error));
  expr::List failed;
  for (const runner::FailedAssertion& assertion : step.failed_assertions) failed.push_back(to_map(assertion));
  map.set("failed_assertions", std::move(failed));
  map.set("line", static_cast<int64_t>(step.at.line));
  map.set("column", static_cast<int64_t>(step.at.column));
  map.set("span_id", step.span_id.is_zero() ? Value() : Value(step.span_id.to_hex()));
  map.set("depth", static_cast<int64_t>(step.depth));
  map.set("continued", step.continued);
  return map;
}

std::string to_json(const runner::StepResult& step) { return expr::to_json(to_map(step)); }

base::Result<runner::StepResult> step_from(const Value& value) {
  const MapReader map(value);
  runner::StepResult step;
  step.id = map.text("id");
  step.name = map.text("name");
  step.action = map.text("action");
  step.phase = map.one_of("phase", {runner::Phase::kSetup, runner::Phase::kMain, runner::Phase::kTeardown});
  step.status = map.one_of(
      "status", {runner::StepStatus::kPassed, runner::StepStatus::kFailed, runner::StepStatus::kSkipped});
  step.attempts = static_cast<uint32_t>(map.integer("attempts"));
  step.started_at = map.time("started_at");
  step.duration_ns = static_cast<uint64_t>(std::llround(std::max(0.0, map.number("duration_ms")) * 1e6));
  step.request = map.value("request");
  step.result = map.value("result");
  step.output = map.value("output");
  if (map.has("error")) {
    const MapReader error(map.value("error"));
    step.error = runner::RunError{error.text("code"), error.text("message")};
  }
  for (const Value& item : map.list("failed_assertions")) {
    const MapReader failed(item);
    runner::FailedAssertion assertion;
    assertion.expression = failed.text("expression");
    assertion.actual = failed.value("actual");
    if (failed.has("expected")) assertion.expected = failed.value("expected");
    if (failed.has("error")) assertion.error = failed.text("error");
    assertion.at = position_of(failed);
    step.failed_assertions.push_back(std::move(assertion));
  }
  step.at = position_of(map);
  if (const auto span = model::SpanId::parse(map.text("span_id"))) step.span_id = *span;
  step.depth = static_cast<uint32_t>(map.integer("depth"));
  step.continued = map.truth("continued");
  if (!map.ok() || step.id.empty())
    return base::fail(base::ErrorCode::kCorrupt, "a stored step does not read back");
  return step;
}

}  // namespace testmesh::executions
