// A run in a test: a flow as text, actions as functions, time that passes only
// when the run waits.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "runner/run.h"
#include "runner/timing.h"

namespace testmesh::runner {

// run_impl.h's, for tests.
RunResult run_flow(const RunRequest&, const RunServices&, Timing&);

// 2026-11-27T01:02:03.004Z and on.
inline constexpr base::UnixNanos kTestStart = 1'795'741'323'004'000'000;

class FakeTime final : public Timing {
 public:
  SteadyTime now() override {
    const std::scoped_lock lock(mutex_);
    return SteadyTime(std::chrono::hours(1) + passed_);
  }
  base::UnixNanos wall() const {
    const std::scoped_lock lock(mutex_);
    return kTestStart + static_cast<uint64_t>(passed_.count());
  }
  bool wait_until(SteadyTime until, const std::function<bool()>& stop) override {
    if (before_wait) before_wait();
    if (stop()) return false;
    const auto left = std::max(SteadyTime::duration(0), until - now());
    pass(left);
    const std::scoped_lock lock(mutex_);
    waits.push_back(std::chrono::duration_cast<std::chrono::milliseconds>(left).count());
    return true;
  }
  void pass(std::chrono::nanoseconds time) {
    const std::scoped_lock lock(mutex_);
    passed_ += time;
  }
  std::function<void()> before_wait;
  std::vector<int64_t> waits;  // milliseconds

 private:
  mutable std::mutex mutex_;
  std::chrono::nanoseconds passed_{0};
};

// An action of a test: its config and which call of it this is (from 1).
using Behaviour =
    std::function<actions::ActionOutcome(const expr::Value& config, actions::ActionContext&, int call)>;

inline actions::ActionOutcome answers(expr::Map result) {
  actions::ActionOutcome outcome;
  outcome.result = expr::Value(std::move(result));
  return outcome;
}
inline actions::ActionOutcome fails(std::string code, std::string message = "it broke") {
  actions::ActionOutcome outcome;
  outcome.error = actions::ActionError{std::move(code), std::move(message)};
  return outcome;
}

class FakeAction final : public actions::Action {
 public:
  FakeAction(std::string name, Behaviour behaviour)
      : name_(std::move(name)), behaviour_(std::move(behaviour)) {}
  std::string_view name() const override { return name_; }
  actions::ActionOutcome run(const expr::Value& config, actions::ActionContext& context) const override {
    int call = 0;
    {
      const std::scoped_lock lock(mutex_);
      configs_.push_back(config);
      contexts_.push_back({context.trace, context.deadline});
      call = static_cast<int>(configs_.size());
    }
    actions::ActionOutcome outcome = behaviour_(config, context, call);
    if (outcome.request.as_map().empty()) outcome.request = config;
    return outcome;
  }
  struct Seen {
    actions::TraceContext trace;
    SteadyTime deadline;
  };
  std::vector<expr::Value> configs() const {
    const std::scoped_lock lock(mutex_);
    return configs_;
  }
  std::vector<Seen> contexts() const {
    const std::scoped_lock lock(mutex_);
    return contexts_;
  }

 private:
  const std::string name_;
  const Behaviour behaviour_;
  mutable std::mutex mutex_;
  mutable std::vector<expr::Value> configs_;
  mutable std::vector<Seen> contexts_;
};

// Everything a test sets before run() and looks at after it.
class FlowRun : public RunObserver {
 public:
  FlowRun() {
    on("http_request", [](const expr::Value&, actions::ActionContext&, int) {
      return answers({{"status", 200}, {"body", expr::Map{{"id", 7}}}});
    });
  }

  // `body`: everything under `flow:`, indented by two. The name is added.
  RunResult run(const std::string& body) { return run_file("flow:\n  name: test flow\n" + body); }

  RunResult run_file(const std::string& yaml) {
    flow_file::Reading reading = flow_file::read_flow(yaml);
    for (const auto& problem : reading.problems)
      ADD_FAILURE() << problem.at.line << ":" << problem.at.column << ": " << problem.message << "\n" << yaml;
    if (!reading.problems.empty()) return {};
    file = std::move(reading.flow);
    const RunRequest request{.execution = {{1, 2, 3, 4, 5, 6, 0x47, 8, 0x89, 10, 11, 12, 13, 14, 15, 16}},
                             .workspace = model::kDefaultWorkspace,
                             .trace_id = {{0xaa, 0xbb, 1}},
                             .flow = file,
                             .variables = variables,
                             .flows = &flows};
    const RunServices services{.clock = clock,
                               .hosts = hosts,
                               .emit =
                                   [this](const model::WorkspaceId&, std::vector<model::Span> batch) {
                                     const std::scoped_lock lock(mutex_);
                                     batches.push_back(batch);
                                     for (auto& span : batch) spans.push_back(std::move(span));
                                   },
                               .cancelled = cancelled,
                               .observer = this,
                               .otel_assert = otel_assert,
                               .find_action = [this](std::string_view name) -> const actions::Action* {
                                 const auto found = actions.find(name);
                                 return found == actions.end() ? nullptr : found->second.get();
                               }};
    result = run_flow(request, services, time);
    return result;
  }

  void on(const std::string& name, Behaviour behaviour) {
    actions[name] = std::make_unique<FakeAction>(name, std::move(behaviour));
  }
  void add_flow(const std::string& name, const std::string& yaml) {
    flow_file::Reading reading = flow_file::read_flow(yaml);
    for (const auto& problem : reading.problems) ADD_FAILURE() << problem.message;
    flows[name] = std::move(reading.flow);
  }

  const StepResult& step(std::string_view id) const {
    for (const StepResult& one : result.steps)
      if (one.id == id) return one;
    ADD_FAILURE() << "no step " << id << "; there are " << summary();
    static const StepResult kNone;
    return kNone;
  }
  // "a:passed b:failed"
  std::string summary() const {
    std::string text;
    for (const StepResult& one : result.steps)
      text += (text.empty() ? "" : " ") + one.id + ":" + std::string(to_string(one.status));
    return text;
  }
  std::vector<const model::Span*> spans_named(std::string_view name) const {
    std::vector<const model::Span*> found;
    for (const auto& span : spans)
      if (span.name == name) found.push_back(&span);
    return found;
  }
  std::string code(std::string_view id) const { return step(id).error ? step(id).error->code : ""; }
  std::string message(std::string_view id) const { return step(id).error ? step(id).error->message : ""; }
  std::vector<expr::Value> sent() const { return actions.at("http_request")->configs(); }

  void step_started(const flow_file::Step& step, Phase) override { told.push_back("> " + step.id); }
  void step_finished(const StepResult& step) override { told.push_back("< " + step.id); }

  struct WallClock final : base::Clock {
    explicit WallClock(const FakeTime& of) : time(of) {}
    base::UnixNanos now() const override { return time.wall(); }
    const FakeTime& time;
  };

  FakeTime time;
  WallClock clock{time};
  actions::HostPolicy hosts;
  std::atomic<bool> cancelled = false;
  std::vector<std::pair<std::string, expr::Value>> variables;
  std::map<std::string, flow_file::FlowFile, std::less<>> flows;
  std::map<std::string, std::unique_ptr<FakeAction>, std::less<>> actions;
  std::function<base::Result<TraceLook>(const TraceQuestionView&)> otel_assert;

  flow_file::FlowFile file;
  RunResult result;
  std::vector<std::vector<model::Span>> batches;
  std::vector<model::Span> spans;
  std::vector<std::string> told;

 private:
  std::mutex mutex_;
};

}  // namespace testmesh::runner
