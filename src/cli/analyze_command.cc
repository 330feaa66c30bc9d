// testmesh analyze
#include <ostream>

#include "cli/analysis.h"
#include "cli/analysis_report.h"
#include "cli/commands.h"

namespace testmesh::cli {
namespace {

struct Options {
  std::vector<std::string> files;
  std::string output = "table";
};

base::Result<void> run(Program& program, const Options& options) {
  TRY_ASSIGN(const std::unique_ptr<Analysis> analysis, Analysis::of_files(options.files));
  if (options.output == "json")
    print_analysis_json(program.terminal.out, *analysis);
  else if (options.output == "html")
    print_analysis_html(program.terminal.out, *analysis);
  else
    print_analysis_table(program.terminal.out, *analysis, program.terminal.width);
  return {};
}

}  // namespace

void add_analyze(CLI::App& app, Program& program) {
  CLI::App* command = app.add_subcommand("analyze", "Discover the flows in trace files, without a server");
  const auto options = std::make_shared<Options>();
  command
      ->add_option("files", options->files,
                   "OTLP (protobuf, JSON, JSON lines), Jaeger JSON or Zipkin JSON; plain, gzip or zstd")
      ->required();
  command->add_option("--output", options->output, "table, json or html")
      ->check(CLI::IsMember({"table", "json", "html"}))
      ->capture_default_str();
  command->footer(
      "The same files always give the same bytes.\n\nExamples:\n  testmesh analyze traces.json\n"
      "  testmesh analyze --output html day1.pb.gz day2.pb.gz > flows.html");
  command->callback(
      [&program, options] { program.action = [&program, options] { return run(program, *options); }; });
}

}  // namespace testmesh::cli
