// The System Graph (discovery.md 5): services, endpoints, databases, topics and
// uninstrumented peers, and who uses whom. Plain values; who fills them:
// graph_book.h what traffic shows, layers.h what documents declare, merge.h both.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace testmesh::graph {

enum class NodeType : uint8_t { kService, kApiEndpoint, kDatabase, kTopic, kExternal };
// `depends_on` is never seen in traffic: documents alone say it.
enum class EdgeType : uint8_t { kCalls, kExposes, kReads, kWrites, kPublishes, kConsumes, kDependsOn };

std::string_view to_string(NodeType);
std::string_view to_string(EdgeType);
std::optional<NodeType> node_type_of(std::string_view);
std::optional<EdgeType> edge_type_of(std::string_view);

// Lowest to highest precedence.
enum class LayerName : uint8_t { kHistory, kFlow, kInfra, kSpec, kCode, kRuntime };
inline constexpr size_t kLayerCount = 6;
std::string_view to_string(LayerName);
std::optional<LayerName> layer_of(std::string_view);

// Property -> its value as compact JSON text (`"postgresql"`, `5432`, `true`).
using Properties = std::map<std::string, std::string>;

struct NodeKey {
  NodeType type = NodeType::kService;
  std::string name;     // api.md "Graph": the service; `METHOD route`; database; destination; peer
  std::string service;  // who owns it: itself for a service; empty for database, topic, external
  friend auto operator<=>(const NodeKey&, const NodeKey&) = default;
};

// Counts are spans. Zero everywhere: never seen.
struct Traffic {
  uint64_t call_count = 0, error_count = 0;
  double avg_duration_ms = 0, p95_duration_ms = 0;  // p95 within 1 %
  base::UnixNanos first_seen = 0, last_seen = 0;    // span starts
};

// What traffic shows of a workspace: all its books together. Sorted by key;
// edges name nodes by position. Two databases of one name in two systems are
// two nodes of equal key; `properties.system` tells them apart.
struct RuntimeNode {
  NodeKey key;
  Properties properties;
  Traffic traffic;
};
struct RuntimeEdge {
  uint32_t source = 0, target = 0;
  EdgeType type = EdgeType::kCalls;
  Traffic traffic;
};
struct RuntimeGraph {
  std::vector<RuntimeNode> nodes;
  std::vector<RuntimeEdge> edges;
  uint64_t not_counted = 0;  // spans left out because the graph was full
};

}  // namespace testmesh::graph
