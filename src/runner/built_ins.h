// The variables that every run has (flow-yaml.md 1).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/time.h"
#include "expr/value.h"
#include "model/ids.h"

namespace testmesh::runner {

struct BuiltInSource {
  const base::Clock& clock;
  model::ExecutionId execution;
  std::string flow_name;
};

// UUID, RANDOM_ID and RANDOM_INT are new each time they are asked for, the times
// are those of that moment. False: no such name.
bool find_built_in(std::string_view name, const BuiltInSource&, expr::Value& out);
std::span<const std::string_view> built_in_names();

uint64_t random_number();
model::SpanId random_span_id();

}  // namespace testmesh::runner
