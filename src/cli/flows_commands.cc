// testmesh flows list | show | traces | histogram
#include <fmt/format.h>

#include <algorithm>
#include <ostream>

#include "cli/commands.h"
#include "cli/files.h"
#include "cli/table.h"
#include "cli/text.h"
#include "cli/watch.h"

namespace testmesh::cli {
namespace {

using base::Result;

struct Options {
  std::string id, sort = "risk_score", order = "desc", service, entry_service, environment, covered, text;
  std::string mode = "steps", output_file;  // of export
  uint64_t min_occurrences = 0;
  size_t limit = 50;
  WatchOptions watch;
};

bool filtered(const Options& options) {
  return !options.service.empty() || !options.entry_service.empty() || !options.environment.empty() ||
         !options.covered.empty() || !options.text.empty() || options.min_occurrences > 0;
}

Result<void> list(Program& program, const Options& options) {
  TRY_ASSIGN(Remote remote, connect(program));
  std::vector<std::pair<std::string, std::string>> parameters{{"sort", options.sort},
                                                              {"order", options.order},
                                                              {"service", options.service},
                                                              {"entry_service", options.entry_service},
                                                              {"covered", options.covered},
                                                              {"q", options.text},
                                                              {"environment", options.environment}};
  if (options.min_occurrences > 0)
    parameters.emplace_back("min_occurrences", std::to_string(options.min_occurrences));
  std::string path = remote.workspace_path() + "/telemetry/flows";
  TRY_ASSIGN(const Json page, collect(remote, path, parameters, "flows", options.limit));
  if (program.common.json()) {
    print_json(program, page);
    return {};
  }
  if (page["flows"].empty()) {
    const double partial = number_at(page, "partial_traces");
    program.terminal.out << (filtered(options) ? std::string("No flow fits these filters.")
                                               : printable_lines(no_flows_yet(remote)))
                         << (partial > 0 ? "\n" + counted(partial, "partial trace") : "") << '\n';
    return {};
  }
  Table table({{"FLOW", Align::kLeft, 36},
               {"NAME", Align::kLeft, 20},
               {"ENV", Align::kLeft, 6, 5},
               {"TRACES", Align::kRight, 6, 2},
               {"TESTS", Align::kRight, 5, 8},
               {"ERRORS", Align::kRight, 6, 1},
               {"AVG", Align::kRight, 7, 6},
               {"P95", Align::kRight, 7, 3},
               {"RISK", Align::kRight, 5, 4},
               {"PATH", Align::kLeft, 24, 7}});
  for (const Json& flow : page["flows"])
    table.add({text_at(flow, "id"), text_at(flow, "name"), text_at(flow, "environment"),
               count_at(flow, "occurrence_count"), count_at(flow, "test_count"),
               percent_text(number_at(flow, "error_rate")), duration_text(number_at(flow, "avg_duration_ms")),
               duration_text(number_at(flow, "p95_duration_ms")),
               fmt::format("{:.3f}", number_at(flow, "risk_score")), text_at(flow, "path_string")});
  table.print(program.terminal.out, program.terminal.width);
  std::string dropped;
  if (number_at(page, "dropped_flows") > 0)
    dropped = fmt::format("; {} with {} gave way to new ones",
                          counted(number_at(page, "dropped_flows"), "rare flow"),
                          counted(number_at(page, "dropped_traces"), "trace"));
  program.terminal.out << fmt::format("\n{} of {}; {}{}\n", page["flows"].size(),
                                      counted(number_at(page, "total"), "flow"),
                                      counted(number_at(page, "partial_traces"), "partial trace"), dropped);
  return {};
}

Result<void> show(Program& program, const Options& options) {
  TRY_ASSIGN(Remote remote, connect(program));
  TRY_ASSIGN(const Json flow,
             remote.get(remote.workspace_path() + "/telemetry/flows/" + percent_encode(options.id)));
  if (program.common.json()) {
    print_json(program, flow);
    return {};
  }
  std::ostream& out = program.terminal.out;
  const auto line = [&](std::string_view name, const std::string& value) {
    out << fmt::format("{:<13}{}\n", name, printable(value));
  };
  line("Flow", text_at(flow, "id"));
  line("Name", text_at(flow, "name"));
  if (!text_at(flow, "environment").empty()) line("Environment", text_at(flow, "environment"));
  constexpr size_t kIndent = 13, kLeastColumns = 30;
  const size_t room = program.terminal.width == 0
                          ? 0
                          : std::max<size_t>(program.terminal.width, kIndent + kLeastColumns) - kIndent;
  out << fmt::format("{:<13}{}\n", "Path",
                     wrap(printable(text_at(flow, "path_string")), "->", room, kIndent));
  line("Fingerprint", text_at(flow, "fingerprint"));
  line("Traces", fmt::format("{} (and {} of tests), {} with an error", count_at(flow, "occurrence_count"),
                             count_at(flow, "test_count"), percent_text(number_at(flow, "error_rate"))));
  line("Duration",
       fmt::format("{} on average, 95 % within {}", duration_text(number_at(flow, "avg_duration_ms")),
                   duration_text(number_at(flow, "p95_duration_ms"))));
  const Json factors = flow.value("risk_factors", Json::object());
  line("Risk", fmt::format("{:.3f} = frequency {:.3f} + errors {:.3f} + latency {:.3f}",
                           number_at(flow, "risk_score"), number_at(factors, "frequency"),
                           number_at(factors, "errors"), number_at(factors, "latency")));
  line("Seen", short_time(text_at(flow, "first_seen_at")) + " to " +
                   short_time(text_at(flow, "last_seen_at")) + " UTC");
  out << '\n';
  out << "What it goes through, in this order (calls are per trace, self is time not spent in calls)\n";
  Table nodes({{"TYPE", Align::kLeft, 12},
               {"IDENTIFIER", Align::kLeft, 24},
               {"SERVICE", Align::kLeft, 15, 1},
               {"CALLS", Align::kRight, 5, 3},
               {"MAX", Align::kRight, 3, 7},
               {"RETRIES", Align::kRight, 7, 8},
               {"SELF P50", Align::kRight, 8, 6},
               {"P50", Align::kRight, 7, 5},
               {"P95", Align::kRight, 7, 4},
               {"ERRORS", Align::kRight, 6, 2}});
  for (const Json& node : flow.value("nodes", Json::array())) {
    const Json calls = node.value("calls_per_trace", Json::object());
    nodes.add({text_at(node, "type"), text_at(node, "identifier"), text_at(node, "service"),
               fmt::format("{:.2f}", number_at(calls, "mean")), count_at(calls, "max"),
               count_at(node, "retries"),
               duration_text(number_at(node.value("self_ms", Json::object()), "p50")),
               duration_text(number_at(node, "p50_ms")), duration_text(number_at(node, "p95_ms")),
               percent_text(number_at(node, "error_rate"))});
  }
  nodes.print(out, program.terminal.width);
  const Json samples = flow.value("sample_trace_ids", Json::array());
  if (!samples.empty()) out << "\nSample traces (testmesh traces show ID)\n";
  for (const Json& sample : samples)
    out << printable(text_at(sample, "trace_id")) << "  " << printable(text_at(sample, "why")) << '\n';
  return {};
}

Result<void> traces(Program& program, const Options& options) {
  TRY_ASSIGN(Remote remote, connect(program));
  TRY_ASSIGN(
      const Json page,
      collect(remote, remote.workspace_path() + "/telemetry/flows/" + percent_encode(options.id) + "/traces",
              {}, "traces", options.limit));
  if (program.common.json())
    print_json(program, page);
  else
    print_traces(program, page);
  return {};
}

void print_buckets(Program& program, const Json& buckets, const char* title) {
  constexpr unsigned kBarColumns = 30;
  double most = 0;
  for (const Json& bucket : buckets) most = std::max(most, number_at(bucket, "count"));
  Table table({{title, Align::kLeft, 16},
               {"TRACES", Align::kRight, 6},
               {"ERRORS", Align::kRight, 6},
               {"AVG", Align::kRight, 7},
               {"MAX", Align::kRight, 7},
               {"", Align::kLeft, 0}});
  for (const Json& bucket : buckets) {
    std::string bar;
    const auto columns =
        static_cast<unsigned>(most > 0 ? number_at(bucket, "count") / most * kBarColumns + 0.5 : 0);
    for (unsigned i = 0; i < columns; ++i) bar += "█";
    table.add({short_time(text_at(bucket, "start")).substr(0, 16), count_at(bucket, "count"),
               count_at(bucket, "errors"), duration_text(number_at(bucket, "avg_duration_ms")),
               duration_text(number_at(bucket, "max_duration_ms")), bar});
  }
  table.print(program.terminal.out, program.terminal.width);
}

Result<void> histogram(Program& program, const Options& options) {
  TRY_ASSIGN(Remote remote, connect(program));
  TRY_ASSIGN(const Json series, remote.get(remote.workspace_path() + "/telemetry/flows/" +
                                           percent_encode(options.id) + "/histogram"));
  if (program.common.json()) {
    print_json(program, series);
    return {};
  }
  print_buckets(program, series.value("hours", Json::array()), "HOUR (UTC)");
  program.terminal.out << '\n';
  print_buckets(program, series.value("minutes", Json::array()), "MINUTE (UTC)");
  return {};
}

Result<void> export_flow(Program& program, const Options& options) {
  TRY_ASSIGN(Remote remote, connect(program));
  const Json body{{"mode", options.mode}};
  TRY_ASSIGN(const Json answer, remote.call("POST",
                                            remote.workspace_path() + "/telemetry/flows/" +
                                                percent_encode(options.id) + "/export",
                                            &body));
  const std::string yaml = text_at(answer, "yaml");
  if (!options.output_file.empty()) return write_file(options.output_file, yaml);
  if (program.common.json())
    print_json(program, answer);
  else
    program.terminal.out << yaml;
  return {};
}

}  // namespace

void add_flows(CLI::App& app, Program& program) {
  CLI::App* flows = app.add_subcommand("flows", "Discovered flows: list, show, traces, histogram, export");
  flows->require_subcommand(1);
  flows->footer("Examples:\n  testmesh flows list --sort error_rate\n  testmesh flows show 5b0c…");
  const auto options = std::make_shared<Options>();

  CLI::App* list_command = flows->add_subcommand("list", "List flows, the riskiest first");
  list_command->add_option("--sort", options->sort, "What to sort by")
      ->check(CLI::IsMember({"risk_score", "occurrence_count", "error_rate", "last_seen_at",
                             "avg_duration_ms", "p95_duration_ms"}))
      ->capture_default_str();
  list_command->add_option("--order", options->order, "desc or asc")
      ->check(CLI::IsMember({"asc", "desc"}))
      ->capture_default_str();
  list_command->add_option("--service", options->service, "Flows that visit this service");
  list_command->add_option("--entry-service", options->entry_service, "Flows that start in this service");
  list_command->add_option("--environment", options->environment, "Flows of this environment");
  list_command->add_option("--covered", options->covered, "true: exercised by tests; false: not")
      ->check(CLI::IsMember({"true", "false"}));
  list_command->add_option("--min-occurrences", options->min_occurrences,
                           "Flows with at least so many traces");
  list_command->add_option("-q,--name", options->text, "Flows with this text in their name");
  list_command->footer(
      "Examples:\n  testmesh flows list\n  testmesh flows list --sort p95_duration_ms --service cart --limit "
      "10\n"
      "  testmesh flows list --covered false --output json\n  testmesh flows list --sort last_seen_at "
      "--watch");
  add_watch_options(*list_command, options->watch);
  CLI::App* show_command = flows->add_subcommand("show", "Show one flow with its nodes");
  show_command->footer("Example:\n  testmesh flows show 3f0c7e1a-9a1b-8c2d-8e3f-001122334455");
  CLI::App* traces_command = flows->add_subcommand("traces", "List the traces of a flow, newest first");
  traces_command->footer("Example:\n  testmesh flows traces 3f0c7e1a-9a1b-8c2d-8e3f-001122334455 --limit 20");
  CLI::App* histogram_command = flows->add_subcommand("histogram", "Show a flow by hour and minute");
  histogram_command->footer("Example:\n  testmesh flows histogram 3f0c7e1a-9a1b-8c2d-8e3f-001122334455");
  CLI::App* export_command =
      flows->add_subcommand("export", "Write a flow as a flow file, to be run as a test");
  export_command
      ->add_option("--mode", options->mode,
                   "steps: a step for each node; trace: the entry, and what the trace must show")
      ->check(CLI::IsMember({"steps", "trace"}))
      ->capture_default_str();
  export_command->add_option("--output-file", options->output_file,
                             "Where to write it, instead of the output");
  export_command->footer(
      "Examples:\n  testmesh flows export 3f0c7e1a-9a1b-8c2d-8e3f-001122334455 --mode trace --output-file "
      "order.yaml\n"
      "  testmesh run order.yaml --env base_url=http://127.0.0.1:8080");

  for (CLI::App* command : {show_command, traces_command, histogram_command, export_command})
    command->add_option("flow", options->id, "Id of the flow")->required();
  for (CLI::App* command : {list_command, traces_command})
    command->add_option("--limit", options->limit, "How many")
        ->check(CLI::Range(1, 1'000'000))
        ->capture_default_str();
  const auto bind = [&](CLI::App* command, Result<void> (*run)(Program&, const Options&)) {
    add_server_options(*command, program);
    add_output_option(*command, program);
    command->callback([&program, options, run] {
      program.action = [&program, options, run] { return run(program, *options); };
    });
  };
  bind(list_command, [](Program& called, const Options& given) {
    return run_watched(called, given.watch, [&](Program& round) { return list(round, given); });
  });
  bind(show_command, show);
  bind(traces_command, traces);
  bind(histogram_command, histogram);
  bind(export_command, export_flow);
}

}  // namespace testmesh::cli
