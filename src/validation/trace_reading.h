// A stored trace as validation reads it: which spans are the runner's, where
// the application's begin, and the path that they take step by step.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/flow.h"
#include "store/telemetry_store.h"
#include "validation/trace_validation.h"

namespace testmesh::validation {

// A topmost span of the application with all below it (discovery.md 2.7). Of an
// ordinary trace there is one, the whole trace.
struct Entry {
  uint32_t span = 0, end = 0;          // positions [span, end)
  uint32_t part = 0;                   // of TraceDetail::parts
  uint32_t step = 0;                   // index into Subject::steps; how many there are: below none of them
  bool earlier_attempt = false;        // of its step
  bool again = false;                  // its part was another entry's before
  uint32_t first_node = 0, nodes = 0;  // its share of TraceReading::path; none where it only repeats
};

// A node of the actual path, with the spans that stand for it.
struct ActualNode {
  uint32_t node = 0;   // of TraceDetail::path
  uint32_t entry = 0;  // of TraceReading::entries
  std::vector<uint32_t> spans;
};

struct TraceReading {
  std::vector<bool> runners;  // parallel to TraceDetail::spans
  uint32_t application_spans = 0;
  std::vector<Entry> entries;    // step by step
  std::vector<ActualNode> path;  // theirs, one behind the other
  std::vector<bool> step_seen;   // parallel to Subject::steps: something of the application is below
  // Spans whose parent is not there, beyond what Subject::parent_span_id explains.
  uint32_t orphans = 0;
  // They are one SERVER or CONSUMER entry, whose caller may not export.
  bool orphan_is_entry = false;
};

TraceReading read_trace(const Subject&, const store::TraceDetail&);

}  // namespace testmesh::validation
