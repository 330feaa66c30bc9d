// What happens in one trace, decided before any span exists.
//
// Everything follows from (system, seed, trace index): a trace can be planned
// alone, in any order, on any thread. What happens, how long it takes, ids and
// the telemetry's faults come from streams of their own, so that a change of
// one leaves the others as they were.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/ids.h"
#include "simulate/system.h"

namespace testmesh::simulate {

inline constexpr uint32_t kAbsent = UINT32_MAX;
inline constexpr uint32_t kTester = UINT32_MAX - 1;  // as a service: `testmesh`, which runs the tests

enum class ActionKind : uint8_t {
  kHandler,   // SERVER, or CONSUMER of a topic
  kCall,      // CLIENT; its handler, if somebody answered, is its only child
  kDatabase,  // CLIENT
  kPublish,   // PRODUCER; handlers of consumers are its children
  kExternal,  // CLIENT
  kWork,      // INTERNAL
  kTest       // the root of a test trace; a kCall is its only child
};

enum class Failure : uint8_t {
  kNone,
  kOwn,      // the handler's own failure, or a drawn one of a database, topic, host or callee
  kRefused,  // nobody answered
  kPassedOn  // because something below failed
};

// One thing that happened; becomes one span. Times are true times: clocks are
// wrong only in the spans.
struct Action {
  ActionKind kind = ActionKind::kHandler;
  Failure failure = Failure::kNone;
  bool error = false;                  // the span's status; a 404 is a failure and, for its server, no error
  uint16_t attempt = 0;                // of a step with retries: 0 is the first
  uint32_t service = 0;                // whose span: Phase::services, or kTester
  uint32_t endpoint = kAbsent;         // kHandler: of `service`
  uint32_t parent = kAbsent;           // position in TracePlan::actions, before this
  uint32_t end_of_subtree = 0;         // one past its last descendant
  int http_status = 0;                 // kHandler, kCall, kExternal over HTTP; 0: no answer
  const Step* step = nullptr;          // kCall, kDatabase, kPublish, kExternal, kWork; null in the tester
  const Database* database = nullptr;  // kDatabase: the step's, or its cache's
  Duration start{}, duration{};        // since the trace's start
  // Numbers the parent's step occurrences in the order they were started: every
  // repetition of every step has its own, the attempts of one share it (as they
  // do the URL). Consumers: their
  // service. A cache's look-up has its own.
  uint32_t occurrence = 0;
  // Children of one parent with the same group ran together: a kParallel's
  // branches. In any other group all are attempts of one occurrence. Consumers
  // are one group.
  uint32_t group = 0;
};

// What became of the action's span on the way.
enum class Delivery : uint8_t {
  kSent,
  kUnsampled,  // the trace was not sampled, or the service exports nothing of this trace
  kLost
};
struct Fate {
  Delivery delivery = Delivery::kSent;
  bool late = false;       // sent Telemetry::late_by after its time
  bool duplicate = false;  // sent twice
};

struct TracePlan {
  uint64_t index = 0;
  uint32_t phase = 0;                    // System::phases: the one at the trace's start
  uint32_t entry = 0;                    // Phase::entries
  Duration start{};                      // since the simulation's start
  std::vector<Action> actions = {};      // depth first, a parent before its children
  std::vector<Fate> fates = {};          // by action
  std::vector<uint32_t> instances = {};  // by service: which instance serves this trace
  // Hash of phase, entry and every choice that was made: equal choices, equal
  // number. Loops of different length are different choices, of which a
  // behaviour knows nothing: see behaviour_path().
  uint64_t choices = 0;
};

// `system` must outlive the planner and the plans (they point into it). Const
// calls may come from several threads.
class Planner {
 public:
  Planner(const System& system, uint64_t seed);

  // Overwrites `plan`, whose buffers are used again.
  void plan(uint64_t index, TracePlan& plan) const;
  TracePlan plan(uint64_t index) const {
    TracePlan made;
    plan(index, made);
    return made;
  }
  const System& system() const { return system_; }
  uint64_t seed() const { return seed_; }

  // When trace `index` starts, since the simulation's start; ascending.
  Duration start_of(uint64_t index) const;

 private:
  friend class PlanBuilder;
  struct Consumer {
    uint32_t service, endpoint;
  };
  struct PhaseTables {
    std::vector<std::vector<Consumer>> consumers;  // by topic
    std::vector<double> weights;                   // of the entries, cumulative
  };
  const System& system_;
  const uint64_t seed_;
  std::vector<PhaseTables> tables_;
};

// Ids of the trace and of an action's span.
model::TraceId trace_id_of(uint64_t seed, uint64_t index);
model::SpanId span_id_of(uint64_t seed, uint64_t index, uint32_t action);

// What the trace did, as a reader of the System Graph would tell it: the nodes
// it visits in order, written as discovery.md 2.5 writes a path. Made from the
// plan alone (no spans, no times, no telemetry faults): parallel branches in
// canonical order, a loop once, a retry as the attempt that succeeded. Two
// traces with one behaviour have equal paths, on whatever seed.
// For a test trace: of what the test called.
std::string behaviour_path(const System&, const TracePlan&);
// The same with each node's service: two behaviours may share a path string.
std::string behaviour_key(const System&, const TracePlan&);

// All behaviours of an entry, found by trying every choice. With more than
// `most_choices` combinations `complete` is false, and what is given are the
// behaviours and shares of that many drawn traces.
struct Behaviour {
  std::string path = {};
  double probability = 0;
  double error_share = 0;  // of its traces, with at least one span of status error
};
struct Behaviours {
  std::vector<Behaviour> behaviours = {};  // most probable first
  bool complete = true;
};
Behaviours enumerate(const System&, uint32_t phase, uint32_t entry, size_t most_choices = 20'000);

}  // namespace testmesh::simulate
