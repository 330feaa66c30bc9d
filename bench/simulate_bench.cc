// How fast traces are made: planned, told, written as OTLP.
#include <benchmark/benchmark.h>

#include "simulate/emit.h"
#include "simulate/plan.h"
#include "simulate/system_yaml.h"
#include "simulate/truth.h"

namespace {

using namespace testmesh::simulate;

const System& shop() {
  static const System system = *read_system(example_system());
  return system;
}

void set_spans(benchmark::State& state, size_t spans) {
  state.counters["spans/s"] = benchmark::Counter(static_cast<double>(spans), benchmark::Counter::kIsRate);
}

void plan_traces(benchmark::State& state) {
  const Planner planner(shop(), 1);
  TracePlan plan;
  uint64_t index = 0;
  size_t spans = 0;
  for (auto _ : state) {
    planner.plan(index++, plan);
    spans += plan.actions.size();
  }
  set_spans(state, spans);
}
BENCHMARK(plan_traces);

void plan_and_write(benchmark::State& state) {
  const Planner planner(shop(), 1);
  SpanWriter writer(shop(), 1, 1'700'000'000'000'000'000);
  TracePlan plan;
  uint64_t index = 0;
  size_t spans = 0, bytes = 0;
  for (auto _ : state) {
    planner.plan(index++, plan);
    writer.add_sent(plan);
    spans += plan.actions.size();
    if (writer.spans() >= 2000) bytes += writer.take().size();
  }
  set_spans(state, spans);
  state.counters["bytes/span"] = static_cast<double>(bytes) / static_cast<double>(spans);
}
BENCHMARK(plan_and_write);

void count_truth(benchmark::State& state) {
  const Planner planner(shop(), 1);
  Truth truth(shop());
  TracePlan plan;
  uint64_t index = 0;
  size_t spans = 0;
  for (auto _ : state) {
    planner.plan(index++, plan);
    truth.add(plan);
    spans += plan.actions.size();
  }
  set_spans(state, spans);
}
BENCHMARK(count_truth);

}  // namespace
