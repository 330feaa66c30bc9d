// The System Graph as the API answers it (`{nodes, edges, conflicts}`), for
// people to read. Pure functions.
#pragma once

#include <iosfwd>
#include <string>

#include "base/result.h"
#include "cli/remote.h"

namespace testmesh::cli {

struct Page {
  std::ostream& out;
  unsigned width = 0;
  bool colour = false;
};

// Nodes, edges, and a line of counts.
void print_graph(const Page&, const Json& graph);
// One node of the graph: its properties in each layer, what uses it, what it uses.
void print_graph_node(const Page&, const Json& graph, const Json& node);
// Properties that layers disagree about, and which value stands.
void print_conflicts(const Page&, const Json& graph);

// The node of this id or name (in any case, if no other differs by it); `type`
// empty: any. The error lists what else there is.
base::Result<Json> find_node(const Json& graph, const std::string& id_or_name, const std::string& type);

// The graph without endpoints and their edges.
Json without_endpoints(Json graph);

}  // namespace testmesh::cli
