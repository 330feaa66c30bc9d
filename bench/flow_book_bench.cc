// Cost of counting a trace, of listing flows, of a checkpoint; and bytes per
// flow. `flow_book_bench --benchmark_filter=add` for the hot path alone.
#include <benchmark/benchmark.h>

#include <random>

#include "discovery/flow_book.h"

namespace {

using namespace testmesh;  // NOLINT(google-build-using-namespace): a program of one file
using discovery::FlowBook;
using discovery::FlowCatalog;
using discovery::FlowIdentity;
using discovery::FlowMatch;
using discovery::FlowQuery;
using discovery::FlowSort;
using discovery::TraceClass;

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kStart = 1'760'000'000 * kSecond;

std::vector<const FlowIdentity*> make_flows(FlowCatalog& catalog, size_t count, size_t nodes) {
  std::vector<const FlowIdentity*> flows;
  for (size_t i = 0; i < count; ++i) {
    std::vector<model::PathNode> path;
    for (size_t node = 0; node < nodes; ++node) {
      path.push_back({model::NodeType::kApiEndpoint,
                      "GET /flow" + std::to_string(i) + "/" + std::to_string(node),
                      "service" + std::to_string(node)});
    }
    std::vector<discovery::TreeNode> tree(nodes);
    for (size_t node = 1; node < nodes; ++node) tree[node].parent = static_cast<int32_t>(node - 1);
    flows.push_back(catalog.intern({"prod", "service0", "GET /flow" + std::to_string(i)}, path, tree));
  }
  return flows;
}

FlowMatch make_match(const FlowIdentity* flow, std::mt19937_64& random, uint64_t start) {
  std::lognormal_distribution<double> spread(16, 0.7);  // around 9 ms
  FlowMatch match;
  match.flow = flow;
  match.entry = 0;
  match.start = start;
  match.duration_ns = static_cast<uint64_t>(spread(random));
  match.error = random() % 50 == 0;
  match.retries.assign(flow->nodes.size(), 0);
  for (uint32_t node = 0; node < flow->nodes.size(); ++node) {
    match.visits.push_back({.span = node,
                            .node = node,
                            .error = match.error,
                            .duration_ns = static_cast<uint64_t>(spread(random)),
                            .self_ns = static_cast<uint64_t>(spread(random) / 3)});
  }
  return match;
}

model::TraceId random_id(std::mt19937_64& random) {
  model::TraceId id;
  for (uint8_t& byte : id.bytes) byte = static_cast<uint8_t>(random());
  return id;
}

// range(0): flows; 5 nodes each, 1,000 traces a second going by.
void BM_add(benchmark::State& state) {
  std::mt19937_64 random(1);
  FlowCatalog catalog;
  FlowBook book(catalog);
  const auto flows = make_flows(catalog, static_cast<size_t>(state.range(0)), 5);
  std::vector<FlowMatch> matches;
  std::vector<model::TraceId> ids;
  for (size_t i = 0; i < 1 << 15; ++i) {
    matches.push_back(make_match(flows[random() % flows.size()], random, 0));
    ids.push_back(random_id(random));
  }
  uint64_t now = kStart;
  size_t i = 0;
  const auto step = [&] {
    FlowMatch& match = matches[i & ((1 << 15) - 1)];
    match.start = now;
    book.add(ids[i & ((1 << 15) - 1)], TraceClass::kWhole, match);
    now += 1'000'000;
    ++i;
  };
  for (int warm = 0; warm < 1 << 17; ++warm) step();
  for (auto _ : state) step();
}
BENCHMARK(BM_add)->Arg(40)->Arg(1000)->Arg(10000);

// range(0): traces per flow. 10,000 flows of 10 nodes in two books.
struct Large {
  FlowCatalog catalog;
  FlowBook books[2]{FlowBook(catalog), FlowBook(catalog)};

  explicit Large(int64_t traces) {
    std::mt19937_64 random(1);
    const auto flows = make_flows(catalog, 10'000, 10);
    for (size_t i = 0; i < flows.size(); ++i) {
      for (int64_t trace = 0; trace < traces; ++trace) {
        books[trace % 2].add(random_id(random), TraceClass::kWhole,
                             make_match(flows[i], random, kStart + random() % (3600 * kSecond)));
      }
    }
    save();
  }
  size_t save() {
    size_t bytes = 0;
    for (FlowBook& book : books) {
      book.take_dirty(kStart + 3600 * kSecond, 30,
                      [&](std::string_view key, std::optional<std::string_view> value) {
                        bytes += key.size() + value.value_or("").size();
                      });
    }
    return bytes;
  }
  double bytes_per_flow() const {
    return static_cast<double>(books[0].memory_bytes() + books[1].memory_bytes()) / 10'000;
  }
};

void BM_list(benchmark::State& state) {
  Large large(state.range(0));
  const FlowBook* books[] = {&large.books[0], &large.books[1]};
  FlowQuery query;
  query.sort = static_cast<FlowSort>(state.range(1));
  for (auto _ : state) benchmark::DoNotOptimize(list_flows(books, large.catalog, query));
  state.counters["bytes_per_flow"] = large.bytes_per_flow();
}
BENCHMARK(BM_list)
    ->Args({10, static_cast<int64_t>(FlowSort::kRiskScore)})
    ->Args({100, static_cast<int64_t>(FlowSort::kRiskScore)})
    ->Args({100, static_cast<int64_t>(FlowSort::kP95DurationMs)})
    ->Unit(benchmark::kMillisecond);

// One trace in each of 10,000 flows, then the documents of all of them.
void BM_take_dirty(benchmark::State& state) {
  Large large(state.range(0));
  std::mt19937_64 random(2);
  const auto flows = make_flows(large.catalog, 10'000, 10);
  size_t bytes = 0;
  for (auto _ : state) {
    state.PauseTiming();
    for (const FlowIdentity* flow : flows) {
      large.books[0].add(random_id(random), TraceClass::kWhole,
                         make_match(flow, random, kStart + 3599 * kSecond));
    }
    state.ResumeTiming();
    bytes = large.save();
  }
  state.counters["document_bytes_per_flow"] = static_cast<double>(bytes) / 10'000;
}
BENCHMARK(BM_take_dirty)->Arg(100)->Unit(benchmark::kMillisecond);

}  // namespace
