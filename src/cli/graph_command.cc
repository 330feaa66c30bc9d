// testmesh graph list | show | conflicts | export | import | put
#include <fmt/format.h>

#include <algorithm>
#include <ostream>

#include "cli/commands.h"
#include "cli/files.h"
#include "cli/graph_report.h"
#include "cli/table.h"
#include "cli/text.h"
#include "cli/times.h"
#include "cli/watch.h"

namespace testmesh::cli {
namespace {

using base::ErrorCode;
using base::Result;

const std::vector<std::string> kLayers{"history", "flow", "infra", "spec", "code", "runtime"};
const std::vector<std::string> kNodeTypes{"service", "api_endpoint", "database", "topic", "external"};

struct Options {
  std::string layer, service, since, node, type, format = "json", file, out_file, kind;
  bool declared_never_seen = false, seen_never_declared = false, no_endpoints = false;
  WatchOptions watch;
};

bool filtered(const Options& options) {
  return !options.layer.empty() || !options.service.empty() || !options.since.empty() ||
         options.declared_never_seen || options.seen_never_declared;
}

Result<std::string> graph_path(Program& program, const Remote& remote, const Options& options,
                               const std::string& format = {}) {
  const Result<std::string> since = since_of(options.since, program.hooks.clock->now());
  if (!since) return wrong_usage(program, since.error().message);
  const bool odd = options.declared_never_seen || options.seen_never_declared;
  return remote.workspace_path() + "/graph" +
         query_string({{"layer", options.layer},
                       {"service", options.service},
                       {"since", *since},
                       {"declared", !odd                          ? ""
                                    : options.declared_never_seen ? "true"
                                                                  : "false"},
                       {"seen", !odd                          ? ""
                                : options.declared_never_seen ? "false"
                                                              : "true"},
                       {"format", format},
                       {"endpoints", !format.empty() && options.no_endpoints ? "false" : ""}});
}

Result<Json> get_graph(Program& program, Remote& remote, const Options& options) {
  TRY_ASSIGN(const std::string path, graph_path(program, remote, options));
  TRY_ASSIGN(Json graph, remote.get(path));
  if (!graph.is_object() || !graph.contains("nodes") || !graph["nodes"].is_array())
    return base::fail(ErrorCode::kInternal,
                      fmt::format("The answer of {} has no list of nodes", remote.server()));
  return options.no_endpoints ? without_endpoints(std::move(graph)) : graph;
}

Page page_of(Program& program) {
  return {.out = program.terminal.out, .width = program.terminal.width, .colour = program.terminal.colour};
}

std::string nothing_yet(const Remote& remote, const Options& options) {
  if (options.declared_never_seen) return "Everything that is declared was seen.";
  if (options.seen_never_declared) return "Everything that was seen is declared.";
  if (filtered(options)) return "Nothing in the graph fits these filters.";
  return fmt::format(
      "The graph is empty: send traces to {}/v1/traces, or say what is declared:\n"
      "  testmesh graph import --kind openapi openapi.json",
      remote.server());
}

Result<void> list(Program& program, const Options& options) {
  TRY_ASSIGN(Remote remote, connect(program));
  TRY_ASSIGN(const Json graph, get_graph(program, remote, options));
  if (program.common.json())
    print_json(program, graph);
  else if (graph["nodes"].empty())
    program.terminal.out << printable_lines(nothing_yet(remote, options)) << '\n';
  else
    print_graph(page_of(program), graph);
  return {};
}

Result<void> show(Program& program, const Options& options) {
  TRY_ASSIGN(Remote remote, connect(program));
  TRY_ASSIGN(const Json graph, get_graph(program, remote, options));
  TRY_ASSIGN(const Json node, find_node(graph, options.node, options.type));
  if (program.common.json()) {
    TRY_ASSIGN(const Json answer,
               remote.get(remote.workspace_path() + "/graph/nodes/" + percent_encode(text_at(node, "id"))));
    print_json(program, answer);
  } else {
    print_graph_node(page_of(program), graph, node);
  }
  return {};
}

Result<void> conflicts(Program& program, const Options& options) {
  TRY_ASSIGN(Remote remote, connect(program));
  TRY_ASSIGN(const Json graph, get_graph(program, remote, options));
  if (program.common.json())
    print_json(program, {{"conflicts", graph.value("conflicts", Json::array())}});
  else
    print_conflicts(page_of(program), graph);
  return {};
}

Result<void> export_graph(Program& program, const Options& options) {
  TRY_ASSIGN(Remote remote, connect(program));
  std::string text;
  if (options.format == "json") {
    TRY_ASSIGN(const Json graph, get_graph(program, remote, options));
    text = graph.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  } else {
    TRY_ASSIGN(const std::string path, graph_path(program, remote, options, options.format));
    TRY_ASSIGN(text, remote.text(path));
    if (!text.ends_with('\n')) text += '\n';
  }
  if (options.out_file.empty() || options.out_file == "-") {
    program.terminal.out << text;
    return {};
  }
  return write_file(options.out_file, text);
}

void print_loaded(Program& program, const Json& answer) {
  if (program.common.json()) return print_json(program, answer);
  program.terminal.out << fmt::format("Layer {}: {}, {}\n", printable(text_at(answer, "layer")),
                                      counted(number_at(answer, "nodes"), "node"),
                                      counted(number_at(answer, "edges"), "edge"));
  const Json warnings = answer.value("warnings", Json::array());
  if (!warnings.empty())
    program.terminal.out << counted(static_cast<double>(warnings.size()), "warning") << ":\n";
  for (const Json& warning : warnings)
    if (warning.is_string())
      program.terminal.out << painted("  " + printable(warning.get<std::string>()), Style::kWarning,
                                      program.terminal.colour)
                           << '\n';
}

Result<void> import_document(Program& program, const Options& options) {
  TRY_ASSIGN(const std::string content, read_document(program, options.file));
  if (content.empty())
    return base::fail(ErrorCode::kInvalidArgument,
                      fmt::format("{} is empty", options.file == "-" ? "Standard input" : options.file));
  TRY_ASSIGN(Remote remote, connect(program));
  Json body{{"kind", options.kind}, {"content", content}};
  if (!options.service.empty()) body["service"] = options.service;
  TRY_ASSIGN(const Json answer, remote.call("POST", remote.workspace_path() + "/graph/import", &body));
  print_loaded(program, answer);
  return {};
}

Result<void> put_layer(Program& program, const Options& options) {
  TRY_ASSIGN(const std::string content, read_document(program, options.file));
  const Json body = Json::parse(content, nullptr, false);
  if (body.is_discarded())
    return base::fail(
        ErrorCode::kInvalidArgument,
        fmt::format("{} is not JSON; {{\"nodes\": […], \"edges\": […]}} was expected", options.file));
  TRY_ASSIGN(Remote remote, connect(program));
  TRY_ASSIGN(
      const Json answer,
      remote.call("PUT", remote.workspace_path() + "/graph/layers/" + percent_encode(options.layer), &body));
  print_loaded(program, answer);
  return {};
}

void add_filters(CLI::App& command, Options& options) {
  command
      .add_option("--layer", options.layer,
                  "What this layer knows: history, flow, infra, spec, code or runtime")
      ->check(CLI::IsMember(kLayers));
  command.add_option("--service", options.service, "The nodes of this service and those one edge away");
  command.add_option("--since", options.since, "What was seen since: 15m, 2h, or an RFC 3339 time");
  CLI::Option* never_seen =
      command.add_flag("--declared-never-seen", options.declared_never_seen, "Only what no traffic showed");
  CLI::Option* never_declared = command.add_flag("--seen-never-declared", options.seen_never_declared,
                                                 "Only what no document declares");
  never_seen->excludes(never_declared);
  command.add_flag("--no-endpoints", options.no_endpoints, "Leave endpoints out: services and what they use");
}

constexpr const char* kListExamples =
    "Examples:\n  testmesh graph\n  testmesh graph list --service checkout --since 15m\n"
    "  testmesh graph list --declared-never-seen\n  testmesh graph list --no-endpoints --watch\n"
    "  testmesh graph list --output json | jq '.nodes[].name'";

}  // namespace

void add_graph(CLI::App& app, Program& program) {
  CLI::App* graph = app.add_subcommand(
      "graph", "The System Graph: services, endpoints, databases, topics, and who uses whom");
  graph->require_subcommand(0, 1);
  const auto options = std::make_shared<Options>();
  const auto bind = [&](CLI::App* command, Result<void> (*run)(Program&, const Options&)) {
    add_server_options(*command, program);
    command->callback([&program, options, run, command] {
      // Of `graph` with a command behind it this is called too.
      if (!command->get_subcommands().empty()) return;
      program.action = [&program, options, run] {
        return run_watched(program, options->watch,
                           [options, run](Program& round) { return run(round, *options); });
      };
    });
  };

  CLI::App* list_command = graph->add_subcommand("list", "Nodes and edges (also without the word list)");
  for (CLI::App* command : {graph, list_command}) {
    add_filters(*command, *options);
    add_watch_options(*command, options->watch);
    add_output_option(*command, program);
    bind(command, list);
    command->footer(kListExamples);
  }

  CLI::App* show_command = graph->add_subcommand("show", "One node: its properties in each layer, its edges");
  show_command->add_option("node", options->node, "Its id or its name")->required();
  show_command
      ->add_option("--type", options->type, "Of several of that name: service, api_endpoint, database, …")
      ->check(CLI::IsMember(kNodeTypes));
  add_watch_options(*show_command, options->watch);
  add_output_option(*show_command, program);
  show_command->footer(
      "Examples:\n  testmesh graph show checkout\n  testmesh graph show 'GET /orders/:id'\n"
      "  testmesh graph show orders --type database");
  bind(show_command, show);

  CLI::App* conflicts_command = graph->add_subcommand("conflicts", "Properties that layers disagree about");
  conflicts_command->add_option("--service", options->service, "Of the nodes of this service");
  add_output_option(*conflicts_command, program);
  conflicts_command->footer("Example:\n  testmesh graph conflicts");
  bind(conflicts_command, conflicts);

  CLI::App* export_command = graph->add_subcommand("export", "The graph as JSON, or as text that tools draw");
  export_command->add_option("--format", options->format, "json, dot (Graphviz) or mermaid")
      ->check(CLI::IsMember({"json", "dot", "mermaid"}))
      ->capture_default_str();
  export_command->add_option("-o,--out", options->out_file, "Into this file instead of standard output");
  add_filters(*export_command, *options);
  export_command->footer(
      "Examples:\n  testmesh graph export --format dot --no-endpoints | dot -Tsvg > graph.svg\n"
      "  testmesh graph export --format mermaid -o graph.mmd\n  testmesh graph export --layer spec > "
      "spec.json");
  bind(export_command, export_graph);

  CLI::App* import_command =
      graph->add_subcommand("import", "Declare what an OpenAPI document, a compose file or a flow says");
  import_command->add_option("--kind", options->kind, "openapi, compose or flow")
      ->required()
      ->check(CLI::IsMember({"openapi", "compose", "flow"}));
  import_command->add_option("--service", options->service,
                             "Whose document it is (openapi: else its info.title)");
  import_command->add_option("file", options->file, "The document, or - for standard input")->required();
  add_output_option(*import_command, program);
  import_command->footer(
      "Replaces what the same kind of document declared for the same service. Nothing is fetched, neither "
      "the document nor what it refers to.\n\n"
      "Examples:\n  testmesh graph import --kind compose docker-compose.yml\n"
      "  curl -fsS http://localhost:8000/openapi.json | testmesh graph import --kind openapi --service cart "
      "-");
  bind(import_command, import_document);

  CLI::App* put_command = graph->add_subcommand("put", "Replace a layer with nodes and edges of your own");
  put_command->add_option("layer", options->layer, "history, flow, infra, spec or code")
      ->required()
      ->check(CLI::IsMember({"history", "flow", "infra", "spec", "code"}));
  put_command->add_option("file", options->file, "JSON with `nodes` and `edges`, or - for standard input")
      ->required();
  add_output_option(*put_command, program);
  put_command->footer(
      "Examples:\n  testmesh graph put code graph.json\n"
      "  echo '{\"nodes\": [], \"edges\": []}' | testmesh graph put code -   # empties it");
  bind(put_command, put_layer);
}

}  // namespace testmesh::cli
