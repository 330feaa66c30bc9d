// Base64 (RFC 4648), as OTLP/JSON writes byte values.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace testmesh::otlp {

std::string to_base64(std::string_view bytes);  // standard alphabet, padded

// Both alphabets, padded or not; nothing when it is neither.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace testmesh::otlp
