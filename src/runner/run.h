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

#include "actions/host_policy.h"
#include "base/result.h"
#include "base/time.h"
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
  std::vector<StepResult> steps;
  base::UnixNanos started_at = 0, finished_at = 0;
};

// Told from the run's thread, in order.
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

struct RunServices {
  const base::Clock& clock;
  const actions::HostPolicy& hosts;
  // The run's spans, for the same store the system's spans go to. Never blocks
  // the run for long; called at the end of each step and of the run.
  std::function<void(const model::WorkspaceId&, std::vector<model::Span>)> emit;
  store::TelemetryStore* telemetry = nullptr;  // of otel.assert
  const std::atomic<bool>& cancelled;
  RunObserver* observer = nullptr;
};

// Blocks until the run ends. Thread-safe: any number of runs side by side.
RunResult run_flow(const RunRequest&, const RunServices&);

std::string_view to_string(Phase);
std::string_view to_string(StepStatus);
std::string_view to_string(RunStatus);

}  // namespace testmesh::runner
