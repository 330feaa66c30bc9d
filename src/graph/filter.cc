#include <algorithm>

#include "graph/identity.h"
#include "graph/merge.h"

namespace testmesh::graph {
namespace {

using Kept = std::vector<char>;  // parallel to nodes or edges

// What the service is called in this graph.
std::string name_in(const MergedGraph& graph, const std::string& service) {
  const auto is_exact = [&](const MergedNode& node) { return node.key.service == service; };
  if (std::ranges::any_of(graph.nodes, is_exact)) return service;
  const std::string folded = folded_service(service);
  for (const MergedNode& node : graph.nodes)
    if (node.key.type == NodeType::kService && folded_service(node.key.name) == folded) return node.key.name;
  return service;
}

void keep_around(const MergedGraph& graph, const std::string& asked, Kept& nodes, Kept& edges) {
  const std::string service = name_in(graph, asked);
  const auto is_own = [&](uint32_t node) { return graph.nodes[node].key.service == service; };
  Kept near(nodes.size(), 0);
  for (uint32_t i = 0; i < nodes.size(); ++i) near[i] = is_own(i);
  for (size_t i = 0; i < edges.size(); ++i) {
    const MergedEdge& edge = graph.edges[i];
    edges[i] = edges[i] && (is_own(edge.source) || is_own(edge.target));
    if (edges[i]) near[edge.source] = near[edge.target] = 1;
  }
  for (size_t i = 0; i < nodes.size(); ++i) nodes[i] = nodes[i] && near[i];
}

void keep_standing(const MergedGraph& graph, const GraphFilter& filter, Kept& nodes, Kept& edges) {
  const auto fits = [&](const Merged& merged) {
    return filter.declared.value_or(merged.declared) == merged.declared &&
           filter.seen.value_or(merged.seen) == merged.seen;
  };
  for (size_t i = 0; i < nodes.size(); ++i) nodes[i] = nodes[i] && fits(graph.nodes[i]);
  for (size_t i = 0; i < edges.size(); ++i) {
    const MergedEdge& edge = graph.edges[i];
    edges[i] = edges[i] && fits(edge);
    if (edges[i]) nodes[edge.source] = nodes[edge.target] = 1;
  }
}

}  // namespace

MergedGraph filtered(const MergedGraph& graph, const GraphFilter& filter) {
  Kept nodes(graph.nodes.size(), 1), edges(graph.edges.size(), 1);
  const auto fits = [&](const Merged& merged) {
    return (!filter.layer || merged.layers[*filter.layer]) &&
           (!filter.since || (merged.seen && merged.traffic.last_seen >= *filter.since));
  };
  for (size_t i = 0; i < nodes.size(); ++i) nodes[i] = fits(graph.nodes[i]);
  for (size_t i = 0; i < edges.size(); ++i)
    edges[i] = fits(graph.edges[i]) && nodes[graph.edges[i].source] && nodes[graph.edges[i].target];
  if (filter.service) keep_around(graph, *filter.service, nodes, edges);
  if (filter.declared || filter.seen) keep_standing(graph, filter, nodes, edges);

  MergedGraph result;
  result.not_counted = graph.not_counted;
  std::vector<uint32_t> place(nodes.size());
  std::vector<std::string_view> kept_ids;
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (!nodes[i]) continue;
    place[i] = static_cast<uint32_t>(result.nodes.size());
    result.nodes.push_back(graph.nodes[i]);
    kept_ids.push_back(graph.nodes[i].id);
  }
  for (size_t i = 0; i < edges.size(); ++i) {
    if (!edges[i] || !nodes[graph.edges[i].source] || !nodes[graph.edges[i].target]) continue;
    MergedEdge& edge = result.edges.emplace_back(graph.edges[i]);
    edge.source = place[edge.source];
    edge.target = place[edge.target];
    kept_ids.push_back(graph.edges[i].id);
  }
  std::ranges::sort(kept_ids);
  for (const Conflict& conflict : graph.conflicts)
    if (std::ranges::binary_search(kept_ids, std::string_view(conflict.id)))
      result.conflicts.push_back(conflict);
  return result;
}

}  // namespace testmesh::graph
