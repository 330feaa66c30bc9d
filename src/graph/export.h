// A merged graph as text that other tools draw. Whatever the names are made of,
// they stay text. Equal graphs give equal bytes.
//
// Boxes are services, rounded boxes endpoints, cylinders databases, hexagons
// topics, dashed boxes externals; what was never seen is grey and dashed.
// An edge says its type, how often it was seen and the share of errors.
#pragma once

#include <string>

#include "graph/merge.h"

namespace testmesh::graph {

struct ExportOptions {
  // False: endpoints are left out, and edges that touch one go to its service.
  bool endpoints = true;
};

std::string to_dot(const MergedGraph&, const ExportOptions& = {});
std::string to_mermaid(const MergedGraph&, const ExportOptions& = {});

}  // namespace testmesh::graph
