// Evaluates an expression over a trace that may still grow: what its value may
// become. See possible_value.h.
//
// Of a growing trace this holds: spans come and none goes; a span keeps what it
// says of itself (service, operation, status, duration, attributes …) and its
// parent once that is there. Everything else about it (children, depth, start,
// self time) and about the trace may change.
#pragma once

#include <string_view>
#include <unordered_map>
#include <vector>

#include "expr/ast.h"
#include "expr/budget.h"
#include "expr/program.h"
#include "validation/possible_value.h"

namespace testmesh::validation {

class Outlook {
 public:
  enum class Trace : uint8_t { kGrows, kIsComplete };
  Outlook(const expr::Program&, const expr::Environment&, Trace);

  // anything() where it would take too long to say.
  Possible evaluate();
  // Spans that predicates outside of all others chose, or that a selector found.
  const std::vector<expr::Value>& witnesses() const { return witnesses_; }

 private:
  struct Uses {
    bool trace = false;    // or the clock
    bool pointer = false;  // of a predicate around it
    uint32_t least_variable = UINT32_MAX;
    std::optional<Possible> known;  // of what stands alone
  };
  struct Scope {
    const Possible* element = nullptr;
    Possible index;
  };
  using Kind = expr::Kind;
  using Node = expr::Node;
  using Op = expr::Op;
  using Value = expr::Value;

  void find_uses(const Node& root);
  bool stands_alone(const Node&) const;
  bool grows() const { return trace_ == Trace::kGrows; }
  void witness(const Possible&);

  Possible eval(const Node&);
  Possible dependent(const Node&);
  Possible unary(const Node&);
  Possible binary_chain(const Node&);
  Possible binary(const Node&, const Possible& left);
  Possible comparison(const Node&, Op, const Possible& left, const Possible& right);
  Possible equality(const Possible& left, const Possible& right);
  Possible in(const Possible& needle, const Possible& where);
  Possible arithmetic(const Node&, const Possible& left, const Possible& right);
  Possible compare(const Node&);
  Possible conditional(const Node&);
  Possible exists(const Node&);
  Possible list(const Node&);
  Possible member(const Node&);
  Possible member_of(const Node&, const Possible& object, const Possible& property);
  Possible trace_member(const Value& trace, std::string_view name);
  Possible span_member(const Value& span, std::string_view name);
  Possible any_span_member(std::string_view name);
  Possible element_at(const Possible& list, const Possible& index);
  Possible growing(const Value& spans);
  Possible call(const Node&);
  Possible trace_method(const Value& trace, std::string_view name, const std::vector<Possible>& arguments);
  Possible strict(const Node&);
  Possible strict(const Node&, const std::vector<const Possible*>& children, Possible otherwise);
  Possible builtin(const Node&);
  Possible extreme(const PossibleList&, bool largest);
  Possible predicate(const Node&);
  Possible quantifier(const Node&, const PossibleList&);
  Possible filter(const Node&, const PossibleList&);
  Possible map_list(const Node&, const PossibleList&);
  Possible sum(const Node&, const PossibleList&);
  Possible find(const Node&, const PossibleList&);
  // Of a predicate for an element: a bool, or a failure.
  Possible holds(const Node& body, const Possible& element);
  Possible body_of(const Node& body, const Possible& element);

  const expr::Program& program_;
  const expr::Environment& environment_;
  const Trace trace_;
  expr::Budget budget_;
  std::unordered_map<const Node*, Uses> uses_;
  std::vector<Possible> variables_;
  std::vector<const Node*> chain_;
  Scope* scope_ = nullptr;
  std::vector<Value> witnesses_;
};

}  // namespace testmesh::validation
