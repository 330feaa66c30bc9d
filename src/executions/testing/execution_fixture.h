// An execution service over stores in memory; runs and verdicts are the test's.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>

#include "executions/execution_json.h"
#include "executions/execution_service.h"
#include "store/map_store.h"

namespace testmesh::executions {

using namespace std::chrono_literals;
using runner::RunResult;
using runner::RunStatus;
using validation::TraceValidation;
using validation::ValidationStatus;

// Knows traces and nothing else.
class TracesOnly final : public store::TelemetryStore {
 public:
  base::Result<std::optional<store::TraceDetail>> trace(const model::WorkspaceId&,
                                                        const model::TraceId& id) override {
    const std::scoped_lock lock(mutex_);
    if (failure_) return std::unexpected(*failure_);
    const auto found = traces_.find(id);
    if (found == traces_.end()) return std::nullopt;
    return found->second;
  }
  void put(const model::TraceId& id, size_t spans) {
    const std::scoped_lock lock(mutex_);
    traces_[id].spans.resize(spans);
  }
  void fail(std::optional<base::Error> failure) {
    const std::scoped_lock lock(mutex_);
    failure_ = std::move(failure);
  }

  base::Result<store::TracePage> search_traces(const model::WorkspaceId&, const store::TraceQuery&) override {
    return store::TracePage{};
  }
  base::Result<store::SpanPage> search_spans(const model::WorkspaceId&, const store::SpanQuery&) override {
    return store::SpanPage{};
  }
  base::Result<discovery::FlowPage> flows(const model::WorkspaceId&, const discovery::FlowQuery&) override {
    return discovery::FlowPage{};
  }
  std::optional<discovery::FlowDetail> flow(const model::WorkspaceId&, const model::FlowId&) override {
    return std::nullopt;
  }
  std::vector<discovery::FlowSummary> flow_variants(const model::WorkspaceId&,
                                                    const model::FlowId&) override {
    return {};
  }
  std::optional<discovery::FlowHistogram> flow_histogram(const model::WorkspaceId&,
                                                         const model::FlowId&) override {
    return std::nullopt;
  }
  base::Result<graph::RuntimeGraph> graph(const model::WorkspaceId&) override {
    return graph::RuntimeGraph{};
  }
  base::Result<void> drop_workspace(const model::WorkspaceId&) override { return {}; }
  base::Result<void> ready() const override { return {}; }

 private:
  std::mutex mutex_;
  std::map<model::TraceId, store::TraceDetail> traces_;
  std::optional<base::Error> failure_;
};

class CountingSink final : public store::SpanSink {
 public:
  void submit(const model::WorkspaceId&, std::string_view, Done done) override {
    std::optional<base::Error> answer;
    {
      const std::scoped_lock lock(mutex_);
      ++requests_;
      if (refusals_ > 0) {
        --refusals_;
        answer = refusal_;
      }
      changed_.notify_all();
    }
    if (answer) return done(std::unexpected(*answer));
    done(store::IngestOutcome{});
  }
  void refuse(size_t times, base::Error error) {
    const std::scoped_lock lock(mutex_);
    refusals_ = times;
    refusal_ = std::move(error);
  }
  void wait_for(size_t requests) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, 20s, [&] { return requests_ >= requests; }));
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  size_t requests_ = 0, refusals_ = 0;
  base::Error refusal_;
};

inline runner::StepResult step(std::string id, runner::StepStatus status = runner::StepStatus::kPassed) {
  runner::StepResult made;
  made.id = std::move(id);
  made.action = "log";
  made.status = status;
  made.attempts = 1;
  return made;
}

inline TraceValidation verdict(ValidationStatus status, std::string summary = {}) {
  TraceValidation made;
  made.status = status;
  made.summary = std::move(summary);
  return made;
}

inline RunResult outcome(RunStatus status, std::optional<runner::RunError> error = {}) {
  RunResult made;
  made.status = status;
  made.error = std::move(error);
  return made;
}

// Lets a run go on when the test says so.
class Gate {
 public:
  void open() {
    const std::scoped_lock lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  // True: opened; false: the run is to end.
  bool wait(const std::atomic<bool>& cancelled) {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    while (!open_ && !cancelled) changed_.wait_for(lock, 5ms);
    return open_;
  }
  void wait_until_waiting(size_t number = 1) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, 20s, [&] { return waiting_ >= number; }));
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  size_t waiting_ = 0;
};

class Executions : public ::testing::Test {
 protected:
  static constexpr const char* kFlow =
      "name: Checkout\n"
      "steps:\n"
      "  - id: one\n"
      "    action: log\n"
      "    config: {message: hello}\n"
      "  - id: two\n"
      "    action: log\n"
      "    config: {message: bye}\n";

  Executions() : registry(store::WorkspaceRegistry::open(documents, base::system_clock()).value()) {}

  // Starts or, over what is stored, starts again.
  void open() { open_over(documents); }
  void open_over(store::DocumentStore& stored) {
    service.reset();
    ExecutionServiceOptions settings = options;
    settings.warn = [this](const std::string& text) {
      const std::scoped_lock lock(mutex);
      warnings.push_back(text);
    };
    settings.run = [this](const runner::RunRequest& request, const runner::RunServices& services) {
      return run(request, services);
    };
    settings.validate_once = [this](const validation::Subject& subject, store::TelemetryStore&,
                                    std::shared_ptr<const store::TraceDetail> detail, base::UnixNanos now,
                                    base::UnixNanos last_arrival, bool time_is_up,
                                    validation::ValidationMemory&) -> base::Result<TraceValidation> {
      return judge(subject, detail.get(), now, last_arrival, time_is_up);
    };
    auto opened = ExecutionService::open(
        stored, telemetry, sink, *registry, settings,
        [this](const model::WorkspaceId&, std::string_view event, const std::string& json) {
          const std::scoped_lock lock(mutex);
          EXPECT_EQ(event, "execution");
          events.push_back(json);
          changed.notify_all();
        });
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    service = *std::move(opened);
  }

  Execution start(NewExecution wanted) {
    auto started = service->start(workspace, std::move(wanted));
    EXPECT_TRUE(started.has_value()) << (started ? "" : started.error().error.message);
    return started.value_or(Execution{});
  }
  Execution start() { return start({.flow = kFlow}); }

  Execution find(const model::ExecutionId& id) {
    const auto found = service->find(workspace, id);
    EXPECT_TRUE(found.has_value());
    return found.value_or(Execution{});
  }
  // Looks whenever something is told.
  Execution wait_for(const model::ExecutionId& id, const std::function<bool(const Execution&)>& wanted) {
    const auto until = std::chrono::steady_clock::now() + 20s;
    for (;;) {
      size_t seen = 0;
      {
        const std::scoped_lock lock(mutex);
        seen = events.size();
      }
      const Execution now = find(id);
      if (wanted(now)) return now;
      std::unique_lock lock(mutex);
      // Not everything is told: what could not be saved is not.
      if (!changed.wait_for(lock, 50ms, [&] { return events.size() > seen; }) &&
          std::chrono::steady_clock::now() > until) {
        ADD_FAILURE() << "still " << to_string(now.status);
        return now;
      }
    }
  }
  Execution wait_until_ended(const model::ExecutionId& id) {
    return wait_for(id, [](const Execution& now) {
      return now.status != ExecutionStatus::kPending && now.status != ExecutionStatus::kRunning;
    });
  }
  // Of one that ended: until what is saved is what is seen.
  std::string verdict_of(const model::ExecutionId& id) {
    const auto until = std::chrono::steady_clock::now() + 20s;
    for (;;) {
      const auto found = service->validation(workspace, id);
      EXPECT_TRUE(found.has_value());
      if (!found || found->state == ExecutionService::ValidationState::kNone) return "none";
      if (found->state == ExecutionService::ValidationState::kDone) {
        const auto value = expr::parse_json(found->json);
        return value ? std::string(value->find("status")->as_string()) : "unreadable";
      }
      if (std::chrono::steady_clock::now() > until) return "pending";
      std::this_thread::yield();
    }
  }
  void change_settings(const std::function<void(model::TelemetrySettings&)>& change) {
    auto settings = registry->settings(workspace);
    change(settings);
    ASSERT_TRUE(registry->put_settings(workspace, settings).has_value());
  }

  std::function<RunResult(const runner::RunRequest&, const runner::RunServices&)> run =
      [](const runner::RunRequest&, const runner::RunServices& services) {
        RunResult result;
        for (const char* id : {"one", "two"}) {
          result.steps.push_back(step(id));
          if (services.observer) services.observer->step_finished(result.steps.back());
        }
        return result;
      };
  std::function<TraceValidation(const validation::Subject&, const store::TraceDetail*, base::UnixNanos now,
                                base::UnixNanos last_arrival, bool time_is_up)>
      judge =
          [](const validation::Subject&, const store::TraceDetail*, base::UnixNanos, base::UnixNanos, bool) {
            TraceValidation verdict;
            verdict.status = ValidationStatus::kPassed;
            return verdict;
          };

  const model::WorkspaceId workspace = model::kDefaultWorkspace;
  store::MapStore documents;
  TracesOnly telemetry;
  CountingSink sink;
  std::unique_ptr<store::WorkspaceRegistry> registry;
  ExecutionServiceOptions options{.concurrency = 2, .run = {}, .validate_once = {}};
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> events, warnings;
  std::unique_ptr<ExecutionService> service;
};

}  // namespace testmesh::executions
