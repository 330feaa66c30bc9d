// What the rows of one partition refer to instead of repeating it: resources,
// scopes, attribute keys, common values, text skeletons, and *shapes* (scope,
// name, kind, flags, status and the ordered attribute keys with their usual
// values).
//
// Grow-only. Looking up by id takes no lock; adding takes one, and writes a
// definition to the log. A row must not become durable before the definitions
// it uses: whoever writes rows to disk writes `definitions()` first. Every
// table is capped; past a cap the encoder spells things out instead.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "discovery/span_facts.h"
#include "encoding/stable_vector.h"
#include "model/span.h"

namespace testmesh::encoding {

inline constexpr uint32_t kNone = UINT32_MAX;
inline constexpr uint32_t kGenericShape = 0;  // rows that spell everything out

struct DictionaryLimits {
  uint32_t resources = 16'384;
  uint32_t scopes = 4'096;
  uint32_t keys = 16'384;
  uint32_t values_per_key = 1'024;
  uint32_t templates = 8'192;
  uint32_t shapes = 32'768;
  size_t bytes = 24u << 20;  // all definitions together
};

struct ResourceEntry {
  std::string_view message;  // OTLP Resource as it came
  std::string_view schema_url;
  std::string_view service, environment, version;
  uint32_t service_class = 0;  // equal for equal (service, environment)
};

struct ScopeEntry {
  std::string_view message;
  std::string_view schema_url;
};

struct KeyEntry {
  std::string_view name;
  std::optional<discovery::Slot> slot;
  std::unique_ptr<StableVector<std::string_view>> values;  // AnyValue content without tag
};

// The first byte of an AnyValue: which member, and how it is coded in a row.
enum class ValueType : uint8_t {
  kAbsent = 0,  // KeyValue without value, or an empty value
  kString = 0x0a,
  kBool = 0x10,
  kInt = 0x18,
  kDouble = 0x21,
  kArray = 0x2a,
  kKeyValueList = 0x32,
  kBytes = 0x3a,
};

struct ShapeAttribute {
  uint32_t key = kNone;
  ValueType type = ValueType::kAbsent;
  bool empty_value = false;          // kAbsent: a value message was there, without member
  uint32_t prefix = 0;               // bytes of default_wire up to the value field's tag
  std::string_view default_wire;     // canonical KeyValue; for name and status message the text
  std::string_view default_content;  // the value in it: AnyValue content without tag (text: without length)
};

struct ShapeEntry {
  uint32_t scope = kNone;
  int32_t kind = 0;
  uint32_t flags = 0;
  int32_t status = 0;
  bool has_parent = false;
  bool has_extras = false;                 // events, links, trace state, dropped counts follow as OTLP bytes
  bool name_as_value = false;              // the name is the first value
  bool message_as_value = false;           // then the status message
  std::string_view name;                   // unless name_as_value
  std::vector<ShapeAttribute> attributes;  // name and message first, when they are values
  uint32_t first_attribute() const { return uint32_t{name_as_value} + uint32_t{message_as_value}; }
};

class Dictionary {
 public:
  explicit Dictionary(DictionaryLimits limits = {});
  ~Dictionary();

  // ---- by id; no lock
  const ResourceEntry& resource(uint32_t id) const { return resources_[id]; }
  const ScopeEntry& scope(uint32_t id) const { return scopes_[id]; }
  const KeyEntry& key(uint32_t id) const { return keys_[id]; }
  std::string_view value(uint32_t key, uint32_t id) const { return (*keys_[key].values)[id]; }
  std::string_view text_template(uint32_t id) const { return templates_[id]; }
  const ShapeEntry& shape(uint32_t id) const { return shapes_[id]; }
  uint32_t shape_count() const { return shapes_.size(); }
  uint32_t resource_count() const { return resources_.size(); }
  uint32_t scope_count() const { return scopes_.size(); }
  uint32_t template_count() const { return templates_.size(); }
  uint32_t value_count(uint32_t key) const { return keys_[key].values->size(); }
  bool values_full(uint32_t key) const;
  bool templates_full() const;
  const DictionaryLimits& limits() const { return limits_; }
  // Soon rows will have to spell things out: time for a new partition.
  bool crowded() const {
    return shapes_.size() > limits_.shapes / 8 * 7 || resources_.size() > limits_.resources / 8 * 7;
  }

  // ---- find or add; thread-safe. kNone: not there and the table is full.
  uint32_t intern_resource(std::string_view message, std::string_view schema_url);
  uint32_t intern_scope(std::string_view message, std::string_view schema_url);
  uint32_t intern_key(std::string_view name);
  uint32_t intern_value(uint32_t key, std::string_view content);
  uint32_t intern_template(std::string_view skeleton);
  // `shape`'s views are copied. Equal in all but the default values: the same.
  uint32_t intern_shape(const ShapeEntry& shape);

  // ---- the log
  // Definitions from byte `from` on; how long the log is. Bytes before what
  // `forget_log_before` named are gone.
  std::string definitions(uint64_t from) const;
  uint64_t log_size() const;
  void forget_log_before(uint64_t offset);
  // Applies definitions that start at byte `offset` of the log; what is
  // already known is passed over. kCorrupt when they do not follow on.
  base::Result<void> apply(uint64_t offset, std::string_view definitions);

  size_t memory_bytes() const;

 private:
  struct Tables;  // the lookup side, under mutex_

  std::string_view store(std::string_view bytes);
  void log(char kind, std::string_view payload);
  base::Result<void> apply_one(char kind, std::string_view payload);

  const DictionaryLimits limits_;
  StableVector<ResourceEntry> resources_;
  StableVector<ScopeEntry> scopes_;
  StableVector<KeyEntry> keys_;
  StableVector<std::string_view> templates_;
  StableVector<ShapeEntry> shapes_;

  mutable std::mutex mutex_;
  std::unique_ptr<Tables> tables_;
};

// service.name, the environment (discovery.md 2.3) and service.version of an encoded Resource.
struct ResourceNames {
  std::string service, environment, version;
};
ResourceNames resource_names(std::string_view resource_message);

}  // namespace testmesh::encoding
