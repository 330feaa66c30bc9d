// What one layer below `runtime` declares: nodes and edges with properties, as
// an import or a PUT gave them. Plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "graph/system_graph.h"

namespace testmesh::graph {

struct LayerNode {
  NodeKey key;
  Properties properties;
  friend bool operator==(const LayerNode&, const LayerNode&) = default;
};

struct LayerEdge {
  NodeKey source, target;
  EdgeType type = EdgeType::kCalls;
  Properties properties;
  friend bool operator==(const LayerEdge&, const LayerEdge&) = default;
};

struct LayerContent {
  std::vector<LayerNode> nodes;
  std::vector<LayerEdge> edges;
  friend bool operator==(const LayerContent&, const LayerContent&) = default;
};

// Sorts by key, makes each node and edge one (of a property given twice the last
// value counts) and adds as a node every end of an edge that is none.
void normalise(LayerContent&);
bool is_normal(const LayerContent&);  // normalise would change nothing; cheap

// One layer: what all its imports declare together.
struct Layer {
  LayerName name = LayerName::kHistory;
  LayerContent content;
};

// Of one layer; more is refused as a whole.
inline constexpr size_t kMaxLayerNodes = 50'000;
inline constexpr size_t kMaxLayerEdges = 200'000;

}  // namespace testmesh::graph
