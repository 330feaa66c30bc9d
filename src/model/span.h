// A span and everything an OTLP span carries, as plain values shaped like
// OTLP. This is the form for reading and for tests; on the way in spans are
// encoded straight from the wire (see encoding/).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/time.h"
#include "model/ids.h"

namespace testmesh::model {

struct KeyValue;
struct Value;

struct Bytes {
  std::string data;
  friend bool operator==(const Bytes&, const Bytes&) = default;
};
struct Array {
  std::vector<Value> values;
  friend bool operator==(const Array&, const Array&);
};
struct KeyValueList {
  std::vector<KeyValue> values;
  friend bool operator==(const KeyValueList&, const KeyValueList&);
};

// OTLP's AnyValue. monostate: a value that is present and empty.
struct Value {
  std::variant<std::monostate, std::string, bool, int64_t, double, Array, KeyValueList, Bytes> data;
  friend bool operator==(const Value&, const Value&);  // doubles by their bits: NaN equals itself
};

struct KeyValue {
  std::string key;
  Value value;
  friend bool operator==(const KeyValue&, const KeyValue&) = default;
};

struct Resource {
  std::vector<KeyValue> attributes;
  uint32_t dropped_attributes_count = 0;
  std::string schema_url;  // of the ResourceSpans
  friend bool operator==(const Resource&, const Resource&) = default;
};

struct Scope {
  std::string name;
  std::string version;
  std::vector<KeyValue> attributes;
  uint32_t dropped_attributes_count = 0;
  std::string schema_url;  // of the ScopeSpans
  friend bool operator==(const Scope&, const Scope&) = default;
};

struct Event {
  base::UnixNanos time = 0;
  std::string name;
  std::vector<KeyValue> attributes;
  uint32_t dropped_attributes_count = 0;
  friend bool operator==(const Event&, const Event&) = default;
};

struct Link {
  TraceId trace_id;
  SpanId span_id;
  std::string trace_state;
  std::vector<KeyValue> attributes;
  uint32_t dropped_attributes_count = 0;
  uint32_t flags = 0;
  friend bool operator==(const Link&, const Link&) = default;
};

// The wire's numbers; a number outside the enum is kept as it came.
enum class SpanKind : int32_t {
  kUnspecified = 0,
  kInternal = 1,
  kServer = 2,
  kClient = 3,
  kProducer = 4,
  kConsumer = 5
};
enum class StatusCode : int32_t { kUnset = 0, kOk = 1, kError = 2 };

struct Span {
  TraceId trace_id;
  SpanId span_id;
  SpanId parent_span_id;  // all zero: none
  std::string trace_state;
  uint32_t flags = 0;
  std::string name;
  SpanKind kind = SpanKind::kUnspecified;
  base::UnixNanos start = 0;
  base::UnixNanos end = 0;  // never before start once stored
  std::vector<KeyValue> attributes;
  uint32_t dropped_attributes_count = 0;
  std::vector<Event> events;
  uint32_t dropped_events_count = 0;
  std::vector<Link> links;
  uint32_t dropped_links_count = 0;
  StatusCode status = StatusCode::kUnset;
  std::string status_message;
  std::shared_ptr<const Resource> resource;  // never null; shared by the spans of a batch
  std::shared_ptr<const Scope> scope;        // never null
};

// Equal in every field, resource and scope compared by value.
bool same_span(const Span& a, const Span& b);

// The first attribute of that key, or null.
const Value* find_attribute(const std::vector<KeyValue>& attributes, std::string_view key);

// `service.name` of the resource; "unknown_service" when it is absent or empty.
std::string_view service_name(const Resource& resource);

// `testmesh.*`, `execution.*` or an attribute `testmesh.execution.id`.
bool is_test_generated(const Span& span);

}  // namespace testmesh::model
