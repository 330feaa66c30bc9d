// The actions that steer the run.
#include <latch>
#include <thread>

#include "runner/testing/flow_run.h"

namespace testmesh::runner {
namespace {

using actions::ActionContext;
using expr::List;
using expr::Map;
using expr::Value;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class Control : public FlowRun, public testing::Test {
 protected:
  std::string json(std::string_view id) { return expr::to_json(step(id).result); }
  std::vector<std::string> urls() const {
    std::vector<std::string> found;
    for (const Value& config : sent()) found.emplace_back(config.find("url")->as_string());
    return found;
  }
};

TEST_F(Control, DelayWaits) {
  run("  steps: [{id: a, action: delay, config: {duration: 1m30s}}]\n");
  EXPECT_THAT(time.waits, ElementsAre(90'000));
  EXPECT_EQ(summary(), "a:passed");
}

TEST_F(Control, ADelayLongerThanItsStepTimesOut) {
  run("  steps: [{id: a, action: delay, config: {duration: 1h}, timeout: 2s}]\n");
  EXPECT_EQ(code("a"), "timeout");
  EXPECT_THAT(time.waits, ElementsAre(2000));
}

TEST_F(Control, LogGivesItsMessage) {
  variables = {{"who", "you"}};
  run("  steps: [{id: a, action: log, config: {message: 'hello {{who}}', level: warn}}]\n");
  EXPECT_EQ(json("a"), R"({"message":"hello you","level":"warn"})");
}

TEST_F(Control, AssertChecksItsConfigAndItsStep) {
  variables = {{"x", 1}};
  run(R"(
  steps:
    - {id: a, action: assert, config: {assert: [x == 1, x == 2]}, assert: x == 3, on_error: continue}
    - {id: b, action: assert, config: {assert: x == 1}}
)");
  EXPECT_EQ(summary(), "a:failed b:passed");
  EXPECT_EQ(step("a").failed_assertions.size(), 2u);
  EXPECT_THAT(message("a"), HasSubstr("2 of 3"));
}

// ---- condition

constexpr const char* kCondition = R"(
  steps:
    - id: c
      action: condition
      config:
        if: x > 1
        then: [{id: yes, action: http_request, config: {url: yes}}]
        else: [{id: no, action: http_request, config: {url: no}}]
    - {id: after, action: log, config: {message: "{{c.branch}}"}}
)";

TEST_F(Control, ConditionChoosesItsSteps) {
  variables = {{"x", 2}};
  run(kCondition);
  EXPECT_EQ(summary(), "c:passed yes:passed after:passed");
  EXPECT_EQ(step("yes").depth, 1u);
  EXPECT_EQ(json("c"), R"({"condition":true,"branch":"then"})");
}

TEST_F(Control, ConditionElse) {
  variables = {{"x", 1}};
  run(kCondition);
  EXPECT_EQ(summary(), "c:passed no:passed after:passed");
  EXPECT_EQ(step("after").result.find("message")->as_string(), "else");
}

TEST_F(Control, AConditionThatErrsOrIsNoBooleanFails) {
  variables = {{"x", "text"}};
  run(kCondition);
  EXPECT_EQ(code("c"), "expression");
  run("  steps: [{id: c, action: condition, config: {if: 1 + 1, then: [{action: log, config: {message: "
      "x}}]}}]\n");
  EXPECT_EQ(code("c"), "expression");
}

TEST_F(Control, AFailedNestedStepFailsWhatHoldsItWithItsCode) {
  variables = {{"x", 2}};
  on("http_request", [](const Value&, ActionContext&, int) { return fails("connection"); });
  run(kCondition);
  EXPECT_EQ(summary(), "c:failed yes:failed after:skipped");
  EXPECT_EQ(code("c"), "connection");
  EXPECT_THAT(message("c"), HasSubstr("`yes`"));
  EXPECT_EQ(result.status, RunStatus::kFailed);
}

TEST_F(Control, ANestedStepThatIsContinuedFromStillFailsTheRun) {
  on("http_request", [](const Value&, ActionContext&, int) { return fails("connection"); });
  run(R"(
  steps:
    - id: c
      action: condition
      config:
        if: true
        then: [{id: yes, action: http_request, config: {url: u}, on_error: continue}, {id: more, action: log, config: {message: x}}]
)");
  EXPECT_EQ(summary(), "c:passed yes:failed more:passed");
  EXPECT_EQ(result.status, RunStatus::kFailed);
}

// ---- for_each

TEST_F(Control, ForEachRunsItsStepsForEachItem) {
  run(R"(
  steps:
    - id: loop
      action: for_each
      config:
        items: [a, b]
        steps: [{id: get, action: http_request, config: {url: "{{item}}/{{index}}"}, output: {got: $.body.id}, assert: "item in ['a', 'b'] and index < 2"}]
    - {id: after, action: assert, config: {assert: [steps.get.body.id == 7, loop.count == 2, got == 7, not (item exists)]}}
)");
  EXPECT_EQ(summary(), "loop:passed loop[0].get:passed loop[1].get:passed after:passed") << message("after");
  EXPECT_THAT(urls(), ElementsAre("a/0", "b/1"));
  EXPECT_EQ(json("loop"), R"({"count":2,"outputs":[{"got":7},{"got":7}]})");
}

TEST_F(Control, ForEachTakesAReferenceAnExpressionAndAMap) {
  variables = {{"list", List{1, 2}}, {"map", Map{{"k", "v"}}}};
  const auto loop = [](const std::string& items) {
    return "  steps: [{id: loop, action: for_each, config: {items: \"" + items +
           "\", as: x, index_as: n, steps: [{id: get, action: http_request, config: {url: "
           "'{{n}}:{{x}}'}}]}}]\n";
  };
  run(loop("{{list}}"));
  EXPECT_THAT(urls(), ElementsAre("0:1", "1:2"));
  on("http_request", [](const Value&, ActionContext&, int) { return answers({}); });
  run(loop("filter(list, # > 1)"));
  EXPECT_THAT(urls(), ElementsAre("0:2"));
  on("http_request", [](const Value&, ActionContext&, int) { return answers({}); });
  run(loop("{{map}}"));
  EXPECT_THAT(urls(), ElementsAre(R"(0:{"key":"k","value":"v"})"));
  run(loop("list[0]"));
  EXPECT_EQ(code("loop"), "invalid_config");
  run(loop("{{nowhere}}"));
  EXPECT_EQ(code("loop"), "unknown_reference");
  run(loop("1 +"));
  EXPECT_EQ(code("loop"), "expression");
}

TEST_F(Control, TextsOfItemsAreNotLookedAtAgain) {
  variables = {{"list", List{"{{list}}", "1 + 1"}}, {"text", "1..3"}};
  run(R"(
  steps:
    - {id: loop, action: for_each, config: {items: "{{list}}", steps: [{id: get, action: http_request, config: {url: "{{item}}"}}]}}
    - {id: data, action: for_each, config: {items: "{{text}}", steps: [{action: log, config: {message: x}}]}}
)");
  EXPECT_THAT(urls(), ElementsAre("{{list}}", "1 + 1"));
  EXPECT_EQ(code("data"), "invalid_config") << "what a variable holds is no expression";
}

TEST_F(Control, ForEachStopsAtItsFirstFailureAndAtItsBound) {
  on("http_request",
     [](const Value&, ActionContext&, int call) { return call == 2 ? fails("timeout") : answers({}); });
  run("  steps: [{id: loop, action: for_each, config: {items: [1, 2, 3], steps: [{id: get, action: "
      "http_request, config: {url: u}}]}}]\n");
  EXPECT_EQ(summary(), "loop:failed loop[0].get:passed loop[1].get:failed");
  run("  steps: [{id: loop, action: for_each, config: {items: 1..3, max_iterations: 2, steps: [{id: get, "
      "action: http_request, config: {url: u}}]}}]\n");
  EXPECT_EQ(code("loop"), "too_many_iterations");
  EXPECT_EQ(summary(), "loop:failed");
}

TEST_F(Control, InnerItemsHideOuterOnes) {
  run(R"(
  steps:
    - id: outer
      action: for_each
      config:
        items: [a]
        steps:
          - id: inner
            action: for_each
            config:
              items: [b]
              steps: [{id: get, action: http_request, config: {url: "{{item}}"}}]
          - {id: again, action: http_request, config: {url: "{{item}}"}}
)");
  EXPECT_THAT(urls(), ElementsAre("b", "a"));
  EXPECT_EQ(summary(),
            "outer:passed outer[0].inner:passed outer[0].inner[0].get:passed outer[0].again:passed");
  EXPECT_EQ(step("outer[0].inner[0].get").depth, 2u);
}

TEST_F(Control, AStepsTimeoutBoundsWhatItHolds) {
  on("http_request", [this](const Value&, ActionContext& context, int) {
    EXPECT_LE(context.deadline, SteadyTime(std::chrono::hours(1) + std::chrono::seconds(10)));
    time.pass(std::chrono::seconds(6));
    return answers({});
  });
  run("  steps: [{id: loop, action: for_each, timeout: 10s, config: {items: [1, 2, 3], steps: [{id: get, "
      "action: http_request, config: {url: u}}]}}]\n");
  EXPECT_EQ(summary(), "loop:failed loop[0].get:passed loop[1].get:passed loop[2].get:failed");
  EXPECT_EQ(code("loop"), "timeout");
}

TEST_F(Control, PastTenThousandStepsThoseThatPassedAreCounted) {
  run("  steps: [{id: loop, action: for_each, config: {items: 1..10010, max_iterations: 20000, steps: [{id: "
      "get, action: log, config: {message: x}}]}}]\n");
  EXPECT_EQ(result.status, RunStatus::kPassed);
  EXPECT_EQ(result.steps.size(), kMostStepResults + 1);
  EXPECT_EQ(result.steps_left_out, 10u);
}

// ---- parallel

TEST_F(Control, ParallelStepsRunSideBySide) {
  std::latch both(2);  // passes only when both are there
  on("http_request", [&](const Value&, ActionContext&, int) {
    both.arrive_and_wait();
    return answers({{"status", 200}});
  });
  run(R"(
  steps:
    - id: p
      action: parallel
      config:
        steps:
          - {id: a, action: http_request, config: {url: a}}
          - {id: b, action: http_request, config: {url: b}}
    - {id: after, action: assert, config: {assert: [steps.a.status == 200, steps.b.status == 200]}}
)");
  EXPECT_EQ(summary(), "p:passed p[0].a:passed p[1].b:passed after:passed");
  EXPECT_EQ(json("p"), R"({"branches":2,"failed":0})");
}

TEST_F(Control, BranchesRunInOrderWithinAndNoMoreAtOnceThanAllowed) {
  std::atomic<int> now = 0, most = 0;
  on("http_request", [&](const Value&, ActionContext&, int) {
    most = std::max(most.load(), ++now);
    std::this_thread::yield();
    --now;
    return answers({});
  });
  run(R"(
  steps:
    - id: p
      action: parallel
      config:
        max_concurrency: 1
        branches:
          - [{id: a, action: http_request, config: {url: a}}, {id: b, action: http_request, config: {url: b}}]
          - [{id: c, action: http_request, config: {url: c}}]
)");
  EXPECT_EQ(most, 1);
  EXPECT_THAT(urls(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(summary(), "p:passed p[0].a:passed p[0].b:passed p[1].c:passed");
}

TEST_F(Control, AFailedBranchLetsTheOthersFinish) {
  on("http_request", [](const Value& config, ActionContext&, int) {
    return config.find("url")->as_string() == "a" ? fails("connection") : answers({});
  });
  run(R"(
  steps:
    - id: p
      action: parallel
      config:
        max_concurrency: 1
        branches:
          - [{id: a, action: http_request, config: {url: a}}, {id: b, action: http_request, config: {url: b}}]
          - [{id: c, action: http_request, config: {url: c}}]
)");
  EXPECT_EQ(summary(), "p:failed p[0].a:failed p[0].b:skipped p[1].c:passed");
  EXPECT_EQ(code("p"), "connection");
  EXPECT_EQ(json("p"), R"({"branches":2,"failed":1})");
}

// ---- wait_until

constexpr const char* kWait = R"(
  steps:
    - id: w
      action: wait_until
      config:
        condition: status == 200
        interval: 2s
        timeout: 10s
        steps: [{id: poll, action: http_request, config: {url: u}}]
)";

TEST_F(Control, WaitUntilRunsItsStepsUntilTheConditionIsTrue) {
  on("http_request", [](const Value&, ActionContext&, int call) {
    if (call == 1) return fails("connection");
    return answers({{"status", call == 4 ? 200 : 404}});
  });
  run(kWait);
  EXPECT_EQ(summary(), "w:passed poll:passed") << "the last round is the one shown";
  EXPECT_EQ(json("w"), R"({"rounds":4})");
  EXPECT_THAT(time.waits, ElementsAre(2000, 2000, 2000));
  EXPECT_EQ(result.status, RunStatus::kPassed);
}

TEST_F(Control, WaitUntilGivesUpWithTheLastValue) {
  on("http_request", [](const Value&, ActionContext&, int) { return answers({{"status", 404}}); });
  run(kWait);
  EXPECT_EQ(code("w"), "timeout");
  EXPECT_THAT(message("w"), AllOf(HasSubstr("status == 200"), HasSubstr("404")));
  EXPECT_THAT(time.waits, ElementsAre(2000, 2000, 2000, 2000, 2000));
}

TEST_F(Control, WaitUntilSaysWhyItsStepsFailedAtLast) {
  on("http_request", [](const Value&, ActionContext&, int) { return fails("connection", "nobody there"); });
  run(kWait);
  EXPECT_EQ(code("w"), "timeout");
  EXPECT_THAT(message("w"), HasSubstr("nobody there"));
}

TEST_F(Control, WaitUntilWithoutStepsAsksForTheConditionAlone) {
  run("  steps: [{id: w, action: wait_until, config: {condition: TIMESTAMP % 10 == 5}}]\n");
  EXPECT_EQ(summary(), "w:passed");
  EXPECT_THAT(time.waits, ElementsAre(1000, 1000));
}

TEST_F(Control, AnErrorInTheConditionIsNotYetTrue) {
  run("  steps: [{id: w, action: wait_until, config: {condition: nothing.more == 1, timeout: 3s}}]\n");
  EXPECT_EQ(code("w"), "timeout");
  EXPECT_EQ(time.waits.size(), 3u);
}

// ---- otel

TEST_F(Control, OtelInjectGivesAContextWhoseSpanWillBeThere) {
  run("  steps: [{id: o, action: otel.inject, output: {header: $.traceparent}}]\n");
  const std::string span_id(step("o").result.find("span_id")->as_string());
  EXPECT_EQ(step("o").result.find("trace_id")->as_string(), "aabb0100000000000000000000000000");
  EXPECT_EQ(step("o").output.find("header")->as_string(),
            "00-aabb0100000000000000000000000000-" + span_id + "-01");
  EXPECT_THAT(std::string(step("o").result.find("tracestate")->as_string()), HasSubstr("testmesh="));
  const auto emitted = spans_named("otel.inject");
  ASSERT_EQ(emitted.size(), 1u);
  EXPECT_EQ(emitted[0]->span_id.to_hex(), span_id);
  EXPECT_EQ(emitted[0]->parent_span_id, step("o").span_id);
}

constexpr const char* kOtelAssert = R"(
  steps:
    - id: o
      action: otel.assert
      config: {service: cart, operation: "GET /cart", within: 1s, assert: [trace.span_count == wanted, trace.complete]}
)";

TEST_F(Control, OtelAssertWaitsUntilTheTraceIsThereAndComplete) {
  variables = {{"wanted", 3}};
  int looks = 0;
  otel_assert = [&](const TraceQuestionView& question) -> base::Result<TraceLook> {
    EXPECT_EQ(question.service, "cart");
    EXPECT_EQ(question.operation, "GET /cart");
    EXPECT_EQ(question.since, kTestStart);
    EXPECT_EQ(question.assertions.size(), 2u);
    Value wanted;
    EXPECT_TRUE(question.names.find("wanted", wanted));
    ++looks;
    if (looks < 3) return TraceLook{};
    return TraceLook{.found = true,
                     .complete = looks == 5,
                     .span_count = 3,
                     .outcomes = {{.passed = true}, {.passed = true}}};
  };
  run(kOtelAssert);
  EXPECT_EQ(summary(), "o:passed") << message("o");
  EXPECT_EQ(looks, 5);
  EXPECT_EQ(step("o").result.find("span_count")->as_int(), 3);
}

TEST_F(Control, OtelAssertEndsAsSoonAsNothingCanChangeIt) {
  int looks = 0;
  otel_assert = [&](const TraceQuestionView&) -> base::Result<TraceLook> {
    ++looks;
    return TraceLook{.found = true,
                     .outcomes = {{.passed = true, .settled = true}, {.passed = true, .settled = true}}};
  };
  run(kOtelAssert);
  EXPECT_EQ(summary(), "o:passed");
  otel_assert = [&](const TraceQuestionView&) -> base::Result<TraceLook> {
    ++looks;
    return TraceLook{.found = true,
                     .outcomes = {{.settled = true, .actual = 5, .expected = 3}, {.passed = true}}};
  };
  run(kOtelAssert);
  EXPECT_EQ(looks, 2);
  EXPECT_EQ(code("o"), "assertion");
  ASSERT_EQ(step("o").failed_assertions.size(), 1u);
  EXPECT_EQ(step("o").failed_assertions[0].actual, Value(5));
}

TEST_F(Control, OtelAssertJudgesWhatIsThereWhenTimeIsUp) {
  otel_assert = [&](const TraceQuestionView&) -> base::Result<TraceLook> {
    return TraceLook{.found = true, .outcomes = {{.passed = true}, {.passed = false}}};
  };
  run(kOtelAssert);
  EXPECT_EQ(code("o"), "assertion");
  EXPECT_EQ(time.waits.size(), 10u);
  otel_assert = [&](const TraceQuestionView&) -> base::Result<TraceLook> { return TraceLook{}; };
  run(kOtelAssert);
  EXPECT_EQ(code("o"), "timeout");
  EXPECT_THAT(message("o"), HasSubstr("cart/GET /cart"));
}

TEST_F(Control, OtelAssertWithoutAStore) {
  run(kOtelAssert);
  EXPECT_EQ(code("o"), "unsupported");
}

}  // namespace
}  // namespace testmesh::runner
