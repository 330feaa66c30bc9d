// The merge engine (discovery.md 5): the layers put over one another.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "graph/layers.h"
#include "graph/system_graph.h"

namespace testmesh::graph {

// What every node and edge of a merged graph has.
struct Merged {
  std::string id;         // UUID from what it is: the same on every machine and in every answer
  Properties properties;  // the highest layer's value of each
  LayerName layer = LayerName::kRuntime;                      // the highest that knows it
  std::array<std::optional<Properties>, kLayerCount> layers;  // what each gave; none: does not know it
  bool declared = false;                                      // a layer below runtime knows it
  bool seen = false;  // runtime does; of a `depends_on` edge: traffic from its source to its target
  Traffic traffic;
};

struct MergedNode : Merged {
  NodeKey key;
};

struct MergedEdge : Merged {
  uint32_t source = 0, target = 0;  // positions of nodes
  EdgeType type = EdgeType::kCalls;
};

struct Conflict {
  std::string id;  // its node or edge
  std::string property;
  std::vector<std::pair<LayerName, std::string>> values;  // JSON text; highest layer first
};

struct MergedGraph {
  std::vector<MergedNode> nodes;  // by type, name, service
  std::vector<MergedEdge> edges;  // by source, target, type
  std::vector<Conflict> conflicts;
  uint64_t not_counted = 0;  // RuntimeGraph
};

// `layers`: at most one of each name, any order. Identity of nodes: same type
// and name (same service preferred), equal route templates whatever a parameter
// is called, service names equal but for case and `-_.`; what runtime calls it
// is its name. O(n log n).
MergedGraph merge(const RuntimeGraph&, std::span<const Layer> layers);

struct GraphFilter {
  std::optional<LayerName> layer;        // what that layer knows
  std::optional<std::string> service;    // its nodes and those one edge away
  std::optional<base::UnixNanos> since;  // seen since
};
// Keeps what fits; an edge stays when both its ends do.
MergedGraph filtered(const MergedGraph&, const GraphFilter&);

}  // namespace testmesh::graph
