#include "cli/graph_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <ostream>
#include <set>

#include "cli/commands.h"
#include "cli/table.h"
#include "cli/text.h"

namespace testmesh::cli {
namespace {

using base::ErrorCode;
using base::Result;

constexpr size_t kMostNamed = 8;  // in a sentence

const Json& list_at(const Json& graph, const char* name) {
  static const Json empty = Json::array();
  const auto found = graph.find(name);
  return found != graph.end() && found->is_array() ? *found : empty;
}

bool flag_at(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_boolean() && found->get<bool>();
}

using Nodes = std::map<std::string, const Json*, std::less<>>;
Nodes nodes_of(const Json& graph) {
  Nodes nodes;
  for (const Json& node : list_at(graph, "nodes")) nodes.emplace(text_at(node, "id"), &node);
  return nodes;
}

// An endpoint with the service that has it: `GET /orders` alone may be anyone's.
std::string label_of(const Json& node) {
  const std::string service = text_at(node, "service"), name = text_at(node, "name");
  return text_at(node, "type") == "api_endpoint" && !service.empty() ? service + " " + name : name;
}
std::string label_of(const Nodes& nodes, const std::string& id) {
  const auto found = nodes.find(id);
  return found == nodes.end() ? id : label_of(*found->second);
}

std::string known_text(const Json& item) {
  const bool seen = flag_at(item, "seen"), declared = flag_at(item, "declared");
  return seen && declared ? "both" : seen ? "seen" : declared ? "declared" : "";
}

Style style_of(const Json& item) {
  return number_at(item, "error_count") > 0 ? Style::kBad
         : flag_at(item, "seen")            ? Style::kPlain
                                            : Style::kDim;
}

// What only documents say has no figures.
std::string if_seen(const Json& item, std::string text) { return flag_at(item, "seen") ? text : ""; }

std::string layers_text(const Json& item) {
  std::string names;
  const auto layers = item.find("layers");
  if (layers != item.end() && layers->is_object())
    for (const auto& [name, properties] : layers->items()) names += (names.empty() ? "" : ", ") + name;
  return names;
}

std::string value_text(const Json& value) {
  return value.is_string() ? value.get<std::string>()
                           : value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// What each node uses: the other ends of its edges, without its own endpoints.
std::map<std::string, std::string> uses_of(const Json& graph, const Nodes& nodes) {
  std::map<std::string, std::set<std::string>> targets;
  for (const Json& edge : list_at(graph, "edges")) {
    if (text_at(edge, "type") == "exposes") continue;
    targets[text_at(edge, "source")].insert(label_of(nodes, text_at(edge, "target")));
  }
  std::map<std::string, std::string> texts;
  for (const auto& [id, names] : targets)
    for (const std::string& name : names) texts[id] += (texts[id].empty() ? "" : ", ") + name;
  return texts;
}

// Figures that nodes and edges share, behind their own columns.
void add_figures(std::vector<Column>& columns) {
  columns.insert(columns.end(), {{"CALLS", Align::kRight, 5, 1},
                                 {"ERRORS", Align::kRight, 6, 2},
                                 {"AVG", Align::kRight, 7, 4},
                                 {"P95", Align::kRight, 7, 3},
                                 {"KNOWN", Align::kLeft, 8}});
}
void add_figures(std::vector<std::string>& cells, const Json& item) {
  cells.insert(cells.end(),
               {if_seen(item, count_at(item, "call_count")),
                if_seen(item, percent_text(number_at(item, "error_rate"))),
                if_seen(item, duration_text(number_at(item, "avg_duration_ms"))),
                if_seen(item, duration_text(number_at(item, "p95_duration_ms"))), known_text(item)});
}

void print_nodes(const Page& page, const Json& graph, const Nodes& nodes) {
  std::vector<Column> columns{{"TYPE", Align::kLeft, 8, 5}, {"NODE", Align::kLeft, 16}};
  add_figures(columns);
  columns.push_back({"USES", Align::kLeft, 12, 6});
  Table table(std::move(columns));
  const auto uses = uses_of(graph, nodes);
  for (const Json& node : list_at(graph, "nodes")) {
    std::vector<std::string> cells{text_at(node, "type"), label_of(node)};
    add_figures(cells, node);
    const auto found = uses.find(text_at(node, "id"));
    cells.push_back(found == uses.end() ? "" : found->second);
    table.add(std::move(cells), style_of(node));
  }
  table.print(page.out, page.width, page.colour);
}

void print_edges(const Page& page, const std::vector<const Json*>& edges, const Nodes& nodes) {
  std::vector<Column> columns{
      {"SOURCE", Align::kLeft, 12}, {"DOES", Align::kLeft, 7, 6}, {"TARGET", Align::kLeft, 16}};
  add_figures(columns);
  columns.push_back({"LAST SEEN (UTC)", Align::kLeft, 19, 7});
  Table table(std::move(columns));
  for (const Json* edge : edges) {
    std::vector<std::string> cells{label_of(nodes, text_at(*edge, "source")), text_at(*edge, "type"),
                                   label_of(nodes, text_at(*edge, "target"))};
    add_figures(cells, *edge);
    cells.push_back(short_time(text_at(*edge, "last_seen_at")));
    table.add(std::move(cells), style_of(*edge));
  }
  table.print(page.out, page.width, page.colour);
}

bool equal_but_for_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

bool contains_in_any_case(std::string_view text, std::string_view part) {
  return !std::ranges::search(text, part, [](unsigned char x, unsigned char y) {
            return std::tolower(x) == std::tolower(y);
          }).empty();
}

// "a, b, c and 4 more"
std::string some_of(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < names.size() && i < kMostNamed; ++i) text += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > kMostNamed) text += fmt::format(" and {} more", names.size() - kMostNamed);
  return text;
}

struct Difference {
  size_t declared_never_seen = 0, seen_never_declared = 0;
};
Difference difference_of(const Json& list) {
  Difference difference;
  for (const Json& item : list) {
    const bool seen = flag_at(item, "seen"), declared = flag_at(item, "declared");
    difference.declared_never_seen += declared && !seen ? 1 : 0;
    difference.seen_never_declared += seen && !declared ? 1 : 0;
  }
  return difference;
}

void print_counts(const Page& page, const Json& graph) {
  const Json &nodes = list_at(graph, "nodes"), &edges = list_at(graph, "edges");
  const Difference of_nodes = difference_of(nodes), of_edges = difference_of(edges);
  const bool any_declared =
      std::ranges::any_of(nodes, [](const Json& node) { return flag_at(node, "declared"); });
  const auto number = [](size_t count) { return static_cast<double>(count); };
  page.out << counted(number(nodes.size()), "node") << ", " << counted(number(edges.size()), "edge");
  if (any_declared)
    page.out << fmt::format("\nDeclared, never seen: {}, {}. Seen, never declared: {}, {}",
                            counted(number(of_nodes.declared_never_seen), "node"),
                            counted(number(of_edges.declared_never_seen), "edge"),
                            counted(number(of_nodes.seen_never_declared), "node"),
                            counted(number(of_edges.seen_never_declared), "edge"));
  page.out << '\n';
  if (const size_t conflicts = list_at(graph, "conflicts").size())
    page.out << painted(fmt::format("{} between layers: testmesh graph conflicts",
                                    counted(number(conflicts), "conflict")),
                        Style::kWarning, page.colour)
             << '\n';
  if (const double lost = number_at(graph, "not_counted"); lost > 0)
    page.out << painted(fmt::format("{} not counted: the graph is full", counted(lost, "span")),
                        Style::kWarning, page.colour)
             << '\n';
}

void print_properties(const Page& page, const Json& node) {
  const auto layers = node.find("layers");
  if (layers == node.end() || !layers->is_object() || layers->empty()) return;
  std::vector<std::string> names;
  std::vector<Column> columns{{"PROPERTY", Align::kLeft, 12}};
  std::set<std::string> properties;
  for (const auto& [layer, values] : layers->items()) {
    columns.push_back({"IN " + layer, Align::kLeft, 8});
    names.push_back(layer);
    if (values.is_object())
      for (const auto& [property, value] : values.items()) properties.insert(property);
  }
  if (properties.empty()) return;
  Table table(std::move(columns));
  for (const std::string& property : properties) {
    std::vector<std::string> cells{property};
    std::set<std::string> different;
    for (const std::string& layer : names) {
      const Json& values = (*layers)[layer];
      const auto value = values.is_object() ? values.find(property) : values.end();
      const bool there = values.is_object() && value != values.end();
      cells.push_back(there ? value_text(*value) : "");
      if (there) different.insert(cells.back());
    }
    table.add(std::move(cells), different.size() > 1 ? Style::kWarning : Style::kPlain);
  }
  page.out << "\nProperties (the first layer that has one decides)\n";
  table.print(page.out, page.width, page.colour);
}

}  // namespace

void print_graph(const Page& page, const Json& graph) {
  const Nodes nodes = nodes_of(graph);
  print_nodes(page, graph, nodes);
  std::vector<const Json*> edges;
  for (const Json& edge : list_at(graph, "edges")) edges.push_back(&edge);
  page.out << '\n';
  if (!edges.empty()) {
    print_edges(page, edges, nodes);
    page.out << '\n';
  }
  print_counts(page, graph);
}

void print_graph_node(const Page& page, const Json& graph, const Json& node) {
  const Nodes nodes = nodes_of(graph);
  const std::string id = text_at(node, "id");
  const auto line = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) page.out << fmt::format("{:<9}{}\n", name, printable(value));
  };
  line("Node", id);
  line("Name", text_at(node, "name"));
  line("Type", text_at(node, "type"));
  if (text_at(node, "service") != text_at(node, "name")) line("Service", text_at(node, "service"));
  const bool seen = flag_at(node, "seen"), declared = flag_at(node, "declared");
  line("Known", fmt::format("{} ({})",
                            seen && declared ? "seen and declared"
                            : seen           ? "seen, never declared"
                                             : "declared, never seen",
                            layers_text(node)));
  if (seen) {
    line("Calls", fmt::format("{}, {} with an error", counted(number_at(node, "call_count"), "span"),
                              percent_text(number_at(node, "error_rate"))));
    line("Duration",
         fmt::format("{} on average, 95 % within {}", duration_text(number_at(node, "avg_duration_ms")),
                     duration_text(number_at(node, "p95_duration_ms"))));
    line("Seen", short_time(text_at(node, "first_seen_at")) + " to " +
                     short_time(text_at(node, "last_seen_at")) + " UTC");
  }
  print_properties(page, node);
  std::vector<const Json*> in, out;
  for (const Json& edge : list_at(graph, "edges")) {
    if (text_at(edge, "target") == id) in.push_back(&edge);
    if (text_at(edge, "source") == id) out.push_back(&edge);
  }
  for (const auto& [title, edges] : {std::pair{"What uses it", &in}, std::pair{"What it uses", &out}}) {
    if (edges->empty()) continue;
    page.out << '\n' << title << '\n';
    print_edges(page, *edges, nodes);
  }
  if (in.empty() && out.empty()) page.out << "\nNothing uses it, and it uses nothing.\n";
}

void print_conflicts(const Page& page, const Json& graph) {
  const Json& conflicts = list_at(graph, "conflicts");
  if (conflicts.empty()) {
    page.out << "No conflicts: no two layers say different things.\n";
    return;
  }
  const Nodes nodes = nodes_of(graph);
  std::map<std::string, std::string> labels;
  for (const auto& [id, node] : nodes) labels[id] = label_of(*node);
  for (const Json& edge : list_at(graph, "edges"))
    labels[text_at(edge, "id")] =
        fmt::format("{} {} {}", label_of(nodes, text_at(edge, "source")), text_at(edge, "type"),
                    label_of(nodes, text_at(edge, "target")));
  Table table({{"WHERE", Align::kLeft, 16},
               {"PROPERTY", Align::kLeft, 10},
               {"VALUE", Align::kLeft, 10},
               {"OF", Align::kLeft, 7},
               {"OTHERS SAY", Align::kLeft, 14}});
  for (const Json& conflict : conflicts) {
    const auto label = labels.find(text_at(conflict, "id"));
    std::string value, layer, others;
    for (const Json& one : list_at(conflict, "values")) {
      const std::string text = one.contains("value") ? value_text(one["value"]) : "";
      if (layer.empty()) {
        value = text;
        layer = text_at(one, "layer");
      } else {
        others += fmt::format("{}{}: {}", others.empty() ? "" : ", ", text_at(one, "layer"), text);
      }
    }
    table.add({label == labels.end() ? text_at(conflict, "id") : label->second, text_at(conflict, "property"),
               value, layer, others});
  }
  table.print(page.out, page.width, page.colour);
  page.out << fmt::format("\n{}; the layer under OF decides\n",
                          counted(static_cast<double>(conflicts.size()), "conflict"));
}

Result<Json> find_node(const Json& graph, const std::string& id_or_name, const std::string& type) {
  std::vector<const Json*> exact, in_any_case;
  std::vector<std::string> similar;
  for (const Json& node : list_at(graph, "nodes")) {
    if (equal_but_for_case(text_at(node, "id"), id_or_name)) return node;
    if (!type.empty() && text_at(node, "type") != type) continue;
    const std::string name = text_at(node, "name"), label = label_of(node);
    if (name == id_or_name || label == id_or_name)
      exact.push_back(&node);
    else if (equal_but_for_case(name, id_or_name) || equal_but_for_case(label, id_or_name))
      in_any_case.push_back(&node);
    else if (contains_in_any_case(label, id_or_name))
      similar.push_back(label);
  }
  const std::vector<const Json*>& found = exact.empty() ? in_any_case : exact;
  if (found.size() == 1) return *found.front();
  if (found.empty())
    return base::fail(
        ErrorCode::kNotFound,
        fmt::format("There is no node `{}`{}{}", id_or_name, type.empty() ? "" : " of type " + type,
                    similar.empty() ? "; `testmesh graph` lists them" : ". There is: " + some_of(similar)));
  std::string sentence =
      fmt::format("Several nodes are named {}; say which by its id, or with --type:", id_or_name);
  for (const Json* node : found)
    sentence += fmt::format("\n  {}  {}  {}", text_at(*node, "id"), text_at(*node, "type"), label_of(*node));
  return base::fail(ErrorCode::kNotFound, std::move(sentence));
}

Json without_endpoints(Json graph) {
  std::set<std::string> gone;
  const auto keep = [](Json& list, const auto& wanted) {
    Json kept = Json::array();
    for (Json& item : list)
      if (wanted(item)) kept.push_back(std::move(item));
    list = std::move(kept);
  };
  if (graph.contains("nodes"))
    keep(graph["nodes"], [&](const Json& node) {
      if (text_at(node, "type") != "api_endpoint") return true;
      gone.insert(text_at(node, "id"));
      return false;
    });
  if (graph.contains("edges"))
    keep(graph["edges"], [&](const Json& edge) {
      if (!gone.contains(text_at(edge, "source")) && !gone.contains(text_at(edge, "target"))) return true;
      gone.insert(text_at(edge, "id"));
      return false;
    });
  if (graph.contains("conflicts"))
    keep(graph["conflicts"], [&](const Json& conflict) { return !gone.contains(text_at(conflict, "id")); });
  return graph;
}

}  // namespace testmesh::cli
