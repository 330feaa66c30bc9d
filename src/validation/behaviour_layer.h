// Layers 2 and 3: what was slow, what failed, what the file says must hold.
#pragma once

#include "base/result.h"
#include "validation/baseline.h"
#include "validation/path_layer.h"
#include "validation/trace_reading.h"
#include "validation/trace_validation.h"
#include "validation/trace_value.h"

namespace testmesh::validation {

base::Result<std::vector<SlowSpan>> slow_spans(const Subject&, store::TelemetryStore&,
                                               const store::TraceDetail&, const TraceReading&,
                                               const PathComparison&, Baselines&);

// kInvalidArgument: a selector of `allow_errors` that is none.
base::Result<std::vector<ErrorSpan>> error_spans(const Subject&, const TraceIndex&, const TraceReading&,
                                                 const TraceScope&);

// Fills both lists of assertions.
void judge_assertions(const Subject&, const TraceIndex&, const TraceScope& whole, TraceValidation&);

}  // namespace testmesh::validation
