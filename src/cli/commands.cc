#include "cli/commands.h"

#include <fmt/format.h>

#include <cstdlib>
#include <ostream>

#include "cli/table.h"
#include "cli/text.h"

namespace testmesh::cli {

using base::Result;

void add_output_option(CLI::App& command, Program& program) {
  command.add_option("--output", program.common.output, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
}

void add_server_options(CLI::App& command, Program& program) {
  // Not CLI11's envname(): it lets the environment of every command's option
  // write these, also over what the command that runs was given.
  command.add_option("--server", program.common.server, "Address of the server (or TESTMESH_SERVER)")
      ->capture_default_str();
  command.add_option("--workspace", program.common.workspace, "Id of the workspace (or TESTMESH_WORKSPACE)")
      ->capture_default_str();
}

void read_environment(Common& common) {
  const auto set = [](std::string& to, const char* name) {
    const char* value = std::getenv(name);
    if (value && *value) to = value;
  };
  set(common.server, "TESTMESH_SERVER");
  common.server_named = std::getenv("TESTMESH_SERVER") && *std::getenv("TESTMESH_SERVER");
  set(common.workspace, "TESTMESH_WORKSPACE");
}

Result<Remote> connect(Program& program) {
  const auto workspace = model::WorkspaceId::parse(program.common.workspace);
  if (!workspace)
    return base::fail(base::ErrorCode::kInvalidArgument,
                      fmt::format("The workspace {} is not a UUID; `testmesh workspaces list` shows the ids",
                                  program.common.workspace));
  return Remote::open(program.common.server, workspace->to_string());
}

void print_json(Program& program, const Json& json) {
  program.terminal.out << json.dump(program.one_line_json ? -1 : 2, ' ', false,
                                    Json::error_handler_t::replace)
                       << '\n';
}

std::unexpected<base::Error> wrong_usage(Program& program, std::string sentence) {
  program.failure_code = 2;
  return base::fail(base::ErrorCode::kInvalidArgument, std::move(sentence));
}

std::string no_flows_yet(const Remote& remote) {
  return fmt::format(
      "No flows yet: send traces to {}/v1/traces (OTLP; `testmesh import FILE` does), and give them\n"
      "a moment: a flow appears when its first trace is complete.",
      remote.server());
}

const Json& value_at(const Json& object, const char* name) {
  static const Json none;
  if (!object.is_object()) return none;
  const auto found = object.find(name);
  return found == object.end() ? none : *found;
}

std::string text_at(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

double number_at(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_number() ? found->get<double>() : 0;
}

std::string count_at(const Json& json, const char* name) {
  return fmt::format("{:.0f}", number_at(json, name));
}

std::string short_time(const std::string& rfc3339) {
  std::string text = rfc3339.substr(0, 19);
  if (text.size() == 19) text[10] = ' ';
  return text;
}

Result<Json> collect(Remote& remote, const std::string& path,
                     std::vector<std::pair<std::string, std::string>> parameters, const char* plural,
                     size_t limit) {
  constexpr size_t kMostPerPage = 1000;
  Json all;
  std::string cursor;
  do {
    auto with_page = parameters;
    const size_t have = all.is_null() ? 0 : all[plural].size();
    with_page.emplace_back("limit", std::to_string(std::min(limit - have, kMostPerPage)));
    with_page.emplace_back("cursor", cursor);
    TRY_ASSIGN(Json page, remote.get(path + query_string(with_page)));
    if (!page.is_object() || !page.contains(plural) || !page[plural].is_array())
      return base::fail(base::ErrorCode::kInternal,
                        fmt::format("The answer of {} has no list of {}", remote.server(), plural));
    cursor = text_at(page, "next_cursor");
    if (all.is_null()) {
      all = std::move(page);
    } else {
      if (page[plural].empty()) break;
      for (Json& item : page[plural]) all[plural].push_back(std::move(item));
      all.erase("next_cursor");
      if (!cursor.empty()) all["next_cursor"] = cursor;
    }
  } while (!cursor.empty() && all[plural].size() < limit);
  return all;
}

void print_traces(Program& program, const Json& page) {
  Table table({{"TRACE", Align::kLeft, 32},
               {"START (UTC)", Align::kLeft, 19, 1},
               {"SERVICE", Align::kLeft, 10, 4},
               {"OPERATION", Align::kLeft, 12},
               {"DURATION", Align::kRight, 8},
               {"SPANS", Align::kRight, 5, 3},
               {"ERRORS", Align::kRight, 6, 2},
               {"STATE", Align::kLeft, 8, 5}});
  for (const Json& trace : page["traces"]) {
    const bool complete = trace.value("complete", false);
    const bool partial = trace.value("partial", false);
    table.add({text_at(trace, "trace_id"), short_time(text_at(trace, "start_time")),
               text_at(trace, "root_service"), text_at(trace, "root_operation"),
               duration_text(number_at(trace, "duration_ms")), count_at(trace, "span_count"),
               count_at(trace, "error_count"),
               !complete                                 ? "open"
               : partial                                 ? "partial"
               : trace.value("is_test_generated", false) ? "test"
                                                         : "complete"});
  }
  table.print(program.terminal.out, program.terminal.width);
  const bool at_least = page.value("total_is_lower_bound", false);
  program.terminal.out << fmt::format("\n{} of {}{}\n", page["traces"].size(), at_least ? "at least " : "",
                                      counted(number_at(page, "total"), "trace"));
}

}  // namespace testmesh::cli
