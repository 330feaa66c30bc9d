// One operation on values that are there already.
#pragma once

#include <optional>

#include "expr/ast.h"
#include "expr/program.h"

namespace testmesh::expr {

// What the node gives if its children have these values (null where it has
// none); nullopt: it fails. `missing` then says whether because something is
// not there. For nodes that evaluate all their children, whatever they are.
std::optional<Value> apply(const Node&, const std::vector<const Value*>& children, const Limits&,
                           bool& missing);

}  // namespace testmesh::expr
