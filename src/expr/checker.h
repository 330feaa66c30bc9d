// Names and types that are known before running; fills in the tree what the
// evaluator wants to know.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "expr/parser.h"
#include "expr/program.h"

namespace testmesh::expr {

struct Checked {
  std::vector<std::string> names;  // free names, by slot
  uint32_t variables = 0;          // slots of `let`
};

// `known_names` may be null: any name may be there.
std::expected<Checked, SyntaxError> check(Tree&, const Environment* known_names);

// "; did you mean x?" of the name most like it, or nothing.
std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace testmesh::expr
