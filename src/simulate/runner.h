// Runs a system: plans its traces and sends their spans.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "base/time.h"
#include "simulate/plan.h"
#include "simulate/target.h"
#include "simulate/truth.h"

namespace testmesh::simulate {

struct RunOptions {
  uint64_t seed = 1;
  base::UnixNanos start = 0;        // wall-clock time of the simulation's start
  uint64_t traces = UINT64_MAX;     // how many
  size_t spans_per_request = 2000;  // of run_fast()
  unsigned connections = 1;         // of run_fast(): threads, each with its target
};

// Read while running, from any thread.
struct RunCounts {
  std::atomic<uint64_t> traces = 0;  // planned and handed over
  std::atomic<uint64_t> spans = 0;   // sent, duplicates too
  std::atomic<uint64_t> requests = 0;
  std::atomic<uint64_t> rejected = 0;  // spans
  std::atomic<uint64_t> refusals = 0;  // answers that asked to try again
};

struct RunHooks {
  // For each connection one.
  std::function<base::Result<std::unique_ptr<Target>>()> open;
  RunCounts* counts = nullptr;              // never null
  const std::atomic<bool>* stop = nullptr;  // never null; set: no more traces, send what is due, return
  std::function<void()> progress = {};      // every now and then, from the calling thread
  std::function<void(std::string)> rejected = {};  // why spans were rejected, from any thread; may be empty
  Truth* truth = nullptr;                          // null: nobody asks
};

// Time as run_paced() sees it, since the simulation's start.
class Pace {
 public:
  virtual ~Pace() = default;
  virtual Duration now() = 0;
  // May return early.
  virtual void wait_until(Duration) = 0;
};
std::unique_ptr<Pace> real_time();

// How many traces start before `end`.
uint64_t traces_before(const Planner&, Duration end);

// As the system runs: each process sends what it has every Telemetry::flush, at
// most 512 spans a request; late spans come late. After the last trace it goes
// on until all is sent; stopped, it sends the rest at once.
base::Result<void> run_paced(const System&, const RunOptions&, const RunHooks&, Pace&);

// As fast as it goes, spans of many services in a request, as a Collector sends
// them. Late spans come last, after Telemetry::late_by of real time (`pace`).
// With one connection the requests are the same every time.
base::Result<void> run_fast(const System&, const RunOptions&, const RunHooks&, Pace&);

}  // namespace testmesh::simulate
