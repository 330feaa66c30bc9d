#include "discovery/subtrees.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string_view>

namespace testmesh::discovery {
namespace {

constexpr size_t kRoomWorthKeeping = 1 << 16;
// Longer lists are cut: a path never shows more nodes than this anyway, and
// without a limit a chain of spans with one node each would be quadratic.
constexpr uint32_t kMaxListItems = 4096;
constexpr size_t kFewItems = 12;

}  // namespace

void Subtrees::clear() {
  if (items_.capacity() > kRoomWorthKeeping && items_.size() < kRoomWorthKeeping / 4) {
    items_ = {}, arena_ = {}, table_ = {}, stack_a_ = {}, stack_b_ = {};
  }
  items_.clear();
  arena_.clear();
}

uint32_t Subtrees::add(NodeId node, uint32_t owner) {
  const auto item = static_cast<uint32_t>(items_.size());
  auto& added = items_.emplace_back();
  added.node = node;
  added.owner = owner;
  added.run = item;
  return item;
}

ItemList Subtrees::single(uint32_t item) {
  arena_.push_back(item);
  const Item& subtree = items_[item];
  const ListHash& own = nodes_[subtree.node].hash;
  return {static_cast<uint32_t>(arena_.size() - 1), 1,
          subtree.below.count == 0 ? own : own.then(subtree.below.hash)};
}

uint32_t Subtrees::find(uint32_t item) {
  uint32_t top = item;
  while (items_[top].same_as != kNoItem) top = items_[top].same_as;
  while (items_[item].same_as != kNoItem) {
    const uint32_t next = items_[item].same_as;
    items_[item].same_as = top;
    item = next;
  }
  return top;
}

ItemList Subtrees::concatenate(std::span<const ItemList> lists) {
  size_t total = 0;
  for (const auto& list : lists) total += list.count;
  // Collected behind the arena's end, where nothing else is added meanwhile.
  ItemList result{static_cast<uint32_t>(arena_.size()), 0, {}};
  const auto whole_hash = [&](uint32_t item) {
    const Item& subtree = items_[item];
    const ListHash& own = nodes_[subtree.node].hash;
    return subtree.below.count == 0 ? own : own.then(subtree.below.hash);
  };
  const bool few = total <= kFewItems;
  uint64_t mask = 0;
  if (!few) {
    mask = std::bit_ceil(2 * total) - 1;
    table_.assign(mask + 1, kNoItem);
  }
  for (const auto& list : lists) {
    for (uint32_t i = 0; i < list.count; ++i) {
      const uint32_t item = arena_[list.begin + i];
      const ListHash hash = whole_hash(item);
      uint32_t equal = kNoItem;
      uint64_t slot = 0;
      if (few) {
        for (uint32_t k = 0; k < result.count && equal == kNoItem; ++k) {
          const uint32_t other = arena_[result.begin + k];
          if (other == item || whole_hash(other) == hash) equal = other;
        }
      } else {
        for (slot = hash.a & mask; table_[slot] != kNoItem; slot = (slot + 1) & mask) {
          if (table_[slot] != item && !(whole_hash(table_[slot]) == hash)) continue;
          equal = table_[slot];
          break;
        }
      }
      if (equal != kNoItem) {
        // The same item twice: a failed attempt that took this subtree.
        if (equal != item) items_[item].same_as = equal;
        continue;
      }
      if (result.count == kMaxListItems) continue;
      if (!few) table_[slot] = item;
      arena_.push_back(item);
      ++result.count;
      result.hash = result.hash.then(hash);
    }
  }
  return result;
}

void Subtrees::place(const ItemList& list, uint32_t first) {
  uint64_t offset = first;
  for (const uint32_t member : members(list)) {
    items_[member].offset = static_cast<uint32_t>(std::min<uint64_t>(offset, kNoItem));
    offset += 1 + items_[member].below.hash.length;
  }
}

Subtrees::Walk::Walk(const Subtrees& subtrees, std::vector<std::span<const uint32_t>>& stack,
                     const ItemList& list)
    : subtrees_(subtrees), stack_(stack) {
  stack_.clear();
  if (list.count > 0) stack_.push_back(subtrees_.members(list));
}

void Subtrees::Walk::next() {
  const Item& here = subtrees_[item()];
  if (here.below.count > 0) {
    stack_.push_back(subtrees_.members(here.below));
    return;
  }
  while (!stack_.empty()) {
    auto& level = stack_.back();
    level = level.subspan(1);
    if (!level.empty()) return;
    stack_.pop_back();
  }
}

namespace {

// The path string of a list, piece by piece.
class Bytes {
 public:
  Bytes(const NodeTable& nodes, const Subtrees& subtrees, Subtrees::Walk& walk)
      : nodes_(nodes), subtrees_(subtrees), walk_(walk) {
    load();
  }
  bool at_end() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }
  void skip(size_t size) {
    rest_.remove_prefix(size);
    if (!rest_.empty()) return;
    if (in_text_) {
      walk_.next();
      if (walk_.at_end()) return;
      in_text_ = false;
      rest_ = "->";
    } else {
      load();
    }
  }

 private:
  void load() {
    if (walk_.at_end()) return;
    rest_ = nodes_.text(subtrees_[walk_.item()].node);
    in_text_ = true;
  }

  const NodeTable& nodes_;
  const Subtrees& subtrees_;
  Subtrees::Walk& walk_;
  std::string_view rest_;
  bool in_text_ = true;
};

int sign(int64_t difference) { return difference < 0 ? -1 : difference > 0; }

}  // namespace

int Subtrees::compare(const ItemList& a, const ItemList& b) {
  if (a.count == b.count && a.begin == b.begin) return 0;
  const bool same_nodes = a.hash == b.hash;
  if (!same_nodes) {
    Walk walk_a(*this, stack_a_, a), walk_b(*this, stack_b_, b);
    // Nodes that are equal in front need no look at their text.
    while (!walk_a.at_end() && !walk_b.at_end() &&
           nodes_[items_[walk_a.item()].node].text == nodes_[items_[walk_b.item()].node].text) {
      walk_a.next();
      walk_b.next();
    }
    if (walk_a.at_end() != walk_b.at_end()) return walk_a.at_end() ? -1 : 1;
    if (!walk_a.at_end()) {
      Bytes bytes_a(nodes_, *this, walk_a), bytes_b(nodes_, *this, walk_b);
      while (!bytes_a.at_end() && !bytes_b.at_end()) {
        const size_t size = std::min(bytes_a.rest().size(), bytes_b.rest().size());
        // data() of an empty view may be null, but size is above 0 here.
        if (const int order = std::memcmp(bytes_a.rest().data(), bytes_b.rest().data(), size); order != 0)
          return sign(order);
        bytes_a.skip(size);
        bytes_b.skip(size);
      }
      if (bytes_a.at_end() != bytes_b.at_end()) return bytes_a.at_end() ? -1 : 1;
    }
    Walk again_a(*this, stack_a_, a), again_b(*this, stack_b_, b);
    for (; !again_a.at_end() && !again_b.at_end(); again_a.next(), again_b.next()) {
      const NodeId x = items_[again_a.item()].node, y = items_[again_b.item()].node;
      if (x == y) continue;
      if (const int order = nodes_.node(x).service.compare(nodes_.node(y).service); order != 0)
        return sign(order);
    }
  }
  Walk shape_a(*this, stack_a_, a), shape_b(*this, stack_b_, b);
  for (; !shape_a.at_end() && !shape_b.at_end(); shape_a.next(), shape_b.next())
    if (shape_a.depth() != shape_b.depth()) return shape_a.depth() < shape_b.depth() ? -1 : 1;
  return 0;
}

size_t Subtrees::memory_bytes() const {
  return items_.capacity() * sizeof(Item) + (arena_.capacity() + table_.capacity()) * sizeof(uint32_t);
}

}  // namespace testmesh::discovery
