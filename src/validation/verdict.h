// What an assertion over a trace says while spans may still come.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "expr/program.h"
#include "model/ids.h"

namespace testmesh::validation {

enum class Truth : uint8_t { kTrue, kFalse, kUnknown };

struct AssertionOutcome {
  // As the trace is now: true, false (also: an error, no boolean).
  bool passed = false;
  expr::Value actual;
  std::optional<expr::Value> expected;
  std::optional<std::string> error;
  std::vector<model::SpanId> span_ids;  // that the answer rests on, at most 20; none when it passed for good
  // Whether further spans of the trace could change `passed`: kTrue it will
  // pass whatever comes, kFalse it will fail whatever comes, kUnknown neither.
  // Never wrong on the side of certainty.
  Truth settled = Truth::kUnknown;
};

// `trace` and whatever else the environment has; names other than `trace` do
// not change. With `complete` no span can come: settled is what passed says.
AssertionOutcome judge(const expr::Program&, const expr::Environment&, bool complete);

}  // namespace testmesh::validation
