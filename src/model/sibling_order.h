// When siblings of a trace stand in an order, and when they are concurrent
// (discovery.md 2.4).
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"

namespace testmesh::model {

// A start on a whole millisecond counts 1 ms later: such clocks cut it off.
inline uint64_t counted_start(base::UnixNanos start) {
  constexpr uint64_t kMillisecond = 1'000'000;
  if (start % kMillisecond != 0 || start > UINT64_MAX - kMillisecond) return start;
  return start + kMillisecond;
}

// Takes siblings by start and says which run each belongs to; those of one run
// are concurrent. A sibling joins the run before it if it starts before that
// run's latest end or at the same instant as its last.
class SiblingRuns {
 public:
  uint32_t next(base::UnixNanos start, base::UnixNanos end) {
    if (any_ && counted_start(start) >= latest_end_ && start != last_start_) {
      ++run_;
      latest_end_ = end;
    } else {
      latest_end_ = any_ ? std::max(latest_end_, end) : end;
    }
    any_ = true;
    last_start_ = start;
    return run_;
  }

 private:
  bool any_ = false;
  uint32_t run_ = 0;
  base::UnixNanos latest_end_ = 0, last_start_ = 0;
};

}  // namespace testmesh::model
