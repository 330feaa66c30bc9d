// Routes of HTTP endpoints: "/users/{id}/orders". Private to the module.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace testmesh::simulate {

// A segment is a name, or a parameter as a whole: {id}, :id, <id>, <int:id>, [id].
struct Segment {
  std::string text;       // as written
  std::string parameter;  // its name; empty: a name
};
std::vector<Segment> segments_of(std::string_view route);

// What is wrong with it, or "".
std::string problem_of_route(std::string_view route);
// Written as a path node: "/users/:id/orders".
std::string node_route(std::string_view route);
// A segment of a path that discovery takes for an id.
bool looks_like_id(std::string_view segment);

}  // namespace testmesh::simulate
