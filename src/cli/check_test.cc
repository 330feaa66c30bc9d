// Rules, baseline and reports, without a server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "cli/check_baseline.h"
#include "cli/check_report.h"
#include "cli/text.h"

namespace testmesh::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

Json flow(const std::string& name, double traces, double tests, double risk) {
  return {{"id", "id of " + name},
          {"name", name},
          {"environment", ""},
          {"fingerprint", std::string(64, 'f')},
          {"entry_service", "shop"},
          {"entry_operation", name},
          {"path_string", "service:shop"},
          {"occurrence_count", traces},
          {"test_count", tests},
          {"avg_duration_ms", 12},
          {"p95_duration_ms", 30},
          {"error_rate", 0.02},
          {"risk_score", risk},
          {"risk_factors", {{"frequency", risk}, {"errors", 0}, {"latency", 0}}},
          {"last_seen_at", "2026-11-26T18:16:16Z"}};
}

const Rule& rule() { return *find_rule("uncovered-flow"); }
RuleOutcome judge(const std::vector<Json>& flows, const CheckOptions& options = {}) {
  RuleOutcome outcome = rule().judge({{"flows", flows}}, options);
  settle_severity(outcome);
  return outcome;
}
CheckResult result_of(RuleOutcome outcome, std::string baseline = {}) {
  return {.rules = {std::move(outcome)},
          .checked_at = "2026-11-26T22:10:03.000000000Z",
          .server = "http://server",
          .workspace = "w",
          .version = "1",
          .baseline = std::move(baseline)};
}
std::string printed(const CheckResult& result, unsigned width = 0) {
  std::ostringstream out;
  print_check(out, result, width, false);
  return out.str();
}

TEST(UncoveredFlow, FindsWhatIsRiskyAndUntested) {
  const RuleOutcome outcome = judge({flow("risky", 100, 0, 0.3), flow("tested", 100, 1, 0.9),
                                     flow("calm", 50, 0, 0.299), flow("rare", 9, 0, 0.8)});
  ASSERT_EQ(outcome.cases.size(), 4u);
  ASSERT_TRUE(outcome.cases[0].finding);
  EXPECT_EQ(outcome.cases[0].finding->message,
            "No test exercises it; risk 0.300: 100 traces, 2.0 % with an error, 12.0 ms on average");
  EXPECT_EQ(outcome.cases[0].name, "risky [ffffffffffff]");
  EXPECT_EQ(outcome.cases[0].finding->severity, Severity::kError);
  EXPECT_FALSE(outcome.cases[1].finding) << "a test exercises it";
  EXPECT_FALSE(outcome.cases[2].finding) << "below the risk";
  EXPECT_FALSE(outcome.cases[3].finding);
  EXPECT_THAT(outcome.cases[3].skipped, HasSubstr("9 traces, fewer than 10"));
  EXPECT_TRUE(outcome.failed());
  EXPECT_EQ(outcome.problem, "");
}

TEST(FailedValidation, JudgesTheLatestRunOfEachFlow) {
  const auto execution = [](const char* name, const char* status) {
    return Json{
        {"id", "e"}, {"flow_name", name}, {"status", status}, {"total_steps", 2}, {"passed_steps", 1}};
  };
  Json broken = execution("pays", "failed");
  broken["error"] = {{"code", "assertion"}, {"message", "step pay: status == 200: actual 500, expected 200"}};
  const Json answer = {
      {"executions",
       {execution("orders", "running"), execution("orders", "passed"), execution("orders", "failed"), broken,
        execution("pays", "passed"), execution("ships", "error"), execution("stops", "cancelled")}}};
  const RuleOutcome outcome = find_rule("failed-validation")->judge(answer, {});
  ASSERT_EQ(outcome.cases.size(), 3u);
  EXPECT_EQ(outcome.cases[0].subject, "pays");
  EXPECT_EQ(outcome.cases[0].finding->message,
            "Its latest run failed: step pay: status == 200: actual 500, expected 200");
  EXPECT_EQ(outcome.cases[1].finding->message, "Its latest run could not be decided: it ended as error");
  EXPECT_FALSE(outcome.cases[2].finding) << "it passed since";
  EXPECT_TRUE(outcome.failed());
  EXPECT_FALSE(find_rule("failed-validation")->judge({{"executions", Json::array()}}, {}).failed())
      << "no runs are no failure";
}

TEST(UncoveredFlow, AllowsAsManyAsItIsTold) {
  CheckOptions options{.max_uncovered = 1};
  const RuleOutcome within = judge({flow("one", 100, 0, 0.5)}, options);
  EXPECT_FALSE(within.failed());
  EXPECT_EQ(within.cases[0].finding->severity, Severity::kWarning);
  EXPECT_EQ(result_of(within).verdict(), Verdict::kOk);
  EXPECT_THAT(printed(result_of(within)), AllOf(HasSubstr("warning"), HasSubstr("OK: 1 finding, 1 allowed")));
  const RuleOutcome beyond = judge({flow("one", 100, 0, 0.5), flow("two", 100, 0, 0.4)}, options);
  EXPECT_TRUE(beyond.failed());
  EXPECT_EQ(beyond.cases[1].finding->severity, Severity::kError);
  options = {.min_risk = 0.6, .min_occurrences = 200};
  EXPECT_FALSE(judge({flow("calm", 300, 0, 0.59), flow("rare", 199, 0, 0.9)}, options).failed());
}

TEST(UncoveredFlow, ChecksNothingWhereThereIsNothing) {
  const RuleOutcome empty = judge(Json::array());
  EXPECT_THAT(empty.problem, HasSubstr("no flows in this workspace"));
  EXPECT_EQ(result_of(empty).verdict(), Verdict::kNotChecked);
  EXPECT_THAT(printed(result_of(empty)), HasSubstr("NOT CHECKED"));
  EXPECT_THAT(judge(Json::array(), {.service = "typo"}).problem, HasSubstr("No flow fits the filters"));
  EXPECT_EQ(result_of(judge(Json::array(), {.allow_empty = true})).verdict(), Verdict::kOk);
}

TEST(UncoveredFlow, ToleratesAnAnswerWithoutWhatItReads) {
  const RuleOutcome outcome = judge({Json::object(), {{"risk_score", "high"}, {"occurrence_count", 10}}});
  EXPECT_EQ(outcome.cases.size(), 2u);
  EXPECT_FALSE(outcome.failed());
}

TEST(Check, SaysWhichRulesThereAre) {
  ASSERT_FALSE(check_rules().empty());
  for (const Rule& one : check_rules()) EXPECT_EQ(find_rule(one.name), &one);
  EXPECT_EQ(find_rule("nonsense"), nullptr);
}

TEST(Check, ExitCodes) {
  EXPECT_EQ(exit_code_of(Verdict::kOk), 0);
  EXPECT_EQ(exit_code_of(Verdict::kFindings), 1);
  EXPECT_EQ(exit_code_of(Verdict::kNotChecked), 2);
  CheckResult both = result_of(judge({flow("risky", 100, 0, 0.5)}));
  RuleOutcome away;
  away.rule = "other";
  away.problem = "no answer";
  both.rules.push_back(away);
  EXPECT_EQ(both.verdict(), Verdict::kNotChecked) << "the answer is not whole";
}

TEST(Baseline, AcceptsWhatItHoldsAndNothingElse) {
  std::vector<RuleOutcome> before{judge({flow("old", 100, 0, 0.5), flow("paid", 100, 0, 0.5)})};
  const std::string text = baseline_text(baseline_of(before, {}));
  const Baseline baseline = parse_baseline(text, "b.json").value();
  EXPECT_EQ(baseline.accepted.size(), 2u);

  std::vector<RuleOutcome> after{judge({flow("old", 400, 0, 0.6), flow("new", 100, 0, 0.5)})};
  EXPECT_EQ(accept_findings(after, baseline), 1u) << "`paid` is no longer found";
  EXPECT_TRUE(after[0].cases[0].finding->accepted) << "its figures may change";
  EXPECT_FALSE(after[0].cases[1].finding->accepted);
  EXPECT_TRUE(after[0].failed());
  settle_severity(after[0]);
  CheckResult result = result_of(after[0], "b.json");
  result.gone = 1;
  EXPECT_THAT(
      printed(result),
      AllOf(HasSubstr("FAILED: 1 new finding; 1 accepted by b.json; 1 accepted before no longer found"),
            HasSubstr("\nerror  uncovered-flow  id of new"), Not(HasSubstr("id of old"))));

  std::vector<RuleOutcome> calm{judge({flow("old", 400, 0, 0.6), flow("paid", 100, 1, 0.5)})};
  accept_findings(calm, baseline);
  EXPECT_FALSE(calm[0].failed());
}

TEST(Baseline, ToldFlowsApartByAllOfTheirIdentity) {
  std::vector<RuleOutcome> before{judge({flow("same", 100, 0, 0.5)})};
  const Baseline baseline = baseline_of(before, {});
  Json elsewhere = flow("same", 100, 0, 0.5), changed = elsewhere;
  elsewhere["environment"] = "staging";
  changed["fingerprint"] = std::string(64, 'e');
  std::vector<RuleOutcome> after{judge({elsewhere, changed})};
  accept_findings(after, baseline);
  EXPECT_EQ(after[0].new_findings(), 2u);
}

TEST(Baseline, IsTheSameFileForTheSameFindings) {
  std::vector<RuleOutcome> one{judge({flow("a", 100, 0, 0.5), flow("b", 100, 0, 0.4)})};
  std::vector<RuleOutcome> other{
      judge({flow("b", 900, 0, 0.7), flow("a", 800, 0, 0.6), flow("a", 800, 0, 0.6)})};
  EXPECT_EQ(baseline_text(baseline_of(one, {})), baseline_text(baseline_of(other, {})));
}

TEST(Baseline, KeepsWhatTheRulesOfThisRunSayNothingAbout) {
  Baseline before;
  before.accepted = {{.rule = "open-drift", .subject = "x", .identity = {{"flow", "1"}}},
                     {.rule = "uncovered-flow", .subject = "gone", .identity = {{"fingerprint", "2"}}}};
  std::vector<RuleOutcome> now{judge({flow("a", 100, 0, 0.5)})};
  EXPECT_EQ(accept_findings(now, before), 1u);
  const Baseline after = baseline_of(now, before);
  ASSERT_EQ(after.accepted.size(), 2u);
  EXPECT_EQ(after.accepted[0].rule, "open-drift");
  EXPECT_EQ(after.accepted[1].subject, "a");
}

TEST(Baseline, RefusesWhatIsNone) {
  for (const char* wrong :
       {"", "[]", "{}", R"({"testmesh_baseline": 1})", R"({"testmesh_baseline": 1, "accepted": {}})",
        R"({"testmesh_baseline": 1, "accepted": [1]})",
        R"({"testmesh_baseline": 1, "accepted": [{"rule": "r"}]})",
        R"({"testmesh_baseline": 1, "accepted": [{"rule": "r", "identity": {"a": 1}}]})"})
    EXPECT_THAT(parse_baseline(wrong, "b.json").error().message, HasSubstr("b.json is no baseline")) << wrong;
  EXPECT_THAT(parse_baseline(R"({"testmesh_baseline": 2, "accepted": []})", "b").error().message,
              HasSubstr("newer"));
}

TEST(Baseline, HoldsNamesThatAreNoText) {
  std::vector<RuleOutcome> now{judge({flow("\xff\x01]]>", 100, 0, 0.5)})};
  const Baseline baseline = parse_baseline(baseline_text(baseline_of(now, {})), "b").value();
  EXPECT_EQ(accept_findings(now, baseline), 0u);
  EXPECT_TRUE(now[0].cases[0].finding->accepted);
}

CheckResult mixed() {
  std::vector<RuleOutcome> rules{
      judge({flow("new", 100, 0, 0.5), flow("old", 100, 0, 0.5), flow("rare", 1, 0, 0.5),
             flow("calm", 50, 0, 0.1), flow("tested", 100, 2, 0.5)})};
  Baseline baseline = baseline_of(rules, {});
  std::erase_if(baseline.accepted, [](const auto& entry) { return entry.subject == "new"; });
  accept_findings(rules, baseline);
  settle_severity(rules[0]);
  return result_of(rules[0], "b.json");
}

TEST(CheckReport, JUnitHasACaseForEachFlow) {
  const JUnitReport report = check_junit(mixed());
  ASSERT_EQ(report.suites.size(), 1u);
  const JUnitSuite& suite = report.suites[0];
  EXPECT_EQ(suite.name, "uncovered-flow");
  ASSERT_EQ(suite.cases.size(), 5u);
  EXPECT_EQ(suite.cases[0].outcome, JUnitOutcome::kFailed);
  EXPECT_EQ(suite.cases[0].name, "new [ffffffffffff]");
  EXPECT_THAT(suite.cases[0].message, HasSubstr("new: No test exercises it"));
  EXPECT_THAT(suite.cases[0].text, AllOf(HasSubstr("path: service:shop\n"), HasSubstr("flow: id of new\n"),
                                         HasSubstr("risk: 0.500 = frequency 0.500 + errors")));
  EXPECT_EQ(suite.cases[1].outcome, JUnitOutcome::kSkipped);
  EXPECT_THAT(suite.cases[1].message, HasSubstr("Accepted by the baseline b.json"));
  EXPECT_EQ(suite.cases[2].outcome, JUnitOutcome::kSkipped);
  EXPECT_EQ(suite.cases[3].outcome, JUnitOutcome::kPassed);
  EXPECT_THAT(suite.cases[3].system_out, HasSubstr("below 0.3"));
  EXPECT_EQ(suite.cases[4].outcome, JUnitOutcome::kPassed);
  EXPECT_THAT(to_junit_xml(report), HasSubstr("tests=\"5\" failures=\"1\" errors=\"0\""));
  const JUnitReport not_checked = check_junit(result_of(judge(Json::array())));
  ASSERT_EQ(not_checked.suites[0].cases.size(), 1u);
  EXPECT_EQ(not_checked.suites[0].cases[0].outcome, JUnitOutcome::kError);
}

TEST(CheckReport, SarifHasAResultForEachFinding) {
  const Json run = to_sarif(check_sarif(mixed()))["runs"][0];
  ASSERT_EQ(run["results"].size(), 2u);
  EXPECT_EQ(run["results"][0]["level"], "error");
  EXPECT_EQ(run["results"][0]["baselineState"], "new");
  EXPECT_EQ(run["results"][0]["locations"][0]["logicalLocations"][0]["name"], "new");
  EXPECT_EQ(run["results"][0]["partialFingerprints"]["flowFingerprint/v1"], std::string(64, 'f'));
  EXPECT_EQ(run["results"][0]["partialFingerprints"]["entry_operation/v1"], "new");
  EXPECT_EQ(run["results"][1]["baselineState"], "unchanged");
  EXPECT_EQ(run["results"][1]["suppressions"][0]["status"], "accepted");
  EXPECT_EQ(run["tool"]["driver"]["rules"][0]["id"], "uncovered-flow");
  const Json not_checked = to_sarif(check_sarif(result_of(judge(Json::array()))))["runs"][0];
  EXPECT_EQ(not_checked["invocations"][0]["executionSuccessful"], false);
}

TEST(CheckReport, JsonSaysAll) {
  const Json json = check_json(mixed());
  EXPECT_EQ(json["verdict"], "findings");
  EXPECT_EQ(json["new_findings"], 1);
  EXPECT_EQ(json["accepted_findings"], 1);
  EXPECT_EQ(json["baseline"]["file"], "b.json");
  const Json& rule_json = json["rules"][0];
  EXPECT_EQ(rule_json["checked"], 4);
  EXPECT_EQ(rule_json["skipped"], 1);
  ASSERT_EQ(rule_json["findings"].size(), 2u);
  EXPECT_EQ(rule_json["findings"][1]["accepted"], true);
  EXPECT_EQ(rule_json["findings"][0]["evidence"]["traces"], "100");
  EXPECT_EQ(check_json(result_of(judge(Json::array())))["verdict"], "not_checked");
}

TEST(CheckReport, FitsTheTerminal) {
  for (const unsigned width : {60u, 80u, 120u}) {
    std::istringstream lines(printed(mixed(), width));
    std::string line;
    std::getline(lines, line);
    EXPECT_THAT(line, AllOf(HasSubstr("NAME"), HasSubstr("WHAT")));
    std::getline(lines, line);
    EXPECT_LE(width_of(line), width) << line;
  }
}

}  // namespace
}  // namespace testmesh::cli
