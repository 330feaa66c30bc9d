#include "otlp/encode_protobuf.h"

#include "otlp/convert.h"
#include "otlp/fields.h"
#include "otlp/group.h"
#include "otlp/wire_writer.h"

namespace testmesh::otlp {
namespace {

// Fields in ascending order, defaults left out, but a value's own member always
// written: {"intValue": 0} is not the empty value.

void add_text(WireWriter& out, uint32_t number, const std::string& text) {
  if (!text.empty()) out.add_bytes(number, text);
}
void add_count(WireWriter& out, uint32_t number, uint32_t count) {
  if (count != 0) out.add_uint64(number, count);
}
void add_time(WireWriter& out, uint32_t number, base::UnixNanos time) {
  if (time != 0) out.add_fixed64(number, time);
}
void add_flags(WireWriter& out, uint32_t number, uint32_t flags) {
  if (flags != 0) out.add_fixed32(number, flags);
}
template <typename Id>
void add_id(WireWriter& out, uint32_t number, const Id& id) {
  if (!id.is_zero())
    out.add_bytes(number, std::string_view(reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()));
}

void add_attributes(WireWriter& out, uint32_t number, const std::vector<model::KeyValue>& attributes);

struct ValueWriter {
  WireWriter& out;

  void operator()(std::monostate) const {}
  void operator()(const std::string& text) const { out.add_bytes(any_value_field::kString, text); }
  void operator()(bool flag) const { out.add_bool(any_value_field::kBool, flag); }
  void operator()(int64_t number) const { out.add_int64(any_value_field::kInt, number); }
  void operator()(double number) const { out.add_double(any_value_field::kDouble, number); }
  void operator()(const model::Array& array) const {
    WireWriter list(out, any_value_field::kArray);
    for (const model::Value& value : array.values) {
      WireWriter item(list, list_field::kValues);
      std::visit(ValueWriter{item}, value.data);
    }
  }
  void operator()(const model::KeyValueList& map) const {
    WireWriter list(out, any_value_field::kKvlist);
    add_attributes(list, list_field::kValues, map.values);
  }
  void operator()(const model::Bytes& bytes) const { out.add_bytes(any_value_field::kBytes, bytes.data); }
};

void add_attributes(WireWriter& out, uint32_t number, const std::vector<model::KeyValue>& attributes) {
  for (const model::KeyValue& attribute : attributes) {
    WireWriter pair(out, number);
    pair.add_bytes(key_value_field::kKey, attribute.key);
    WireWriter value(pair, key_value_field::kValue);
    std::visit(ValueWriter{value}, attribute.value.data);
  }
}

void write_resource(WireWriter& out, const model::Resource& resource) {
  add_attributes(out, resource_field::kAttributes, resource.attributes);
  add_count(out, resource_field::kDroppedAttributesCount, resource.dropped_attributes_count);
}

void write_scope(WireWriter& out, const model::Scope& scope) {
  add_text(out, scope_field::kName, scope.name);
  add_text(out, scope_field::kVersion, scope.version);
  add_attributes(out, scope_field::kAttributes, scope.attributes);
  add_count(out, scope_field::kDroppedAttributesCount, scope.dropped_attributes_count);
}

void write_event(WireWriter out, const model::Event& event) {
  add_time(out, event_field::kTime, event.time);
  add_text(out, event_field::kName, event.name);
  add_attributes(out, event_field::kAttributes, event.attributes);
  add_count(out, event_field::kDroppedAttributesCount, event.dropped_attributes_count);
}

void write_link(WireWriter out, const model::Link& link) {
  add_id(out, link_field::kTraceId, link.trace_id);
  add_id(out, link_field::kSpanId, link.span_id);
  add_text(out, link_field::kTraceState, link.trace_state);
  add_attributes(out, link_field::kAttributes, link.attributes);
  add_count(out, link_field::kDroppedAttributesCount, link.dropped_attributes_count);
  add_flags(out, link_field::kFlags, link.flags);
}

void write_span(WireWriter out, const model::Span& span) {
  add_id(out, span_field::kTraceId, span.trace_id);
  add_id(out, span_field::kSpanId, span.span_id);
  add_text(out, span_field::kTraceState, span.trace_state);
  add_id(out, span_field::kParentSpanId, span.parent_span_id);
  add_text(out, span_field::kName, span.name);
  if (span.kind != model::SpanKind::kUnspecified)
    out.add_enum(span_field::kKind, static_cast<int32_t>(span.kind));
  add_time(out, span_field::kStart, span.start);
  add_time(out, span_field::kEnd, span.end);
  add_attributes(out, span_field::kAttributes, span.attributes);
  add_count(out, span_field::kDroppedAttributesCount, span.dropped_attributes_count);
  for (const model::Event& event : span.events) write_event(WireWriter(out, span_field::kEvents), event);
  add_count(out, span_field::kDroppedEventsCount, span.dropped_events_count);
  for (const model::Link& link : span.links) write_link(WireWriter(out, span_field::kLinks), link);
  add_count(out, span_field::kDroppedLinksCount, span.dropped_links_count);
  if (span.status != model::StatusCode::kUnset || !span.status_message.empty()) {
    WireWriter status(out, span_field::kStatus);
    add_text(status, status_field::kMessage, span.status_message);
    if (span.status != model::StatusCode::kUnset)
      status.add_enum(status_field::kCode, static_cast<int32_t>(span.status));
  }
  add_flags(out, span_field::kFlags, span.flags);
}

}  // namespace

std::string encode(const model::Resource& resource) {
  std::string bytes;
  WireWriter out(bytes);
  {
    WireWriter inner(out, resource_spans_field::kResource);
    write_resource(inner, resource);
  }
  add_text(out, resource_spans_field::kSchemaUrl, resource.schema_url);
  return bytes;
}

std::string encode(const model::Scope& scope) {
  std::string bytes;
  WireWriter out(bytes);
  {
    WireWriter inner(out, scope_spans_field::kScope);
    write_scope(inner, scope);
  }
  add_text(out, scope_spans_field::kSchemaUrl, scope.schema_url);
  return bytes;
}

std::string encode_protobuf(const std::vector<model::Span>& spans) {
  std::string bytes;
  WireWriter request(bytes);
  for (const ResourceGroup& group : group_spans(spans)) {
    WireWriter resource_spans(request, request_field::kResourceSpans);
    {
      WireWriter resource(resource_spans, resource_spans_field::kResource);
      write_resource(resource, *group.resource);
    }
    for (const ScopeGroup& part : group.scopes) {
      WireWriter scope_spans(resource_spans, resource_spans_field::kScopeSpans);
      {
        WireWriter scope(scope_spans, scope_spans_field::kScope);
        write_scope(scope, *part.scope);
      }
      for (const model::Span* span : part.spans)
        write_span(WireWriter(scope_spans, scope_spans_field::kSpans), *span);
      add_text(scope_spans, scope_spans_field::kSchemaUrl, part.scope->schema_url);
    }
    add_text(resource_spans, resource_spans_field::kSchemaUrl, group.resource->schema_url);
  }
  return bytes;
}

}  // namespace testmesh::otlp
