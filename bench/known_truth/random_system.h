// A system nobody thought of: services, what they call, and what may go wrong.
#pragma once

#include <cstdint>

#include "simulate/system.h"

namespace testmesh::known_truth {

// 3 to 15 services in both conventions and four languages, HTTP, RPC and
// consumers; databases, topics, hosts outside; optional calls, caches, loops,
// parallel branches, retries, failures; entries in several environments, some
// below a caller without telemetry, some called by tests. Clocks up to 0.5 s
// wrong, 2 % of spans late, 1 % doubled, 0.5 % lost; in one system of five some
// services export nothing of some traces. No deploys: what it does never changes.
//
// The same seed gives the same system. No entry has more than kMostBehaviours.
simulate::System random_system(uint64_t seed);

inline constexpr size_t kMostBehaviours = 400;

}  // namespace testmesh::known_truth
