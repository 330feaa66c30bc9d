#include "simulate/runner.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <thread>

#include "simulate/emit.h"
#include "simulate/random.h"

namespace testmesh::simulate {
namespace {

using base::Result;

constexpr size_t kMostSpansPerBatch = 512;  // the SDKs' default
constexpr Duration kLongestWait = std::chrono::milliseconds(200);
constexpr uint64_t kTracesPerBlock = 32;

class RealTime final : public Pace {
 public:
  Duration now() override { return std::chrono::steady_clock::now() - start_; }
  void wait_until(Duration time) override {
    std::this_thread::sleep_until(std::min(start_ + time, std::chrono::steady_clock::now() + kLongestWait));
  }

 private:
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// Sends what a writer holds and counts it.
class Sender {
 public:
  Sender(const RunHooks& hooks, Target& target) : hooks_(hooks), target_(target) {}

  Result<void> send(SpanWriter& writer) {
    const size_t spans = writer.spans();
    if (spans == 0) return {};
    TRY_ASSIGN(const Sent sent, target_.send(writer.take(), spans));
    hooks_.counts->spans += spans;
    ++hooks_.counts->requests;
    hooks_.counts->rejected += sent.rejected;
    hooks_.counts->refusals += sent.refusals;
    if (sent.rejected > 0 && hooks_.rejected) hooks_.rejected(sent.message);
    return {};
  }

 private:
  const RunHooks& hooks_;
  Target& target_;
};

// What waits for its process's next flush.
class PacedRun {
 public:
  PacedRun(const System& system, const RunOptions& options, const RunHooks& hooks, Target& target)
      : system_(system),
        options_(options),
        hooks_(hooks),
        sender_(hooks, target),
        writer_(system, options.seed, options.start),
        planner_(system, options.seed) {}

  Result<void> run(Pace& pace) {
    for (uint64_t next = 0;;) {
      const bool stopped = hooks_.stop->load();
      const bool more = !stopped && next < options_.traces;
      if (stopped || (!more && waiting_.empty())) break;
      const Duration now = pace.now();
      const Duration start = more ? planner_.start_of(next) : Duration::max();
      const Duration due = waiting_.empty() ? Duration::max() : waiting_.begin()->first.due;
      if (std::min(start, due) > now) {
        if (hooks_.progress) hooks_.progress();
        pace.wait_until(std::min(start, due));
      } else if (start <= due) {
        begin(next++);
      } else {
        TRY(flush_first());
        if (hooks_.progress) hooks_.progress();
      }
    }
    while (!waiting_.empty()) TRY(flush_first());
    return {};
  }

 private:
  struct Process {
    Duration due{};
    uint32_t service = 0, instance = 0;
    friend auto operator<=>(const Process&, const Process&) = default;
  };
  struct Waiting {
    std::shared_ptr<const TracePlan> plan;
    uint32_t action = 0;
  };

  void begin(uint64_t index) {
    auto plan = std::make_shared<TracePlan>(planner_.plan(index));
    if (hooks_.truth) hooks_.truth->add(*plan);
    for (uint32_t i = 0; i < plan->actions.size(); ++i) {
      const Fate& fate = plan->fates[i];
      if (fate.delivery != Delivery::kSent) continue;
      const Action& action = plan->actions[i];
      Duration ready = plan->start + action.start + action.duration;
      if (fate.late) ready += system_.telemetry.late_by;
      put(ready, plan, i);
      // The copy goes with a later batch, as when an answer was lost on its way back.
      if (fate.duplicate) put(ready + system_.telemetry.flush, plan, i);
    }
    ++hooks_.counts->traces;
  }

  // Each process flushes at moments of its own.
  void put(Duration ready, const std::shared_ptr<TracePlan>& plan, uint32_t action) {
    const uint32_t service = plan->actions[action].service;
    const uint32_t instance = service == kTester ? 0 : plan->instances[service];
    const int64_t every = system_.telemetry.flush.count();
    const auto offset =
        static_cast<int64_t>(mix(options_.seed, service, instance) % static_cast<uint64_t>(every));
    const int64_t ticks = (ready.count() - offset + every - 1) / every;
    const Duration due(std::max(offset + ticks * every, ready.count()));
    waiting_[{due, service, instance}].push_back({plan, action});
  }

  Result<void> flush_first() {
    const auto batch = waiting_.extract(waiting_.begin());
    for (const Waiting& span : batch.mapped()) {
      writer_.add(*span.plan, span.action);
      if (writer_.spans() == kMostSpansPerBatch) TRY(sender_.send(writer_));
    }
    return sender_.send(writer_);
  }

  const System& system_;
  const RunOptions& options_;
  const RunHooks& hooks_;
  Sender sender_;
  SpanWriter writer_;
  Planner planner_;
  std::map<Process, std::vector<Waiting>> waiting_;
};

struct LateSpan {
  uint64_t trace = 0;
  uint32_t action = 0;
};

// One connection of run_fast().
class FastWorker {
 public:
  FastWorker(const System& system, const RunOptions& options, const RunHooks& hooks,
             std::unique_ptr<Target> target)
      : options_(options),
        hooks_(hooks),
        target_(std::move(target)),
        sender_(hooks, *target_),
        writer_(system, options.seed, options.start),
        planner_(system, options.seed),
        truth_(system) {}

  Result<void> run(std::atomic<uint64_t>& next, const std::atomic<bool>& failed) {
    while (!hooks_.stop->load(std::memory_order_relaxed) && !failed) {
      const uint64_t begin = next.fetch_add(kTracesPerBlock);
      if (begin >= options_.traces) break;
      const uint64_t end = std::min(options_.traces, begin + kTracesPerBlock);
      for (uint64_t i = begin; i < end; ++i) TRY(add(i));
      hooks_.counts->traces += end - begin;
    }
    return sender_.send(writer_);
  }

  Result<void> send_late() {
    for (const LateSpan& late : late_) {
      planner_.plan(late.trace, plan_);
      writer_.add(plan_, late.action);
      if (plan_.fates[late.action].duplicate) writer_.add(plan_, late.action);
      if (writer_.spans() >= options_.spans_per_request) TRY(sender_.send(writer_));
    }
    late_.clear();
    TRY(sender_.send(writer_));
    return target_->finish();
  }
  bool has_late() const { return !late_.empty(); }
  const Truth& truth() const { return truth_; }

 private:
  Result<void> add(uint64_t index) {
    planner_.plan(index, plan_);
    if (hooks_.truth) truth_.add(plan_);
    writer_.add_sent(plan_);
    for (uint32_t a = 0; a < plan_.actions.size(); ++a)
      if (plan_.fates[a].late) late_.push_back({index, a});
    if (writer_.spans() >= options_.spans_per_request) return sender_.send(writer_);
    return {};
  }

  const RunOptions& options_;
  const RunHooks& hooks_;
  const std::unique_ptr<Target> target_;
  Sender sender_;
  SpanWriter writer_;
  Planner planner_;
  Truth truth_;
  TracePlan plan_;
  std::vector<LateSpan> late_;
};

// Runs `work` on every worker at once; the first error. `progress` is called meanwhile.
template <typename Work>
Result<void> on_all(std::vector<std::unique_ptr<FastWorker>>& workers, std::atomic<bool>& failed,
                    const RunHooks& hooks, Pace& pace, const Work& work) {
  if (workers.size() == 1 && !hooks.progress) return work(*workers.front());
  std::mutex mutex;
  Result<void> first;
  std::atomic<size_t> running = workers.size();
  std::vector<std::thread> threads;
  for (const auto& worker : workers)
    threads.emplace_back([&] {
      if (auto done = work(*worker); !done) {
        const std::lock_guard lock(mutex);
        if (first) first = std::move(done);
        failed = true;
      }
      --running;
    });
  while (running > 0) {
    if (hooks.progress) hooks.progress();
    pace.wait_until(pace.now() + std::chrono::milliseconds(20));
  }
  for (std::thread& thread : threads) thread.join();
  return first;
}

}  // namespace

std::unique_ptr<Pace> real_time() { return std::make_unique<RealTime>(); }

uint64_t traces_before(const Planner& planner, Duration end) {
  uint64_t least = 0, most = 1;
  while (planner.start_of(most) < end) most *= 2;
  while (least < most) {
    const uint64_t middle = least + (most - least) / 2;
    if (planner.start_of(middle) < end) {
      least = middle + 1;
    } else {
      most = middle;
    }
  }
  return least;
}

Result<void> run_paced(const System& system, const RunOptions& options, const RunHooks& hooks, Pace& pace) {
  TRY_ASSIGN(const std::unique_ptr<Target> target, hooks.open());
  TRY(PacedRun(system, options, hooks, *target).run(pace));
  return target->finish();
}

Result<void> run_fast(const System& system, const RunOptions& options, const RunHooks& hooks, Pace& pace) {
  std::vector<std::unique_ptr<FastWorker>> workers;
  for (unsigned i = 0; i < std::max(options.connections, 1u); ++i) {
    TRY_ASSIGN(std::unique_ptr<Target> target, hooks.open());
    workers.push_back(std::make_unique<FastWorker>(system, options, hooks, std::move(target)));
  }
  std::atomic<uint64_t> next = 0;
  std::atomic<bool> failed = false;
  TRY(on_all(workers, failed, hooks, pace, [&](FastWorker& worker) { return worker.run(next, failed); }));
  if (hooks.truth)
    for (const auto& worker : workers) hooks.truth->merge(worker->truth());
  if (std::ranges::any_of(workers, [](const auto& worker) { return worker->has_late(); })) {
    const Duration until = pace.now() + system.telemetry.late_by;
    while (pace.now() < until && !hooks.stop->load()) {
      if (hooks.progress) hooks.progress();
      pace.wait_until(until);
    }
  }
  return on_all(workers, failed, hooks, pace, [](FastWorker& worker) { return worker.send_late(); });
}

}  // namespace testmesh::simulate
