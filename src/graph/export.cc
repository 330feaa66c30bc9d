#include "graph/export.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <tuple>

#include "base/utf8.h"

namespace testmesh::graph {
namespace {

std::string with_commas(uint64_t number) {
  std::string digits = fmt::format("{}", number);
  for (size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, 1, ',');
  return digits;
}

std::string percent(double share) {
  const double value = share * 100;
  if (value < 0.1) return "< 0.1 %";
  return value < 1 ? fmt::format("{:.1f} %", value) : fmt::format("{:.0f} %", value);
}

struct Drawn {
  uint32_t source, target;
  EdgeType type;
  bool seen;
  uint64_t calls, errors;

  auto key() const { return std::tuple(source, target, type); }
  std::string label() const {
    std::string text(to_string(type));
    if (type == EdgeType::kDependsOn) text = "depends on";
    if (calls > 0) text += fmt::format(" {}", with_commas(calls));
    if (errors > 0)
      text += fmt::format(" · {} errors", percent(static_cast<double>(errors) / static_cast<double>(calls)));
    return text;
  }
};

// Where the ends of edges are drawn: a folded endpoint's at its service.
std::vector<std::optional<uint32_t>> places(const MergedGraph& graph, const ExportOptions& options) {
  std::vector<std::optional<uint32_t>> places(graph.nodes.size());
  for (uint32_t i = 0; i < graph.nodes.size(); ++i) {
    const NodeKey& key = graph.nodes[i].key;
    if (options.endpoints || key.type != NodeType::kApiEndpoint) {
      places[i] = i;
      continue;
    }
    const NodeKey service{NodeType::kService, key.service, key.service};
    const auto found = std::ranges::lower_bound(graph.nodes, service, {}, &MergedNode::key);
    if (found != graph.nodes.end() && found->key == service)
      places[i] = static_cast<uint32_t>(found - graph.nodes.begin());
  }
  return places;
}

std::vector<Drawn> drawn_edges(const MergedGraph& graph, const ExportOptions& options) {
  const auto at = places(graph, options);
  std::vector<Drawn> edges;
  for (const MergedEdge& edge : graph.edges) {
    const auto source = at[edge.source], target = at[edge.target];
    if (!source || !target || (!options.endpoints && edge.type == EdgeType::kExposes)) continue;
    edges.push_back(
        {*source, *target, edge.type, edge.seen, edge.traffic.call_count, edge.traffic.error_count});
  }
  std::ranges::sort(edges, {}, &Drawn::key);
  size_t kept = 0;
  for (const Drawn& edge : edges) {
    if (kept == 0 || edges[kept - 1].key() != edge.key()) {
      edges[kept++] = edge;
      continue;
    }
    edges[kept - 1].seen |= edge.seen;
    edges[kept - 1].calls += edge.calls;
    edges[kept - 1].errors += edge.errors;
  }
  edges.resize(kept);
  return edges;
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// Names in spans may be any bytes; files for others are UTF-8.
std::string readable(std::string_view text) {
  std::string result(text);
  if (!base::valid_utf8(text))
    std::ranges::replace_if(result, [](char c) { return static_cast<unsigned char>(c) >= 0x80; }, '?');
  std::ranges::replace_if(result, is_control, ' ');
  return result;
}

// Inside `"…"`: Graphviz reads `\N` and `&lt;` in labels.
std::string dot_text(std::string_view text) {
  std::string escaped;
  for (const char c : readable(text)) {
    if (c == '"' || c == '\\')
      escaped.append(1, '\\').append(1, c);
    else if (c == '&')
      escaped += "&amp;";
    else
      escaped += c;
  }
  return escaped;
}

// Mermaid's own entities for all that could end the text, start Markdown,
// HTML or a comment, or look like a style line.
std::string mermaid_text(std::string_view text) {
  constexpr std::string_view kSpecial = "\"#&<>`%\\;*_~[]{}()|$@";
  std::string escaped;
  for (const char c : readable(text)) {
    if (kSpecial.find(c) != std::string_view::npos)
      fmt::format_to(std::back_inserter(escaped), "#{};", static_cast<int>(c));
    else
      escaped += c;
  }
  return escaped;
}

}  // namespace

std::string to_dot(const MergedGraph& graph, const ExportOptions& options) {
  static constexpr std::string_view kShapes[] = {R"(shape=box)", R"(shape=box, style=rounded)",
                                                 R"(shape=cylinder)", R"(shape=hexagon)",
                                                 R"(shape=box, style=dashed)"};
  std::string out =
      "digraph system {\n  rankdir=LR;\n  node [fontname=\"sans-serif\"];\n"
      "  edge [fontname=\"sans-serif\", fontsize=10];\n";
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const MergedNode& node = graph.nodes[i];
    if (!options.endpoints && node.key.type == NodeType::kApiEndpoint) continue;
    std::string_view shape = kShapes[static_cast<size_t>(node.key.type)];
    std::string unseen;
    if (!node.seen) {
      shape = shape.substr(0, shape.find(','));
      unseen = node.key.type == NodeType::kApiEndpoint ? R"(, style="rounded,dashed")" : ", style=dashed";
      unseen += ", color=gray50, fontcolor=gray50";
    }
    fmt::format_to(std::back_inserter(out), "  n{} [label=\"{}\", {}{}];\n", i, dot_text(node.key.name),
                   shape, unseen);
  }
  for (const Drawn& edge : drawn_edges(graph, options))
    fmt::format_to(std::back_inserter(out), "  n{} -> n{} [label=\"{}\"{}];\n", edge.source, edge.target,
                   dot_text(edge.label()), edge.seen ? "" : ", style=dashed, color=gray50, fontcolor=gray50");
  return out += "}\n";
}

std::string to_mermaid(const MergedGraph& graph, const ExportOptions& options) {
  static constexpr std::pair<std::string_view, std::string_view> kShapes[] = {
      {"[", "]"}, {"(", ")"}, {"[(", ")]"}, {"{{", "}}"}, {"[", "]"}};
  std::string out = "flowchart LR\n";
  std::string unseen, external;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const MergedNode& node = graph.nodes[i];
    if (!options.endpoints && node.key.type == NodeType::kApiEndpoint) continue;
    const auto& [open, close] = kShapes[static_cast<size_t>(node.key.type)];
    out += fmt::format("  n{}", i);
    out.append(open).append("\"").append(mermaid_text(node.key.name)).append("\"").append(close);
    if (!node.seen)
      out += ":::unseen";
    else if (node.key.type == NodeType::kExternal)
      out += ":::external";
    out += '\n';
  }
  for (const Drawn& edge : drawn_edges(graph, options))
    fmt::format_to(std::back_inserter(out), "  n{} {}|\"{}\"| n{}\n", edge.source, edge.seen ? "-->" : "-.->",
                   mermaid_text(edge.label()), edge.target);
  return out +=
         "  classDef external stroke-dasharray: 6 3\n"
         "  classDef unseen stroke-dasharray: 3 3,stroke:#888,color:#888\n";
}

}  // namespace testmesh::graph
