// What differs between two traces: which calls are there, and where the time
// went.
//
// Calls are those of CallTree: siblings that look equal are one call made
// several times. They are matched as alignment.h says; what is said of a call:
//   added, removed  only the right, only the left trace has it
//   moved           both have it, below other parents or in another order
//   changed         both have it in its place, but not as often for each time
//                   its parent was made, or with another status
//   same            none of these; time plays no part
// What hangs below a moved call moved with it and is not called moved itself.
//
// Time: durations and self times are sums over the spans of a call. Its time on
// the critical path (model/critical_path.h) is its share of the entry's
// duration: over all calls these sum to exactly that, so the differences of
// these times, call by call, sum to the difference of the two durations. They
// are where the difference comes from.
//
// diff(b, a) is diff(a, b) with left and right, added and removed exchanged;
// only the order of rows follows the right trace in both. Without recursion.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "model/critical_path.h"
#include "trace_diff/trace_view.h"

namespace testmesh::trace_diff {

enum class Change : uint8_t { kSame, kAdded, kRemoved, kMoved, kChanged };
std::string_view to_string(Change);

// A call in one trace.
struct CallSide {
  uint32_t span = 0;                                     // its first span's position
  uint64_t count = 0;                                    // spans
  uint64_t errors = 0;                                   // of them, those with status error
  model::StatusCode status = model::StatusCode::kUnset;  // error if one is, else ok if one is
  base::UnixNanos start = 0;                             // of the first span
  uint64_t duration_ns = 0;                              // sums; they stop at 2^64 - 1
  uint64_t self_ns = 0;
  uint64_t critical_ns = 0;
  friend bool operator==(const CallSide&, const CallSide&) = default;
};

struct CallDiff {
  Change change = Change::kSame;
  uint32_t depth = 0;  // among the rows
  std::optional<CallSide> left, right;
  // Why it is not the same.
  bool other_count = false, other_status = false, other_parent = false, other_order = false;
  // Of a call with another parent: that in the left trace (position of its
  // first span); none: it stood beside the entry.
  std::optional<uint32_t> left_parent;

  uint64_t left_critical_ns() const { return left ? left->critical_ns : 0; }
  uint64_t right_critical_ns() const { return right ? right->critical_ns : 0; }
};

struct DiffSummary {
  uint64_t same = 0, added = 0, removed = 0, moved = 0, changed = 0;  // rows
  bool differs() const { return added + removed + moved + changed > 0; }
};

struct TraceDiff {
  // Depth first: the right trace's tree, with what the left alone has at its
  // place. A call that moved stands where the right trace has it.
  std::vector<CallDiff> rows;
  DiffSummary summary;
  // Rows whose time on the critical path differs, the greatest difference first.
  std::vector<uint32_t> contributions;
  uint64_t left_duration_ns = 0, right_duration_ns = 0;  // of the entries
  std::vector<model::CriticalSegment> left_critical_path, right_critical_path;
  bool truncated = false;  // as of Alignment
};

struct DiffLimits {
  uint64_t comparisons = 2'000'000;  // of calls that look alike
};

TraceDiff diff(const TraceView& left, const TraceView& right, const DiffLimits& limits = {});

}  // namespace testmesh::trace_diff
