// testmesh traces search | show; diff is in traces_diff_command.cc
#include <fmt/format.h>

#include <algorithm>
#include <ostream>

#include "cli/commands.h"
#include "cli/text.h"
#include "cli/waterfall.h"

namespace testmesh::cli {
namespace {

using base::Result;

struct Options {
  std::string id, service, operation, status, min_duration, max_duration, flow, test, since, until,
      expression;
  size_t limit = 50;
  bool otlp = false;
};

Result<void> search(Program& program, const Options& options) {
  TRY_ASSIGN(Remote remote, connect(program));
  TRY_ASSIGN(const Json page, collect(remote, remote.workspace_path() + "/telemetry/traces",
                                      {{"service", options.service},
                                       {"operation", options.operation},
                                       {"status", options.status},
                                       {"min_duration_ms", options.min_duration},
                                       {"max_duration_ms", options.max_duration},
                                       {"flow_id", options.flow},
                                       {"test", options.test},
                                       {"since", options.since},
                                       {"until", options.until},
                                       {"q", options.expression}},
                                      "traces", options.limit));
  if (program.common.json())
    print_json(program, page);
  else
    print_traces(program, page);
  return {};
}

Result<void> show(Program& program, const Options& options) {
  TRY_ASSIGN(Remote remote, connect(program));
  const std::string path = remote.workspace_path() + "/telemetry/traces/" + percent_encode(options.id);
  TRY_ASSIGN(const Json trace, remote.get(path + (options.otlp ? "?format=otlp" : "")));
  if (options.otlp || program.common.json()) {
    print_json(program, trace);
    return {};
  }
  std::ostream& out = program.terminal.out;
  out << printable(text_at(trace, "trace_id")) << "  " << printable(text_at(trace, "root_service")) << "  "
      << printable(text_at(trace, "root_operation")) << '\n';
  out << short_time(text_at(trace, "start_time")) << " UTC, "
      << duration_text(number_at(trace, "duration_ms")) << ", "
      << counted(number_at(trace, "span_count"), "span") << ", "
      << counted(number_at(trace, "error_count"), "error")
      << (trace.value("complete", false) ? "" : ", still open")
      << (trace.value("partial", false) ? ", partial" : "") << '\n';
  if (!text_at(trace, "flow_id").empty()) out << "Flow " << printable(text_at(trace, "flow_id")) << '\n';
  constexpr size_t kIndent = 5, kLeastColumns = 30;
  const size_t room = program.terminal.width == 0
                          ? 0
                          : std::max<size_t>(program.terminal.width, kIndent + kLeastColumns) - kIndent;
  out << "Path " << wrap(printable(text_at(trace, "path_string")), "->", room, kIndent) << "\n\n";
  print_waterfall(out, trace, program.terminal.width);
  return {};
}

}  // namespace

void add_traces(CLI::App& app, Program& program) {
  CLI::App* traces = app.add_subcommand("traces", "Stored traces: search, show, diff");
  traces->require_subcommand(1);
  traces->footer(
      "Examples:\n  testmesh traces search --status error\n  testmesh traces show "
      "4bf92f3577b34da6a3ce929d0e0e4736\n  testmesh traces diff "
      "4bf92f3577b34da6a3ce929d0e0e4736 b7ad6b7169203331b7ad6b7169203331");
  const auto options = std::make_shared<Options>();
  CLI::App* search_command = traces->add_subcommand("search", "Search traces, newest first");
  search_command->add_option("--service", options->service, "Some span is of this service");
  search_command->add_option("--operation", options->operation, "Some span has this name");
  search_command->add_option("--status", options->status, "error, ok or unset")
      ->check(CLI::IsMember({"error", "ok", "unset"}));
  search_command->add_option("--min-duration-ms", options->min_duration, "At least so long")
      ->check(CLI::NonNegativeNumber);
  search_command->add_option("--max-duration-ms", options->max_duration, "At most so long")
      ->check(CLI::NonNegativeNumber);
  search_command->add_option("--flow", options->flow, "Traces of this flow (its id)");
  search_command->add_option("--test", options->test, "true: made by tests; false: not")
      ->check(CLI::IsMember({"true", "false"}));
  search_command->add_option("--since", options->since, "Started at this time (RFC 3339) or later");
  search_command->add_option("--until", options->until, "Started before this time (RFC 3339)");
  search_command->add_option("-q,--where", options->expression,
                             "Expression: attributes['http.route'] == '/orders'");
  search_command->add_option("--limit", options->limit, "How many")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  search_command->footer(
      "Examples:\n  testmesh traces search --service cart --status error\n"
      "  testmesh traces search --min-duration-ms 500 --since 2026-11-26T18:00:00Z\n"
      "  testmesh traces search --where \"attributes['http.response.status_code'] == 500\"");
  CLI::App* show_command = traces->add_subcommand("show", "Show one trace as a tree with bars of time");
  show_command->add_option("trace", options->id, "Id of the trace")->required();
  show_command->add_flag("--otlp", options->otlp, "Print the stored trace as OTLP/JSON");
  show_command->footer(
      "Examples:\n  testmesh traces show 4bf92f3577b34da6a3ce929d0e0e4736\n"
      "  testmesh traces show 4bf92f3577b34da6a3ce929d0e0e4736 --otlp > trace.json");
  const auto bind = [&](CLI::App* command, Result<void> (*run)(Program&, const Options&)) {
    add_server_options(*command, program);
    add_output_option(*command, program);
    command->callback([&program, options, run] {
      program.action = [&program, options, run] { return run(program, *options); };
    });
  };
  bind(search_command, search);
  bind(show_command, show);
  add_traces_diff(*traces, program);
}

}  // namespace testmesh::cli
