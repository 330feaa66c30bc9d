// Cost of one trace whose structure is known. Report: nanoseconds per span.
#include <benchmark/benchmark.h>

#include <cstring>
#include <string>
#include <vector>

#include "discovery/trace_analyzer.h"

namespace testmesh::discovery {
namespace {

class Shop {
 public:
  FactsId facts(model::SpanKind kind, std::string_view service, std::string_view name,
                std::initializer_list<std::pair<Slot, std::string_view>> values) {
    SpanDescription description;
    description.kind = kind;
    description.service = service;
    description.name = name;
    for (const auto& [slot, value] : values) description.values[static_cast<size_t>(slot)] = value;
    return analyzer.facts(description);
  }

  uint64_t add(uint64_t parent, uint64_t start, uint64_t end, FactsId facts, bool error = false) {
    SpanInput& span = spans.emplace_back();
    const uint64_t id = spans.size() * 0x9e3779b97f4a7c15ULL;
    std::memcpy(span.id.bytes.data(), &id, 8);
    if (parent) std::memcpy(span.parent.bytes.data(), &parent, 8);
    span.start = start * 1000 + 1;
    span.end = end * 1000 + 1;
    span.facts = facts;
    span.error = error;
    return id;
  }

  // Gateway, order, user, `products` concurrent calls, a query and a topic.
  void order(int products) {
    using enum model::SpanKind;
    const FactsId gateway = facts(kServer, "api-gateway", "request", {});
    const FactsId call = facts(kClient, "api-gateway", "POST", {{Slot::kServerAddress, "order-service"}});
    const FactsId order = facts(kServer, "order-service", "POST /orders",
                                {{Slot::kHttpRequestMethod, "POST"}, {Slot::kHttpRoute, "/api/v1/orders"}});
    const FactsId middleware = facts(kInternal, "order-service", "middleware", {});
    const FactsId get = facts(kClient, "order-service", "GET", {{Slot::kServerAddress, "x"}});
    const FactsId user = facts(kServer, "user-service", "GET /users",
                               {{Slot::kHttpRequestMethod, "GET"}, {Slot::kHttpRoute, "/api/v1/users/:id"}});
    const FactsId product =
        facts(kServer, "product-service", "GET /products",
              {{Slot::kHttpRequestMethod, "GET"}, {Slot::kHttpRoute, "/api/v1/products/:id"}});
    const FactsId query = facts(kClient, "order-service", "INSERT",
                                {{Slot::kDbSystemName, "postgresql"}, {Slot::kDbNamespace, "orders"}});
    const FactsId topic =
        facts(kProducer, "order-service", "order.created send",
              {{Slot::kMessagingDestinationName, "order.created"}, {Slot::kMessagingOperationType, "send"}});
    const uint64_t root = add(0, 0, 1000, gateway);
    const uint64_t forwarded = add(root, 10, 990, call);
    const uint64_t handled = add(forwarded, 20, 980, order);
    const uint64_t inside = add(handled, 25, 975, middleware);
    add(add(inside, 30, 100, get), 40, 90, user);
    for (int i = 0; i < products; ++i) add(add(inside, 110 + i, 200, get), 120, 190, product);
    add(inside, 210, 250, query);
    add(inside, 260, 270, topic);
  }

  NameTries tries;
  FlowCatalog catalog;
  TraceAnalyzer analyzer{tries, catalog};
  std::vector<SpanInput> spans;
};

void run(benchmark::State& state, Shop& shop) {
  const TraceAnalyzer::UrlOf no_url = [](uint32_t) { return std::string_view(); };
  for (auto _ : state) benchmark::DoNotOptimize(&shop.analyzer.analyze(shop.spans, no_url));
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(shop.spans.size()));
  state.counters["ns/span"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * static_cast<double>(shop.spans.size()),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

// 10 spans, as many traces have.
void known_order(benchmark::State& state) {
  Shop shop;
  shop.order(1);
  run(state, shop);
}
BENCHMARK(known_order);

void known_order_with_concurrent_calls(benchmark::State& state) {
  Shop shop;
  shop.order(static_cast<int>(state.range(0)));
  run(state, shop);
}
BENCHMARK(known_order_with_concurrent_calls)->Arg(4)->Arg(20)->Arg(1000);

void known_order_with_a_retry(benchmark::State& state) {
  Shop shop;
  shop.order(2);
  shop.spans[6].error = true;  // the first product call
  shop.spans[7].error = true;
  run(state, shop);
}
BENCHMARK(known_order_with_a_retry);

void one_server_span(benchmark::State& state) {
  Shop shop;
  shop.add(0, 0, 10,
           shop.facts(model::SpanKind::kServer, "a", "GET",
                      {{Slot::kHttpRequestMethod, "GET"}, {Slot::kUrlPath, "/x/1"}}));
  run(state, shop);
}
BENCHMARK(one_server_span);

void interning_known_facts(benchmark::State& state) {
  Shop shop;
  for (auto _ : state)
    benchmark::DoNotOptimize(shop.facts(model::SpanKind::kServer, "a", "GET",
                                        {{Slot::kHttpRequestMethod, "GET"}, {Slot::kUrlPath, "/users/42"}}));
}
BENCHMARK(interning_known_facts);

// A server that names no route, every request with an id never seen before:
// the facts and the path of each trace. 0: ids that are told by their form,
// 1: words, which the trie turns into a parameter.
void fresh_path_without_route(benchmark::State& state) {
  Shop shop;
  const TraceAnalyzer::UrlOf no_url = [](uint32_t) { return std::string_view(); };
  const std::string prefix = state.range(0) == 0 ? "/orders/" : "/orders/the-";
  SpanInput& span = shop.spans.emplace_back();
  span.id.bytes[0] = 1;
  span.start = 1001;
  span.end = 2001;
  uint64_t next = 1'000'000;
  std::string path;
  for (auto _ : state) {
    path = prefix;
    path += std::to_string(++next);
    span.facts = shop.facts(model::SpanKind::kServer, "order-service", "GET",
                            {{Slot::kHttpRequestMethod, "GET"}, {Slot::kUrlPath, path}});
    benchmark::DoNotOptimize(&shop.analyzer.analyze(shop.spans, no_url));
  }
  state.counters["bytes"] = static_cast<double>(shop.analyzer.memory_bytes());
  state.counters["epochs"] = static_cast<double>(shop.analyzer.epoch());
}
BENCHMARK(fresh_path_without_route)->Arg(0)->Arg(1);

}  // namespace
}  // namespace testmesh::discovery

BENCHMARK_MAIN();
