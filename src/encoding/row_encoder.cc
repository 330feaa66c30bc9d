#include "encoding/row_encoder.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstring>
#include <random>

#include "base/varint.h"
#include "encoding/row.h"
#include "encoding/span_scanner.h"
#include "encoding/text_template.h"
#include "encoding/wire.h"
#include "encoding/wire_value.h"

namespace testmesh::encoding {
namespace {

constexpr size_t kMaxShapeAttributes = 128;  // a span with more is spelled out
constexpr size_t kMaxDictionaryValue = 2'048;
constexpr size_t kMaxSameShapeKey = 32;  // shapes tried for one (scope, name, …)
// Keys no attribute can have (not UTF-8): the values of span names and status
// messages are coded under them.
constexpr std::string_view kNameKey = "\xffname";
constexpr std::string_view kMessageKey = "\xffmessage";

__extension__ using Wide = unsigned __int128;

uint64_t mix(uint64_t a, uint64_t b) {
  const Wide product = static_cast<Wide>(a ^ 0x9e3779b97f4a7c15ULL) * (b ^ 0xe7037ed1a0b428dbULL);
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

}  // namespace

void EncodedBatch::reset(size_t shards) {
  parts.resize(shards);
  for (std::string& part : parts) part.clear();
  spans = rejected_ids = rejected_times = repaired_ids = generic_rows = 0;
}

struct RowEncoder::Impl {
  explicit Impl(Dictionary& d) : dictionary(d) {
    std::random_device random;
    seed = (static_cast<uint64_t>(random()) << 32) | random();
    name_key = dictionary.intern_key(kNameKey);
    message_key = dictionary.intern_key(kMessageKey);
  }

  Dictionary& dictionary;
  uint64_t seed;  // of every hash: no client can aim at our tables
  uint32_t name_key, message_key;

  boost::unordered_flat_map<uint64_t, uint32_t> resources, scopes, keys, values, templates;
  boost::unordered_flat_map<uint64_t, std::vector<uint32_t>> shapes;

  ScannedSpan span;
  std::vector<std::string> canonical;  // attributes that did not come in canonical form
  SplitText split;

  EncodedBatch* batch = nullptr;
  struct OpenGroup {
    model::TraceId trace;
    size_t header = std::string::npos;  // where in the part
    uint32_t rows = 0;
  };
  std::vector<OpenGroup> groups;  // one a shard

  struct Context {
    std::string_view resource, resource_schema, scope, scope_schema;
    uint32_t resource_id = kNone, scope_id = kNone;
  };

  uint64_t hash(std::string_view bytes) const {
    return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
  }

  // ---- tables, thread's own first

  uint32_t resource(std::string_view message, std::string_view schema) {
    const uint64_t key = mix(hash(message), hash(schema));
    if (const auto found = resources.find(key); found != resources.end()) {
      const ResourceEntry& entry = dictionary.resource(found->second);
      if (entry.message == message && entry.schema_url == schema) return found->second;
    }
    const uint32_t id = dictionary.intern_resource(message, schema);
    if (id != kNone) resources[key] = id;
    return id;
  }

  uint32_t scope(std::string_view message, std::string_view schema) {
    const uint64_t key = mix(hash(message), hash(schema));
    if (const auto found = scopes.find(key); found != scopes.end()) {
      const ScopeEntry& entry = dictionary.scope(found->second);
      if (entry.message == message && entry.schema_url == schema) return found->second;
    }
    const uint32_t id = dictionary.intern_scope(message, schema);
    if (id != kNone) scopes[key] = id;
    return id;
  }

  uint32_t attribute_key(std::string_view name) {
    const uint64_t key = hash(name);
    if (const auto found = keys.find(key); found != keys.end() && dictionary.key(found->second).name == name)
      return found->second;
    const uint32_t id = dictionary.intern_key(name);
    if (id != kNone) keys[key] = id;
    return id;
  }

  uint32_t value(uint32_t key, std::string_view content) {
    const uint64_t slot = mix(hash(content), key);
    if (const auto found = values.find(slot); found != values.end())
      return dictionary.value(key, found->second) == content ? found->second : kNone;
    if (dictionary.values_full(key)) return kNone;
    const uint32_t id = dictionary.intern_value(key, content);
    if (id != kNone) values[slot] = id;
    return id;
  }

  uint32_t text_template(std::string_view skeleton) {
    const uint64_t slot = hash(skeleton);
    if (const auto found = templates.find(slot); found != templates.end())
      return dictionary.text_template(found->second) == skeleton ? found->second : kNone;
    if (dictionary.templates_full() || !valid_utf8(skeleton)) return kNone;
    const uint32_t id = dictionary.intern_template(skeleton);
    if (id != kNone) templates[slot] = id;
    return id;
  }

  // ---- values

  // Writes one text value at `out`; false when it is no valid UTF-8.
  bool put_text(uint32_t key, std::string_view content, bool is_text, char*& out) {
    bool split_done = false;
    if (is_text && split_text(content, split) && split.has_id) {
      split_done = true;
      if (put_template(out)) return true;
    }
    if (content.size() <= kMaxDictionaryValue && !split_done) {
      if (is_text && !dictionary.values_full(key) && !valid_utf8(content)) return false;
      if (const uint32_t id = value(key, content); id != kNone) {
        out = base::put_varint(out, uint64_t{id} + 2);
        return true;
      }
      if (is_text && split.has_runs && content.size() <= kMaxTemplateText && put_template(out)) return true;
    }
    if (is_text && !valid_utf8(content)) return false;
    *out++ = 0;
    out = base::put_varint(out, content.size());
    std::memcpy(out, content.data(), content.size());
    out += content.size();
    return true;
  }

  bool put_template(char*& out) {
    const uint32_t id = text_template(split.skeleton);
    if (id == kNone) return false;
    *out++ = 1;
    out = base::put_varint(out, id);
    std::memcpy(out, split.payload.data(), split.payload.size());
    out += split.payload.size();
    return true;
  }

  bool put_value(const ShapeAttribute& attribute, const ParsedValue& parsed, char*& out) {
    switch (parsed.type) {
      case ValueType::kAbsent:
        return true;
      case ValueType::kBool:
        *out++ = parsed.content[0];
        return true;
      case ValueType::kInt:
        out = base::put_varint(out, base::zigzag(static_cast<int64_t>(parsed.number)));
        return true;
      case ValueType::kDouble:
        std::memcpy(out, parsed.content.data(), 8);
        out += 8;
        return true;
      case ValueType::kString:
        return put_text(attribute.key, parsed.content, true, out);
      default:
        return put_text(attribute.key, parsed.content, false, out);
    }
  }

  // ---- one span

  enum class Match { kYes, kNo, kInvalid };

  // Writes the tail of the span under `shape` at `out`.
  Match put_tail(const ShapeEntry& shape, char*& out) {
    const size_t count = shape.attributes.size();
    char* mask = out;
    const size_t mask_size = (count + 7) / 8;
    std::memset(mask, 0, mask_size);
    out += mask_size;
    const uint32_t first = shape.first_attribute();
    for (uint32_t i = 0; i < count; ++i) {
      const ShapeAttribute& attribute = shape.attributes[i];
      if (i < first) {
        const std::string_view text = shape.name_as_value && i == 0 ? span.name : span.status_message;
        if (text == attribute.default_content) continue;
        mask[i / 8] = static_cast<char>(mask[i / 8] | 1 << (i % 8));
        if (!put_text(attribute.key, text, true, out)) return Match::kInvalid;
        continue;
      }
      const std::string_view wire = span.attributes[i - first];
      if (wire == attribute.default_wire) continue;
      if (wire.size() < attribute.prefix ||
          std::memcmp(wire.data(), attribute.default_wire.data(), attribute.prefix) != 0)
        return Match::kNo;
      ParsedValue parsed;
      const std::string_view rest = wire.substr(attribute.prefix);
      if (!(canonicalised ? parse_canonicalised_value(rest, parsed) : parse_canonical_value(rest, parsed)))
        return Match::kNo;
      if (parsed.type != attribute.type || parsed.empty_value != attribute.empty_value) return Match::kNo;
      mask[i / 8] = static_cast<char>(mask[i / 8] | 1 << (i % 8));
      if (!put_value(attribute, parsed, out)) return Match::kInvalid;
    }
    if (shape.has_extras) {
      size_t size = 0;
      for (const std::string_view field : span.extras) size += field.size();
      out = base::put_varint(out, size);
      for (const std::string_view field : span.extras) {
        std::memcpy(out, field.data(), field.size());
        out += field.size();
      }
    }
    return Match::kYes;
  }

  // Whether the attributes at hand were brought to canonical form.
  bool canonicalised = false;

  uint64_t shape_key(const Context& context, bool name_as_value) const {
    uint64_t key = mix(name_as_value ? 1 : hash(span.name), context.scope_id);
    key = mix(key, static_cast<uint64_t>(static_cast<uint32_t>(span.kind)) << 32 | span.flags);
    key =
        mix(key, static_cast<uint64_t>(static_cast<uint32_t>(span.status)) << 32 |
                     span.attributes.size() << 4 | (span.has_parent ? 1 : 0) | (span.extras.empty() ? 0 : 2) |
                     (name_as_value ? 4 : 0) | (span.status_message.empty() ? 0 : 8));
    return key;
  }

  bool same_head(const ShapeEntry& shape, const Context& context, bool name_as_value) const {
    return shape.scope == context.scope_id && shape.kind == span.kind && shape.flags == span.flags &&
           shape.status == span.status && shape.has_parent == span.has_parent &&
           shape.has_extras == !span.extras.empty() && shape.name_as_value == name_as_value &&
           shape.message_as_value == !span.status_message.empty() &&
           (name_as_value || shape.name == span.name) &&
           shape.attributes.size() - shape.first_attribute() == span.attributes.size();
  }

  // Tries the shapes known under this head; writes head and tail of the row.
  Match put_known(const Context& context, bool name_as_value, char*& out) {
    const auto found = shapes.find(shape_key(context, name_as_value));
    if (found == shapes.end()) return Match::kNo;
    std::vector<uint32_t>& candidates = found->second;
    for (size_t i = 0; i < candidates.size(); ++i) {
      const ShapeEntry& shape = dictionary.shape(candidates[i]);
      if (!same_head(shape, context, name_as_value)) continue;
      char* at = base::put_varint(out, candidates[i]);
      at = put_head(context, span.has_parent, at);
      const Match match = put_tail(shape, at);
      if (match == Match::kNo) continue;
      if (i > 0) std::swap(candidates[i], candidates[i - 1]);  // the common one drifts to the front
      out = at;
      return match;
    }
    return Match::kNo;
  }

  char* put_head(const Context& context, bool with_parent, char* out) const {
    out = base::put_varint(out, static_cast<uint32_t>(context.resource_id + 1));
    std::memcpy(out, span.span_id.data(), 8);
    out += 8;
    if (with_parent) {
      if (span.has_parent)
        std::memcpy(out, span.parent_id.data(), 8);
      else
        std::memset(out, 0, 8);
      out += 8;
    }
    std::memcpy(out, &span.start, 8);
    return base::put_varint(out + 8, span.end - span.start);
  }

  // Brings every attribute to canonical form; false: not valid OTLP.
  bool canonicalise() {
    canonical.resize(std::max(canonical.size(), span.attributes.size()));
    for (size_t i = 0; i < span.attributes.size(); ++i) {
      canonical[i].clear();
      if (!append_canonical_key_value(span.attributes[i], canonical[i])) return false;
    }
    for (size_t i = 0; i < span.attributes.size(); ++i) span.attributes[i] = canonical[i];
    canonicalised = true;
    return true;
  }

  // Defines the span's shape (attributes are canonical). kNone: no room.
  uint32_t define_shape(const Context& context, bool name_as_value) {
    ShapeEntry shape;
    shape.scope = context.scope_id;
    shape.kind = span.kind;
    shape.flags = span.flags;
    shape.status = span.status;
    shape.has_parent = span.has_parent;
    shape.has_extras = !span.extras.empty();
    shape.name_as_value = name_as_value;
    shape.message_as_value = !span.status_message.empty();
    if (name_as_value)
      shape.attributes.push_back({.key = name_key,
                                  .type = ValueType::kString,
                                  .default_wire = span.name,
                                  .default_content = span.name});
    else
      shape.name = span.name;
    if (shape.message_as_value)
      shape.attributes.push_back({.key = message_key,
                                  .type = ValueType::kString,
                                  .default_wire = span.status_message,
                                  .default_content = span.status_message});
    for (const std::string_view wire : span.attributes) {
      ShapeAttribute attribute;
      const size_t prefix = key_prefix(wire);
      ParsedValue parsed;
      if (!parse_canonicalised_value(wire.substr(prefix), parsed)) return kNone;
      base::ByteReader key(wire.substr(1));
      attribute.key = attribute_key(key.sized());
      if (attribute.key == kNone) return kNone;
      attribute.type = parsed.type;
      attribute.empty_value = parsed.empty_value;
      attribute.prefix = static_cast<uint32_t>(prefix);
      attribute.default_wire = wire;
      attribute.default_content = parsed.content.data() ? parsed.content : wire.substr(wire.size());
      shape.attributes.push_back(attribute);
    }
    const uint32_t id = dictionary.intern_shape(shape);
    if (id == kNone) return kNone;
    std::vector<uint32_t>& candidates = shapes[shape_key(context, name_as_value)];
    if (std::find(candidates.begin(), candidates.end(), id) == candidates.end()) candidates.push_back(id);
    return id;
  }

  bool worth_a_shape(const Context& context, bool name_as_value) const {
    if (context.resource_id == kNone || context.scope_id == kNone ||
        span.attributes.size() > kMaxShapeAttributes)
      return false;
    const auto found = shapes.find(shape_key(context, name_as_value));
    if (found != shapes.end() && found->second.size() >= kMaxSameShapeKey) return false;
    size_t text = span.name.size() + span.status_message.size();
    for (const std::string_view wire : span.attributes) text += wire.size();
    return text <= 16 << 10;  // defaults are kept for good: no megabytes among them
  }

  // Everything spelled out. Attributes are canonical by now.
  void put_generic(const Context& context, std::string& part) {
    ++batch->generic_rows;
    std::string row;
    base::append_varint(row, kGenericShape);
    char head[64];
    row.append(head, static_cast<size_t>(put_head(context, true, head) - head));
    uint8_t flags = 0;
    if (context.resource_id == kNone) flags |= kGenericInlineResource;
    if (context.scope_id == kNone) flags |= kGenericInlineScope;
    if (span.status == static_cast<int32_t>(model::StatusCode::kError)) flags |= kGenericError;
    row += static_cast<char>(flags);
    if (flags & kGenericInlineResource) {
      base::append_sized(row, context.resource);
      base::append_sized(row, context.resource_schema);
    }
    if (flags & kGenericInlineScope) {
      base::append_sized(row, context.scope);
      base::append_sized(row, context.scope_schema);
    } else {
      base::append_varint(row, context.scope_id);
    }
    const auto bytes_field = [&](uint32_t field, std::string_view bytes) {
      append_tag(row, field, WireType::kBytes);
      base::append_sized(row, bytes);
    };
    if (!span.name.empty()) bytes_field(5, span.name);
    if (span.kind != 0) {
      append_tag(row, 6, WireType::kVarint);
      base::append_varint(row, static_cast<uint64_t>(int64_t{span.kind}));
    }
    for (const std::string_view attribute : span.attributes) bytes_field(9, attribute);
    for (const std::string_view field : span.extras) row += field;
    if (span.status != 0 || !span.status_message.empty()) {
      std::string status;
      if (!span.status_message.empty()) {
        append_tag(status, 2, WireType::kBytes);
        base::append_sized(status, span.status_message);
      }
      if (span.status != 0) {
        append_tag(status, 3, WireType::kVarint);
        base::append_varint(status, static_cast<uint64_t>(int64_t{span.status}));
      }
      bytes_field(15, status);
    }
    if (span.flags != 0) {
      base::append_varint(row, 16 << 3 | static_cast<uint32_t>(WireType::kFixed32));
      base::append_fixed(row, span.flags);
    }
    base::append_sized(part, row);
  }

  // Appends the scanned span to its group. False: not valid OTLP.
  bool put_span(const Context& context) {
    model::TraceId trace;
    std::memcpy(trace.bytes.data(), span.trace_id.data(), 16);
    const size_t shard = shard_of(trace.hash(), batch->parts.size());
    std::string& part = batch->parts[shard];
    OpenGroup& group = groups[shard];
    if (group.header == std::string::npos || group.trace != trace) {
      close_group(shard);
      group = {trace, part.size(), 0};
      part.append(reinterpret_cast<const char*>(trace.bytes.data()), 16);
      part.append(8, '\0');
    }
    ++group.rows;
    ++batch->spans;

    // A row is never longer than this: each value at most its wire bytes and
    // a few of code and length.
    const size_t row_start = part.size();
    const size_t bound =
        span.bytes + 64 + span.attributes.size() * 24 + span.name.size() + span.repaired_bytes;
    constexpr size_t kSizeRoom = 5;
    canonicalised = false;
    const auto try_known = [&](bool name_as_value) {
      part.resize(row_start + kSizeRoom + bound);
      char* const start = part.data() + row_start + kSizeRoom;
      char* out = start;
      const Match match = put_known(context, name_as_value, out);
      const auto size = static_cast<size_t>(out - start);
      if (match != Match::kYes) {
        part.resize(row_start);
        return match;
      }
      // The size goes in front; most rows are below 128 bytes.
      char* const front = part.data() + row_start;
      const auto width = static_cast<size_t>(base::put_varint(front, size) - front);
      if (width != kSizeRoom) std::memmove(front + width, start, size);
      part.resize(row_start + width + size);
      return match;
    };

    const bool can_match = context.resource_id != kNone && context.scope_id != kNone;
    if (can_match) {
      Match match = try_known(false);
      if (match == Match::kNo) match = try_known(true);
      if (match != Match::kNo) return match == Match::kYes;
    }
    if (!canonicalise() || !valid_utf8(span.name) || !valid_utf8(span.status_message)) return false;
    if (can_match) {
      Match match = try_known(false);
      if (match == Match::kNo) match = try_known(true);
      const bool has_id = split_text(span.name, split) && split.has_id;
      const bool name_as_value = has_id || dictionary.shape_count() > dictionary.limits().shapes / 2;
      if (match == Match::kNo && worth_a_shape(context, name_as_value) &&
          define_shape(context, name_as_value) != kNone)
        match = try_known(name_as_value);
      if (match != Match::kNo) return match == Match::kYes;
    }
    put_generic(context, part);
    return true;
  }

  void close_group(size_t shard) {
    OpenGroup& group = groups[shard];
    if (group.header == std::string::npos) return;
    std::string& part = batch->parts[shard];
    const auto bytes = static_cast<uint32_t>(part.size() - group.header - kGroupHeader);
    std::memcpy(part.data() + group.header + 16, &bytes, 4);
    std::memcpy(part.data() + group.header + 20, &group.rows, 4);
    group.header = std::string::npos;
  }

  // ---- the request

  bool take_span(std::string_view bytes, const Context& context) {
    if (!span.scan(bytes)) return false;
    const auto all_zero = [](std::string_view id) {
      return id.find_first_not_of('\0') == std::string_view::npos;
    };
    const bool bad_ids = span.trace_id.size() != 16 || span.span_id.size() != 8 || all_zero(span.trace_id) ||
                         all_zero(span.span_id);
    if (bad_ids || span.end < span.start) {
      ++(bad_ids ? batch->rejected_ids : batch->rejected_times);
      return span.rest_is_valid();
    }
    batch->repaired_ids += span.repaired_ids;
    span.has_parent = span.parent_id.size() == 8 && !all_zero(span.parent_id);
    if (!span.parent_id.empty() && span.parent_id.size() != 8) ++batch->repaired_ids;
    return put_span(context);
  }

  // Gives the last schema_url and the joined bytes of a message field that
  // stand in `bytes`, wherever; `spans` sees the repeated field 2.
  struct Envelope {
    std::string_view message, schema;
    std::string joined;
    bool given = false;
  };
  static bool scan_envelope(std::string_view bytes, int depth, Envelope& envelope) {
    WireReader reader(bytes, depth);
    while (reader.next()) {
      if (reader.is(1, WireType::kBytes)) {
        const std::string_view piece = reader.bytes();
        if (envelope.given) {
          if (envelope.joined.empty()) envelope.joined = envelope.message;
          envelope.joined += piece;
          envelope.message = envelope.joined;
        } else {
          envelope.message = piece;
        }
        envelope.given = true;
      } else if (reader.is(3, WireType::kBytes)) {
        envelope.schema = reader.bytes();
        if (!valid_utf8(envelope.schema)) return false;
      } else {
        reader.skip();
      }
    }
    return reader.ok();
  }

  bool take_scope_spans(std::string_view bytes, Context context) {
    Envelope envelope;
    if (!scan_envelope(bytes, 2, envelope)) return false;
    context.scope = envelope.message;
    context.scope_schema = envelope.schema;
    // Known bytes are known to be valid.
    if (!known_scope(context) && !valid_message(WireMessage::kScope, envelope.message, 3)) return false;
    context.scope_id = scope(context.scope, context.scope_schema);
    WireReader reader(bytes, 2);
    while (reader.next()) {
      if (reader.is(2, WireType::kBytes)) {
        if (!take_span(reader.bytes(), context)) return false;
      } else {
        reader.skip();
      }
    }
    return true;
  }

  bool known_scope(const Context& context) const {
    const auto found = scopes.find(mix(hash(context.scope), hash(context.scope_schema)));
    return found != scopes.end() && dictionary.scope(found->second).message == context.scope;
  }
  bool known_resource(const Context& context) const {
    const auto found = resources.find(mix(hash(context.resource), hash(context.resource_schema)));
    return found != resources.end() && dictionary.resource(found->second).message == context.resource;
  }

  bool take_resource_spans(std::string_view bytes) {
    Context context;
    Envelope envelope;
    if (!scan_envelope(bytes, 1, envelope)) return false;
    context.resource = envelope.message;
    context.resource_schema = envelope.schema;
    if (!known_resource(context) && !valid_message(WireMessage::kResource, envelope.message, 2)) return false;
    context.resource_id = resource(context.resource, context.resource_schema);
    WireReader reader(bytes, 1);
    while (reader.next()) {
      if (reader.is(2, WireType::kBytes)) {
        if (!take_scope_spans(reader.bytes(), context)) return false;
      } else {
        reader.skip();
      }
    }
    return true;
  }
};

RowEncoder::RowEncoder(Dictionary& dictionary) : impl_(std::make_unique<Impl>(dictionary)) {}
RowEncoder::~RowEncoder() = default;

base::Result<void> RowEncoder::encode(std::string_view request, EncodedBatch& batch) {
  impl_->batch = &batch;
  impl_->groups.assign(batch.parts.size(), {});
  bool ok = true;
  WireReader reader(request);
  while (ok && reader.next()) {
    if (reader.is(1, WireType::kBytes))
      ok = impl_->take_resource_spans(reader.bytes());
    else
      reader.skip();
  }
  if (!ok || !reader.ok())
    return base::fail(base::ErrorCode::kInvalidArgument,
                      "the body is not a valid OTLP ExportTraceServiceRequest");
  for (size_t shard = 0; shard < batch.parts.size(); ++shard) impl_->close_group(shard);
  return {};
}

}  // namespace testmesh::encoding
