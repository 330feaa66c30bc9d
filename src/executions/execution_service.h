// Executions (api.md 2): runs of flows and validations of traces, from request
// to stored verdict. Thread-safe.
//
// Queued, then run by a bounded number of threads; then the run's trace is waited
// for and judged, without a thread of its own. An execution is `running` until its
// validation is done, so that there is one thing to wait for; `finished_at` and
// `duration_ms` are then.
//
// Kept in the document store (docs/formats/executions.md): when they are taken and
// when they end. After a crash everything that was taken is there; what was
// pending or running then is `error`, code "interrupted", without its steps. After
// stop() the steps that had ended are there too.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "actions/host_policy.h"
#include "base/result.h"
#include "base/time.h"
#include "expr/value.h"
#include "flow_file/flow_file.h"
#include "model/ids.h"
#include "runner/run.h"
#include "store/document_store.h"
#include "store/span_sink.h"
#include "store/telemetry_store.h"
#include "store/workspace_registry.h"
#include "validation/trace_validation.h"

namespace testmesh::executions {

enum class ExecutionKind : uint8_t { kRun, kTrace };
enum class ExecutionStatus : uint8_t { kPending, kRunning, kPassed, kFailed, kError, kCancelled };
std::string_view to_string(ExecutionKind);
std::string_view to_string(ExecutionStatus);

struct Execution {
  model::ExecutionId id;
  std::string flow_name;
  ExecutionKind kind = ExecutionKind::kRun;
  ExecutionStatus status = ExecutionStatus::kPending;
  model::TraceId trace_id;
  base::UnixNanos created_at = 0, started_at = 0, finished_at = 0;  // 0: not yet
  uint32_t total_steps = 0, passed_steps = 0,
           failed_steps = 0;  // of setup, steps and teardown, nested ones apart
  std::optional<runner::RunError> error;
};

struct NewExecution {
  std::string flow = {};  // YAML; empty: none (a bare trace id)
  std::vector<std::pair<std::string, expr::Value>> variables = {};
  std::map<std::string, std::string, std::less<>> files = {};  // what run_flow names -> its YAML
  std::optional<model::TraceId> trace_id = {};                 // someone else's run
  std::optional<model::SpanId> parent_span_id = {};
};

// A flow that does not validate.
struct Refusal {
  base::Error error;                         // kUnprocessable and others
  std::vector<flow_file::Problem> problems;  // of the flow
};

struct ExecutionServiceOptions {
  unsigned concurrency = 16;   // runs at once
  size_t max_queued = 10'000;  // past it kOverloaded
  size_t max_kept = 10'000;    // finished ones of a workspace; the oldest give way
  actions::HostPolicy hosts = {};
  const base::Clock* clock = &base::system_clock();
  size_t max_bytes = 256u << 20;  // of the flows of those not ended yet; past it kOverloaded
  // Where to say what somebody should know; null: nowhere. Any thread.
  std::function<void(const std::string&)> warn = nullptr;
  // What runs and what judges; tests have their own.
  std::function<runner::RunResult(const runner::RunRequest&, const runner::RunServices&)> run =
      runner::run_flow;
  std::function<base::Result<validation::TraceValidation>(
      const validation::Subject&, store::TelemetryStore&, std::shared_ptr<const store::TraceDetail>,
      base::UnixNanos now, base::UnixNanos last_arrival, bool time_is_up, validation::ValidationMemory&)>
      validate_once = validation::validate_once;
};

// For metrics: the first three now, the others since the start.
struct ExecutionCounts {
  uint64_t queued = 0, running = 0, validating = 0;
  uint64_t passed = 0, failed = 0, error = 0, cancelled = 0;  // ended so
  uint64_t refused = 0;                                       // for want of room
  uint64_t lost_spans = 0;                                    // of runs: the store did not take them in time
};

struct ExecutionPage {
  std::vector<Execution> executions;  // newest first
  uint64_t total = 0;
  std::optional<std::string> next_cursor;
};

class ExecutionService {
 public:
  // What changed, for the event stream: the execution as JSON, as the API shows
  // it. Called from the threads of runs.
  using Listener =
      std::function<void(const model::WorkspaceId&, std::string_view event, const std::string& json)>;

  static base::Result<std::unique_ptr<ExecutionService>> open(store::DocumentStore&, store::TelemetryStore&,
                                                              store::SpanSink&, store::WorkspaceRegistry&,
                                                              ExecutionServiceOptions = {}, Listener = {});
  ~ExecutionService();  // stop()
  void stop();          // cancels what runs, joins; stored as `error`, "interrupted"

  std::expected<Execution, Refusal> start(const model::WorkspaceId&, NewExecution);
  std::optional<Execution> find(const model::WorkspaceId&, const model::ExecutionId&);
  base::Result<ExecutionPage> list(const model::WorkspaceId&, size_t limit, const std::string& cursor,
                                   std::optional<ExecutionStatus> status = {},
                                   const std::string& flow_name = {});
  // As far as they have run. kNotFound.
  base::Result<std::vector<runner::StepResult>> steps(const model::WorkspaceId&, const model::ExecutionId&);
  // kNotFound; an execution that ended stays as it is. One that runs ends soon,
  // perhaps not yet when this returns.
  base::Result<Execution> cancel(const model::WorkspaceId&, const model::ExecutionId&);

  enum class ValidationState : uint8_t { kNone, kPending, kDone };
  struct StoredValidation {
    ValidationState state = ValidationState::kNone;
    std::string json;  // kDone
  };
  base::Result<StoredValidation> validation(const model::WorkspaceId&, const model::ExecutionId&);
  // Runs it now, once more if it was done; kPending afterwards. A new verdict
  // changes the status of an execution, unless it was cancelled or could not run.
  base::Result<StoredValidation> validate_again(const model::WorkspaceId&, const model::ExecutionId&);

  base::Result<void> drop_workspace(const model::WorkspaceId&);
  ExecutionCounts counts() const;

 private:
  struct Impl;
  explicit ExecutionService(std::unique_ptr<Impl>);
  std::unique_ptr<Impl> impl_;
};

}  // namespace testmesh::executions
