#include "executions/execution_service.h"

#include <gmock/gmock.h>

#include <set>

#include "executions/testing/execution_fixture.h"

namespace testmesh::executions {
namespace {

using base::ErrorCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using State = ExecutionService::ValidationState;

TEST_F(Executions, ARunIsQueuedRunsIsJudgedAndPasses) {
  open();
  const Execution taken = start();
  EXPECT_EQ(taken.status, ExecutionStatus::kPending);
  EXPECT_EQ(taken.kind, ExecutionKind::kRun);
  EXPECT_EQ(taken.flow_name, "Checkout");
  EXPECT_EQ(taken.total_steps, 2u);
  EXPECT_FALSE(taken.trace_id.is_zero());
  const Execution ended = wait_until_ended(taken.id);
  EXPECT_EQ(ended.status, ExecutionStatus::kPassed);
  EXPECT_EQ(ended.passed_steps, 2u);
  EXPECT_EQ(ended.failed_steps, 0u);
  EXPECT_LE(ended.created_at, ended.started_at);
  EXPECT_LE(ended.started_at, ended.finished_at);
  EXPECT_FALSE(ended.error.has_value());
  EXPECT_EQ(verdict_of(taken.id), "passed");
  EXPECT_THAT(service->steps(workspace, taken.id).value(), SizeIs(2));
  const ExecutionCounts counts = service->counts();
  EXPECT_EQ(counts.passed, 1u);
}

TEST_F(Executions, EveryChangeIsToldInOrder) {
  open();
  const Execution taken = start();
  wait_until_ended(taken.id);
  service->stop();
  std::vector<std::string> told;
  for (const std::string& event : events) {
    const auto value = expr::parse_json(event).value();
    EXPECT_EQ(value.find("id")->as_string(), taken.id.to_string());
    told.push_back(std::string(value.find("status")->as_string()) + " " +
                   std::to_string(value.find("passed_steps")->as_int()));
  }
  EXPECT_THAT(told, ElementsAre("pending 0", "running 0", "running 1", "running 2", "passed 2"));
}

TEST_F(Executions, AFailedStepFailsTheRunWhateverTheTraceShows) {
  run = [](const runner::RunRequest&, const runner::RunServices&) {
    RunResult result = outcome(RunStatus::kFailed, runner::RunError{"connection", "no such host"});
    result.steps.push_back(step("one"));
    result.steps.push_back(step("two", runner::StepStatus::kFailed));
    result.steps.push_back(step("two[0].inner", runner::StepStatus::kFailed));
    result.steps.back().depth = 1;
    return result;
  };
  open();
  const Execution ended = wait_until_ended(start().id);
  EXPECT_EQ(ended.status, ExecutionStatus::kFailed);
  EXPECT_EQ(ended.passed_steps, 1u);
  EXPECT_EQ(ended.failed_steps, 1u) << "nested ones apart";
  ASSERT_TRUE(ended.error.has_value());
  EXPECT_EQ(ended.error->code, "connection");
  EXPECT_EQ(verdict_of(ended.id), "passed");
}

TEST_F(Executions, TheTraceDecidesARunWhoseStepsPassed) {
  ValidationStatus answer{};
  judge = [&](const validation::Subject&, const store::TraceDetail*, base::UnixNanos, base::UnixNanos, bool) {
    return verdict(answer, "because");
  };
  open();
  for (const auto& [wanted, status, code] :
       {std::tuple(ValidationStatus::kFailed, ExecutionStatus::kFailed, "trace_validation"),
        std::tuple(ValidationStatus::kPartial, ExecutionStatus::kError, "inconclusive")}) {
    answer = wanted;
    const Execution ended = wait_until_ended(start().id);
    EXPECT_EQ(ended.status, status);
    ASSERT_TRUE(ended.error.has_value());
    EXPECT_EQ(ended.error->code, code);
    EXPECT_EQ(ended.error->message, "because");
  }
}

TEST_F(Executions, ARunThatCouldNotRunIsAnErrorAndNotJudged) {
  run = [](const runner::RunRequest&, const runner::RunServices&) {
    return outcome(RunStatus::kError, runner::RunError{"internal", "no"});
  };
  open();
  const Execution ended = wait_until_ended(start().id);
  EXPECT_EQ(ended.status, ExecutionStatus::kError);
  EXPECT_EQ(ended.error->code, "internal");
  EXPECT_EQ(verdict_of(ended.id), "none");
}

TEST_F(Executions, WaitsForTheTraceWithoutAThread) {
  // One thread of runs, and as many traces waited for as there are runs.
  options.concurrency = 1;
  std::atomic<bool> complete{false};
  judge = [&](const validation::Subject&, const store::TraceDetail*, base::UnixNanos, base::UnixNanos, bool) {
    return verdict(complete ? ValidationStatus::kPassed : ValidationStatus::kPending);
  };
  open();
  std::vector<Execution> taken;
  for (int i = 0; i < 50; ++i) taken.push_back(start());
  for (const Execution& one : taken)
    wait_for(one.id, [](const Execution& now) { return now.passed_steps == 2; });
  EXPECT_EQ(service->validation(workspace, taken.front().id)->state, State::kPending);
  EXPECT_EQ(find(taken.front().id).status, ExecutionStatus::kRunning) << "one thing to wait for";
  complete = true;
  for (const Execution& one : taken) EXPECT_EQ(wait_until_ended(one.id).status, ExecutionStatus::kPassed);
}

// Goes on when it is told to.
class StepClock final : public base::Clock {
 public:
  base::UnixNanos now() const override { return now_; }
  void advance(std::chrono::milliseconds by) { now_ += static_cast<uint64_t>(by.count()) * 1'000'000; }

 private:
  std::atomic<base::UnixNanos> now_{1'700'000'000'000'000'000};
};

TEST_F(Executions, TellsWhenSpansArrivedAndWhenTimeIsUp) {
  change_settings([](auto& settings) { settings.default_timeout_ms = 1000; });
  StepClock clock;
  options.clock = &clock;
  std::vector<std::pair<size_t, base::UnixNanos>> looks;
  judge = [&](const validation::Subject& subject, const store::TraceDetail* detail, base::UnixNanos now,
              base::UnixNanos last_arrival, bool time_is_up) {
    looks.emplace_back(detail ? detail->spans.size() : 0, last_arrival);
    EXPECT_LE(last_arrival, now);
    EXPECT_EQ(time_is_up, looks.size() == 11) << looks.size();
    telemetry.put(subject.trace_id, std::min<size_t>(looks.size(), 3));
    clock.advance(100ms);
    return verdict(time_is_up ? ValidationStatus::kPartial : ValidationStatus::kPending);
  };
  open();
  EXPECT_EQ(wait_until_ended(start().id).status, ExecutionStatus::kError);
  service->stop();
  service.reset();
  ASSERT_EQ(looks.size(), 11u);
  EXPECT_EQ(looks[0], (std::pair<size_t, base::UnixNanos>(0, 0)));
  for (size_t i = 1; i < looks.size(); ++i) {
    EXPECT_EQ(looks[i].first, std::min<size_t>(i, 3));
    if (looks[i].first > looks[i - 1].first)
      EXPECT_GT(looks[i].second, looks[i - 1].second);
    else
      EXPECT_EQ(looks[i].second, looks[i - 1].second);
  }
}

TEST_F(Executions, WithoutAutoValidationARunEndsWithItsStepsUntilAskedFor) {
  change_settings([](auto& settings) { settings.auto_validation = false; });
  judge = [](const validation::Subject& subject, const store::TraceDetail*, base::UnixNanos, base::UnixNanos,
             bool) {
    EXPECT_TRUE(subject.is_run);
    EXPECT_EQ(subject.flow->name, "Checkout");
    return verdict(ValidationStatus::kFailed, "slow");
  };
  open();
  const Execution ended = wait_until_ended(start().id);
  EXPECT_EQ(ended.status, ExecutionStatus::kPassed);
  service->stop();
  open();  // what is judged then comes from the disk
  EXPECT_EQ(verdict_of(ended.id), "none");
  EXPECT_EQ(service->validate_again(workspace, ended.id)->state, State::kPending);
  EXPECT_EQ(verdict_of(ended.id), "failed");
  const Execution judged =
      wait_for(ended.id, [](const Execution& now) { return now.status == ExecutionStatus::kFailed; });
  EXPECT_EQ(judged.error->code, "trace_validation");
  EXPECT_EQ(judged.finished_at, ended.finished_at);
}

TEST_F(Executions, ATraceOfSomeoneElseIsOnlyJudged) {
  run = [](const runner::RunRequest&, const runner::RunServices&) {
    ADD_FAILURE() << "no step is run";
    return RunResult{};
  };
  const auto trace = model::TraceId::parse("0123456789abcdef0123456789abcdef").value();
  const auto parent = model::SpanId::parse("0123456789abcdef").value();
  judge = [&](const validation::Subject& subject, const store::TraceDetail*, base::UnixNanos, base::UnixNanos,
              bool) {
    EXPECT_EQ(subject.trace_id, trace);
    EXPECT_FALSE(subject.is_run);
    EXPECT_EQ(subject.parent_span_id, parent);
    EXPECT_EQ(subject.flow, nullptr);
    return verdict(ValidationStatus::kPassed);
  };
  open();
  const Execution taken = start({.trace_id = trace, .parent_span_id = parent});
  EXPECT_EQ(taken.kind, ExecutionKind::kTrace);
  EXPECT_EQ(taken.trace_id, trace);
  EXPECT_EQ(taken.flow_name, "");
  EXPECT_EQ(wait_until_ended(taken.id).status, ExecutionStatus::kPassed);
  EXPECT_THAT(service->steps(workspace, taken.id).value(), IsEmpty());
  change_settings([](auto& settings) { settings.auto_validation = false; });
  const Execution unjudged = wait_until_ended(start({.trace_id = trace, .parent_span_id = parent}).id);
  EXPECT_EQ(unjudged.status, ExecutionStatus::kError) << "nothing was judged: not passed";
  EXPECT_EQ(unjudged.error->code, "not_validated");
  EXPECT_EQ(verdict_of(unjudged.id), "none");
  service->validate_again(workspace, unjudged.id).value();
  EXPECT_EQ(verdict_of(unjudged.id), "passed");
  wait_for(unjudged.id, [](const Execution& now) { return now.status == ExecutionStatus::kPassed; });
}

TEST_F(Executions, CancelsWhatIsQueuedRunningOrJudged) {
  options.concurrency = 1;
  Gate gate;
  run = [&](const runner::RunRequest&, const runner::RunServices& services) {
    return outcome(gate.wait(services.cancelled) ? RunStatus::kPassed : RunStatus::kCancelled);
  };
  judge = [&](const validation::Subject&, const store::TraceDetail*, base::UnixNanos, base::UnixNanos, bool) {
    return verdict(ValidationStatus::kPending);
  };
  open();
  const Execution running = start(), queued = start();
  gate.wait_until_waiting();
  EXPECT_EQ(service->cancel(workspace, queued.id)->status, ExecutionStatus::kCancelled);
  EXPECT_EQ(service->cancel(workspace, running.id)->id, running.id);
  EXPECT_EQ(wait_until_ended(running.id).status, ExecutionStatus::kCancelled);
  EXPECT_EQ(find(queued.id).started_at, 0u);
  gate.open();
  const Execution judging = start();
  const auto until = std::chrono::steady_clock::now() + 20s;
  while (service->counts().validating == 0 && std::chrono::steady_clock::now() < until)
    std::this_thread::yield();
  service->cancel(workspace, judging.id).value();
  EXPECT_EQ(wait_until_ended(judging.id).status, ExecutionStatus::kCancelled);
  EXPECT_EQ(service->cancel(workspace, judging.id)->status, ExecutionStatus::kCancelled);
  EXPECT_EQ(verdict_of(judging.id), "none");
}

TEST_F(Executions, WhatEndedStaysAsItIsWhenCancelled) {
  open();
  const Execution ended = wait_until_ended(start().id);
  EXPECT_EQ(service->cancel(workspace, ended.id)->status, ExecutionStatus::kPassed);
  EXPECT_EQ(find(ended.id).finished_at, ended.finished_at);
}

TEST_F(Executions, StoppingKeepsTheStepsAndSaysInterrupted) {
  options.concurrency = 1;
  Gate gate;
  run = [&](const runner::RunRequest&, const runner::RunServices& services) {
    RunResult result;
    result.steps.push_back(step("one"));
    services.observer->step_finished(result.steps.back());
    gate.wait(services.cancelled);
    result.status = RunStatus::kCancelled;
    return result;
  };
  open();
  const Execution running = start(), queued = start();
  gate.wait_until_waiting();
  EXPECT_THAT(service->steps(workspace, running.id).value(), SizeIs(1)) << "as far as it has come";
  service->stop();
  EXPECT_EQ(service->start(workspace, {.flow = kFlow}).error().error.code, ErrorCode::kUnavailable);
  open();
  for (const Execution& one : {running, queued}) {
    const Execution found = find(one.id);
    EXPECT_EQ(found.status, ExecutionStatus::kError);
    EXPECT_EQ(found.error->code, "interrupted");
    EXPECT_GT(found.finished_at, 0u);
  }
  EXPECT_THAT(service->steps(workspace, running.id).value(), SizeIs(1));
}

TEST_F(Executions, AfterACrashNothingThatWasTakenIsMissing) {
  options.concurrency = 1;
  Gate gate;
  run = [&](const runner::RunRequest&, const runner::RunServices& services) {
    gate.wait(services.cancelled);
    return RunResult{};
  };
  open();
  const Execution running = start(), queued = start();
  gate.wait_until_waiting();
  // What a crash leaves is what is on the disk right now.
  store::MapStore left;
  {
    std::vector<store::DocumentWrite> batch;
    ASSERT_TRUE(documents
                    .scan("",
                          [&](std::string_view key, std::string_view value) {
                            batch.push_back({std::string(key), std::string(value)});
                            return true;
                          })
                    .has_value());
    ASSERT_TRUE(left.write(batch).has_value());
  }
  open_over(left);
  for (const Execution& one : {running, queued}) {
    const Execution found = find(one.id);
    EXPECT_EQ(found.status, ExecutionStatus::kError);
    EXPECT_EQ(found.error->code, "interrupted");
    EXPECT_EQ(found.trace_id, one.trace_id);
  }
  EXPECT_EQ(service->list(workspace, 10, "")->total, 2u);
  EXPECT_EQ(service->list(workspace, 10, "", ExecutionStatus::kError)->total, 2u);
  // Its trace can be judged, which does not make it a run that passed.
  service->validate_again(workspace, running.id).value();
  EXPECT_EQ(verdict_of(running.id), "passed");
  EXPECT_EQ(find(running.id).status, ExecutionStatus::kError);
  open_over(left);
  EXPECT_EQ(service->list(workspace, 10, "")->total, 2u);
  service.reset();
}

TEST_F(Executions, AThousandAreQueuedListedAndRun) {
  constexpr size_t kNumber = 1000;
  Gate gate;
  run = [&](const runner::RunRequest&, const runner::RunServices& services) {
    gate.wait(services.cancelled);
    return RunResult{};
  };
  open();
  std::vector<model::ExecutionId> ids;
  for (size_t i = 0; i < kNumber; ++i)
    ids.push_back(start({.flow = "name: Flow" + std::to_string(i % 10) + std::string(kFlow).substr(14)}).id);
  gate.wait_until_waiting(2);
  EXPECT_EQ(service->counts().queued, kNumber - 2);
  EXPECT_EQ(service->list(workspace, 1, "", ExecutionStatus::kPending)->total, kNumber - 2);
  EXPECT_EQ(service->list(workspace, 1, "", ExecutionStatus::kRunning)->total, 2u);
  gate.open();
  for (const auto& id : ids) EXPECT_EQ(wait_until_ended(id).status, ExecutionStatus::kPassed);
  service->stop();
  open();
  std::vector<model::ExecutionId> listed;
  std::string cursor;
  do {
    const auto page = service->list(workspace, 70, cursor).value();
    EXPECT_EQ(page.total, kNumber);
    for (const Execution& one : page.executions) listed.push_back(one.id);
    cursor = page.next_cursor.value_or("");
  } while (!cursor.empty());
  std::ranges::reverse(listed);
  EXPECT_EQ(listed, ids) << "newest first, none twice, none missing";
  const auto page = service->list(workspace, 1000, "", ExecutionStatus::kPassed, "Flow3").value();
  EXPECT_EQ(page.total, kNumber / 10);
  EXPECT_EQ(page.executions.size(), kNumber / 10);
  EXPECT_FALSE(page.next_cursor.has_value());
  EXPECT_EQ(service->list(workspace, 10, "nonsense").error().code, ErrorCode::kInvalidArgument);
}

TEST_F(Executions, TheOldestGiveWayWithAllTheirDocuments) {
  options.max_kept = 3;
  open();
  std::vector<model::ExecutionId> ids;
  for (int i = 0; i < 8; ++i) {
    ids.push_back(start().id);
    wait_until_ended(ids.back());
  }
  service->stop();
  open();
  EXPECT_EQ(service->list(workspace, 10, "")->total, 3u);
  EXPECT_FALSE(service->find(workspace, ids[4]).has_value());
  EXPECT_EQ(find(ids[5]).status, ExecutionStatus::kPassed);
  size_t left = 0;
  ASSERT_TRUE(documents
                  .scan("executions",
                        [&](std::string_view, std::string_view) {
                          ++left;
                          return true;
                        })
                  .has_value());
  EXPECT_EQ(left, 3u * 4) << "a record, steps, expectations and a verdict each";
}

TEST_F(Executions, BelongToTheirWorkspace) {
  const auto other = registry->create({}, "other").value().id;
  open();
  const auto id = start().id;
  wait_until_ended(id);
  EXPECT_FALSE(service->find(other, id).has_value());
  EXPECT_EQ(service->steps(other, id).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(service->cancel(other, id).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(service->validation(other, id).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(service->validate_again(other, id).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(service->list(other, 10, "")->total, 0u);
}

TEST_F(Executions, GoWithTheirWorkspaceWhateverTheyDo) {
  options.concurrency = 1;
  Gate gate;
  run = [&](const runner::RunRequest&, const runner::RunServices& services) {
    gate.wait(services.cancelled);
    return RunResult{};
  };
  open();
  const Execution running = start(), queued = start();
  gate.wait_until_waiting();
  ASSERT_TRUE(service->drop_workspace(workspace).has_value());
  const auto until = std::chrono::steady_clock::now() + 20s;
  while (service->find(workspace, running.id) && std::chrono::steady_clock::now() < until)
    std::this_thread::yield();
  EXPECT_FALSE(service->find(workspace, running.id).has_value());
  EXPECT_FALSE(service->find(workspace, queued.id).has_value());
  service->stop();
  EXPECT_THAT(documents.documents, ::testing::Each(::testing::Key(Not(::testing::StartsWith("executions")))));
}

TEST_F(Executions, AFlowWithProblemsIsRefusedWithAllOfThem) {
  open();
  const auto refused = service->start(workspace, {.flow = "name: x\nsteps: {}\nBAD: 1\n"});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().error.code, ErrorCode::kUnprocessable);
  EXPECT_THAT(refused.error().problems, SizeIs(2));
  const auto file = service->start(workspace, {.flow = kFlow, .files = {{"sub.yaml", "steps: []\nBAD: 1"}}});
  ASSERT_FALSE(file.has_value());
  EXPECT_THAT(file.error().problems.front().message, HasSubstr("sub.yaml: "));
  EXPECT_EQ(service->start(workspace, {}).error().error.code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(service->list(workspace, 10, "")->total, 0u);
}

TEST_F(Executions, RefusesMoreThanItHasRoomFor) {
  options.concurrency = 1;
  options.max_queued = 3;
  Gate gate;
  run = [&](const runner::RunRequest&, const runner::RunServices& services) {
    gate.wait(services.cancelled);
    return RunResult{};
  };
  open();
  std::vector<model::ExecutionId> taken;
  for (int i = 0; i < 3; ++i) taken.push_back(start().id);
  EXPECT_EQ(service->start(workspace, {.flow = kFlow}).error().error.code, ErrorCode::kOverloaded);
  EXPECT_EQ(service->counts().refused, 1u);
  gate.open();
  for (const auto& id : taken) wait_until_ended(id);
  service->stop();
  options.max_bytes = 10;
  open();
  EXPECT_EQ(service->start(workspace, {.flow = kFlow}).error().error.code, ErrorCode::kOverloaded);
}

TEST_F(Executions, AFullDiskRefusesNewOnesAndForgetsNoneThatRan) {
  Gate gate;
  run = [&](const runner::RunRequest&, const runner::RunServices& services) {
    gate.wait(services.cancelled);
    return RunResult{};
  };
  open();
  const auto id = start().id;
  gate.wait_until_waiting();
  documents.broken = true;
  EXPECT_EQ(service->start(workspace, {.flow = kFlow}).error().error.code, ErrorCode::kUnavailable);
  gate.open();
  EXPECT_EQ(wait_for(id, [](const Execution& now) { return now.finished_at > 0; }).status,
            ExecutionStatus::kPassed);
  EXPECT_EQ(verdict_of(id), "passed") << "from memory";
  documents.broken = false;
  service->stop();
  open();
  EXPECT_EQ(find(id).status, ExecutionStatus::kPassed);
  EXPECT_THAT(warnings, SizeIs(1));
}

TEST_F(Executions, SpansOfARunAreSentAgainWhileTheStoreIsBusy) {
  run = [](const runner::RunRequest& request, const runner::RunServices& services) {
    model::Span span;
    span.trace_id = request.trace_id;
    span.resource = std::make_shared<model::Resource>();
    span.scope = std::make_shared<model::Scope>();
    services.emit(request.workspace, {span});
    return RunResult{};
  };
  sink.refuse(2, {ErrorCode::kOverloaded, "busy"});
  open();
  const auto id = start().id;
  sink.wait_for(3);
  EXPECT_EQ(wait_until_ended(id).status, ExecutionStatus::kPassed);
  EXPECT_EQ(service->counts().lost_spans, 0u);
  sink.refuse(2, {ErrorCode::kInvalidArgument, "no such thing"});
  for (int i = 0; i < 2; ++i) EXPECT_EQ(wait_until_ended(start().id).status, ExecutionStatus::kPassed);
  EXPECT_EQ(service->counts().lost_spans, 2u);
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("no such thing"))) << "said once";
}

TEST_F(Executions, WhatARunThrowsIsItsError) {
  run = [](const runner::RunRequest&, const runner::RunServices&) -> RunResult { throw std::bad_alloc(); };
  open();
  const Execution ended = wait_until_ended(start().id);
  EXPECT_EQ(ended.status, ExecutionStatus::kError);
  EXPECT_EQ(ended.error->code, "internal");
}

TEST_F(Executions, ATraceThatCannotBeReadIsAnErrorOnceTimeIsUp) {
  change_settings([](auto& settings) { settings.default_timeout_ms = 1000; });
  telemetry.fail(base::Error{ErrorCode::kUnavailable, "disk trouble"});
  open();
  const Execution ended = wait_until_ended(start().id);
  EXPECT_EQ(ended.status, ExecutionStatus::kError);
  EXPECT_EQ(ended.error->code, "validation");
  EXPECT_THAT(ended.error->message, HasSubstr("disk trouble"));
}

TEST_F(Executions, LongResultsAreCutWhereTheyAreKept) {
  run = [](const runner::RunRequest&, const runner::RunServices&) {
    RunResult result;
    result.steps.push_back(step("one"));
    expr::Value deep = "bottom";
    for (int i = 0; i < 500; ++i) deep = expr::List{deep};
    result.steps.back().result = expr::Map{{"body", std::string(10 << 20, 'x')}, {"deep", deep}};
    result.steps.back().request = expr::Map{{"rows", expr::List(100'000, expr::Value(1))}};
    return result;
  };
  open();
  const auto id = wait_until_ended(start().id).id;
  service->stop();
  open();
  const auto steps = service->steps(workspace, id).value();
  ASSERT_THAT(steps, SizeIs(1));
  ASSERT_NE(steps[0].result.find("body"), nullptr);
  EXPECT_THAT(std::string(steps[0].result.find("body")->as_string()), HasSubstr("x… (cut, 10485760 bytes)"));
  EXPECT_LT(to_json(steps[0]).size(), 200u << 10);
}

}  // namespace
}  // namespace testmesh::executions
