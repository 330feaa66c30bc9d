// What to test next, and why (discovery.md 6): the flows of a workspace against
// the tests that run them.
#pragma once

#include <cstdint>
#include <string>

#include "base/time.h"
#include "discovery/flow_book.h"

namespace testmesh::discovery {

// Some test trace matched the flow (discovery.md 2.7).
inline bool is_covered(const FlowSummary& flow) { return flow.test_count > 0; }

// The order of the coverage list, greatest first: flows that no test runs before
// all others, by risk among themselves.
uint64_t coverage_rank(const FlowSummary&);

// One sentence: what a test of the flow would guard, in figures. `all_traces`
// are those of every flow of the workspace.
std::string coverage_reason(const FlowSummary&, uint64_t all_traces, base::UnixNanos now);

}  // namespace testmesh::discovery
