// A merged graph as text that other tools draw.
#pragma once

#include <string>

#include "graph/merge.h"

namespace testmesh::graph {

std::string to_dot(const MergedGraph&);
std::string to_mermaid(const MergedGraph&);

}  // namespace testmesh::graph
