// What usually happens: the flows of a family and how long their nodes take,
// read from the store once and kept.
//
// Test traces teach no baseline, so a run has no part in it. A trace that
// someone else's runner made may have been counted like any other by the time
// it is validated: it is taken out again, and a flow that has no other trace is
// none.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "discovery/duration_sketch.h"
#include "model/flow.h"
#include "store/telemetry_store.h"

namespace testmesh::validation {

inline constexpr uint64_t kMinSamples = 20;

struct NodeTimes {
  uint64_t samples = 0;
  double p95_ms = 0;
};

// How long nodes took, by node.
class NodeDurations {
 public:
  // `own`: the trace that is validated, if it counts among these.
  void add(const discovery::FlowDetail&, const store::TraceDetail* own);
  // Null: nothing known.
  const NodeTimes* find(const model::PathNode&);

 private:
  struct Node {
    discovery::DurationSketch durations;
    NodeTimes times;
    bool summed = false;
  };
  std::map<model::PathNode, Node> nodes_;
};

struct FamilyBaseline {
  std::vector<discovery::FlowSummary> flows;  // most frequent first
  NodeDurations durations;
};

class Baselines {
 public:
  // `own` as of NodeDurations, only looked at when something is read.
  base::Result<FamilyBaseline*> family(store::TelemetryStore&, const model::WorkspaceId&,
                                       const model::TraceId&, const model::Family&,
                                       const store::TraceDetail& own);
  // The flows of that fingerprint, most frequent first.
  base::Result<const std::vector<discovery::FlowSummary>*> with_fingerprint(store::TelemetryStore&,
                                                                            const model::WorkspaceId&,
                                                                            const model::TraceId&,
                                                                            const model::Fingerprint&);

 private:
  std::map<model::Family, FamilyBaseline> families_;
  std::map<model::Fingerprint, std::vector<discovery::FlowSummary>> by_fingerprint_;
};

}  // namespace testmesh::validation
