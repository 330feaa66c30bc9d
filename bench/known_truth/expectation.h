// What the server must say after a number of planned traces, added up.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "bench/known_truth/facts.h"
#include "bench/known_truth/graph_truth.h"
#include "bench/known_truth/sender.h"
#include "bench/known_truth/truth.h"
#include "simulate/plan.h"

namespace testmesh::known_truth {

class Expectation {
 public:
  Expectation(const simulate::System& system, uint64_t seed, base::UnixNanos start);

  void add(const simulate::TracePlan&);
  std::string json(const SenderFigures&) const;

  // One line for each trace that arrives: id, `whole`, `partial` or `test`, family
  // and path, separated by tabs; of a test one for each thing it tested.
  std::string assignment(const simulate::TracePlan&) const;
  // The trace as planned, what must be found of it, and why.
  std::string explain(const simulate::TracePlan&) const;

 private:
  struct Key {
    std::string environment, service, operation, path;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  struct Count {
    uint64_t whole = 0, partial = 0, errors = 0, partial_errors = 0, tests = 0, undamaged = 0;
    std::string example;  // trace id: the one with the fewest spans
    size_t example_spans = 0;
  };
  struct Sample {
    std::string trace_id, path;
    size_t spans = 0;
  };
  Key key_of(const simulate::TracePlan&, const std::vector<SeenSpan>&, const TruePath&) const;
  void add_path(const simulate::TracePlan&, const TrueTrace&, bool damaged);
  void add_test(const simulate::TracePlan&, const TrueTrace&);
  void compare_with_behaviour(const simulate::TracePlan&, const TrueTrace&);
  std::string trace_id(const simulate::TracePlan&) const;

  const simulate::System& system_;
  const uint64_t seed_;
  const Facts facts_;
  std::map<Key, Count> counts_;
  std::map<std::string, std::string> path_of_behaviour_;
  GraphTruth graph_;
  std::vector<SeenSpan> spans_;
  std::vector<Sample> samples_;
  std::vector<std::string> problems_;  // the plan contradicts itself
  uint64_t traces_ = 0, arrived_ = 0, arrived_spans_ = 0, tests_ = 0, damaged_ = 0, lost_ = 0, late_ = 0,
           duplicates_ = 0;
};

}  // namespace testmesh::known_truth
