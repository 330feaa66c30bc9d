// Every path the REST API answers, in one table: requests are dispatched by it
// and the OpenAPI document is written from it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/call.h"

namespace testmesh::api {

struct Parameter {
  std::string_view name;
  std::string_view schema;  // JSON Schema, as text
  std::string_view description;
  bool required = false;
};

struct Route {
  std::string_view method;
  std::string_view path;  // "/api/v1/workspaces/{workspace_id}"
  Answer (*handler)(Context&, const Call&);
  std::string_view operation_id;
  std::string_view summary;
  int success = 200;
  std::string_view response = {};  // name of a schema; empty: no body
  std::string_view body = {};      // name of a schema; empty: no body is read
  std::vector<Parameter> query = {};
  std::vector<int> errors = {};                        // further than what its parts imply
  std::string_view content_type = "application/json";  // of the response
  bool at_once = false;                                // answered without waiting for a worker: never blocks
  std::vector<std::string_view> text_types = {};       // the response is also to be had as these
  std::string_view not_yet = {};                       // name of a schema; also 202 with it
};

// Of the graph as text.
inline constexpr std::string_view kDotType = "text/vnd.graphviz; charset=utf-8";
inline constexpr std::string_view kMermaidType = "text/plain; charset=utf-8";

std::span<const Route> routes();

// The OpenAPI 3.1 document of the table.
std::string openapi_document(std::string_view version);

// Where a path leads: the routes of that path, one a method, and the values of
// its {names}.
struct Match {
  std::vector<const Route*> routes;  // empty: no such path
  std::vector<std::string> path_values;
};
Match match(std::string_view path);

// Handlers, by resource.
Answer list_workspaces(Context&, const Call&);
Answer create_workspace(Context&, const Call&);
Answer show_workspace(Context&, const Call&);
Answer rename_workspace(Context&, const Call&);
Answer remove_workspace(Context&, const Call&);
Answer list_keys(Context&, const Call&);
Answer create_key(Context&, const Call&);
Answer remove_key(Context&, const Call&);
Answer show_settings(Context&, const Call&);
Answer change_settings(Context&, const Call&);
Answer list_flows(Context&, const Call&);
Answer show_flow(Context&, const Call&);
Answer list_flow_variants(Context&, const Call&);
Answer list_flow_traces(Context&, const Call&);
Answer show_flow_histogram(Context&, const Call&);
Answer export_flow(Context&, const Call&);
Answer list_coverage(Context&, const Call&);
Answer show_graph(Context&, const Call&);
Answer show_graph_node(Context&, const Call&);
Answer put_graph_layer(Context&, const Call&);
Answer import_into_graph(Context&, const Call&);
Answer start_execution(Context&, const Call&);
Answer list_executions(Context&, const Call&);
Answer show_execution(Context&, const Call&);
Answer list_steps(Context&, const Call&);
Answer cancel_execution(Context&, const Call&);
Answer show_trace_validation(Context&, const Call&);
Answer validate_trace(Context&, const Call&);
Answer stream_events(Context&, const Call&);
Answer show_flow_schema(Context&, const Call&);
Answer search_traces(Context&, const Call&);
Answer show_trace(Context&, const Call&);
Answer diff_trace(Context&, const Call&);
Answer search_spans(Context&, const Call&);
Answer show_openapi(Context&, const Call&);
Answer show_health(Context&, const Call&);
Answer show_readiness(Context&, const Call&);
Answer show_metrics(Context&, const Call&);

}  // namespace testmesh::api
