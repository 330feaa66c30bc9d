// Flow files, checked without running anything.
#include <fmt/format.h>

#include <ostream>

#include "cli/commands.h"
#include "cli/files.h"
#include "cli/text.h"
#include "flow_file/flow_file.h"

namespace testmesh::cli {
namespace {

using base::Result;

struct Options {
  std::vector<std::string> files;
  bool schema = false;
};

Json error_json(const flow_file::Problem& problem) {
  Json json{{"line", problem.at.line}, {"column", problem.at.column}, {"message", problem.message}};
  if (!problem.found.empty()) json["found"] = problem.found;
  if (!problem.expected.empty()) json["expected"] = problem.expected;
  return json;
}

Result<void> validate(Program& program, const Options& options) {
  Terminal& terminal = program.terminal;
  if (options.schema) {
    terminal.out << flow_file::json_schema();
    return {};
  }
  if (options.files.empty())
    return wrong_usage(program, "Which files? testmesh validate FILE…, or - for standard input");
  Json files = Json::array();
  size_t valid = 0, unreadable = 0;
  for (const std::string& file : options.files) {
    Json entry{{"file", file}, {"valid", false}, {"errors", Json::array()}};
    const Result<std::string> text = read_document(program, file);
    if (!text) {
      ++unreadable;
      entry["unreadable"] = text.error().message;
      if (!program.common.json()) terminal.err << printable(text.error().message) << '\n';
    } else {
      const auto problems = flow_file::read_flow(*text).problems;
      entry["valid"] = problems.empty();
      if (problems.empty()) ++valid;
      for (const flow_file::Problem& problem : problems) {
        entry["errors"].push_back(error_json(problem));
        if (!program.common.json())
          terminal.out << printable(fmt::format("{}:{}:{}: {}", file, problem.at.line, problem.at.column,
                                                problem.message))
                       << '\n';
      }
    }
    files.push_back(std::move(entry));
  }
  if (program.common.json())
    print_json(program, Json{{"files", std::move(files)}});
  else if (valid == options.files.size())
    terminal.out << fmt::format("{} valid\n", valid == 1 ? printable(options.files[0]) + " is"
                                                         : fmt::format("All {} files are", valid));
  program.exit_code = unreadable > 0 ? 2 : valid == options.files.size() ? 0 : 1;
  return {};
}

}  // namespace

void add_validate(CLI::App& app, Program& program) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "validate", "Check flow files without running them: 0 all valid, 1 not, 2 unreadable");
  command->footer(
      "Examples:\n  testmesh validate flows/*.yaml\n  testmesh validate --output json order.yaml\n"
      "  testmesh flows export 3f0c7e1a-9a1b-8c2d-8e3f-001122334455 | testmesh validate -\n"
      "  testmesh validate --schema > flow.schema.json");
  command->add_option("files", options->files, "Flow files; - is standard input");
  command->add_flag("--schema", options->schema, "Print the JSON Schema of flow files instead");
  add_output_option(*command, program);
  command->callback(
      [&program, options] { program.action = [&program, options] { return validate(program, *options); }; });
}

}  // namespace testmesh::cli
