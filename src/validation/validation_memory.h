// What one look at a trace leaves for the next.
#pragma once

#include <memory>

#include "validation/baseline.h"
#include "validation/path_layer.h"
#include "validation/trace_reading.h"
#include "validation/trace_validation.h"

namespace testmesh::validation {

struct ValidationMemory {
  uint64_t quiet_ns = 1'000'000'000;
  Baselines baselines;
  std::shared_ptr<const store::TraceDetail> read_of;  // of which state of the trace these are
  TraceReading reading;
  PathComparison comparison;
};

}  // namespace testmesh::validation
