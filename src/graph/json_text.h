// Values of properties as JSON text. Private to graph.
#pragma once

#include <string>
#include <string_view>

namespace testmesh::graph {

void append_json_string(std::string& out, std::string_view text);
std::string json_string(std::string_view text);

}  // namespace testmesh::graph
