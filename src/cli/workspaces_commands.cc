// testmesh workspaces, keys, settings
#include <fmt/format.h>

#include <ostream>

#include "cli/commands.h"
#include "cli/table.h"
#include "cli/text.h"

namespace testmesh::cli {
namespace {

using base::Result;

constexpr size_t kAll = 1'000'000;

struct Options {
  std::string id, name;
  std::vector<std::string> changes;
};

void print_workspace_table(Program& program, const Json& workspaces) {
  Table table({{"WORKSPACE", Align::kLeft, 36}, {"NAME"}, {"CREATED (UTC)", Align::kLeft, 16}});
  for (const Json& workspace : workspaces)
    table.add(
        {text_at(workspace, "id"), text_at(workspace, "name"), short_time(text_at(workspace, "created_at"))});
  table.print(program.terminal.out, program.terminal.width);
}

void print_one(Program& program, const Json& workspace) {
  if (program.common.json())
    print_json(program, workspace);
  else
    print_workspace_table(program, Json::array({workspace}));
}

Result<void> list_workspaces(Program& program, const Options&) {
  TRY_ASSIGN(Remote remote, connect(program));
  TRY_ASSIGN(const Json page, collect(remote, "/workspaces", {}, "workspaces", kAll));
  if (program.common.json())
    print_json(program, page);
  else
    print_workspace_table(program, page["workspaces"]);
  return {};
}

Result<void> create_workspace(Program& program, const Options& options) {
  TRY_ASSIGN(Remote remote, connect(program));
  Json body{{"name", options.name}};
  if (!options.id.empty()) body["id"] = options.id;
  TRY_ASSIGN(const Json workspace, remote.call("POST", "/workspaces", &body));
  print_one(program, workspace);
  return {};
}

Result<void> rename_workspace(Program& program, const Options& options) {
  TRY_ASSIGN(Remote remote, connect(program));
  const Json body{{"name", options.name}};
  TRY_ASSIGN(const Json workspace, remote.call("PATCH", "/workspaces/" + percent_encode(options.id), &body));
  print_one(program, workspace);
  return {};
}

Result<void> delete_workspace(Program& program, const Options& options) {
  TRY_ASSIGN(Remote remote, connect(program));
  TRY(remote.call("DELETE", "/workspaces/" + percent_encode(options.id)));
  if (program.common.json())
    print_json(program, Json{{"id", options.id}, {"deleted", true}});
  else
    program.terminal.out << "Removed workspace " << printable(options.id) << " and its data\n";
  return {};
}

Result<void> list_keys(Program& program, const Options&) {
  TRY_ASSIGN(Remote remote, connect(program));
  TRY_ASSIGN(const Json page, collect(remote, remote.workspace_path() + "/keys", {}, "keys", kAll));
  if (program.common.json()) {
    print_json(program, page);
    return {};
  }
  Table table({{"KEY", Align::kLeft, 36}, {"NAME"}, {"CREATED (UTC)", Align::kLeft, 16}});
  for (const Json& key : page["keys"])
    table.add({text_at(key, "id"), text_at(key, "name"), short_time(text_at(key, "created_at"))});
  table.print(program.terminal.out, program.terminal.width);
  return {};
}

Result<void> create_key(Program& program, const Options& options) {
  TRY_ASSIGN(Remote remote, connect(program));
  const Json body{{"name", options.name}};
  TRY_ASSIGN(const Json key, remote.call("POST", remote.workspace_path() + "/keys", &body));
  if (program.common.json())
    print_json(program, key);
  else
    program.terminal.out << printable(text_at(key, "secret")) << "\nKey " << printable(text_at(key, "id"))
                         << "; its secret is shown only now\n";
  return {};
}

Result<void> remove_key(Program& program, const Options& options) {
  TRY_ASSIGN(Remote remote, connect(program));
  TRY(remote.call("DELETE", remote.workspace_path() + "/keys/" + percent_encode(options.id)));
  if (program.common.json())
    print_json(program, Json{{"id", options.id}, {"deleted", true}});
  else
    program.terminal.out << "Removed key " << printable(options.id) << '\n';
  return {};
}

void print_settings(Program& program, const Json& settings) {
  if (program.common.json()) return print_json(program, settings);
  Table table({{"SETTING"}, {"VALUE"}});
  for (const auto& [name, value] : settings.items()) table.add({name, value.dump()});
  table.print(program.terminal.out, program.terminal.width);
}

Result<void> get_settings(Program& program, const Options&) {
  TRY_ASSIGN(Remote remote, connect(program));
  TRY_ASSIGN(const Json settings, remote.get(remote.workspace_path() + "/settings/telemetry"));
  print_settings(program, settings);
  return {};
}

Result<void> set_settings(Program& program, const Options& options) {
  Json changes = Json::object();
  for (const std::string& change : options.changes) {
    const size_t equals = change.find('=');
    if (equals == std::string::npos || equals == 0)
      return base::fail(
          base::ErrorCode::kInvalidArgument,
          fmt::format("{} is no setting: expected NAME=VALUE, such as retention_days=14", change));
    const std::string value = change.substr(equals + 1);
    Json parsed = Json::parse(value, nullptr, false);
    changes[change.substr(0, equals)] = parsed.is_discarded() ? Json(value) : std::move(parsed);
  }
  TRY_ASSIGN(Remote remote, connect(program));
  TRY_ASSIGN(const Json settings,
             remote.call("PUT", remote.workspace_path() + "/settings/telemetry", &changes));
  print_settings(program, settings);
  return {};
}

using Run = Result<void> (*)(Program&, const Options&);

void bind(CLI::App* command, Program& program, const std::shared_ptr<Options>& options, Run run) {
  add_server_options(*command, program);
  add_output_option(*command, program);
  command->callback([&program, options, run] {
    program.action = [&program, options, run] { return run(program, *options); };
  });
}

}  // namespace

void add_workspaces(CLI::App& app, Program& program) {
  CLI::App* workspaces = app.add_subcommand("workspaces", "Workspaces: list, create, rename, delete");
  workspaces->require_subcommand(1);
  workspaces->footer("Example:\n  testmesh workspaces create staging");
  const auto options = std::make_shared<Options>();
  CLI::App* list = workspaces->add_subcommand("list", "List all workspaces");
  list->footer("Example:\n  testmesh workspaces list --output json");
  CLI::App* create = workspaces->add_subcommand("create", "Create a workspace");
  create->add_option("name", options->name, "Its name")->required();
  create->add_option("--id", options->id, "Its id (a UUID); a random one otherwise");
  create->footer("Example:\n  testmesh workspaces create staging --id 7d3f0b52-5f7e-4b5a-9c61-0c8f6a1e2d34");
  CLI::App* rename = workspaces->add_subcommand("rename", "Rename a workspace");
  rename->add_option("id", options->id, "Id of the workspace")->required();
  rename->add_option("name", options->name, "Its new name")->required();
  rename->footer("Example:\n  testmesh workspaces rename 7d3f0b52-5f7e-4b5a-9c61-0c8f6a1e2d34 production");
  CLI::App* remove = workspaces->add_subcommand("delete", "Delete a workspace with all its data");
  remove->add_option("id", options->id, "Id of the workspace")->required();
  remove->footer("Example:\n  testmesh workspaces delete 7d3f0b52-5f7e-4b5a-9c61-0c8f6a1e2d34");
  bind(list, program, options, list_workspaces);
  bind(create, program, options, create_workspace);
  bind(rename, program, options, rename_workspace);
  bind(remove, program, options, delete_workspace);
}

void add_keys(CLI::App& app, Program& program) {
  CLI::App* keys = app.add_subcommand("keys", "API keys of a workspace: list, create, delete");
  keys->require_subcommand(1);
  keys->footer("Example:\n  testmesh keys create ci");
  const auto options = std::make_shared<Options>();
  CLI::App* list = keys->add_subcommand("list", "List the keys of the workspace");
  list->footer("Example:\n  testmesh keys list --workspace 7d3f0b52-5f7e-4b5a-9c61-0c8f6a1e2d34");
  CLI::App* create = keys->add_subcommand("create", "Create a key; its secret is shown once");
  create->add_option("name", options->name, "What it is for")->required();
  create->footer("Example:\n  testmesh keys create ci");
  CLI::App* remove = keys->add_subcommand("delete", "Delete a key");
  remove->add_option("id", options->id, "Id of the key")->required();
  remove->footer("Example:\n  testmesh keys delete 0c8f6a1e-2d34-4b5a-9c61-7d3f0b525f7e");
  bind(list, program, options, list_keys);
  bind(create, program, options, create_key);
  bind(remove, program, options, remove_key);
}

void add_settings(CLI::App& app, Program& program) {
  CLI::App* settings = app.add_subcommand("settings", "Settings of a workspace: get, set");
  settings->require_subcommand(1);
  settings->footer("Example:\n  testmesh settings set retention_days=14");
  const auto options = std::make_shared<Options>();
  CLI::App* get = settings->add_subcommand("get", "Show the settings");
  get->footer("Example:\n  testmesh settings get --output json");
  CLI::App* set = settings->add_subcommand("set", "Change settings; the others stay");
  set->add_option("changes", options->changes, "NAME=VALUE")->required();
  set->footer("Example:\n  testmesh settings set retention_days=14 auto_discovery=false");
  bind(get, program, options, get_settings);
  bind(set, program, options, set_settings);
}

}  // namespace testmesh::cli
