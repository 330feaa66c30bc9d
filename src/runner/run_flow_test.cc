// Flows that run flows.
#include <fmt/format.h>

#include "runner/testing/flow_run.h"

namespace testmesh::runner {
namespace {

using actions::ActionContext;
using expr::Map;
using expr::Value;
using testing::HasSubstr;

class RunFlow : public FlowRun, public testing::Test {};

constexpr const char* kLogin = R"(
name: login
env: {user: nobody, base: http://default}
steps:
  - {id: call, action: http_request, config: {url: "{{base}}/{{user}}/{{FLOW_NAME}}"}, output: {session: $.body.id}}
teardown:
  - {id: bye, action: log, config: {message: bye}}
)";

TEST_F(RunFlow, GivesItsStatusAndOutputs) {
  add_flow("login.yaml", kLogin);
  variables = {{"base", "http://given"}};
  run(R"(
  env: {user: of the caller}
  steps:
    - {id: login, action: run_flow, config: {file: login.yaml, variables: {user: "me"}}, output: {mine: $.outputs.session}}
    - {id: after, action: assert, config: {assert: [login.session == 7, mine == 7, login.status == "passed", not (session exists), not (call exists)]}}
)");
  EXPECT_EQ(summary(), "login:passed login.call:passed login.bye:passed after:passed") << message("after");
  EXPECT_EQ(sent()[0].find("url")->as_string(), "http://given/me/login");
  EXPECT_EQ(step("login.call").depth, 1u);
  EXPECT_EQ(step("login.bye").phase, Phase::kTeardown);
}

TEST_F(RunFlow, AFailureInItFailsTheStepAndItTearsDown) {
  add_flow("login.yaml", kLogin);
  on("http_request", [](const Value&, ActionContext&, int) { return fails("connection"); });
  run("  steps: [{id: login, action: run_flow, config: {file: login.yaml}}]\n");
  EXPECT_EQ(summary(), "login:failed login.call:failed login.bye:passed");
  EXPECT_EQ(code("login"), "connection");
  EXPECT_THAT(message("login"), HasSubstr("login.call"));
  EXPECT_EQ(step("login").result.find("status")->as_string(), "failed");
}

TEST_F(RunFlow, ACancelTearsItDownToo) {
  add_flow("login.yaml", kLogin);
  on("http_request", [this](const Value&, ActionContext&, int) {
    cancelled = true;
    return fails("cancelled");
  });
  run("  steps: [{id: login, action: run_flow, config: {file: login.yaml}}]\n");
  EXPECT_EQ(result.status, RunStatus::kCancelled);
  EXPECT_EQ(summary(), "login:failed login.call:failed login.bye:passed");
}

TEST_F(RunFlow, AnUnknownOneFailsTheStep) {
  run("  steps: [{id: a, action: run_flow, config: {file: nowhere.yaml}, retry: {max_attempts: 3}}]\n");
  EXPECT_EQ(code("a"), "unknown_flow");
  EXPECT_THAT(message("a"), HasSubstr("nowhere.yaml"));
  EXPECT_EQ(step("a").attempts, 1u);
  EXPECT_EQ(result.status, RunStatus::kFailed);
}

TEST_F(RunFlow, CyclesAreRefused) {
  add_flow("a.yaml", "name: a\nsteps: [{id: a, action: run_flow, config: {file: b.yaml}}]\n");
  add_flow("b.yaml", "name: b\nsteps: [{id: b, action: run_flow, config: {file: a.yaml}}]\n");
  run("  steps: [{id: top, action: run_flow, config: {file: a.yaml}}]\n");
  EXPECT_EQ(summary(), "top:failed top.a:failed top.a.b:failed");
  EXPECT_EQ(code("top"), "cycle");
}

TEST_F(RunFlow, EightDeepAndNoDeeper) {
  for (int i = 1; i <= 9; ++i)
    add_flow(fmt::format("{}.yaml", i),
             i == 9 ? "name: last\nsteps: [{id: last, action: log, config: {message: x}}]\n"
                    : fmt::format(
                          "name: f{0}\nsteps: [{{id: s{0}, action: run_flow, config: {{file: {1}.yaml}}}}]\n",
                          i, i + 1));
  run("  steps: [{id: top, action: run_flow, config: {file: 2.yaml}}]\n");
  EXPECT_EQ(result.status, RunStatus::kPassed) << result.error->message;
  run("  steps: [{id: top, action: run_flow, config: {file: 1.yaml}}]\n");
  EXPECT_EQ(code("top"), "too_deep");
}

TEST_F(RunFlow, AnEnvThatCannotBeMadeFailsTheStep) {
  add_flow("x.yaml",
           "name: x\nenv: {a: '{{missing}}'}\nsteps: [{id: s, action: log, config: {message: x}}]\n");
  run("  steps: [{id: top, action: run_flow, config: {file: x.yaml}}]\n");
  EXPECT_EQ(code("top"), "unknown_reference");
  EXPECT_EQ(summary(), "top:failed top.s:skipped");
}

}  // namespace
}  // namespace testmesh::runner
