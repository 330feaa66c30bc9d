// The merge engine (discovery.md 5): the layers put over one another.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "graph/layers.h"
#include "graph/system_graph.h"

namespace testmesh::graph {

// What each layer gave. Small: most of a large graph is known without properties.
class ByLayer {
 public:
  // Null: the layer does not know it.
  const Properties* operator[](size_t layer) const;
  const Properties* operator[](LayerName layer) const { return (*this)[static_cast<size_t>(layer)]; }
  // Of a property that the layer has given already the earlier value stays.
  void add(LayerName, const Properties&);
  size_t with_properties() const { return given_.size(); }  // layers that gave some

 private:
  uint8_t known_ = 0;  // a bit for each layer
  std::vector<std::pair<LayerName, Properties>> given_;
};

// What every node and edge of a merged graph has.
struct Merged {
  std::string id;         // UUID from what it is: the same on every machine and in every answer
  Properties properties;  // the highest layer's value of each
  LayerName layer = LayerName::kRuntime;  // the highest that knows it
  ByLayer layers;
  bool declared = false;  // a layer below runtime knows it
  // Runtime does. A `depends_on` edge: some runtime edge goes from its source
  // to its target; `traffic` then has that one's times, and no counts.
  bool seen = false;
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

// `layers`: at most one of each name, any order; edges whose ends are no nodes
// of their layer bring them along. O(n log n).
//
// Which nodes are one, tried in this order:
// - same type and name; an endpoint only with one of its service, or, when it
//   names none, with the first of that name;
// - endpoints of one service whose methods, in upper case, and routes are equal
//   whatever a parameter is called: `GET /users/{userId}`, `get /users/:id`;
// - services whose names are equal but for case and `-_.`.
// Nodes of runtime are never joined with each other. What runtime calls a node
// is its name, otherwise what the highest layer that knows it does.
//
// Databases: a declared one joins the one of its name and `system`; without a
// system the first of its name; with a system that contradicts the only one of
// its name that one, which makes a conflict.
//
// A conflict: two layers give one property different values.
//
// Ids are UUIDs (version 8) from type, name and service (and `system`, where
// several databases have one name), of edges from type and the ids of the ends.
MergedGraph merge(const RuntimeGraph&, std::span<const Layer> layers);

struct GraphFilter {
  std::optional<LayerName> layer = {};  // what that layer knows
  // Its nodes, those one edge away, and the edges that touch its nodes. As it is
  // called, otherwise equal but for case and `-_.`.
  std::optional<std::string> service = {};
  std::optional<base::UnixNanos> since = {};  // last seen then or later
  // Of what fits the others, what is so; and the ends of edges that are: an edge
  // declared and never seen may well lie between two nodes that were.
  std::optional<bool> declared = {}, seen = {};
  friend bool operator==(const GraphFilter&, const GraphFilter&) = default;
};
// Keeps what fits all that is given; an edge stays when both its ends do, a
// conflict with its node or edge.
MergedGraph filtered(const MergedGraph&, const GraphFilter&);

}  // namespace testmesh::graph
