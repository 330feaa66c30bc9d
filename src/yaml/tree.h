// YAML with positions, as a tree, for readers that tell everything that is
// wrong with a file at once.
//
// Bounded in bytes, values and depth, also of what anchors and aliases stand
// for: each alias is a copy of what it names and counts like it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace testmesh::yaml {

// Counted from 1; columns in characters.
struct Problem {
  uint32_t line = 1, column = 1;
  std::string message;
};

enum class Type : uint8_t { kNothing, kText, kList, kMap };
enum class Style : uint8_t { kPlain, kSingleQuoted, kDoubleQuoted, kLiteral, kFolded };

struct Node {
  Type type = Type::kNothing;
  Style style = Style::kPlain;
  bool typed = false;             // a plain scalar, or tagged as no text: 42, true, null are more than texts
  uint32_t line = 1, column = 1;  // of what an alias stands for: where that is written
  uint32_t offset = 0;            // in bytes, where the value (behind its tag and anchor) begins
  std::string text = {};          // kText
  std::vector<Node> keys = {};    // kMap: texts, each once
  std::vector<Node> values = {};  // kList; kMap: by key

  const Node* find(std::string_view key) const;      // the value; null: no map, or no such key
  const Node* find_key(std::string_view key) const;  // the key itself
};

// What a scalar is by YAML 1.2's core schema: what is in quotes or in a block is
// a text. Integers past 64 bits are floats.
using Scalar = std::variant<std::monostate, bool, int64_t, double, std::string_view>;
Scalar scalar_of(const Node&);

struct Limits {
  size_t bytes = size_t{1} << 20;
  size_t nodes = 100'000;  // with those that aliases stand for
  uint32_t depth = 64;
};

struct Rules {
  Limits limits = {};
  bool anchors = true;  // false: anchors, aliases and merge keys (`<<`) are refused
  bool tags = true;     // those of the core schema: !!str, !!int, …; no others ever
  std::string_view one_document = "one document is expected";
};

// One file. Keys that come twice or are no texts, and what is past the limits,
// are problems, as is what is no YAML or no UTF-8. Never throws.
class Document {
 public:
  explicit Document(std::string_view text, const Rules& = {});

  const Node& root() const { return root_; }
  // In the order in which they were found.
  const std::vector<Problem>& problems() const { return problems_; }
  // Whether the tree is the whole file; of keys that come twice the first counts.
  bool is_whole() const { return is_whole_; }

  struct Place {
    uint32_t line = 1, column = 1;
    friend auto operator<=>(const Place&, const Place&) = default;
  };
  // Where the text of a scalar begins: behind the quote, at a block's first line.
  Place text_start(const Node&) const;
  // Where the character at `line`, `column` (from 1, in characters) of a
  // scalar's text stands in the file: escapes, folded lines and the indentation
  // of blocks are accounted for. A place past the text is just behind it.
  Place place_in(const Node&, uint32_t line, uint32_t column) const;

 private:
  static constexpr size_t kBlockBytes = 1024;

  void parse(const Rules&);
  void index_lines();
  size_t characters_before(size_t offset) const;
  Place place_at(size_t offset) const;
  size_t source_offset(const Node&, size_t text_offset) const;

  std::string source_;
  std::vector<uint32_t> line_starts_, characters_before_;
  Node root_;
  std::vector<Problem> problems_;
  bool is_whole_ = false;
};

}  // namespace testmesh::yaml
