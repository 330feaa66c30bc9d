#include <utility>

#include "graph/system_graph.h"

namespace testmesh::graph {
namespace {

constexpr std::array<std::string_view, 5> kNodeTypes{"service", "api_endpoint", "database", "topic",
                                                     "external"};
constexpr std::array<std::string_view, 7> kEdgeTypes{"calls",     "exposes",  "reads",     "writes",
                                                     "publishes", "consumes", "depends_on"};
constexpr std::array<std::string_view, kLayerCount> kLayers{"history", "flow", "infra",
                                                            "spec",    "code", "runtime"};

template <typename Enum, size_t kCount>
std::optional<Enum> find(const std::array<std::string_view, kCount>& names, std::string_view name) {
  for (size_t i = 0; i < kCount; ++i)
    if (names[i] == name) return static_cast<Enum>(i);
  return std::nullopt;
}

}  // namespace

std::string_view to_string(NodeType type) { return kNodeTypes[static_cast<size_t>(type)]; }
std::string_view to_string(EdgeType type) { return kEdgeTypes[static_cast<size_t>(type)]; }
std::string_view to_string(LayerName layer) { return kLayers[static_cast<size_t>(layer)]; }
std::optional<NodeType> node_type_of(std::string_view name) { return find<NodeType>(kNodeTypes, name); }
std::optional<EdgeType> edge_type_of(std::string_view name) { return find<EdgeType>(kEdgeTypes, name); }
std::optional<LayerName> layer_of(std::string_view name) { return find<LayerName>(kLayers, name); }

}  // namespace testmesh::graph
