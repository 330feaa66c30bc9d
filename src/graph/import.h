// Documents -> what they declare (api.md "Graph"). Nothing is fetched, whatever
// a document refers to. Bounded in time and memory for any input.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "graph/layers.h"

namespace testmesh::graph {

enum class ImportKind : uint8_t { kOpenApi, kCompose, kFlow };
std::optional<ImportKind> import_kind_of(std::string_view);
std::string_view to_string(ImportKind);
LayerName layer_of(ImportKind);  // openapi → spec, compose → infra, flow → flow

struct Import {
  std::string service;  // whose document it is; what a later import of it replaces
  LayerContent content;
  std::vector<std::string> warnings;  // sentences: what was left out and why
};

// `service` empty: as the document says (`info.title`). kInvalidArgument: a
// sentence that says what does not read and where.
base::Result<Import> import_document(ImportKind, std::string_view service, std::string_view text);

// The body of PUT …/layers/{layer}: `{nodes, edges}`; every problem at once in
// the error, at most twenty of them.
base::Result<LayerContent> parse_layer(std::string_view json);

}  // namespace testmesh::graph
