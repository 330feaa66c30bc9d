// A layer as JSON, put over a runtime graph made of it and over itself: what
// comes out is whole, and what is seen and declared alike is one.
#include <algorithm>
#include <cstdlib>

#include "base/utf8.h"
#include "graph/export.h"
#include "graph/import.h"
#include "graph/merge.h"

using namespace testmesh;
using namespace testmesh::graph;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

RuntimeGraph as_runtime(const LayerContent& content) {
  RuntimeGraph runtime;
  for (const LayerNode& node : content.nodes)
    runtime.nodes.push_back({node.key, node.properties, {.call_count = 1}});
  const auto place_of = [&](const NodeKey& key) {
    return static_cast<uint32_t>(std::ranges::lower_bound(content.nodes, key, {}, &LayerNode::key) -
                                 content.nodes.begin());
  };
  for (const LayerEdge& edge : content.edges)
    if (edge.type != EdgeType::kDependsOn)
      runtime.edges.push_back({place_of(edge.source), place_of(edge.target), edge.type, {.call_count = 1}});
  return runtime;
}

void check(const MergedGraph& graph) {
  for (const MergedNode& node : graph.nodes) {
    require(node.id.size() == 36 && (node.seen || node.declared));
    require(node.layers[static_cast<size_t>(node.layer)].has_value());
  }
  for (const MergedEdge& edge : graph.edges)
    require(edge.source < graph.nodes.size() && edge.target < graph.nodes.size() && edge.id.size() == 36);
  for (const Conflict& conflict : graph.conflicts) require(conflict.values.size() >= 2);
  require(base::valid_utf8(to_dot(graph)) && base::valid_utf8(to_mermaid(graph)));
  require(base::valid_utf8(to_dot(graph, {.endpoints = false})) &&
          base::valid_utf8(to_mermaid(graph, {.endpoints = false})));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<std::string> warnings;
  auto content = parse_layer(std::string_view(reinterpret_cast<const char*>(data), size), &warnings);
  if (!content) {
    require(content.error().code == base::ErrorCode::kInvalidArgument && !content.error().message.empty());
    return 0;
  }
  require(is_normal(*content));
  // As in every runtime graph, whoever has an endpoint is a node.
  for (const LayerNode& node : std::vector(content->nodes))
    if (!node.key.service.empty())
      content->nodes.push_back({{NodeType::kService, node.key.service, node.key.service}, {}});
  normalise(*content);
  const Layer layers[] = {{LayerName::kSpec, *content}, {LayerName::kCode, *content}};
  const RuntimeGraph runtime = as_runtime(*content);
  const MergedGraph declared = merge({}, layers);
  check(declared);
  require(declared.conflicts.empty() || declared.nodes.size() < content->nodes.size());
  const MergedGraph both = merge(runtime, layers);
  check(both);
  require(both.nodes.size() == runtime.nodes.size());
  check(filtered(both, {.layer = LayerName::kSpec}));
  if (!both.nodes.empty()) {
    const MergedGraph near = filtered(both, {.service = both.nodes.back().key.service});
    check(near);
    require(near.nodes.size() <= both.nodes.size());
  }
  require(filtered(both, {.since = 1}).nodes.empty());
  return 0;
}
