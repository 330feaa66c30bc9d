// One step: when it runs, its attempts, outputs and assertions.
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

class Steps : public FlowRun, public testing::Test {
 protected:
  void answer(std::vector<actions::ActionOutcome> outcomes) {
    on("http_request", [outcomes](const Value&, ActionContext&, int call) {
      return outcomes[std::min<size_t>(static_cast<size_t>(call), outcomes.size()) - 1];
    });
  }
  void run_one(const std::string& keys) {
    run("  steps:\n    - id: a\n      action: http_request\n      config: {url: u}\n" + keys);
  }
};

// ---- whether

TEST_F(Steps, DisabledOnesAreSkipped) {
  run_one("      disabled: true\n");
  EXPECT_EQ(summary(), "a:skipped");
  EXPECT_EQ(result.status, RunStatus::kPassed);
  EXPECT_TRUE(sent().empty());
}

TEST_F(Steps, WhenFalseIsSkippedWhenTrueRuns) {
  variables = {{"stage", "test"}};
  run(R"(
  steps:
    - {id: a, action: http_request, config: {url: a}, when: "stage == 'prod'"}
    - {id: b, action: http_request, config: {url: b}, when: "stage == 'test' and steps.a.status == 'skipped'"}
)");
  EXPECT_EQ(summary(), "a:skipped b:passed");
}

TEST_F(Steps, AWhenThatErrsFailsTheStep) {
  run_one("      when: nothing.at.all > 1\n");
  EXPECT_EQ(summary(), "a:failed");
  EXPECT_EQ(code("a"), "expression");
  EXPECT_TRUE(sent().empty());
}

TEST_F(Steps, AWhenThatIsNoBooleanFailsTheStep) {
  run_one("      when: 1 + 1\n");
  EXPECT_EQ(code("a"), "expression");
  EXPECT_THAT(message("a"), HasSubstr("true or false"));
}

// ---- config

TEST_F(Steps, AnUnknownReferenceFailsNamingItAndIsNotRetried) {
  run(R"(
  steps:
    - {id: a, action: http_request, config: {url: "{{nowhere.at}}/x"}, retry: {max_attempts: 3}}
)");
  EXPECT_EQ(code("a"), "unknown_reference");
  EXPECT_THAT(message("a"), HasSubstr("nowhere.at"));
  EXPECT_EQ(step("a").attempts, 1u);
  EXPECT_TRUE(sent().empty());
}

TEST_F(Steps, AConfigOfTheWrongTypeOnceExpandedFails) {
  variables = {{"limit", "soon"}};
  run(R"(
  steps:
    - {id: a, action: http_request, config: {url: u, timeout: "{{limit}}"}}
)");
  EXPECT_EQ(code("a"), "invalid_config");
  EXPECT_THAT(message("a"), HasSubstr("timeout"));
}

TEST_F(Steps, TheDeadlineIsTheStepsTimeoutElseTheConfigsElseFiveMinutes) {
  run(R"(
  steps:
    - {id: a, action: http_request, config: {url: u, timeout: 30s}, timeout: 2s}
    - {id: b, action: http_request, config: {url: u, timeout: 20m}}
    - {id: c, action: http_request, config: {url: u}}
)");
  const auto seen = actions.at("http_request")->contexts();
  const SteadyTime start = time.now();
  EXPECT_EQ(seen[0].deadline - start, std::chrono::seconds(2));
  EXPECT_EQ(seen[1].deadline - start, std::chrono::minutes(20));
  EXPECT_EQ(seen[2].deadline - start, std::chrono::minutes(5));
}

TEST_F(Steps, AnActionThatIsNotThereFailsTheStep) {
  actions.clear();
  run("  steps: [{id: a, action: http_request, config: {url: u}}]\n");
  EXPECT_EQ(code("a"), "unknown_action");
}

// ---- outputs

TEST_F(Steps, OneMatchGivesItsValueSeveralAList) {
  answer({answers({{"body", Map{{"items", List{Map{{"id", 1}}, Map{{"id", 2}}}}}}})});
  run_one(
      "      output: {first: '$.body.items[0].id', all: '$.body.items[*].id', short: body.items, long: "
      "'response.body.items[1].id'}\n");
  EXPECT_EQ(expr::to_json(step("a").output),
            R"({"first":1,"all":[1,2],"short":[{"id":1},{"id":2}],"long":2})");
}

TEST_F(Steps, NoMatchFailsTheStep) {
  run_one("      output: {id: $.body.id, user: $.body.user.id}\n");
  EXPECT_EQ(code("a"), "output");
  EXPECT_THAT(message("a"), AllOf(HasSubstr("`user`"), HasSubstr("$.body.user.id")));
  EXPECT_EQ(expr::to_json(step("a").output), R"({"id":7})") << "the others are known";
}

TEST_F(Steps, AFailedAssertionExplainsAMissingOutput) {
  answer({answers({{"status", 500}})});
  run_one("      output: {user: $.body.user}\n      assert: status == 200\n");
  EXPECT_EQ(code("a"), "assertion");
  EXPECT_THAT(message("a"), AllOf(HasSubstr("500"), HasSubstr("`user`")));
}

// ---- assertions

TEST_F(Steps, AllAreEvaluatedAndEachFailureSaysWhatAndWhere) {
  run(R"(
  steps:
    - id: a
      action: http_request
      config: {url: u}
      assert:
        - status == 201
        - body.id == 7
        - body.id > 10
        - body.nothing.more == 1
        - 1 + 1
)");
  const auto& failed = step("a").failed_assertions;
  ASSERT_EQ(failed.size(), 4u);
  EXPECT_EQ(failed[0].expression, "status == 201");
  EXPECT_EQ(failed[0].actual, Value(200));
  EXPECT_EQ(failed[0].expected, Value(201));
  EXPECT_EQ(failed[0].at, (flow_file::Position{9, 11}));
  EXPECT_EQ(failed[1].at, (flow_file::Position{11, 11}));
  EXPECT_EQ(failed[1].actual, Value(7));
  EXPECT_TRUE(failed[2].error);
  EXPECT_TRUE(failed[3].error);
  EXPECT_THAT(*failed[3].error, HasSubstr("true or false"));
  EXPECT_EQ(failed[3].actual, Value(2));
  EXPECT_EQ(code("a"), "assertion");
  EXPECT_THAT(message("a"), AllOf(HasSubstr("4 of 5"), HasSubstr("200"), HasSubstr("201")));
}

TEST_F(Steps, NamesOfAnAssertion) {
  variables = {{"wanted", 7}};
  run(R"(
  steps:
    - {id: first, action: http_request, config: {url: u}, output: {made: $.body.id}}
    - id: a
      action: http_request
      config: {url: u}
      output: {mine: $.body.id}
      assert:
        - status == 200
        - response.status == 200
        - response.body.id == wanted
        - made == 7
        - mine == 7
        - first.body.id == 7 and first.made == 7
        - steps.first.made == 7
        - steps["first"].body.id == 7
        - FLOW_NAME == "test flow"
        - not (nothing exists)
)");
  EXPECT_EQ(summary(), "first:passed a:passed") << message("a");
}

TEST_F(Steps, AResultsKeyHidesAVariable) {
  variables = {{"status", 1}};
  run_one("      assert: status == 200\n");
  EXPECT_EQ(summary(), "a:passed");
}

TEST_F(Steps, AStatusOfAStepIsItsResultsWhereItHasOne) {
  run(R"(
  steps:
    - {id: a, action: http_request, config: {url: u}}
    - {id: l, action: log, config: {message: x}}
    - {id: c, action: assert, config: {assert: ["steps.a.status == 200", "steps.l.status == 'passed'"]}}
)");
  EXPECT_EQ(step("c").status, StepStatus::kPassed) << message("c");
}

// ---- retries

TEST_F(Steps, OneAttemptWithoutARetry) {
  answer({fails("connection")});
  run_one("");
  EXPECT_EQ(step("a").attempts, 1u);
  EXPECT_TRUE(time.waits.empty());
}

TEST_F(Steps, AFailedAttemptIsRepeatedUntilOnePasses) {
  answer({fails("connection"), fails("timeout"), answers({{"status", 200}})});
  run_one("      retry: {max_attempts: 5, delay: 2s}\n");
  EXPECT_EQ(summary(), "a:passed");
  EXPECT_EQ(step("a").attempts, 3u);
  EXPECT_THAT(time.waits, ElementsAre(2000, 2000));
  EXPECT_FALSE(step("a").error);
  EXPECT_EQ(step("a").duration_ns, 4'000'000'000u);
}

TEST_F(Steps, TheLastFailureIsTheSteps) {
  answer({fails("connection"), fails("timeout", "too late")});
  run_one("      retry: {max_attempts: 2}\n");
  EXPECT_EQ(code("a"), "timeout");
  EXPECT_EQ(step("a").attempts, 2u);
}

TEST_F(Steps, AFailedAssertionIsAFailedAttempt) {
  answer({answers({{"status", 404}}), answers({{"status", 200}})});
  run_one("      retry: {max_attempts: 3}\n      assert: status == 200\n");
  EXPECT_EQ(summary(), "a:passed");
  EXPECT_EQ(step("a").attempts, 2u);
  EXPECT_TRUE(step("a").failed_assertions.empty());
}

TEST_F(Steps, BackoffGrowsByItsKindUpToAMinute) {
  answer({fails("connection")});
  run_one("      retry: {max_attempts: 4, delay: 1s, backoff: linear}\n");
  EXPECT_THAT(time.waits, ElementsAre(1000, 2000, 3000));
  time.waits.clear();
  run_one("      retry: {max_attempts: 9, delay: 1s, backoff: exponential}\n");
  EXPECT_THAT(time.waits, ElementsAre(1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000));
  time.waits.clear();
  run_one("      retry: {max_attempts: 3, delay: 90s, backoff: exponential}\n");
  EXPECT_THAT(time.waits, ElementsAre(90000, 90000)) << "a delay that was asked for is kept";
}

TEST_F(Steps, RetryOnChoosesWhatIsRepeated) {
  answer({fails("connection")});
  run_one("      retry: {max_attempts: 3, retry_on: [timeout, assertion]}\n");
  EXPECT_EQ(step("a").attempts, 1u);
  run_one("      retry: {max_attempts: 3, retry_on: [timeout, connection]}\n");
  EXPECT_EQ(step("a").attempts, 3u);
  run_one("      retry: {max_attempts: 3, retry_on: [any]}\n");
  EXPECT_EQ(step("a").attempts, 3u);
}

TEST_F(Steps, RetryOnTakesStatuses) {
  answer({answers({{"status", 503}}), answers({{"status", 502}}), answers({{"status", 404}})});
  run_one("      retry: {max_attempts: 5, retry_on: [5xx]}\n      assert: status == 200\n");
  EXPECT_EQ(step("a").attempts, 3u);
  answer({answers({{"status", 503}}), answers({{"status", 502}})});
  run_one("      retry: {max_attempts: 5, retry_on: ['503']}\n      assert: status == 200\n");
  EXPECT_EQ(step("a").attempts, 2u);
  answer({answers({{"status", "UNAVAILABLE"}}), answers({{"status", "OK"}})});
  run_one("      retry: {max_attempts: 5, retry_on: [UNAVAILABLE]}\n");
  EXPECT_EQ(step("a").attempts, 2u);
}

TEST_F(Steps, AStatusToRetryOnThatStaysIsStillNoErrorByItself) {
  answer({answers({{"status", 503}})});
  run_one("      retry: {max_attempts: 2, retry_on: [5xx]}\n");
  EXPECT_EQ(summary(), "a:passed");
  EXPECT_EQ(step("a").attempts, 2u);
}

// ---- error steps

TEST_F(Steps, ErrorStepsRunAfterTheLastFailedAttemptBeforeGoingOn) {
  answer({fails("connection", "nobody there")});
  run(R"(
  steps:
    - id: a
      action: http_request
      config: {url: u}
      retry: {max_attempts: 2}
      on_error: continue
      error_steps:
        - {id: note, action: log, config: {message: "{{error.code}} of {{error.step_id}}: {{error.message}}"}}
    - {id: b, action: log, config: {message: after}}
)");
  EXPECT_EQ(summary(), "a:failed note:passed b:passed");
  EXPECT_EQ(step("note").depth, 1u);
  EXPECT_EQ(step("note").result.find("message")->as_string(), "connection of a: nobody there");
  EXPECT_THAT(told, ElementsAre("> a", "> note", "< note", "< a", "> b", "< b"));
}

TEST_F(Steps, ErrorStepsDoNotRunWhenAllIsWell) {
  run_one("      error_steps: [{id: note, action: log, config: {message: x}}]\n");
  EXPECT_EQ(summary(), "a:passed");
}

TEST_F(Steps, AFailedErrorStepDoesNotHideTheFailure) {
  answer({fails("connection")});
  run_one(
      "      error_steps: [{id: note, action: assert, config: {assert: 1 == 2}}, {id: more, action: log, "
      "config: {message: x}}]\n");
  EXPECT_EQ(summary(), "a:failed note:failed more:skipped");
  EXPECT_EQ(result.error->code, "connection");
}

// ---- what is kept

TEST_F(Steps, BigResultsAreShownCutButUsedWhole) {
  const std::string big(1 << 20, 'x');
  answer({answers({{"body", big + "!"}})});
  run(R"(
  steps:
    - {id: a, action: http_request, config: {url: u}, output: {all: $.body}, assert: ["len(body) == 1048577", "body endsWith '!'"]}
    - {id: b, action: assert, config: {assert: [len(all) == 1048577, len(steps.a.body) == 1048577]}}
)");
  EXPECT_EQ(summary(), "a:passed b:passed");
  const auto shown = step("a").result.find("body")->as_string();
  EXPECT_LT(shown.size(), 257u << 10);
  EXPECT_THAT(std::string(shown.substr(shown.size() - 40)), HasSubstr("(cut, 1048577 bytes)"));
  EXPECT_LT(step("a").output.find("all")->as_string().size(), 65u << 10);
}

}  // namespace
}  // namespace testmesh::runner
