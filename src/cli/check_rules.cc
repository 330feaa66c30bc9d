#include "cli/check_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "cli/commands.h"
#include "cli/text.h"

namespace testmesh::cli {
namespace {

using base::Result;

constexpr size_t kMostFlows = 1'000'000;

Result<Json> query_flows(Remote& remote, const CheckOptions& options) {
  return collect(remote, remote.workspace_path() + "/telemetry/flows",
                 {{"sort", "risk_score"},
                  {"order", "desc"},
                  {"service", options.service},
                  {"environment", options.environment}},
                 "flows", kMostFlows);
}

// Two variants of one family have one name, the same flow in two environments
// too; the start of the fingerprint tells the first apart, and stays.
std::string case_name(const Json& flow) {
  constexpr size_t kShown = 12;
  const std::string environment = text_at(flow, "environment");
  return fmt::format("{}{} [{}]", text_at(flow, "name"), environment.empty() ? "" : " in " + environment,
                     text_at(flow, "fingerprint").substr(0, kShown));
}

std::string figures(const Json& flow) {
  return fmt::format(
      "{}, {} with an error, {} on average", counted(number_at(flow, "occurrence_count"), "trace"),
      percent_text(number_at(flow, "error_rate")), duration_text(number_at(flow, "avg_duration_ms")));
}

Finding uncovered_finding(const Json& flow) {
  const Json factors = flow.value("risk_factors", Json::object());
  const std::string risk = fmt::format("{:.3f}", number_at(flow, "risk_score"));
  Finding finding;
  finding.message = fmt::format("No test exercises it; risk {}: {}", risk, figures(flow));
  finding.evidence = {{"flow", text_at(flow, "id")},
                      {"environment", text_at(flow, "environment")},
                      {"path", text_at(flow, "path_string")},
                      {"risk", fmt::format("{} = frequency {:.3f} + errors {:.3f} + latency {:.3f}", risk,
                                           number_at(factors, "frequency"), number_at(factors, "errors"),
                                           number_at(factors, "latency"))},
                      {"traces", count_at(flow, "occurrence_count")},
                      {"traces with an error", percent_text(number_at(flow, "error_rate"))},
                      {"duration", fmt::format("{} on average, 95 % within {}",
                                               duration_text(number_at(flow, "avg_duration_ms")),
                                               duration_text(number_at(flow, "p95_duration_ms")))},
                      {"last seen", text_at(flow, "last_seen_at")}};
  std::erase_if(finding.evidence, [](const auto& one) { return one.second.empty(); });
  finding.identity = {{"environment", text_at(flow, "environment")},
                      {"entry_service", text_at(flow, "entry_service")},
                      {"entry_operation", text_at(flow, "entry_operation")},
                      {"fingerprint", text_at(flow, "fingerprint")}};
  return finding;
}

RuleOutcome judge_coverage(const Json& answer, const CheckOptions& options) {
  RuleOutcome outcome;
  outcome.rule = "uncovered-flow";
  outcome.allowed = options.max_uncovered;
  const Json flows = answer.value("flows", Json::array());
  size_t covered = 0, calm = 0, rare = 0, findings = 0;
  for (const Json& flow : flows) {
    CheckedCase& one = outcome.cases.emplace_back();
    one.subject = text_at(flow, "name");
    one.id = text_at(flow, "id");
    one.name = case_name(flow);
    const double tests = number_at(flow, "test_count"), risk = number_at(flow, "risk_score");
    if (tests > 0) {
      ++covered;
      one.note = fmt::format("Exercised by {}", counted(tests, "test trace"));
    } else if (number_at(flow, "occurrence_count") < static_cast<double>(options.min_occurrences)) {
      ++rare;
      one.skipped =
          fmt::format("Not judged: {}, fewer than {}", counted(number_at(flow, "occurrence_count"), "trace"),
                      options.min_occurrences);
    } else if (risk < options.min_risk) {
      ++calm;
      one.note =
          fmt::format("No test exercises it, but its risk {:.3f} is below {:g}", risk, options.min_risk);
    } else {
      ++findings;
      one.finding = uncovered_finding(flow);
    }
  }
  if (flows.empty() && !options.allow_empty)
    outcome.problem =
        options.service.empty() && options.environment.empty()
            ? "There are no flows in this workspace, so nothing was checked (--allow-empty accepts that)"
            : "No flow fits the filters, so nothing was checked (--allow-empty accepts that)";
  outcome.summary = fmt::format("{}: {} covered, {} uncovered at risk {:g} or more, {} below it",
                                counted(static_cast<double>(flows.size()), "flow"), covered, findings,
                                options.min_risk, calm);
  if (rare > 0)
    outcome.summary +=
        fmt::format("; {} uncovered with fewer than {} traces not judged", rare, options.min_occurrences);
  return outcome;
}

constexpr size_t kMostExecutions = 10'000;

Result<Json> query_executions(Remote& remote, const CheckOptions&) {
  return collect(remote, remote.workspace_path() + "/executions", {}, "executions", kMostExecutions);
}

// Why it did not pass, as far as the execution itself knows.
std::string reason_of(const Json& execution) {
  const Json error = execution.value("error", Json());
  if (const std::string message = text_at(error, "message"); !message.empty()) return message;
  if (const double failed = number_at(execution, "failed_steps"); failed > 0)
    return counted(failed, "step") + " failed";
  return "it ended as " + text_at(execution, "status");
}

// Newest first: the first one of each flow that ended is what counts.
RuleOutcome judge_executions(const Json& answer, const CheckOptions&) {
  RuleOutcome outcome;
  outcome.rule = "failed-validation";
  std::set<std::string> seen;
  size_t passed = 0, failed = 0, undecided = 0;
  for (const Json& execution : answer.value("executions", Json::array())) {
    const std::string name = text_at(execution, "flow_name"), status = text_at(execution, "status");
    if (status == "pending" || status == "running" || status == "cancelled" || name.empty()) continue;
    if (!seen.insert(name).second) continue;
    CheckedCase& one = outcome.cases.emplace_back();
    one.subject = name;
    one.id = text_at(execution, "id");
    one.name = name;
    if (status == "passed") {
      ++passed;
      one.note = "Its latest run passed";
      continue;
    }
    ++(status == "failed" ? failed : undecided);
    Finding finding;
    finding.message =
        fmt::format("Its latest run {}: {}", status == "failed" ? "failed" : "could not be decided",
                    reason_of(execution));
    finding.evidence = {{"execution", one.id},
                        {"trace", text_at(execution, "trace_id")},
                        {"started", text_at(execution, "started_at")},
                        {"steps", fmt::format("{} of {} passed", count_at(execution, "passed_steps"),
                                              count_at(execution, "total_steps"))}};
    std::erase_if(finding.evidence, [](const auto& part) { return part.second.empty(); });
    finding.identity = {{"flow_name", name}};
    one.finding = std::move(finding);
  }
  std::ranges::stable_partition(outcome.cases,
                                [](const CheckedCase& one) { return one.finding.has_value(); });
  outcome.summary =
      fmt::format("{} with runs: {} passed, {} failed, {} undecided",
                  counted(static_cast<double>(outcome.cases.size()), "flow"), passed, failed, undecided);
  return outcome;
}

constexpr std::array kRules{
    Rule{
        .name = "uncovered-flow",
        .title = "A risky flow is exercised by no test",
        .description =
            "Users go through this flow often, or it fails often, and no test trace ever matched it: "
            "a change that breaks it is found by users.",
        .help = "Write a test that makes this request against the system under observation, with spans named "
                "testmesh.* or carrying testmesh.execution.id at its entry; `testmesh coverage` says what to "
                "test "
                "first. A debt that is known can be accepted: `testmesh check --write-baseline FILE`, then "
                "`--baseline FILE`.",
        .query = query_flows,
        .judge = judge_coverage,
    },
    Rule{
        .name = "failed-validation",
        .title = "The latest run of a test failed",
        .description =
            "A flow file was run, or a trace was validated by one, and the last time it did not do what "
            "the file expects, in the answers or inside the system.",
        .help = "`testmesh run FILE` shows the failure where it stands in the file; the trace is at "
                "`testmesh traces "
                "show`. A run that passes makes this pass.",
        .query = query_executions,
        .judge = judge_executions,
    }};

}  // namespace

uint64_t RuleOutcome::new_findings() const {
  return static_cast<uint64_t>(std::ranges::count_if(
      cases, [](const CheckedCase& one) { return one.finding && !one.finding->accepted; }));
}

uint64_t RuleOutcome::accepted_findings() const {
  return static_cast<uint64_t>(std::ranges::count_if(
      cases, [](const CheckedCase& one) { return one.finding && one.finding->accepted; }));
}

std::span<const Rule> check_rules() { return kRules; }

const Rule* find_rule(std::string_view name) {
  const auto found =
      std::ranges::find(kRules, name, [](const Rule& rule) { return std::string_view(rule.name); });
  return found == kRules.end() ? nullptr : &*found;
}

void settle_severity(RuleOutcome& outcome) {
  const Severity severity = outcome.failed() ? Severity::kError : Severity::kWarning;
  for (CheckedCase& one : outcome.cases)
    if (one.finding) one.finding->severity = one.finding->accepted ? Severity::kWarning : severity;
}

}  // namespace testmesh::cli
