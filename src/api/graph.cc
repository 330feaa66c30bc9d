// The System Graph: what is read of it, and the layers that documents declare.
#include <fmt/format.h>

#include <algorithm>

#include "api/graph_json.h"
#include "api/json_body.h"
#include "api/routes.h"
#include "graph/export.h"
#include "graph/import.h"
#include "graph/merge.h"

namespace testmesh::api {
namespace {

constexpr size_t kLayerPathValue = 1;
constexpr size_t kNodePathValue = 1;

base::Result<graph::MergedGraph> merged_graph(Context& context, const model::WorkspaceId& workspace) {
  TRY_ASSIGN(const graph::RuntimeGraph runtime, context.store.graph(workspace));
  TRY_ASSIGN(const auto layers, context.graph_layers.layers(workspace));
  return graph::merge(runtime, *layers);
}

constexpr std::string_view kLayerNames = "history, flow, infra, spec, code or runtime";

std::expected<graph::GraphFilter, Failure> graph_filter_of(const Call& call) {
  graph::GraphFilter filter;
  if (const std::string* layer = call.query("layer")) {
    filter.layer = graph::layer_of(*layer);
    if (!filter.layer)
      return std::unexpected(bad_parameter("layer", fmt::format("`layer` must be {}", kLayerNames)));
  }
  filter.service = text_of(call, "service");
  TRY_ASSIGN(filter.since, time_of(call, "since"));
  TRY_ASSIGN(filter.declared, bool_of(call, "declared"));
  TRY_ASSIGN(filter.seen, bool_of(call, "seen"));
  return filter;
}

enum class Format { kJson, kDot, kMermaid };
std::expected<Format, Failure> format_of(const Call& call) {
  const std::string* format = call.query("format");
  if (!format || *format == "json") return Format::kJson;
  if (*format == "dot") return Format::kDot;
  if (*format == "mermaid") return Format::kMermaid;
  return std::unexpected(bad_parameter("format", "`format` must be json, dot or mermaid"));
}

Failure unprocessable(std::string sentence) { return {422, "unprocessable", std::move(sentence)}; }

// A document that does not read or holds too much was sent as it should be: the
// request is fine, what it says is not.
Failure of_document(base::Error error) {
  if (error.code == base::ErrorCode::kInvalidArgument || error.code == base::ErrorCode::kTooLarge)
    return unprocessable(std::move(error.message));
  return error;
}

std::expected<graph::LayerName, Failure> writable_layer_of(const std::string& text) {
  const auto layer = graph::layer_of(text);
  if (!layer)
    return std::unexpected(
        Failure(400, "invalid_argument", fmt::format("A layer is one of {}", kLayerNames)));
  if (*layer == graph::LayerName::kRuntime)
    return std::unexpected(unprocessable("The layer `runtime` is what traffic shows; it cannot be written"));
  return *layer;
}

Reply layer_reply(graph::LayerName layer, const graph::LayerContent& content,
                  const std::vector<std::string>& warnings) {
  Reply reply;
  JsonWriter json(reply.body);
  json.begin_object().field("layer", to_string(layer));
  json.field("nodes", content.nodes.size()).field("edges", content.edges.size());
  json.key("warnings").begin_array();
  for (const std::string& warning : warnings) json.string(warning);
  json.end_array().end_object();
  return reply;
}

struct ImportRequest {
  graph::ImportKind kind = graph::ImportKind::kOpenApi;
  std::string service, content;
};

std::expected<ImportRequest, Failure> import_request_of(const Call& call) {
  TRY_ASSIGN(const std::string_view body, json_text_of(call, kMaxDocumentBytes));
  // Lists and objects below the top mean nothing here and are not kept.
  const auto texts_only = [](int depth, nlohmann::json::parse_event_t event, nlohmann::json&) {
    return depth == 0 || (event != nlohmann::json::parse_event_t::object_start &&
                          event != nlohmann::json::parse_event_t::array_start);
  };
  const auto request = nlohmann::json::parse(body, texts_only, false);
  if (!request.is_object())
    return std::unexpected(unprocessable("The body must be a JSON object with `kind` and `content`"));
  const auto text = [&](const char* name) -> const std::string* {
    const auto found = request.find(name);
    return found == request.end() ? nullptr : found->get_ptr<const std::string*>();
  };
  const std::string* kind = text("kind");
  const auto known = kind ? graph::import_kind_of(*kind) : std::nullopt;
  if (!known) return std::unexpected(unprocessable("`kind` must be openapi, compose or flow"));
  const std::string* content = text("content");
  if (!content) return std::unexpected(unprocessable("`content` must be the document, as a text"));
  ImportRequest wanted{.kind = *known, .service = {}, .content = *content};
  if (const auto service = request.find("service"); service != request.end() && !service->is_null()) {
    if (!service->is_string()) return std::unexpected(unprocessable("`service` must be a text"));
    wanted.service = service->get<std::string>();
  }
  return wanted;
}

}  // namespace

Answer show_graph(Context& context, const Call& call) {
  TRY_ASSIGN(const graph::GraphFilter filter, graph_filter_of(call));
  TRY_ASSIGN(const Format format, format_of(call));
  TRY_ASSIGN(const std::optional<bool> endpoints, bool_of(call, "endpoints"));
  if (endpoints && format == Format::kJson)
    return std::unexpected(bad_parameter("endpoints", "`endpoints` goes with `format` dot or mermaid"));
  const graph::ExportOptions drawn{.endpoints = endpoints.value_or(true)};
  TRY_ASSIGN(graph::MergedGraph shown, merged_graph(context, call.workspace->id));
  if (filter != graph::GraphFilter{}) shown = graph::filtered(shown, filter);
  Reply reply;
  if (format == Format::kDot) {
    reply.content_type = kDotType;
    reply.body = graph::to_dot(shown, drawn);
  } else if (format == Format::kMermaid) {
    reply.content_type = kMermaidType;
    reply.body = graph::to_mermaid(shown, drawn);
  } else {
    write_graph(reply.body, shown);
  }
  return reply;
}

Answer show_graph_node(Context& context, const Call& call) {
  TRY_ASSIGN(const model::Uuid<void> id,
             parse_id<model::Uuid<void>>(call.path_values[kNodePathValue], "The id of a node is a UUID"));
  TRY_ASSIGN(const graph::MergedGraph all, merged_graph(context, call.workspace->id));
  const auto node = std::ranges::find(all.nodes, id.to_string(), &graph::MergedNode::id);
  if (node == all.nodes.end())
    return std::unexpected(not_found("There is no such node in the graph of this workspace"));
  const auto position = static_cast<uint32_t>(node - all.nodes.begin());
  Reply reply;
  JsonWriter json(reply.body);
  json.begin_object().key("node");
  write_graph_node(json, *node);
  json.key("edges").begin_array();
  for (const graph::MergedEdge& edge : all.edges)
    if (edge.source == position || edge.target == position) write_graph_edge(json, edge, all.nodes);
  json.end_array().end_object();
  return reply;
}

Answer put_graph_layer(Context& context, const Call& call) {
  TRY_ASSIGN(const graph::LayerName layer, writable_layer_of(call.path_values[kLayerPathValue]));
  TRY_ASSIGN(const std::string_view body, json_text_of(call, kMaxDocumentBytes));
  std::vector<std::string> warnings;
  auto content = graph::parse_layer(body, &warnings);
  if (!content) return std::unexpected(of_document(std::move(content).error()));
  graph::normalise(*content);  // counted as it will be shown
  if (auto done = context.graph_layers.replace(call.workspace->id, layer, *content); !done)
    return std::unexpected(of_document(std::move(done).error()));
  return layer_reply(layer, *content, warnings);
}

Answer import_into_graph(Context& context, const Call& call) {
  TRY_ASSIGN(const ImportRequest wanted, import_request_of(call));
  auto imported = graph::import_document(wanted.kind, wanted.service, wanted.content);
  if (!imported) return std::unexpected(of_document(std::move(imported).error()));
  graph::normalise(imported->content);
  auto contradictions = context.graph_layers.replace_import(call.workspace->id, wanted.kind, *imported);
  if (!contradictions) return std::unexpected(of_document(std::move(contradictions).error()));
  std::ranges::move(*contradictions, std::back_inserter(imported->warnings));
  return layer_reply(graph::layer_of(wanted.kind), imported->content, imported->warnings);
}

}  // namespace testmesh::api
