#include "engine/facts_memo.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <array>
#include <boost/unordered/unordered_flat_map.hpp>
#include <random>

#include "discovery/db_operation.h"
#include "encoding/wire.h"
#include "otlp/convert.h"

namespace testmesh::engine {
namespace {

using discovery::FactsId;
using discovery::Slot;
using encoding::Row;
using encoding::RowValue;
using encoding::ShapeAttribute;
using encoding::ShapeEntry;
using encoding::ValueType;

constexpr size_t kMaxMemo = 1 << 16;

struct Key {
  uint64_t low, high;
  friend bool operator==(const Key&, const Key&) = default;
};
struct KeyHash {
  size_t operator()(const Key& key) const { return key.low; }
};

bool is_text(ValueType type) { return type == ValueType::kString || type == ValueType::kInt; }

// Encoded empty string as the row spells it raw; one in the dictionary is
// found by its content.
bool is_empty_text(const encoding::Dictionary& dictionary, const ShapeAttribute& attribute,
                   std::string_view encoded) {
  if (attribute.type != ValueType::kString) return false;
  base::ByteReader reader(encoded);
  const uint64_t code = reader.varint();
  if (code == 0) return reader.varint() == 0;
  return code >= 2 && dictionary.value(attribute.key, static_cast<uint32_t>(code - 2)).empty();
}

// Whether a statement, or an operation's name, writes.
bool is_writing(const encoding::Dictionary& dictionary, const ShapeAttribute& attribute,
                std::string_view encoded, std::string& scratch) {
  base::ByteReader reader(encoded);
  if (attribute.type == ValueType::kString && reader.varint() == 1) {
    // Of split text the skeleton is enough, if the first word is all that
    // counts and comes first.
    const std::string_view skeleton = dictionary.text_template(static_cast<uint32_t>(reader.varint()));
    const char first = skeleton.empty() ? '\0' : static_cast<char>(skeleton.front() | 0x20);
    if (first >= 'a' && first <= 'z' && first != 'b') return discovery::is_writing_operation(skeleton);
  }
  return discovery::is_writing_operation(encoding::value_text(dictionary, attribute, encoded, scratch));
}

// What a value tells of a database's operation.
enum Telling : uint8_t { kNothing, kReading, kWriting };

struct ShapeInfo {
  bool ready = false;
  std::vector<uint8_t> slot_mask;      // attributes that fill a slot, or are the name
  std::vector<uint8_t> relevant;       // per attribute: its value can change the facts
  std::vector<uint8_t> empty_default;  // per attribute: fills a slot, but with ""
  std::vector<Telling> telling;        // per attribute: the default's, where nothing else of it counts
  // Facts when every such value is the default, for the first few services
  // that use the shape (most have one); further ones are in the memo.
  std::array<std::pair<uint32_t, FactsId>, 4> by_service;
  uint8_t services = 0;
};

}  // namespace

struct FactsMemo::Impl {
  explicit Impl(const encoding::Dictionary& d) : dictionary(d) {
    std::random_device random;
    seed = (static_cast<uint64_t>(random()) << 32) | random();
  }

  const encoding::Dictionary& dictionary;
  uint64_t seed;
  uint64_t epoch = 0;
  std::vector<ShapeInfo> shapes;
  boost::unordered_flat_map<Key, FactsId, KeyHash> memo;
  std::array<std::string, discovery::kSlotCount + 1> scratch;
  std::string key_bytes;

  ShapeInfo& info(uint32_t id) {
    if (id >= shapes.size()) shapes.resize(id + 1);
    ShapeInfo& info = shapes[id];
    if (info.ready) return info;
    info.ready = true;
    const ShapeEntry& shape = dictionary.shape(id);
    const size_t count = shape.attributes.size();
    info.slot_mask.resize((count + 7) / 8);
    info.relevant.resize(count);
    info.empty_default.resize(count);
    info.telling.resize(count);
    discovery::SlotSet present;
    for (uint32_t i = shape.first_attribute(); i < count; ++i) {
      const ShapeAttribute& attribute = shape.attributes[i];
      const auto slot = dictionary.key(attribute.key).slot;
      if (!slot || (!is_text(attribute.type) && *slot != Slot::kTestmeshExecutionId)) continue;
      if (attribute.type == ValueType::kString && attribute.default_content.empty() &&
          *slot != Slot::kTestmeshExecutionId)
        info.empty_default[i] = 1;
      else
        present.set(static_cast<size_t>(*slot));
    }
    const discovery::SlotSet relevant =
        discovery::relevant_slots(static_cast<model::SpanKind>(shape.kind), present,
                                  shape.name_as_value ? std::string_view() : shape.name);
    const bool database = relevant.test(static_cast<size_t>(Slot::kDbSystemName)) ||
                          relevant.test(static_cast<size_t>(Slot::kDbSystem));
    for (uint32_t i = 0; i < count; ++i) {
      const auto slot = dictionary.key(shape.attributes[i].key).slot;
      const bool is_name = shape.name_as_value && i == 0;
      if (!is_name && !(slot && is_text(shape.attributes[i].type))) continue;
      info.relevant[i] = is_name || relevant.test(static_cast<size_t>(*slot));
      if (!is_name && discovery::tells_operation(*slot)) {
        // Statements differ all the time: not looked at where nobody reads them.
        if (!info.relevant[i] && !(database && info.empty_default[i])) continue;
        if (info.relevant[i])
          info.telling[i] =
              discovery::is_writing_operation(encoding::default_text(shape.attributes[i], scratch.back()))
                  ? kWriting
                  : kReading;
      }
      info.slot_mask[i / 8] = static_cast<uint8_t>(info.slot_mask[i / 8] | 1 << (i % 8));
    }
    return info;
  }

  FactsId describe_row(const Row& row, discovery::TraceAnalyzer& analyzer) {
    const ShapeEntry& shape = dictionary.shape(row.shape);
    const encoding::ResourceEntry& resource = dictionary.resource(row.resource);
    discovery::SpanDescription description;
    description.kind = static_cast<model::SpanKind>(shape.kind);
    description.name = shape.name;
    description.service = resource.service;
    description.environment = resource.environment;
    std::array<bool, discovery::kSlotCount> seen{};
    encoding::ValueCursor cursor(dictionary, shape, row.tail);
    RowValue changed;
    bool has_changed = cursor.next(changed);
    for (uint32_t i = 0; i < shape.attributes.size(); ++i) {
      const ShapeAttribute& attribute = shape.attributes[i];
      std::string_view encoded;
      const bool is_changed = has_changed && changed.attribute == i;
      if (is_changed) {
        encoded = changed.encoded;
        has_changed = cursor.next(changed);
      }
      if (i < shape.first_attribute()) {
        if (shape.name_as_value && i == 0) {
          description.name = is_changed ? encoding::value_text(dictionary, attribute, encoded, scratch.back())
                                        : attribute.default_content;
        }
        continue;
      }
      const auto slot = dictionary.key(attribute.key).slot;
      if (!slot) continue;
      const auto at = static_cast<size_t>(*slot);
      if (std::exchange(seen[at], true)) continue;  // of a repeated key the first counts
      if (*slot == Slot::kTestmeshExecutionId)
        description.values[at] = "1";
      else
        description.values[at] = is_changed
                                     ? encoding::value_text(dictionary, attribute, encoded, scratch[at])
                                     : encoding::default_text(attribute, scratch[at]);
    }
    return analyzer.facts(description);
  }

  // Spelled-out rows are rare: read them as any span is read.
  FactsId describe_generic(const Row& row, discovery::TraceAnalyzer& analyzer) {
    std::string bytes;
    if (encoding::append_traces_data(dictionary, {{1}}, row, bytes)) {
      if (const auto decoded = otlp::decode_protobuf(bytes); decoded && !decoded->spans.empty()) {
        std::vector<std::string> texts;
        return analyzer.facts(discovery::describe(decoded->spans.front(), texts));
      }
    }
    discovery::SpanDescription unreadable;
    unreadable.service = "unknown_service";
    return analyzer.facts(unreadable);
  }

  FactsId facts(const Row& row, discovery::TraceAnalyzer& analyzer) {
    if (analyzer.epoch() != epoch) {
      epoch = analyzer.epoch();
      shapes.clear();
      memo.clear();
    }
    if (row.shape == encoding::kGenericShape || row.resource == encoding::kNone)
      return describe_generic(row, analyzer);
    ShapeInfo& shape_info = info(row.shape);
    const uint32_t service = dictionary.resource(row.resource).service_class;
    bool touched = false;
    for (size_t i = 0; i < shape_info.slot_mask.size() && i < row.tail.size(); ++i)
      touched |= (static_cast<uint8_t>(row.tail[i]) & shape_info.slot_mask[i]) != 0;
    bool unusual = false;
    bool relevant = false;
    if (touched) {
      const ShapeEntry& shape = dictionary.shape(row.shape);
      key_bytes.clear();
      encoding::ValueCursor cursor(dictionary, shape, row.tail);
      RowValue value;
      while (cursor.next(value)) {
        const uint32_t i = value.attribute;
        if (!(shape_info.slot_mask[i / 8] >> (i % 8) & 1)) continue;
        unusual |=
            shape_info.empty_default[i] || is_empty_text(dictionary, shape.attributes[i], value.encoded);
        if (!shape_info.relevant[i]) continue;
        if (shape_info.telling[i] != kNothing) {
          const Telling tells = is_writing(dictionary, shape.attributes[i], value.encoded, scratch.back())
                                    ? kWriting
                                    : kReading;
          if (tells == shape_info.telling[i]) continue;
          relevant = true;
          base::append_varint(key_bytes, i);
          key_bytes += static_cast<char>(tells);
          continue;
        }
        relevant = true;
        base::append_varint(key_bytes, i);
        key_bytes += value.encoded;
      }
    }
    if (unusual) return describe_row(row, analyzer);
    if (!relevant) {
      key_bytes.clear();
      for (uint8_t i = 0; i < shape_info.services; ++i)
        if (shape_info.by_service[i].first == service) return shape_info.by_service[i].second;
      if (shape_info.services < shape_info.by_service.size()) {
        const FactsId id = describe_row(row, analyzer);
        // An emptied table makes everything remembered void.
        if (analyzer.epoch() == epoch) shape_info.by_service[shape_info.services++] = {service, id};
        return id;
      }
    }
    base::append_fixed(key_bytes, row.shape);
    base::append_fixed(key_bytes, service);
    const XXH128_hash_t hash = XXH3_128bits_withSeed(key_bytes.data(), key_bytes.size(), seed);
    const Key key{hash.low64, hash.high64};
    if (const auto found = memo.find(key); found != memo.end()) return found->second;
    const FactsId id = describe_row(row, analyzer);
    if (memo.size() >= kMaxMemo) memo.clear();
    if (analyzer.epoch() == epoch) memo.emplace(key, id);
    return id;
  }
};

FactsMemo::FactsMemo(const encoding::Dictionary& dictionary) : impl_(std::make_unique<Impl>(dictionary)) {}
FactsMemo::~FactsMemo() = default;

FactsId FactsMemo::facts(const Row& row, discovery::TraceAnalyzer& analyzer) {
  return impl_->facts(row, analyzer);
}

std::string FactsMemo::url(const Row& row) const {
  std::string bytes;
  if (!encoding::append_traces_data(impl_->dictionary, {{1}}, row, bytes)) return {};
  const auto decoded = otlp::decode_protobuf(bytes);
  if (!decoded || decoded->spans.empty()) return {};
  std::vector<std::string> texts;
  const discovery::SpanDescription description = discovery::describe(decoded->spans.front(), texts);
  const std::string_view url = description[Slot::kUrlFull];
  return std::string(url.empty() ? description[Slot::kHttpUrl] : url);
}

}  // namespace testmesh::engine
