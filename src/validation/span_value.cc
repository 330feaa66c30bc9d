#include "validation/span_value.h"

#include <algorithm>

#include "discovery/names.h"
#include "discovery/trace_analyzer.h"
#include "otlp/base64.h"
#include "validation/attribute_names.h"
#include "validation/trace_value.h"

namespace testmesh::validation {

using expr::List;
using expr::Map;
using expr::Record;
using expr::Value;

namespace {

constexpr double kNanosPerMilli = 1e6;

Value map_of(const std::vector<model::KeyValue>& attributes) {
  Map map;
  // Of a key that occurs twice the first counts.
  for (const model::KeyValue& attribute : attributes)
    if (!map.find(attribute.key)) map.set(attribute.key, value_of(attribute.value));
  return map;
}

}  // namespace

Value value_of(const model::Value& value) {
  struct Visitor {
    Value operator()(std::monostate) const { return {}; }
    Value operator()(const std::string& text) const { return text; }
    Value operator()(bool flag) const { return flag; }
    Value operator()(int64_t number) const { return number; }
    Value operator()(double number) const { return number; }
    Value operator()(const model::Array& array) const {
      List list;
      list.reserve(array.values.size());
      for (const model::Value& element : array.values) list.push_back(value_of(element));
      return list;
    }
    Value operator()(const model::KeyValueList& entries) const { return map_of(entries.values); }
    Value operator()(const model::Bytes& bytes) const { return otlp::to_base64(bytes.data); }
  };
  return std::visit(Visitor{}, value.data);
}

namespace {

Value kind_of(const model::Span& span) {
  switch (span.kind) {
    case model::SpanKind::kInternal:
      return Value::of_static("internal");
    case model::SpanKind::kServer:
      return Value::of_static("server");
    case model::SpanKind::kClient:
      return Value::of_static("client");
    case model::SpanKind::kProducer:
      return Value::of_static("producer");
    case model::SpanKind::kConsumer:
      return Value::of_static("consumer");
    default:
      return Value::of_static("unspecified");
  }
}

Value status_of(const model::Span& span) {
  switch (span.status) {
    case model::StatusCode::kOk:
      return Value::of_static("ok");
    case model::StatusCode::kError:
      return Value::of_static("error");
    default:
      return Value::of_static("unset");
  }
}

// What the protocol answered: HTTP's status, else RPC's; nil without either.
Value status_code_of(const model::Span& span) {
  for (const std::string_view key :
       {"http.response.status_code", "rpc.grpc.status_code", "rpc.response.status_code"}) {
    const model::Value* value = find_by_any_name(span.attributes, key);
    if (!value) continue;
    // Some SDKs send digits as text.
    if (const auto* text = std::get_if<std::string>(&value->data);
        text && !text->empty() && text->size() < 10 &&
        text->find_first_not_of("0123456789") == std::string::npos)
      return int64_t{std::stoll(*text)};
    return value_of(*value);
  }
  return {};
}

// The attributes of something, under every name they have had. A name that is
// not there is nil, as a key of a map is.
class AttributesRecord final : public Record {
 public:
  AttributesRecord(std::shared_ptr<const void> keep, const std::vector<model::KeyValue>& attributes)
      : keep_(std::move(keep)), attributes_(attributes) {}

  std::string_view type_name() const override { return "attributes"; }
  bool member(std::string_view name, Value& out) const override {
    const model::Value* value = find_by_any_name(attributes_, name);
    out = value ? value_of(*value) : Value();
    return true;
  }
  std::vector<std::string_view> members() const override {
    std::vector<std::string_view> names;
    for (const model::KeyValue& attribute : attributes_)
      if (std::ranges::find(names, std::string_view(attribute.key)) == names.end())
        names.push_back(attribute.key);
    return names;
  }
  bool same_as(const Record& other) const override {
    const auto* attributes = dynamic_cast<const AttributesRecord*>(&other);
    return attributes && &attributes->attributes_ == &attributes_;
  }

 private:
  std::shared_ptr<const void> keep_;
  const std::vector<model::KeyValue>& attributes_;
};

Value attributes_record(std::shared_ptr<const void> keep, const std::vector<model::KeyValue>& attributes) {
  return std::shared_ptr<const Record>(std::make_shared<AttributesRecord>(std::move(keep), attributes));
}

Value events_of(const model::Span& span, base::UnixNanos zero) {
  List events;
  events.reserve(span.events.size());
  for (const model::Event& event : span.events) {
    Map map;
    map.set("name", event.name);
    map.set("time_ms", (static_cast<double>(event.time) - static_cast<double>(zero)) / kNanosPerMilli);
    map.set("attributes", map_of(event.attributes));
    events.push_back(std::move(map));
  }
  return events;
}

Value links_of(const model::Span& span) {
  List links;
  links.reserve(span.links.size());
  for (const model::Link& link : span.links) {
    Map map;
    map.set("trace_id", link.trace_id.to_hex());
    map.set("span_id", link.span_id.to_hex());
    map.set("attributes", map_of(link.attributes));
    links.push_back(std::move(map));
  }
  return links;
}

double signed_milliseconds(base::UnixNanos time, base::UnixNanos zero) {
  return time >= zero ? milliseconds(time - zero) : -milliseconds(zero - time);
}

const std::vector<std::string_view> kSpanMembers = {"service",
                                                    "operation",
                                                    "name",
                                                    "kind",
                                                    "status",
                                                    "status_code",
                                                    "status_message",
                                                    "duration_ms",
                                                    "self_ms",
                                                    "start_ms",
                                                    "attributes",
                                                    "resource",
                                                    "events",
                                                    "links",
                                                    "parent",
                                                    "children",
                                                    "child_count",
                                                    "depth",
                                                    "is_test_generated",
                                                    "trace_id",
                                                    "span_id"};

}  // namespace

bool own_member(const model::Span& span, std::string_view name, const std::shared_ptr<const void>& keep,
                base::UnixNanos zero, Value& out) {
  if (name == "service")
    out = std::string_view(model::service_name(*span.resource));
  else if (name == "name")
    out = span.name;
  else if (name == "kind")
    out = kind_of(span);
  else if (name == "status")
    out = status_of(span);
  else if (name == "status_code")
    out = status_code_of(span);
  else if (name == "status_message")
    out = span.status_message;
  else if (name == "duration_ms")
    out = milliseconds(span.end > span.start ? span.end - span.start : 0);
  else if (name == "start_ms")
    out = signed_milliseconds(span.start, zero);
  else if (name == "attributes")
    out = attributes_record(keep, span.attributes);
  else if (name == "resource")
    out = attributes_record(keep, span.resource->attributes);
  else if (name == "events")
    out = events_of(span, zero);
  else if (name == "links")
    out = links_of(span);
  else if (name == "is_test_generated")
    out = model::is_test_generated(span);
  else if (name == "trace_id")
    out = span.trace_id.to_hex();
  else if (name == "span_id")
    out = span.span_id.to_hex();
  else
    return false;
  return true;
}

const std::vector<std::string_view>& span_members() { return kSpanMembers; }

namespace {

// A span by itself.
class LoneSpanRecord final : public Record {
 public:
  explicit LoneSpanRecord(std::shared_ptr<const model::Span> span) : span_(std::move(span)) {}

  std::string_view type_name() const override { return "span"; }
  std::vector<std::string_view> members() const override { return kSpanMembers; }
  bool member(std::string_view name, Value& out) const override {
    if (name == "operation") {
      std::vector<std::string> scratch;
      const discovery::SpanNames names = discovery::names_of(discovery::describe(*span_, scratch));
      out = names.endpoint.empty() ? names.operation : names.endpoint;
    } else if (name == "self_ms") {
      return own_member(*span_, "duration_ms", span_, span_->start, out);
    } else if (name == "parent") {
      out = Value::absent_record();
    } else if (name == "children") {
      out = List{};
    } else if (name == "child_count" || name == "depth") {
      out = int64_t{0};
    } else {
      return own_member(*span_, name, span_, span_->start, out);
    }
    return true;
  }
  bool same_as(const Record& other) const override {
    const auto* span = dynamic_cast<const LoneSpanRecord*>(&other);
    return span && span->span_ == span_;
  }

 private:
  std::shared_ptr<const model::Span> span_;
};

}  // namespace

Value lone_span(std::shared_ptr<const model::Span> span) {
  return std::shared_ptr<const Record>(std::make_shared<LoneSpanRecord>(std::move(span)));
}

}  // namespace testmesh::validation
