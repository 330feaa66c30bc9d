#include "discovery/path_builder.h"

#include <algorithm>

#include "model/self_time.h"

namespace testmesh::discovery {
namespace {

constexpr size_t kRoomWorthKeeping = 1 << 16;

}  // namespace

void PathBuilder::build(const SpanTree& tree, std::span<const SpanInput> spans, uint32_t begin, uint32_t end,
                        const TraceAnalyzer::UrlOf& url_of) {
  if (places_.capacity() > kRoomWorthKeeping && end - begin < kRoomWorthKeeping / 4) {
    places_ = {}, offsets_ = {}, indices_ = {}, children_ = {}, siblings_ = {}, consumers_ = {};
    attempts_ = {}, retried_ = {}, lists_ = {}, resent_after_failure_ = {};
  }
  tree_ = &tree;
  spans_ = spans;
  url_of_ = &url_of;
  begin_ = begin;
  end_ = end;
  retried_.clear();
  retry_budget_ = 4'000'000;  // comparisons of nodes; beyond it attempts stay as they are
  resolve();
  for (uint32_t position = end; position-- > begin;) assemble(position);
  assemble_root();
  locate();
}

NodeId PathBuilder::entry_endpoint() const {
  const Place& entry = places_.front();
  if (entry.own_count == 0) return kNoNode;
  const NodeId node = subtrees_[entry.own[0]].node;
  return facts_.nodes()[node].type == model::NodeType::kApiEndpoint ? node : kNoNode;
}

// Owners come before what they own.
void PathBuilder::locate() {
  offsets_.resize(subtrees_.size());
  const auto below = [&](uint32_t item, uint32_t extra) {
    const uint32_t owner = subtrees_[item].owner;
    const uint32_t before = owner == kNoItem ? 0 : offsets_[owner];
    const uint32_t offset = subtrees_[subtrees_.find(item)].offset;
    if (before == kNoItem || offset == kNoItem) return kNoItem;
    const uint64_t sum = uint64_t{before} + offset + extra;
    return sum < kMaxPathNodes ? static_cast<uint32_t>(sum) : kNoItem;
  };
  for (uint32_t item = 0; item < subtrees_.size(); ++item) {
    const Item& here = subtrees_[item];
    offsets_[item] = here.pinned == kNoItem ? below(item, 0) : below(here.pinned, here.pinned_offset);
  }
}

void PathBuilder::collect(std::vector<model::PathNode>& nodes, std::vector<TreeNode>& shape) {
  nodes.clear();
  shape.clear();
  const NodeTable& table = facts_.nodes();
  std::vector<std::span<const uint32_t>> stack;
  std::vector<int32_t> above{-1};  // path index of the owner, by depth
  std::vector<std::pair<uint32_t, uint32_t>> run{
      {kNoItem, 0}};  // (run of the last sibling, its number), by depth
  size_t bytes = 0;
  for (Subtrees::Walk walk(subtrees_, stack, path_); !walk.at_end(); walk.next()) {
    const Item& item = subtrees_[walk.item()];
    const size_t depth = walk.depth();
    bytes += table.text(item.node).size();
    if (!nodes.empty() && (nodes.size() == kMaxPathNodes || bytes > kMaxPathBytes)) break;
    if (depth > run.size()) {
      run.emplace_back(kNoItem, 0);
      above.push_back(static_cast<int32_t>(nodes.size()) - 1);
    } else {
      run.resize(depth);
      above.resize(depth);
    }
    auto& [last_run, number] = run.back();
    if (last_run != kNoItem && last_run != item.run) ++number;
    last_run = item.run;
    shape.push_back({above.back(), number, table[item.node].from_path});
    nodes.push_back(table.node(item.node));
  }
}

void PathBuilder::add_visits(FlowMatch& match, size_t path_size) {
  for (uint32_t position = begin_; position < end_; ++position) {
    const Place& here = place(position);
    if (here.own_count == 0) continue;
    const SpanInput& span = span_at(position);
    model::SelfTime self(span.start, span.end);
    const uint32_t below_end = (*tree_)[position].end;
    for (uint32_t child = position + 1; child < below_end; child = (*tree_)[child].end)
      self.add_child(span_at(child).start, span_at(child).end);
    for (uint32_t i = 0; i < here.own_count; ++i) {
      const uint32_t node = offsets_[here.own[i]];
      if (node >= path_size) continue;
      match.visits.push_back({(*tree_)[position].input, node, span.error,
                              model::duration_of(span.start, span.end), self.nanos()});
    }
  }
  match.retries.resize(path_size, 0);
  for (const uint32_t item : retried_) {
    const uint32_t node = offsets_[item];
    if (node < path_size) ++match.retries[node];
  }
}

size_t PathBuilder::memory_bytes() const {
  return subtrees_.memory_bytes() + places_.capacity() * sizeof(Place) +
         attempts_.capacity() * sizeof(Attempt) +
         (offsets_.capacity() + indices_.capacity() + children_.capacity() + siblings_.capacity()) *
             sizeof(uint32_t);
}

}  // namespace testmesh::discovery
