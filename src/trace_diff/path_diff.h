// What differs between two paths, and between a trace and a flow.
//
// Nodes are matched in their order by type and identifier: as many as possible
// (a longest common subsequence). A node that is left over on both sides moved.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/flow.h"
#include "trace_diff/trace_diff.h"

namespace testmesh::trace_diff {

struct NodeDiff {
  Change change = Change::kSame;  // kChanged: another service
  uint32_t left = UINT32_MAX;     // positions in the paths; UINT32_MAX: not there
  uint32_t right = UINT32_MAX;
  bool in_left() const { return left != UINT32_MAX; }
  bool in_right() const { return right != UINT32_MAX; }
  friend bool operator==(const NodeDiff&, const NodeDiff&) = default;
};

struct PathDiff {
  // In the order of the right path; what the left alone has stands behind the
  // node it follows there, what moved where the right path has it.
  std::vector<NodeDiff> nodes;
  bool truncated = false;  // too long to compare: matched as they come
};

PathDiff diff_paths(std::span<const model::PathNode> left, std::span<const model::PathNode> right,
                    const DiffLimits& limits = {});

// ---- A trace against a flow --------------------------------------------------

// What the spans of a trace say of one node of its path.
struct NodeVisits {
  uint64_t calls = 0, errors = 0;
  uint64_t longest_ns = 0;       // duration of the longest
  uint64_t longest_self_ns = 0;  // greatest self time
  uint32_t longest = 0;          // position of the longest span, the first of equal ones
  void add(uint32_t span, uint64_t duration_ns, uint64_t self_ns, bool error);
};

// What a flow expects of a node.
struct NodeExpectation {
  uint64_t calls_max = 0;
  double p95_ms = 0, self_p95_ms = 0, error_rate = 0;
};

struct NodeFinding {
  bool slower = false;       // a span took longer than 95 % of the flow's
  bool self_slower = false;  // and so did its own work
  bool more_calls = false;   // than any trace of the flow made
  bool failed = false;       // a span failed, as at most 5 % of the flow's do
  bool any() const { return slower || self_slower || more_calls || failed; }
};

// Percentiles of flows are up to 1 % off: what lies within that is not slower.
bool slower_than(double p95_ms, uint64_t nanos);
NodeFinding judge(const NodeVisits&, const NodeExpectation&);

}  // namespace testmesh::trace_diff
