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
// Nor are they read more often than they are worth while they grow.
constexpr uint32_t kSpansPerMillisecond = 200;
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

}  // namespace

struct TraceWatch::Impl {
  const Subject& subject;
  store::TelemetryStore& store;
  const base::UnixNanos deadline;
  base::UnixNanos last_arrival;
  const bool arrival_known;
  const ValidationMemoryPtr memory = make_validation_memory();

  Milliseconds pause = kFirstPause;
  std::optional<State> seen = std::nullopt;  // as of the last look at its spans
  bool only_quiet = false;                   // nothing else was unmet then
  std::shared_ptr<const store::TraceDetail> detail = nullptr;
  State read_as = {};

  base::Result<Look> look(base::UnixNanos now) {
    TRY_ASSIGN(const State state, read_state());
    if (state.spans != (seen ? seen->spans : 0)) {
      if (seen || !arrival_known) last_arrival = now;
      pause = kFirstPause;
    }
    const bool time_is_up = now >= deadline;
    if (seen != state || time_is_up || (only_quiet && now >= last_arrival + memory->quiet_ns)) {
      TRY_ASSIGN(TraceValidation judged, judge(state, now, time_is_up));
      if (judged.status != ValidationStatus::kPending) return Look{std::move(judged), {}};
      only_quiet = judged.unmet == std::vector{Signal::kQuiet};
      if (seen->spans > kMaxSpansKept) forget();
    }
    const base::UnixNanos due = only_quiet ? std::min(deadline, last_arrival + memory->quiet_ns) : deadline;
    const Milliseconds left((due > now ? due - now : 0) / kNanosPerMilli + 1);
    const Milliseconds wait =
        std::min(std::max(pause, Milliseconds(seen->spans / kSpansPerMillisecond)), left);
    pause = std::min(pause * 3 / 2, kLongestPause);
    return Look{std::nullopt, wait};
  }

  base::Result<TraceValidation> judge(const State& state, base::UnixNanos now, bool time_is_up) {
    TRY_ASSIGN(const auto trace, read_trace(state));
    State read = state;
    // It may have grown since it was counted.
    if (trace && trace->summary.span_count != state.spans) {
      read.spans = trace->summary.span_count;
      last_arrival = now;
    }
    TRY_ASSIGN(TraceValidation judged,
               validate_once(subject, store, trace, now, last_arrival, time_is_up, *memory));
    seen = read;
    return judged;
  }

  base::Result<State> read_state() {
    TRY_ASSIGN(const std::optional<store::TraceSummary> summary,
               store.trace_summary(subject.workspace, subject.trace_id));
    if (!summary) return State{};
    return State{summary->span_count, summary->complete, summary->flow_id};
  }

  base::Result<std::shared_ptr<const store::TraceDetail>> read_trace(const State& state) {
    if (detail && read_as == state) return detail;
    forget();
    if (state.spans == 0) return nullptr;
    TRY_ASSIGN(std::optional<store::TraceDetail> read, store.trace(subject.workspace, subject.trace_id));
    if (!read) return nullptr;
    detail = std::make_shared<const store::TraceDetail>(std::move(*read));
    read_as = state;
    return detail;
  }
  void forget() {
    detail.reset();
    memory->read_of.reset();
  }
};

TraceWatch::TraceWatch(const Subject& subject, store::TelemetryStore& store, base::UnixNanos now,
                       Milliseconds timeout, Milliseconds quiet, base::UnixNanos last_arrival)
    : impl_(new Impl{subject, store, now + nanos(timeout), last_arrival == 0 ? now : last_arrival,
                     last_arrival != 0}) {
  impl_->memory->quiet_ns = nanos(quiet);
}
TraceWatch::~TraceWatch() = default;
TraceWatch::TraceWatch(TraceWatch&&) noexcept = default;

base::Result<TraceWatch::Look> TraceWatch::look(base::UnixNanos now) { return impl_->look(now); }

base::Result<TraceValidation> validate(const Subject& subject, store::TelemetryStore& store,
                                       const WaitOptions& options) {
  Elapsed elapsed(*options.clock);
  TraceWatch watch(subject, store, elapsed.start(), options.timeout, options.quiet);
  for (base::UnixNanos now = elapsed.start();;) {
    TRY_ASSIGN(TraceWatch::Look look, watch.look(now));
    if (look.verdict) return *std::move(look.verdict);
    if (!options.pause(look.again_in))
      return base::fail(base::ErrorCode::kUnavailable,
                        "the validation was stopped before the trace was complete");
    now = elapsed.now(look.again_in);
  }
}

}  // namespace testmesh::validation
