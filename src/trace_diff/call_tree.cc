#include "trace_diff/call_tree.h"

#include <algorithm>

#include "model/sibling_order.h"

namespace testmesh::trace_diff {
namespace {

constexpr uint32_t kConsumerRun = kNone - 1;  // consumers run when they like: last, as one run

uint32_t hash_of(uint32_t key) {
  uint64_t mixed = (uint64_t{key} + 1) * 0x9e3779b97f4a7c15ULL;
  mixed ^= mixed >> 29;
  mixed *= 0xbf58476d1ce4e5b9ULL;
  return static_cast<uint32_t>(mixed >> 32);
}

}  // namespace

uint32_t Looks::key(const SpanView& span) {
  return keys_.try_emplace({span.service, span.kind, span.operation}, static_cast<uint32_t>(keys_.size()))
      .first->second;
}

uint32_t Looks::shape(std::vector<uint32_t> look) {
  return shapes_.try_emplace(std::move(look), static_cast<uint32_t>(shapes_.size())).first->second;
}

void Sketch::add(uint32_t hash) {
  const auto end = least_.begin() + size_;
  const auto at = std::lower_bound(least_.begin(), end, hash);
  if (at == least_.end() || (at != end && *at == hash)) return;
  if (size_ < kMost) ++size_;
  std::move_backward(at, least_.begin() + size_ - 1, least_.begin() + size_);
  *at = hash;
}

void Sketch::add(const Sketch& other) {
  for (uint32_t i = 0; i < other.size_; ++i) {
    if (size_ == kMost && other.least_[i] > least_.back()) break;
    add(other.least_[i]);
  }
}

double Sketch::likeness(const Sketch& a, const Sketch& b) {
  uint32_t i = 0, j = 0, all = 0, shared = 0;
  while (all < kMost && (i < a.size_ || j < b.size_)) {
    ++all;
    if (j == b.size_ || (i < a.size_ && a.least_[i] < b.least_[j])) {
      ++i;
    } else if (i == a.size_ || b.least_[j] < a.least_[i]) {
      ++j;
    } else {
      ++shared, ++i, ++j;
    }
  }
  return all == 0 ? 1 : static_cast<double>(shared) / all;
}

CallTree::CallTree(const TraceView& trace, Looks& looks) {
  span_begin_.push_back(0);
  if (trace.spans.empty()) return;
  find_shapes(trace, looks);
  seen_at_.assign(looks.shapes(), kNone);
  bucket_of_.resize(looks.shapes());

  // What is still to be numbered, the next on top: no recursion, traces may be
  // deeper than the stack.
  std::vector<Pending> pending;
  const auto push = [&](std::vector<Pending> calls) {
    for (size_t i = calls.size(); i-- > 0;) pending.push_back(std::move(calls[i]));
  };
  std::vector<uint32_t> beside;
  for (uint32_t i = 0; i < trace.spans.size(); ++i)
    if (trace.spans[i].parent < 0 && i != trace.entry) beside.push_back(i);
  push(pending_below(trace, beside, kNone));
  pending.push_back({kNone, 0, {static_cast<uint32_t>(trace.entry)}});
  while (!pending.empty()) {
    const Pending next = std::move(pending.back());
    pending.pop_back();
    const auto number = static_cast<uint32_t>(calls_.size());
    const uint32_t first = next.spans.front();
    calls_.push_back({next.parent, 1, keys_[first], shapes_[first], next.run, {}});
    spans_.insert(spans_.end(), next.spans.begin(), next.spans.end());
    span_begin_.push_back(static_cast<uint32_t>(spans_.size()));
    push(pending_below(trace, next.spans, number));
  }
  measure();
  keys_ = {}, shapes_ = {}, children_ = {}, child_begin_ = {}, seen_at_ = {}, bucket_of_ = {};
}

void CallTree::find_shapes(const TraceView& trace, Looks& looks) {
  const size_t count = trace.spans.size();
  child_begin_.assign(count + 1, 0);
  for (const SpanView& span : trace.spans)
    if (span.parent >= 0) ++child_begin_[static_cast<size_t>(span.parent) + 1];
  for (size_t i = 0; i < count; ++i) child_begin_[i + 1] += child_begin_[i];
  children_.resize(child_begin_[count]);
  std::vector<uint32_t> free(child_begin_.begin(), child_begin_.end() - 1);
  for (uint32_t i = 0; i < count; ++i)
    if (trace.spans[i].parent >= 0) children_[free[static_cast<size_t>(trace.spans[i].parent)]++] = i;

  keys_.resize(count);
  shapes_.resize(count);
  for (size_t i = 0; i < count; ++i) keys_[i] = looks.key(trace.spans[i]);
  for (size_t i = count; i-- > 0;) {
    std::vector<uint32_t> look;
    look.reserve(child_begin_[i + 1] - child_begin_[i] + 1);
    look.push_back(keys_[i]);
    for (uint32_t child = child_begin_[i]; child < child_begin_[i + 1]; ++child)
      look.push_back(shapes_[children_[child]]);
    std::sort(look.begin() + 1, look.end());
    look.erase(std::unique(look.begin() + 1, look.end()), look.end());
    shapes_[i] = looks.shape(std::move(look));
  }
}

// The children of the spans of a call, equal ones together. All these spans
// look equal, so the first has a child of every shape: it gives the order. With
// `call` kNone the spans are those beside the entry: one run, behind it.
std::vector<CallTree::Pending> CallTree::pending_below(const TraceView& trace,
                                                       const std::vector<uint32_t>& parents, uint32_t call) {
  std::vector<Pending> below;
  const uint32_t stamp = call == kNone ? kNone - 1 : call;
  const auto add = [&](uint32_t span, uint32_t run) {
    const uint32_t shape = shapes_[span];
    if (seen_at_[shape] != stamp) {
      seen_at_[shape] = stamp;
      bucket_of_[shape] = static_cast<uint32_t>(below.size());
      below.push_back({call, run, {}});
    }
    below[bucket_of_[shape]].spans.push_back(span);
  };
  if (call == kNone) {
    for (const uint32_t span : parents) add(span, 1);
    return below;
  }
  for (const uint32_t parent : parents) {
    model::SiblingRuns runs;
    for (uint32_t i = child_begin_[parent]; i < child_begin_[parent + 1]; ++i) {
      const SpanView& span = trace.spans[children_[i]];
      add(children_[i],
          span.kind == model::SpanKind::kConsumer ? kConsumerRun : runs.next(span.start, span.end));
    }
  }
  std::ranges::stable_sort(below, {}, &Pending::run);
  return below;
}

void CallTree::measure() {
  for (uint32_t i = size(); i-- > 0;) {
    const Call& call = calls_[i];
    if (call.parent == kNone) continue;
    Call& parent = calls_[call.parent];
    parent.size += call.size;
    parent.below.add(hash_of(call.key));
    parent.below.add(call.below);
  }
}

std::vector<uint32_t> CallTree::children(uint32_t call) const {
  std::vector<uint32_t> found;
  const uint32_t begin = call == kNone ? 0 : call + 1;
  const uint32_t end = call == kNone ? size() : call + calls_[call].size;
  for (uint32_t child = begin; child < end; child += calls_[child].size) found.push_back(child);
  return found;
}

}  // namespace testmesh::trace_diff
