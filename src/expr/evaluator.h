// Tree -> value.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "expr/ast.h"
#include "expr/budget.h"
#include "expr/checker.h"
#include "expr/program.h"

namespace testmesh::expr {

// The comparison that is the whole expression, if it is one; else null.
const Node* outermost_comparison(const Node& root);

// Of one evaluation. Recursion is bounded by the depth of the tree.
class Evaluator {
 public:
  // `sides_of`: whose sides to note, or null.
  Evaluator(const Checked&, const Environment&, const Limits&, const Node* sides_of);
  ~Evaluator();

  // False: failure() says why.
  bool run(const Node& root, Value& out);

  struct Failure {
    std::string message;
    uint32_t offset = 0;
    bool of_check = false;  // what the check would say, had it known the names
  };
  bool is_missing() const { return budget_.is_missing(); }
  Failure failure() const { return {budget_.message(), offset_, of_check_}; }
  std::optional<Value> actual, expected;

 private:
  struct Scope {
    Scope* outer = nullptr;
    const Value* element = nullptr;
    Value byte;  // the element of a text
    int64_t index = 0;
    Value accumulated;
  };

  bool failed(const Node& at);
  bool fail(const Node& at, std::string message);

  bool eval(const Node&, Value& out);
  bool truth(const Node&, bool& out);
  // The value without copying it where it is somewhere; null: failed.
  const Value* operand(const Node&, Value& storage);
  const Value* name(const Node&);
  Value every_name() const;  // `$env`

  bool unary(const Node&, Value& out);
  bool binary_chain(const Node&, Value& out);
  bool binary(const Node&, const Value& left, Value& out);
  bool comparison(const Node&, const Value& left, bool& out);
  bool two_values(const Node&, const Value& left, const Value& right, Value& out);
  bool range(const Node&, const Value& from, const Value& to, Value& out);
  bool in(const Node&, const Value& needle, const Value& where, bool& out);
  bool matches(const Node&, const Value& text, const Value& pattern, bool& out);
  bool texts(const Node&, const Value& left, const Value& right, bool& out);
  bool compare(const Node&, Value& out);
  bool member(const Node&, Value& out);
  bool slice(const Node&, Value& out);
  bool slice_bounds(const Node&, size_t size, size_t& from, size_t& to);
  bool call(const Node&, Value& out);
  bool call_method(const Node&, const Node& callee, Value& out);
  bool builtin(const Node&, Value& out);
  bool exists(const Node&, Value& out);
  bool conditional(const Node&, Value& out);
  bool list(const Node&, Value& out);
  bool map(const Node&, Value& out);
  void note_sides(const Node&, const Value& left, const Value& right);

  // Calls `visit(element, index)` for each, from the first or last on, until it gives false.
  template <typename Visit>
  bool each(const Node&, const Value& collection, Scope&, bool backwards, Visit visit);
  bool collection_size(const Node&, const Value& collection, size_t& out);
  bool predicate(const Node&, Value& out);
  bool quantifier(const Node&, const Value& collection, Scope&, Value& out);
  bool filter(const Node&, const Value& collection, Scope&, Value& out);
  bool map_list(const Node&, const Value& collection, Scope&, Value& out);
  bool find(const Node&, const Value& collection, Scope&, Value& out);
  bool sum(const Node&, const Value& collection, Scope&, Value& out);
  bool group_by(const Node&, const Value& collection, Scope&, Value& out);
  bool sort_by(const Node&, const Value& collection, Scope&, Value& out);
  bool reduce(const Node&, const Value& collection, Scope&, Value& out);

  const Checked& checked_;
  const Environment& environment_;
  Budget budget_;
  const Node* sides_of_;
  Scope* scope_ = nullptr;
  std::vector<Value> variables_;
  std::vector<std::optional<Value>> names_;  // looked up once
  std::vector<const Node*> chain_;           // left sides of the chains under way
  std::unique_ptr<const CompiledRegex> last_regex_;
  std::string last_pattern_;
  uint32_t offset_ = 0;
  bool located_ = false, of_check_ = false;
  bool chain_ended_ = false;  // a `?.` found nil: its kChain is nil
};

}  // namespace testmesh::expr
