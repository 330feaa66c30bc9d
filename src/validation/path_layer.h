// Layer 1: the path that was expected beside the one that was taken.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/result.h"
#include "validation/baseline.h"
#include "validation/trace_reading.h"
#include "validation/trace_validation.h"

namespace testmesh::validation {

struct PathComparison {
  ExpectedFrom from = ExpectedFrom::kNone;
  std::vector<model::PathNode> expected;
  // Which flow the expectation is: its baseline stands in where an entry's own
  // family has none.
  std::optional<model::Family> flow_family;

  std::vector<uint32_t> missing;                            // positions in `expected`
  std::vector<uint32_t> unexpected;                         // positions in TraceReading::path
  std::vector<std::pair<uint32_t, uint32_t>> out_of_order;  // positions in `expected`
  // Some node of `unexpected` stays that, whatever spans still come.
  bool unexpected_for_sure = false;

  bool matches() const { return missing.empty() && unexpected.empty() && out_of_order.empty(); }
};

base::Result<PathComparison> compare_path(const Subject&, store::TelemetryStore&, const store::TraceDetail&,
                                          const TraceReading&, Baselines&);

}  // namespace testmesh::validation
