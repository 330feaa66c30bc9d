// Order and repetition (discovery.md 2.4).
#include <algorithm>

#include "discovery/path_builder.h"
#include "model/sibling_order.h"

namespace testmesh::discovery {

using model::SpanKind;

// Bottom-up: everything below `position` is assembled already.
void PathBuilder::assemble(uint32_t position) {
  add_peer(position);
  Place& here = place(position);
  const uint32_t span_end = (*tree_)[position].end;
  ItemList below;
  if (position + 1 < span_end) below = children_list(position + 1, span_end, false);
  for (uint32_t i = here.own_count; i-- > 0;) {
    Item& item = subtrees_[here.own[i]];
    item.below = below;
    subtrees_.place(below, 1);
    below = subtrees_.single(here.own[i]);
  }
  here.list = below;
  if ((here.touches || here.touches_below) && !is_root(position))
    place((*tree_)[position].parent).touches_below = true;
}

void PathBuilder::assemble_root() {
  path_ = children_list(begin_, end_, true);
  subtrees_.place(path_, 0);
}

ItemList PathBuilder::children_list(uint32_t first, uint32_t end, bool under_virtual_root) {
  siblings_.clear();
  consumers_.clear();
  bool look_for_retries = false;
  uint32_t count = 0;
  for (uint32_t child = first; child < end; child = (*tree_)[child].end, ++count)
    look_for_retries |= span_at(child).error || facts_at(child).is_resend;
  if (look_for_retries) {
    children_.clear();
    for (uint32_t child = first; child < end; child = (*tree_)[child].end) children_.push_back(child);
    handle_retries(children_);
  }
  for (uint32_t child = first; child < end; child = (*tree_)[child].end) {
    if (place(child).list.count == 0) continue;
    const bool last_run = !under_virtual_root && facts_at(child).kind == SpanKind::kConsumer;
    (last_run ? consumers_ : siblings_).push_back(child);
  }
  if (siblings_.size() + consumers_.size() == 0) return {};
  if (siblings_.size() + consumers_.size() == 1)
    return place(siblings_.empty() ? consumers_.front() : siblings_.front()).list;

  lists_.clear();
  if (under_virtual_root) {
    // The entry, then all others as one run.
    const std::span<const uint32_t> all = siblings_;
    const size_t entries = all.front() == begin_ ? 1 : 0;
    add_run(all.first(entries));
    add_run(all.subspan(entries));
  } else {
    add_runs(siblings_);
    add_run(consumers_);
  }
  return subtrees_.concatenate(lists_);
}

// Siblings by start; those that overlap are one run.
void PathBuilder::add_runs(std::span<const uint32_t> siblings) {
  model::SiblingRuns runs;
  size_t begin = 0;
  uint32_t last_run = 0;
  for (size_t i = 0; i < siblings.size(); ++i) {
    const SpanInput& span = span_at(siblings[i]);
    const uint32_t run = runs.next(span.start, span.end);
    if (run != last_run) {
      add_run(siblings.subspan(begin, i - begin));
      begin = i;
    }
    last_run = run;
  }
  add_run(siblings.subspan(begin));
}

void PathBuilder::add_run(std::span<const uint32_t> run) {
  const size_t first = lists_.size();
  for (const uint32_t sibling : run) lists_.push_back(place(sibling).list);
  if (run.size() < 2) return;
  const std::span<ItemList> lists(lists_.begin() + static_cast<ptrdiff_t>(first), lists_.end());
  std::ranges::stable_sort(lists,
                           [&](const ItemList& a, const ItemList& b) { return subtrees_.compare(a, b) < 0; });
  uint32_t shared_run = kNoItem;
  for (const ItemList& list : lists) {
    if (list.count != 1) continue;
    Item& item = subtrees_[subtrees_.members(list).front()];
    if (shared_run == kNoItem) shared_run = item.run;
    item.run = shared_run;
  }
}

}  // namespace testmesh::discovery
