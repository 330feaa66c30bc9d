#include "cli/run_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "cli/flow_inputs.h"

namespace testmesh::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr const char* kFlow = R"(flow:
  name: Order Flow
  steps:
    - id: create
      action: http_request
      config: {url: "http://127.0.0.1:1/orders"}
      assert:
        - status == 201
    - id: read
      action: http_request
      config: {url: "http://127.0.0.1:1/orders/1"}
)";

Json step(const char* id, const char* status) {
  return {{"id", id},
          {"name", ""},
          {"action", "http_request"},
          {"phase", "main"},
          {"status", status},
          {"attempts", 1},
          {"duration_ms", 12.5},
          {"request", {{"method", "GET"}}},
          {"result", Json::object()},
          {"output", Json::object()},
          {"failed_assertions", Json::array()}};
}

FlowRun passed_run() {
  FlowRun run;
  run.input.file = "order.yaml";
  run.input.flow = flow_file::read_flow(kFlow).flow;
  run.execution = {{"id", "e"},
                   {"flow_name", "Order Flow"},
                   {"kind", "run"},
                   {"status", "passed"},
                   {"trace_id", "00000000000000000000000000000001"},
                   {"duration_ms", 830.0},
                   {"started_at", "2026-11-26T10:00:00.000000000Z"}};
  run.steps = {step("create", "passed"), step("read", "passed")};
  run.validation = {{"status", "passed"},
                    {"path_status", "match"},
                    {"expected_from", "yaml"},
                    {"expected_path", {{{"type", "service"}, {"identifier", "a"}, {"service", "a"}}}}};
  return run;
}

FlowRun failed_run() {
  FlowRun run = passed_run();
  run.execution["status"] = "failed";
  run.steps[0]["status"] = "failed";
  run.steps[0]["error"] = {{"code", "assertion"}, {"message", "1 of 1 assertions failed"}};
  run.steps[0]["failed_assertions"] = {
      {{"expression", "status == 201"}, {"actual", 500}, {"expected", 201}, {"line", 8}, {"column", 11}}};
  run.steps[1] = step("read", "skipped");
  run.validation["status"] = "failed";
  run.validation["path_status"] = "mismatch";
  run.validation["missing_nodes"] = {
      {{"type", "api_endpoint"}, {"identifier", "GET /products/:id"}, {"service", "products"}}};
  run.validation["error_spans"] = {{{"service", "a"},
                                    {"operation", "GET /x"},
                                    {"status_message", ""},
                                    {"error_type", "500"},
                                    {"allowed", false}},
                                   {{"service", "a"}, {"operation", "GET /y"}, {"allowed", true}}};
  return run;
}

FlowRun invalid_run() {
  FlowRun run;
  run.input.file = "bad.yaml";
  run.input.problems = {{{3, 5}, "unknown key `stepz`", "stepz", ""}};
  return run;
}

std::vector<std::string> told(const FlowRun& run) {
  std::vector<std::string> lines;
  for (const RunFinding& finding : findings_of(run))
    lines.push_back(std::to_string(finding.at.line) + ":" + std::to_string(finding.at.column) + " " +
                    finding.message);
  return lines;
}

TEST(RunReport, ExitCodesTellPassedFailedAndUndecidedApart) {
  RunReport report;
  EXPECT_EQ(report.exit_code(), 2);
  report.runs.push_back(passed_run());
  EXPECT_EQ(report.exit_code(), 0);
  report.runs.push_back(failed_run());
  EXPECT_EQ(report.exit_code(), 1);
  report.runs.push_back(invalid_run());
  EXPECT_EQ(report.exit_code(), 2);
  FlowRun undecided = passed_run();
  undecided.execution["status"] = "error";
  report.runs = {undecided};
  EXPECT_EQ(report.exit_code(), 2);
}

TEST(RunReport, FindingsStandWhereTheFileHasThem) {
  EXPECT_THAT(told(passed_run()), IsEmpty());
  EXPECT_THAT(told(failed_run()),
              ElementsAre("8:11 step create: status == 201: actual 500, expected 201",
                          "1:1 trace: did not come: api_endpoint GET /products/:id (products)",
                          "1:1 trace: failed span: a GET /x: 500"));
  EXPECT_THAT(told(invalid_run()), ElementsAre("3:5 unknown key `stepz`"));
}

TEST(RunReport, AStepThatCouldNotActIsToldAtItsOwnPlace) {
  FlowRun run = passed_run();
  run.execution["status"] = "failed";
  run.steps[1]["status"] = "failed";
  run.steps[1]["error"] = {{"code", "connection"}, {"message", "127.0.0.1:1 refused the connection"}};
  EXPECT_THAT(told(run), ElementsAre("9:7 step read: 127.0.0.1:1 refused the connection"));
}

TEST(RunReport, JsonHoldsEveryExecutionAndTheCounts) {
  RunReport report{.runs = {passed_run(), failed_run(), invalid_run()}};
  const Json json = run_json(report);
  EXPECT_EQ(json["passed"], 1);
  EXPECT_EQ(json["failed"], 1);
  EXPECT_EQ(json["errors"], 1);
  EXPECT_EQ(json["executions"][0]["file"], "order.yaml");
  EXPECT_EQ(json["executions"][0]["steps"].size(), 2u);
  EXPECT_EQ(json["executions"][0]["trace_validation"]["status"], "passed");
  EXPECT_EQ(json["executions"][2]["errors"][0]["line"], 3);
  EXPECT_EQ(json["executions"][2]["trace_validation"], nullptr);
}

TEST(RunReport, JUnitHasASuiteAFlowACaseAStepAndOneForTheTrace) {
  const JUnitReport junit = run_junit({.runs = {failed_run(), invalid_run()}});
  ASSERT_EQ(junit.suites.size(), 2u);
  const JUnitSuite& suite = junit.suites[0];
  EXPECT_EQ(suite.name, "Order Flow");
  ASSERT_EQ(suite.cases.size(), 3u);
  EXPECT_EQ(suite.cases[0].outcome, JUnitOutcome::kFailed);
  EXPECT_THAT(suite.cases[0].text, HasSubstr("order.yaml:8:11: step create: status == 201"));
  EXPECT_EQ(suite.cases[1].outcome, JUnitOutcome::kSkipped);
  EXPECT_EQ(suite.cases[2].name, "trace");
  EXPECT_EQ(suite.cases[2].outcome, JUnitOutcome::kFailed);
  ASSERT_EQ(junit.suites[1].cases.size(), 1u);
  EXPECT_EQ(junit.suites[1].cases[0].outcome, JUnitOutcome::kError);
}

TEST(RunReport, WhatAFlowWritesCannotBreakOutOfTheHtml) {
  FlowRun run = failed_run();
  run.input.flow.name = "<script>alert(1)</script>";
  run.steps[0]["result"] = {{"body", "</pre><script>alert(2)</script>"}};
  const std::string html = run_html({.runs = {run}});
  EXPECT_THAT(html, Not(HasSubstr("<script>")));
  EXPECT_THAT(html, HasSubstr("&lt;script&gt;alert(1)"));
  EXPECT_THAT(html, HasSubstr("8:11"));
}

TEST(RunReport, TheTerminalShowsWhatFailedWithItsPlaceAtTheLineStart) {
  std::ostringstream out;
  print_flow_run(out, failed_run(), false);
  EXPECT_THAT(out.str(), HasSubstr("failed Order Flow"));
  EXPECT_THAT(out.str(),
              HasSubstr("\norder.yaml:8:11: step create: status == 201: actual 500, expected 201\n"));
  std::ostringstream totals;
  print_run_totals(totals, {.runs = {passed_run(), failed_run()}, .seconds = 2}, false);
  EXPECT_THAT(totals.str(), HasSubstr("1 passed, 1 failed"));
}

}  // namespace
}  // namespace testmesh::cli
