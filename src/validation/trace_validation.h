// Whether a trace did what its flow expects (flow-yaml.md 5): three layers, each
// three-valued.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "expr/value.h"
#include "flow_file/flow_file.h"
#include "model/flow.h"
#include "model/ids.h"
#include "store/telemetry_store.h"

namespace testmesh::validation {

// A step of a run that has a span.
struct StepSpan {
  std::string step_id;
  model::SpanId span_id;
  bool reaches_out = false;  // http_request, grpc_call, kafka_producer: the system's spans hang below
  bool passed = true;
  const std::vector<flow_file::Assertion>* trace_assert = nullptr;  // null: none
  const expr::Map* names = nullptr;  // what its assertions could name beside `trace`; null: nothing
};

// What is validated. Everything pointed to outlives the call.
struct Subject {
  model::ExecutionId execution;
  model::WorkspaceId workspace;
  model::TraceId trace_id;
  const flow_file::FlowFile* flow = nullptr;    // null: a bare trace id
  bool is_run = false;                          // our own runner made the trace
  std::vector<StepSpan> steps;                  // of a run; of a foreign trace the flow's, without spans
  std::optional<model::SpanId> parent_span_id;  // foreign: the span that never comes
  base::UnixNanos started_at = 0;               // of the run; foreign: of the request
  const expr::Map* variables = nullptr;         // names for trace_assert beside `trace`
};

struct SlowSpan {
  std::string service, operation;
  double duration_ms = 0, p95_ms = 0, threshold_ms = 0;
  uint64_t samples = 0;
  model::SpanId span_id;
};
struct ErrorSpan {
  std::string service, operation, status_message, error_type;
  double duration_ms = 0;
  model::SpanId span_id;
  bool allowed = false;
};
struct OrderViolation {
  model::PathNode before, after;  // expected in this order, seen in the other
};
struct AssertionFinding {
  std::string expression, step_id;  // step_id empty: the flow's
  expr::Value actual;
  std::optional<expr::Value> expected;
  std::optional<std::string> error;
  std::vector<model::SpanId> span_ids;
  flow_file::Position at;
};

enum class ValidationStatus : uint8_t { kPending, kPassed, kFailed, kPartial };
enum class PathStatus : uint8_t { kMatch, kMismatch, kInconclusive, kNoBaseline };
enum class ExpectedFrom : uint8_t { kYaml, kDiscoveredFrom, kBaseline, kNone };
enum class Signal : uint8_t { kSpans, kParents, kSteps, kExpectedNodes, kQuiet };

struct TraceValidation {
  ValidationStatus status = ValidationStatus::kPending;
  PathStatus path_status = PathStatus::kNoBaseline;
  std::optional<bool> path_match;
  std::vector<model::PathNode> expected_path, actual_path, missing_nodes, unexpected_nodes;
  std::vector<OrderViolation> order_violations;
  ExpectedFrom expected_from = ExpectedFrom::kNone;
  std::vector<SlowSpan> slow_spans;
  std::vector<ErrorSpan> error_spans;
  flow_file::TraceExpectations::Performance performance = flow_file::TraceExpectations::Performance::kFail;
  std::vector<AssertionFinding> failed_assertions, inconclusive_assertions;
  std::vector<Signal> unmet;  // empty: complete
  base::UnixNanos validated_at = 0;
  // One sentence for people: what failed, or what is still missing.
  std::string summary;
};

// The trace as it is now, judged. `detail` null: no span of it arrived yet.
// `last_arrival`: when its number of spans last grew, by the caller's clock;
// `time_is_up`: default_timeout_ms is over. Gives kPending while it is worth
// waiting. Baselines are read from the store; the first call's are kept in
// `memory` for the next ones, so that waiting stays cheap.
struct ValidationMemory;
struct ValidationMemoryDeleter {
  void operator()(ValidationMemory*) const;
};
using ValidationMemoryPtr = std::unique_ptr<ValidationMemory, ValidationMemoryDeleter>;
ValidationMemoryPtr make_validation_memory();

base::Result<TraceValidation> validate_once(const Subject&, store::TelemetryStore&,
                                            std::shared_ptr<const store::TraceDetail> detail,
                                            base::UnixNanos now, base::UnixNanos last_arrival,
                                            bool time_is_up, ValidationMemory&);

struct WaitOptions {
  std::chrono::milliseconds timeout{30'000};  // default_timeout_ms
  std::chrono::milliseconds quiet{1000};
  const base::Clock* clock = &base::system_clock();
  // Waits about this long; false: stop (the server ends, the run was cancelled).
  std::function<bool(std::chrono::milliseconds)> pause;
};

// Reads the trace again and again until it is complete or time is up.
// kUnavailable: told to stop.
base::Result<TraceValidation> validate(const Subject&, store::TelemetryStore&, const WaitOptions&);

// The same for those who watch many traces and have no thread to wait with:
// look() whenever it asks for it. As long as a trace does not change its spans
// are not read. Subject and store outlive it; one thread at a time.
class TraceWatch {
 public:
  // `now`: as of every look(), the clock may not go back. `last_arrival`: of the
  // spans that are there already; 0: unknown, and so now.
  TraceWatch(const Subject&, store::TelemetryStore&, base::UnixNanos now, std::chrono::milliseconds timeout,
             std::chrono::milliseconds quiet = std::chrono::milliseconds(1000),
             base::UnixNanos last_arrival = 0);
  ~TraceWatch();
  TraceWatch(TraceWatch&&) noexcept;

  struct Look {
    std::optional<TraceValidation> verdict;  // none: look again
    // 50 to 250 ms, longer for huge traces, shorter where something is due.
    std::chrono::milliseconds again_in{0};
  };
  // Also after an error one may look again.
  base::Result<Look> look(base::UnixNanos now);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The answer of GET …/trace-validation (flow-yaml.md 5), and back, for storing.
std::string to_json(const Subject&, const TraceValidation&);

std::string_view to_string(ValidationStatus);
std::string_view to_string(PathStatus);
std::string_view to_string(ExpectedFrom);
std::string_view to_string(Signal);

}  // namespace testmesh::validation
