// `testmesh eval --jsonl`: a line in, a line out (flow-yaml.md 4).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace testmesh::expr {

// Longer lines are refused; whoever reads them need not keep more.
inline constexpr size_t kMaxEvalLine = 16u << 20;

// One JSON object in, one out, both without their line's end. Whatever comes in.
std::string evaluate_line(std::string_view line);
// The answer to a line that is longer than that.
std::string refuse_long_line();

}  // namespace testmesh::expr
