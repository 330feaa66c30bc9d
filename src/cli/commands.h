// The commands, one function for each family: it adds its subcommands to the
// program and runs the one that was called.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "cli/remote.h"
#include "cli/run_cli.h"

namespace testmesh::cli {

struct Common {
  std::string server = "http://127.0.0.1:5016";
  bool server_named = false;  // by the environment; a flag counts on its own
  std::string workspace = "00000000-0000-4000-8000-000000000001";
  std::string output = "table";
  bool json() const { return output == "json"; }
};

struct Program {
  const Hooks& hooks;
  Terminal& terminal;
  Common common;
  // Set by the callback of the command that was called; run after parsing, so
  // that a wrong option anywhere is found before anything happens.
  std::function<base::Result<void>()> action;
  int exit_code = 0;           // when the action is done
  int failure_code = 1;        // when it fails
  bool one_line_json = false;  // --watch: a document a line
};

// The error of a command that was called wrongly: exit code 2.
std::unexpected<base::Error> wrong_usage(Program&, std::string sentence);

// --output; and --server, --workspace for those that speak to a server.
void add_output_option(CLI::App&, Program&);
void add_server_options(CLI::App&, Program&);
// What the environment says of these; a flag says more.
void read_environment(Common&);
// The server and workspace of the options.
base::Result<Remote> connect(Program&);

void print_json(Program&, const Json&);
const Json& value_at(const Json&, const char* name);  // null when absent or no object
std::string text_at(const Json&, const char* name);   // "" when absent or no text
double number_at(const Json&, const char* name);      // 0 when absent or no number
std::string count_at(const Json&, const char* name);
// "2026-11-26 18:16:16" of an RFC 3339 time.
std::string short_time(const std::string& rfc3339);

// Follows next_cursor until `limit` items of `plural` are there; the first
// answer with all items in it.
base::Result<Json> collect(Remote&, const std::string& path,
                           std::vector<std::pair<std::string, std::string>> parameters, const char* plural,
                           size_t limit);

// "No flows yet: send traces to …", for a workspace that has none.
std::string no_flows_yet(const Remote&);

void add_import(CLI::App&, Program&);
void add_analyze(CLI::App&, Program&);
void add_flows(CLI::App&, Program&);
void add_traces(CLI::App&, Program&);
void add_traces_diff(CLI::App& traces, Program&);  // called by add_traces
void add_settings(CLI::App&, Program&);
void add_workspaces(CLI::App&, Program&);
void add_keys(CLI::App&, Program&);
void add_graph(CLI::App&, Program&);
void add_coverage(CLI::App&, Program&);
void add_check(CLI::App&, Program&);
void add_simulate(CLI::App&, Program&);
void add_eval(CLI::App&, Program&);
void add_validate(CLI::App&, Program&);
void add_run(CLI::App&, Program&);

// Shared by `traces` and `flows traces`.
void print_traces(Program&, const Json& page);

}  // namespace testmesh::cli
