// A path made canonical again after nodes of its tree were renamed (2.4).
// Private to discovery.
//
// The result is that of counting the traces again but for two cases, in which
// the tree no longer tells what the spans did: siblings that hung below one
// span without nodes are ordered one by one, not as what that span adds; and a
// node that repeats the one above it after renaming gives its place to its
// children, which then keep their order even if its siblings ran beside them.
// A later trace of that kind makes a flow of its own then.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "discovery/flow_catalog.h"

namespace testmesh::discovery {

struct CanonicalTree {
  std::vector<model::PathNode> nodes;
  std::vector<TreeNode> tree;
  std::vector<uint32_t> node_map;  // given node -> node of the result
};

// `nodes` are in preorder: a parent before its children.
CanonicalTree canonical_tree(std::span<const model::PathNode> nodes, std::span<const TreeNode> tree);

}  // namespace testmesh::discovery
