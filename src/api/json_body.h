// Request bodies. Included by the handlers that read one, as the JSON library
// is heavy.
#pragma once

#include <nlohmann/json.hpp>

#include "api/call.h"

namespace testmesh::api {

inline constexpr size_t kMaxObjectBytes = 1 << 20;
inline constexpr size_t kMaxDocumentBytes = 64 << 20;  // as much as the transport takes

// The body, not yet read. 413 larger than `max_bytes`, 415 not sent as JSON.
std::expected<std::string_view, Failure> json_text_of(const Call&, size_t max_bytes);

// The body as a JSON object; 400 what is none.
std::expected<nlohmann::json, Failure> json_object_of(const Call&, size_t max_bytes = kMaxObjectBytes);

}  // namespace testmesh::api
