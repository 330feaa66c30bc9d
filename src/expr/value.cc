#include "expr/value.h"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <random>

namespace testmesh::expr {
namespace {

// Of the alternatives of Value::data_, in order.
constexpr std::array kKinds = {Kind::kNil,   Kind::kNil,    Kind::kBool,     Kind::kInt,
                               Kind::kFloat, Kind::kString, Kind::kString,   Kind::kList,
                               Kind::kMap,   Kind::kTime,   Kind::kDuration, Kind::kRecord};

constexpr uint64_t kScalarWeight = 8;

uint64_t saturating_add(uint64_t a, uint64_t b) { return a + b < a ? UINT64_MAX : a + b; }

// An attacker who knows the seed could choose keys that all collide.
uint64_t hash_seed() {
  static const uint64_t seed = [] {
    std::random_device device;
    return (uint64_t{device()} << 32) ^ device();
  }();
  return seed;
}

uint64_t hash_bytes(const void* bytes, size_t size, Kind kind) {
  return XXH3_64bits_withSeed(bytes, size, hash_seed() + static_cast<uint64_t>(kind));
}

uint64_t hash_key(const Value& key) {
  const Kind kind = key.kind();
  switch (kind) {
    case Kind::kString:
      return hash_bytes(key.as_string().data(), key.as_string().size(), kind);
    case Kind::kBool: {
      const bool value = key.as_bool();
      return hash_bytes(&value, sizeof value, kind);
    }
    case Kind::kInt: {
      const int64_t value = key.as_int();
      return hash_bytes(&value, sizeof value, kind);
    }
    case Kind::kFloat: {
      const double value = key.as_float() == 0 ? 0.0 : key.as_float();
      return hash_bytes(&value, sizeof value, kind);
    }
    case Kind::kTime: {
      const int64_t value = key.as_time().unix_nanos;
      return hash_bytes(&value, sizeof value, kind);
    }
    case Kind::kDuration: {
      const int64_t value = key.as_duration().nanos;
      return hash_bytes(&value, sizeof value, kind);
    }
    default:
      return hash_bytes(nullptr, 0, kind);
  }
}

bool same_key(const Value& a, const Value& b) { return a.kind() == b.kind() && a == b; }

}  // namespace

struct Value::ListBox {
  explicit ListBox(List&& from) : list(std::move(from)) {
    for (const Value& item : list) {
      depth = std::max(depth, item.depth() + 1);
      weight = saturating_add(weight, item.weight());
    }
  }
  const List list;
  uint32_t depth = 1;
  uint64_t weight = kScalarWeight;
};

struct Value::MapBox {
  explicit MapBox(Map&& from) : map(std::move(from)) {
    for (const auto& [key, value] : map) {
      depth = std::max(depth, value.depth() + 1);
      weight = saturating_add(weight, saturating_add(key.weight(), value.weight()));
    }
  }
  const Map map;
  uint32_t depth = 1;
  uint64_t weight = kScalarWeight;
};

Value::Value(std::string text) : data_(std::make_shared<const std::string>(std::move(text))) {}
Value::Value(std::string_view text) : data_(std::make_shared<const std::string>(text)) {}
Value::Value(const char* text) : data_(std::make_shared<const std::string>(text)) {}
Value::Value(List list) : data_(std::make_shared<const ListBox>(std::move(list))) {}
Value::Value(Map map) : data_(std::make_shared<const MapBox>(std::move(map))) {}
Value::Value(std::shared_ptr<const Record> record) : data_(std::move(record)) {
  CHECK(std::get<std::shared_ptr<const Record>>(data_));
}

Value Value::of_static(std::string_view text) {
  Value value;
  value.data_ = text;
  return value;
}

Value Value::absent_record() {
  Value value;
  value.data_ = AbsentRecord{};
  return value;
}

Kind Value::kind() const { return kKinds[data_.index()]; }
bool Value::is_absent_record() const { return std::holds_alternative<AbsentRecord>(data_); }

bool Value::as_bool() const {
  const bool* value = std::get_if<bool>(&data_);
  CHECK(value);
  return *value;
}

int64_t Value::as_int() const {
  const int64_t* value = std::get_if<int64_t>(&data_);
  CHECK(value);
  return *value;
}

double Value::as_float() const {
  const double* value = std::get_if<double>(&data_);
  CHECK(value);
  return *value;
}

double Value::as_number() const { return kind() == Kind::kInt ? static_cast<double>(as_int()) : as_float(); }

std::string_view Value::as_string() const {
  if (const Text* text = std::get_if<Text>(&data_)) return **text;
  const std::string_view* text = std::get_if<std::string_view>(&data_);
  CHECK(text);
  return *text;
}

const List& Value::as_list() const {
  const auto* box = std::get_if<std::shared_ptr<const ListBox>>(&data_);
  CHECK(box);
  return (*box)->list;
}

const Map& Value::as_map() const {
  const auto* box = std::get_if<std::shared_ptr<const MapBox>>(&data_);
  CHECK(box);
  return (*box)->map;
}

const std::shared_ptr<const Record>& Value::as_record() const {
  const auto* record = std::get_if<std::shared_ptr<const Record>>(&data_);
  CHECK(record);
  return *record;
}

Time Value::as_time() const {
  const Time* value = std::get_if<Time>(&data_);
  CHECK(value);
  return *value;
}

Duration Value::as_duration() const {
  const Duration* value = std::get_if<Duration>(&data_);
  CHECK(value);
  return *value;
}

const Value* Value::find(std::string_view key) const {
  return kind() == Kind::kMap ? as_map().find(key) : nullptr;
}

uint32_t Value::depth() const {
  if (const auto* list = std::get_if<std::shared_ptr<const ListBox>>(&data_)) return (*list)->depth;
  if (const auto* map = std::get_if<std::shared_ptr<const MapBox>>(&data_)) return (*map)->depth;
  return 0;
}

uint64_t Value::weight() const {
  if (const Text* text = std::get_if<Text>(&data_)) return kScalarWeight + (*text)->size();
  if (const auto* list = std::get_if<std::shared_ptr<const ListBox>>(&data_)) return (*list)->weight;
  if (const auto* map = std::get_if<std::shared_ptr<const MapBox>>(&data_)) return (*map)->weight;
  return kScalarWeight;
}

bool Value::is_same_object(const Value& other) const {
  if (data_.index() != other.data_.index()) return false;
  return std::visit(
      [&]<typename T>(const T& mine) {
        if constexpr (requires { mine.get(); }) {
          return mine.get() == std::get<T>(other.data_).get();
        } else {
          return false;
        }
      },
      data_);
}

bool operator==(const Value& a, const Value& b) {
  const Kind kind = a.kind();
  if (kind != b.kind()) return a.is_number() && b.is_number() && a.as_number() == b.as_number();
  switch (kind) {
    case Kind::kNil:
      return true;
    case Kind::kBool:
      return a.as_bool() == b.as_bool();
    case Kind::kInt:
      return a.as_int() == b.as_int();
    case Kind::kFloat:
      return a.as_float() == b.as_float();
    case Kind::kString:
      return a.is_same_object(b) || a.as_string() == b.as_string();
    case Kind::kTime:
      return a.as_time() == b.as_time();
    case Kind::kDuration:
      return a.as_duration() == b.as_duration();
    case Kind::kRecord:
      return a.is_same_object(b) || a.as_record()->same_as(*b.as_record());
    case Kind::kList: {
      const List &left = a.as_list(), &right = b.as_list();
      return left.size() == right.size() && std::equal(left.begin(), left.end(), right.begin());
    }
    case Kind::kMap: {
      const Map &left = a.as_map(), &right = b.as_map();
      return left.size() == right.size() && std::all_of(left.begin(), left.end(), [&](const auto& entry) {
               const Value* other = right.find(entry.first);
               return other && entry.second == *other;
             });
    }
  }
  return false;
}

// Open addressing over the positions of entries, 0 for none.
struct Map::Index {
  static constexpr size_t kFrom = 9;  // fewer entries are looked through

  void insert(uint64_t hash, size_t at) {
    size_t slot = hash & (slots.size() - 1);
    while (slots[slot] != 0) slot = (slot + 1) & (slots.size() - 1);
    slots[slot] = static_cast<uint32_t>(at + 1);
  }

  void rebuild(const std::vector<std::pair<Value, Value>>& entries) {
    slots.assign(std::bit_ceil(entries.size() * 4), 0);
    for (size_t i = 0; i < entries.size(); ++i) insert(hash_key(entries[i].first), i);
  }

  std::vector<uint32_t> slots;
};

Map::Map(std::initializer_list<std::pair<std::string_view, Value>> entries) {
  for (const auto& [key, value] : entries) set(key, value);
}

size_t Map::position(const Value& key) const {
  if (!index_) {
    for (size_t i = 0; i < entries_.size(); ++i)
      if (same_key(entries_[i].first, key)) return i;
    return entries_.size();
  }
  const std::vector<uint32_t>& slots = index_->slots;
  for (size_t slot = hash_key(key) & (slots.size() - 1); slots[slot] != 0;
       slot = (slot + 1) & (slots.size() - 1))
    if (same_key(entries_[slots[slot] - 1].first, key)) return slots[slot] - 1;
  return entries_.size();
}

void Map::index_last() {
  if (entries_.size() < Index::kFrom) return;
  if (!index_ || index_.use_count() > 1 || index_->slots.size() < entries_.size() * 2) {
    index_ = std::make_shared<Index>();
    index_->rebuild(entries_);
  } else {
    index_->insert(hash_key(entries_.back().first), entries_.size() - 1);
  }
}

void Map::set_value(Value key, Value value) {
  const size_t at = position(key);
  if (at < entries_.size()) {
    entries_[at].second = std::move(value);
    return;
  }
  entries_.emplace_back(std::move(key), std::move(value));
  index_last();
}

void Map::set(std::string_view key, Value value) { set_value(Value(key), std::move(value)); }

bool Map::erase(std::string_view key) {
  const size_t at = position(Value::of_static(key));
  if (at == entries_.size()) return false;
  entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(at));
  index_.reset();
  if (entries_.size() >= Index::kFrom) {
    index_ = std::make_shared<Index>();
    index_->rebuild(entries_);
  }
  return true;
}

const Value* Map::find_value(const Value& key) const {
  const size_t at = position(key);
  return at < entries_.size() ? &entries_[at].second : nullptr;
}

// The text lives as long as the search, which is all that it has to.
const Value* Map::find(std::string_view key) const { return find_value(Value::of_static(key)); }

bool Record::call(std::string_view, const List&, base::Result<Value>&) const { return false; }

std::string_view kind_name(Kind kind) {
  switch (kind) {
    case Kind::kNil:
      return "nil";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kString:
      return "string";
    case Kind::kList:
      return "list";
    case Kind::kMap:
      return "map";
    case Kind::kTime:
      return "time";
    case Kind::kDuration:
      return "duration";
    case Kind::kRecord:
      return "record";
  }
  return "nil";
}

}  // namespace testmesh::expr
