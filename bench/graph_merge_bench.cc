// The merge engine on a large system: what one question for the graph costs.
#include <benchmark/benchmark.h>

#include <string>
#include <utility>
#include <vector>

#include "graph/export.h"
#include "graph/merge.h"

namespace testmesh::graph {
namespace {

NodeKey service(size_t i) {
  const std::string name = "service-" + std::to_string(i);
  return {NodeType::kService, name, name};
}

// `nodes` of them, a tenth services and the rest their endpoints, and `edges`.
RuntimeGraph system(size_t nodes, size_t edges) {
  RuntimeGraph graph;
  const size_t services = nodes / 10;
  const Traffic traffic{.call_count = 1000, .error_count = 3, .first_seen = 1, .last_seen = 2};
  for (size_t i = 0; i < services; ++i) graph.nodes.push_back({service(i), {}, traffic});
  for (size_t i = services; i < nodes; ++i) {
    graph.nodes.push_back({{NodeType::kApiEndpoint, "GET /api/v1/things-" + std::to_string(i) + "/:id",
                            service(i % services).name},
                           {},
                           traffic});
    graph.edges.push_back(
        {static_cast<uint32_t>(i % services), static_cast<uint32_t>(i), EdgeType::kExposes, traffic});
  }
  for (size_t i = 0; graph.edges.size() < edges; ++i)
    graph.edges.push_back({static_cast<uint32_t>(i % services),
                           static_cast<uint32_t>((i * 31 + i / services * 7) % services), EdgeType::kCalls,
                           traffic});
  return graph;
}

// What documents would say of it: other names of parameters, other spellings.
std::vector<Layer> documents(const RuntimeGraph& runtime) {
  Layer infra{LayerName::kInfra, {}}, spec{LayerName::kSpec, {}};
  for (const RuntimeNode& node : runtime.nodes) {
    NodeKey key = node.key;
    if (key.type == NodeType::kService) {
      infra.content.nodes.push_back({key, {{"image", "\"registry/image:1\""}}});
      continue;
    }
    key.name.replace(key.name.rfind(":id"), 3, "{thingId}");
    spec.content.nodes.push_back({key, {{"operation_id", "\"readThing\""}, {"tags", "[\"things\"]"}}});
    spec.content.edges.push_back(
        {{NodeType::kService, key.service, key.service}, key, EdgeType::kExposes, {}});
  }
  for (const RuntimeEdge& edge : runtime.edges)
    if (edge.type == EdgeType::kCalls)
      infra.content.edges.push_back(
          {runtime.nodes[edge.source].key, runtime.nodes[edge.target].key, EdgeType::kDependsOn, {}});
  normalise(infra.content);
  normalise(spec.content);
  return {std::move(infra), std::move(spec)};
}

void merge_runtime(benchmark::State& state) {
  const RuntimeGraph runtime = system(2000, 10'000);
  for (auto _ : state) benchmark::DoNotOptimize(merge(runtime, {}));
}

void merge_with_documents(benchmark::State& state) {
  const RuntimeGraph runtime = system(2000, 10'000);
  const std::vector<Layer> layers = documents(runtime);
  for (auto _ : state) benchmark::DoNotOptimize(merge(runtime, layers));
}

void merge_layers_at_their_caps(benchmark::State& state) {
  std::vector<Layer> layers;
  for (const LayerName name :
       {LayerName::kHistory, LayerName::kFlow, LayerName::kInfra, LayerName::kSpec, LayerName::kCode}) {
    Layer layer{name, {}};
    for (size_t i = 0; i < kMaxLayerNodes; ++i) layer.content.nodes.push_back({service(i), {}});
    for (size_t i = 0; i < kMaxLayerEdges; ++i)
      layer.content.edges.push_back({service(i % kMaxLayerNodes),
                                     service((i + i / kMaxLayerNodes * 11) % kMaxLayerNodes),
                                     EdgeType::kCalls,
                                     {}});
    normalise(layer.content);
    layers.push_back(std::move(layer));
  }
  for (auto _ : state) benchmark::DoNotOptimize(merge({}, layers));
}

void filter_one_service(benchmark::State& state) {
  const MergedGraph graph = merge(system(2000, 10'000), {});
  for (auto _ : state) benchmark::DoNotOptimize(filtered(graph, {.service = "service-7"}));
}

void draw_mermaid(benchmark::State& state) {
  const MergedGraph graph = merge(system(2000, 10'000), {});
  for (auto _ : state) benchmark::DoNotOptimize(to_mermaid(graph));
}

BENCHMARK(merge_runtime)->Unit(benchmark::kMillisecond);
BENCHMARK(merge_with_documents)->Unit(benchmark::kMillisecond);
BENCHMARK(merge_layers_at_their_caps)->Unit(benchmark::kMillisecond);
BENCHMARK(filter_one_service)->Unit(benchmark::kMillisecond);
BENCHMARK(draw_mermaid)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace testmesh::graph
