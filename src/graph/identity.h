// When two names of nodes mean one thing (merge.h). Private to graph.
#pragma once

#include <string>
#include <string_view>

#include "graph/system_graph.h"

namespace testmesh::graph {

// `Order_Service` -> `orderservice`: without case (ASCII) and `-_.`. A name of
// nothing else stays as it is.
std::string folded_service(std::string_view name);

// `get /users/{userId}/` -> `GET /users/:userId`. What has no route (RPC) stays.
std::string templated_endpoint(std::string_view name);
// The same without the parameters' names: `GET /users/:`.
std::string anonymous_endpoint(std::string_view name);

// UUIDs, lower case. `system`: empty unless it is needed to tell two apart.
std::string node_id(const NodeKey&, std::string_view system);
std::string edge_id(std::string_view source_id, std::string_view target_id, EdgeType);

}  // namespace testmesh::graph
