#include "cli/check_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>

#include "cli/table.h"
#include "cli/text.h"

namespace testmesh::cli {
namespace {

std::string_view text_of(Verdict verdict) {
  return verdict == Verdict::kOk ? "ok" : verdict == Verdict::kFindings ? "findings" : "not_checked";
}

std::string_view text_of(Severity severity) { return severity == Severity::kError ? "error" : "warning"; }

Json object_of(const NamedTexts& texts) {
  Json json = Json::object();
  for (const auto& [name, value] : texts) json[name] = value;
  return json;
}

std::string evidence_text(const Finding& finding) {
  std::string text;
  for (const auto& [name, value] : finding.evidence) text += fmt::format("{}: {}\n", name, value);
  return text;
}

std::string accepted_by(const CheckResult& result) { return "Accepted by the baseline " + result.baseline; }

JUnitCase junit_case(const CheckResult& result, const RuleOutcome& outcome, const CheckedCase& one) {
  JUnitCase made;
  made.classname = "testmesh.check." + outcome.rule;
  made.name = one.name;
  if (!one.skipped.empty()) {
    made.outcome = JUnitOutcome::kSkipped;
    made.message = one.skipped;
  } else if (!one.finding) {
    made.system_out = one.note;
  } else if (one.finding->accepted) {
    made.outcome = JUnitOutcome::kSkipped;
    made.message = fmt::format("{}: {}", accepted_by(result), one.finding->message);
  } else if (one.finding->severity == Severity::kError) {
    made.outcome = JUnitOutcome::kFailed;
    made.type = outcome.rule;
    made.message = fmt::format("{}: {}", one.subject, one.finding->message);
    made.text = evidence_text(*one.finding);
  } else {
    made.system_out = fmt::format("Allowed, as there are no more than {}: {}\n{}", outcome.allowed,
                                  one.finding->message, evidence_text(*one.finding));
  }
  return made;
}

SarifResult sarif_result(const CheckResult& result, const RuleOutcome& outcome, const CheckedCase& one) {
  SarifResult made;
  made.rule = outcome.rule;
  made.level = one.finding->severity == Severity::kError ? SarifLevel::kError : SarifLevel::kWarning;
  made.message = fmt::format("{}: {}", one.subject, one.finding->message);
  made.places = {{.name = one.subject, .qualified_name = one.name, .kind = "flow"}};
  // All of the identity: of one flow in two environments one would hide the other.
  for (const auto& [name, value] : one.finding->identity)
    made.fingerprints.emplace_back(name == "fingerprint" ? "flowFingerprint/v1" : name + "/v1", value);
  if (one.finding->accepted) made.accepted = accepted_by(result);
  if (!result.baseline.empty()) made.known = one.finding->accepted;
  made.properties = object_of(one.finding->evidence);
  return made;
}

std::string line_of(const RuleOutcome& outcome) {
  if (!outcome.problem.empty()) return fmt::format("{}: {}", outcome.rule, outcome.problem);
  return fmt::format("{}: {}", outcome.rule, outcome.summary);
}

}  // namespace

int exit_code_of(Verdict verdict) {
  return verdict == Verdict::kOk ? 0 : verdict == Verdict::kFindings ? 1 : 2;
}

Verdict CheckResult::verdict() const {
  if (rules.empty() ||
      std::ranges::any_of(rules, [](const RuleOutcome& one) { return !one.problem.empty(); }))
    return Verdict::kNotChecked;
  return std::ranges::any_of(rules, &RuleOutcome::failed) ? Verdict::kFindings : Verdict::kOk;
}

Json check_json(const CheckResult& result) {
  uint64_t findings = 0, accepted = 0;
  Json rules = Json::array();
  for (const RuleOutcome& outcome : result.rules) {
    findings += outcome.new_findings();
    accepted += outcome.accepted_findings();
    size_t skipped = 0;
    Json list = Json::array();
    for (const CheckedCase& one : outcome.cases) {
      skipped += one.skipped.empty() ? 0 : 1;
      if (!one.finding) continue;
      list.push_back({{"subject", one.subject},
                      {"id", one.id},
                      {"severity", text_of(one.finding->severity)},
                      {"message", one.finding->message},
                      {"accepted", one.finding->accepted},
                      {"identity", object_of(one.finding->identity)},
                      {"evidence", object_of(one.finding->evidence)}});
    }
    Json rule{{"rule", outcome.rule},
              {"failed", outcome.failed()},
              {"checked", outcome.cases.size() - skipped},
              {"skipped", skipped},
              {"allowed", outcome.allowed},
              {"new_findings", outcome.new_findings()},
              {"accepted_findings", outcome.accepted_findings()},
              {"summary", outcome.summary}};
    if (!outcome.problem.empty()) rule["problem"] = outcome.problem;
    rule["findings"] = std::move(list);
    rules.push_back(std::move(rule));
  }
  Json json{
      {"verdict", text_of(result.verdict())}, {"new_findings", findings}, {"accepted_findings", accepted}};
  if (!result.baseline.empty())
    json["baseline"] = {{"file", result.baseline}, {"no_longer_found", result.gone}};
  json["rules"] = std::move(rules);
  return json;
}

JUnitReport check_junit(const CheckResult& result) {
  JUnitReport report{.name = "testmesh check", .suites = {}};
  for (const RuleOutcome& outcome : result.rules) {
    JUnitSuite& suite = report.suites.emplace_back();
    suite.name = outcome.rule;
    suite.timestamp = result.checked_at;
    suite.seconds = outcome.seconds;
    suite.properties = {{"server", result.server}, {"workspace", result.workspace}};
    if (!result.baseline.empty()) suite.properties.emplace_back("baseline", result.baseline);
    for (const CheckedCase& one : outcome.cases) suite.cases.push_back(junit_case(result, outcome, one));
    if (!outcome.problem.empty()) {
      JUnitCase& could_not = suite.cases.emplace_back();
      could_not.classname = "testmesh.check." + outcome.rule;
      could_not.name = "could be checked";
      could_not.outcome = JUnitOutcome::kError;
      could_not.type = "not-checked";
      could_not.message = outcome.problem;
    }
    suite.system_out = outcome.summary;
  }
  return report;
}

SarifRun check_sarif(const CheckResult& result) {
  SarifRun run;
  run.version = result.version;
  run.ended_at = result.checked_at;
  for (const RuleOutcome& outcome : result.rules) {
    if (const Rule* rule = find_rule(outcome.rule))
      run.rules.push_back({.id = rule->name,
                           .title = rule->title,
                           .description = rule->description,
                           .help = rule->help,
                           .level = SarifLevel::kError});
    for (const CheckedCase& one : outcome.cases)
      if (one.finding) run.results.push_back(sarif_result(result, outcome, one));
    if (!outcome.problem.empty()) run.problems.push_back(line_of(outcome));
  }
  return run;
}

void print_check(std::ostream& out, const CheckResult& result, unsigned width, bool colour) {
  Table table({{"LEVEL", Align::kLeft, 7, 1},
               {"RULE", Align::kLeft, 10, 3},
               {"FLOW", Align::kLeft, 36, 2},
               {"NAME", Align::kLeft, 16},
               {"WHAT", Align::kLeft, 24}});
  for (const RuleOutcome& outcome : result.rules)
    for (const CheckedCase& one : outcome.cases)
      if (one.finding && !one.finding->accepted)
        table.add({std::string(text_of(one.finding->severity)), outcome.rule, one.id, one.subject,
                   one.finding->message},
                  one.finding->severity == Severity::kError ? Style::kBad : Style::kWarning);
  if (!table.empty()) {
    table.print(out, width, colour);
    out << '\n';
  }
  uint64_t findings = 0, accepted = 0, allowed = 0;
  for (const RuleOutcome& outcome : result.rules) {
    out << printable(line_of(outcome)) << '\n';
    findings += outcome.new_findings();
    accepted += outcome.accepted_findings();
    if (!outcome.failed()) allowed += outcome.new_findings();
  }
  const Verdict verdict = result.verdict();
  std::string line = verdict == Verdict::kOk         ? "OK"
                     : verdict == Verdict::kFindings ? "FAILED"
                                                     : "NOT CHECKED";
  if (verdict != Verdict::kNotChecked) {
    line +=
        ": " + counted(static_cast<double>(findings), result.baseline.empty() ? "finding" : "new finding");
    if (allowed > 0) line += fmt::format(", {} allowed", allowed);
    if (accepted > 0) line += fmt::format("; {} accepted by {}", accepted, printable(result.baseline));
    if (result.gone > 0) line += fmt::format("; {} accepted before no longer found", result.gone);
  }
  out << painted(std::move(line),
                 verdict == Verdict::kOk         ? Style::kGood
                 : verdict == Verdict::kFindings ? Style::kBad
                                                 : Style::kWarning,
                 colour)
      << '\n';
}

}  // namespace testmesh::cli
