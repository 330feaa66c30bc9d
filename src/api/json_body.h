// Request bodies. Included by the handlers that read one, as the JSON library
// is heavy.
#pragma once

#include <nlohmann/json.hpp>

#include "api/call.h"

namespace testmesh::api {

// The body as a JSON object. 413 too large, 415 not sent as JSON, 400 not an
// object.
std::expected<nlohmann::json, Failure> json_object_of(const Call&);

}  // namespace testmesh::api
