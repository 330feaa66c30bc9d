// Self time: how long a span worked itself, or waited for nobody it called.
//
// The self time of a span is its duration less the time that its children
// cover: the union of their times, each clipped to the span's. Children that
// run side by side cover their common time once; what a child does outside its
// parent's time (clock skew, work left running) covers nothing; grandchildren
// play no part. A span that ends before it starts lasts no time, and covers
// none.
//
// So 0 <= self time <= duration; without children it is the duration; and if no
// two children overlap and all lie within the span, the duration is the self
// time and the children's durations together.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "base/time.h"
#include "model/critical_path.h"

namespace testmesh::model {

inline uint64_t duration_of(base::UnixNanos start, base::UnixNanos end) {
  return end > start ? end - start : 0;
}

// One span, its children added in the order of their starts.
class SelfTime {
 public:
  SelfTime(base::UnixNanos start, base::UnixNanos end)
      : end_(end), covered_until_(start), self_(duration_of(start, end)) {}

  // By start the union grows at its end only.
  void add_child(base::UnixNanos start, base::UnixNanos end) {
    const base::UnixNanos from = std::max(start, covered_until_);
    const base::UnixNanos until = std::min(end, end_);
    if (until <= from) return;
    self_ -= until - from;
    covered_until_ = until;
  }

  uint64_t nanos() const { return self_; }

 private:
  base::UnixNanos end_;
  base::UnixNanos covered_until_;
  uint64_t self_;
};

// Of every span of the list, whose order is as of TimedSpan: a parent that does
// not stand in front of its child is none.
std::vector<uint64_t> self_times(std::span<const TimedSpan> spans);

}  // namespace testmesh::model
