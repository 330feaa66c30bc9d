// What a run costs beside its actions: an action that does nothing, and a
// hundred runs at once of which each step holds a response of a usual size.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <fstream>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "flow_file/flow_file.h"
#include "runner/masker.h"
#include "runner/run.h"

namespace {

using namespace testmesh;
using expr::Map;
using expr::Value;

constexpr int kSteps = 10;

class Answer final : public actions::Action {
 public:
  explicit Answer(Value body) : body_(std::move(body)) {}
  std::string_view name() const override { return "http_request"; }
  actions::ActionOutcome run(const Value& config, actions::ActionContext&) const override {
    actions::ActionOutcome outcome;
    outcome.request = config;
    outcome.result =
        Map{{"status", 200}, {"headers", Map{{"content-type", "application/json"}}}, {"body", body_}};
    outcome.span_name = "GET";
    return outcome;
  }

 private:
  const Value body_;
};

flow_file::FlowFile flow() {
  std::string yaml = "name: bench\nenv: {base: 'http://shop', API_KEY: k-0123456789}\nsteps:\n";
  for (int i = 0; i < kSteps; ++i)
    yaml += fmt::format(
        "  - id: s{0}\n    action: http_request\n"
        "    config: {{url: '{{{{base}}}}/items/{0}', headers: {{authorization: 'Bearer "
        "{{{{API_KEY}}}}'}}}}\n"
        "    assert: [status == 200, body.id == 7]\n    output: {{id_{0}: $.body.id}}\n",
        i);
  auto reading = flow_file::read_flow(yaml);
  if (!reading.problems.empty()) throw std::runtime_error(reading.problems.front().message);
  return std::move(reading.flow);
}

class Bench {
 public:
  explicit Bench(Value body) : answer_(std::move(body)) {}
  runner::RunResult run() const {
    static const actions::HostPolicy hosts;
    static const std::atomic<bool> cancelled = false;
    return runner::run_flow(
        {.execution = {}, .workspace = {}, .trace_id = {{1}}, .flow = flow_, .variables = {}},
        {.clock = base::system_clock(),
         .hosts = hosts,
         .emit = [](const model::WorkspaceId&, std::vector<model::Span>) {},
         .cancelled = cancelled,
         .find_action = [this](std::string_view) { return &answer_; }});
  }

 private:
  const flow_file::FlowFile flow_ = flow();
  const Answer answer_;
};

void BM_Step(benchmark::State& state) {
  const Bench bench(Map{{"id", 7}, {"name", "x"}});
  for (auto _ : state) benchmark::DoNotOptimize(bench.run());
  state.counters["per_step"] = benchmark::Counter(static_cast<double>(state.iterations()) * kSteps,
                                                  benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(BM_Step)->Repetitions(5)->ReportAggregatesOnly();

void BM_StepWithABodyOf256KiB(benchmark::State& state) {
  expr::List items;
  for (int i = 0; i < 4096; ++i) items.push_back(Map{{"id", i}, {"name", std::string(40, 'n')}});
  const Bench bench(Map{{"id", 7}, {"items", std::move(items)}});
  for (auto _ : state) benchmark::DoNotOptimize(bench.run());
  state.counters["per_step"] = benchmark::Counter(static_cast<double>(state.iterations()) * kSteps,
                                                  benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(BM_StepWithABodyOf256KiB);

void BM_MaskText(benchmark::State& state) {
  runner::Masker masker;
  for (int i = 0; i < 20; ++i) masker.add(fmt::format("s3cr3t-value-{}", i * 7919));
  std::string text;
  for (int i = 0; text.size() < (1 << 20); ++i)
    text += fmt::format("{{\"id\": {}, \"name\": \"some value {}\"}},", i, i * 31);
  for (auto _ : state) benchmark::DoNotOptimize(masker.mask(text));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
}
BENCHMARK(BM_MaskText);

double resident_mb() {
  std::ifstream status("/proc/self/statm");
  double pages = 0;
  status >> pages >> pages;
  return pages * 4096 / 1e6;
}

// All of them alive, with their results, when the memory is read.
void BM_HundredRunsAtOnce(benchmark::State& state) {
  class Fresh final : public actions::Action {
   public:
    std::string_view name() const override { return "http_request"; }
    actions::ActionOutcome run(const Value& config, actions::ActionContext&) const override {
      actions::ActionOutcome outcome;
      outcome.request = config;
      outcome.result = Map{{"status", 200}, {"body", Map{{"id", 7}, {"text", std::string(16 << 10, 'x')}}}};
      return outcome;
    }
  };
  const flow_file::FlowFile file = flow();
  const Fresh action;
  const actions::HostPolicy hosts;
  const std::atomic<bool> cancelled = false;
  for (auto _ : state) {
    const double before = resident_mb();
    std::latch ended(100), read(1);
    std::vector<std::jthread> threads;
    for (int i = 0; i < 100; ++i)
      threads.emplace_back([&] {
        const runner::RunResult result = runner::run_flow(
            {.execution = {}, .workspace = {}, .trace_id = {{1}}, .flow = file, .variables = {}},
            {.clock = base::system_clock(),
             .hosts = hosts,
             .emit = [](const model::WorkspaceId&, std::vector<model::Span>) {},
             .cancelled = cancelled,
             .find_action = [&](std::string_view) { return &action; }});
        ended.count_down();
        read.wait();
        benchmark::DoNotOptimize(result.steps.size());
      });
    ended.wait();
    state.counters["grown_mb"] = resident_mb() - before;
    state.counters["resident_mb"] = resident_mb();
    read.count_down();
  }
}
BENCHMARK(BM_HundredRunsAtOnce)->Iterations(1);

}  // namespace
