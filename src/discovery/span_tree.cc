#include "discovery/span_tree.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <random>

#include "discovery/list_hash.h"

namespace testmesh::discovery {
namespace {

uint64_t as_number(const model::SpanId& id) {
  uint64_t number;
  std::memcpy(&number, id.bytes.data(), sizeof number);
  if constexpr (std::endian::native == std::endian::little) number = __builtin_bswap64(number);
  return number;
}

uint64_t random_seed() {
  std::random_device device;
  return (static_cast<uint64_t>(device()) << 32 | device()) | 1;
}

constexpr uint32_t kUnplaced = UINT32_MAX;
// A trace far larger than the usual leaves its room behind only once.
constexpr size_t kRoomWorthKeeping = 1 << 16;

}  // namespace

SpanTree::SpanTree() : seed_(random_seed()) {}

uint64_t SpanTree::slot_of(uint64_t id) const {
  const auto product = static_cast<Wide>(id ^ seed_) * (seed_ ^ 0x9e3779b97f4a7c15ULL);
  return (static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64)) & mask_;
}

uint32_t SpanTree::find(uint64_t id) const {
  for (uint64_t slot = slot_of(id);; slot = (slot + 1) & mask_) {
    const uint32_t index = table_[slot];
    if (index == kNoSpan || kept_[index].id == id) return index;
  }
}

void SpanTree::build(std::span<const SpanInput> spans) {
  if (nodes_.capacity() > kRoomWorthKeeping && spans.size() < kRoomWorthKeeping / 4) {
    kept_ = {}, links_ = {}, table_ = {}, roots_ = {}, nodes_ = {};
  }
  cycles_cut_ = 0;
  join(spans);
  link_children(spans);
  order_roots(spans);
  number();
  if (nodes_.size() < kept_.size()) {
    cut_cycles();
    order_roots(spans);
    number();
  }
}

// Of several spans with one id the first of the input counts.
void SpanTree::join(std::span<const SpanInput> spans) {
  mask_ = std::bit_ceil(std::max<uint64_t>(8, 2 * spans.size())) - 1;
  table_.assign(mask_ + 1, kNoSpan);
  kept_.clear();
  for (uint32_t i = 0; i < spans.size(); ++i) {
    const uint64_t id = as_number(spans[i].id);
    uint64_t slot = slot_of(id);
    while (table_[slot] != kNoSpan && kept_[table_[slot]].id != id) slot = (slot + 1) & mask_;
    if (table_[slot] != kNoSpan) continue;
    table_[slot] = static_cast<uint32_t>(kept_.size());
    kept_.push_back({spans[i].start, id, i});
  }
  duplicates_ = static_cast<uint32_t>(spans.size() - kept_.size());

  const auto earlier = [](const Kept& a, const Kept& b) {
    return a.start != b.start ? a.start < b.start : a.id < b.id;
  };
  if (std::ranges::is_sorted(kept_, earlier)) return;
  std::ranges::sort(kept_, earlier);
  std::ranges::fill(table_, kNoSpan);
  for (uint32_t i = 0; i < kept_.size(); ++i) {
    uint64_t slot = slot_of(kept_[i].id);
    while (table_[slot] != kNoSpan) slot = (slot + 1) & mask_;
    table_[slot] = i;
  }
}

void SpanTree::link_children(std::span<const SpanInput> spans) {
  const auto count = static_cast<uint32_t>(kept_.size());
  links_.resize(count);
  for (auto& links : links_) links = {kNoSpan, kNoSpan, kNoSpan, kUnplaced};
  roots_.clear();
  orphans_ = parentless_ = 0;
  one_absent_parent_ = false;
  uint64_t absent_parent = 0;
  // Backwards, each child in front of those that start later.
  for (uint32_t i = count; i-- > 0;) {
    const uint64_t parent_id = as_number(spans[kept_[i].input].parent);
    const uint32_t parent = parent_id == 0 ? kNoSpan : find(parent_id);
    links_[i].parent = parent;
    if (parent != kNoSpan) {
      links_[i].next_sibling = links_[parent].first_child;
      links_[parent].first_child = i;
      continue;
    }
    roots_.push_back(i);
    if (parent_id == 0) {
      ++parentless_;
    } else {
      one_absent_parent_ = ++orphans_ == 1 || (one_absent_parent_ && parent_id == absent_parent);
      absent_parent = parent_id;
    }
  }
}

// The entry first, the others by start.
void SpanTree::order_roots(std::span<const SpanInput> spans) {
  std::ranges::sort(roots_);
  const auto parentless =
      std::ranges::find_if(roots_, [&](uint32_t root) { return spans[kept_[root].input].parent.is_zero(); });
  if (parentless != roots_.end()) std::rotate(roots_.begin(), parentless, parentless + 1);
  entry_has_parent_id_ = parentless == roots_.end();
}

void SpanTree::number() {
  nodes_.clear();
  for (const uint32_t root : roots_) {
    uint32_t at = root;
    while (true) {
      Links& here = links_[at];
      here.position = static_cast<uint32_t>(nodes_.size());
      nodes_.push_back({kept_[at].input, at == root ? kNoSpan : links_[here.parent].position, 0});
      if (here.first_child != kNoSpan) {
        at = here.first_child;
        continue;
      }
      while (true) {
        nodes_[links_[at].position].end = static_cast<uint32_t>(nodes_.size());
        if (at == root || links_[at].next_sibling != kNoSpan) break;
        at = links_[at].parent;
      }
      if (at == root) break;
      at = links_[at].next_sibling;
    }
  }
}

// What no root reaches hangs below cycles: one in each connected part. The
// cycle's earliest span becomes a root.
void SpanTree::cut_cycles() {
  std::vector<uint32_t> walk_of(kept_.size(), kNoSpan);  // which walk came by
  for (uint32_t i = 0; i < kept_.size(); ++i) {
    if (links_[i].position != kUnplaced) continue;
    uint32_t at = i;
    while (walk_of[at] == kNoSpan) {
      walk_of[at] = i;
      at = links_[at].parent;
    }
    if (walk_of[at] != i) continue;  // joins the part of an earlier walk
    uint32_t earliest = at;
    for (uint32_t next = links_[at].parent; next != at; next = links_[next].parent)
      earliest = std::min(earliest, next);
    uint32_t* child = &links_[links_[earliest].parent].first_child;
    while (*child != earliest) child = &links_[*child].next_sibling;
    *child = links_[earliest].next_sibling;
    links_[earliest].next_sibling = kNoSpan;
    roots_.push_back(earliest);
    ++cycles_cut_;
  }
}

size_t SpanTree::memory_bytes() const {
  return kept_.capacity() * sizeof(Kept) + links_.capacity() * sizeof(Links) +
         (table_.capacity() + roots_.capacity()) * sizeof(uint32_t) + nodes_.capacity() * sizeof(Node);
}

}  // namespace testmesh::discovery
