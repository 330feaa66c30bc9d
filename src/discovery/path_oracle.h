// The rules of discovery.md 2 as plainly as they can be written: recursion
// over strings, no sharing, no hashes. For tests: the analyzer must agree.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "discovery/analyzer_fixture.h"

namespace testmesh::discovery {

struct OracleFlow {
  std::string path;
  std::string service, operation, environment;
  std::vector<size_t> calls;
  std::vector<uint32_t> retries;
  std::vector<std::string> services;  // of the nodes; of a test trace none: it shows no flow its nodes
  friend auto operator<=>(const OracleFlow&, const OracleFlow&) = default;
};

struct OracleResult {
  std::vector<OracleFlow> flows;  // sorted
  bool test = false, partial = false, all_parents_resolve = false;
  uint32_t cycles = 0, duplicates = 0;
};

OracleResult oracle(const std::deque<TestSpan>& spans);

}  // namespace testmesh::discovery
