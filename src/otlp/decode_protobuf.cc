#include <fmt/format.h>
#include <simdjson.h>

#include <bit>

#include "otlp/convert.h"
#include "otlp/fields.h"
#include "otlp/wire.h"

namespace testmesh::otlp {
namespace {

constexpr uint32_t varint_field(uint32_t number) { return field(number, WireType::kVarint); }
constexpr uint32_t bytes_field(uint32_t number) { return field(number, WireType::kBytes); }
constexpr uint32_t fixed64_field(uint32_t number) { return field(number, WireType::kFixed64); }
constexpr uint32_t fixed32_field(uint32_t number) { return field(number, WireType::kFixed32); }

// A known number with another wire type is an unknown field to libprotobuf, so
// every switch is over the whole tag and `default` skips.
//
// Functions return false after a failure, whose place and reason the first
// fail() keeps. A message that comes twice is merged by decoding into the same
// object again. `depth`: how many more levels may open below this message.
class Decoder {
 public:
  explicit Decoder(std::string_view input) : input_(input) {}

  base::Result<DecodedSpans> run() {
    if (!request()) return base::fail(base::ErrorCode::kInvalidArgument, "OTLP protobuf: " + error_);
    return std::move(decoded_);
  }

 private:
  bool fail(const char* at, std::string_view message, std::string_view reason) {
    if (error_.empty()) error_ = fmt::format("{} in a {} near byte {}", reason, message, at - input_.data());
    return false;
  }
  // After the last field of a message.
  bool finish(const WireReaderView& reader, std::string_view message) {
    return reader.failed() ? fail(reader.position(), message, "broken or cut-off field") : true;
  }

  bool text(WireReaderView& reader, std::string& out, std::string_view message) {
    const std::string_view bytes = reader.bytes();
    if (reader.failed()) return finish(reader, message);
    if (!simdjson::validate_utf8(bytes.data(), bytes.size()))
      return fail(bytes.data(), message, "text that is not UTF-8");
    out.assign(bytes);
    return true;
  }

  // The bytes of a nested message, when another level may open.
  bool nested(WireReaderView& reader, int depth, std::string_view& out, std::string_view message) {
    out = reader.bytes();
    if (reader.failed()) return finish(reader, message);
    if (depth <= 0)
      return fail(out.data(), message, fmt::format("more than {} nested messages", kMaxMessageDepth));
    return true;
  }

  bool value(std::string_view bytes, int depth, model::Value& out) {
    constexpr std::string_view kName = "AnyValue";
    WireReaderView reader(bytes);
    while (reader.next()) {
      std::string_view inner;
      switch (reader.tag()) {
        case bytes_field(any_value_field::kString):
          if (!text(reader, out.data.emplace<std::string>(), kName)) return false;
          break;
        case varint_field(any_value_field::kBool):
          out.data = reader.varint() != 0;
          break;
        case varint_field(any_value_field::kInt):
          out.data = static_cast<int64_t>(reader.varint());
          break;
        case fixed64_field(any_value_field::kDouble):
          out.data = std::bit_cast<double>(reader.fixed64());
          break;
        case bytes_field(any_value_field::kArray): {
          if (!nested(reader, depth, inner, kName)) return false;
          auto* list = std::get_if<model::Array>(&out.data);
          if (!array(inner, depth - 1, list ? *list : out.data.emplace<model::Array>())) return false;
          break;
        }
        case bytes_field(any_value_field::kKvlist): {
          if (!nested(reader, depth, inner, kName)) return false;
          auto* list = std::get_if<model::KeyValueList>(&out.data);
          if (!list) list = &out.data.emplace<model::KeyValueList>();
          if (!key_value_list(inner, depth - 1, *list)) return false;
          break;
        }
        case bytes_field(any_value_field::kBytes):
          out.data = model::Bytes{std::string(reader.bytes())};
          break;
        default:
          reader.skip(depth);
      }
    }
    return finish(reader, kName);
  }

  bool array(std::string_view bytes, int depth, model::Array& out) {
    WireReaderView reader(bytes);
    while (reader.next()) {
      std::string_view inner;
      if (reader.tag() != bytes_field(list_field::kValues)) {
        reader.skip(depth);
      } else if (!nested(reader, depth, inner, "ArrayValue") ||
                 !value(inner, depth - 1, out.values.emplace_back())) {
        return false;
      }
    }
    return finish(reader, "ArrayValue");
  }

  bool key_value_list(std::string_view bytes, int depth, model::KeyValueList& out) {
    WireReaderView reader(bytes);
    while (reader.next()) {
      if (reader.tag() != bytes_field(list_field::kValues)) {
        reader.skip(depth);
      } else if (!attribute(reader, depth, out.values, "KeyValueList")) {
        return false;
      }
    }
    return finish(reader, "KeyValueList");
  }

  bool attribute(WireReaderView& outer, int outer_depth, std::vector<model::KeyValue>& out,
                 std::string_view owner) {
    std::string_view bytes;
    if (!nested(outer, outer_depth, bytes, owner)) return false;
    const int depth = outer_depth - 1;
    model::KeyValue& made = out.emplace_back();
    WireReaderView reader(bytes);
    while (reader.next()) {
      std::string_view inner;
      switch (reader.tag()) {
        case bytes_field(key_value_field::kKey):
          if (!text(reader, made.key, "KeyValue")) return false;
          break;
        case bytes_field(key_value_field::kValue):
          if (!nested(reader, depth, inner, "KeyValue") || !value(inner, depth - 1, made.value)) return false;
          break;
        default:
          reader.skip(depth);
      }
    }
    return finish(reader, "KeyValue");
  }

  bool resource(std::string_view bytes, int depth, model::Resource& out) {
    constexpr std::string_view kName = "Resource";
    WireReaderView reader(bytes);
    while (reader.next()) {
      switch (reader.tag()) {
        case bytes_field(resource_field::kAttributes):
          if (!attribute(reader, depth, out.attributes, kName)) return false;
          break;
        case varint_field(resource_field::kDroppedAttributesCount):
          out.dropped_attributes_count = static_cast<uint32_t>(reader.varint());
          break;
        default:
          reader.skip(depth);
      }
    }
    return finish(reader, kName);
  }

  bool scope(std::string_view bytes, int depth, model::Scope& out) {
    constexpr std::string_view kName = "InstrumentationScope";
    WireReaderView reader(bytes);
    while (reader.next()) {
      switch (reader.tag()) {
        case bytes_field(scope_field::kName):
          if (!text(reader, out.name, kName)) return false;
          break;
        case bytes_field(scope_field::kVersion):
          if (!text(reader, out.version, kName)) return false;
          break;
        case bytes_field(scope_field::kAttributes):
          if (!attribute(reader, depth, out.attributes, kName)) return false;
          break;
        case varint_field(scope_field::kDroppedAttributesCount):
          out.dropped_attributes_count = static_cast<uint32_t>(reader.varint());
          break;
        default:
          reader.skip(depth);
      }
    }
    return finish(reader, kName);
  }

  bool event(std::string_view bytes, int depth, model::Event& out) {
    constexpr std::string_view kName = "Event";
    WireReaderView reader(bytes);
    while (reader.next()) {
      switch (reader.tag()) {
        case fixed64_field(event_field::kTime):
          out.time = reader.fixed64();
          break;
        case bytes_field(event_field::kName):
          if (!text(reader, out.name, kName)) return false;
          break;
        case bytes_field(event_field::kAttributes):
          if (!attribute(reader, depth, out.attributes, kName)) return false;
          break;
        case varint_field(event_field::kDroppedAttributesCount):
          out.dropped_attributes_count = static_cast<uint32_t>(reader.varint());
          break;
        default:
          reader.skip(depth);
      }
    }
    return finish(reader, kName);
  }

  bool link(std::string_view bytes, int depth, model::Link& out, uint64_t& repaired) {
    constexpr std::string_view kName = "Link";
    std::string_view trace_id;
    std::string_view span_id;
    WireReaderView reader(bytes);
    while (reader.next()) {
      switch (reader.tag()) {
        case bytes_field(link_field::kTraceId):
          trace_id = reader.bytes();
          break;
        case bytes_field(link_field::kSpanId):
          span_id = reader.bytes();
          break;
        case bytes_field(link_field::kTraceState):
          if (!text(reader, out.trace_state, kName)) return false;
          break;
        case bytes_field(link_field::kAttributes):
          if (!attribute(reader, depth, out.attributes, kName)) return false;
          break;
        case varint_field(link_field::kDroppedAttributesCount):
          out.dropped_attributes_count = static_cast<uint32_t>(reader.varint());
          break;
        case fixed32_field(link_field::kFlags):
          out.flags = reader.fixed32();
          break;
        default:
          reader.skip(depth);
      }
    }
    // An id that is absent was never wrong: nothing to clear.
    if (!take_id(trace_id, out.trace_id) && !trace_id.empty()) ++repaired;
    if (!take_id(span_id, out.span_id) && !span_id.empty()) ++repaired;
    return finish(reader, kName);
  }

  bool status(std::string_view bytes, int depth, model::Span& out) {
    WireReaderView reader(bytes);
    while (reader.next()) {
      switch (reader.tag()) {
        case bytes_field(status_field::kMessage):
          if (!text(reader, out.status_message, "Status")) return false;
          break;
        case varint_field(status_field::kCode):
          out.status = static_cast<model::StatusCode>(static_cast<int32_t>(reader.varint()));
          break;
        default:
          reader.skip(depth);
      }
    }
    return finish(reader, "Status");
  }

  template <typename Id>
  static bool take_id(std::string_view bytes, Id& out) {
    if (bytes.size() != out.bytes.size()) return false;
    std::memcpy(out.bytes.data(), bytes.data(), bytes.size());
    return true;
  }

  bool span(std::string_view bytes, int depth, const std::shared_ptr<const model::Resource>& resource_of,
            const std::shared_ptr<const model::Scope>& scope_of) {
    constexpr std::string_view kName = "Span";
    model::Span out;
    uint64_t repaired = 0;
    std::string_view trace_id;
    std::string_view span_id;
    std::string_view parent_id;
    WireReaderView reader(bytes);
    while (reader.next()) {
      std::string_view inner;
      switch (reader.tag()) {
        case bytes_field(span_field::kTraceId):
          trace_id = reader.bytes();
          break;
        case bytes_field(span_field::kSpanId):
          span_id = reader.bytes();
          break;
        case bytes_field(span_field::kTraceState):
          if (!text(reader, out.trace_state, kName)) return false;
          break;
        case bytes_field(span_field::kParentSpanId):
          parent_id = reader.bytes();
          break;
        case bytes_field(span_field::kName):
          if (!text(reader, out.name, kName)) return false;
          break;
        case varint_field(span_field::kKind):
          out.kind = static_cast<model::SpanKind>(static_cast<int32_t>(reader.varint()));
          break;
        case fixed64_field(span_field::kStart):
          out.start = reader.fixed64();
          break;
        case fixed64_field(span_field::kEnd):
          out.end = reader.fixed64();
          break;
        case bytes_field(span_field::kAttributes):
          if (!attribute(reader, depth, out.attributes, kName)) return false;
          break;
        case varint_field(span_field::kDroppedAttributesCount):
          out.dropped_attributes_count = static_cast<uint32_t>(reader.varint());
          break;
        case bytes_field(span_field::kEvents):
          if (!nested(reader, depth, inner, kName) || !event(inner, depth - 1, out.events.emplace_back()))
            return false;
          break;
        case varint_field(span_field::kDroppedEventsCount):
          out.dropped_events_count = static_cast<uint32_t>(reader.varint());
          break;
        case bytes_field(span_field::kLinks):
          if (!nested(reader, depth, inner, kName) ||
              !link(inner, depth - 1, out.links.emplace_back(), repaired))
            return false;
          break;
        case varint_field(span_field::kDroppedLinksCount):
          out.dropped_links_count = static_cast<uint32_t>(reader.varint());
          break;
        case bytes_field(span_field::kStatus):
          if (!nested(reader, depth, inner, kName) || !status(inner, depth - 1, out)) return false;
          break;
        case fixed32_field(span_field::kFlags):
          out.flags = reader.fixed32();
          break;
        default:
          reader.skip(depth);
      }
    }
    if (!finish(reader, kName)) return false;
    if (!take_id(trace_id, out.trace_id) || out.trace_id.is_zero() || !take_id(span_id, out.span_id) ||
        out.span_id.is_zero() || out.end < out.start) {
      ++decoded_.rejected;
      return true;
    }
    if (!take_id(parent_id, out.parent_span_id) && !parent_id.empty()) ++repaired;
    decoded_.repaired += repaired;
    out.resource = resource_of;
    out.scope = scope_of;
    decoded_.spans.push_back(std::move(out));
    return true;
  }

  // The scope (or resource) and its schema may come behind the spans, and in
  // parts: spans are decoded when all of it is known.
  bool scope_spans(std::string_view bytes, int depth,
                   const std::shared_ptr<const model::Resource>& resource_of) {
    constexpr std::string_view kName = "ScopeSpans";
    auto scope_of = std::make_shared<model::Scope>();
    std::vector<std::string_view> spans;
    WireReaderView reader(bytes);
    while (reader.next()) {
      std::string_view inner;
      switch (reader.tag()) {
        case bytes_field(scope_spans_field::kScope):
          if (!nested(reader, depth, inner, kName) || !scope(inner, depth - 1, *scope_of)) return false;
          break;
        case bytes_field(scope_spans_field::kSpans):
          if (!nested(reader, depth, inner, kName)) return false;
          spans.push_back(inner);
          break;
        case bytes_field(scope_spans_field::kSchemaUrl):
          if (!text(reader, scope_of->schema_url, kName)) return false;
          break;
        default:
          reader.skip(depth);
      }
    }
    if (!finish(reader, kName)) return false;
    for (const std::string_view each : spans)
      if (!span(each, depth - 1, resource_of, scope_of)) return false;
    return true;
  }

  bool resource_spans(std::string_view bytes, int depth) {
    constexpr std::string_view kName = "ResourceSpans";
    auto resource_of = std::make_shared<model::Resource>();
    std::vector<std::string_view> parts;
    WireReaderView reader(bytes);
    while (reader.next()) {
      std::string_view inner;
      switch (reader.tag()) {
        case bytes_field(resource_spans_field::kResource):
          if (!nested(reader, depth, inner, kName) || !resource(inner, depth - 1, *resource_of)) return false;
          break;
        case bytes_field(resource_spans_field::kScopeSpans):
          if (!nested(reader, depth, inner, kName)) return false;
          parts.push_back(inner);
          break;
        case bytes_field(resource_spans_field::kSchemaUrl):
          if (!text(reader, resource_of->schema_url, kName)) return false;
          break;
        default:
          reader.skip(depth);
      }
    }
    if (!finish(reader, kName)) return false;
    for (const std::string_view part : parts)
      if (!scope_spans(part, depth - 1, resource_of)) return false;
    return true;
  }

  bool request() {
    constexpr std::string_view kName = "request";
    WireReaderView reader(input_);
    while (reader.next()) {
      std::string_view inner;
      if (reader.tag() != bytes_field(request_field::kResourceSpans)) {
        reader.skip(kMaxMessageDepth);
      } else if (!nested(reader, kMaxMessageDepth, inner, kName) ||
                 !resource_spans(inner, kMaxMessageDepth - 1)) {
        return false;
      }
    }
    return finish(reader, kName);
  }

  const std::string_view input_;
  DecodedSpans decoded_;
  std::string error_;
};

}  // namespace

base::Result<DecodedSpans> decode_protobuf(std::string_view protobuf) { return Decoder(protobuf).run(); }

}  // namespace testmesh::otlp
