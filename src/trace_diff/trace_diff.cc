#include "trace_diff/trace_diff.h"

#include <algorithm>

#include "model/self_time.h"
#include "trace_diff/alignment.h"
#include "trace_diff/call_tree.h"

namespace testmesh::trace_diff {
namespace {

uint64_t saturating_add(uint64_t a, uint64_t b) { return a > UINT64_MAX - b ? UINT64_MAX : a + b; }

// One of the two traces, measured.
struct Side {
  Side(const TraceView& view, Looks& looks) : trace(view), tree(view, looks) {
    std::vector<model::TimedSpan> times;
    times.reserve(trace.spans.size());
    for (const SpanView& span : trace.spans) times.push_back({span.start, span.end, span.parent});
    self_ns = model::self_times(times);
    critical_path = model::critical_path(times, trace.entry);
    critical_ns.resize(trace.spans.size());
    for (const model::CriticalSegment& segment : critical_path)
      critical_ns[segment.span] += segment.end - segment.start;
  }

  uint64_t duration_ns() const {
    if (trace.entry >= trace.spans.size()) return 0;
    return model::duration_of(trace.spans[trace.entry].start, trace.spans[trace.entry].end);
  }
  CallSide measure(uint32_t call) const {
    const auto spans = tree.spans(call);
    CallSide side{.span = spans.front(), .count = spans.size(), .start = trace.spans[spans.front()].start};
    for (const uint32_t i : spans) {
      const SpanView& span = trace.spans[i];
      side.errors += span.status == model::StatusCode::kError;
      side.status = std::max(side.status, span.status);
      side.duration_ns = saturating_add(side.duration_ns, model::duration_of(span.start, span.end));
      side.self_ns = saturating_add(side.self_ns, self_ns[i]);
      side.critical_ns += critical_ns[i];
    }
    return side;
  }
  uint64_t count(uint32_t call) const { return call == kNone ? 1 : tree.spans(call).size(); }

  const TraceView& trace;
  CallTree tree;
  std::vector<uint64_t> self_ns, critical_ns;
  std::vector<model::CriticalSegment> critical_path;
};

class Comparison {
 public:
  Comparison(const Side& left, const Side& right, Alignment alignment)
      : left_(left), right_(right), alignment_(std::move(alignment)) {}

  TraceDiff run() {
    TraceDiff diff;
    diff.truncated = alignment_.truncated;
    diff.left_duration_ns = left_.duration_ns();
    diff.right_duration_ns = right_.duration_ns();
    diff.left_critical_path = left_.critical_path;
    diff.right_critical_path = right_.critical_path;
    write_rows(diff);
    for (uint32_t i = 0; i < diff.rows.size(); ++i) {
      count(diff.summary, diff.rows[i].change);
      if (difference(diff.rows[i]) != 0) diff.contributions.push_back(i);
    }
    std::ranges::stable_sort(diff.contributions, std::greater{},
                             [&](uint32_t i) { return difference(diff.rows[i]); });
    return diff;
  }

 private:
  // A row to come: a call of the right trace, with the left one it is matched
  // with, or one of the left trace alone.
  struct Place {
    uint32_t left = kNone, right = kNone, depth = 0;
  };

  static uint64_t difference(const CallDiff& row) {
    const uint64_t a = row.left_critical_ns(), b = row.right_critical_ns();
    return a > b ? a - b : b - a;
  }
  static void count(DiffSummary& summary, Change change) {
    switch (change) {
      case Change::kSame:
        ++summary.same;
        break;
      case Change::kAdded:
        ++summary.added;
        break;
      case Change::kRemoved:
        ++summary.removed;
        break;
      case Change::kMoved:
        ++summary.moved;
        break;
      case Change::kChanged:
        ++summary.changed;
        break;
    }
  }

  void write_rows(TraceDiff& diff) {
    std::vector<Place> pending;  // the next on top
    const auto push = [&](std::vector<Place> places) {
      for (size_t i = places.size(); i-- > 0;) pending.push_back(places[i]);
    };
    push(places_below(kNone, kNone, 0, true, true));
    while (!pending.empty()) {
      const Place place = pending.back();
      pending.pop_back();
      diff.rows.push_back(row_of(place));
      push(places_below(place.left, place.right, place.depth + 1, place.left != kNone, place.right != kNone));
    }
  }

  // What the left trace alone has stands behind the sibling it follows there.
  std::vector<Place> places_below(uint32_t left, uint32_t right, uint32_t depth, bool in_left,
                                  bool in_right) {
    std::vector<uint32_t> removed;  // with kNone for each sibling that both have in their place
    std::vector<uint32_t> behind;   // parallel: the right sibling it stands behind, or kNone
    if (in_left) {
      uint32_t last = kNone;
      for (const uint32_t child : left_.tree.children(left)) {
        const uint32_t other = alignment_.of_left[child];
        if (other == kNone) {
          removed.push_back(child);
          behind.push_back(last);
        } else if (in_right && right_.tree[other].parent == right && !alignment_.out_of_order[child]) {
          last = other;
        }
      }
    }
    std::vector<uint32_t> rights;
    if (in_right) rights = right_.tree.children(right);
    std::vector<std::pair<uint64_t, Place>> ordered;
    ordered.reserve(removed.size() + rights.size());
    // Right calls are numbered in their order.
    for (size_t i = 0; i < removed.size(); ++i)
      ordered.emplace_back(behind[i] == kNone ? 0 : 2 * (uint64_t{behind[i]} + 1) + 1,
                           Place{removed[i], kNone, depth});
    for (const uint32_t child : rights)
      ordered.emplace_back(2 * (uint64_t{child} + 1), Place{alignment_.of_right[child], child, depth});
    std::ranges::stable_sort(ordered, {}, &std::pair<uint64_t, Place>::first);
    std::vector<Place> places;
    places.reserve(ordered.size());
    for (const auto& [order, place] : ordered) places.push_back(place);
    return places;
  }

  CallDiff row_of(const Place& place) {
    CallDiff row;
    row.depth = place.depth;
    if (place.left != kNone) row.left = left_.measure(place.left);
    if (place.right != kNone) row.right = right_.measure(place.right);
    if (!row.left || !row.right) {
      row.change = row.left ? Change::kRemoved : Change::kAdded;
      return row;
    }
    const uint32_t left_parent = left_.tree[place.left].parent,
                   right_parent = right_.tree[place.right].parent;
    row.other_parent = left_parent == kNone || right_parent == kNone
                           ? left_parent != right_parent
                           : alignment_.of_left[left_parent] != right_parent;
    row.other_order = alignment_.out_of_order[place.left];
    if (row.other_parent && left_parent != kNone) row.left_parent = left_.tree.spans(left_parent).front();
    row.other_count = other_count(*row.left, *row.right, row.other_parent ? 1 : left_.count(left_parent),
                                  row.other_parent ? 1 : right_.count(right_parent));
    row.other_status = other_status(*row.left, *row.right);
    row.change = row.other_parent || row.other_order   ? Change::kMoved
                 : row.other_count || row.other_status ? Change::kChanged
                                                       : Change::kSame;
    return row;
  }

  // What a loop calls is called as often as the loop turns: that is said once.
  static bool other_count(const CallSide& left, const CallSide& right, uint64_t left_turns,
                          uint64_t right_turns) {
    return left.count * right_turns != right.count * left_turns;
  }
  // Of three calls one failed, of six two: the same.
  static bool other_status(const CallSide& left, const CallSide& right) {
    return left.status != right.status ||
           (left.errors != right.errors && left.errors * right.count != right.errors * left.count);
  }

  const Side& left_;
  const Side& right_;
  const Alignment alignment_;
};

// What the comparison looks at, times from the entry's start on.
bool comes_before(const TraceView& a, const TraceView& b) {
  if (a.spans.size() != b.spans.size()) return a.spans.size() < b.spans.size();
  if (a.spans.empty()) return false;
  const auto times = [](const TraceView& trace, const SpanView& span) {
    const base::UnixNanos zero = trace.spans[trace.entry].start;
    return std::pair(span.start - zero, span.end - zero);
  };
  for (size_t i = 0; i < a.spans.size(); ++i) {
    SpanView x = a.spans[i], y = b.spans[i];
    std::tie(x.start, x.end) = times(a, x);
    std::tie(y.start, y.end) = times(b, y);
    if (x != y) return x < y;
  }
  return a.entry < b.entry;
}

}  // namespace

std::string_view to_string(Change change) {
  switch (change) {
    case Change::kSame:
      return "same";
    case Change::kAdded:
      return "added";
    case Change::kRemoved:
      return "removed";
    case Change::kMoved:
      return "moved";
    case Change::kChanged:
      return "changed";
  }
  return "";
}

TraceDiff diff(const TraceView& left, const TraceView& right, const DiffLimits& limits) {
  Looks looks;
  // Shapes are numbered, and ties between equally good matches fall, as the
  // traces come: always the same first, so that which is left changes nothing.
  const bool swapped = comes_before(right, left);
  const Side first(swapped ? right : left, looks), second(swapped ? left : right, looks);
  Alignment alignment = align(first.tree, second.tree, limits.comparisons);
  if (swapped) {
    std::vector<bool> out_of_order(second.tree.size());
    for (uint32_t i = 0; i < second.tree.size(); ++i)
      if (const uint32_t other = alignment.of_right[i]; other != kNone)
        out_of_order[i] = alignment.out_of_order[other];
    std::swap(alignment.of_left, alignment.of_right);
    alignment.out_of_order = std::move(out_of_order);
  }
  return Comparison(swapped ? second : first, swapped ? first : second, std::move(alignment)).run();
}

}  // namespace testmesh::trace_diff
