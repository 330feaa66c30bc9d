#include "otlp/convert.h"
#include "otlp/group.h"
#include "otlp/json_writer.h"

namespace testmesh::otlp {
namespace {

void write_value(JsonWriter& out, const model::Value& value);

void write_pairs(JsonWriter& out, std::string_view name, const std::vector<model::KeyValue>& pairs) {
  out.key(name);
  out.open_array();
  for (const model::KeyValue& pair : pairs) {
    out.open_object();
    out.key("key");
    out.text(pair.key);
    out.key("value");
    write_value(out, pair.value);
    out.close_object();
  }
  out.close_array();
}

struct MemberWriter {
  JsonWriter& out;

  void operator()(std::monostate) const {}
  void operator()(const std::string& text) const {
    out.key("stringValue");
    out.text(text);
  }
  void operator()(bool flag) const {
    out.key("boolValue");
    out.boolean(flag);
  }
  void operator()(int64_t number) const {
    out.key("intValue");
    out.quoted(number);
  }
  void operator()(double number) const {
    out.key("doubleValue");
    out.real(number);
  }
  void operator()(const model::Array& array) const {
    out.key("arrayValue");
    out.open_object();
    out.key("values");
    out.open_array();
    for (const model::Value& value : array.values) write_value(out, value);
    out.close_array();
    out.close_object();
  }
  void operator()(const model::KeyValueList& list) const {
    out.key("kvlistValue");
    out.open_object();
    write_pairs(out, "values", list.values);
    out.close_object();
  }
  void operator()(const model::Bytes& bytes) const {
    out.key("bytesValue");
    out.base64(bytes.data);
  }
};

void write_value(JsonWriter& out, const model::Value& value) {
  out.open_object();  // {}: present and empty
  std::visit(MemberWriter{out}, value.data);
  out.close_object();
}

// Defaults are left out, as proto3 JSON does.

void add_attributes(JsonWriter& out, const std::vector<model::KeyValue>& attributes, uint32_t dropped) {
  if (!attributes.empty()) write_pairs(out, "attributes", attributes);
  if (dropped != 0) {
    out.key("droppedAttributesCount");
    out.number(dropped);
  }
}
void add_text(JsonWriter& out, std::string_view name, const std::string& text) {
  if (text.empty()) return;
  out.key(name);
  out.text(text);
}
void add_number(JsonWriter& out, std::string_view name, int64_t number) {
  if (number == 0) return;
  out.key(name);
  out.number(number);
}
void add_time(JsonWriter& out, std::string_view name, base::UnixNanos time) {
  if (time == 0) return;
  out.key(name);
  out.quoted(time);
}
template <typename Id>
void add_id(JsonWriter& out, std::string_view name, const Id& id) {
  if (id.is_zero()) return;
  out.key(name);
  out.text(id.to_hex());
}

void write_event(JsonWriter& out, const model::Event& event) {
  out.open_object();
  add_time(out, "timeUnixNano", event.time);
  add_text(out, "name", event.name);
  add_attributes(out, event.attributes, event.dropped_attributes_count);
  out.close_object();
}

void write_link(JsonWriter& out, const model::Link& link) {
  out.open_object();
  add_id(out, "traceId", link.trace_id);
  add_id(out, "spanId", link.span_id);
  add_text(out, "traceState", link.trace_state);
  add_attributes(out, link.attributes, link.dropped_attributes_count);
  add_number(out, "flags", link.flags);
  out.close_object();
}

void write_span(JsonWriter& out, const model::Span& span) {
  out.open_object();
  add_id(out, "traceId", span.trace_id);
  add_id(out, "spanId", span.span_id);
  add_text(out, "traceState", span.trace_state);
  add_id(out, "parentSpanId", span.parent_span_id);
  add_number(out, "flags", span.flags);
  add_text(out, "name", span.name);
  add_number(out, "kind", static_cast<int32_t>(span.kind));
  add_time(out, "startTimeUnixNano", span.start);
  add_time(out, "endTimeUnixNano", span.end);
  add_attributes(out, span.attributes, span.dropped_attributes_count);
  if (!span.events.empty()) {
    out.key("events");
    out.open_array();
    for (const model::Event& event : span.events) write_event(out, event);
    out.close_array();
  }
  add_number(out, "droppedEventsCount", span.dropped_events_count);
  if (!span.links.empty()) {
    out.key("links");
    out.open_array();
    for (const model::Link& link : span.links) write_link(out, link);
    out.close_array();
  }
  add_number(out, "droppedLinksCount", span.dropped_links_count);
  if (span.status != model::StatusCode::kUnset || !span.status_message.empty()) {
    out.key("status");
    out.open_object();
    add_text(out, "message", span.status_message);
    add_number(out, "code", static_cast<int32_t>(span.status));
    out.close_object();
  }
  out.close_object();
}

void write_resource(JsonWriter& out, const model::Resource& resource) {
  out.key("resource");
  out.open_object();
  add_attributes(out, resource.attributes, resource.dropped_attributes_count);
  out.close_object();
}

void write_scope(JsonWriter& out, const model::Scope& scope) {
  out.key("scope");
  out.open_object();
  add_text(out, "name", scope.name);
  add_text(out, "version", scope.version);
  add_attributes(out, scope.attributes, scope.dropped_attributes_count);
  out.close_object();
}

}  // namespace

std::string encode_json(const std::vector<model::Span>& spans) {
  JsonWriter out;
  out.open_object();
  out.key("resourceSpans");
  out.open_array();
  for (const ResourceGroup& group : group_spans(spans)) {
    out.open_object();
    write_resource(out, *group.resource);
    out.key("scopeSpans");
    out.open_array();
    for (const ScopeGroup& part : group.scopes) {
      out.open_object();
      write_scope(out, *part.scope);
      out.key("spans");
      out.open_array();
      for (const model::Span* span : part.spans) write_span(out, *span);
      out.close_array();
      add_text(out, "schemaUrl", part.scope->schema_url);
      out.close_object();
    }
    out.close_array();
    add_text(out, "schemaUrl", group.resource->schema_url);
    out.close_object();
  }
  out.close_array();
  out.close_object();
  return out.take();
}

}  // namespace testmesh::otlp
