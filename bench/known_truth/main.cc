// testmesh_known_truth: plans the traces of a random system, sends their spans
// to a server with everything going wrong on the way that may, and writes down
// what the server must have found. run.py compares.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <random>
#include <thread>

#include "bench/known_truth/expectation.h"
#include "bench/known_truth/random_system.h"
#include "bench/known_truth/sender.h"
#include "simulate/emit.h"
#include "simulate/plan.h"

namespace testmesh::known_truth {
namespace {

using simulate::Delivery;
using simulate::TracePlan;

constexpr size_t kWindow = 400;  // traces whose spans are shuffled among one another
constexpr size_t kSpansPerRequest = 500;
constexpr uint64_t kRounds = 4;  // what is late in one round is sent in the next

struct Options {
  uint64_t seed = 1, traces = 1000;
  std::string endpoint_file, workspace, expect, explain, assign;
  unsigned connections = 8;
};

struct SpanRef {
  uint64_t trace = 0;
  uint32_t action = 0;
};

class Load {
 public:
  Load(const Options& options, const simulate::System& system, base::UnixNanos start)
      : options_(options),
        planner_(system, options.seed),
        expectation_(system, options.seed, start),
        writer_(system, options.seed, start),
        random_(options.seed),
        sender_(options.endpoint_file, options.workspace, options.connections) {}

  void run() {
    const uint64_t round = std::max<uint64_t>(1, (options_.traces + kRounds - 1) / kRounds);
    for (uint64_t at = 0; at < options_.traces; at += round) {
      std::vector<SpanRef> postponed = std::move(postponed_);
      postponed_.clear();
      send_round(at, std::min(at + round, options_.traces), postponed);
      // The next round's late spans find their traces closed.
      sender_.wait_until_acknowledged();
      wait_until_closed();
    }
    send_round(options_.traces, options_.traces, postponed_);
    sender_.wait_until_acknowledged();
    std::ofstream(options_.expect) << expectation_.json(sender_.figures());
  }

 private:
  void send_round(uint64_t from, uint64_t to, std::vector<SpanRef>& postponed) {
    std::shuffle(postponed.begin(), postponed.end(), random_);
    size_t postponed_sent = 0;
    for (uint64_t at = from; at < to; at += kWindow) {
      const uint64_t end = std::min(at + kWindow, to);
      plans_.resize(end - at);
      std::vector<std::pair<const TracePlan*, uint32_t>> window;
      for (uint64_t index = at; index < end; ++index) {
        TracePlan& plan = plans_[index - at];
        planner_.plan(index, plan);
        expectation_.add(plan);
        add_spans(plan, window);
      }
      // As large a part of what is late as of what is new.
      const size_t due = postponed.size() * (end - from) / (to - from);
      send(window, {postponed.begin() + static_cast<ptrdiff_t>(postponed_sent),
                    postponed.begin() + static_cast<ptrdiff_t>(due)});
      postponed_sent = due;
    }
    for (; postponed_sent < postponed.size(); postponed_sent += kSpansPerRequest) {
      std::vector<std::pair<const TracePlan*, uint32_t>> none;
      const size_t end = std::min(postponed_sent + kSpansPerRequest, postponed.size());
      send(none, {postponed.begin() + static_cast<ptrdiff_t>(postponed_sent),
                  postponed.begin() + static_cast<ptrdiff_t>(end)});
    }
  }

  void add_spans(const TracePlan& plan, std::vector<std::pair<const TracePlan*, uint32_t>>& window) {
    for (uint32_t i = 0; i < plan.actions.size(); ++i) {
      const simulate::Fate& fate = plan.fates[i];
      if (fate.delivery != Delivery::kSent) continue;
      if (fate.late)
        postponed_.push_back({plan.index, i});
      else
        window.emplace_back(&plan, i);
      if (!fate.duplicate) continue;
      // Once again, at about the same time or when its trace has closed.
      if (random_() % 2 == 0)
        postponed_.push_back({plan.index, i});
      else
        window.emplace_back(&plan, i);
    }
  }

  void send(std::vector<std::pair<const TracePlan*, uint32_t>>& window, std::span<const SpanRef> postponed) {
    std::vector<TracePlan> again(postponed.size());
    for (size_t i = 0; i < postponed.size(); ++i) {
      planner_.plan(postponed[i].trace, again[i]);
      window.emplace_back(&again[i], postponed[i].action);
    }
    std::shuffle(window.begin(), window.end(), random_);
    for (const auto& [plan, action] : window) {
      writer_.add(*plan, action);
      if (writer_.spans() >= kSpansPerRequest) sender_.take(writer_.take());
    }
    if (writer_.spans() > 0) sender_.take(writer_.take());
  }

  void wait_until_closed() {
    while (!sender_.server_is_idle()) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }

  const Options& options_;
  const simulate::Planner planner_;
  Expectation expectation_;
  simulate::SpanWriter writer_;
  std::mt19937_64 random_;
  Sender sender_;
  std::vector<TracePlan> plans_;
  std::vector<SpanRef> postponed_;
};

int run(int argc, char** argv) {
  CLI::App app("Sends the traces of a random system and writes down what must be found of them.");
  Options options;
  app.add_option("--seed", options.seed, "of the system and its traces");
  app.add_option("--traces", options.traces);
  app.add_option("--endpoint-file", options.endpoint_file, "names the server; read again when it goes away");
  app.add_option("--workspace", options.workspace);
  app.add_option("--expect", options.expect, "the file for what must be found");
  app.add_option("--connections", options.connections)->check(CLI::Range(1, 64));
  app.add_option("--explain", options.explain, "only says what this trace is");
  app.add_option("--assign", options.assign, "only writes to this file which flow each trace counts in");
  CLI11_PARSE(app, argc, argv);
  const simulate::System system = random_system(options.seed);
  // A whole second: what is told apart by the milliseconds of a start comes out the same every time.
  const base::UnixNanos start =
      (std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
           .count() -
       600) *
      1'000'000'000;
  if (options.explain.empty() && options.assign.empty()) {
    Load(options, system, start).run();
    return 0;
  }
  const simulate::Planner planner(system, options.seed);
  const Expectation expectation(system, options.seed, start);
  if (!options.assign.empty()) {
    std::ofstream out(options.assign);
    for (uint64_t index = 0; index < options.traces; ++index)
      out << expectation.assignment(planner.plan(index));
    return out.good() ? 0 : 1;
  }
  for (uint64_t index = 0; index < options.traces; ++index) {
    if (simulate::trace_id_of(options.seed, index).to_hex() != options.explain) continue;
    std::fputs(expectation.explain(planner.plan(index)).c_str(), stdout);
    return 0;
  }
  std::fprintf(stderr, "no such trace\n");
  return 1;
}

}  // namespace
}  // namespace testmesh::known_truth

int main(int argc, char** argv) { return testmesh::known_truth::run(argc, argv); }
