// The words of flow discovery: node, family, fingerprint.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace testmesh::model {

enum class NodeType : uint8_t { kService, kApiEndpoint, kDatabase, kTopic };

inline std::string_view to_string(NodeType type) {
  switch (type) {
    case NodeType::kService:
      return "service";
    case NodeType::kApiEndpoint:
      return "api_endpoint";
    case NodeType::kDatabase:
      return "database";
    case NodeType::kTopic:
      return "topic";
  }
  return "";
}

struct PathNode {
  NodeType type = NodeType::kService;
  std::string identifier;
  std::string service;
  friend auto operator<=>(const PathNode&, const PathNode&) = default;
};

// All traces with the same environment, entry service and entry operation.
struct Family {
  std::string environment;  // empty: none
  std::string entry_service;
  std::string entry_operation;
  friend auto operator<=>(const Family&, const Family&) = default;
};

using Fingerprint = std::array<uint8_t, 32>;  // SHA-256 of the path string

}  // namespace testmesh::model
