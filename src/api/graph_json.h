// The System Graph as REST answers show it (api.md "Graph").
#pragma once

#include "api/json_writer.h"
#include "graph/merge.h"

namespace testmesh::api {

void write_graph_node(JsonWriter&, const graph::MergedNode&);
// `nodes` are the graph's: an edge names its ends by position.
void write_graph_edge(JsonWriter&, const graph::MergedEdge&, const std::vector<graph::MergedNode>& nodes);
void write_graph(JsonWriter&, const graph::MergedGraph&);

}  // namespace testmesh::api
