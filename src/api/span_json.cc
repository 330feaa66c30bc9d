#include "api/span_json.h"

#include <algorithm>
#include <unordered_set>

#include "api/flow_json.h"
#include "discovery/flow_catalog.h"
#include "model/critical_path.h"

namespace testmesh::api {
namespace {

constexpr double kNanosPerMilli = 1e6;
constexpr int64_t kExactInDouble = int64_t{1} << 53;
// Below this many attributes comparing each with those before it beats a set.
constexpr size_t kFewAttributes = 32;

double milliseconds(uint64_t nanos) { return static_cast<double>(nanos) / kNanosPerMilli; }

void write_events(JsonWriter& json, const model::Span& span) {
  json.key("events").begin_array();
  for (const model::Event& event : span.events) {
    json.begin_object().field("time", base::to_rfc3339(event.time)).field("name", event.name);
    json.key("attributes");
    write_attributes(json, event.attributes);
    json.end_object();
  }
  json.end_array();
}

void write_links(JsonWriter& json, const model::Span& span) {
  json.key("links").begin_array();
  for (const model::Link& link : span.links) {
    json.begin_object().field("trace_id", link.trace_id.to_hex()).field("span_id", link.span_id.to_hex());
    json.field("trace_state", link.trace_state);
    json.key("attributes");
    write_attributes(json, link.attributes);
    json.end_object();
  }
  json.end_array();
}

// Flat, because a trace may be deeper than JSON readers go: one element a span
// in depth-first order, with the ids of its children.
void write_tree(JsonWriter& json, const store::TraceDetail& trace) {
  std::vector<std::vector<size_t>> children(trace.spans.size());
  std::vector<uint32_t> depth(trace.spans.size(), 0);
  for (size_t i = 0; i < trace.spans.size(); ++i) {
    const int64_t parent = trace.parent_positions[i];
    if (parent < 0 || static_cast<size_t>(parent) >= i) continue;
    children[static_cast<size_t>(parent)].push_back(i);
    depth[i] = depth[static_cast<size_t>(parent)] + 1;
  }
  json.key("tree").begin_array();
  for (size_t i = 0; i < trace.spans.size(); ++i) {
    json.begin_object().field("span_id", trace.spans[i].span_id.to_hex()).field("depth", depth[i]);
    json.key("children").begin_array();
    for (const size_t child : children[i]) json.string(trace.spans[child].span_id.to_hex());
    json.end_array().end_object();
  }
  json.end_array();
}

void write_critical_path(JsonWriter& json, const store::TraceDetail& trace) {
  std::vector<model::TimedSpan> spans;
  spans.reserve(trace.spans.size());
  for (size_t i = 0; i < trace.spans.size(); ++i)
    spans.push_back({trace.spans[i].start, trace.spans[i].end, trace.parent_positions[i]});
  json.key("critical_path").begin_array();
  for (const model::CriticalSegment& segment : model::critical_path(spans, entry_of(trace))) {
    json.begin_object()
        .field("span_id", trace.spans[segment.span].span_id.to_hex())
        .field("start_time", base::to_rfc3339(segment.start))
        .field("end_time", base::to_rfc3339(segment.end))
        .field("duration_ms", milliseconds(segment.end - segment.start))
        .end_object();
  }
  json.end_array();
}

}  // namespace

size_t entry_of(const store::TraceDetail& trace) {
  size_t entry = 0;
  bool found = false;
  const auto rank = [&](size_t i) {
    const model::Span& span = trace.spans[i];
    return std::tuple(!span.parent_span_id.is_zero(), span.start, span.span_id);
  };
  for (size_t i = 0; i < trace.spans.size(); ++i)
    if (trace.parent_positions[i] < 0 && (!found || rank(i) < rank(entry))) entry = i, found = true;
  return entry;
}

std::string_view kind_name(model::SpanKind kind) {
  switch (kind) {
    case model::SpanKind::kUnspecified:
      break;
    case model::SpanKind::kInternal:
      return "internal";
    case model::SpanKind::kServer:
      return "server";
    case model::SpanKind::kClient:
      return "client";
    case model::SpanKind::kProducer:
      return "producer";
    case model::SpanKind::kConsumer:
      return "consumer";
  }
  return "unspecified";
}

std::string_view status_name(model::StatusCode status) {
  switch (status) {
    case model::StatusCode::kUnset:
      break;
    case model::StatusCode::kOk:
      return "ok";
    case model::StatusCode::kError:
      return "error";
  }
  return "unset";
}

void write_value(JsonWriter& json, const model::Value& value) {
  struct Visitor {
    JsonWriter& json;
    void operator()(std::monostate) { json.null(); }
    void operator()(const std::string& text) { json.string(text); }
    void operator()(bool truth) { json.boolean(truth); }
    void operator()(int64_t number) {
      if (number > kExactInDouble || number < -kExactInDouble)
        json.string(std::to_string(number));
      else
        json.integer(number);
    }
    void operator()(double number) { json.number(number); }
    void operator()(const model::Array& array) {
      json.begin_array();
      for (const model::Value& element : array.values) write_value(json, element);
      json.end_array();
    }
    void operator()(const model::KeyValueList& list) { write_attributes(json, list.values); }
    void operator()(const model::Bytes& bytes) { json.base64(bytes.data); }
  };
  std::visit(Visitor{json}, value.data);
}

void write_attributes(JsonWriter& json, const std::vector<model::KeyValue>& attributes) {
  json.begin_object();
  std::unordered_set<std::string_view> seen;
  const bool many = attributes.size() > kFewAttributes;
  for (size_t i = 0; i < attributes.size(); ++i) {
    const model::KeyValue& attribute = attributes[i];
    if (many) {
      if (!seen.insert(attribute.key).second) continue;
    } else if (std::any_of(attributes.begin(), attributes.begin() + static_cast<std::ptrdiff_t>(i),
                           [&](const model::KeyValue& earlier) { return earlier.key == attribute.key; })) {
      continue;
    }
    json.key(attribute.key);
    write_value(json, attribute.value);
  }
  json.end_object();
}

void write_span(JsonWriter& json, const model::Span& span, const SpanExtras& extras) {
  json.begin_object();
  json.field("trace_id", span.trace_id.to_hex()).field("span_id", span.span_id.to_hex());
  json.key("parent_span_id");
  if (span.parent_span_id.is_zero())
    json.null();
  else
    json.string(span.parent_span_id.to_hex());
  if (extras.parent_position) {
    json.key("parent_position");
    if (*extras.parent_position < 0)
      json.null();
    else
      json.integer(*extras.parent_position);
  }
  json.field("service", model::service_name(*span.resource))
      .field("operation", span.name)
      .field("name", span.name);
  json.field("kind", kind_name(span.kind)).field("status", status_name(span.status));
  json.field("status_message", span.status_message);
  json.field("start_time", base::to_rfc3339(span.start)).field("end_time", base::to_rfc3339(span.end));
  json.field("duration_ms", milliseconds(span.end - span.start));
  json.key("self_ms");
  if (extras.self_ns)
    json.number(milliseconds(*extras.self_ns));
  else
    json.null();
  json.key("attributes");
  write_attributes(json, span.attributes);
  json.key("resource");
  write_attributes(json, span.resource->attributes);
  json.key("scope").begin_object();
  json.field("name", span.scope->name).field("version", span.scope->version).end_object();
  write_events(json, span);
  write_links(json, span);
  json.field("is_test_generated", model::is_test_generated(span));
  json.end_object();
}

void write_trace_fields(JsonWriter& json, const store::TraceSummary& trace) {
  json.field("trace_id", trace.trace_id.to_hex());
  json.field("root_service", trace.root_service).field("root_operation", trace.root_operation);
  json.field("start_time", base::to_rfc3339(trace.start))
      .field("duration_ms", milliseconds(trace.duration_ns));
  json.field("span_count", trace.span_count).field("error_count", trace.error_count);
  json.key("services").begin_array();
  for (const std::string& service : trace.services) json.string(service);
  json.end_array();
  json.key("flow_id");
  if (trace.flow_id)
    json.string(trace.flow_id->to_string());
  else
    json.null();
  json.key("fingerprint");
  if (trace.fingerprint)
    json.string(base::to_hex(*trace.fingerprint));
  else
    json.null();
  json.field("complete", trace.complete).field("partial", trace.partial);
  json.field("is_test_generated", trace.is_test_generated);
}

void write_trace_detail(JsonWriter& json, const store::TraceDetail& trace,
                        const std::optional<discovery::FlowDetail>& flow) {
  json.begin_object();
  write_trace_fields(json, trace.summary);
  json.key("spans").begin_array();
  for (size_t i = 0; i < trace.spans.size(); ++i)
    write_span(json, trace.spans[i],
               {.self_ns = trace.self_ns[i], .parent_position = trace.parent_positions[i]});
  json.end_array();
  write_tree(json, trace);
  json.key("path");
  write_path(json, trace.path);
  json.field("path_string", discovery::path_string(trace.path));
  json.key("flow");
  if (flow)
    write_flow(json, flow->summary);
  else
    json.null();
  write_critical_path(json, trace);
  json.end_object();
}

}  // namespace testmesh::api
