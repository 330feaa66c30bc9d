// testmesh check
#include <fmt/format.h>

#include <algorithm>
#include <ostream>

#include "cli/check_baseline.h"
#include "cli/check_report.h"
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/table.h"
#include "cli/text.h"
#include "cli/watch.h"

namespace testmesh::cli {
namespace {

using base::Result;

constexpr int kCouldNotCheck = 2;

struct Options {
  CheckOptions check;
  std::vector<std::string> rules, reports;
  std::string baseline, write_baseline;
  bool list_rules = false;
  WatchOptions watch;
};

enum class ReportKind { kJUnit, kSarif, kJson };
struct ReportTarget {
  ReportKind kind = ReportKind::kJUnit;
  std::string path;
};

std::string rule_names() {
  std::string names;
  for (const Rule& rule : check_rules()) names += (names.empty() ? "" : ", ") + std::string(rule.name);
  return names;
}

Result<std::vector<const Rule*>> chosen_rules(Program& program, const std::vector<std::string>& names) {
  std::vector<const Rule*> rules;
  if (names.empty())
    for (const Rule& rule : check_rules()) rules.push_back(&rule);
  for (const std::string& name : names) {
    const Rule* rule = find_rule(name);
    if (!rule)
      return wrong_usage(program, fmt::format("There is no rule `{}`. There is: {}", name, rule_names()));
    if (std::ranges::find(rules, rule) == rules.end()) rules.push_back(rule);
  }
  return rules;
}

Result<std::vector<ReportTarget>> report_targets(Program& program, const std::vector<std::string>& texts) {
  std::vector<ReportTarget> targets;
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    const std::string kind = text.substr(0, equals);
    ReportTarget& target = targets.emplace_back();
    if (kind == "junit")
      target.kind = ReportKind::kJUnit;
    else if (kind == "sarif")
      target.kind = ReportKind::kSarif;
    else if (kind == "json")
      target.kind = ReportKind::kJson;
    else
      return wrong_usage(program,
                         fmt::format("--report {}: junit=PATH, sarif=PATH or json=PATH was expected", text));
    if (equals == std::string::npos || equals + 1 == text.size())
      return wrong_usage(program,
                         fmt::format("--report {}: a path was expected, as in {}=report.out", text, kind));
    target.path = text.substr(equals + 1);
  }
  return targets;
}

std::string report_text(ReportKind kind, const CheckResult& result) {
  switch (kind) {
    case ReportKind::kJUnit:
      return to_junit_xml(check_junit(result));
    case ReportKind::kSarif:
      return sarif_text(check_sarif(result));
    case ReportKind::kJson:
      return check_json(result).dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  }
  return {};
}

Result<Baseline> read_baseline(Program& program, const std::string& file) {
  if (file.empty()) return Baseline();
  TRY_ASSIGN(const std::string text, read_document(program, file));
  return parse_baseline(text, file);
}

// The outcome of each rule; a server that does not answer is the problem of all.
std::optional<base::Error> ask(Program& program, const std::vector<const Rule*>& rules,
                               const CheckOptions& options, std::vector<RuleOutcome>& outcomes) {
  std::optional<base::Error> failure;
  Result<Remote> remote = connect(program);
  for (const Rule* rule : rules) {
    const base::UnixNanos begin = program.hooks.clock->now();
    Result<Json> answer = remote ? rule->query(*remote, options) : std::unexpected(remote.error());
    if (answer) {
      outcomes.push_back(rule->judge(*answer, options));
    } else {
      failure = answer.error();
      RuleOutcome& outcome = outcomes.emplace_back();
      outcome.rule = rule->name;
      outcome.problem = answer.error().message;
    }
    const base::UnixNanos end = program.hooks.clock->now();
    outcomes.back().seconds = end > begin ? static_cast<double>(end - begin) / 1e9 : 0;
  }
  return failure;
}

struct Plan {
  std::vector<const Rule*> rules;
  std::vector<ReportTarget> reports;
};

Result<void> check_once(Program& program, const Options& options, const Plan& plan) {
  program.failure_code = kCouldNotCheck;
  // Read every time: --watch beside an editor should see it change.
  TRY_ASSIGN(const Baseline baseline, read_baseline(program, options.baseline));
  CheckResult result{.rules = {},
                     .checked_at = base::to_rfc3339(program.hooks.clock->now()),
                     .server = program.common.server,
                     .workspace = program.common.workspace,
                     .version = program.hooks.version,
                     .baseline = options.baseline};
  const std::optional<base::Error> failure = ask(program, plan.rules, options.check, result.rules);
  result.gone = accept_findings(result.rules, baseline);
  for (RuleOutcome& outcome : result.rules) settle_severity(outcome);
  for (const ReportTarget& report : plan.reports)
    TRY(write_file(report.path, report_text(report.kind, result)));
  if (program.common.json())
    print_json(program, check_json(result));
  else if (!failure)
    print_check(program.terminal.out, result, program.terminal.width, program.terminal.colour);
  if (failure) return std::unexpected(*failure);
  program.exit_code = exit_code_of(result.verdict());
  if (options.write_baseline.empty() || result.verdict() == Verdict::kNotChecked) return {};
  const Baseline now = baseline_of(result.rules, baseline);
  TRY(write_file(options.write_baseline, baseline_text(now)));
  if (!program.common.json())
    program.terminal.out << fmt::format(
        "{} accepted in {}; fail on others with: testmesh check --baseline {}\n",
        counted(static_cast<double>(now.accepted.size()), "finding"), printable(options.write_baseline),
        printable(options.write_baseline));
  program.exit_code = 0;
  return {};
}

void list_rules(Program& program) {
  if (program.common.json()) {
    Json rules = Json::array();
    for (const Rule& rule : check_rules())
      rules.push_back({{"rule", rule.name}, {"title", rule.title}, {"description", rule.description}});
    print_json(program, {{"rules", std::move(rules)}});
    return;
  }
  Table table({{"RULE", Align::kLeft, 14}, {"FAILS WHEN", Align::kLeft, 24}});
  for (const Rule& rule : check_rules()) table.add({rule.name, rule.title});
  table.print(program.terminal.out, program.terminal.width, program.terminal.colour);
}

Result<void> check(Program& program, const Options& options) {
  program.failure_code = kCouldNotCheck;
  if (options.list_rules) {
    list_rules(program);
    return {};
  }
  Plan plan;
  TRY_ASSIGN(plan.rules, chosen_rules(program, options.rules));
  TRY_ASSIGN(plan.reports, report_targets(program, options.reports));
  if (options.watch.on && !options.write_baseline.empty())
    return wrong_usage(program, "--write-baseline accepts what is there now; it does not go with --watch");
  program.exit_code = kCouldNotCheck;  // until a round of --watch reached a verdict
  return run_watched(program, options.watch,
                     [&](Program& round) { return check_once(round, options, plan); });
}

}  // namespace

void add_check(CLI::App& app, Program& program) {
  CLI::App* command = app.add_subcommand("check", "CI gate: fails when risky flows are exercised by no test");
  const auto options = std::make_shared<Options>();
  command->add_option("--rule", options->rules, "Only this rule (several: once each): " + rule_names());
  command->add_flag("--list-rules", options->list_rules, "Say which rules there are");
  command
      ->add_option("--risk", options->check.min_risk,
                   "Uncovered flows from this risk on are findings. 0.3: seen a hundred times, or failing "
                   "in more than half of its traces")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command
      ->add_option("--max-uncovered", options->check.max_uncovered,
                   "So many of them are allowed. A baseline is better: it does not let new debt in")
      ->capture_default_str();
  command
      ->add_option("--min-occurrences", options->check.min_occurrences,
                   "Flows with fewer traces are not judged: one failed trace alone looks risky")
      ->capture_default_str();
  command->add_option("--service", options->check.service, "Only flows that visit this service");
  command->add_option("--environment", options->check.environment, "Only flows of this environment");
  command->add_flag("--allow-empty", options->check.allow_empty,
                    "No flows at all is fine; else nothing was checked, exit code 2");
  command->add_option("--baseline", options->baseline,
                      "Findings in this file are accepted: only others fail");
  command->add_option("--write-baseline", options->write_baseline,
                      "Accept today's findings: write them into this file and exit with 0");
  command->add_option("--report", options->reports,
                      "Write junit=PATH, sarif=PATH or json=PATH (several: once each)");
  add_watch_options(*command, options->watch);
  add_server_options(*command, program);
  add_output_option(*command, program);
  command->footer(
      "Exit code: 0 nothing found, 1 findings, 2 it could not be checked (no server, no flows, a wrong "
      "flag).\n\n"
      "Examples:\n  testmesh check\n"
      "  testmesh check --service checkout --environment staging --report junit=check.xml --report "
      "sarif=check.sarif\n"
      "  testmesh check --write-baseline testmesh-baseline.json   # once; commit the file\n"
      "  testmesh check --baseline testmesh-baseline.json         # from then on");
  command->callback(
      [&program, options] { program.action = [&program, options] { return check(program, *options); }; });
}

}  // namespace testmesh::cli
