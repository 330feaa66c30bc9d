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

// `service` empty: as the document says (OpenAPI `info.title`, the compose file's
// `name`, the flow's `name`). kInvalidArgument: a sentence that says what does not
// read and where. JSON or YAML, at most 8 MiB.
//
// OpenAPI 3 and Swagger 2: an endpoint and `exposes` for each operation, its route
// behind the path of the first server's URL, parameters written `:id`; schemas
// are not looked at. Compose: services, `depends_on` also from `links`. Flow:
// the nodes of `trace.expected_path`, `exposes` where they name a service.
base::Result<Import> import_document(ImportKind, std::string_view service, std::string_view text);

// The body of PUT …/layers/{layer}: `{nodes, edges}`, at most 64 MiB of JSON. Every
// problem at once in the error (kInvalidArgument), at most twenty of them;
// what is left out or added without harm is said in `warnings`, if given.
//
// An end of an edge that is no node of the layer becomes one. An end without
// `service` means the only node of its type and name; an endpoint that names no
// service belongs to the one that alone `exposes` it.
base::Result<LayerContent> parse_layer(std::string_view json, std::vector<std::string>* warnings = nullptr);

}  // namespace testmesh::graph
