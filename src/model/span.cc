#include "model/span.h"

#include <algorithm>
#include <bit>

namespace testmesh::model {

bool operator==(const Array& a, const Array& b) { return a.values == b.values; }
bool operator==(const KeyValueList& a, const KeyValueList& b) { return a.values == b.values; }

bool operator==(const Value& a, const Value& b) {
  const auto* x = std::get_if<double>(&a.data);
  const auto* y = std::get_if<double>(&b.data);
  if (x && y) return std::bit_cast<uint64_t>(*x) == std::bit_cast<uint64_t>(*y);
  return a.data == b.data;
}

bool same_span(const Span& a, const Span& b) {
  return a.trace_id == b.trace_id && a.span_id == b.span_id && a.parent_span_id == b.parent_span_id &&
         a.trace_state == b.trace_state && a.flags == b.flags && a.name == b.name && a.kind == b.kind &&
         a.start == b.start && a.end == b.end && a.attributes == b.attributes &&
         a.dropped_attributes_count == b.dropped_attributes_count && a.events == b.events &&
         a.dropped_events_count == b.dropped_events_count && a.links == b.links &&
         a.dropped_links_count == b.dropped_links_count && a.status == b.status &&
         a.status_message == b.status_message && *a.resource == *b.resource && *a.scope == *b.scope;
}

const Value* find_attribute(const std::vector<KeyValue>& attributes, std::string_view key) {
  const auto found = std::ranges::find(attributes, key, &KeyValue::key);
  return found == attributes.end() ? nullptr : &found->value;
}

std::string_view service_name(const Resource& resource) {
  if (const Value* value = find_attribute(resource.attributes, "service.name"))
    if (const auto* text = std::get_if<std::string>(&value->data); text && !text->empty()) return *text;
  return "unknown_service";
}

bool is_test_generated(const Span& span) {
  return span.name.starts_with("testmesh.") || span.name.starts_with("execution.") ||
         find_attribute(span.attributes, "testmesh.execution.id") != nullptr;
}

}  // namespace testmesh::model
