#include "store/layer_documents.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

namespace testmesh::store {
namespace {

using base::ErrorCode;
using graph::LayerEdge;
using graph::LayerNode;
using nlohmann::json;

// {"schema":1, "nodes":[[type, name, service, {property: JSON text}]…],
//  "edges":[[source, target, type, {…}]…]}: edges name nodes by position.
constexpr int kSchema = 1;

std::optional<graph::Properties> properties_of(const json& object) {
  if (!object.is_object()) return std::nullopt;
  graph::Properties properties;
  for (const auto& [name, value] : object.items()) {
    if (!value.is_string()) return std::nullopt;
    properties.emplace(name, value.get_ref<const std::string&>());
  }
  return properties;
}

std::optional<LayerNode> node_of(const json& row) {
  if (!row.is_array() || row.size() != 4 || !row[0].is_string() || !row[1].is_string() || !row[2].is_string())
    return std::nullopt;
  const auto type = graph::node_type_of(row[0].get_ref<const std::string&>());
  auto properties = properties_of(row[3]);
  if (!type || !properties) return std::nullopt;
  return LayerNode{{*type, row[1].get<std::string>(), row[2].get<std::string>()}, *std::move(properties)};
}

std::optional<LayerEdge> edge_of(const json& row, const std::vector<LayerNode>& nodes) {
  if (!row.is_array() || row.size() != 4 || !row[0].is_number_unsigned() || !row[1].is_number_unsigned() ||
      !row[2].is_string())
    return std::nullopt;
  const auto source = row[0].get<uint64_t>(), target = row[1].get<uint64_t>();
  const auto type = graph::edge_type_of(row[2].get_ref<const std::string&>());
  auto properties = properties_of(row[3]);
  if (!type || !properties || source >= nodes.size() || target >= nodes.size()) return std::nullopt;
  return LayerEdge{nodes[source].key, nodes[target].key, *type, *std::move(properties)};
}

}  // namespace

std::string encode_layer_part(const graph::LayerContent& content) {
  const auto place_of = [&](const graph::NodeKey& key) {
    const auto at = std::ranges::lower_bound(content.nodes, key, {}, &LayerNode::key);
    return at - content.nodes.begin();
  };
  json nodes = json::array(), edges = json::array();
  for (const LayerNode& node : content.nodes)
    nodes.push_back(
        json::array({to_string(node.key.type), node.key.name, node.key.service, json(node.properties)}));
  for (const LayerEdge& edge : content.edges)
    edges.push_back(json::array(
        {place_of(edge.source), place_of(edge.target), to_string(edge.type), json(edge.properties)}));
  return json{{"schema", kSchema}, {"nodes", std::move(nodes)}, {"edges", std::move(edges)}}.dump(
      -1, ' ', false, json::error_handler_t::replace);
}

base::Result<graph::LayerContent> decode_layer_part(std::string_view key, std::string_view value) {
  const auto damaged = [&] {
    return base::fail(ErrorCode::kCorrupt, fmt::format("The stored document {} does not read back", key));
  };
  const json document = json::parse(value, nullptr, false);
  if (!document.is_object() || !document.contains("schema") || !document["schema"].is_number_integer())
    return damaged();
  if (const auto schema = document["schema"].get<int64_t>(); schema > kSchema)
    return base::fail(ErrorCode::kUnsupported,
                      fmt::format("The stored document {} has schema {}, written by a newer testmesh; this "
                                  "one reads up to {}",
                                  key, schema, kSchema));
  const auto nodes = document.find("nodes"), edges = document.find("edges");
  if (nodes == document.end() || edges == document.end() || !nodes->is_array() || !edges->is_array())
    return damaged();
  graph::LayerContent content;
  for (const json& row : *nodes) {
    auto node = node_of(row);
    if (!node) return damaged();
    content.nodes.push_back(*std::move(node));
  }
  for (const json& row : *edges) {
    auto edge = edge_of(row, content.nodes);
    if (!edge) return damaged();
    content.edges.push_back(*std::move(edge));
  }
  graph::normalise(content);
  return content;
}

}  // namespace testmesh::store
