#include "graph/import.h"

#include <array>

namespace testmesh::graph {
namespace {

constexpr std::array<std::string_view, 3> kKinds{"openapi", "compose", "flow"};

}  // namespace

std::optional<ImportKind> import_kind_of(std::string_view name) {
  for (size_t i = 0; i < kKinds.size(); ++i)
    if (kKinds[i] == name) return static_cast<ImportKind>(i);
  return std::nullopt;
}

std::string_view to_string(ImportKind kind) { return kKinds[static_cast<size_t>(kind)]; }

LayerName layer_of(ImportKind kind) {
  switch (kind) {
    case ImportKind::kOpenApi:
      return LayerName::kSpec;
    case ImportKind::kCompose:
      return LayerName::kInfra;
    default:
      return LayerName::kFlow;
  }
}

}  // namespace testmesh::graph
