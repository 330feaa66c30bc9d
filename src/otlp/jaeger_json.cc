#include <fmt/format.h>

#include <charconv>
#include <map>
#include <optional>

#include "otlp/base64.h"
#include "otlp/foreign_fields.h"
#include "otlp/foreign_json.h"
#include "otlp/json_document.h"

namespace testmesh::otlp {
namespace {

using base::ErrorCode;
using base::Result;
using simdjson::dom::element;

// By the tag's stated type when the value fits it, else by what the value is:
// the UI writes large integers as strings, others leave the type out.
model::Value tag_value(std::string_view type, element value) {
  if (bool flag = false; !value.get_bool().get(flag)) return {flag};
  if (value.is_number()) {
    int64_t whole = 0;
    if (type != "float64" && !value.get_int64().get(whole)) return {whole};
    return {value.get_double().value_unsafe()};
  }
  if (value.is_string()) {
    const std::string_view text = text_or_empty(value);
    if (type == "bool" && (text == "true" || text == "false")) return {text == "true"};
    if (type == "int64") {
      int64_t whole = 0;
      const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), whole);
      if (code == std::errc() && end == text.data() + text.size()) return {whole};
    }
    if (type == "float64") {
      double number = 0;
      const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
      if (code == std::errc() && end == text.data() + text.size()) return {number};
    }
    if (type == "binary")
      if (auto bytes = from_base64(text)) return {model::Bytes{*std::move(bytes)}};
    return {std::string(text)};
  }
  if (value.is_null()) return {};
  return {simdjson::minify(value)};  // no tag of Jaeger's; kept as text rather than dropped
}

// Calls each(key, value) for a list of tags.
Result<void> for_each_tag(element tags, auto&& each) {
  simdjson::dom::array list;
  if (tags.get_array().get(list)) return base::fail(ErrorCode::kInvalidArgument, "tags that are no list");
  for (const element tag : list) {
    simdjson::dom::object pair;
    if (tag.get_object().get(pair)) return base::fail(ErrorCode::kInvalidArgument, "a tag that is no object");
    static constexpr std::array<std::string_view, 3> kNames{"key", "type", "value"};
    const JsonMembers<3> members(pair, kNames);
    if (!members.has(0)) continue;
    const std::string_view type = members.has(1) ? text_or_empty(members[1]) : std::string_view();
    each(text_or_empty(members[0]), members.has(2) ? tag_value(type, members[2]) : model::Value{});
  }
  return {};
}

Result<std::shared_ptr<const model::Resource>> resource_of(element process) {
  auto made = std::make_shared<model::Resource>();
  simdjson::dom::object object;
  if (process.get_object().get(object))
    return base::fail(ErrorCode::kInvalidArgument, "a process that is no object");
  static constexpr std::array<std::string_view, 2> kNames{"serviceName", "tags"};
  const JsonMembers<2> members(object, kNames);
  if (members.has(0)) made->attributes.push_back({"service.name", {std::string(text_or_empty(members[0]))}});
  if (members.has(1)) {
    TRY(for_each_tag(members[1], [&](std::string_view key, model::Value value) {
      if (key != "service.name" || !members.has(0))
        made->attributes.push_back({std::string(key), std::move(value)});
    }));
  }
  return made;
}

// Scopes are few; spans share theirs.
class Scopes {
 public:
  std::shared_ptr<const model::Scope> of(const model::Scope& scope) {
    auto& known = known_[{scope.name, scope.version}];
    if (!known) known = std::make_shared<model::Scope>(scope);
    return known;
  }

 private:
  std::map<std::pair<std::string, std::string>, std::shared_ptr<const model::Scope>> known_;
};

class TraceReader {
 public:
  explicit TraceReader(ForeignSpans& out) : out_(out) {}

  Result<void> read(element trace) {
    simdjson::dom::object object;
    if (trace.get_object().get(object))
      return base::fail(ErrorCode::kInvalidArgument, "a trace that is no object");
    static constexpr std::array<std::string_view, 2> kNames{"spans", "processes"};
    const JsonMembers<2> members(object, kNames);
    if (members.has(1)) {
      simdjson::dom::object processes;
      if (members[1].get_object().get(processes))
        return base::fail(ErrorCode::kInvalidArgument, "processes that are no object");
      for (const auto process : processes) {
        TRY_ASSIGN(auto resource, resource_of(process.value));
        processes_.insert_or_assign(std::string(process.key), std::move(resource));
      }
    }
    if (!members.has(0)) return {};
    simdjson::dom::array spans;
    if (members[0].get_array().get(spans))
      return base::fail(ErrorCode::kInvalidArgument, "spans that are no list");
    size_t index = 0;
    for (const element span : spans) {
      if (auto done = read_span(span); !done)
        return base::fail(done.error().code, fmt::format("span {}: {}", index, done.error().message));
      ++index;
    }
    return {};
  }

 private:
  Result<void> read_span(element value) {
    simdjson::dom::object object;
    if (value.get_object().get(object)) return base::fail(ErrorCode::kInvalidArgument, "not an object");
    static constexpr std::array<std::string_view, 13> kNames{
        "traceID",  "spanID", "parentSpanID", "flags",     "operationName", "references", "startTime",
        "duration", "tags",   "logs",         "processID", "process",       "warnings"};
    enum Place {
      kTrace,
      kSpan,
      kParent,
      kFlags,
      kName,
      kReferences,
      kStart,
      kDuration,
      kTags,
      kLogs,
      kProcess,
      kInline
    };
    const JsonMembers<13> members(object, kNames);
    const auto text = [&](Place place) {
      return members.has(place) ? text_or_empty(members[place]) : std::string_view();
    };

    const auto trace_id = foreign_id<model::TraceId>(text(kTrace));
    const auto span_id = foreign_id<model::SpanId>(text(kSpan));
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
    span.name = text(kName);
    span.start = *start;
    span.end = *start + *duration;
    if (uint64_t flags = 0; members.has(kFlags) && !members[kFlags].get_uint64().get(flags))
      span.flags = static_cast<uint32_t>(flags & 1);  // sampled; its other bits mean something else in W3C's
    if (members.has(kParent))
      span.parent_span_id = foreign_id<model::SpanId>(text(kParent)).value_or(model::SpanId{});
    if (members.has(kReferences)) TRY(read_references(members[kReferences], span));
    model::Scope scope;
    if (members.has(kTags)) {
      TRY(for_each_tag(members[kTags], [&](std::string_view key, model::Value tag) {
        if (!take_meaning(key, tag, span, scope))
          span.attributes.push_back({std::string(key), std::move(tag)});
      }));
    }
    if (members.has(kLogs)) TRY(read_logs(members[kLogs], span));
    span.scope = scopes_.of(scope);
    if (const auto known = processes_.find(text(kProcess)); known != processes_.end()) {
      span.resource = known->second;
    } else if (members.has(kInline)) {
      TRY_ASSIGN(span.resource, resource_of(members[kInline]));
    } else {
      span.resource = nobody_;
    }
    out_.spans.push_back(std::move(span));
    return {};
  }

  Result<void> read_references(element value, model::Span& span) {
    simdjson::dom::array list;
    if (value.get_array().get(list))
      return base::fail(ErrorCode::kInvalidArgument, "references that are no list");
    for (const element each : list) {
      simdjson::dom::object object;
      if (each.get_object().get(object))
        return base::fail(ErrorCode::kInvalidArgument, "a reference that is no object");
      static constexpr std::array<std::string_view, 3> kNames{"refType", "traceID", "spanID"};
      const JsonMembers<3> members(object, kNames);
      const auto text = [&](size_t place) {
        return members.has(place) ? text_or_empty(members[place]) : std::string_view();
      };
      const auto trace_id = foreign_id<model::TraceId>(text(1));
      const auto span_id = foreign_id<model::SpanId>(text(2));
      if (!trace_id || !span_id) continue;
      if (text(0) == "CHILD_OF" && *trace_id == span.trace_id) {
        if (span.parent_span_id.is_zero()) span.parent_span_id = *span_id;
        if (span.parent_span_id == *span_id) continue;
      }
      model::Link& link = span.links.emplace_back();
      link.trace_id = *trace_id;
      link.span_id = *span_id;
      // How OpenTelemetry tells the two apart once they are links.
      link.attributes.push_back(
          {"opentracing.ref_type", {std::string(text(0) == "FOLLOWS_FROM" ? "follows_from" : "child_of")}});
    }
    return {};
  }

  Result<void> read_logs(element value, model::Span& span) {
    simdjson::dom::array list;
    if (value.get_array().get(list)) return base::fail(ErrorCode::kInvalidArgument, "logs that are no list");
    for (const element each : list) {
      simdjson::dom::object object;
      if (each.get_object().get(object))
        return base::fail(ErrorCode::kInvalidArgument, "a log that is no object");
      static constexpr std::array<std::string_view, 2> kNames{"timestamp", "fields"};
      const JsonMembers<2> members(object, kNames);
      model::Event& event = span.events.emplace_back();
      if (members.has(0)) event.time = microseconds(members[0]).value_or(0);
      if (!members.has(1)) continue;
      TRY(for_each_tag(members[1], [&](std::string_view key, model::Value tag) {
        const auto* text = std::get_if<std::string>(&tag.data);
        if (key == "event" && text && event.name.empty())
          event.name = *text;
        else
          event.attributes.push_back({std::string(key), std::move(tag)});
      }));
    }
    return {};
  }

  ForeignSpans& out_;
  std::map<std::string, std::shared_ptr<const model::Resource>, std::less<>> processes_;
  const std::shared_ptr<const model::Resource> nobody_ = std::make_shared<model::Resource>();
  Scopes scopes_;
};

}  // namespace

Result<void> read_jaeger_trace(element trace, ForeignSpans& out) { return TraceReader(out).read(trace); }

}  // namespace testmesh::otlp
