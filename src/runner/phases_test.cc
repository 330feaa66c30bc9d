// Setup, steps, teardown; what a failure and a cancel do to a run.
#include "runner/testing/flow_run.h"

namespace testmesh::runner {
namespace {

using actions::ActionContext;
using expr::Map;
using expr::Value;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class Phases : public FlowRun, public testing::Test {
 protected:
  // http_request fails for these urls.
  void fail_at(std::set<std::string> urls) {
    on("http_request", [urls](const Value& config, ActionContext&, int) {
      const std::string url(config.find("url")->as_string());
      return urls.contains(url) ? fails("connection", "nobody at " + url) : answers({{"status", 200}});
    });
  }
};

constexpr const char* kThree = R"(
  setup:
    - {id: s, action: http_request, config: {url: s}}
  steps:
    - {id: a, action: http_request, config: {url: a}}
    - {id: b, action: http_request, config: {url: b}}
  teardown:
    - {id: t, action: http_request, config: {url: t}}
    - {id: u, action: http_request, config: {url: u}}
)";

TEST_F(Phases, RunInOrder) {
  run(kThree);
  EXPECT_EQ(result.status, RunStatus::kPassed);
  EXPECT_FALSE(result.error);
  EXPECT_EQ(summary(), "s:passed a:passed b:passed t:passed u:passed");
  EXPECT_EQ(step("s").phase, Phase::kSetup);
  EXPECT_EQ(step("a").phase, Phase::kMain);
  EXPECT_EQ(step("u").phase, Phase::kTeardown);
  EXPECT_THAT(told, ElementsAre("> s", "< s", "> a", "< a", "> b", "< b", "> t", "< t", "> u", "< u"));
}

TEST_F(Phases, AFailedSetupSkipsTheStepsAndTearsDown) {
  fail_at({"s"});
  run(kThree);
  EXPECT_EQ(result.status, RunStatus::kFailed);
  EXPECT_EQ(summary(), "s:failed a:skipped b:skipped t:passed u:passed");
}

TEST_F(Phases, AFailedStepStopsTheFollowingOnes) {
  fail_at({"a"});
  run(kThree);
  EXPECT_EQ(result.status, RunStatus::kFailed);
  EXPECT_EQ(summary(), "s:passed a:failed b:skipped t:passed u:passed");
  EXPECT_EQ(result.error->code, "connection");
  EXPECT_THAT(result.error->message, AllOf(HasSubstr("`a`"), HasSubstr("nobody at a")));
  EXPECT_EQ(step("b").attempts, 0u);
  EXPECT_TRUE(step("b").span_id.is_zero());
}

TEST_F(Phases, AFailedTeardownAloneFailsTheRun) {
  fail_at({"t"});
  run(kThree);
  EXPECT_EQ(result.status, RunStatus::kFailed);
  EXPECT_EQ(summary(), "s:passed a:passed b:passed t:failed u:passed") << "the rest is still cleaned up";
  EXPECT_THAT(result.error->message, HasSubstr("`t`"));
}

TEST_F(Phases, AFailedTeardownNeverHidesTheFirstFailure) {
  fail_at({"b", "t"});
  run(kThree);
  EXPECT_EQ(summary(), "s:passed a:passed b:failed t:failed u:passed");
  EXPECT_THAT(result.error->message, HasSubstr("`b`"));
}

TEST_F(Phases, OnErrorContinueGoesOnAndTheRunFails) {
  fail_at({"a"});
  run(R"(
  steps:
    - {id: a, action: http_request, config: {url: a}, on_error: continue}
    - {id: b, action: http_request, config: {url: b}}
)");
  EXPECT_EQ(summary(), "a:failed b:passed");
  EXPECT_EQ(result.status, RunStatus::kFailed);
  EXPECT_TRUE(step("a").continued);
  EXPECT_THAT(result.error->message, HasSubstr("`a`"));
}

TEST_F(Phases, OnErrorContinueInASetupDoesNotSkipTheSteps) {
  fail_at({"s"});
  run(R"(
  setup:
    - {id: s, action: http_request, config: {url: s}, on_error: continue}
  steps:
    - {id: a, action: http_request, config: {url: a}}
)");
  EXPECT_EQ(summary(), "s:failed a:passed");
  EXPECT_EQ(result.status, RunStatus::kFailed);
}

TEST_F(Phases, TeardownSeesWhatAFailedStepMade) {
  run(R"(
  steps:
    - {id: make, action: http_request, config: {url: a}, output: {made: $.body.id}, assert: status == 201}
  teardown:
    - {id: clean, action: http_request, config: {url: "/{{made}}/{{make.body.id}}"}}
)");
  EXPECT_EQ(summary(), "make:failed clean:passed");
  EXPECT_EQ(sent()[1].find("url")->as_string(), "/7/7");
}

// ---- cancel

TEST_F(Phases, ACancelSkipsWhatIsLeftAndTearsDown) {
  on("http_request", [this](const Value& config, ActionContext& context, int) {
    if (config.find("url")->as_string() == "a") {
      cancelled = true;
      EXPECT_TRUE(context.cancelled);
      return fails("cancelled");
    }
    EXPECT_FALSE(context.cancelled.load() && config.find("url")->as_string() == "t")
        << "teardown is to do its work";
    return answers({});
  });
  run(kThree);
  EXPECT_EQ(result.status, RunStatus::kCancelled);
  EXPECT_EQ(summary(), "s:passed a:failed b:skipped t:passed u:passed");
}

TEST_F(Phases, ATeardownAfterACancelIsBounded) {
  on("http_request", [this](const Value& config, ActionContext&, int) {
    if (config.find("url")->as_string() == "a") cancelled = true;
    if (config.find("url")->as_string() == "t") time.pass(std::chrono::seconds(31));
    return answers({});
  });
  run(kThree);
  EXPECT_EQ(result.status, RunStatus::kCancelled);
  EXPECT_EQ(summary(), "s:passed a:passed b:skipped t:passed u:skipped");
}

TEST_F(Phases, ATeardownWithoutACancelIsNot) {
  on("http_request", [this](const Value&, ActionContext&, int) {
    time.pass(std::chrono::seconds(31));
    return answers({});
  });
  run(kThree);
  EXPECT_EQ(summary(), "s:passed a:passed b:passed t:passed u:passed");
}

TEST_F(Phases, ACancelBeforeTheStartRunsTheTeardownOnly) {
  cancelled = true;
  run(kThree);
  EXPECT_EQ(result.status, RunStatus::kCancelled);
  EXPECT_EQ(summary(), "s:skipped a:skipped b:skipped t:passed u:passed");
}

TEST_F(Phases, ACancelEndsADelay) {
  time.before_wait = [this] { cancelled = true; };
  run(R"(
  steps:
    - {id: wait, action: delay, config: {duration: 1h}}
    - {id: b, action: http_request, config: {url: b}}
)");
  EXPECT_EQ(result.status, RunStatus::kCancelled);
  EXPECT_EQ(code("wait"), "cancelled");
  EXPECT_EQ(summary(), "wait:failed b:skipped");
}

TEST_F(Phases, ACancelEndsARetryAndItsErrorStepsAreNotRun) {
  fail_at({"a"});
  time.before_wait = [this] { cancelled = true; };
  run(R"(
  steps:
    - id: a
      action: http_request
      config: {url: a}
      retry: {max_attempts: 5, delay: 1h}
      error_steps: [{id: e, action: log, config: {message: x}}]
)");
  EXPECT_EQ(result.status, RunStatus::kCancelled);
  EXPECT_EQ(step("a").attempts, 1u);
  EXPECT_EQ(summary(), "a:failed");
}

TEST_F(Phases, ACancelIsNoFailureToContinueFrom) {
  time.before_wait = [this] { cancelled = true; };
  run(R"(
  steps:
    - id: loop
      action: for_each
      config:
        items: [1, 2]
        steps: [{id: wait, action: delay, config: {duration: 1h}, on_error: continue}]
)");
  EXPECT_EQ(result.status, RunStatus::kCancelled);
  EXPECT_EQ(summary(), "loop:failed loop[0].wait:failed");
}

// With real time: whoever cancels sets a flag and no more.
TEST_F(Phases, TheRealWaitLooksAtTheFlag) {
  int asked = 0;
  EXPECT_FALSE(system_timing().wait_until(SteadyTime::max(), [&] { return ++asked == 3; }));
  EXPECT_EQ(asked, 3);
  EXPECT_TRUE(system_timing().wait_until(system_timing().now(), [] { return false; }));
}

}  // namespace
}  // namespace testmesh::runner
