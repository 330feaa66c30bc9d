#include "expr/operation.h"

#include <deque>

#include "expr/evaluator.h"

namespace testmesh::expr {

std::optional<Value> apply(const Node& node, const std::vector<const Value*>& children, const Limits& limits,
                           bool& missing) {
  static const Checked kNoNames;
  static const MapEnvironment kNothing{Map{}};
  std::deque<Node> constants;
  Node one = node;
  // The method of a call stays what it is: only what it is called on is a value.
  const bool method = node.kind == NodeKind::kCall && node.child(0).kind == NodeKind::kMember;
  for (size_t i = 0; i < children.size(); ++i) {
    if (!children[i]) continue;
    Node& constant = constants.emplace_back();
    constant.value = *children[i];
    constant.offset = node.children[i]->offset;
    if (method && i == 0) {
      Node& callee = constants.emplace_back(node.child(0));
      callee.children = {&constant, node.child(0).children[1]};
      one.children[0] = &callee;
    } else {
      one.children[i] = &constant;
    }
  }
  if (one.kind == NodeKind::kList) one.value = nullptr;
  Evaluator evaluator(kNoNames, kNothing, limits, nullptr);
  Value out;
  if (evaluator.run(one, out)) return out;
  missing = evaluator.is_missing();
  return std::nullopt;
}

}  // namespace testmesh::expr
