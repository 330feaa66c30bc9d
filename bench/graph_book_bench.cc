// Cost of counting a trace in the System Graph, of answering a whole graph, of
// a checkpoint; and bytes per cell. `graph_book_bench --benchmark_filter=count`
// for the hot path alone.
#include <benchmark/benchmark.h>

#include <array>
#include <chrono>
#include <random>
#include <string>
#include <vector>

#include "graph/graph_book.h"

namespace {

using namespace testmesh;  // NOLINT(google-build-using-namespace): a program of one file
using discovery::Slot;
using discovery::SpanInput;
using graph::GraphBook;
using model::SpanKind;

constexpr uint64_t kStart = 1'760'000'000'000'000'000;

// A system of `services`, each with two endpoints and its database, that call
// `fan` others each; and traces through it.
class System {
 public:
  System(uint32_t services, uint32_t fan) : services_(services), fan_(fan) {
    for (uint32_t service = 0; service < services; ++service) {
      const std::string name = "service-" + std::to_string(service);
      for (const char* route : {"/things/{id}", "/things"}) {
        servers_.push_back(facts(name, SpanKind::kServer, "GET",
                                 {{Slot::kHttpRequestMethod, "GET"}, {Slot::kHttpRoute, name + route}}));
      }
      clients_.push_back(facts(name, SpanKind::kClient, "GET", {{Slot::kServerAddress, "peer-" + name}}));
      queries_.push_back(facts(name, SpanKind::kClient, "SELECT",
                               {{Slot::kDbSystem, "postgresql"}, {Slot::kDbNamespace, "base-" + name}}));
      internals_.push_back(facts(name, SpanKind::kInternal, "render", {}));
    }
  }

  // A call tree of `calls` services: SERVER, INTERNAL, a query, and CLIENT spans.
  std::vector<SpanInput> trace(std::mt19937_64& random, uint32_t calls) {
    spans_.clear();
    call(random, 0, static_cast<uint32_t>(random() % services_), calls);
    return spans_;
  }

  discovery::NameTries tries;
  discovery::FlowCatalog catalog;
  discovery::TraceAnalyzer analyzer{tries, catalog};

 private:
  discovery::FactsId facts(const std::string& service, SpanKind kind, std::string_view name,
                           const std::vector<std::pair<Slot, std::string>>& values) {
    discovery::SpanDescription description;
    description.kind = kind;
    description.name = name;
    description.service = service;
    for (const auto& [slot, value] : values) description.values[static_cast<size_t>(slot)] = value;
    return analyzer.facts(description);
  }

  uint32_t add(std::mt19937_64& random, uint32_t parent, discovery::FactsId what) {
    const auto number = static_cast<uint32_t>(spans_.size() + 1);
    SpanInput span;
    const auto id = [](uint32_t of) {
      model::SpanId made;
      for (size_t i = 0; i < 4; ++i) made.bytes[7 - i] = static_cast<uint8_t>(of >> 8 * i);
      return made;
    };
    span.id = id(number);
    span.parent = id(parent);
    span.start = kStart + number * 1'000 + random() % 1'000'000'000'000;
    span.end = span.start + static_cast<uint64_t>(spread_(random));
    span.facts = what;
    span.error = random() % 50 == 0;
    spans_.push_back(span);
    return number;
  }

  void call(std::mt19937_64& random, uint32_t parent, uint32_t service, uint32_t calls) {
    const uint32_t server = add(random, parent, servers_[2 * service + random() % 2]);
    const uint32_t inside = add(random, server, internals_[service]);
    add(random, inside, queries_[service]);
    for (uint32_t left = calls - 1; left > 0;) {
      const auto step = static_cast<uint32_t>(1 + random() % left);
      const uint32_t client = add(random, inside, clients_[service]);
      const auto callee = (service * 7 + 1 + static_cast<uint32_t>(random() % fan_)) % services_;
      call(random, client, callee, step);
      left -= step;
    }
  }

  const uint32_t services_, fan_;
  std::lognormal_distribution<double> spread_{16, 0.7};  // around 9 ms
  std::vector<discovery::FactsId> servers_, clients_, queries_, internals_;
  std::vector<SpanInput> spans_;
};

struct Prepared {
  std::vector<SpanInput> spans;
  discovery::TraceAnalysis analysis;
};

std::vector<Prepared> prepare(System& system, size_t traces, uint32_t calls) {
  std::mt19937_64 random(7);
  std::vector<Prepared> prepared(traces);
  for (Prepared& one : prepared) {
    one.spans = system.trace(random, calls);
    const auto& analysis = system.analyzer.analyze(one.spans, [](uint32_t) { return std::string_view(); });
    one.analysis.order = analysis.order;
    one.analysis.root = analysis.root;
  }
  return prepared;
}

// Arguments: services; services each calls.
void count(benchmark::State& state) {
  System system(static_cast<uint32_t>(state.range(0)), static_cast<uint32_t>(state.range(1)));
  const std::vector<Prepared> traces = prepare(system, 2'000, 5);
  GraphBook book(system.analyzer, system.tries);
  for (const Prepared& trace : traces) book.add(trace.spans, trace.analysis);
  size_t at = 0, spans = 0;
  for (auto _ : state) {
    const Prepared& trace = traces[at++ % traces.size()];
    book.add(trace.spans, trace.analysis);
    spans += trace.spans.size();
  }
  state.counters["ns_per_span"] = benchmark::Counter(
      static_cast<double>(spans) / 1e9, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(count)->Args({10, 3})->Args({100, 5})->Args({500, 20});

// The tree itself, for comparison.
void analyze(benchmark::State& state) {
  System system(static_cast<uint32_t>(state.range(0)), static_cast<uint32_t>(state.range(1)));
  const std::vector<Prepared> traces = prepare(system, 2'000, 5);
  size_t at = 0, spans = 0;
  for (auto _ : state) {
    const Prepared& trace = traces[at++ % traces.size()];
    benchmark::DoNotOptimize(
        &system.analyzer.analyze(trace.spans, [](uint32_t) { return std::string_view(); }));
    spans += trace.spans.size();
  }
  state.counters["ns_per_span"] = benchmark::Counter(
      static_cast<double>(spans) / 1e9, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(analyze)->Args({10, 3})->Args({100, 5});

// 500 services with 2 endpoints and a database each, 20 callees: 2,000 nodes,
// some 11,000 edges; in two books.
void answer(benchmark::State& state) {
  System system(500, static_cast<uint32_t>(state.range(0)));
  GraphBook first(system.analyzer, system.tries), second(system.analyzer, system.tries);
  std::mt19937_64 random(9);
  size_t spans = 0;
  for (size_t i = 0; i < 40'000; ++i) {
    const std::vector<SpanInput> trace = system.trace(random, 8);
    const auto& analysis = system.analyzer.analyze(trace, [](uint32_t) { return std::string_view(); });
    (i % 2 ? first : second).add(trace, analysis);
    spans += trace.size();
  }
  graph::RuntimeGraph last;
  std::chrono::steady_clock::duration locked{};
  for (auto _ : state) {
    const auto start = std::chrono::steady_clock::now();
    const std::array books{graph::GraphSnapshot(first), graph::GraphSnapshot(second)};
    locked += std::chrono::steady_clock::now() - start;
    last = graph::runtime_graph(books);
  }
  state.counters["ms_locked_a_book"] = benchmark::Counter(
      std::chrono::duration<double, std::milli>(locked).count() / 2, benchmark::Counter::kAvgIterations);
  state.counters["nodes"] = static_cast<double>(last.nodes.size());
  state.counters["edges"] = static_cast<double>(last.edges.size());
  state.counters["MB"] = static_cast<double>(first.memory_bytes() + second.memory_bytes()) / 1e6;
}
BENCHMARK(answer)->Arg(20)->Unit(benchmark::kMillisecond);

void checkpoint(benchmark::State& state) {
  System system(500, 20);
  const std::vector<Prepared> traces = prepare(system, 20'000, 8);
  GraphBook book(system.analyzer, system.tries);
  size_t documents = 0, bytes = 0;
  for (auto _ : state) {
    state.PauseTiming();
    for (const Prepared& trace : traces) book.add(trace.spans, trace.analysis);
    documents = bytes = 0;
    state.ResumeTiming();
    book.take_dirty([&](std::string_view, std::optional<std::string_view> value) {
      ++documents;
      bytes += value ? value->size() : 0;
    });
  }
  state.counters["documents"] = static_cast<double>(documents);
  state.counters["MB"] = static_cast<double>(bytes) / 1e6;
}
BENCHMARK(checkpoint)->Unit(benchmark::kMillisecond)->Iterations(5);

}  // namespace
