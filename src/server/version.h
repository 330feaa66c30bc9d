#pragma once

namespace testmesh::server {

inline constexpr const char* kVersion = "0.1.0";

}  // namespace testmesh::server
