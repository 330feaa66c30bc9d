// The nodes of one trace as subtrees, and lists of subtrees in canonical order
// (discovery.md 2.4).
//
// An item is one node that one span adds, with the list of items below it.
// Items with an equal list of nodes under one owner are the same path node:
// all but the first point to it. Nothing here recurses: a trace may be deeper
// than any stack.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "discovery/facts_table.h"

namespace testmesh::discovery {

inline constexpr uint32_t kNoItem = UINT32_MAX;

// A range of the arena: subtrees in path order.
struct ItemList {
  uint32_t begin = 0;
  uint32_t count = 0;
  ListHash hash;  // over all nodes of all its subtrees in path order
};

struct Item {
  NodeId node = kNoNode;
  uint32_t owner = kNoItem;    // the node right above; always a smaller index
  uint32_t same_as = kNoItem;  // the equal subtree in front of this one
  uint32_t run = 0;            // equal: concurrent siblings
  uint32_t offset = kNoItem;   // nodes between its owner and itself; kNoItem: not in the path
  uint32_t pinned = kNoItem;   // of a failed attempt: what it visits counts as the node
  uint32_t pinned_offset = 0;  //   `pinned_offset` behind this item
  ItemList below;
};

class Subtrees {
 public:
  explicit Subtrees(const NodeTable& nodes) : nodes_(nodes) {}

  void clear();
  uint32_t add(NodeId node, uint32_t owner);
  Item& operator[](uint32_t item) { return items_[item]; }
  const Item& operator[](uint32_t item) const { return items_[item]; }
  uint32_t size() const { return static_cast<uint32_t>(items_.size()); }
  const NodeTable& nodes() const { return nodes_; }

  std::span<const uint32_t> members(const ItemList& list) const {
    return {arena_.data() + list.begin, list.count};
  }

  // A list of this one item, whose `below` is final.
  ItemList single(uint32_t item);
  // The lists one after the other, equal subtrees collapsed into the first.
  ItemList concatenate(std::span<const ItemList> lists);
  // Gives the members their places behind the owner; `first`: 1 below a node,
  // 0 below the virtual root.
  void place(const ItemList& list, uint32_t first);
  // The subtree this one collapsed into, or itself.
  uint32_t find(uint32_t item);

  // Below 0, 0 or above: by path string as bytes, then services, then shape.
  int compare(const ItemList& a, const ItemList& b);

  // Walks over the nodes of a list in path order.
  class Walk {
   public:
    Walk(const Subtrees& subtrees, std::vector<std::span<const uint32_t>>& stack, const ItemList& list);
    bool at_end() const { return stack_.empty(); }
    uint32_t item() const { return stack_.back().front(); }
    size_t depth() const { return stack_.size(); }
    void next();

   private:
    const Subtrees& subtrees_;
    std::vector<std::span<const uint32_t>>& stack_;
  };

  size_t memory_bytes() const;

 private:
  const NodeTable& nodes_;
  std::vector<Item> items_;
  std::vector<uint32_t> arena_;
  std::vector<uint32_t> table_;  // of concatenate: hash -> item
  std::vector<std::span<const uint32_t>> stack_a_, stack_b_;
};

}  // namespace testmesh::discovery
