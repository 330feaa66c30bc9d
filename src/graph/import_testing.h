// How tests of imports read. For tests only.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "graph/import.h"

namespace testmesh::graph {

inline Import imported(ImportKind kind, std::string_view text, std::string_view service = {}) {
  auto import = import_document(kind, service, text);
  EXPECT_TRUE(import) << import.error().message;
  return import ? *std::move(import) : Import{};
}

// The sentence; a test that gets none fails.
inline std::string refusal(ImportKind kind, std::string_view text) {
  const auto import = import_document(kind, "", text);
  EXPECT_FALSE(import);
  if (import) return {};
  EXPECT_EQ(import.error().code, base::ErrorCode::kInvalidArgument);
  return import.error().message;
}

inline std::string in_words(const NodeKey& key) {
  std::string text(to_string(key.type));
  text.append(" ").append(key.name);
  if (!key.service.empty() && key.service != key.name) text.append(" of ").append(key.service);
  return text;
}

inline std::vector<std::string> nodes_of(const LayerContent& content) {
  std::vector<std::string> nodes;
  for (const LayerNode& node : content.nodes) nodes.push_back(in_words(node.key));
  return nodes;
}

inline std::vector<std::string> edges_of(const LayerContent& content) {
  std::vector<std::string> edges;
  for (const LayerEdge& edge : content.edges)
    edges.push_back(in_words(edge.source) + " " + std::string(to_string(edge.type)) + " " +
                    in_words(edge.target));
  return edges;
}

inline Properties properties_of(const LayerContent& content, std::string_view name) {
  for (const LayerNode& node : content.nodes)
    if (node.key.name == name) return node.properties;
  ADD_FAILURE() << "no node " << name;
  return {};
}

}  // namespace testmesh::graph
