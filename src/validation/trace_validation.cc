#include "validation/trace_validation.h"

#include <algorithm>

#include "validation/behaviour_layer.h"
#include "validation/path_layer.h"
#include "validation/validation_memory.h"
#include "validation/validation_summary.h"

namespace testmesh::validation {
namespace {

using Performance = flow_file::TraceExpectations::Performance;

Performance performance_of(const Subject& subject) {
  return subject.flow != nullptr && subject.flow->trace ? subject.flow->trace->performance
                                                        : Performance::kFail;
}

// Of a bare trace id, that it is there.
bool expects_of_trace(const Subject& subject) {
  return subject.flow == nullptr || subject.flow->expects_of_trace;
}

class Look {
 public:
  Look(const Subject& subject, store::TelemetryStore& store, std::shared_ptr<const store::TraceDetail> detail,
       ValidationMemory& memory)
      : subject_(subject), store_(store), detail_(std::move(detail)), memory_(memory) {}

  base::Result<TraceValidation> judge(base::UnixNanos now, base::UnixNanos last_arrival, bool time_is_up) {
    TRY(read());
    find_unmet(now, last_arrival, time_is_up);
    result_.performance = performance_of(subject_);
    result_.validated_at = now;
    describe_paths();
    if (!result_.unmet.empty() && !time_is_up) {
      result_.path_status =
          comparison().from == ExpectedFrom::kNone ? PathStatus::kNoBaseline : PathStatus::kInconclusive;
      result_.summary = summary_of(subject_, *detail_, comparison(), reading(), result_);
      return std::move(result_);
    }
    judge_path();
    TRY(judge_spans());
    conclude();
    result_.summary = summary_of(subject_, *detail_, comparison(), reading(), result_);
    return std::move(result_);
  }

 private:
  const PathComparison& comparison() const { return memory_.comparison; }
  const TraceReading& reading() const { return memory_.reading; }

  // What only the spans decide, once for each state of the trace.
  base::Result<void> read() {
    if (!detail_) {
      static const auto nothing = std::make_shared<const store::TraceDetail>();
      detail_ = nothing;
    }
    if (memory_.read_of == detail_) return {};
    memory_.read_of.reset();
    memory_.reading = read_trace(subject_, *detail_);
    TRY_ASSIGN(memory_.comparison,
               compare_path(subject_, store_, *detail_, memory_.reading, memory_.baselines));
    memory_.read_of = detail_;
    return {};
  }

  void find_unmet(base::UnixNanos now, base::UnixNanos last_arrival, bool time_is_up) {
    const bool expects = expects_of_trace(subject_);
    const auto unless = [&](bool met, Signal signal) {
      if (!met) result_.unmet.push_back(signal);
    };
    unless(!expects || reading().application_spans > 0, Signal::kSpans);
    unless(reading().orphans == 0 || (time_is_up && reading().orphan_is_entry), Signal::kParents);
    unless(!expects || steps_seen(), Signal::kSteps);
    unless(comparison().missing.empty(), Signal::kExpectedNodes);
    // Of a trace that is not ours to time the store says that nothing came for long.
    const bool closed = !subject_.is_run && detail_->summary.complete;
    unless(closed || (now >= last_arrival && now - last_arrival >= memory_.quiet_ns), Signal::kQuiet);
  }
  bool is_unmet(Signal signal) const {
    return std::ranges::find(result_.unmet, signal) != result_.unmet.end();
  }
  bool steps_seen() const {
    for (size_t i = 0; i < subject_.steps.size(); ++i) {
      const StepSpan& step = subject_.steps[i];
      if (step.reaches_out && step.passed && !step.span_id.is_zero() && !reading().step_seen[i]) return false;
    }
    return true;
  }

  void describe_paths() {
    result_.expected_from = comparison().from;
    result_.expected_path = comparison().expected;
    for (const ActualNode& node : reading().path) result_.actual_path.push_back(detail_->path[node.node]);
  }

  // An absent node is missing once every parent is there; unless some step's
  // part of the trace is not, to which it may belong. (A baseline is that of an
  // entry which has been seen.)
  void judge_path() {
    const PathComparison& compared = comparison();
    if (compared.from == ExpectedFrom::kNone) {
      result_.path_status = PathStatus::kNoBaseline;
      return;
    }
    const bool parents = !is_unmet(Signal::kParents);
    const bool absent_is_missing = parents && (compared.from == ExpectedFrom::kBaseline ||
                                               (!is_unmet(Signal::kSpans) && !is_unmet(Signal::kSteps)));
    const bool complete = result_.unmet.empty();
    const bool mismatch = complete ? !compared.matches()
                                   : (absent_is_missing && !compared.missing.empty()) ||
                                         (parents && compared.unexpected_for_sure);
    result_.path_status = mismatch   ? PathStatus::kMismatch
                          : complete ? PathStatus::kMatch
                                     : PathStatus::kInconclusive;
    if (result_.path_status == PathStatus::kInconclusive) return;
    result_.path_match = !mismatch;
    if (absent_is_missing)
      for (const uint32_t node : compared.missing) result_.missing_nodes.push_back(compared.expected[node]);
    for (const uint32_t node : compared.unexpected)
      result_.unexpected_nodes.push_back(detail_->path[reading().path[node].node]);
    for (const auto& [before, after] : compared.out_of_order)
      result_.order_violations.push_back({compared.expected[before], compared.expected[after]});
  }

  base::Result<void> judge_spans() {
    if (result_.performance != Performance::kOff) {
      TRY_ASSIGN(result_.slow_spans,
                 slow_spans(subject_, store_, *detail_, reading(), comparison(), memory_.baselines));
    }
    const TraceIndex index(detail_);
    const TraceScope whole{.is_run = subject_.is_run, .complete = result_.unmet.empty()};
    TRY_ASSIGN(result_.error_spans, error_spans(subject_, index, reading(), whole));
    judge_assertions(subject_, index, whole, result_);
    return {};
  }

  void conclude() {
    const bool parents = !is_unmet(Signal::kParents);
    // How a node is usually depends on the family, and so on the entry.
    const bool slow = result_.performance == Performance::kFail && !result_.slow_spans.empty() && parents;
    const bool failed =
        result_.path_status == PathStatus::kMismatch || slow || !result_.failed_assertions.empty() ||
        std::ranges::any_of(result_.error_spans, [](const ErrorSpan& span) { return !span.allowed; });
    if (failed)
      result_.status = ValidationStatus::kFailed;
    else if (!result_.unmet.empty() || !result_.inconclusive_assertions.empty())
      result_.status = ValidationStatus::kPartial;
    else
      result_.status = ValidationStatus::kPassed;
  }

  const Subject& subject_;
  store::TelemetryStore& store_;
  std::shared_ptr<const store::TraceDetail> detail_;
  ValidationMemory& memory_;
  TraceValidation result_;
};

}  // namespace

ValidationMemoryPtr make_validation_memory() { return ValidationMemoryPtr(new ValidationMemory); }
void ValidationMemoryDeleter::operator()(ValidationMemory* memory) const { delete memory; }

base::Result<TraceValidation> validate_once(const Subject& subject, store::TelemetryStore& store,
                                            std::shared_ptr<const store::TraceDetail> detail,
                                            base::UnixNanos now, base::UnixNanos last_arrival,
                                            bool time_is_up, ValidationMemory& memory) {
  return Look(subject, store, std::move(detail), memory).judge(now, last_arrival, time_is_up);
}

}  // namespace testmesh::validation
