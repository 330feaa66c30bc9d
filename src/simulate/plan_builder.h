// Walks an entry's handlers and writes down what happens. Private to the module.
#pragma once

#include "simulate/plan.h"
#include "simulate/random.h"

namespace testmesh::simulate {

// Where decisions come from: a trace's stream, or whoever tries all of them.
class Chooser {
 public:
  virtual ~Chooser() = default;
  virtual bool happens(double probability) = 0;
  virtual uint32_t count(Repeat) = 0;
};

// Also makes a hash of what was decided.
class DrawnChoices final : public Chooser {
 public:
  DrawnChoices(uint64_t stream, uint64_t& hash) : random_(stream), hash_(hash) {}
  bool happens(double probability) override {
    if (probability <= 0) return false;
    if (probability >= 1) return true;
    const bool yes = random_.unit() < probability;
    hash_ = mix(hash_, yes ? 1 : 2);
    return yes;
  }
  uint32_t count(Repeat times) override {
    if (times.least == times.most) return times.least;
    const uint32_t drawn = random_.between(times.least, times.most);
    hash_ = mix(hash_, 3, drawn);
    return drawn;
  }

 private:
  Random random_;
  uint64_t& hash_;
};

class PlanBuilder {
 public:
  PlanBuilder(const Planner& planner, Chooser& chooser, TracePlan& plan, uint64_t times)
      : phase_(planner.system().phases[plan.phase]),
        tables_(planner.tables_[plan.phase]),
        chooser_(chooser),
        plan_(plan),
        times_(times) {}

  // Fills plan.actions; phase and entry are set already.
  void run(const Entry&);

 private:
  struct Outcome {
    Duration end{};
    bool failed = false;
    int http_status = 0;
  };
  // Numbers the children of one action.
  struct Siblings {
    uint32_t parent = kAbsent;
    uint32_t occurrence = 0, group = 0;
  };

  uint32_t open(ActionKind, Siblings, uint32_t service, const Step*, Duration start);
  void close(uint32_t action, Duration end);
  void fail(uint32_t action, Failure, bool error);

  Outcome call(Siblings, uint32_t caller, const Step*, uint32_t service, uint32_t endpoint, Duration start);
  Outcome handle(Siblings, uint32_t service, uint32_t endpoint, Duration start);
  Outcome refuse_at_once(Siblings, uint32_t service, uint32_t endpoint, Duration start);
  Outcome steps(Siblings&, uint32_t service, const std::vector<Step>&, Duration start, Duration piece);
  Outcome step(Siblings&, uint32_t service, const Step&, Duration start);
  Outcome parallel(Siblings&, uint32_t service, const Step&, Duration start);
  void branches(Siblings&, uint32_t service, const Step&, Duration start, uint32_t& started, Outcome& all);
  Outcome attempts(Siblings, uint32_t service, const Step&, Duration start);
  Outcome once(Siblings, uint32_t service, const Step&, Duration start, uint16_t attempt);
  Outcome work(Siblings, uint32_t service, const Step&, Duration start);
  Duration draw(const Latency&, uint32_t service);

  const Phase& phase_;
  const Planner::PhaseTables& tables_;
  Chooser& chooser_;
  TracePlan& plan_;
  Random times_;
  uint16_t attempt_ = 0;  // of the action opened next
};

}  // namespace testmesh::simulate
