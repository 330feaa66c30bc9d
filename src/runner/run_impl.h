// A run while it runs. Private to the module.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "actions/action.h"
#include "runner/masker.h"
#include "runner/names.h"
#include "runner/run.h"
#include "runner/spans.h"
#include "runner/timing.h"

namespace testmesh::runner {

// The flows that run inside each other, innermost first.
struct CallView {
  const CallView* outer = nullptr;
  const flow_file::FlowFile* flow = nullptr;
};

// Where a step runs: what it can name, until when, below which span. A view;
// everything outlives it.
struct PlaceView {
  FlowNames& names;
  const LocalsView* locals = nullptr;
  const CallView* call = nullptr;
  SteadyTime deadline = SteadyTime::max();  // of the steps around it
  Phase phase = Phase::kMain;
  bool teardown = false;  // of this flow or of one around it: goes on after a cancel, for a while
  uint32_t depth = 0;
  std::string prefix;  // of ids: "loop[2]."
  model::SpanId span;  // of the step around it, or of the run
};

// How a list of steps went.
struct ListOutcome {
  std::optional<RunError> failure;    // the first that stopped it
  std::optional<RunError> continued;  // the first that on_error: continue let pass
};

// One try of a step.
struct Attempt {
  expr::Value request = expr::Map(), result = expr::Map();
  expr::Map outputs;
  std::optional<RunError> error;
  bool final = false;  // another try cannot end otherwise
  std::vector<FailedAssertion> failed;
  std::vector<model::Span> spans;
  std::vector<StepResult> nested;
  std::optional<RunError> continued;  // of a nested step

  void fail(std::string code, std::string message, bool is_final = false) {
    error = RunError{std::move(code), std::move(message)};
    final = is_final;
  }
};

inline constexpr std::string_view kCancelled = "cancelled";

class Run {
 public:
  Run(const RunRequest&, const RunServices&, Timing&);
  RunResult run();

 private:
  friend class ControlActions;

  // run.cc: a flow and its phases
  struct FlowOutcome {
    ListOutcome main, teardown;
    std::optional<RunError> could_not_run;
    bool cancelled = false;
  };
  // `variables`: over the flow's env.
  FlowOutcome run_phases(const flow_file::FlowFile&, PlaceView,
                         const std::vector<std::pair<std::string, expr::Value>>& variables,
                         std::vector<StepResult>& results);
  std::optional<RunError> set_variables(const flow_file::FlowFile&, FlowNames&,
                                        const std::vector<std::pair<std::string, expr::Value>>& variables);
  ListOutcome run_steps(std::span<const flow_file::Step>, const PlaceView&, std::vector<StepResult>& results,
                        bool whatever_happens);
  void skip_steps(std::span<const flow_file::Step>, const PlaceView&, std::vector<StepResult>& results);
  bool stopped(const PlaceView&);
  bool wait_until(SteadyTime, const PlaceView&);

  // steps.cc: one step and its attempts
  struct StepOutcome {
    std::optional<RunError> failure;  // also of a step that is to be continued from
    std::optional<RunError> continued;
  };
  StepOutcome run_step(const flow_file::Step&, const PlaceView&, std::vector<StepResult>& results);
  Attempt attempt(const flow_file::Step&, const PlaceView&, const model::SpanId& span, uint32_t number);
  std::optional<expr::Value> expanded_config(const flow_file::Step&, const PlaceView&, Attempt&);
  void run_action(const flow_file::Step&, const PlaceView&, const model::SpanId& span, uint32_t number,
                  const expr::Value& config, SteadyTime deadline, Attempt&);
  void take_outputs(const flow_file::Step&, Attempt&);
  // Of one, as it stands now; nullopt: true.
  std::optional<FailedAssertion> check(const flow_file::Assertion&, const expr::Environment&) const;
  void check_assertions(const flow_file::Step&, const PlaceView&, Attempt&);
  bool wants_another(const flow_file::Step&, const Attempt&) const;
  bool decide_when(const flow_file::Step&, const PlaceView&, std::optional<RunError>&);
  void publish_step(const flow_file::Step&, const PlaceView&, const Attempt&, StepStatus);

  // reporting.cc: what is told, kept and emitted
  void tell_started(const flow_file::Step&, const PlaceView&);
  // Masks, tells and keeps.
  void finish(StepResult, std::vector<StepResult> nested, std::vector<StepResult>& results);
  StepResult blank_result(const flow_file::Step&, const PlaceView&) const;
  expr::Value shown(const expr::Value&, size_t max_bytes);
  void mask(StepResult&) const;
  void mask(std::vector<model::KeyValue>&) const;
  void emit_step(const flow_file::Step&, const PlaceView&, const StepResult&, std::vector<model::Span>);
  void emit_root(const RunResult&);

  const RunRequest& request_;
  const RunServices& services_;
  Timing& timing_;
  Masker masker_;
  actions::ConnectionPool connections_;
  const SpanMaker spans_;
  const std::atomic<bool> never_ = false;        // what actions of a teardown are told of a cancel
  std::atomic<SteadyTime::rep> grace_ends_ = 0;  // of teardowns, once the run was cancelled
  base::UnixNanos started_at_ = 0;
  std::atomic<uint64_t> kept_results_ = 0, left_out_ = 0, shown_bytes_ = 0;
  std::atomic<uint64_t> first_kept_at_ = UINT64_MAX;  // the masker's version then
  std::mutex observer_mutex_;
};

RunResult run_flow(const RunRequest&, const RunServices&, Timing&);

}  // namespace testmesh::runner
