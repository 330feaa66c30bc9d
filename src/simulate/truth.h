// What was simulated, counted: beside it what a server shows can be checked.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <unordered_map>

#include "simulate/plan.h"

namespace testmesh::simulate {

// How a trace looks to whoever gets the spans that were sent.
enum class Seen : uint8_t {
  kNot,      // no span of it was sent
  kWhole,    // every span's parent is there (or the caller's, who sends none)
  kPartial,  // a parent is missing
  kBeheaded  // what is missing are its first spans, and the rest looks like a whole trace
};
// Late spans count as sent.
Seen seen_of(const System&, const TracePlan&);

struct BehaviourCounts {
  uint64_t traces = 0;
  uint64_t whole = 0, partial = 0, beheaded = 0, not_seen = 0;
  uint64_t with_error = 0;  // at least one span of status error, sent or not
};

struct SpanCounts {
  uint64_t planned = 0, sent = 0, unsampled = 0, lost = 0;
  uint64_t late = 0, duplicates = 0;  // of those sent
};

// Not thread-safe: one for each thread, then merge().
class Truth {
 public:
  explicit Truth(const System& system) : system_(system) {}
  void add(const TracePlan&);
  void merge(const Truth&);

  struct Key {
    uint32_t phase = 0, entry = 0;
    std::string path;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  const std::map<Key, BehaviourCounts>& behaviours() const { return behaviours_; }
  const SpanCounts& spans() const { return spans_; }

  // Everything as a JSON object, behaviours most frequent first.
  std::string to_json(uint64_t seed) const;

 private:
  const System& system_;
  std::map<Key, BehaviourCounts> behaviours_;
  std::unordered_map<uint64_t, BehaviourCounts*> by_choices_;  // bounded; telling a path takes time
  SpanCounts spans_;
};

}  // namespace testmesh::simulate
