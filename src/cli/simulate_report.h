// What `testmesh simulate` prints: a description, and how a run went.
#pragma once

#include <string>

#include "cli/remote.h"
#include "cli/run_cli.h"
#include "simulate/runner.h"

namespace testmesh::cli {

// Services, routes and steps; the traffic with its behaviours, and what each deploy changes of them.
void print_described(Terminal&, const simulate::System&);
Json described_json(const simulate::System&);

struct RunSummary {
  std::string target;
  uint64_t seed = 0;
  double seconds = 0;
  std::string rejected_why;
};
void print_summary(Terminal&, const RunSummary&, const simulate::RunCounts&);
Json summary_json(const RunSummary&, const simulate::RunCounts&);

}  // namespace testmesh::cli
