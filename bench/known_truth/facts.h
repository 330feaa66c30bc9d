// A planned trace as the spans that arrive of it, each saying what the plan
// meant it to be.
#pragma once

#include <string>
#include <vector>

#include "base/time.h"
#include "bench/known_truth/truth.h"
#include "simulate/plan.h"

namespace testmesh::known_truth {

// `system` outlives it. Const calls may come from several threads.
class Facts {
 public:
  Facts(const simulate::System& system, uint64_t seed, base::UnixNanos start);

  // Overwrites `spans`; they point into the system, the plan and this.
  void seen(const simulate::TracePlan&, std::vector<SeenSpan>& spans) const;

  // Whether a span is missing that was to be there.
  static bool damaged(const simulate::TracePlan&);

 private:
  SeenSpan span_of(const simulate::TracePlan&, uint32_t action) const;
  void describe_call(const simulate::Action&, const simulate::Phase&, uint32_t entry, SeenSpan&) const;

  const simulate::System& system_;
  const uint64_t seed_;
  const base::UnixNanos start_;
  std::vector<std::vector<std::string>> endpoints_;  // `METHOD route` by service and endpoint
};

}  // namespace testmesh::known_truth
