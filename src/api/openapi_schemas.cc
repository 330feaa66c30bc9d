#include "api/openapi_schemas.h"

namespace testmesh::api {

const std::string_view kOpenApiSchemas = R"JSON({
"Error": {"type": "object", "required": ["error", "code", "details"], "properties": {
  "error": {"type": "string", "description": "A sentence."},
  "code": {"type": "string", "pattern": "^[a-z_]+$"},
  "details": {"type": "object"}}},

"Workspace": {"type": "object", "required": ["id", "name", "created_at"], "properties": {
  "id": {"type": "string", "format": "uuid"},
  "name": {"type": "string"},
  "created_at": {"type": "string", "format": "date-time"}}},
"NewWorkspace": {"type": "object", "required": ["name"], "properties": {
  "id": {"type": ["string", "null"], "format": "uuid", "description": "A random one when absent."},
  "name": {"type": "string", "minLength": 1, "maxLength": 200}}},
"WorkspaceName": {"type": "object", "required": ["name"], "properties": {
  "name": {"type": "string", "minLength": 1, "maxLength": 200}}},
"WorkspaceList": {"type": "object", "required": ["workspaces", "total"], "properties": {
  "workspaces": {"type": "array", "items": {"$ref": "#/components/schemas/Workspace"}},
  "total": {"type": "integer"}, "next_cursor": {"type": "string"}}},

"Key": {"type": "object", "required": ["id", "name", "workspace_id", "created_at"], "properties": {
  "id": {"type": "string", "format": "uuid"},
  "name": {"type": "string"},
  "workspace_id": {"type": "string", "format": "uuid"},
  "created_at": {"type": "string", "format": "date-time"}}},
"KeyName": {"type": "object", "properties": {
  "name": {"type": "string", "minLength": 1, "maxLength": 200, "default": "key"}}},
"NewKey": {"type": "object", "required": ["id", "name", "workspace_id", "created_at", "secret"], "properties": {
  "id": {"type": "string", "format": "uuid"},
  "name": {"type": "string"},
  "workspace_id": {"type": "string", "format": "uuid"},
  "created_at": {"type": "string", "format": "date-time"},
  "secret": {"type": "string", "pattern": "^tm_[A-Za-z0-9_-]{43}$"}}},
"KeyList": {"type": "object", "required": ["keys", "total"], "properties": {
  "keys": {"type": "array", "items": {"$ref": "#/components/schemas/Key"}},
  "total": {"type": "integer"}, "next_cursor": {"type": "string"}}},

"TelemetrySettings": {"type": "object",
  "required": ["enabled", "auto_discovery", "auto_validation", "retention_days", "default_timeout_ms",
               "drift_min_baseline", "trace_idle_timeout_ms"],
  "additionalProperties": false, "properties": {
  "enabled": {"type": "boolean", "description": "false: spans sent to this workspace are answered 403."},
  "auto_discovery": {"type": "boolean", "description": "Read when a trace completes."},
  "auto_validation": {"type": "boolean"},
  "retention_days": {"type": "integer", "minimum": 0, "maximum": 3650, "description": "Counted from arrival; 0 keeps for ever."},
  "default_timeout_ms": {"type": "integer", "minimum": 1000, "maximum": 600000},
  "drift_min_baseline": {"type": "integer", "minimum": 1, "maximum": 1000000},
  "trace_idle_timeout_ms": {"type": "integer", "minimum": 100, "maximum": 600000}}},
"TelemetrySettingsChange": {"type": "object", "additionalProperties": false, "properties": {
  "enabled": {"type": "boolean"},
  "auto_discovery": {"type": "boolean"},
  "auto_validation": {"type": "boolean"},
  "retention_days": {"type": "integer", "minimum": 0, "maximum": 3650},
  "default_timeout_ms": {"type": "integer", "minimum": 1000, "maximum": 600000},
  "drift_min_baseline": {"type": "integer", "minimum": 1, "maximum": 1000000},
  "trace_idle_timeout_ms": {"type": "integer", "minimum": 100, "maximum": 600000}}},

"PathNode": {"type": "object", "required": ["type", "identifier", "service"], "properties": {
  "type": {"type": "string", "enum": ["service", "api_endpoint", "database", "topic"]},
  "identifier": {"type": "string"},
  "service": {"type": "string"}}},
"FlowNode": {"type": "object",
  "required": ["type", "identifier", "service", "calls_per_trace", "retries", "self_ms", "p50_ms", "p95_ms", "error_rate"],
  "properties": {
  "type": {"type": "string", "enum": ["service", "api_endpoint", "database", "topic"]},
  "identifier": {"type": "string"},
  "service": {"type": "string"},
  "calls_per_trace": {"type": "object", "required": ["mean", "p50", "max"], "properties": {
    "mean": {"type": "number"}, "p50": {"type": "integer"}, "max": {"type": "integer"}}},
  "retries": {"type": "integer"},
  "self_ms": {"type": "object", "required": ["p50", "p95"], "properties": {
    "p50": {"type": "number"}, "p95": {"type": "number"}}},
  "p50_ms": {"type": "number"},
  "p95_ms": {"type": "number"},
  "error_rate": {"type": "number"}}},
"Flow": {"type": "object",
  "required": ["id", "name", "environment", "fingerprint", "entry_service", "entry_operation", "graph_path", "path_string",
               "occurrence_count", "test_count", "avg_duration_ms", "p95_duration_ms", "error_rate", "risk_score",
               "risk_factors", "drifted", "first_seen_at", "last_seen_at"],
  "properties": {
  "id": {"type": "string", "format": "uuid"},
  "name": {"type": "string"},
  "environment": {"type": "string", "description": "Empty: none."},
  "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
  "entry_service": {"type": "string"},
  "entry_operation": {"type": "string"},
  "graph_path": {"type": "array", "items": {"$ref": "#/components/schemas/PathNode"}},
  "path_string": {"type": "string", "description": "The fingerprint is its SHA-256."},
  "occurrence_count": {"type": "integer"},
  "test_count": {"type": "integer"},
  "avg_duration_ms": {"type": "number"},
  "p95_duration_ms": {"type": "number"},
  "error_rate": {"type": "number"},
  "risk_score": {"type": "number"},
  "risk_factors": {"type": "object", "required": ["frequency", "errors", "latency"], "properties": {
    "frequency": {"type": "number"}, "errors": {"type": "number"}, "latency": {"type": "number"}}},
  "drifted": {"type": "boolean"},
  "first_seen_at": {"type": "string", "format": "date-time"},
  "last_seen_at": {"type": "string", "format": "date-time"}}},
"FlowDetail": {"allOf": [{"$ref": "#/components/schemas/Flow"},
  {"type": "object", "required": ["nodes", "sample_trace_ids"], "properties": {
  "nodes": {"type": "array", "items": {"$ref": "#/components/schemas/FlowNode"}},
  "sample_trace_ids": {"type": "array", "items": {"type": "object", "required": ["trace_id", "why"], "properties": {
    "trace_id": {"type": "string", "pattern": "^[0-9a-f]{32}$"}, "why": {"type": "string"}}}}}}]},
"FlowList": {"type": "object", "required": ["flows", "total", "partial_traces", "dropped_flows", "dropped_traces"], "properties": {
  "flows": {"type": "array", "items": {"$ref": "#/components/schemas/Flow"}},
  "total": {"type": "integer"}, "next_cursor": {"type": "string"},
  "partial_traces": {"type": "integer", "description": "Traces of the workspace that miss a part and count in no flow."},
  "dropped_flows": {"type": "integer", "description": "Rare flows that gave way to new ones because the workspace has as many as it may."},
  "dropped_traces": {"type": "integer", "description": "Traces that counted in them, and count in no flow now."}}},
"FlowExport": {"type": "object", "properties": {
  "mode": {"type": ["string", "null"], "enum": ["steps", "trace", null], "default": "steps"}}},
"ExportedFlow": {"type": "object", "required": ["yaml"], "properties": {
  "yaml": {"type": "string", "description": "A flow file."}}},
"FlowVariants": {"type": "object", "required": ["variants", "total"], "properties": {
  "variants": {"type": "array", "items": {"$ref": "#/components/schemas/Flow"}},
  "total": {"type": "integer"}, "next_cursor": {"type": "string"}}},
"HistogramBucket": {"type": "object", "required": ["start", "count", "errors", "avg_duration_ms", "max_duration_ms"],
  "properties": {
  "start": {"type": "string", "format": "date-time"},
  "count": {"type": "integer"}, "errors": {"type": "integer"},
  "avg_duration_ms": {"type": "number"}, "max_duration_ms": {"type": "number"}}},
"FlowHistogram": {"type": "object", "required": ["minutes", "hours"], "properties": {
  "minutes": {"type": "array", "items": {"$ref": "#/components/schemas/HistogramBucket"}},
  "hours": {"type": "array", "items": {"$ref": "#/components/schemas/HistogramBucket"}}}},

"Coverage": {"type": "object",
  "required": ["flow_id", "name", "environment", "fingerprint", "covered", "test_count", "last_tested_at", "tests",
               "risk_score", "why"],
  "properties": {
  "flow_id": {"type": "string", "format": "uuid"},
  "name": {"type": "string"},
  "environment": {"type": "string", "description": "Empty: none."},
  "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
  "covered": {"type": "boolean"},
  "test_count": {"type": "integer", "description": "Test traces that match the flow."},
  "last_tested_at": {"type": ["string", "null"], "format": "date-time", "description": "null: never."},
  "tests": {"type": "array", "items": {"type": "string"}, "description": "Names of the first few tests that exercise it."},
  "risk_score": {"type": "number"},
  "why": {"type": "string", "description": "A sentence: what a test of it guards, in figures."}}},
"CoverageList": {"type": "object", "required": ["coverage", "total", "uncovered"], "properties": {
  "coverage": {"type": "array", "items": {"$ref": "#/components/schemas/Coverage"}},
  "total": {"type": "integer"}, "next_cursor": {"type": "string"},
  "uncovered": {"type": "integer", "description": "Of `total`, those that no test exercises."}}},

"GraphLayerName": {"type": "string", "enum": ["history", "flow", "infra", "spec", "code", "runtime"]},
"GraphNodeType": {"type": "string", "enum": ["service", "api_endpoint", "database", "topic", "external"]},
"GraphEdgeType": {"type": "string", "enum": ["calls", "exposes", "reads", "writes", "publishes", "consumes", "depends_on"]},
"GraphKnowledge": {"type": "object",
  "required": ["properties", "layer", "layers", "declared", "seen", "call_count", "error_count", "error_rate",
               "avg_duration_ms", "p95_duration_ms", "first_seen_at", "last_seen_at"],
  "properties": {
  "properties": {"type": "object", "description": "Of each the value that the highest layer gave."},
  "layer": {"$ref": "#/components/schemas/GraphLayerName", "description": "The highest that knows it."},
  "layers": {"type": "object", "description": "The properties that each layer gave.", "additionalProperties": false, "properties": {
    "history": {"type": "object"}, "flow": {"type": "object"}, "infra": {"type": "object"},
    "spec": {"type": "object"}, "code": {"type": "object"}, "runtime": {"type": "object"}}},
  "declared": {"type": "boolean", "description": "A layer below `runtime` knows it."},
  "seen": {"type": "boolean", "description": "Traffic shows it."},
  "call_count": {"type": "integer", "description": "Spans, not traces."},
  "error_count": {"type": "integer"},
  "error_rate": {"type": "number", "minimum": 0, "maximum": 1},
  "avg_duration_ms": {"type": "number"},
  "p95_duration_ms": {"type": "number"},
  "first_seen_at": {"type": ["string", "null"], "format": "date-time", "description": "null: never."},
  "last_seen_at": {"type": ["string", "null"], "format": "date-time", "description": "null: never."}}},
"GraphNode": {"allOf": [{"type": "object", "required": ["id", "type", "name", "service"], "properties": {
  "id": {"type": "string", "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"},
  "type": {"$ref": "#/components/schemas/GraphNodeType"},
  "name": {"type": "string", "description": "The service; `METHOD route`; the database; the destination; the peer."},
  "service": {"type": ["string", "null"], "description": "Who owns it; null for database, topic and external."}}},
  {"$ref": "#/components/schemas/GraphKnowledge"}]},
"GraphEdge": {"allOf": [{"type": "object", "required": ["id", "source", "target", "type"], "properties": {
  "id": {"type": "string", "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"},
  "source": {"type": "string", "description": "Id of a node."},
  "target": {"type": "string", "description": "Id of a node."},
  "type": {"$ref": "#/components/schemas/GraphEdgeType"}}},
  {"$ref": "#/components/schemas/GraphKnowledge"}]},
"GraphConflict": {"type": "object", "required": ["id", "property", "values"], "properties": {
  "id": {"type": "string", "description": "Of the node or edge."},
  "property": {"type": "string"},
  "values": {"type": "array", "description": "Highest layer first.", "items": {"type": "object",
    "required": ["layer", "value"], "properties": {"layer": {"$ref": "#/components/schemas/GraphLayerName"}, "value": {}}}}}},
"Graph": {"type": "object", "required": ["nodes", "edges", "conflicts", "not_counted"], "properties": {
  "nodes": {"type": "array", "items": {"$ref": "#/components/schemas/GraphNode"}},
  "edges": {"type": "array", "items": {"$ref": "#/components/schemas/GraphEdge"}},
  "conflicts": {"type": "array", "items": {"$ref": "#/components/schemas/GraphConflict"}},
  "not_counted": {"type": "integer", "description": "Spans left out of every count because the graph was full."}}},
"GraphNodeDetail": {"type": "object", "required": ["node", "edges"], "properties": {
  "node": {"$ref": "#/components/schemas/GraphNode"},
  "edges": {"type": "array", "items": {"$ref": "#/components/schemas/GraphEdge"}}}},
"LayerNode": {"type": "object", "required": ["type", "name"], "properties": {
  "type": {"$ref": "#/components/schemas/GraphNodeType"},
  "name": {"type": "string", "minLength": 1},
  "service": {"type": ["string", "null"]},
  "properties": {"type": "object"}}},
"LayerEdge": {"type": "object", "required": ["source", "target", "type"], "properties": {
  "source": {"$ref": "#/components/schemas/LayerNode"},
  "target": {"$ref": "#/components/schemas/LayerNode"},
  "type": {"$ref": "#/components/schemas/GraphEdgeType"},
  "properties": {"type": "object"}}},
"LayerContent": {"type": "object", "properties": {
  "nodes": {"type": "array", "items": {"$ref": "#/components/schemas/LayerNode"}},
  "edges": {"type": "array", "items": {"$ref": "#/components/schemas/LayerEdge"}}}},
"GraphImport": {"type": "object", "required": ["kind", "content"], "properties": {
  "kind": {"type": "string", "enum": ["openapi", "compose", "flow"]},
  "service": {"type": ["string", "null"], "description": "Whose document it is; as the document says when absent."},
  "content": {"type": "string", "description": "The text of the document, JSON or YAML."}}},
"LayerOutcome": {"type": "object", "required": ["layer", "nodes", "edges", "warnings"], "properties": {
  "layer": {"$ref": "#/components/schemas/GraphLayerName"},
  "nodes": {"type": "integer", "description": "How many it declares."},
  "edges": {"type": "integer"},
  "warnings": {"type": "array", "items": {"type": "string"}, "description": "What was left out, and why."}}},

"TraceSummary": {"type": "object",
  "required": ["trace_id", "root_service", "root_operation", "start_time", "duration_ms", "span_count", "error_count",
               "services", "flow_id", "fingerprint", "complete", "partial", "is_test_generated"],
  "properties": {
  "trace_id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
  "root_service": {"type": "string"},
  "root_operation": {"type": "string"},
  "start_time": {"type": "string", "format": "date-time"},
  "duration_ms": {"type": "number"},
  "span_count": {"type": "integer"},
  "error_count": {"type": "integer"},
  "services": {"type": "array", "items": {"type": "string"}},
  "flow_id": {"type": ["string", "null"], "format": "uuid"},
  "fingerprint": {"type": ["string", "null"], "pattern": "^[0-9a-f]{64}$"},
  "complete": {"type": "boolean", "description": "false: parts may still arrive."},
  "partial": {"type": "boolean", "description": "A parent never arrived."},
  "is_test_generated": {"type": "boolean"}}},
"TraceList": {"type": "object", "required": ["traces", "total", "total_is_lower_bound"], "properties": {
  "traces": {"type": "array", "items": {"$ref": "#/components/schemas/TraceSummary"}},
  "total": {"type": "integer"}, "next_cursor": {"type": "string"},
  "total_is_lower_bound": {"type": "boolean", "description": "The search stopped at its limit; there may be more."}}},
"Span": {"type": "object",
  "required": ["trace_id", "span_id", "parent_span_id", "service", "operation", "name", "kind", "status", "status_message",
               "start_time", "end_time", "duration_ms", "self_ms", "attributes", "resource", "scope", "events", "links",
               "is_test_generated"],
  "properties": {
  "trace_id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
  "span_id": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
  "parent_span_id": {"type": ["string", "null"], "pattern": "^[0-9a-f]{16}$"},
  "parent_position": {"type": ["integer", "null"], "description": "Inside a trace: position of the parent in `spans`."},
  "service": {"type": "string"},
  "operation": {"type": "string"},
  "name": {"type": "string"},
  "kind": {"type": "string", "enum": ["server", "client", "internal", "producer", "consumer", "unspecified"]},
  "status": {"type": "string", "enum": ["unset", "ok", "error"]},
  "status_message": {"type": "string"},
  "start_time": {"type": "string", "format": "date-time"},
  "end_time": {"type": "string", "format": "date-time"},
  "duration_ms": {"type": "number"},
  "self_ms": {"type": ["number", "null"], "description": "Not covered by children; known inside a trace, null in span searches."},
  "attributes": {"type": "object"},
  "resource": {"type": "object"},
  "scope": {"type": "object", "required": ["name", "version"], "properties": {
    "name": {"type": "string"}, "version": {"type": "string"}}},
  "events": {"type": "array", "items": {"type": "object", "required": ["time", "name", "attributes"], "properties": {
    "time": {"type": "string", "format": "date-time"}, "name": {"type": "string"}, "attributes": {"type": "object"}}}},
  "links": {"type": "array", "items": {"type": "object", "required": ["trace_id", "span_id", "trace_state", "attributes"],
    "properties": {"trace_id": {"type": "string"}, "span_id": {"type": "string"}, "trace_state": {"type": "string"},
    "attributes": {"type": "object"}}}},
  "is_test_generated": {"type": "boolean"}}},
"SpanList": {"type": "object", "required": ["spans", "total", "total_is_lower_bound"], "properties": {
  "spans": {"type": "array", "items": {"$ref": "#/components/schemas/Span"}},
  "total": {"type": "integer"}, "next_cursor": {"type": "string"},
  "total_is_lower_bound": {"type": "boolean", "description": "The search stopped at its limit; there may be more."}}},
"CriticalSegment": {"type": "object", "required": ["span_id", "start_time", "end_time", "duration_ms"], "properties": {
  "span_id": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
  "start_time": {"type": "string", "format": "date-time"},
  "end_time": {"type": "string", "format": "date-time"},
  "duration_ms": {"type": "number"}}},
"TraceDetail": {"allOf": [{"$ref": "#/components/schemas/TraceSummary"},
  {"type": "object", "required": ["spans", "tree", "path", "path_string", "flow", "critical_path"], "properties": {
  "spans": {"type": "array", "items": {"$ref": "#/components/schemas/Span"}, "description": "Depth first, parents before children."},
  "tree": {"type": "array", "description": "One element a span, in the order of `spans`; flat, as traces may be very deep.",
    "items": {"type": "object", "required": ["span_id", "depth", "children"], "properties": {
    "span_id": {"type": "string"}, "depth": {"type": "integer"},
    "children": {"type": "array", "items": {"type": "string"}}}}},
  "path": {"type": "array", "items": {"$ref": "#/components/schemas/PathNode"}},
  "path_string": {"type": "string"},
  "flow": {"anyOf": [{"$ref": "#/components/schemas/Flow"}, {"type": "null"}]},
  "critical_path": {"type": "array", "description": "In order of time; the durations sum to that of the root.",
    "items": {"$ref": "#/components/schemas/CriticalSegment"}}}}]},
"OtlpTraces": {"type": "object", "required": ["resourceSpans"], "properties": {
  "resourceSpans": {"type": "array", "items": {"type": "object"}}}},
"Trace": {"anyOf": [{"$ref": "#/components/schemas/TraceDetail"}, {"$ref": "#/components/schemas/OtlpTraces"}]},

"DiffTrace": {"allOf": [{"$ref": "#/components/schemas/TraceSummary"},
  {"type": "object", "required": ["path_string"], "properties": {"path_string": {"type": "string"}}}]},
"DiffSide": {"type": "object",
  "required": ["span_id", "count", "error_count", "status", "start_ms", "duration_ms", "self_ms", "critical_ms"],
  "properties": {
  "span_id": {"type": "string", "pattern": "^[0-9a-f]{16}$", "description": "Of several equal calls the first."},
  "count": {"type": "integer", "minimum": 1, "description": "Equal calls below one parent are one, made so often."},
  "error_count": {"type": "integer"},
  "status": {"type": "string", "enum": ["unset", "ok", "error"], "description": "error if one failed, else ok if one is."},
  "start_ms": {"type": "number", "description": "Of the first, from the start of its trace."},
  "duration_ms": {"type": "number", "description": "Sum."},
  "self_ms": {"type": "number", "description": "Sum of what their children do not cover."},
  "critical_ms": {"type": "number", "description": "Time on the critical path; over all calls it sums to the duration of the trace."}}},
"DiffSpan": {"type": "object",
  "required": ["change", "differs_in", "depth", "service", "operation", "kind", "left", "right", "delta_ms", "self_delta_ms",
               "critical_delta_ms", "moved_from"],
  "properties": {
  "change": {"type": "string", "enum": ["same", "added", "removed", "moved", "changed"]},
  "differs_in": {"type": "array", "items": {"type": "string", "enum": ["count", "status", "parent", "order"]}},
  "depth": {"type": "integer"},
  "service": {"type": "string"},
  "operation": {"type": "string"},
  "kind": {"type": "string", "enum": ["server", "client", "internal", "producer", "consumer", "unspecified"]},
  "left": {"anyOf": [{"$ref": "#/components/schemas/DiffSide"}, {"type": "null"}]},
  "right": {"anyOf": [{"$ref": "#/components/schemas/DiffSide"}, {"type": "null"}]},
  "delta_ms": {"type": "number", "description": "Of the durations, right less left; what is absent lasts no time."},
  "self_delta_ms": {"type": "number"},
  "critical_delta_ms": {"type": "number", "description": "Over all spans these sum to `duration_delta_ms`."},
  "moved_from": {"description": "The parent in the left trace of what has another; null also where it had none.",
    "anyOf": [{"type": "null"}, {"type": "object", "required": ["span_id", "service", "operation"], "properties": {
    "span_id": {"type": "string"}, "service": {"type": "string"}, "operation": {"type": "string"}}}]}}},
"DiffPathNode": {"type": "object", "required": ["change", "type", "identifier", "service", "left_service"], "properties": {
  "change": {"type": "string", "enum": ["same", "added", "removed", "moved", "changed"]},
  "type": {"type": "string", "enum": ["service", "api_endpoint", "database", "topic"]},
  "identifier": {"type": "string"},
  "service": {"type": "string", "description": "In the right path, if it is there."},
  "left_service": {"type": ["string", "null"]}}},
"DiffSegment": {"type": "object", "required": ["span_id", "service", "operation", "start_ms", "duration_ms"], "properties": {
  "span_id": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
  "service": {"type": "string"},
  "operation": {"type": "string"},
  "start_ms": {"type": "number"},
  "duration_ms": {"type": "number"}}},
"TraceDiff": {"type": "object",
  "required": ["kind", "left", "right", "same_path", "duration_delta_ms", "summary", "truncated", "spans", "path",
               "contributions", "critical_path"],
  "properties": {
  "kind": {"type": "string", "enum": ["trace"]},
  "left": {"$ref": "#/components/schemas/DiffTrace"},
  "right": {"$ref": "#/components/schemas/DiffTrace"},
  "same_path": {"type": "boolean", "description": "Both have one path string, and so one fingerprint."},
  "duration_delta_ms": {"type": "number", "description": "Right less left."},
  "summary": {"type": "object", "required": ["same", "added", "removed", "moved", "changed"], "properties": {
    "same": {"type": "integer"}, "added": {"type": "integer"}, "removed": {"type": "integer"},
    "moved": {"type": "integer"}, "changed": {"type": "integer"}}, "description": "Elements of `spans`."},
  "truncated": {"type": "boolean", "description": "Too large to compare every pair: some were matched as they come."},
  "spans": {"type": "array", "items": {"$ref": "#/components/schemas/DiffSpan"},
    "description": "Depth first, as the right trace has them; what the left alone has stands in its place."},
  "path": {"type": "array", "items": {"$ref": "#/components/schemas/DiffPathNode"}},
  "contributions": {"type": "array", "description": "Where the difference of the durations comes from, the most first; they sum to it.",
    "items": {"type": "object",
    "required": ["span", "change", "service", "operation", "kind", "left_critical_ms", "right_critical_ms", "delta_ms"],
    "properties": {
    "span": {"type": "integer", "description": "Position in `spans`."},
    "change": {"type": "string"}, "service": {"type": "string"}, "operation": {"type": "string"}, "kind": {"type": "string"},
    "left_critical_ms": {"type": "number"}, "right_critical_ms": {"type": "number"}, "delta_ms": {"type": "number"}}}},
  "critical_path": {"type": "object", "required": ["left", "right"], "properties": {
    "left": {"type": "array", "items": {"$ref": "#/components/schemas/DiffSegment"}},
    "right": {"type": "array", "items": {"$ref": "#/components/schemas/DiffSegment"}}}}}},
"FlowDiffNode": {"type": "object",
  "required": ["change", "differs_in", "type", "identifier", "service", "trace", "flow", "over_p95_ms"],
  "properties": {
  "change": {"type": "string", "enum": ["same", "unexpected", "missing", "moved", "changed"]},
  "differs_in": {"type": "array", "items": {"type": "string",
    "enum": ["order", "service", "slower", "self_slower", "more_calls", "failed"]}},
  "type": {"type": "string", "enum": ["service", "api_endpoint", "database", "topic"]},
  "identifier": {"type": "string"},
  "service": {"type": "string"},
  "trace": {"anyOf": [{"type": "null"}, {"type": "object",
    "required": ["calls", "error_count", "max_ms", "max_self_ms", "slowest_span_id"], "properties": {
    "calls": {"type": "integer"}, "error_count": {"type": "integer"},
    "max_ms": {"type": "number"}, "max_self_ms": {"type": "number"},
    "slowest_span_id": {"type": ["string", "null"], "pattern": "^[0-9a-f]{16}$"}}}]},
  "flow": {"anyOf": [{"type": "null"}, {"$ref": "#/components/schemas/FlowNode"}]},
  "over_p95_ms": {"type": ["number", "null"], "description": "By how much the slowest span exceeds the flow's p95; null: it does not."}}},
"FlowDiff": {"type": "object",
  "required": ["kind", "left", "flow", "same_path", "duration_delta_ms", "slower", "summary", "truncated", "nodes",
               "critical_path"],
  "properties": {
  "kind": {"type": "string", "enum": ["flow"]},
  "left": {"$ref": "#/components/schemas/DiffTrace"},
  "flow": {"$ref": "#/components/schemas/Flow"},
  "same_path": {"type": "boolean"},
  "duration_delta_ms": {"type": "number", "description": "Of the trace, less the flow's average."},
  "slower": {"type": "boolean", "description": "The trace took longer than 95 % of the flow's."},
  "summary": {"type": "object", "required": ["same", "missing", "unexpected", "moved", "changed"], "properties": {
    "same": {"type": "integer"}, "missing": {"type": "integer"}, "unexpected": {"type": "integer"},
    "moved": {"type": "integer"}, "changed": {"type": "integer"}}, "description": "Elements of `nodes`."},
  "truncated": {"type": "boolean"},
  "nodes": {"type": "array", "items": {"$ref": "#/components/schemas/FlowDiffNode"},
    "description": "In the order of the trace's path; what is missing stands where the flow has it."},
  "critical_path": {"type": "object", "required": ["left"], "properties": {
    "left": {"type": "array", "items": {"$ref": "#/components/schemas/DiffSegment"}}}}}},
"Diff": {"anyOf": [{"$ref": "#/components/schemas/TraceDiff"}, {"$ref": "#/components/schemas/FlowDiff"}]},

"OpenApi": {"type": "object", "required": ["openapi", "info", "paths"]},
"Health": {"type": "object", "required": ["status"], "properties": {"status": {"type": "string", "enum": ["ok", "ready"]}}},
"Metrics": {"type": "string"}
})JSON";

}  // namespace testmesh::api
