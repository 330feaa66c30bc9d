#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <unordered_map>

#include "otlp/foreign_fields.h"
#include "otlp/foreign_json.h"
#include "otlp/json_document.h"

namespace testmesh::otlp {
namespace {

using base::ErrorCode;
using base::Result;
using simdjson::dom::element;

struct Endpoint {
  std::string_view service;
  std::string_view address;
  int64_t port = 0;
};

Endpoint endpoint_of(element value) {
  Endpoint made;
  simdjson::dom::object object;
  if (value.get_object().get(object)) return made;
  static constexpr std::array<std::string_view, 4> kNames{"serviceName", "ipv4", "ipv6", "port"};
  const JsonMembers<4> members(object, kNames);
  if (members.has(0)) made.service = text_or_empty(members[0]);
  if (members.has(1)) made.address = text_or_empty(members[1]);
  if (made.address.empty() && members.has(2)) made.address = text_or_empty(members[2]);
  if (members.has(3) && members[3].get_int64().get(made.port)) made.port = 0;
  return made;
}

class SpanReader {
 public:
  explicit SpanReader(ForeignSpans& out) : out_(out) {}

  Result<void> read(element value) {
    simdjson::dom::object object;
    if (value.get_object().get(object)) return base::fail(ErrorCode::kInvalidArgument, "not an object");
    static constexpr std::array<std::string_view, 11> kNames{
        "traceId",        "id",          "parentId", "name", "kind", "timestamp", "duration", "localEndpoint",
        "remoteEndpoint", "annotations", "tags"};
    enum Place {
      kTrace,
      kId,
      kParent,
      kName,
      kKind,
      kStart,
      kDuration,
      kLocal,
      kRemote,
      kAnnotations,
      kTags
    };
    const JsonMembers<11> members(object, kNames);
    const auto text = [&](Place place) {
      return members.has(place) ? text_or_empty(members[place]) : std::string_view();
    };

    const auto trace_id = foreign_id<model::TraceId>(text(kTrace));
    const auto span_id = foreign_id<model::SpanId>(text(kId));
    const auto start = members.has(kStart) ? microseconds(members[kStart]) : std::optional<uint64_t>(0);
    const auto duration =
        members.has(kDuration) ? microseconds(members[kDuration]) : std::optional<uint64_t>(0);
    if (!trace_id || !span_id || !start || !duration || *start + *duration < *start) {
      ++out_.rejected;
      return {};
    }
    model::Span span;
    span.trace_id = *trace_id;
    span.span_id = *span_id;
    span.parent_span_id = foreign_id<model::SpanId>(text(kParent)).value_or(model::SpanId{});
    span.name = text(kName);
    model::Scope scope;
    if (members.has(kKind)) (void)take_meaning("span.kind", {std::string(text(kKind))}, span, scope);
    if (members.has(kAnnotations)) TRY(read_annotations(members[kAnnotations], span));
    // A half without a timestamp happened when its first annotation did.
    span.start = *start;
    if (span.start == 0 && !span.events.empty())
      span.start = std::ranges::min(span.events, {}, &model::Event::time).time;
    span.end = span.start + *duration;
    if (span.end < span.start) {
      ++out_.rejected;
      return {};
    }
    if (members.has(kTags)) TRY(read_tags(members[kTags], span, scope));
    if (members.has(kRemote)) {
      const Endpoint remote = endpoint_of(members[kRemote]);
      if (!remote.service.empty())
        span.attributes.push_back({"service.peer.name", {std::string(remote.service)}});
      if (!remote.address.empty())
        span.attributes.push_back({"network.peer.address", {std::string(remote.address)}});
      if (remote.port != 0) span.attributes.push_back({"network.peer.port", {remote.port}});
    }
    std::string_view service;
    if (members.has(kLocal)) {
      const Endpoint local = endpoint_of(members[kLocal]);
      service = local.service;
      if (!local.address.empty())
        span.attributes.push_back({"network.local.address", {std::string(local.address)}});
      if (local.port != 0) span.attributes.push_back({"network.local.port", {local.port}});
    }
    span.resource = resource_of(service);
    auto& shared_scope = scopes_[{scope.name, scope.version}];
    if (!shared_scope) shared_scope = std::make_shared<model::Scope>(scope);
    span.scope = shared_scope;
    out_.spans.push_back(std::move(span));
    return {};
  }

 private:
  static Result<void> read_annotations(element value, model::Span& span) {
    simdjson::dom::array list;
    if (value.get_array().get(list))
      return base::fail(ErrorCode::kInvalidArgument, "annotations that are no list");
    for (const element each : list) {
      simdjson::dom::object object;
      if (each.get_object().get(object))
        return base::fail(ErrorCode::kInvalidArgument, "an annotation that is no object");
      static constexpr std::array<std::string_view, 2> kNames{"timestamp", "value"};
      const JsonMembers<2> members(object, kNames);
      model::Event& event = span.events.emplace_back();
      if (members.has(0)) event.time = microseconds(members[0]).value_or(0);
      if (members.has(1)) event.name = text_or_empty(members[1]);
    }
    return {};
  }

  static Result<void> read_tags(element value, model::Span& span, model::Scope& scope) {
    simdjson::dom::object tags;
    if (value.get_object().get(tags))
      return base::fail(ErrorCode::kInvalidArgument, "tags that are no object");
    bool error = false;
    for (const auto tag : tags) {
      if (tag.value.is_null()) continue;
      model::Value made{tag.value.is_string() ? std::string(text_or_empty(tag.value))
                                              : simdjson::minify(tag.value)};
      const std::string& text = std::get<std::string>(made.data);
      if (tag.key == "error") {
        // Its presence is the error, its text the reason.
        error = text != "false";
        if (error && text != "true" && !text.empty() && span.status_message.empty())
          span.status_message = text;
        if (error) continue;
      } else if (take_meaning(tag.key, made, span, scope)) {
        continue;
      }
      span.attributes.push_back({std::string(tag.key), std::move(made)});
    }
    if (error && span.status == model::StatusCode::kUnset) span.status = model::StatusCode::kError;
    return {};
  }

  std::shared_ptr<const model::Resource> resource_of(std::string_view service) {
    const auto known = resources_.find(service);
    if (known != resources_.end()) return known->second;
    auto made = std::make_shared<model::Resource>();
    if (!service.empty()) made->attributes.push_back({"service.name", {std::string(service)}});
    resources_.emplace(service, made);
    return made;
  }

  ForeignSpans& out_;
  std::map<std::string, std::shared_ptr<const model::Resource>, std::less<>> resources_;
  std::map<std::pair<std::string, std::string>, std::shared_ptr<const model::Scope>> scopes_;
};

struct SpanKey {
  model::TraceId trace_id;
  model::SpanId span_id;
  friend bool operator==(const SpanKey&, const SpanKey&) = default;
};
struct SpanKeyHash {
  size_t operator()(const SpanKey& key) const { return key.trace_id.hash() ^ key.span_id.hash(); }
};

// Any of the server halves gives the same id: a client that was retried below
// one id still has one server in the tree.
model::SpanId server_half_id(const SpanKey& key) {
  std::array<uint8_t, 24> bytes{};
  std::ranges::copy(key.trace_id.bytes, bytes.begin());
  std::ranges::copy(key.span_id.bytes, bytes.begin() + 16);
  uint64_t seed = 0;
  model::SpanId id;
  do {
    const uint64_t hash = XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed++);
    std::memcpy(id.bytes.data(), &hash, sizeof hash);
  } while (id.is_zero() || id == key.span_id);
  return id;
}

void part_shared_spans(std::vector<model::Span>::iterator begin, std::vector<model::Span>::iterator end) {
  struct Halves {
    const model::Span* client = nullptr;
    model::Span* server = nullptr;
  };
  std::unordered_map<SpanKey, Halves, SpanKeyHash> all;
  for (auto span = begin; span != end; ++span) {
    Halves& halves = all[{span->trace_id, span->span_id}];
    if (span->kind == model::SpanKind::kClient) halves.client = &*span;
    if (span->kind == model::SpanKind::kServer) halves.server = &*span;
  }
  std::erase_if(all, [](const auto& entry) { return !entry.second.client || !entry.second.server; });
  if (all.empty()) return;
  const auto service = [](const model::Span& span) { return model::service_name(*span.resource); };
  // Children first: they look the halves up by the ids these came with.
  for (auto span = begin; span != end; ++span) {
    const auto parent = all.find({span->trace_id, span->parent_span_id});
    if (parent == all.end()) continue;
    const Halves& halves = parent->second;
    const bool of_client =
        service(*span) == service(*halves.client) && service(*span) != service(*halves.server);
    if (!of_client) span->parent_span_id = server_half_id(parent->first);
  }
  for (auto span = begin; span != end; ++span) {
    if (span->kind != model::SpanKind::kServer) continue;
    const auto halves = all.find({span->trace_id, span->span_id});
    if (halves == all.end()) continue;
    span->parent_span_id = span->span_id;
    span->span_id = server_half_id(halves->first);
  }
}

}  // namespace

Result<void> read_zipkin_spans(const std::vector<element>& spans, ForeignSpans& out) {
  SpanReader reader(out);
  const auto before = static_cast<ptrdiff_t>(out.spans.size());
  for (size_t i = 0; i < spans.size(); ++i) {
    if (auto done = reader.read(spans[i]); !done)
      return base::fail(done.error().code, fmt::format("span {}: {}", i, done.error().message));
  }
  part_shared_spans(out.spans.begin() + before, out.spans.end());
  return {};
}

}  // namespace testmesh::otlp
