#include "otlp/json_to_protobuf.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>

#include "base/hex.h"
#include "otlp/base64.h"
#include "otlp/convert.h"
#include "otlp/fields.h"
#include "otlp/json_document.h"
#include "otlp/wire_writer.h"

namespace testmesh::otlp {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

std::string_view type_name(element value) {
  switch (value.type()) {
    case element_type::ARRAY:
      return "an array";
    case element_type::OBJECT:
      return "an object";
    case element_type::STRING:
      return "a string";
    case element_type::BOOL:
      return "a boolean";
    case element_type::NULL_VALUE:
      return "null";
    default:
      return "a number";
  }
}

// Decimal digits with an optional minus, as proto3 JSON writes 64-bit integers.
template <typename Integer>
std::optional<Integer> integer_of(std::string_view text) {
  Integer value{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

template <typename Integer>
std::optional<Integer> integer_of(double number) {
  // Both bounds are exact as doubles; the upper one is one past the greatest.
  const double upper = std::ldexp(1.0, std::numeric_limits<Integer>::digits);
  if (!(number >= static_cast<double>(std::numeric_limits<Integer>::min()) && number < upper))
    return std::nullopt;
  const auto value = static_cast<Integer>(number);
  if (static_cast<double>(value) != number) return std::nullopt;
  return value;
}

template <typename Integer>
std::optional<Integer> integer_of(element value) {
  switch (value.type()) {
    case element_type::INT64: {
      const int64_t number = value.get_int64().value_unsafe();
      if (!std::in_range<Integer>(number)) return std::nullopt;
      return static_cast<Integer>(number);
    }
    case element_type::UINT64: {
      const uint64_t number = value.get_uint64().value_unsafe();
      if (!std::in_range<Integer>(number)) return std::nullopt;
      return static_cast<Integer>(number);
    }
    case element_type::DOUBLE:
      return integer_of<Integer>(value.get_double().value_unsafe());
    case element_type::STRING:
      return integer_of<Integer>(value.get_string().value_unsafe());
    default:
      return std::nullopt;
  }
}

std::optional<double> double_of(element value) {
  if (value.is_number()) return value.get_double().value_unsafe();
  if (!value.is_string()) return std::nullopt;
  const std::string_view text = value.get_string().value_unsafe();
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (text == "Infinity") return std::numeric_limits<double>::infinity();
  if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  if (digits.empty() || digits.front() < '0' || digits.front() > '9') return std::nullopt;  // "inf", "nan"
  double number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

using EnumName = std::pair<std::string_view, int32_t>;
constexpr std::array<EnumName, 6> kKindNames{{{"SPAN_KIND_UNSPECIFIED", 0},
                                              {"SPAN_KIND_INTERNAL", 1},
                                              {"SPAN_KIND_SERVER", 2},
                                              {"SPAN_KIND_CLIENT", 3},
                                              {"SPAN_KIND_PRODUCER", 4},
                                              {"SPAN_KIND_CONSUMER", 5}}};
constexpr std::array<EnumName, 3> kStatusNames{
    {{"STATUS_CODE_UNSET", 0}, {"STATUS_CODE_OK", 1}, {"STATUS_CODE_ERROR", 2}}};

// The bytes of an id. What is no hexadecimal text stays an id of a length that
// is not `size`, so that the decoder rejects this span and no other.
std::string id_bytes(std::string_view text, size_t size) {
  std::string bytes(text.size() / 2, '\0');
  if (base::from_hex(text, {reinterpret_cast<uint8_t*>(bytes.data()), bytes.size()})) return bytes;
  bytes.assign(text);
  if (bytes.size() == size) bytes.pop_back();
  return bytes;
}

// Writes each message in the order of its field numbers, defaults left out, so
// that JSON and protobuf of the same spans give the same bytes.
//
// Functions return false after a failure; on the way back each level puts its
// member's name before `where_`. `depth`: how many more messages may open.
class Converter {
 public:
  base::Result<std::string> run(element root) {
    if (!root.is_object())
      return base::fail(base::ErrorCode::kInvalidArgument,
                        "OTLP/JSON: expected an object, found " + std::string(type_name(root)));
    std::string bytes;
    WireWriter out(bytes);
    if (!request(out, root)) {
      if (where_.starts_with('.')) where_.erase(0, 1);
      return base::fail(base::ErrorCode::kInvalidArgument, fmt::format("OTLP/JSON, {}: {}", where_, reason_));
    }
    return bytes;
  }

 private:
  bool fail(std::string reason) {
    reason_ = std::move(reason);
    return false;
  }
  bool mismatch(std::string_view expected, element found) {
    return fail(fmt::format("expected {}, found {}", expected, type_name(found)));
  }
  bool in(std::string_view name) { return in_segment(fmt::format(".{}", name)); }
  bool in(std::string_view name, size_t index) { return in_segment(fmt::format(".{}[{}]", name, index)); }
  bool in_segment(std::string segment) {
    constexpr size_t kLongest = 200;  // the end of a deep path tells nothing
    where_.insert(0, segment);
    if (where_.size() > kLongest) {
      where_.resize(kLongest);
      where_ += "...";
    }
    return false;
  }

  // One scalar member each: nothing is written when it is absent or default.

  template <size_t N>
  bool text(WireWriter& out, uint32_t number, const JsonMembers<N>& members, const auto& names,
            size_t place) {
    if (!members.has(place)) return true;
    std::string_view value;
    if (members[place].get_string().get(value))
      return mismatch("a string", members[place]) || in(names[place]);
    if (!value.empty()) out.add_bytes(number, value);
    return true;
  }

  template <size_t N>
  bool id(WireWriter& out, uint32_t number, size_t size, const JsonMembers<N>& members, const auto& names,
          size_t place) {
    if (!members.has(place)) return true;
    std::string_view value;
    if (members[place].get_string().get(value))
      return mismatch("hexadecimal text", members[place]) || in(names[place]);
    if (!value.empty()) out.add_bytes(number, id_bytes(value, size));
    return true;
  }

  template <typename Integer, size_t N>
  bool integer(Integer& value, const JsonMembers<N>& members, const auto& names, size_t place) {
    if (!members.has(place)) return true;
    if (const auto found = integer_of<Integer>(members[place])) {
      value = *found;
      return true;
    }
    fail(fmt::format("expected an integer from {} to {}", std::numeric_limits<Integer>::min(),
                     std::numeric_limits<Integer>::max()));
    return in(names[place]);
  }

  template <size_t N>
  bool count(WireWriter& out, uint32_t number, const JsonMembers<N>& members, const auto& names,
             size_t place) {
    uint32_t value = 0;
    if (!integer(value, members, names, place)) return false;
    if (value != 0) out.add_uint64(number, value);
    return true;
  }

  template <size_t N>
  bool flags(WireWriter& out, uint32_t number, const JsonMembers<N>& members, const auto& names,
             size_t place) {
    uint32_t value = 0;
    if (!integer(value, members, names, place)) return false;
    if (value != 0) out.add_fixed32(number, value);
    return true;
  }

  template <size_t N>
  bool time(WireWriter& out, uint32_t number, const JsonMembers<N>& members, const auto& names,
            size_t place) {
    uint64_t value = 0;
    if (!integer(value, members, names, place)) return false;
    if (value != 0) out.add_fixed64(number, value);
    return true;
  }

  // The specification wants integers; older exporters write the names.
  template <size_t N>
  bool enumeration(WireWriter& out, uint32_t number, const auto& enum_names, const JsonMembers<N>& members,
                   const auto& names, size_t place) {
    if (!members.has(place)) return true;
    int32_t value = 0;
    std::string_view name;
    if (!members[place].get_string().get(name)) {
      for (const auto& [known, code] : enum_names) {
        if (name != known) continue;
        if (code != 0) out.add_enum(number, code);
        return true;
      }
    }
    if (!integer(value, members, names, place)) return false;
    if (value != 0) out.add_enum(number, value);
    return true;
  }

  // Calls `each(element)` for the entries of an array that are not null.
  bool entries(element list, std::string_view name, auto&& each) {
    simdjson::dom::array array;
    if (list.get_array().get(array)) return mismatch("an array", list) || in(name);
    size_t index = 0;
    for (const element entry : array) {
      if (!each(entry)) return in(name, index);
      ++index;
    }
    return true;
  }

  template <size_t N>
  bool messages(const JsonMembers<N>& members, const auto& names, size_t place, int depth, auto&& each) {
    if (!members.has(place)) return true;
    return entries(members[place], names[place],
                   [&](element entry) { return entry.is_null() || (opens(depth) && each(entry)); });
  }

  bool opens(int depth) {
    return depth > 0 || fail(fmt::format("more than {} nested messages", kMaxMessageDepth));
  }

  bool object(element value, simdjson::dom::object& out) {
    return value.get_object().get(out) ? mismatch("an object", value) : true;
  }

  bool any_value(WireWriter& out, element value, int depth) {
    if (value.is_null()) return true;
    simdjson::dom::object members;
    if (!object(value, members)) return false;
    // One of these; of several the last counts.
    static constexpr std::array<std::string_view, 7> kNames{
        "stringValue", "boolValue", "intValue", "doubleValue", "arrayValue", "kvlistValue", "bytesValue"};
    uint32_t kind = 0;  // the field number
    element content;
    for (const auto member : members) {
      if (member.value.is_null()) continue;
      for (uint32_t i = 0; i < kNames.size(); ++i) {
        if (member.key != kNames[i]) continue;
        kind = i + 1;
        content = member.value;
      }
    }
    return kind == 0 || member_value(out, kind, content, depth) || in(kNames[kind - 1]);
  }

  bool member_value(WireWriter& out, uint32_t kind, element content, int depth) {
    switch (kind) {
      case any_value_field::kString: {
        std::string_view text;
        if (content.get_string().get(text)) return mismatch("a string", content);
        out.add_bytes(kind, text);
        return true;
      }
      case any_value_field::kBool: {
        bool flag = false;
        if (content.get_bool().get(flag)) return mismatch("true or false", content);
        out.add_bool(kind, flag);
        return true;
      }
      case any_value_field::kInt: {
        const auto number = integer_of<int64_t>(content);
        if (!number) return fail("expected a 64-bit integer");
        out.add_int64(kind, *number);
        return true;
      }
      case any_value_field::kDouble: {
        const auto number = double_of(content);
        if (!number) return fail("expected a number, NaN, Infinity or -Infinity");
        out.add_double(kind, *number);
        return true;
      }
      case any_value_field::kBytes: {
        std::string_view text;
        if (content.get_string().get(text)) return mismatch("base64 text", content);
        const auto bytes = from_base64(text);
        if (!bytes) return fail("expected base64 text");
        out.add_bytes(kind, *bytes);
        return true;
      }
      default:
        return list_value(out, kind, content, depth);
    }
  }

  bool list_value(WireWriter& out, uint32_t kind, element content, int depth) {
    simdjson::dom::object list;
    if (!object(content, list) || !opens(depth)) return false;
    static constexpr std::array<std::string_view, 1> kNames{"values"};
    const JsonMembers<1> members(list, kNames);
    WireWriter values(out, kind);
    if (!members.has(0)) return true;
    if (kind == any_value_field::kKvlist)
      return attributes(values, list_field::kValues, members, kNames, 0, depth - 1);
    return entries(members[0], kNames[0], [&](element entry) {
      if (!opens(depth - 1)) return false;
      WireWriter item(values, list_field::kValues);
      return any_value(item, entry, depth - 2);  // null: an empty value keeps its place
    });
  }

  template <size_t N>
  bool attributes(WireWriter& out, uint32_t number, const JsonMembers<N>& members, const auto& names,
                  size_t place, int depth) {
    return messages(members, names, place, depth, [&](element entry) {
      simdjson::dom::object pair;
      if (!object(entry, pair)) return false;
      static constexpr std::array<std::string_view, 2> kNames{"key", "value"};
      const JsonMembers<2> parts(pair, kNames);
      std::string_view key;
      if (parts.has(0) && parts[0].get_string().get(key))
        return mismatch("a string", parts[0]) || in(kNames[0]);
      WireWriter message(out, number);
      message.add_bytes(key_value_field::kKey, key);
      if (!opens(depth - 1)) return in(kNames[1]);
      WireWriter value(message, key_value_field::kValue);
      return !parts.has(1) || any_value(value, parts[1], depth - 2) || in(kNames[1]);
    });
  }

  bool event(WireWriter out, element value, int depth) {
    simdjson::dom::object object_of;
    if (!object(value, object_of)) return false;
    static constexpr std::array<std::string_view, 4> kNames{"timeUnixNano", "name", "attributes",
                                                            "droppedAttributesCount"};
    const JsonMembers<4> members(object_of, kNames);
    return time(out, event_field::kTime, members, kNames, 0) &&
           text(out, event_field::kName, members, kNames, 1) &&
           attributes(out, event_field::kAttributes, members, kNames, 2, depth) &&
           count(out, event_field::kDroppedAttributesCount, members, kNames, 3);
  }

  bool link(WireWriter out, element value, int depth) {
    simdjson::dom::object object_of;
    if (!object(value, object_of)) return false;
    static constexpr std::array<std::string_view, 6> kNames{
        "traceId", "spanId", "traceState", "attributes", "droppedAttributesCount", "flags"};
    const JsonMembers<6> members(object_of, kNames);
    return id(out, link_field::kTraceId, 16, members, kNames, 0) &&
           id(out, link_field::kSpanId, 8, members, kNames, 1) &&
           text(out, link_field::kTraceState, members, kNames, 2) &&
           attributes(out, link_field::kAttributes, members, kNames, 3, depth) &&
           count(out, link_field::kDroppedAttributesCount, members, kNames, 4) &&
           flags(out, link_field::kFlags, members, kNames, 5);
  }

  bool status(WireWriter& span, element value) {
    simdjson::dom::object object_of;
    if (!object(value, object_of)) return false;
    static constexpr std::array<std::string_view, 2> kNames{"message", "code"};
    const JsonMembers<2> members(object_of, kNames);
    // {} is the same as no status: opened only when something is in it.
    std::string content;
    WireWriter out(content);
    if (!text(out, status_field::kMessage, members, kNames, 0) ||
        !enumeration(out, status_field::kCode, kStatusNames, members, kNames, 1))
      return false;
    if (!content.empty()) span.add_bytes(span_field::kStatus, content);
    return true;
  }

  bool span(WireWriter out, element value, int depth) {
    simdjson::dom::object object_of;
    if (!object(value, object_of)) return false;
    // In the order of the field numbers, from 1.
    static constexpr std::array<std::string_view, 16> kNames{"traceId",
                                                             "spanId",
                                                             "traceState",
                                                             "parentSpanId",
                                                             "name",
                                                             "kind",
                                                             "startTimeUnixNano",
                                                             "endTimeUnixNano",
                                                             "attributes",
                                                             "droppedAttributesCount",
                                                             "events",
                                                             "droppedEventsCount",
                                                             "links",
                                                             "droppedLinksCount",
                                                             "status",
                                                             "flags"};
    const JsonMembers<16> members(object_of, kNames);
    if (!id(out, span_field::kTraceId, 16, members, kNames, 0) ||
        !id(out, span_field::kSpanId, 8, members, kNames, 1) ||
        !text(out, span_field::kTraceState, members, kNames, 2) ||
        !id(out, span_field::kParentSpanId, 8, members, kNames, 3) ||
        !text(out, span_field::kName, members, kNames, 4) ||
        !enumeration(out, span_field::kKind, kKindNames, members, kNames, 5) ||
        !time(out, span_field::kStart, members, kNames, 6) ||
        !time(out, span_field::kEnd, members, kNames, 7) ||
        !attributes(out, span_field::kAttributes, members, kNames, 8, depth) ||
        !count(out, span_field::kDroppedAttributesCount, members, kNames, 9))
      return false;
    if (!messages(members, kNames, 10, depth, [&](element entry) {
          return event(WireWriter(out, span_field::kEvents), entry, depth - 1);
        }))
      return false;
    if (!count(out, span_field::kDroppedEventsCount, members, kNames, 11)) return false;
    if (!messages(members, kNames, 12, depth,
                  [&](element entry) { return link(WireWriter(out, span_field::kLinks), entry, depth - 1); }))
      return false;
    if (!count(out, span_field::kDroppedLinksCount, members, kNames, 13)) return false;
    if (members.has(14) && !status(out, members[14])) return in(kNames[14]);
    return flags(out, span_field::kFlags, members, kNames, 15);
  }

  bool scope(WireWriter out, element value, int depth) {
    simdjson::dom::object object_of;
    if (!object(value, object_of)) return false;
    static constexpr std::array<std::string_view, 4> kNames{"name", "version", "attributes",
                                                            "droppedAttributesCount"};
    const JsonMembers<4> members(object_of, kNames);
    return text(out, scope_field::kName, members, kNames, 0) &&
           text(out, scope_field::kVersion, members, kNames, 1) &&
           attributes(out, scope_field::kAttributes, members, kNames, 2, depth) &&
           count(out, scope_field::kDroppedAttributesCount, members, kNames, 3);
  }

  bool scope_spans(WireWriter out, element value, int depth) {
    simdjson::dom::object object_of;
    if (!object(value, object_of)) return false;
    static constexpr std::array<std::string_view, 3> kNames{"scope", "spans", "schemaUrl"};
    const JsonMembers<3> members(object_of, kNames);
    if (members.has(0) && !scope(WireWriter(out, scope_spans_field::kScope), members[0], depth - 1))
      return in(kNames[0]);
    return messages(members, kNames, 1, depth,
                    [&](element entry) {
                      return span(WireWriter(out, scope_spans_field::kSpans), entry, depth - 1);
                    }) &&
           text(out, scope_spans_field::kSchemaUrl, members, kNames, 2);
  }

  bool resource(WireWriter out, element value, int depth) {
    simdjson::dom::object object_of;
    if (!object(value, object_of)) return false;
    static constexpr std::array<std::string_view, 2> kNames{"attributes", "droppedAttributesCount"};
    const JsonMembers<2> members(object_of, kNames);
    return attributes(out, resource_field::kAttributes, members, kNames, 0, depth) &&
           count(out, resource_field::kDroppedAttributesCount, members, kNames, 1);
  }

  bool resource_spans(WireWriter out, element value, int depth) {
    simdjson::dom::object object_of;
    if (!object(value, object_of)) return false;
    static constexpr std::array<std::string_view, 3> kNames{"resource", "scopeSpans", "schemaUrl"};
    const JsonMembers<3> members(object_of, kNames);
    if (members.has(0) && !resource(WireWriter(out, resource_spans_field::kResource), members[0], depth - 1))
      return in(kNames[0]);
    return messages(members, kNames, 1, depth,
                    [&](element entry) {
                      return scope_spans(WireWriter(out, resource_spans_field::kScopeSpans), entry,
                                         depth - 1);
                    }) &&
           text(out, resource_spans_field::kSchemaUrl, members, kNames, 2);
  }

  bool request(WireWriter& out, element value) {
    simdjson::dom::object object_of;
    if (!object(value, object_of)) return false;
    static constexpr std::array<std::string_view, 1> kNames{"resourceSpans"};
    const JsonMembers<1> members(object_of, kNames);
    return messages(members, kNames, 0, kMaxMessageDepth, [&](element entry) {
      return resource_spans(WireWriter(out, request_field::kResourceSpans), entry, kMaxMessageDepth - 1);
    });
  }

  std::string where_;
  std::string reason_;
};

}  // namespace

base::Result<std::string> json_to_protobuf(element request) { return Converter().run(request); }

base::Result<std::string> json_to_protobuf(std::string_view json) {
  // A parser's buffers are ten times its text: reused while small, and a big
  // one is not kept.
  constexpr size_t kKeptSize = 1 << 20;
  thread_local JsonParser kept;
  JsonParser big;
  auto root = (json.size() <= kKeptSize ? kept : big).parse(json);
  if (!root) return base::fail(root.error().code, "OTLP/JSON: " + root.error().message);
  return json_to_protobuf(*root);
}

}  // namespace testmesh::otlp
