#include "discovery/canonical_tree.h"

#include <algorithm>
#include <string>

namespace testmesh::discovery {

namespace {

// A rebuilt subtree: its nodes in preorder, parents relative to its own first
// node (-1 for that one).
struct Subtree {
  CanonicalTree part;                          // node_map unused
  std::vector<std::vector<uint32_t>> origins;  // per node: the given nodes it stands for
  std::string path;
};

using Subtrees = std::vector<Subtree>;

bool same_nodes(const Subtree& a, const Subtree& b) { return a.part.nodes == b.part.nodes; }

std::string path_of(const Subtrees& subtrees) {
  std::string path;
  for (const Subtree& subtree : subtrees) {
    if (!path.empty()) path += "->";
    path += subtree.path;
  }
  return path;
}

std::vector<std::string_view> services_of(const Subtrees& subtrees) {
  std::vector<std::string_view> services;
  for (const Subtree& subtree : subtrees)
    for (const model::PathNode& node : subtree.part.nodes) services.push_back(node.service);
  return services;
}

class Rebuilder {
 public:
  Rebuilder(std::span<const model::PathNode> nodes, std::span<const TreeNode> tree)
      : nodes_(nodes), tree_(tree), children_(nodes.size() + 1), built_(nodes.size()) {
    for (uint32_t i = 0; i < nodes.size(); ++i)
      children_[static_cast<size_t>(tree[i].parent + 1)].push_back(i);
  }

  // From the last node back, so that children are ready before their parent:
  // paths may be deeper than the stack.
  CanonicalTree run() {
    for (size_t i = nodes_.size(); i-- > 0;) build(static_cast<uint32_t>(i));
    CanonicalTree result;
    result.node_map.resize(nodes_.size());
    for (const Subtree& top : arrange(children_[0])) append(result, top);
    return result;
  }

 private:
  // What stands in the place of node `i`: its subtree, or the subtrees of its
  // children if it repeats the node above it.
  void build(uint32_t i) {
    Subtrees below = arrange(children_[i + 1]);
    const int32_t parent = tree_[i].parent;
    if (parent >= 0 && repeats(nodes_[static_cast<size_t>(parent)], nodes_[i])) {
      hoisted_.push_back({i, static_cast<uint32_t>(parent)});
      built_[i] = std::move(below);
      return;
    }
    Subtree own;
    own.part.nodes.push_back(nodes_[i]);
    own.part.tree.push_back({-1, 0, tree_[i].from_path});
    own.origins.push_back({i});
    for (Subtree& child : below) {
      const auto base = static_cast<int32_t>(own.part.nodes.size());
      for (size_t n = 0; n < child.part.nodes.size(); ++n) {
        TreeNode node = child.part.tree[n];
        node.parent = node.parent < 0 ? 0 : node.parent + base;
        own.part.tree.push_back(node);
        own.part.nodes.push_back(std::move(child.part.nodes[n]));
        own.origins.push_back(std::move(child.origins[n]));
      }
    }
    own.path = path_string(own.part.nodes);
    built_[i].push_back(std::move(own));
  }

  // Only endpoints are renamed, so only they can repeat what they did not
  // repeat before.
  static bool repeats(const model::PathNode& above, const model::PathNode& node) {
    return node.type == model::NodeType::kApiEndpoint && above == node;
  }

  // Orders and collapses the siblings (given nodes); numbers their runs.
  Subtrees arrange(const std::vector<uint32_t>& siblings) {
    Subtrees result;
    uint32_t run = 0;
    for (size_t begin = 0; begin < siblings.size();) {
      size_t end = begin + 1;
      while (end < siblings.size() && tree_[siblings[end]].run == tree_[siblings[begin]].run) ++end;
      std::vector<Subtrees> units;
      for (size_t i = begin; i < end; ++i)
        if (!built_[siblings[i]].empty()) units.push_back(std::move(built_[siblings[i]]));
      begin = end;
      std::vector<std::pair<std::string, size_t>> order;
      for (size_t i = 0; i < units.size(); ++i) order.emplace_back(path_of(units[i]), i);
      std::ranges::sort(order, [&](const auto& a, const auto& b) {
        if (a.first != b.first) return a.first < b.first;
        const auto services_a = services_of(units[a.second]), services_b = services_of(units[b.second]);
        return services_a != services_b ? services_a < services_b : a.second < b.second;
      });
      const bool single = std::ranges::all_of(units, [](const Subtrees& unit) { return unit.size() == 1; });
      for (const auto& [path, index] : order) {
        for (Subtree& subtree : units[index]) {
          subtree.part.tree[0].run = run;
          if (!single) ++run;
          collapse_into(result, std::move(subtree));
        }
      }
      ++run;
    }
    return result;
  }

  static void collapse_into(Subtrees& result, Subtree subtree) {
    const auto equal =
        std::ranges::find_if(result, [&](const Subtree& known) { return same_nodes(known, subtree); });
    if (equal == result.end()) {
      result.push_back(std::move(subtree));
      return;
    }
    for (size_t n = 0; n < subtree.origins.size(); ++n)
      equal->origins[n].insert(equal->origins[n].end(), subtree.origins[n].begin(), subtree.origins[n].end());
  }

  void append(CanonicalTree& result, const Subtree& top) {
    const auto base = static_cast<int32_t>(result.nodes.size());
    for (size_t n = 0; n < top.part.nodes.size(); ++n) {
      for (const uint32_t origin : top.origins[n])
        result.node_map[origin] = static_cast<uint32_t>(result.nodes.size());
      TreeNode node = top.part.tree[n];
      if (node.parent >= 0) node.parent += base;
      result.tree.push_back(node);
      result.nodes.push_back(top.part.nodes[n]);
    }
  }

 public:
  void map_hoisted(CanonicalTree& result) const {
    // Parents come before children: the last noted is the outermost.
    for (auto hoisted = hoisted_.rbegin(); hoisted != hoisted_.rend(); ++hoisted)
      result.node_map[hoisted->first] = result.node_map[hoisted->second];
  }

 private:
  std::span<const model::PathNode> nodes_;
  std::span<const TreeNode> tree_;
  std::vector<std::vector<uint32_t>> children_;  // [0]: tops, [i + 1]: of node i
  std::vector<Subtrees> built_;
  std::vector<std::pair<uint32_t, uint32_t>> hoisted_;  // node, the node above that it repeats
};

}  // namespace

CanonicalTree canonical_tree(std::span<const model::PathNode> nodes, std::span<const TreeNode> tree) {
  Rebuilder rebuilder(nodes, tree);
  CanonicalTree result = rebuilder.run();
  rebuilder.map_hoisted(result);
  return result;
}

}  // namespace testmesh::discovery
