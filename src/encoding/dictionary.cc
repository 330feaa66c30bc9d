#include "encoding/dictionary.h"

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstring>

#include "base/varint.h"
#include "encoding/wire.h"

namespace testmesh::encoding {
namespace {

// Log entries: kind, payload length, payload. Ids are the order of appearance.
enum Kind : char { kResource = 'R', kScope = 'S', kKey = 'K', kValue = 'V', kTemplate = 'T', kShape = 'H' };

constexpr size_t kArenaBlock = 64 << 10;

std::string pair_payload(std::string_view a, std::string_view b) {
  std::string payload;
  base::append_sized(payload, a);
  payload += b;
  return payload;
}

std::string value_payload(uint32_t key, std::string_view content) {
  std::string payload;
  base::append_varint(payload, key);
  payload += content;
  return payload;
}

// What makes a shape itself: everything but the default values.
std::string shape_identity(const ShapeEntry& shape) {
  std::string identity;
  base::append_varint(identity, shape.scope);
  base::append_varint(identity, static_cast<uint32_t>(shape.kind));
  base::append_varint(identity, shape.flags);
  base::append_varint(identity, static_cast<uint32_t>(shape.status));
  identity += static_cast<char>(shape.has_parent | shape.has_extras << 1 | shape.name_as_value << 2 |
                                shape.message_as_value << 3);
  base::append_sized(identity, shape.name);
  base::append_varint(identity, shape.attributes.size());
  for (const ShapeAttribute& attribute : shape.attributes) {
    base::append_varint(identity, attribute.key);
    identity += static_cast<char>(attribute.type);
    identity += static_cast<char>(attribute.empty_value);
  }
  return identity;
}

std::string shape_payload(const ShapeEntry& shape) {
  std::string payload = shape_identity(shape);
  for (const ShapeAttribute& attribute : shape.attributes) {
    base::append_sized(payload, attribute.default_wire);
    base::append_varint(payload, attribute.prefix);
    base::append_varint(
        payload, static_cast<uint64_t>(attribute.default_content.data() - attribute.default_wire.data()));
    base::append_varint(payload, attribute.default_content.size());
  }
  return payload;
}

std::optional<ShapeEntry> parse_shape(std::string_view payload) {
  base::ByteReader reader(payload);
  ShapeEntry shape;
  shape.scope = static_cast<uint32_t>(reader.varint());
  shape.kind = static_cast<int32_t>(reader.varint());
  shape.flags = static_cast<uint32_t>(reader.varint());
  shape.status = static_cast<int32_t>(reader.varint());
  const auto bits = reader.fixed<uint8_t>();
  shape.has_parent = bits & 1;
  shape.has_extras = bits & 2;
  shape.name_as_value = bits & 4;
  shape.message_as_value = bits & 8;
  shape.name = reader.sized();
  const uint64_t count = reader.varint();
  if (reader.failed() || count > payload.size()) return std::nullopt;
  shape.attributes.resize(count);
  for (ShapeAttribute& attribute : shape.attributes) {
    attribute.key = static_cast<uint32_t>(reader.varint());
    attribute.type = static_cast<ValueType>(reader.fixed<uint8_t>());
    attribute.empty_value = reader.fixed<uint8_t>() != 0;
  }
  for (ShapeAttribute& attribute : shape.attributes) {
    attribute.default_wire = reader.sized();
    attribute.prefix = static_cast<uint32_t>(reader.varint());
    const uint64_t at = reader.varint();
    const uint64_t size = reader.varint();
    if (at > attribute.default_wire.size() || size > attribute.default_wire.size() - at ||
        attribute.prefix > attribute.default_wire.size())
      return std::nullopt;
    attribute.default_content = attribute.default_wire.substr(at, size);
  }
  if (reader.failed() || !reader.done()) return std::nullopt;
  return shape;
}

}  // namespace

struct Dictionary::Tables {
  boost::unordered_flat_map<std::string, uint32_t> resources, scopes, keys, values, templates, shapes;
  boost::unordered_flat_map<std::string, uint32_t> service_classes;
  std::vector<std::unique_ptr<char[]>> arena;
  size_t arena_left = 0;
  char* arena_at = nullptr;
  size_t bytes = 0;
  std::string log;
  uint64_t log_start = 0;  // offset of log's first byte
};

Dictionary::Dictionary(DictionaryLimits limits) : limits_(limits), tables_(std::make_unique<Tables>()) {
  shapes_.push_back({});  // kGenericShape
}

Dictionary::~Dictionary() = default;

std::string_view Dictionary::store(std::string_view bytes) {
  Tables& t = *tables_;
  if (bytes.empty()) return {"", 0};
  if (bytes.size() > t.arena_left) {
    const size_t size = std::max(kArenaBlock, bytes.size());
    t.arena.push_back(std::make_unique_for_overwrite<char[]>(size));
    t.arena_at = t.arena.back().get();
    t.arena_left = size;
  }
  std::memcpy(t.arena_at, bytes.data(), bytes.size());
  const std::string_view stored(t.arena_at, bytes.size());
  t.arena_at += bytes.size();
  t.arena_left -= bytes.size();
  t.bytes += bytes.size();
  return stored;
}

void Dictionary::log(char kind, std::string_view payload) {
  tables_->log += kind;
  base::append_sized(tables_->log, payload);
}

bool Dictionary::values_full(uint32_t key) const {
  return keys_[key].values->size() >= limits_.values_per_key;
}
bool Dictionary::templates_full() const { return templates_.size() >= limits_.templates; }

uint32_t Dictionary::intern_resource(std::string_view message, std::string_view schema_url) {
  std::string payload = pair_payload(message, schema_url);
  const std::scoped_lock lock(mutex_);
  if (const auto found = tables_->resources.find(payload); found != tables_->resources.end())
    return found->second;
  if (resources_.size() >= limits_.resources || tables_->bytes + payload.size() > limits_.bytes) return kNone;
  CHECK(apply_one(kResource, payload));
  log(kResource, payload);
  return resources_.size() - 1;
}

uint32_t Dictionary::intern_scope(std::string_view message, std::string_view schema_url) {
  std::string payload = pair_payload(message, schema_url);
  const std::scoped_lock lock(mutex_);
  if (const auto found = tables_->scopes.find(payload); found != tables_->scopes.end()) return found->second;
  if (scopes_.size() >= limits_.scopes || tables_->bytes + payload.size() > limits_.bytes) return kNone;
  CHECK(apply_one(kScope, payload));
  log(kScope, payload);
  return scopes_.size() - 1;
}

uint32_t Dictionary::intern_key(std::string_view name) {
  const std::scoped_lock lock(mutex_);
  if (const auto found = tables_->keys.find(std::string(name)); found != tables_->keys.end())
    return found->second;
  if (keys_.size() >= limits_.keys || tables_->bytes + name.size() > limits_.bytes) return kNone;
  CHECK(apply_one(kKey, name));
  log(kKey, name);
  return keys_.size() - 1;
}

uint32_t Dictionary::intern_value(uint32_t key, std::string_view content) {
  std::string payload = value_payload(key, content);
  const std::scoped_lock lock(mutex_);
  if (const auto found = tables_->values.find(payload); found != tables_->values.end()) return found->second;
  if (values_full(key) || tables_->bytes + payload.size() > limits_.bytes) return kNone;
  CHECK(apply_one(kValue, payload));
  log(kValue, payload);
  return keys_[key].values->size() - 1;
}

uint32_t Dictionary::intern_template(std::string_view skeleton) {
  const std::scoped_lock lock(mutex_);
  if (const auto found = tables_->templates.find(std::string(skeleton)); found != tables_->templates.end())
    return found->second;
  if (templates_full() || tables_->bytes + skeleton.size() > limits_.bytes) return kNone;
  CHECK(apply_one(kTemplate, skeleton));
  log(kTemplate, skeleton);
  return templates_.size() - 1;
}

uint32_t Dictionary::intern_shape(const ShapeEntry& shape) {
  const std::string identity = shape_identity(shape);
  const std::scoped_lock lock(mutex_);
  if (const auto found = tables_->shapes.find(identity); found != tables_->shapes.end()) return found->second;
  const std::string payload = shape_payload(shape);
  if (shapes_.size() >= limits_.shapes || tables_->bytes + payload.size() > limits_.bytes) return kNone;
  CHECK(apply_one(kShape, payload));
  log(kShape, payload);
  return shapes_.size() - 1;
}

base::Result<void> Dictionary::apply_one(char kind, std::string_view payload) {
  Tables& t = *tables_;
  base::ByteReader reader(payload);
  switch (kind) {
    case kResource: {
      const std::string_view message = store(reader.sized());
      if (reader.failed()) break;
      const ResourceNames names = resource_names(message);
      ResourceEntry entry{.message = message,
                          .schema_url = store(reader.rest()),
                          .service = store(names.service),
                          .environment = store(names.environment),
                          .version = store(names.version)};
      entry.service_class = t.service_classes
                                .try_emplace(pair_payload(names.service, names.environment),
                                             static_cast<uint32_t>(t.service_classes.size()))
                                .first->second;
      t.resources.emplace(payload, resources_.push_back(entry));
      return {};
    }
    case kScope: {
      const std::string_view message = store(reader.sized());
      if (reader.failed()) break;
      t.scopes.emplace(payload, scopes_.push_back({message, store(reader.rest())}));
      return {};
    }
    case kKey: {
      const std::string_view name = store(payload);
      t.keys.emplace(payload, keys_.push_back({name, discovery::slot_of(name),
                                               std::make_unique<StableVector<std::string_view>>()}));
      return {};
    }
    case kValue: {
      const uint64_t key = reader.varint();
      if (reader.failed() || key >= keys_.size()) break;
      t.values.emplace(payload, keys_[static_cast<uint32_t>(key)].values->push_back(store(reader.rest())));
      return {};
    }
    case kTemplate:
      t.templates.emplace(payload, templates_.push_back(store(payload)));
      return {};
    case kShape: {
      auto shape = parse_shape(store(payload));  // its views then point into the arena
      if (!shape || shape->scope >= scopes_.size()) break;
      bool known_keys = true;
      for (const ShapeAttribute& attribute : shape->attributes) known_keys &= attribute.key < keys_.size();
      if (!known_keys) break;
      std::string identity = shape_identity(*shape);
      t.shapes.emplace(std::move(identity), shapes_.push_back(std::move(*shape)));
      return {};
    }
    default:
      break;
  }
  return base::fail(base::ErrorCode::kCorrupt, "a dictionary definition does not read back");
}

std::string Dictionary::definitions(uint64_t from) const {
  const std::scoped_lock lock(mutex_);
  CHECK(from >= tables_->log_start);
  return tables_->log.substr(from - tables_->log_start);
}

uint64_t Dictionary::log_size() const {
  const std::scoped_lock lock(mutex_);
  return tables_->log_start + tables_->log.size();
}

void Dictionary::forget_log_before(uint64_t offset) {
  const std::scoped_lock lock(mutex_);
  if (offset <= tables_->log_start) return;
  tables_->log.erase(0, offset - tables_->log_start);
  tables_->log_start = offset;
}

base::Result<void> Dictionary::apply(uint64_t offset, std::string_view definitions) {
  const std::scoped_lock lock(mutex_);
  Tables& t = *tables_;
  const uint64_t known = t.log_start + t.log.size();
  if (offset > known)
    return base::fail(base::ErrorCode::kCorrupt,
                      "dictionary definitions are missing before the ones that follow");
  if (known - offset >= definitions.size()) return {};
  definitions.remove_prefix(known - offset);
  base::ByteReader reader(definitions);
  while (!reader.done()) {
    const char kind = reader.fixed<char>();
    const std::string_view payload = reader.sized();
    if (reader.failed()) return base::fail(base::ErrorCode::kCorrupt, "a dictionary definition is cut short");
    TRY(apply_one(kind, payload));
    log(kind, payload);
  }
  return {};
}

size_t Dictionary::memory_bytes() const {
  const std::scoped_lock lock(mutex_);
  return tables_->bytes * 3 + tables_->log.size();  // arena, and the lookup side's copies
}

ResourceNames resource_names(std::string_view resource_message) {
  ResourceNames names;
  bool service = false, environment_new = false, environment_old = false, version = false;
  std::string old_environment;
  WireReader reader(resource_message);
  while (reader.next()) {
    if (!reader.is(1, WireType::kBytes)) {
      reader.skip();
      continue;
    }
    std::string canonical;
    if (!append_canonical_key_value(reader.bytes(), canonical)) continue;
    WireReader pair(canonical);
    std::string_view key;
    std::string text;
    while (pair.next()) {
      if (pair.is(1, WireType::kBytes)) {
        key = pair.bytes();
      } else if (pair.is(2, WireType::kBytes)) {
        WireReader value(pair.bytes());
        if (!value.next()) continue;
        if (value.is(1, WireType::kBytes)) text = value.bytes();
        if (value.is(3, WireType::kVarint)) text = std::to_string(static_cast<int64_t>(value.varint()));
      } else {
        pair.skip();
      }
    }
    const auto first_time = [&](bool& seen) { return !std::exchange(seen, true); };
    if (key == "service.name") {
      if (first_time(service)) names.service = text;
    } else if (key == "deployment.environment.name") {
      if (first_time(environment_new)) names.environment = text;
    } else if (key == "deployment.environment") {
      if (first_time(environment_old)) old_environment = text;
    } else if (key == "service.version") {
      if (first_time(version)) names.version = text;
    }
  }
  if (names.service.empty()) names.service = "unknown_service";
  if (names.environment.empty()) names.environment = std::move(old_environment);
  return names;
}

}  // namespace testmesh::encoding
