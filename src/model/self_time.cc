#include "model/self_time.h"

#include <numeric>

namespace testmesh::model {

std::vector<uint64_t> self_times(std::span<const TimedSpan> spans) {
  std::vector<SelfTime> times;
  times.reserve(spans.size());
  for (const TimedSpan& span : spans) times.emplace_back(span.start, span.end);
  std::vector<uint32_t> by_start(spans.size());
  std::iota(by_start.begin(), by_start.end(), 0u);
  std::ranges::sort(by_start, {}, [&](uint32_t i) { return spans[i].start; });
  for (const uint32_t i : by_start)
    if (spans[i].parent >= 0 && spans[i].parent < static_cast<int64_t>(i))
      times[static_cast<size_t>(spans[i].parent)].add_child(spans[i].start, spans[i].end);
  std::vector<uint64_t> self(spans.size());
  for (size_t i = 0; i < spans.size(); ++i) self[i] = times[i].nanos();
  return self;
}

}  // namespace testmesh::model
