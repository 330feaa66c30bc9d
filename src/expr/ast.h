// The tree of an expression. Nodes live in their Tree and point at each other.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "expr/value.h"

namespace testmesh::expr {

struct Builtin;  // expr/builtins.h

enum class NodeKind : uint8_t {
  kConstant,     // value
  kIdentifier,   // name; slot: of Program::names()
  kVariable,     // name, bound by a kLet; slot
  kUnary,        // op kNot, kNegate, kPlus; [operand]
  kBinary,       // op; [left, right]. The left side may be a chain of any length of further kBinary.
  kCompare,      // [a, b, c…] with `ops` between: a < b and b < c
  kMember,       // [object, property]; optional: `?.`; property is a text constant for `.name`
  kSlice,        // [object, from, to], from and to may be null
  kCall,         // [callee, arguments…]: a kMember (a method) or anything that is no function
  kBuiltin,      // builtin; [arguments…], predicates as kPredicate
  kPredicate,    // [body]
  kPointer,      // `#`, `#index`, `#acc`: name "" "index" "acc"
  kLet,          // name, slot; [value, body]
  kConditional,  // [condition, then, else]; [condition, else]: `condition ?: else`
  kSequence,     // [expressions…], the last one counts
  kList,         // [elements…]
  kMap,          // [key, value, key, value…]
  kChain,        // [operand]: where a `?.` within it ends
  kExists,       // [operand]
};

enum class Op : uint8_t {
  kNone,
  kNot,
  kNegate,
  kPlus,
  kOr,
  kAnd,
  kEqual,
  kNotEqual,
  kLess,
  kGreater,
  kLessEqual,
  kGreaterEqual,
  kIn,
  kMatches,
  kContains,
  kStartsWith,
  kEndsWith,
  kRange,
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kModulo,
  kPower,
  kCoalesce,
};
std::string_view spelling(Op);

class CompiledRegex;  // expr/regex.h

struct Node {
  NodeKind kind = NodeKind::kConstant;
  Op op = Op::kNone;
  bool optional = false;     // kMember after `?.`
  bool never_equal = false;  // kEqual, kNotEqual of what only looks alike
  uint32_t offset = 0;       // of its place, in bytes of the source
  uint32_t slot = 0;
  // Levels below, not counting the left sides of kBinary: what recursion costs.
  uint32_t depth = 0;
  std::string name;
  Value value;  // also of a kList of constants: the list
  const Builtin* builtin = nullptr;
  const CompiledRegex* regex = nullptr;  // kMatches with a constant pattern
  std::vector<Op> ops;
  std::vector<Node*> children;  // null only in kSlice

  const Node& child(size_t i) const { return *children[i]; }
};

// `a.name`: the name, else "".
inline std::string_view member_name(const Node& node) {
  if (node.kind != NodeKind::kMember) return {};
  const Node& property = node.child(1);
  const bool named = property.kind == NodeKind::kConstant && property.value.kind() == Kind::kString;
  return named ? property.value.as_string() : std::string_view{};
}

// Equal trees, whatever the places and spellings in the source.
bool same_tree(const Node& a, const Node& b);

// The text of a tree; parses to an equal one.
std::string print(const Node& root);

}  // namespace testmesh::expr
