// What an assertion costs: to compile, and to evaluate over a trace of a
// thousand spans.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "expr/program.h"
#include "expr/value.h"

namespace testmesh::expr {
namespace {

constexpr int kSpans = 1000;

// As a span shows itself: by name, most texts made when they are asked for.
class Span final : public Record {
 public:
  Span(std::string service, double duration_ms, bool failed)
      : service_(std::move(service)), duration_ms_(duration_ms), failed_(failed) {}

  std::string_view type_name() const override { return "span"; }
  std::vector<std::string_view> members() const override { return {"service", "status", "duration_ms"}; }
  bool member(std::string_view name, Value& out) const override {
    if (name == "service") {
      out = std::string_view(service_);
    } else if (name == "status") {
      out = Value::of_static(failed_ ? "error" : "unset");
    } else if (name == "duration_ms") {
      out = duration_ms_;
    } else {
      return false;
    }
    return true;
  }

 private:
  std::string service_;
  double duration_ms_;
  bool failed_;
};

class Trace final : public Record {
 public:
  Trace() {
    List spans;
    for (int i = 0; i < kSpans; ++i)
      spans.emplace_back(std::shared_ptr<const Record>(
          std::make_shared<Span>(i % 3 == 0 ? "order-service" : "payment-service", 0.5 * i, i % 100 == 7)));
    spans_ = Value(std::move(spans));
  }
  std::string_view type_name() const override { return "trace"; }
  std::vector<std::string_view> members() const override { return {"spans"}; }
  bool member(std::string_view name, Value& out) const override {
    if (name != "spans") return false;
    out = spans_;
    return true;
  }

 private:
  Value spans_;
};

const std::vector<std::string>& assertions() {
  static const std::vector<std::string> kAssertions = {
      "trace.spans | filter(.status == 'error') | len == 10",
      "all(trace.spans, .duration_ms < 5000)",
      "count(trace.spans, .service == 'order-service' and .duration_ms > 100) > 5",
      "trace.spans | map(.duration_ms) | max < 5000",
  };
  return kAssertions;
}

void evaluate(benchmark::State& state) {
  const std::string& source = assertions()[static_cast<size_t>(state.range(0))];
  const auto program = Program::compile(source);
  const MapEnvironment names(Map{{"trace", Value(std::shared_ptr<const Record>(std::make_shared<Trace>()))}});
  if (program->evaluate(names) != Value(true)) state.SkipWithError("the assertion does not hold");
  for (auto _ : state) benchmark::DoNotOptimize(program->evaluate(names));
  state.SetLabel(source);
  state.SetItemsProcessed(state.iterations() * kSpans);
}
BENCHMARK(evaluate)->DenseRange(0, 3)->Unit(benchmark::kMicrosecond);

void compile(benchmark::State& state) {
  const std::string& source = assertions()[static_cast<size_t>(state.range(0))];
  for (auto _ : state) benchmark::DoNotOptimize(Program::compile(source));
  state.SetLabel(source);
}
BENCHMARK(compile)->DenseRange(0, 3)->Unit(benchmark::kMicrosecond);

void evaluate_response(benchmark::State& state) {
  const auto program =
      Program::compile("response.status == 200 and body.items[0].id exists and len(body.items) >= 2");
  const MapEnvironment names(Map{{"response", Map{{"status", 200}}},
                                 {"body", Map{{"items", List{Map{{"id", "a"}}, Map{{"id", "b"}}}}}}});
  for (auto _ : state) benchmark::DoNotOptimize(program->evaluate(names));
}
BENCHMARK(evaluate_response);

}  // namespace
}  // namespace testmesh::expr
