// Stored traces and spans.
#include "api/routes.h"
#include "api/span_filter.h"
#include "api/span_json.h"
#include "api/trace_query.h"
#include "otlp/convert.h"

namespace testmesh::api {

std::expected<store::TraceQuery, Failure> trace_query_of(const Call& call) {
  store::TraceQuery query;
  query.service = text_of(call, "service");
  query.operation = text_of(call, "operation");
  TRY_ASSIGN(query.status, status_of(call));
  TRY_ASSIGN(query.min_duration_ns, milliseconds_of(call, "min_duration_ms"));
  TRY_ASSIGN(query.max_duration_ns, milliseconds_of(call, "max_duration_ms"));
  TRY_ASSIGN(query.test, bool_of(call, "test"));
  TRY_ASSIGN(query.since, time_of(call, "since"));
  TRY_ASSIGN(query.until, time_of(call, "until"));
  TRY_ASSIGN(SpanFilter filter, span_filter_of(call));
  query.attribute = std::move(filter.attribute);
  query.matches = std::move(filter.matches);
  TRY_ASSIGN(query.limit, limit_of(call));
  query.cursor = cursor_of(call);
  return query;
}

Answer trace_page_reply(base::Result<store::TracePage> found) {
  TRY_ASSIGN(const store::TracePage page, std::move(found));
  Reply reply;
  JsonWriter json(reply.body);
  json.begin_object().key("traces").begin_array();
  for (const store::TraceSummary& trace : page.traces) {
    json.begin_object();
    write_trace_fields(json, trace);
    json.end_object();
  }
  json.end_array();
  write_page_end(json, page.total, page.next_cursor);
  json.field("total_is_lower_bound", page.total_is_lower_bound).end_object();
  return reply;
}

Answer search_traces(Context& context, const Call& call) {
  TRY_ASSIGN(store::TraceQuery query, trace_query_of(call));
  if (const auto id = text_of(call, "flow_id")) {
    query.flow = model::FlowId::parse(*id);
    if (!query.flow) return std::unexpected(bad_parameter("flow_id", "`flow_id` must be a UUID"));
    // Traces are stored under the surviving flow.
    if (const auto flow = context.store.flow(call.workspace->id, *query.flow))
      query.flow = flow->summary.flow->id;
  }
  return trace_page_reply(context.store.search_traces(call.workspace->id, query));
}

Answer show_trace(Context& context, const Call& call) {
  TRY_ASSIGN(const model::TraceId id, trace_id_of(call.path_values[1]));
  const std::string* format = call.query("format");
  if (format && *format != "otlp" && *format != "json")
    return std::unexpected(bad_parameter("format", "`format` must be json or otlp"));
  TRY_ASSIGN(const auto trace, context.store.trace(call.workspace->id, id));
  if (!trace) return std::unexpected(not_found("There is no such trace in this workspace"));
  Reply reply;
  if (format && *format == "otlp") {
    reply.body = otlp::encode_json(trace->spans);
    return reply;
  }
  std::optional<discovery::FlowDetail> flow;
  if (trace->summary.flow_id) flow = context.store.flow(call.workspace->id, *trace->summary.flow_id);
  JsonWriter json(reply.body);
  write_trace_detail(json, *trace, flow);
  return reply;
}

Answer search_spans(Context& context, const Call& call) {
  store::SpanQuery query;
  if (const auto id = text_of(call, "trace_id")) {
    query.trace_id = model::TraceId::parse(*id);
    if (!query.trace_id)
      return std::unexpected(bad_parameter("trace_id", "`trace_id` must be 32 hexadecimal digits"));
  }
  query.service = text_of(call, "service");
  query.operation = text_of(call, "operation");
  TRY_ASSIGN(query.status, status_of(call));
  TRY_ASSIGN(query.since, time_of(call, "since"));
  TRY_ASSIGN(query.until, time_of(call, "until"));
  TRY_ASSIGN(SpanFilter filter, span_filter_of(call));
  query.attribute = std::move(filter.attribute);
  query.matches = std::move(filter.matches);
  TRY_ASSIGN(query.limit, limit_of(call));
  query.cursor = cursor_of(call);
  TRY_ASSIGN(const store::SpanPage page, context.store.search_spans(call.workspace->id, query));
  Reply reply;
  JsonWriter json(reply.body);
  json.begin_object().key("spans").begin_array();
  for (const model::Span& span : page.spans) write_span(json, span, {});
  json.end_array();
  write_page_end(json, page.total, page.next_cursor);
  json.field("total_is_lower_bound", page.total_is_lower_bound).end_object();
  return reply;
}

}  // namespace testmesh::api
