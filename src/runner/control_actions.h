// The actions that steer the run itself (flow-yaml.md 2): delay, log, assert,
// condition, for_each, parallel, wait_until, run_flow, otel.inject, otel.assert.
// Private to the module.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "runner/run_impl.h"

namespace testmesh::runner {

// One attempt of one step; a view of what the run has.
class ControlActions {
 public:
  static bool has(std::string_view action);

  ControlActions(Run& run, const flow_file::Step& step, const PlaceView& place, const model::SpanId& span,
                 SteadyTime deadline, Attempt& attempt)
      : run_(run), step_(step), place_(place), span_(span), deadline_(deadline), attempt_(attempt) {}

  // The items of a for_each, in place of the text that says where they are.
  // False: the attempt failed.
  bool find_items(expr::Map& config);
  void act(const expr::Value& config);

 private:
  void delay(const expr::Value& config);
  void log(const expr::Value& config);
  void condition();
  void for_each(const expr::Value& config);
  void parallel(const expr::Value& config);
  void wait_until(const expr::Value& config);
  void run_other_flow(const expr::Value& config);
  void otel_inject();
  void otel_assert(const expr::Value& config);

  const std::vector<flow_file::Assertion>& expressions(std::string_view key) const;
  const std::vector<flow_file::Step>* steps(std::string_view key) const;
  PlaceView inside(std::string_view prefix = {}, const LocalsView* locals = nullptr) const;
  SteadyTime from_now(flow_file::Milliseconds) const;
  bool wait(SteadyTime until) const;  // false: cancelled
  // Nested steps ended so: what it means to this step.
  void take(ListOutcome&&);
  void cancelled();

  Run& run_;
  const flow_file::Step& step_;
  const PlaceView& place_;
  const model::SpanId& span_;
  const SteadyTime deadline_;
  Attempt& attempt_;
};

// The duration under a key of a config, or the default.
flow_file::Milliseconds duration_of(const expr::Value& config, std::string_view key,
                                    flow_file::Milliseconds otherwise);

}  // namespace testmesh::runner
