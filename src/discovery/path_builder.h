// From a range of a SpanTree to its path (discovery.md 2.2, 2.4).
//
// Three passes, none of them recursive: what each span adds, top-down (node
// rules); canonical lists of subtrees, bottom-up (order, retries); places in
// the path, top-down.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "discovery/facts_table.h"
#include "discovery/flow_catalog.h"
#include "discovery/name_tries.h"
#include "discovery/span_tree.h"
#include "discovery/subtrees.h"
#include "discovery/trace_analyzer.h"

namespace testmesh::discovery {

// A path, and each list below a node, is cut behind this many nodes or bytes
// of names; what is behind is not part of the fingerprint.
inline constexpr size_t kMaxPathNodes = 4096;
inline constexpr size_t kMaxPathBytes = 1 << 20;

class PathBuilder {
 public:
  PathBuilder(FactsTable& facts, NameTries& tries, FlowCatalog& catalog)
      : facts_(facts), tries_(tries), catalog_(catalog), subtrees_(facts.nodes()) {}

  // The spans at [begin, end) of the tree, the entry at `begin`; spans whose
  // parent is outside hang under the virtual root.
  void build(const SpanTree& tree, std::span<const SpanInput> spans, uint32_t begin, uint32_t end,
             const TraceAnalyzer::UrlOf& url_of);

  // Of the last build():
  const ItemList& path() const { return path_; }
  // The entry's api_endpoint, or kNoNode.
  NodeId entry_endpoint() const;
  void collect(std::vector<model::PathNode>& nodes, std::vector<TreeNode>& shape);
  // Visits and retries, for a path of `path_size` nodes; adds to `match`.
  void add_visits(FlowMatch& match, size_t path_size);

  // After interning what collect() gave: names that other shards taught the
  // tries meanwhile reach it too.
  void rename_if_stale(std::span<const model::PathNode> nodes, std::span<const TreeNode> shape);

  size_t memory_bytes() const;

 private:
  static constexpr uint32_t kMaxOwn = 2;  // nodes of one span

  // What a span adds, and what hangs below it.
  struct Place {
    uint32_t own[kMaxOwn] = {kNoItem, kNoItem};
    uint32_t own_count = 0;
    uint32_t lowest = kNoItem;  // the last node at or above the span
    bool touches = false;       // one of the first six rows fits, repeated or not; or it became a peer
    bool touches_below = false;
    bool has_peer_row_only = true;  // no database or topic row fits
    bool own_peer = false;          // own[own_count - 1] is an uninstrumented dependency
    ItemList list;                  // of all it adds
  };
  struct Attempt {
    uint64_t url_low = 0, url_high = 0;
    uint64_t start = 0, counted_start = 0, end = 0;
    model::SpanId id;
    uint32_t operation = 0;
    uint32_t position = 0;
    bool error = false;
  };

  const SpanInput& span_at(uint32_t position) const { return spans_[(*tree_)[position].input]; }
  Facts& facts_at(uint32_t position) { return facts_[span_at(position).facts]; }
  bool is_root(uint32_t position) const {
    const uint32_t parent = (*tree_)[position].parent;
    return parent == kNoSpan || parent < begin_;
  }
  Place& place(uint32_t position) { return places_[position - begin_]; }

  // Node rules (node_rules.cc).
  void resolve();
  void resolve_span(uint32_t position, uint32_t entry_service);
  void refresh_endpoint(Facts& facts, FactsId id);
  void rename(const std::string& service);
  void add_unless_repeated(Place& place, std::span<const NodeId> nodes);
  bool same_node(NodeId a, NodeId b) const;
  void add_peer(uint32_t position);

  // Order (canonical_order.cc).
  void assemble(uint32_t position);
  void assemble_root();
  ItemList children_list(uint32_t first, uint32_t end, bool under_virtual_root);
  void add_runs(std::span<const uint32_t> siblings);
  void add_run(std::span<const uint32_t> run);

  // Retries (retries.cc).
  void handle_retries(std::span<const uint32_t> children);
  void handle_attempts(std::span<Attempt> attempts);
  bool take_subtree(uint32_t failed, uint32_t next);
  uint32_t index_in(const ItemList& list, uint32_t failed, uint32_t item);
  void count_retry(uint32_t retry, uint32_t fallback);

  void locate();

  FactsTable& facts_;
  NameTries& tries_;
  FlowCatalog& catalog_;
  Subtrees subtrees_;

  const SpanTree* tree_ = nullptr;
  std::span<const SpanInput> spans_;
  const TraceAnalyzer::UrlOf* url_of_ = nullptr;
  uint32_t begin_ = 0, end_ = 0;
  ItemList path_;

  std::vector<Place> places_;
  std::vector<uint32_t> children_, siblings_, consumers_;
  std::vector<uint32_t> run_;
  std::vector<ItemList> lists_;
  std::vector<uint32_t> offsets_;  // parallel to the items: index in the path
  std::vector<uint32_t> retried_;  // items, once per retry

  std::vector<Attempt> attempts_;
  std::vector<std::pair<uint32_t, uint32_t>>
      resent_after_failure_;       // a retry and what it repeats, by position
  std::vector<uint32_t> indices_;  // of take_subtree
  uint64_t retry_budget_ = 0;
  uint64_t resolved_version_ = 0;  // of the tries
};

}  // namespace testmesh::discovery
