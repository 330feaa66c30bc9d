#pragma once

#include <string>

#include "validation/path_layer.h"
#include "validation/trace_reading.h"
#include "validation/trace_validation.h"

namespace testmesh::validation {

// TraceValidation::summary: what failed, or what is still missing, by name.
std::string summary_of(const Subject&, const store::TraceDetail&, const PathComparison&, const TraceReading&,
                       const TraceValidation&);

}  // namespace testmesh::validation
