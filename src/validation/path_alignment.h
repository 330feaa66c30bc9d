// Two paths side by side: what of the expected one is missing, what came
// unexpectedly, what stands in the other order (flow-yaml.md 5, layer 1).
//
// Nodes mean the same if type and identifier are equal, whatever the parameters
// of an endpoint are called, and the service where both say one. As many pairs
// as possible are made; where that can be done without breaking the order, it
// is.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "model/flow.h"

namespace testmesh::validation {

inline constexpr int32_t kNoPartner = -1;

struct Alignment {
  std::vector<int32_t> partner;   // of each expected node, its actual one
  std::vector<uint32_t> missing;  // expected nodes without partner
  std::vector<uint32_t> surplus;  // actual nodes without partner
  // Pairs of expected nodes, the earlier first, whose partners stand the other
  // way round; at most kMaxInversions.
  std::vector<std::pair<uint32_t, uint32_t>> inversions;
};
inline constexpr size_t kMaxInversions = 1000;

Alignment align(std::span<const model::PathNode> expected, std::span<const model::PathNode> actual);

// Equal for nodes of one meaning, services apart.
std::string node_key(const model::PathNode&);

}  // namespace testmesh::validation
