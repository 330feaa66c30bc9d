// A JSON or YAML text as a tree, for readers of documents that nobody vouches
// for. Private to graph.
//
// Bounded: size, depth and number of values of what is read; aliases are not
// expanded (a value that several places name exists once), and walking counts
// its steps, so that no document costs more than its size allows. A reader
// walks without looking at errors and asks for `error` at the end: the first
// problem that it met on its way.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace testmesh::graph {

struct DocumentLimits {
  size_t bytes = size_t{8} << 20;
  size_t values = 1'000'000;
  size_t steps = 8'000'000;  // of a walk
};

class Document {
 public:
  enum class Kind : uint8_t { kAbsent, kNull, kBool, kNumber, kText, kSequence, kMap };

  // Names a value; cheap to copy. The document outlives it.
  struct Node {
    uint32_t at = 0;
    explicit operator bool() const { return at != 0; }
  };
  using Entry = std::pair<std::string_view, Node>;

  // kInvalidArgument: a sentence with the line. One YAML document, or JSON.
  static base::Result<Document> parse(std::string_view text, const DocumentLimits& = {});
  static base::Result<Document> parse_json(std::string_view text, const DocumentLimits& = {});

  Node root() const { return {root_}; }
  Kind kind(Node) const;  // kAbsent of none
  bool is_map(Node node) const { return kind(node) == Kind::kMap; }
  bool is_sequence(Node node) const { return kind(node) == Kind::kSequence; }
  // Of a scalar as it is written, quotes and escapes resolved; "" of others.
  std::string_view text(Node) const;
  // Compact JSON, keys sorted; empty when it is longer than `max_bytes`.
  std::string json(Node, size_t max_bytes);

  // The value of a key; none when there is none or `node` is no map.
  Node find(Node node, std::string_view key);
  // With what YAML's `<<` merges in. A key that comes twice is an error.
  std::vector<Entry> entries(Node map);
  std::vector<Node> items(Node sequence);
  size_t size(Node) const;  // of a sequence or a map, without merging

  // "line 7", "" where lines are not known (JSON); "line 7: " and ""; for
  // people: "a list", "the text `x`".
  uint32_t line(Node) const;
  std::string at(Node) const;
  std::string describe(Node) const;

  // The first problem stays.
  void fail(std::string sentence);
  void fail(Node, std::string_view sentence);
  const std::optional<std::string>& error() const { return error_; }

 private:
  friend class DocumentBuilder;

  struct Value {
    uint32_t key_at = 0, key_size = 0;    // in strings_: of a map's entry
    uint32_t text_at = 0, text_size = 0;  // in strings_: of a scalar
    uint32_t count = 0;                   // of children
    uint32_t first = 0;                   // child; of an alias its target
    uint32_t next = 0;                    // sibling
    uint32_t line = 0;                    // from 1; 0 unknown
    Kind kind = Kind::kNull;
    bool is_alias = false;
  };

  Document() : values_(1) {}
  const Value& resolved(Node) const;
  std::string_view key(const Value&) const;
  bool step();
  size_t collect(Node map, std::vector<Entry>& entries, int depth);  // how many are its own
  bool append_json(Node, std::string& out, size_t max_bytes);

  std::vector<Value> values_;  // the first is none
  std::string strings_;
  uint32_t root_ = 0;
  bool is_yaml_ = false;
  size_t steps_left_ = 0;
  std::optional<std::string> error_;
};

}  // namespace testmesh::graph
