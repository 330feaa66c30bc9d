// Runs a flow: its steps in order, with retries, timeouts, outputs and control
// actions, and the spans of the run (flow-yaml.md 1 to 3). What the trace shows
// of it is validation's to judge.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "actions/action.h"
#include "actions/host_policy.h"
#include "base/result.h"
#include "base/time.h"
#include "expr/program.h"
#include "expr/value.h"
#include "flow_file/flow_file.h"
#include "model/ids.h"
#include "model/span.h"
#include "store/telemetry_store.h"

namespace testmesh::runner {

using ExecutionId = model::ExecutionId;

struct RunError {
  std::string code;     // "timeout", "connection", "assertion", "unknown_reference", "output", …
  std::string message;  // secrets masked
};

struct FailedAssertion {
  std::string expression;
  expr::Value actual;
  std::optional<expr::Value> expected;
  std::optional<std::string> error;  // it could not be evaluated
  flow_file::Position at;            // in the file
};

enum class Phase : uint8_t { kSetup, kMain, kTeardown };
enum class StepStatus : uint8_t { kPassed, kFailed, kSkipped };

// Everything in it is masked already.
struct StepResult {
  std::string id, name, action;
  Phase phase = Phase::kMain;
  StepStatus status = StepStatus::kPassed;
  uint32_t attempts = 0;
  base::UnixNanos started_at = 0;
  uint64_t duration_ns = 0;
  expr::Value request, result, output;  // maps
  std::optional<RunError> error;
  std::vector<FailedAssertion> failed_assertions;
  flow_file::Position at;
  // The step's span of its last attempt; zero when it had none (skipped).
  model::SpanId span_id;
  // Nested and error steps come as results of their own, right after the step
  // that holds them; `depth` says how deep, ids are "<outer>[<n>].<id>" within
  // loops and branches.
  uint32_t depth = 0;
  bool continued = false;  // failed, and on_error: continue let the run go on
};

enum class RunStatus : uint8_t { kPassed, kFailed, kError, kCancelled };

struct RunResult {
  RunStatus status = RunStatus::kPassed;
  std::optional<RunError> error;  // of the run: the first failure, or why it could not run
  // Of a loop with very many iterations not all: nested steps that passed are
  // left out past kMostStepResults, and counted.
  std::vector<StepResult> steps;
  uint64_t steps_left_out = 0;
  base::UnixNanos started_at = 0, finished_at = 0;
};

inline constexpr size_t kMostStepResults = 10'000;

// Told in order, one call at a time, from the run's thread or those of its
// parallel steps. Steps that are skipped are told as finished only; of steps that
// run again (retries, rounds of wait_until) each time is told.
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  virtual void step_started(const flow_file::Step&, Phase) {}
  virtual void step_finished(const StepResult&) {}
};

struct RunRequest {
  ExecutionId execution;
  model::WorkspaceId workspace;
  model::TraceId trace_id;  // of the run; chosen by the caller
  const flow_file::FlowFile& flow;
  // Over `env` of the file (which the caller has merged with env_file and the
  // process environment where that is allowed).
  std::vector<std::pair<std::string, expr::Value>> variables;
  // What run_flow may run: flows by the name that the file gives them.
  const std::map<std::string, flow_file::FlowFile, std::less<>>* flows = nullptr;
};

// What `otel.assert` asks of the stored traces, again and again until its time
// is up. A view: everything in it outlives the call.
struct TraceQuestionView {
  const model::WorkspaceId& workspace;
  // The trace; absent: that of the latest span of `service` (and `operation`)
  // that is not the runner's and began at `since` or later.
  std::optional<model::TraceId> trace_id;
  std::string_view service, operation;  // empty: any
  base::UnixNanos since = 0;            // when the run began
  const std::vector<flow_file::Assertion>& assertions;
  const expr::Environment& names;  // of the assertions, beside `trace`
};

// The stored trace as it is now.
struct TraceLook {
  // A span that is not the runner's (of `service` and `operation`, where the
  // question names them) is there. When not, the rest says nothing.
  bool found = false;
  bool complete = false;  // no span is under way
  model::TraceId trace_id = {};
  uint64_t span_count = 0;  // without the runner's
  struct Outcome {
    bool passed = false;   // as the trace is now
    bool settled = false;  // whatever spans may come, it stays so
    expr::Value actual = {};
    std::optional<expr::Value> expected = {};
    std::optional<std::string> error = {};
  };
  std::vector<Outcome> outcomes = {};  // one of each assertion
};

struct RunServices {
  const base::Clock& clock;
  const actions::HostPolicy& hosts;
  // The run's spans, for the same store the system's spans go to. Never blocks
  // the run for long; called at the end of each step and of the run.
  std::function<void(const model::WorkspaceId&, std::vector<model::Span>)> emit;
  store::TelemetryStore* telemetry = nullptr;  // of otel.assert
  const std::atomic<bool>& cancelled;
  RunObserver* observer = nullptr;
  // Null: `otel.assert` fails as "unsupported". Called from the run's threads.
  std::function<base::Result<TraceLook>(const TraceQuestionView&)> otel_assert = nullptr;
  std::function<const actions::Action*(std::string_view)> find_action = actions::find_action;
};

// Blocks until the run ends. Thread-safe: any number of runs side by side.
RunResult run_flow(const RunRequest&, const RunServices&);

std::string_view to_string(Phase);
std::string_view to_string(StepStatus);
std::string_view to_string(RunStatus);

}  // namespace testmesh::runner
