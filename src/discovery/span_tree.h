// The spans of one trace joined by parent id (discovery.md 2.1).
//
// A kept span is addressed by its position: parents before children, depth
// first, siblings by start (then span id), the entry at position 0 and the
// other spans without an arrived parent behind it. Everything below position p
// is [p + 1, end(p)); the children of p are p + 1, end(p + 1), and so on.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "discovery/trace_analyzer.h"

namespace testmesh::discovery {

class SpanTree {
 public:
  struct Node {
    uint32_t input = 0;         // index into the input
    uint32_t parent = kNoSpan;  // position; kNoSpan: parentless, orphan or cut cycle
    uint32_t end = 0;           // position behind the last span below
  };

  SpanTree();

  // Replaces what was there. Linear but for sorting by start; needs no stack.
  void build(std::span<const SpanInput> spans);

  uint32_t size() const { return static_cast<uint32_t>(nodes_.size()); }
  const Node& operator[](uint32_t position) const { return nodes_[position]; }

  uint32_t duplicates() const { return duplicates_; }
  uint32_t cycles_cut() const { return cycles_cut_; }
  bool entry_has_parent_id() const { return entry_has_parent_id_; }
  uint32_t orphans() const { return orphans_; }  // cut spans not included
  bool every_span_has_parent_id() const { return parentless_ == 0; }
  bool one_absent_parent() const { return one_absent_parent_; }

  size_t memory_bytes() const;

 private:
  struct Kept {
    base::UnixNanos start;
    uint64_t id;  // big-endian, so that numbers compare as ids do
    uint32_t input;
  };
  struct Links {
    uint32_t parent, first_child, next_sibling, position;
  };

  void join(std::span<const SpanInput> spans);
  void link_children(std::span<const SpanInput> spans);
  void order_roots(std::span<const SpanInput> spans);
  void number();
  void cut_cycles();
  uint32_t find(uint64_t id) const;
  uint64_t slot_of(uint64_t id) const;

  const uint64_t seed_;          // ids are a stranger's: what collides is not theirs to choose
  std::vector<Kept> kept_;       // by start, then id
  std::vector<Links> links_;     // parallel to kept_; indices into kept_
  std::vector<uint32_t> table_;  // id -> index into kept_
  uint64_t mask_ = 0;
  std::vector<uint32_t> roots_;  // indices into kept_
  std::vector<Node> nodes_;
  uint32_t duplicates_ = 0, cycles_cut_ = 0, orphans_ = 0, parentless_ = 0;
  bool entry_has_parent_id_ = false, one_absent_parent_ = false;
};

}  // namespace testmesh::discovery
