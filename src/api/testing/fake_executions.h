// Executions whose runs are the test's, over stores in memory.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "api/event_hub.h"
#include "executions/execution_service.h"
#include "store/span_sink.h"

namespace testmesh::api {

// Takes everything and keeps it as it came.
class FakeSink final : public store::SpanSink {
 public:
  void submit(const model::WorkspaceId&, std::string_view request, Done done) override {
    {
      const std::scoped_lock lock(mutex_);
      requests_.emplace_back(request);
    }
    done(store::IngestOutcome{});
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> requests_;
};

// Runs pass at once and have no steps, and every trace is as it should be, unless
// a test says otherwise before it starts one.
struct FakeExecutions {
  FakeExecutions(store::DocumentStore& documents, store::TelemetryStore& telemetry,
                 store::WorkspaceRegistry& registry)
      : events(telemetry, [this] { return spans.load(); }, {.own_thread = false}),
        service(executions::ExecutionService::open(
                    documents, telemetry, sink, registry,
                    {.concurrency = 2,
                     .run = [this](const runner::RunRequest& request,
                                   const runner::RunServices& services) { return run(request, services); },
                     .validate_once = [this](const validation::Subject& subject, store::TelemetryStore&,
                                             std::shared_ptr<const store::TraceDetail>, base::UnixNanos now,
                                             base::UnixNanos, bool time_is_up, validation::ValidationMemory&)
                         -> base::Result<validation::TraceValidation> {
                       return judge(subject, now, time_is_up);
                     }},
                    [this](const model::WorkspaceId& workspace, std::string_view event,
                           const std::string& json) { events.publish(workspace, event, json); })
                    .value()) {}

  std::function<runner::RunResult(const runner::RunRequest&, const runner::RunServices&)> run =
      [](const runner::RunRequest&, const runner::RunServices&) { return runner::RunResult{}; };
  std::function<validation::TraceValidation(const validation::Subject&, base::UnixNanos now, bool time_is_up)>
      judge = [](const validation::Subject&, base::UnixNanos now, bool) {
        validation::TraceValidation verdict;
        verdict.status = validation::ValidationStatus::kPassed;
        verdict.validated_at = now;
        return verdict;
      };
  std::atomic<uint64_t> spans{0};
  FakeSink sink;
  EventHub events;
  std::unique_ptr<executions::ExecutionService> service;
};

}  // namespace testmesh::api
