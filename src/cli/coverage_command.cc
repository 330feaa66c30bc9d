// testmesh coverage
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ostream>

#include "cli/commands.h"
#include "cli/table.h"
#include "cli/text.h"
#include "cli/watch.h"

namespace testmesh::cli {
namespace {

using base::Result;

struct Options {
  std::string covered, service, entry_service, environment, min_risk, text;
  uint64_t min_occurrences = 0;
  size_t limit = 50;
  WatchOptions watch;
};

// What a test would be written for first.
constexpr double kRisky = 0.3;

bool filtered(const Options& options) {
  return !options.covered.empty() || !options.service.empty() || !options.entry_service.empty() ||
         !options.environment.empty() || !options.min_risk.empty() || !options.text.empty() ||
         options.min_occurrences > 0;
}

std::string headline(const Json& page, const Options& options) {
  const double total = number_at(page, "total"), uncovered = std::min(number_at(page, "uncovered"), total);
  if (options.covered == "false") return fmt::format("{} exercised by no test", counted(total, "flow"));
  if (options.covered == "true") return fmt::format("{} exercised by tests", counted(total, "flow"));
  return fmt::format("{:.0f} of {} {} exercised by tests ({:.0f} %)", total - uncovered,
                     counted(total, "flow"), total == 1 ? "is" : "are",
                     std::floor((total - uncovered) / total * 100));
}

std::string joined(const Json& texts) {
  std::string all;
  for (const Json& text : texts)
    if (text.is_string()) all += (all.empty() ? "" : ", ") + text.get<std::string>();
  return all;
}

Result<void> coverage(Program& program, const Options& options) {
  TRY_ASSIGN(Remote remote, connect(program));
  std::vector<std::pair<std::string, std::string>> parameters{{"covered", options.covered},
                                                              {"service", options.service},
                                                              {"entry_service", options.entry_service},
                                                              {"environment", options.environment},
                                                              {"min_risk", options.min_risk},
                                                              {"q", options.text}};
  if (options.min_occurrences > 0)
    parameters.emplace_back("min_occurrences", std::to_string(options.min_occurrences));
  TRY_ASSIGN(const Json page, collect(remote, remote.workspace_path() + "/telemetry/coverage", parameters,
                                      "coverage", options.limit));
  if (program.common.json()) {
    print_json(program, page);
    return {};
  }
  std::ostream& out = program.terminal.out;
  if (page["coverage"].empty()) {
    out << (filtered(options) ? std::string("No flow fits these filters.")
                              : printable_lines(no_flows_yet(remote)))
        << '\n';
    return {};
  }
  out << painted(headline(page, options), Style::kBold, program.terminal.colour) << "\n\n";
  Table table({{"FLOW", Align::kLeft, 36, 3},
               {"NAME", Align::kLeft, 20},
               {"ENV", Align::kLeft, 6, 6},
               {"COVERED", Align::kLeft, 7},
               {"TESTS", Align::kRight, 5, 4},
               {"LAST TEST (UTC)", Align::kLeft, 16, 5},
               {"BY", Align::kLeft, 10, 7},
               {"RISK", Align::kRight, 5},
               {"WHY", Align::kLeft, 20, 2}});
  for (const Json& flow : page["coverage"]) {
    const bool covered = flow.value("covered", false);
    const double risk = number_at(flow, "risk_score");
    table.add({text_at(flow, "flow_id"), text_at(flow, "name"), text_at(flow, "environment"),
               covered ? "yes" : "no", count_at(flow, "test_count"),
               short_time(text_at(flow, "last_tested_at")).substr(0, 16),
               joined(flow.value("tests", Json::array())), fmt::format("{:.3f}", risk), text_at(flow, "why")},
              covered          ? Style::kDim
              : risk >= kRisky ? Style::kWarning
                               : Style::kPlain);
  }
  table.print(out, program.terminal.width, program.terminal.colour);
  const double total = number_at(page, "total");
  if (static_cast<double>(page["coverage"].size()) < total)
    out << fmt::format("\n{} of {} shown (--limit)\n", page["coverage"].size(), counted(total, "flow"));
  return {};
}

}  // namespace

void add_coverage(CLI::App& app, Program& program) {
  CLI::App* command = app.add_subcommand("coverage", "Which flows tests exercise, and what to test next");
  const auto options = std::make_shared<Options>();
  command->add_option("--covered", options->covered, "true: exercised by tests; false: not")
      ->check(CLI::IsMember({"true", "false"}));
  command->add_option("--service", options->service, "Flows that visit this service");
  command->add_option("--entry-service", options->entry_service, "Flows that start in this service");
  command->add_option("--environment", options->environment, "Flows of this environment");
  command->add_option("--min-occurrences", options->min_occurrences, "Flows with at least so many traces");
  command->add_option("--min-risk", options->min_risk, "Flows of at least this risk, 0 to 1")
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("-q,--name", options->text, "Flows with this text in their name");
  command->add_option("--limit", options->limit, "How many")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  add_watch_options(*command, options->watch);
  add_server_options(*command, program);
  add_output_option(*command, program);
  command->footer(
      "Flows that no test exercises come first, the riskiest at the top. As a gate in CI: testmesh check\n\n"
      "Examples:\n  testmesh coverage\n  testmesh coverage --covered false --min-occurrences 10\n"
      "  testmesh coverage --service checkout --watch\n"
      "  testmesh coverage --output json | jq '.coverage[] | select(.covered | not) | .name'");
  command->callback([&program, options] {
    program.action = [&program, options] {
      return run_watched(program, options->watch,
                         [options](Program& round) { return coverage(round, *options); });
    };
  });
}

}  // namespace testmesh::cli
