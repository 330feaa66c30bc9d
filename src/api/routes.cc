#include "api/routes.h"

namespace testmesh::api {
namespace {

constexpr std::string_view kText = R"({"type":"string"})";
constexpr std::string_view kBoolean = R"({"type":"boolean"})";
constexpr std::string_view kTime = R"({"type":"string","format":"date-time"})";
constexpr std::string_view kMilliseconds = R"({"type":"number","minimum":0})";
constexpr std::string_view kShare = R"({"type":"number","minimum":0,"maximum":1})";
constexpr std::string_view kStatus = R"({"type":"string","enum":["unset","ok","error"]})";

const Parameter kLimit{"limit", R"({"type":"integer","minimum":1,"maximum":1000,"default":50})",
                       "Items in one answer."};
const Parameter kCursor{"cursor", kText, "The `next_cursor` of the answer before."};
const Parameter kQuery{
    "q", kText,
    "An expression over a span. Understood so far: the equality of one attribute, "
    "`attributes['http.route'] == '/orders'` or `resource['service.version'] == \"1.2\"`, with a "
    "string, a number, true or false."};
const Parameter kService{"service", kText, "Some span is of this service."};
const Parameter kOperation{"operation", kText, "Some span has this name, or this templated operation."};
const Parameter kSince{"since", kTime, "Started at this time or later."};
const Parameter kUntil{"until", kTime, "Started before this time."};

std::vector<Parameter> trace_parameters() {
  return {kService,
          kOperation,
          {"status", kStatus, "`error`: some span failed; `ok` or `unset`: none did."},
          {"min_duration_ms", kMilliseconds, "Of the span the trace starts with."},
          {"max_duration_ms", kMilliseconds, "Of the span the trace starts with."},
          {"test", kBoolean, "Whether a test made the trace."},
          kSince,
          kUntil,
          kQuery,
          kLimit,
          kCursor};
}

std::vector<Parameter> with(std::vector<Parameter> parameters, const Parameter& another) {
  parameters.push_back(another);
  return parameters;
}

std::vector<Route> make_routes() {
  return {
      {"GET",
       "/api/v1/workspaces",
       list_workspaces,
       "listWorkspaces",
       "All workspaces, oldest first",
       200,
       "WorkspaceList",
       {},
       {kLimit, kCursor}},
      {"POST",
       "/api/v1/workspaces",
       create_workspace,
       "createWorkspace",
       "Creates a workspace",
       201,
       "Workspace",
       "NewWorkspace",
       {},
       {409}},
      {"GET", "/api/v1/workspaces/{workspace_id}", show_workspace, "getWorkspace", "One workspace", 200,
       "Workspace"},
      {"PATCH", "/api/v1/workspaces/{workspace_id}", rename_workspace, "renameWorkspace",
       "Renames a workspace", 200, "Workspace", "WorkspaceName"},
      {"DELETE",
       "/api/v1/workspaces/{workspace_id}",
       remove_workspace,
       "removeWorkspace",
       "Removes a workspace with its telemetry, settings and keys; the default workspace stays (403)",
       204,
       {},
       {},
       {},
       {403}},
      {"GET",
       "/api/v1/workspaces/{workspace_id}/keys",
       list_keys,
       "listKeys",
       "API keys, without their secrets",
       200,
       "KeyList",
       {},
       {kLimit, kCursor}},
      {"POST",
       "/api/v1/workspaces/{workspace_id}/keys",
       create_key,
       "createKey",
       "Creates an API key; this answer alone shows the secret",
       201,
       "NewKey",
       "KeyName",
       {},
       {422}},
      {"DELETE", "/api/v1/workspaces/{workspace_id}/keys/{key_id}", remove_key, "removeKey",
       "Removes an API key", 204},
      {"GET",
       "/api/v1/workspaces/{workspace_id}/telemetry/flows",
       list_flows,
       "listFlows",
       "Discovered flows",
       200,
       "FlowList",
       {},
       {{"sort",
         R"({"type":"string","enum":["risk_score","occurrence_count","error_rate","last_seen_at","avg_duration_ms","p95_duration_ms"],"default":"risk_score"})",
         "Ties sort by occurrence_count (descending), name, environment, fingerprint."},
        {"order", R"({"type":"string","enum":["asc","desc"],"default":"desc"})", "Direction of `sort`."},
        {"drifted", kBoolean, "Whether the flow departs from its baseline."},
        {"covered", kBoolean, "Whether a test exercises the flow."},
        {"service", kText, "Some node of the path is of this service."},
        {"entry_service", kText, "The service the flow starts in."},
        {"environment", kText, "Of this environment; empty: of none."},
        {"min_occurrences", R"({"type":"integer","minimum":0})", "At least so many traces."},
        {"min_risk", kShare, "At least this risk score."},
        {"q", kText, "A part of the name, in any case."},
        kLimit,
        kCursor}},
      {"GET",
       "/api/v1/workspaces/{workspace_id}/telemetry/coverage",
       list_coverage,
       "listCoverage",
       "Flows against tests: those that no test exercises first, by risk",
       200,
       "CoverageList",
       {},
       {{"covered", kBoolean, "Whether a test exercises the flow."},
        {"service", kText, "Some node of the path is of this service."},
        {"entry_service", kText, "The service the flow starts in."},
        {"environment", kText, "Of this environment; empty: of none."},
        {"min_occurrences", R"({"type":"integer","minimum":0})", "At least so many traces."},
        {"min_risk", kShare, "At least this risk score."},
        {"q", kText, "A part of the name, in any case."},
        kLimit,
        kCursor}},
      {"GET", "/api/v1/workspaces/{workspace_id}/telemetry/flows/{flow_id}", show_flow, "getFlow",
       "One flow with its nodes; the id of a merged flow answers with the surviving one", 200, "FlowDetail"},
      {"GET",
       "/api/v1/workspaces/{workspace_id}/telemetry/flows/{flow_id}/variants",
       list_flow_variants,
       "listFlowVariants",
       "The flow's family, itself included, most frequent first",
       200,
       "FlowVariants",
       {},
       {kLimit, kCursor}},
      {"GET",
       "/api/v1/workspaces/{workspace_id}/telemetry/flows/{flow_id}/traces",
       list_flow_traces,
       "listFlowTraces",
       "Traces of the flow, newest first",
       200,
       "TraceList",
       {},
       trace_parameters()},
      {"GET", "/api/v1/workspaces/{workspace_id}/telemetry/flows/{flow_id}/histogram", show_flow_histogram,
       "getFlowHistogram", "Occurrences, errors and durations by minute (24 h) and hour", 200,
       "FlowHistogram"},
      {"GET",
       "/api/v1/workspaces/{workspace_id}/telemetry/traces",
       search_traces,
       "searchTraces",
       "Searches traces, newest first",
       200,
       "TraceList",
       {},
       with(trace_parameters(),
            {"flow_id", R"({"type":"string","format":"uuid"})", "Traces that count in this flow."})},
      {"GET",
       "/api/v1/workspaces/{workspace_id}/telemetry/traces/{trace_id}",
       show_trace,
       "getTrace",
       "One trace: spans (parents before children), tree, path, flow, critical path; or OTLP/JSON, nothing "
       "lost",
       200,
       "Trace",
       {},
       {{"format", R"({"type":"string","enum":["json","otlp"],"default":"json"})",
         "`otlp`: the stored trace as OTLP/JSON."}}},
      {"GET",
       "/api/v1/workspaces/{workspace_id}/telemetry/traces/{trace_id}/diff",
       diff_trace,
       "diffTrace",
       "What differs between the trace and another, or a flow: calls, path and where the time went",
       200,
       "Diff",
       {},
       {{"with",
         R"({"type":"string","pattern":"^([0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$"})",
         "The id of the other trace, then the right one; or of a flow.", true}}},
      {"GET",
       "/api/v1/workspaces/{workspace_id}/telemetry/spans",
       search_spans,
       "searchSpans",
       "Searches spans, newest first",
       200,
       "SpanList",
       {},
       {{"trace_id", R"({"type":"string","pattern":"^[0-9a-fA-F]{32}$"})", "Spans of this trace."},
        {"service", kText, "Spans of this service."},
        {"operation", kText, "Spans of this name or templated operation."},
        {"status", kStatus, "The span's own status."},
        kSince,
        kUntil,
        kQuery,
        kLimit,
        kCursor}},
      {"GET",
       "/api/v1/workspaces/{workspace_id}/graph",
       show_graph,
       "getGraph",
       "The System Graph: what traffic shows and what documents declare, merged",
       200,
       "Graph",
       {},
       {{"layer", R"({"type":"string","enum":["history","flow","infra","spec","code","runtime"]})",
         "What this layer knows."},
        {"service", kText, "The nodes of this service and those one edge away."},
        {"since", kTime, "What was seen at this time or later."},
        {"declared", kBoolean,
         "Whether a document declares it; with `seen=false`: declared, never seen. Ends of edges that fit "
         "stay."},
        {"seen", kBoolean, "Whether traffic shows it; with `declared=false`: seen, never declared."},
        {"format", R"({"type":"string","enum":["json","dot","mermaid"],"default":"json"})",
         "`dot` or `mermaid`: a text that these tools draw."},
        {"endpoints", kBoolean,
         "Of `dot` and `mermaid`. `false`: endpoints are left out, their edges go to the service."}},
       {},
       "application/json",
       false,
       {kDotType, kMermaidType}},
      {"GET", "/api/v1/workspaces/{workspace_id}/graph/nodes/{node_id}", show_graph_node, "getGraphNode",
       "One node and its edges", 200, "GraphNodeDetail"},
      {"PUT",
       "/api/v1/workspaces/{workspace_id}/graph/layers/{layer}",
       put_graph_layer,
       "putGraphLayer",
       "Replaces what a layer declares, imports into it included; after a refusal the old one stays",
       200,
       "LayerOutcome",
       "LayerContent",
       {},
       {422}},
      {"POST",
       "/api/v1/workspaces/{workspace_id}/graph/import",
       import_into_graph,
       "importIntoGraph",
       "Replaces what a document of this kind declared for this service; references are never fetched",
       200,
       "LayerOutcome",
       "GraphImport",
       {},
       {422}},
      {"GET", "/api/v1/workspaces/{workspace_id}/settings/telemetry", show_settings, "getTelemetrySettings",
       "The settings of the workspace", 200, "TelemetrySettings"},
      {"PUT",
       "/api/v1/workspaces/{workspace_id}/settings/telemetry",
       change_settings,
       "putTelemetrySettings",
       "Changes the given settings only; 422 lists everything that is not acceptable in `details.fields`",
       200,
       "TelemetrySettings",
       "TelemetrySettingsChange",
       {},
       {422}},
      {"GET",
       "/api/v1/openapi.json",
       show_openapi,
       "getOpenApi",
       "This document",
       200,
       "OpenApi",
       {},
       {},
       {},
       "application/json",
       true},
      {"GET",
       "/healthz",
       show_health,
       "getHealth",
       "Whether the process answers",
       200,
       "Health",
       {},
       {},
       {},
       "application/json",
       true},
      {"GET", "/readyz", show_readiness, "getReadiness", "Whether spans can be stored right now", 200,
       "Health"},
      {"GET",
       "/metrics",
       show_metrics,
       "getMetrics",
       "Metrics in Prometheus' text format",
       200,
       "Metrics",
       {},
       {},
       {},
       "text/plain; version=0.0.4; charset=utf-8",
       true},
  };
}

std::vector<std::string_view> segments_of(std::string_view path) {
  std::vector<std::string_view> segments;
  if (path.starts_with('/')) path.remove_prefix(1);
  if (path.ends_with('/')) path.remove_suffix(1);
  for (size_t begin = 0;;) {
    const size_t slash = path.find('/', begin);
    segments.push_back(path.substr(begin, slash - begin));
    if (slash == std::string_view::npos) return segments;
    begin = slash + 1;
  }
}

bool fits(const std::vector<std::string_view>& pattern, const std::vector<std::string_view>& path) {
  if (pattern.size() != path.size()) return false;
  for (size_t i = 0; i < path.size(); ++i)
    if (pattern[i].starts_with('{') ? path[i].empty() : pattern[i] != path[i]) return false;
  return true;
}

}  // namespace

std::span<const Route> routes() {
  static const std::vector<Route> table = make_routes();
  return table;
}

Match match(std::string_view path) {
  Match found;
  const auto segments = segments_of(path);
  for (const Route& route : routes()) {
    const auto pattern = segments_of(route.path);
    if (!fits(pattern, segments)) continue;
    if (found.routes.empty())
      for (size_t i = 0; i < pattern.size(); ++i)
        if (pattern[i].starts_with('{')) found.path_values.emplace_back(segments[i]);
    found.routes.push_back(&route);
  }
  return found;
}

}  // namespace testmesh::api
