// When two names of nodes mean one thing (merge.h).
#pragma once

#include <array>
#include <cstdint>
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

using Uuid = std::array<uint8_t, 16>;
std::string to_string(const Uuid&);  // lower case

// `system`: empty unless it is needed to tell two apart.
Uuid node_uuid(const NodeKey&, std::string_view system);
Uuid edge_uuid(const Uuid& source, const Uuid& target, EdgeType);

}  // namespace testmesh::graph
