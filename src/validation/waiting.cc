// Reading a trace until it is complete.
#include <algorithm>

#include "validation/trace_validation.h"
#include "validation/validation_memory.h"

namespace testmesh::validation {
namespace {

using Milliseconds = std::chrono::milliseconds;

constexpr Milliseconds kFirstPause{50}, kLongestPause{250};
// Larger traces are not kept between two looks: many runs may wait at once.
constexpr size_t kMaxSpansKept = 20'000;
constexpr uint64_t kNanosPerMilli = 1'000'000;

uint64_t nanos(Milliseconds time) {
  return static_cast<uint64_t>(std::max<int64_t>(time.count(), 0)) * kNanosPerMilli;
}

// Time that only goes forward: a clock that is set back must not make anybody
// wait for longer.
class Elapsed {
 public:
  explicit Elapsed(const base::Clock& clock) : clock_(clock), last_(clock.now()), start_(last_) {}
  // `paused`: how long the caller has waited since the last call.
  base::UnixNanos now(Milliseconds paused) {
    const base::UnixNanos time = clock_.now();
    elapsed_ += time >= last_ ? time - last_ : nanos(paused);
    last_ = time;
    return start_ + elapsed_;
  }
  base::UnixNanos start() const { return start_; }

 private:
  const base::Clock& clock_;
  base::UnixNanos last_;
  const base::UnixNanos start_;
  uint64_t elapsed_ = 0;
};

// What can be told of a trace without reading its spans.
struct State {
  uint32_t spans = 0;
  bool complete = false;
  std::optional<model::FlowId> flow;
  friend bool operator==(const State&, const State&) = default;
};

class Waiting {
 public:
  Waiting(const Subject& subject, store::TelemetryStore& store, const WaitOptions& options)
      : subject_(subject), store_(store), options_(options), memory_(make_validation_memory()) {
    memory_->quiet_ns = nanos(options.quiet);
  }

  base::Result<TraceValidation> run() {
    Elapsed elapsed(*options_.clock);
    const base::UnixNanos deadline = elapsed.start() + nanos(options_.timeout);
    base::UnixNanos now = elapsed.start(), last_arrival = now;
    Milliseconds pause = kFirstPause;
    std::optional<State> known;  // as of the last look
    bool only_quiet = false;     // nothing else was unmet then
    for (;;) {
      TRY_ASSIGN(const State state, read_state());
      const bool grew = state.spans != (known ? known->spans : 0);
      if (grew) {
        last_arrival = now;
        pause = kFirstPause;
      }
      const bool time_is_up = now >= deadline;
      const bool quiet = now - last_arrival >= memory_->quiet_ns;
      if (known != state || time_is_up || (only_quiet && quiet)) {
        known = state;
        TRY_ASSIGN(auto detail, read_trace(state));
        // It may have grown since it was counted.
        if (detail && detail->summary.span_count != state.spans) {
          known->spans = detail->summary.span_count;
          last_arrival = now;
        }
        TRY_ASSIGN(TraceValidation seen, validate_once(subject_, store_, std::move(detail), now, last_arrival,
                                                       time_is_up, *memory_));
        if (seen.status != ValidationStatus::kPending) return seen;
        only_quiet = seen.unmet == std::vector{Signal::kQuiet};
        if (known->spans > kMaxSpansKept) forget();
      }
      const base::UnixNanos next =
          only_quiet ? std::min(deadline, last_arrival + memory_->quiet_ns) : deadline;
      const Milliseconds left((next > now ? next - now : 0) / kNanosPerMilli + 1);
      const Milliseconds wait = std::min(pause, left);
      if (!options_.pause(wait))
        return base::fail(base::ErrorCode::kUnavailable,
                          "the validation was stopped before the trace was complete");
      now = elapsed.now(wait);
      pause = std::min(pause * 3 / 2, kLongestPause);
    }
  }

 private:
  base::Result<State> read_state() {
    TRY_ASSIGN(const std::optional<store::TraceSummary> summary,
               store_.trace_summary(subject_.workspace, subject_.trace_id));
    if (!summary) return State{};
    return State{summary->span_count, summary->complete, summary->flow_id};
  }

  base::Result<std::shared_ptr<const store::TraceDetail>> read_trace(const State& state) {
    if (detail_ && read_as_ == state) return detail_;
    forget();
    if (state.spans == 0) return nullptr;
    TRY_ASSIGN(std::optional<store::TraceDetail> detail, store_.trace(subject_.workspace, subject_.trace_id));
    if (!detail) return nullptr;
    detail_ = std::make_shared<const store::TraceDetail>(std::move(*detail));
    read_as_ = state;
    return detail_;
  }
  void forget() {
    detail_.reset();
    memory_->read_of.reset();
  }

  const Subject& subject_;
  store::TelemetryStore& store_;
  const WaitOptions& options_;
  const ValidationMemoryPtr memory_;
  std::shared_ptr<const store::TraceDetail> detail_;
  State read_as_;
};

}  // namespace

base::Result<TraceValidation> validate(const Subject& subject, store::TelemetryStore& store,
                                       const WaitOptions& options) {
  return Waiting(subject, store, options).run();
}

}  // namespace testmesh::validation
