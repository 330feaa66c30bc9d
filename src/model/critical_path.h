// Which spans a trace's duration is made of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/time.h"

namespace testmesh::model {

struct TimedSpan {
  base::UnixNanos start = 0;
  base::UnixNanos end = 0;
  int64_t parent = -1;  // position in the same list, in front of this span; -1: none
};

struct CriticalSegment {
  uint32_t span = 0;  // position in the list
  base::UnixNanos start = 0;
  base::UnixNanos end = 0;
  friend bool operator==(const CriticalSegment&, const CriticalSegment&) = default;
};

// Walks back from the root's end: whoever finished last before that moment
// held the trace up, down to the deepest span, until its start, and so on.
// Where no child was running the span itself did the work.
//
// The segments come in order of time, do not overlap, and cover the root from
// start to end: their lengths sum to its duration. A child outside its parent's
// time counts only as far as the two overlap (clock skew, work left running).
std::vector<CriticalSegment> critical_path(std::span<const TimedSpan> spans, size_t root);

}  // namespace testmesh::model
