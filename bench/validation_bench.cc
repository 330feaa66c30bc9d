// What one look at a trace costs, all three layers included, against a baseline
// of the same flow.
#include <benchmark/benchmark.h>

#include "expr/program.h"
#include "validation/testing/validation_fixture.h"
#include "validation/trace_value.h"
#include "validation/verdict.h"

namespace testmesh::validation {
namespace {

using namespace testing;

// An entry that calls `services` services, each with calls of its own.
void add_calls(TraceOf& trace, const SpanOf& entry, int64_t spans) {
  for (int64_t i = 0; i + 3 <= spans; i += 3) {
    const std::string number = std::to_string(i % 97);
    const SpanOf& client = trace.client("shop", "GET").under(entry);
    const SpanOf& server =
        trace.server("service-" + number, "GET", "/things/" + number + "/:id").under(client);
    trace.query("service-" + number, "database-" + number).under(server);
  }
}

struct Setting {
  explicit Setting(int64_t spans) {
    for (uint64_t i = 0; i < 25; ++i) {
      TraceOf usual(2 + i);
      add_calls(usual, usual.server("shop", "GET", "/"), spans);
      store.learn(usual.spans());
    }
    TraceOf run(1);
    const SpanOf& step = run.step(run.execution());
    const SpanOf& call = run.call_of_step(step);
    add_calls(run, run.server("shop", "GET", "/").under(call), spans);
    store.receive(run.spans());
    flow.expects_of_trace = true;
    subject.trace_id = trace_id(1);
    subject.workspace = model::kDefaultWorkspace;
    subject.flow = &flow;
    subject.is_run = true;
    subject.steps.push_back({.step_id = "call", .span_id = step.span.span_id, .reaches_out = true});
    detail = std::make_shared<const store::TraceDetail>(**store.trace(subject.workspace, subject.trace_id));
  }

  MemoryStore store;
  flow_file::FlowFile flow;
  Subject subject;
  std::shared_ptr<const store::TraceDetail> detail;
};

// One assertion over a trace of 1,000 spans, as trace_assert has it.
void assertion(benchmark::State& state, const char* source) {
  Setting setting(1000);
  const TraceIndex index(setting.detail);
  expr::Map names;
  names.set("trace", index.trace({.is_run = true, .complete = true}));
  const expr::MapEnvironment environment(std::move(names));
  const auto program = expr::Program::compile(source);
  for (auto unused : state) {
    const AssertionOutcome outcome = judge(*program, environment, true);
    if (!outcome.passed)
      state.SkipWithError((outcome.error.value_or("no") + expr::to_json(outcome.actual)).c_str());
  }
}
BENCHMARK_CAPTURE(assertion, errors, "trace.spans | filter(.status == 'error') | len == 0");
BENCHMARK_CAPTURE(assertion, all_fast, "all(trace.spans, .duration_ms < 1000)");
BENCHMARK_CAPTURE(assertion, service, "count(trace.spans, .service == 'shop' and .kind == 'server') == 1");
BENCHMARK_CAPTURE(assertion, attribute, "any(trace.spans, .attributes['db.system.name'] == 'postgresql')");
BENCHMARK_CAPTURE(assertion, every_attribute,
                  "none(trace.spans, .attributes['http.request.method'] == 'PUT')");
BENCHMARK_CAPTURE(assertion, calls, "trace.calls('shop', 'service-12')");
BENCHMARK_CAPTURE(assertion, span, "trace.span('service-12') exists");

// With the baseline known: what is done for each state of the trace.
void BM_Verdict(benchmark::State& state) {
  Setting setting(state.range(0));
  const ValidationMemoryPtr memory = make_validation_memory();
  for (auto unused : state) {
    const auto fresh = std::make_shared<const store::TraceDetail>(*setting.detail);
    const auto start = std::chrono::steady_clock::now();
    auto result =
        validate_once(setting.subject, setting.store, fresh, kNoon + 2 * kSecond, kNoon, false, *memory);
    state.SetIterationTime(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    if (!result || result->status != ValidationStatus::kPassed) state.SkipWithError("the run does not pass");
  }
}
BENCHMARK(BM_Verdict)->Arg(1000)->Arg(100'000)->UseManualTime()->Unit(benchmark::kMicrosecond);

// The first look reads the baseline too.
void BM_FirstVerdict(benchmark::State& state) {
  Setting setting(state.range(0));
  for (auto unused : state) {
    const ValidationMemoryPtr memory = make_validation_memory();
    benchmark::DoNotOptimize(validate_once(setting.subject, setting.store, setting.detail,
                                           kNoon + 2 * kSecond, kNoon, false, *memory));
  }
}
BENCHMARK(BM_FirstVerdict)->Arg(1000)->Unit(benchmark::kMicrosecond);

// Nothing has come since the last look.
void BM_UnchangedTrace(benchmark::State& state) {
  Setting setting(state.range(0));
  const ValidationMemoryPtr memory = make_validation_memory();
  for (auto unused : state)
    benchmark::DoNotOptimize(
        validate_once(setting.subject, setting.store, setting.detail, kNoon, kNoon, false, *memory));
}
BENCHMARK(BM_UnchangedTrace)->Arg(1000)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace testmesh::validation
