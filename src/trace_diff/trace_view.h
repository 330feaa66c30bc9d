// A trace as the comparison sees it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "model/span.h"

namespace testmesh::trace_diff {

struct SpanView {
  std::string_view service;
  std::string_view operation;  // templated
  model::SpanKind kind = model::SpanKind::kUnspecified;
  model::StatusCode status = model::StatusCode::kUnset;
  base::UnixNanos start = 0;
  base::UnixNanos end = 0;
  int64_t parent = -1;  // position in the trace, in front of this span; -1: none arrived
  friend auto operator<=>(const SpanView&, const SpanView&) = default;
};

// Parents before children, siblings by start. The texts outlive it.
struct TraceView {
  std::vector<SpanView> spans;
  size_t entry = 0;  // the span the trace starts with
};

}  // namespace testmesh::trace_diff
