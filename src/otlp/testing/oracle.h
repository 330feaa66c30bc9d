// What libprotobuf makes of the wire, as model spans: the other opinion in
// every differential test. Needs the compiled proto/otlp_trace.proto.
#pragma once

#include <google/protobuf/stubs/logging.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/span.h"
#include "otlp/convert.h"
#include "otlp_trace.pb.h"

namespace testmesh::otlp::testing {

class Oracle {
 public:
  // Nothing when libprotobuf refuses the bytes.
  static std::optional<DecodedSpans> decode(std::string_view bytes) {
    const google::protobuf::LogSilencer quiet;  // it logs each text that is not UTF-8
    oracle::ExportTraceServiceRequest request;
    if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return std::nullopt;
    return view(request);
  }

  static DecodedSpans view(const oracle::ExportTraceServiceRequest& request) {
    DecodedSpans out;
    for (const auto& resource_spans : request.resource_spans()) {
      auto resource = std::make_shared<model::Resource>();
      resource->attributes = attributes(resource_spans.resource().attributes());
      resource->dropped_attributes_count = resource_spans.resource().dropped_attributes_count();
      resource->schema_url = resource_spans.schema_url();
      for (const auto& scope_spans : resource_spans.scope_spans()) {
        auto scope = std::make_shared<model::Scope>();
        scope->name = scope_spans.scope().name();
        scope->version = scope_spans.scope().version();
        scope->attributes = attributes(scope_spans.scope().attributes());
        scope->dropped_attributes_count = scope_spans.scope().dropped_attributes_count();
        scope->schema_url = scope_spans.schema_url();
        for (const auto& span : scope_spans.spans()) add(span, resource, scope, out);
      }
    }
    return out;
  }

  // Each span in a ResourceSpans and ScopeSpans of its own.
  static oracle::ExportTraceServiceRequest request(const std::vector<model::Span>& spans) {
    oracle::ExportTraceServiceRequest out;
    for (const model::Span& span : spans) {
      auto& resource_spans = *out.add_resource_spans();
      fill(span.resource->attributes, *resource_spans.mutable_resource()->mutable_attributes());
      resource_spans.mutable_resource()->set_dropped_attributes_count(
          span.resource->dropped_attributes_count);
      resource_spans.set_schema_url(span.resource->schema_url);
      auto& scope_spans = *resource_spans.add_scope_spans();
      scope_spans.mutable_scope()->set_name(span.scope->name);
      scope_spans.mutable_scope()->set_version(span.scope->version);
      fill(span.scope->attributes, *scope_spans.mutable_scope()->mutable_attributes());
      scope_spans.mutable_scope()->set_dropped_attributes_count(span.scope->dropped_attributes_count);
      scope_spans.set_schema_url(span.scope->schema_url);
      fill(span, *scope_spans.add_spans());
    }
    return out;
  }

 private:
  static model::Value value(const oracle::AnyValue& any) {
    model::Value out;
    switch (any.value_case()) {
      case oracle::AnyValue::kStringValue:
        out.data = any.string_value();
        break;
      case oracle::AnyValue::kBoolValue:
        out.data = any.bool_value();
        break;
      case oracle::AnyValue::kIntValue:
        out.data = static_cast<int64_t>(any.int_value());
        break;
      case oracle::AnyValue::kDoubleValue:
        out.data = any.double_value();
        break;
      case oracle::AnyValue::kArrayValue: {
        model::Array array;
        for (const auto& each : any.array_value().values()) array.values.push_back(value(each));
        out.data = std::move(array);
        break;
      }
      case oracle::AnyValue::kKvlistValue:
        out.data = model::KeyValueList{attributes(any.kvlist_value().values())};
        break;
      case oracle::AnyValue::kBytesValue:
        out.data = model::Bytes{any.bytes_value()};
        break;
      case oracle::AnyValue::VALUE_NOT_SET:
        break;
    }
    return out;
  }

  static std::vector<model::KeyValue> attributes(const auto& pairs) {
    std::vector<model::KeyValue> out;
    for (const auto& pair : pairs) out.push_back({pair.key(), value(pair.value())});
    return out;
  }

  template <typename Id>
  static bool take(const std::string& bytes, Id& out) {
    if (bytes.size() != out.bytes.size()) return false;
    std::copy(bytes.begin(), bytes.end(), reinterpret_cast<char*>(out.bytes.data()));
    return true;
  }
  template <typename Id>
  static void take_or_clear(const std::string& bytes, Id& out, DecodedSpans& counts) {
    if (!bytes.empty() && !take(bytes, out)) ++counts.repaired;
  }

  static void add(const oracle::Span& span, std::shared_ptr<const model::Resource> resource,
                  std::shared_ptr<const model::Scope> scope, DecodedSpans& decoded) {
    model::Span out;
    if (!take(span.trace_id(), out.trace_id) || !take(span.span_id(), out.span_id) ||
        out.trace_id.is_zero() || out.span_id.is_zero() ||
        span.end_time_unix_nano() < span.start_time_unix_nano()) {
      ++decoded.rejected;
      return;
    }
    take_or_clear(span.parent_span_id(), out.parent_span_id, decoded);
    out.trace_state = span.trace_state();
    out.flags = span.flags();
    out.name = span.name();
    out.kind = static_cast<model::SpanKind>(static_cast<int32_t>(span.kind()));
    out.start = span.start_time_unix_nano();
    out.end = span.end_time_unix_nano();
    out.attributes = attributes(span.attributes());
    out.dropped_attributes_count = span.dropped_attributes_count();
    for (const auto& event : span.events())
      out.events.push_back({event.time_unix_nano(), event.name(), attributes(event.attributes()),
                            event.dropped_attributes_count()});
    out.dropped_events_count = span.dropped_events_count();
    for (const auto& link : span.links()) {
      model::Link& made = out.links.emplace_back();
      take_or_clear(link.trace_id(), made.trace_id, decoded);
      take_or_clear(link.span_id(), made.span_id, decoded);
      made.trace_state = link.trace_state();
      made.attributes = attributes(link.attributes());
      made.dropped_attributes_count = link.dropped_attributes_count();
      made.flags = link.flags();
    }
    out.dropped_links_count = span.dropped_links_count();
    out.status = static_cast<model::StatusCode>(static_cast<int32_t>(span.status().code()));
    out.status_message = span.status().message();
    out.resource = std::move(resource);
    out.scope = std::move(scope);
    decoded.spans.push_back(std::move(out));
  }

  static void fill(const model::Value& value, oracle::AnyValue& out) {
    if (const auto* text = std::get_if<std::string>(&value.data)) out.set_string_value(*text);
    if (const auto* flag = std::get_if<bool>(&value.data)) out.set_bool_value(*flag);
    if (const auto* number = std::get_if<int64_t>(&value.data)) out.set_int_value(*number);
    if (const auto* real = std::get_if<double>(&value.data)) out.set_double_value(*real);
    if (const auto* bytes = std::get_if<model::Bytes>(&value.data)) out.set_bytes_value(bytes->data);
    if (const auto* list = std::get_if<model::KeyValueList>(&value.data))
      fill(list->values, *out.mutable_kvlist_value()->mutable_values());
    if (const auto* array = std::get_if<model::Array>(&value.data)) {
      out.mutable_array_value();
      for (const model::Value& each : array->values) fill(each, *out.mutable_array_value()->add_values());
    }
  }

  static void fill(const std::vector<model::KeyValue>& pairs, auto& out) {
    for (const model::KeyValue& pair : pairs) {
      auto& made = *out.Add();
      made.set_key(pair.key);
      fill(pair.value, *made.mutable_value());
    }
  }

  template <typename Id>
  static std::string bytes_of(const Id& id) {
    return id.is_zero() ? std::string() : std::string(id.bytes.begin(), id.bytes.end());
  }

  static void fill(const model::Span& span, oracle::Span& out) {
    out.set_trace_id(bytes_of(span.trace_id));
    out.set_span_id(bytes_of(span.span_id));
    out.set_trace_state(span.trace_state);
    out.set_parent_span_id(bytes_of(span.parent_span_id));
    out.set_name(span.name);
    out.set_kind(static_cast<oracle::Span::Kind>(static_cast<int32_t>(span.kind)));
    out.set_start_time_unix_nano(span.start);
    out.set_end_time_unix_nano(span.end);
    fill(span.attributes, *out.mutable_attributes());
    out.set_dropped_attributes_count(span.dropped_attributes_count);
    for (const model::Event& event : span.events) {
      auto& made = *out.add_events();
      made.set_time_unix_nano(event.time);
      made.set_name(event.name);
      fill(event.attributes, *made.mutable_attributes());
      made.set_dropped_attributes_count(event.dropped_attributes_count);
    }
    out.set_dropped_events_count(span.dropped_events_count);
    for (const model::Link& link : span.links) {
      auto& made = *out.add_links();
      made.set_trace_id(bytes_of(link.trace_id));
      made.set_span_id(bytes_of(link.span_id));
      made.set_trace_state(link.trace_state);
      fill(link.attributes, *made.mutable_attributes());
      made.set_dropped_attributes_count(link.dropped_attributes_count);
      made.set_flags(link.flags);
    }
    out.set_dropped_links_count(span.dropped_links_count);
    out.mutable_status()->set_code(static_cast<oracle::Status::Code>(static_cast<int32_t>(span.status)));
    out.mutable_status()->set_message(span.status_message);
    out.set_flags(span.flags);
  }
};

inline bool same_spans(const std::vector<model::Span>& a, const std::vector<model::Span>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), model::same_span);
}

inline bool same(const DecodedSpans& a, const DecodedSpans& b) {
  return a.rejected == b.rejected && a.repaired == b.repaired && same_spans(a.spans, b.spans);
}

}  // namespace testmesh::otlp::testing
