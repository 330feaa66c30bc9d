#include "api/graph_json.h"

namespace testmesh::api {
namespace {

void write_properties(JsonWriter& json, const graph::Properties& properties) {
  json.begin_object();
  for (const auto& [name, value] : properties) json.key(name).raw(value);
  json.end_object();
}

// Null what was never seen.
void write_time(JsonWriter& json, std::string_view name, base::UnixNanos time, bool seen) {
  json.key(name);
  seen ? json.string(base::to_rfc3339(time)) : json.null();
}

// What nodes and edges have in common, inside an object that the caller opened.
void write_merged(JsonWriter& json, const graph::Merged& merged) {
  json.key("properties");
  write_properties(json, merged.properties);
  json.field("layer", to_string(merged.layer)).key("layers").begin_object();
  for (size_t i = graph::kLayerCount; i-- > 0;) {
    if (!merged.layers[i]) continue;
    json.key(to_string(static_cast<graph::LayerName>(i)));
    write_properties(json, *merged.layers[i]);
  }
  json.end_object().field("declared", merged.declared).field("seen", merged.seen);
  const graph::Traffic& traffic = merged.traffic;
  const bool counted = traffic.call_count > 0;
  json.field("call_count", traffic.call_count).field("error_count", traffic.error_count);
  json.field(
      "error_rate",
      counted ? static_cast<double>(traffic.error_count) / static_cast<double>(traffic.call_count) : 0.0);
  json.field("avg_duration_ms", traffic.avg_duration_ms).field("p95_duration_ms", traffic.p95_duration_ms);
  write_time(json, "first_seen_at", traffic.first_seen, merged.seen);
  write_time(json, "last_seen_at", traffic.last_seen, merged.seen);
}

}  // namespace

void write_graph_node(JsonWriter& json, const graph::MergedNode& node) {
  json.begin_object().field("id", node.id).field("type", to_string(node.key.type));
  json.field("name", node.key.name).key("service");
  // Databases, topics and peers belong to nobody.
  node.key.service.empty() ? json.null() : json.string(node.key.service);
  write_merged(json, node);
  json.end_object();
}

void write_graph_edge(JsonWriter& json, const graph::MergedEdge& edge,
                      const std::vector<graph::MergedNode>& nodes) {
  json.begin_object().field("id", edge.id);
  json.field("source", nodes[edge.source].id).field("target", nodes[edge.target].id);
  json.field("type", to_string(edge.type));
  write_merged(json, edge);
  json.end_object();
}

void write_graph(JsonWriter& json, const graph::MergedGraph& graph) {
  json.begin_object().key("nodes").begin_array();
  for (const graph::MergedNode& node : graph.nodes) write_graph_node(json, node);
  json.end_array().key("edges").begin_array();
  for (const graph::MergedEdge& edge : graph.edges) write_graph_edge(json, edge, graph.nodes);
  json.end_array().key("conflicts").begin_array();
  for (const graph::Conflict& conflict : graph.conflicts) {
    json.begin_object().field("id", conflict.id).field("property", conflict.property);
    json.key("values").begin_array();
    for (const auto& [layer, value] : conflict.values) {
      json.begin_object().field("layer", to_string(layer)).key("value").raw(value);
      json.end_object();
    }
    json.end_array().end_object();
  }
  json.end_array().field("not_counted", graph.not_counted).end_object();
}

}  // namespace testmesh::api
