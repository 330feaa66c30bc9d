// The values of expressions, and of everything that flow files read, send and
// compare: JSON values, times and durations, and records (spans, traces).
//
// Immutable once shared: copying a value copies no text, list or map. Values
// are read from any number of threads.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace testmesh::expr {

class Value;
class Map;
class Record;
using List = std::vector<Value>;

enum class Kind : uint8_t { kNil, kBool, kInt, kFloat, kString, kList, kMap, kTime, kDuration, kRecord };

struct Time {
  int64_t unix_nanos = 0;
  int32_t offset_seconds = 0;  // of the zone it is shown in
  friend bool operator==(const Time& a, const Time& b) { return a.unix_nanos == b.unix_nanos; }
};

struct Duration {
  int64_t nanos = 0;
  friend auto operator<=>(const Duration&, const Duration&) = default;
};

class Value {
 public:
  Value() = default;  // nil
  Value(std::nullptr_t) {}
  Value(bool value) : data_(value) {}
  Value(int value) : data_(int64_t{value}) {}
  Value(int64_t value) : data_(value) {}
  Value(double value) : data_(value) {}
  Value(std::string text);
  Value(std::string_view text);
  Value(const char* text);
  Value(List list);
  Value(Map map);
  Value(Time time) : data_(time) {}
  Value(Duration duration) : data_(duration) {}
  // Never null.
  Value(std::shared_ptr<const Record> record);
  // A text that outlives every value (a literal of the program): costs nothing.
  static Value of_static(std::string_view text);
  // What stands where a record could be and is none: nil, whose members and
  // elements are again such a nil, at any depth, where those of another nil are
  // an error.
  static Value absent_record();

  Kind kind() const;
  bool is_nil() const { return kind() == Kind::kNil; }
  bool is_absent_record() const;
  bool is_number() const { return kind() == Kind::kInt || kind() == Kind::kFloat; }

  // Of the kind asked for; a CHECK otherwise.
  bool as_bool() const;
  int64_t as_int() const;
  double as_float() const;
  double as_number() const;  // of either number
  std::string_view as_string() const;
  const List& as_list() const;
  const Map& as_map() const;
  const std::shared_ptr<const Record>& as_record() const;
  Time as_time() const;
  Duration as_duration() const;

  // The value under a key of a map, or null: not a map, or no such key.
  const Value* find(std::string_view key) const;

  // Levels of lists and maps in it; 0: it is neither. Known without looking.
  uint32_t depth() const;
  // About the bytes that it takes when written out, shared parts as often as
  // they are met. Known without looking.
  uint64_t weight() const;
  // The same text, list, map or record, not only an equal one.
  bool is_same_object(const Value& other) const;

  // As `==` of the language has it: 1 == 1.0, lists and maps by their elements,
  // records by identity, NaN equals nothing.
  friend bool operator==(const Value&, const Value&);

 private:
  struct AbsentRecord {};
  struct ListBox;
  struct MapBox;
  using Text = std::shared_ptr<const std::string>;
  // The order is that of kKinds in value.cc.
  std::variant<std::monostate, AbsentRecord, bool, int64_t, double, Text, std::string_view,
               std::shared_ptr<const ListBox>, std::shared_ptr<const MapBox>, Time, Duration,
               std::shared_ptr<const Record>>
      data_;
};

// Keys in the order in which they were first set; most are texts, any value but
// a list or a map may be one. 1 and 1.0 are two keys. Look-ups by hash past a
// few entries.
class Map {
 public:
  Map() = default;
  Map(std::initializer_list<std::pair<std::string_view, Value>> entries);

  void set(std::string_view key, Value value);
  template <std::same_as<Value> Key>
  void set(Key key, Value value) {
    set_value(std::move(key), std::move(value));
  }
  bool erase(std::string_view key);
  // As groupBy() makes it: what is missing is an empty list, and any key may be
  // asked for. Other maps of texts are asked for texts only.
  void set_grouped() { grouped_ = true; }
  bool is_grouped() const { return grouped_; }
  const Value* find(std::string_view key) const;
  template <std::same_as<Value> Key>
  const Value* find(const Key& key) const {
    return find_value(key);
  }
  size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }

 private:
  struct Index;
  void set_value(Value key, Value value);
  const Value* find_value(const Value& key) const;
  size_t position(const Value& key) const;
  void index_last();

  std::vector<std::pair<Value, Value>> entries_;
  std::shared_ptr<Index> index_;  // shared with copies until one of them changes
  bool grouped_ = false;
};

// An object whose members are computed when they are asked for, so that a trace
// of a thousand spans costs nothing until it is looked at. It shows itself to
// expressions only by what is here. Immutable and thread-safe.
class Record {
 public:
  virtual ~Record() = default;
  virtual std::string_view type_name() const = 0;  // "span", "trace"
  // False: there is no such member. Names are the language's (`duration_ms`).
  virtual bool member(std::string_view name, Value& out) const = 0;
  // All names member() knows, for messages and for printing.
  virtual std::vector<std::string_view> members() const = 0;
  // `record.name(args)`: false when there is no such method.
  virtual bool call(std::string_view name, const List& args, base::Result<Value>& out) const;
  virtual std::vector<std::string_view> methods() const { return {}; }
  // Of the same thing, for `==`; by default by address.
  virtual bool same_as(const Record& other) const { return this == &other; }
};

// Lists and maps nest at most this deep, whoever makes them.
inline constexpr uint32_t kMaxValueDepth = 512;

// One JSON text. Numbers without fraction and exponent that fit 64 bits are
// integers. kInvalidArgument: where it is wrong. Depth at most 512.
base::Result<Value> parse_json(std::string_view text);

// Compact. NaN and infinities as "NaN", "Infinity", "-Infinity"; times RFC 3339,
// durations as Go writes them ("1h2m3s"); keys that are no text as text; a
// record as an object of its plain members. Valid UTF-8 whatever the input.
void append_json(std::string& out, const Value&);
std::string to_json(const Value&);

// For people, in one line: texts in quotes, long ones cut to about `max_bytes`.
std::string describe(const Value&, size_t max_bytes = 200);
// The value as text in a template: texts as they are, nil as "", others as JSON.
std::string to_text(const Value&);
std::string_view kind_name(Kind);  // "nil", "bool", "int", "float", "string", "list", …

}  // namespace testmesh::expr
