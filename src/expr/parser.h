// Tokens -> tree.
#pragma once

#include <deque>
#include <expected>
#include <memory>
#include <string_view>
#include <vector>

#include "expr/ast.h"
#include "expr/lexer.h"

namespace testmesh::expr {

struct Tree {
  Tree();
  Tree(Tree&&) noexcept;
  Tree& operator=(Tree&&) noexcept;
  ~Tree();

  std::deque<Node> nodes;
  Node* root = nullptr;
  std::vector<std::unique_ptr<const CompiledRegex>> regexes;
};

// `max_depth`: of nesting, in the source and in the tree.
std::expected<Tree, SyntaxError> parse(std::string_view source, size_t max_depth);

}  // namespace testmesh::expr
