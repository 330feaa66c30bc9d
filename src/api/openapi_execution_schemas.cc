#include "api/openapi_schemas.h"

namespace testmesh::api {

const std::string_view kOpenApiExecutionSchemas = R"JSON({
"NewExecution": {"type": "object",
  "description": "Exactly one of `flow`, `flow_id` and `trace_id`; a `trace_id` may come with a `flow`.",
  "properties": {
  "flow": {"type": ["string", "null"], "maxLength": 1048576,
    "description": "A flow file (flow-yaml). Its `env_file` is not read and the server's environment is not looked at: give their values as `variables`."},
  "flow_id": {"type": ["string", "null"], "format": "uuid", "description": "A discovered flow, exported (mode `trace`) and run."},
  "trace_id": {"type": ["string", "null"], "pattern": "^[0-9a-fA-F]{32}$",
    "description": "Of someone else's run: no step is run, its trace is waited for and judged. It need not have arrived."},
  "parent_span_id": {"type": ["string", "null"], "pattern": "^[0-9a-fA-F]{16}$",
    "description": "With `trace_id`: a parent that never comes, as the span of a client that sends none."},
  "variables": {"type": ["object", "null"], "description": "Win over `env` of the flow.",
    "additionalProperties": {"type": ["string", "number", "boolean", "null"]}},
  "files": {"type": ["object", "null"], "description": "Flows that `run_flow` names, by that name.",
    "additionalProperties": {"type": "string"}}}},
"RunError": {"type": "object", "required": ["code", "message"], "properties": {
  "code": {"type": "string", "description": "timeout, connection, unknown_reference, address_refused, assertion, trace_validation, inconclusive, interrupted, not_validated, …"},
  "message": {"type": "string"}}},
"Execution": {"type": "object",
  "required": ["id", "flow_name", "kind", "status", "trace_id", "created_at", "started_at", "finished_at",
               "duration_ms", "total_steps", "passed_steps", "failed_steps"],
  "properties": {
  "id": {"type": "string", "format": "uuid"},
  "flow_name": {"type": "string", "description": "Empty: a trace without a flow."},
  "kind": {"type": "string", "enum": ["run", "trace"]},
  "status": {"type": "string", "enum": ["pending", "running", "passed", "failed", "error", "cancelled"],
    "description": "`running` until the trace is judged, too. `error`: it could not run, or the trace stayed undecided."},
  "trace_id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
  "created_at": {"type": "string", "format": "date-time"},
  "started_at": {"type": ["string", "null"], "format": "date-time"},
  "finished_at": {"type": ["string", "null"], "format": "date-time"},
  "duration_ms": {"type": ["number", "null"]},
  "total_steps": {"type": "integer", "description": "Of setup, steps and teardown, nested ones apart."},
  "passed_steps": {"type": "integer"},
  "failed_steps": {"type": "integer"},
  "error": {"$ref": "#/components/schemas/RunError"}}},
"ExecutionList": {"type": "object", "required": ["executions", "total"], "properties": {
  "executions": {"type": "array", "items": {"$ref": "#/components/schemas/Execution"}},
  "total": {"type": "integer"}, "next_cursor": {"type": "string"}}},
"FailedStepAssertion": {"type": "object", "required": ["expression", "actual", "line", "column"], "properties": {
  "expression": {"type": "string"},
  "actual": {"description": "The left side of the outermost comparison, or the value."},
  "expected": {"description": "The right side; absent without a comparison."},
  "error": {"type": "string", "description": "It could not be evaluated."},
  "line": {"type": "integer"}, "column": {"type": "integer"}}},
"Step": {"type": "object",
  "required": ["id", "name", "action", "phase", "status", "attempts", "started_at", "duration_ms", "request", "result",
               "output", "failed_assertions", "line", "column", "span_id", "depth", "continued"],
  "properties": {
  "id": {"type": "string", "description": "Within loops and branches `<outer>[<n>].<id>`."},
  "name": {"type": "string"},
  "action": {"type": "string"},
  "phase": {"type": "string", "enum": ["setup", "main", "teardown"]},
  "status": {"type": "string", "enum": ["passed", "failed", "skipped"]},
  "attempts": {"type": "integer"},
  "started_at": {"type": ["string", "null"], "format": "date-time"},
  "duration_ms": {"type": "number"},
  "request": {"type": ["object", "null"], "description": "What was sent; secrets are masked, and what is long is cut, here and below."},
  "result": {"type": ["object", "null"]},
  "output": {"type": ["object", "null"]},
  "error": {"$ref": "#/components/schemas/RunError"},
  "failed_assertions": {"type": "array", "items": {"$ref": "#/components/schemas/FailedStepAssertion"}},
  "line": {"type": "integer"}, "column": {"type": "integer"},
  "span_id": {"type": ["string", "null"], "pattern": "^[0-9a-f]{16}$"},
  "depth": {"type": "integer", "description": "0: not nested."},
  "continued": {"type": "boolean", "description": "Failed, and `on_error: continue` let the run go on."}}},
"StepList": {"type": "object", "required": ["steps", "total"], "properties": {
  "steps": {"type": "array", "items": {"$ref": "#/components/schemas/Step"}},
  "total": {"type": "integer"}}},

"TraceValidationPending": {"type": "object", "required": ["status"], "properties": {
  "status": {"type": "string", "enum": ["pending"]}}},
"SlowSpan": {"type": "object",
  "required": ["service", "operation", "duration_ms", "p95_ms", "threshold_ms", "samples", "span_id"], "properties": {
  "service": {"type": "string"}, "operation": {"type": "string"}, "duration_ms": {"type": "number"},
  "p95_ms": {"type": "number"}, "threshold_ms": {"type": "number"}, "samples": {"type": "integer"},
  "span_id": {"type": "string", "pattern": "^[0-9a-f]{16}$"}}},
"ErrorSpan": {"type": "object",
  "required": ["service", "operation", "status_message", "duration_ms", "span_id", "error_type"], "properties": {
  "service": {"type": "string"}, "operation": {"type": "string"}, "status_message": {"type": "string"},
  "duration_ms": {"type": "number"}, "span_id": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
  "error_type": {"type": ["string", "null"]},
  "allowed": {"type": "boolean", "description": "A selector in `trace.allow_errors` matches it."}}},
"TraceAssertion": {"type": "object", "required": ["expression", "actual", "span_ids", "line", "column"], "properties": {
  "expression": {"type": "string"},
  "step_id": {"type": "string", "description": "Absent: the flow's."},
  "actual": {}, "expected": {}, "error": {"type": "string"},
  "span_ids": {"type": "array", "items": {"type": "string", "pattern": "^[0-9a-f]{16}$"}},
  "line": {"type": "integer"}, "column": {"type": "integer"}}},
"TraceValidation": {"type": "object",
  "required": ["execution_id", "trace_id", "status", "path_status", "path_match", "expected_from", "expected_path",
               "actual_path", "missing_nodes", "unexpected_nodes", "order_violations", "slow_spans", "error_spans",
               "failed_assertions", "inconclusive_assertions", "completeness", "validated_at"],
  "properties": {
  "execution_id": {"type": "string", "format": "uuid"},
  "trace_id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
  "status": {"type": "string", "enum": ["passed", "failed", "partial"]},
  "path_status": {"type": "string", "enum": ["match", "mismatch", "inconclusive", "no_baseline"]},
  "path_match": {"type": ["boolean", "null"]},
  "expected_from": {"type": "string", "enum": ["yaml", "discovered_from", "baseline", "none"]},
  "expected_path": {"type": "array", "items": {"$ref": "#/components/schemas/PathNode"}},
  "actual_path": {"type": "array", "items": {"$ref": "#/components/schemas/PathNode"}},
  "missing_nodes": {"type": "array", "items": {"$ref": "#/components/schemas/PathNode"}},
  "unexpected_nodes": {"type": "array", "items": {"$ref": "#/components/schemas/PathNode"}},
  "order_violations": {"type": "array", "items": {"type": "object", "required": ["before", "after"], "properties": {
    "before": {"$ref": "#/components/schemas/PathNode"}, "after": {"$ref": "#/components/schemas/PathNode"}}},
    "description": "Expected in this order, seen in the other."},
  "slow_spans": {"type": "array", "items": {"$ref": "#/components/schemas/SlowSpan"}},
  "error_spans": {"type": "array", "items": {"$ref": "#/components/schemas/ErrorSpan"}},
  "failed_assertions": {"type": "array", "items": {"$ref": "#/components/schemas/TraceAssertion"}},
  "inconclusive_assertions": {"type": "array", "items": {"$ref": "#/components/schemas/TraceAssertion"}},
  "completeness": {"type": "object", "required": ["complete", "unmet"], "properties": {
    "complete": {"type": "boolean"},
    "unmet": {"type": "array", "items": {"type": "string", "enum": ["spans", "parents", "steps", "expected_nodes", "quiet"]}}}},
  "validated_at": {"type": "string", "format": "date-time"}}},

"EventStream": {"type": "string",
  "description": "Events: `execution` (data: an Execution; whenever it or its steps change), `flow` (data: a Flow; it appeared), `ingest` (data: {time, spans_per_second, spans_total}; once a second, of the whole server), `missed` (data: {count}; that many events were left out because the client read too slowly). `execution` and `flow` carry ids: with `Last-Event-ID` those missed in between are sent again as far as they are still known; an id that is not is ignored."},
"JsonSchema": {"type": "object"}
})JSON";

}  // namespace testmesh::api
