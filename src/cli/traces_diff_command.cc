// testmesh traces diff
#include <memory>

#include "cli/commands.h"
#include "cli/trace_diff_report.h"

namespace testmesh::cli {
namespace {

constexpr int kSame = 0, kDiffers = 1, kTrouble = 2;  // as diff(1)

struct Options {
  std::string left, right;
  bool full = false;
};

base::Result<void> compare(Program& program, const Options& options) {
  program.failure_code = kTrouble;
  TRY_ASSIGN(Remote remote, connect(program));
  TRY_ASSIGN(const Json diff,
             remote.get(remote.workspace_path() + "/telemetry/traces/" + percent_encode(options.left) +
                        "/diff" + query_string({{"with", options.right}})));
  program.exit_code = differs(diff) ? kDiffers : kSame;
  if (program.common.json()) {
    print_json(program, diff);
    return {};
  }
  const DiffLook look{
      .width = program.terminal.width, .colour = program.terminal.colour, .full = options.full};
  if (text_at(diff, "kind") == "flow")
    print_flow_diff(program.terminal.out, diff, look);
  else
    print_trace_diff(program.terminal.out, diff, look);
  return {};
}

}  // namespace

void add_traces_diff(CLI::App& traces, Program& program) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = traces.add_subcommand(
      "diff", "Compare a trace with another, or with a flow: calls and where the time went");
  command->add_option("trace", options->left, "Id of the trace")->required();
  command->add_option("with", options->right, "Id of the other trace, or of a flow")->required();
  command->add_flag("--full", options->full, "Show all calls, also where many in a row do not differ");
  command->footer(
      "Exit code: 0 the same, 1 something differs, 2 they could not be compared. Time alone is no\n"
      "difference between two traces; against a flow, longer than its p95 is one.\n\n"
      "Examples:\n  testmesh traces diff 4bf92f3577b34da6a3ce929d0e0e4736 b7ad6b7169203331b7ad6b7169203331\n"
      "  testmesh traces diff 4bf92f3577b34da6a3ce929d0e0e4736 3f0c7e1a-9a1b-8c2d-8e3f-001122334455\n"
      "  testmesh traces diff --output json 4bf92f3577b34da6a3ce929d0e0e4736 "
      "b7ad6b7169203331b7ad6b7169203331 | jq "
      ".contributions");
  add_server_options(*command, program);
  add_output_option(*command, program);
  command->callback(
      [&program, options] { program.action = [&program, options] { return compare(program, *options); }; });
}

}  // namespace testmesh::cli
