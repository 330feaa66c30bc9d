#include "model/critical_path.h"

#include <algorithm>

namespace testmesh::model {
namespace {

struct Child {
  uint32_t span;
  base::UnixNanos start, end;  // clipped to the parent's
};

// A span on the walk, from `start` (its own or clipped) back from `cursor`.
struct Step {
  uint32_t span;
  base::UnixNanos start, cursor;
  std::vector<Child> children;  // last to be visited first
};

}  // namespace

std::vector<CriticalSegment> critical_path(std::span<const TimedSpan> spans, size_t root) {
  std::vector<CriticalSegment> segments;
  if (root >= spans.size()) return segments;
  std::vector<std::vector<uint32_t>> children(spans.size());
  for (size_t i = 0; i < spans.size(); ++i)
    if (spans[i].parent >= 0 && static_cast<size_t>(spans[i].parent) < i)
      children[static_cast<size_t>(spans[i].parent)].push_back(static_cast<uint32_t>(i));

  const auto enter = [&](uint32_t span, base::UnixNanos start, base::UnixNanos end) {
    Step step{.span = span, .start = start, .cursor = end, .children = {}};
    for (const uint32_t child : children[span]) {
      const Child clipped{child, std::max(spans[child].start, start), std::min(spans[child].end, end)};
      if (clipped.start < clipped.end) step.children.push_back(clipped);
    }
    // By end; of equal ends the longer one held the parent up from earlier on.
    std::ranges::sort(step.children, [](const Child& a, const Child& b) {
      if (a.end != b.end) return a.end < b.end;
      if (a.start != b.start) return a.start > b.start;
      return a.span > b.span;
    });
    return step;
  };
  const auto emit = [&](uint32_t span, base::UnixNanos start, base::UnixNanos end) {
    if (start < end) segments.push_back({span, start, end});
  };

  // An explicit stack: traces may be deeper than the machine's.
  std::vector<Step> walk;
  walk.push_back(
      enter(static_cast<uint32_t>(root), spans[root].start, std::max(spans[root].start, spans[root].end)));
  while (!walk.empty()) {
    Step& here = walk.back();
    // What still ran at the cursor did not have to finish before it.
    while (!here.children.empty() && here.children.back().end > here.cursor) here.children.pop_back();
    if (here.children.empty()) {
      emit(here.span, here.start, here.cursor);
      walk.pop_back();
      continue;
    }
    const Child next = here.children.back();
    here.children.pop_back();
    emit(here.span, next.end, here.cursor);
    here.cursor = next.start;
    walk.push_back(enter(next.span, next.start, next.end));
  }
  std::ranges::reverse(segments);
  return segments;
}

}  // namespace testmesh::model
