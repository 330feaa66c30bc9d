#include "graph/merge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

namespace testmesh::graph {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;
using enum NodeType;
using enum EdgeType;
using enum LayerName;

NodeKey service(std::string name) { return {kService, name, name}; }
NodeKey endpoint(std::string owner, std::string name) {
  return {kApiEndpoint, std::move(name), std::move(owner)};
}
NodeKey database(std::string name) { return {kDatabase, std::move(name), {}}; }

// A runtime and layers, merged.
class Merging {
 public:
  uint32_t seen(NodeKey key, Properties properties = {},
                Traffic traffic = {.call_count = 1, .last_seen = 50}) {
    runtime_.nodes.push_back({std::move(key), std::move(properties), traffic});
    return static_cast<uint32_t>(runtime_.nodes.size() - 1);
  }
  void called(uint32_t source, uint32_t target, EdgeType type,
              Traffic traffic = {.call_count = 1, .last_seen = 50}) {
    runtime_.edges.push_back({source, target, type, traffic});
  }
  void declare(LayerName layer, NodeKey key, Properties properties = {}) {
    content(layer).nodes.push_back({std::move(key), std::move(properties)});
  }
  void declare(LayerName layer, NodeKey source, EdgeType type, NodeKey target, Properties properties = {}) {
    content(layer).edges.push_back({std::move(source), std::move(target), type, std::move(properties)});
  }
  MergedGraph merged() const { return merge(runtime_, layers_); }

 private:
  LayerContent& content(LayerName name) {
    for (Layer& layer : layers_)
      if (layer.name == name) return layer.content;
    return layers_.emplace_back(Layer{name, {}}).content;
  }

  RuntimeGraph runtime_;
  std::vector<Layer> layers_;
};

std::vector<std::string> names(const MergedGraph& graph) {
  std::vector<std::string> names;
  for (const MergedNode& node : graph.nodes) names.push_back(node.key.name);
  return names;
}

std::vector<std::string> edges(const MergedGraph& graph) {
  std::vector<std::string> edges;
  for (const MergedEdge& edge : graph.edges)
    edges.push_back(graph.nodes[edge.source].key.name + " " + std::string(to_string(edge.type)) + " " +
                    graph.nodes[edge.target].key.name);
  return edges;
}

const MergedNode& named(const MergedGraph& graph, std::string_view name) {
  const auto found =
      std::ranges::find(graph.nodes, name, [](const MergedNode& node) { return node.key.name; });
  EXPECT_NE(found, graph.nodes.end()) << name;
  return *found;
}

TEST(Merge, OfNothingIsNothing) {
  const MergedGraph graph = merge({.nodes = {}, .edges = {}, .not_counted = 7}, {});
  EXPECT_TRUE(graph.nodes.empty());
  EXPECT_TRUE(graph.edges.empty());
  EXPECT_EQ(graph.not_counted, 7);
}

TEST(Merge, WhatBothKnowIsOneNodeDeclaredAndSeen) {
  Merging m;
  m.seen(service("orders"));
  m.declare(kInfra, service("orders"), {{"image", "\"orders:1\""}});
  const MergedGraph graph = m.merged();
  ASSERT_THAT(names(graph), ElementsAre("orders"));
  const MergedNode& node = graph.nodes[0];
  EXPECT_TRUE(node.declared);
  EXPECT_TRUE(node.seen);
  EXPECT_EQ(node.layer, kRuntime);
  EXPECT_EQ(node.traffic.call_count, 1);
  EXPECT_THAT(node.properties, ElementsAre(Pair("image", "\"orders:1\"")));
  EXPECT_EQ(node.layers[static_cast<size_t>(kRuntime)], Properties{});
  EXPECT_TRUE(node.layers[static_cast<size_t>(kInfra)]);
  EXPECT_FALSE(node.layers[static_cast<size_t>(kSpec)]);
  EXPECT_TRUE(graph.conflicts.empty());
}

TEST(Merge, TellsDeclaredNeverSeenFromSeenNeverDeclared) {
  Merging m;
  m.seen(service("seen"));
  m.declare(kSpec, service("declared"));
  const MergedGraph graph = m.merged();
  EXPECT_TRUE(named(graph, "declared").declared);
  EXPECT_FALSE(named(graph, "declared").seen);
  EXPECT_EQ(named(graph, "declared").layer, kSpec);
  EXPECT_EQ(named(graph, "declared").traffic.call_count, 0);
  EXPECT_FALSE(named(graph, "seen").declared);
  EXPECT_TRUE(named(graph, "seen").seen);
}

TEST(Merge, TheHighestLayersValueWinsAndTheOthersStayVisible) {
  Merging m;
  m.declare(kHistory, service("a"), {{"team", "\"old\""}, {"lang", "\"go\""}});
  m.declare(kCode, service("a"), {{"team", "\"new\""}});
  m.declare(kInfra, service("a"), {{"team", "\"new\""}});
  const MergedGraph graph = m.merged();
  const MergedNode& node = named(graph, "a");
  EXPECT_THAT(node.properties, ElementsAre(Pair("lang", "\"go\""), Pair("team", "\"new\"")));
  EXPECT_EQ(node.layers[static_cast<size_t>(kHistory)]->at("team"), "\"old\"");
  ASSERT_EQ(graph.conflicts.size(), 1);
  EXPECT_EQ(graph.conflicts[0].id, node.id);
  EXPECT_EQ(graph.conflicts[0].property, "team");
  EXPECT_THAT(graph.conflicts[0].values,
              ElementsAre(Pair(kCode, "\"new\""), Pair(kInfra, "\"new\""), Pair(kHistory, "\"old\"")));
}

TEST(Merge, PropertiesOfEdgesConflictToo) {
  Merging m;
  m.declare(kCode, service("a"), kCalls, service("b"), {{"protocol", "\"grpc\""}});
  m.declare(kSpec, service("a"), kCalls, service("b"), {{"protocol", "\"http\""}});
  const MergedGraph graph = m.merged();
  ASSERT_THAT(edges(graph), ElementsAre("a calls b"));
  ASSERT_EQ(graph.conflicts.size(), 1);
  EXPECT_EQ(graph.conflicts[0].id, graph.edges[0].id);
  EXPECT_EQ(graph.edges[0].properties.at("protocol"), "\"grpc\"");
}

TEST(Merge, ServiceNamesEqualButForCaseAndPunctuationAreOne) {
  Merging m;
  m.seen(service("order-service"));
  m.declare(kInfra, service("Order_Service"));
  m.declare(kSpec, service("orderservice"));
  m.declare(kFlow, service("order.SERVICE"));
  m.declare(kCode, service("orders"));
  EXPECT_THAT(names(m.merged()), ElementsAre("order-service", "orders"));
}

TEST(Merge, ANearerNameComesFirst) {
  Merging m;
  m.seen(service("order-service"));
  m.seen(service("order_service"));
  m.declare(kInfra, service("order_service"), {{"image", "\"b\""}});
  m.declare(kInfra, service("OrderService"), {{"image", "\"c\""}});
  m.declare(kInfra, service("order-service"), {{"image", "\"a\""}});
  const MergedGraph graph = m.merged();
  ASSERT_THAT(names(graph), ElementsAre("order-service", "order_service"));
  EXPECT_EQ(graph.nodes[0].properties.at("image"), "\"a\"");
  EXPECT_EQ(graph.nodes[1].properties.at("image"), "\"b\"");
}

TEST(Merge, NamesThatArePunctuationOnlyStayApart) {
  Merging m;
  m.declare(kInfra, service("-"));
  m.declare(kSpec, service("_"));
  EXPECT_EQ(m.merged().nodes.size(), 2);
}

TEST(Merge, RoutesAreEqualWhateverAParameterIsCalled) {
  for (const std::string spelling : {"GET /users/{userId}", "get /users/:id", "GET /users/<int:id>",
                                     "GET users/[id]/", "GET /users/{id:[0-9]+}", "GET /users/*"}) {
    Merging m;
    m.seen(service("users"));
    m.seen(endpoint("users", "GET /users/:id"));
    m.declare(kSpec, service("users"), kExposes, endpoint("users", spelling));
    EXPECT_THAT(names(m.merged()), ElementsAre("users", "GET /users/:id")) << spelling;
  }
}

TEST(Merge, OtherMethodsAndRoutesAreOtherEndpoints) {
  for (const std::string other :
       {"POST /users/:id", "GET /users", "GET /users/:id/orders", "GET /Users/:id", "GET /users/me"}) {
    Merging m;
    m.seen(endpoint("users", "GET /users/:id"));
    m.declare(kSpec, endpoint("users", other));
    EXPECT_EQ(m.merged().nodes.size(), 2) << other;
  }
}

TEST(Merge, AnEndpointBelongsToItsServiceAsThatIsCalled) {
  Merging m;
  m.seen(service("order-service"));
  m.seen(endpoint("order-service", "GET /health"));
  m.seen(service("user-service"));
  m.seen(endpoint("user-service", "GET /health"));
  m.declare(kSpec, service("UserService"), kExposes, endpoint("UserService", "GET /health"));
  m.declare(kSpec, service("UserService"), kExposes, endpoint("UserService", "GET /new"));
  m.declare(kSpec, endpoint("billing", "GET /health"));
  const MergedGraph graph = m.merged();
  EXPECT_THAT(names(graph), ElementsAre("order-service", "user-service", "GET /health", "GET /health",
                                        "GET /health", "GET /new"));
  EXPECT_EQ(graph.nodes[2].key.service, "billing");
  EXPECT_FALSE(graph.nodes[3].declared);
  EXPECT_EQ(graph.nodes[3].key.service, "order-service");
  EXPECT_TRUE(graph.nodes[4].declared);
  EXPECT_EQ(graph.nodes[5].key.service, "user-service");
}

TEST(Merge, AnEndpointWithoutServiceIsTheFirstOfItsName) {
  Merging m;
  m.seen(endpoint("users", "GET /users/:id"));
  m.declare(kFlow, endpoint("", "GET /users/{x}"));
  m.declare(kFlow, endpoint("", "GET /nowhere"));
  const MergedGraph graph = m.merged();
  ASSERT_THAT(names(graph), ElementsAre("GET /nowhere", "GET /users/:id"));
  EXPECT_TRUE(named(graph, "GET /users/:id").declared);
}

TEST(Merge, TypesAreNeverMixed) {
  Merging m;
  m.seen({kTopic, "orders", {}});
  m.seen({kDatabase, "orders", {}}, {{"system", "\"postgresql\""}});
  m.declare(kInfra, service("orders"));
  m.declare(kInfra, {kExternal, "orders", {}});
  EXPECT_EQ(m.merged().nodes.size(), 4);
}

TEST(Merge, ADatabaseOfEqualOrNoSystemJoins) {
  Merging m;
  m.seen(database("orders"), {{"system", "\"mysql\""}});
  m.seen(database("orders"), {{"system", "\"postgresql\""}});
  m.declare(kInfra, database("orders"), {{"system", "\"postgresql\""}});
  m.declare(kFlow, database("orders"), {{"note", "1"}});
  const MergedGraph graph = m.merged();
  ASSERT_EQ(graph.nodes.size(), 2);
  EXPECT_EQ(graph.nodes[0].properties.at("note"), "1");
  EXPECT_FALSE(graph.nodes[0].layers[static_cast<size_t>(kInfra)]);
  EXPECT_TRUE(graph.nodes[1].layers[static_cast<size_t>(kInfra)]);
  EXPECT_NE(graph.nodes[0].id, graph.nodes[1].id);
  EXPECT_TRUE(graph.conflicts.empty());
}

TEST(Merge, ADatabaseOfAnotherSystemThanTheOnlyOneOfItsNameIsAConflict) {
  Merging m;
  m.seen(database("orders"), {{"system", "\"postgresql\""}});
  m.declare(kInfra, database("orders"), {{"system", "\"mysql\""}});
  const MergedGraph graph = m.merged();
  ASSERT_EQ(graph.nodes.size(), 1);
  EXPECT_EQ(graph.nodes[0].properties.at("system"), "\"postgresql\"");
  ASSERT_EQ(graph.conflicts.size(), 1);
  EXPECT_EQ(graph.conflicts[0].property, "system");
  EXPECT_THAT(graph.conflicts[0].values,
              ElementsAre(Pair(kRuntime, "\"postgresql\""), Pair(kInfra, "\"mysql\"")));
}

TEST(Merge, ADatabaseOfAThirdSystemStandsAlone) {
  Merging m;
  m.seen(database("orders"), {{"system", "\"mysql\""}});
  m.seen(database("orders"), {{"system", "\"postgresql\""}});
  m.declare(kInfra, database("orders"), {{"system", "\"oracle.db\""}});
  const MergedGraph graph = m.merged();
  ASSERT_EQ(graph.nodes.size(), 3);
  std::set<std::string> ids;
  for (const MergedNode& node : graph.nodes) ids.insert(node.id);
  EXPECT_EQ(ids.size(), 3);
}

TEST(Merge, EdgesBringTheirEndsAlong) {
  Merging m;
  m.declare(kCode, service("a"), kPublishes, {kTopic, "t", {}});
  const MergedGraph graph = m.merged();
  EXPECT_THAT(names(graph), ElementsAre("a", "t"));
  EXPECT_THAT(edges(graph), ElementsAre("a publishes t"));
  EXPECT_EQ(graph.nodes[1].layer, kCode);
}

TEST(Merge, ADeclaredEdgeIsTheOneThatWasSeen) {
  Merging m;
  const auto a = m.seen(service("a-svc")), b = m.seen(service("b-svc"));
  m.called(a, b, kCalls, {.call_count = 9, .error_count = 1});
  m.declare(kSpec, service("A_SVC"), kCalls, service("bsvc"));
  m.declare(kSpec, service("bsvc"), kCalls, service("A_SVC"));
  const MergedGraph graph = m.merged();
  ASSERT_THAT(edges(graph), ElementsAre("a-svc calls b-svc", "b-svc calls a-svc"));
  EXPECT_TRUE(graph.edges[0].seen);
  EXPECT_TRUE(graph.edges[0].declared);
  EXPECT_EQ(graph.edges[0].traffic.call_count, 9);
  EXPECT_FALSE(graph.edges[1].seen);
}

TEST(Merge, ADependencyIsSeenWhenThereIsTrafficThatWay) {
  Merging m;
  const auto a = m.seen(service("a")), b = m.seen(service("b")), d = m.seen(database("d"));
  m.called(a, b, kCalls, {.call_count = 3, .first_seen = 20, .last_seen = 30});
  m.called(a, d, kReads, {.call_count = 1, .first_seen = 5, .last_seen = 6});
  m.called(a, d, kWrites, {.call_count = 1, .first_seen = 4, .last_seen = 5});
  m.declare(kInfra, service("a"), kDependsOn, service("b"));
  m.declare(kInfra, service("b"), kDependsOn, service("a"));
  m.declare(kInfra, service("a"), kDependsOn, database("d"));
  const MergedGraph graph = m.merged();
  ASSERT_THAT(edges(graph), ElementsAre("a calls b", "a depends_on b", "a reads d", "a writes d",
                                        "a depends_on d", "b depends_on a"));
  EXPECT_TRUE(graph.edges[1].seen);
  EXPECT_EQ(graph.edges[1].traffic.call_count, 0);
  EXPECT_EQ(graph.edges[1].traffic.last_seen, 30);
  EXPECT_EQ(graph.edges[1].layer, kInfra);
  EXPECT_TRUE(graph.edges[4].seen);
  EXPECT_EQ(graph.edges[4].traffic.first_seen, 4);
  EXPECT_EQ(graph.edges[4].traffic.last_seen, 6);
  EXPECT_FALSE(graph.edges[5].seen);
}

TEST(Merge, CyclesAndEdgesToOneselfAreFine) {
  Merging m;
  m.declare(kInfra, service("a"), kDependsOn, service("b"));
  m.declare(kInfra, service("b"), kDependsOn, service("a"));
  m.declare(kInfra, service("a"), kDependsOn, service("a"));
  EXPECT_EQ(m.merged().edges.size(), 3);
}

TEST(Merge, IdsAreUuidsFromWhatTheyName) {
  Merging declared, seen, both;
  for (Merging* m : {&declared, &both}) m->declare(kSpec, service("a"), kCalls, service("b"));
  for (Merging* m : {&seen, &both}) {
    m->seen(service("0 first"));
    const auto a = m->seen(service("a")), b = m->seen(service("b"));
    m->called(a, b, kCalls);
  }
  const MergedGraph one = declared.merged(), other = seen.merged(), third = both.merged();
  EXPECT_EQ(named(one, "a").id, named(other, "a").id);
  EXPECT_EQ(named(one, "a").id, named(third, "a").id);
  EXPECT_EQ(one.edges[0].id, other.edges[0].id);
  EXPECT_EQ(one.edges[0].id, third.edges[0].id);
  // Written down once, so that no release changes them.
  EXPECT_EQ(named(one, "a").id, "cee4f4e0-08d5-8c05-85b8-cad09e8d84e6");
  EXPECT_EQ(one.edges[0].id, "cce1098c-5629-840f-8973-17c2bd0081d5");
}

TEST(Merge, ADatabaseKeepsItsIdWhenTrafficTellsItsSystem) {
  Merging before, after;
  before.declare(kFlow, database("orders"));
  after.declare(kFlow, database("orders"));
  after.seen(database("orders"), {{"system", "\"postgresql\""}});
  EXPECT_EQ(before.merged().nodes[0].id, after.merged().nodes[0].id);
}

TEST(Merge, TheOrderOfWhatIsGivenDoesNotMatter) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  std::vector<Layer> layers;
  const std::vector<std::string> spellings{"a-b", "A_B", "ab", "a.b", "c", "C", "d"};
  for (const LayerName name : {kHistory, kFlow, kInfra, kSpec, kCode}) {
    Layer layer{name, {}};
    for (int i = 0; i < 12; ++i) {
      const auto pick = [&] { return spellings[random() % spellings.size()]; };
      const std::string owner = pick();
      const NodeKey target =
          endpoint(random() % 4 == 0 ? "" : owner, random() % 2 ? "GET /x/{a}" : "get /x/:b");
      layer.content.nodes.push_back({service(pick()), {}});
      layer.content.edges.push_back(
          {service(owner), target, kExposes, {{"n", std::to_string(random() % 2)}}});
    }
    normalise(layer.content);
    layers.push_back(std::move(layer));
  }
  RuntimeGraph runtime;
  runtime.nodes.push_back({service("ab"), {}, {}});
  runtime.nodes.push_back({endpoint("ab", "GET /x/:id"), {}, {}});
  const MergedGraph first = merge(runtime, layers);
  for (int round = 0; round < 20; ++round) {
    std::ranges::shuffle(layers, random);
    for (Layer& layer : layers) {
      std::ranges::shuffle(layer.content.nodes, random);
      std::ranges::shuffle(layer.content.edges, random);
    }
    const MergedGraph again = merge(runtime, layers);
    ASSERT_EQ(names(again), names(first));
    ASSERT_EQ(edges(again), edges(first));
    for (size_t i = 0; i < first.nodes.size(); ++i) ASSERT_EQ(again.nodes[i].id, first.nodes[i].id);
    for (size_t i = 0; i < first.edges.size(); ++i) {
      ASSERT_EQ(again.edges[i].id, first.edges[i].id);
      ASSERT_EQ(again.edges[i].properties, first.edges[i].properties);
    }
    ASSERT_EQ(again.conflicts.size(), first.conflicts.size());
  }
}

// A layer that agrees with the runtime adds no node and no edge.
TEST(Merge, OfALayerThatSaysWhatIsSeenAddsNothing) {
  Merging m;
  const auto a = m.seen(service("a")), e = m.seen(endpoint("a", "GET /x/:y")), d = m.seen(database("d"));
  m.called(a, e, kExposes);
  m.called(a, d, kReads);
  m.declare(kSpec, service("a"), kExposes, endpoint("a", "GET /x/:y"));
  m.declare(kSpec, service("a"), kReads, database("d"));
  const MergedGraph graph = m.merged();
  EXPECT_EQ(graph.nodes.size(), 3);
  EXPECT_EQ(graph.edges.size(), 2);
  EXPECT_TRUE(
      std::ranges::all_of(graph.nodes, [](const MergedNode& node) { return node.seen && node.declared; }));
}

class Filtering : public ::testing::Test {
 protected:
  Filtering() {
    const auto a = m.seen(service("a"), {}, {.call_count = 1, .last_seen = 100});
    const auto b = m.seen(service("b-b"), {}, {.call_count = 1, .last_seen = 20});
    const auto c = m.seen(service("c"), {}, {.call_count = 1, .last_seen = 100});
    const auto e = m.seen(endpoint("b-b", "GET /x"), {}, {.call_count = 1, .last_seen = 20});
    m.called(a, b, kCalls, {.call_count = 1, .last_seen = 20});
    m.called(b, e, kExposes, {.call_count = 1, .last_seen = 20});
    m.called(a, c, kCalls, {.call_count = 1, .last_seen = 100});
    m.called(c, a, kCalls, {.call_count = 1, .last_seen = 10});
    m.declare(kInfra, service("a"), {{"p", "1"}});
    m.declare(kSpec, service("a"), {{"p", "2"}});
    m.declare(kInfra, service("a"), kDependsOn, service("idle"));
    m.declare(kInfra, service("a"), kDependsOn, service("c"));
    graph = m.merged();
  }
  MergedGraph with(GraphFilter filter) const { return filtered(graph, filter); }

  Merging m;
  MergedGraph graph;
};

TEST_F(Filtering, KeepsEverythingWhenNothingIsAsked) {
  EXPECT_EQ(names(with({})), names(graph));
  EXPECT_EQ(edges(with({})), edges(graph));
  EXPECT_EQ(with({}).conflicts.size(), 1);
}

TEST_F(Filtering, ALayerKeepsWhatItKnows) {
  EXPECT_THAT(names(with({.layer = kInfra})), ElementsAre("a", "c", "idle"));
  EXPECT_THAT(edges(with({.layer = kInfra})), ElementsAre("a depends_on c", "a depends_on idle"));
  EXPECT_THAT(names(with({.layer = kSpec})), ElementsAre("a"));
  EXPECT_THAT(names(with({.layer = kCode})), IsEmpty());
  EXPECT_EQ(with({.layer = kRuntime}).edges.size(), 4);
}

TEST_F(Filtering, AServiceKeepsItsNodesAndThoseOneEdgeAway) {
  EXPECT_THAT(names(with({.service = "b-b"})), ElementsAre("a", "b-b", "GET /x"));
  EXPECT_THAT(edges(with({.service = "b-b"})), ElementsAre("a calls b-b", "b-b exposes GET /x"));
  EXPECT_EQ(names(with({.service = "B_B"})), names(with({.service = "b-b"})));
  EXPECT_THAT(names(with({.service = "nobody"})), IsEmpty());
}

TEST_F(Filtering, SinceKeepsWhatWasSeenThenOrLater) {
  EXPECT_THAT(names(with({.since = 100})), ElementsAre("a", "c"));
  EXPECT_THAT(edges(with({.since = 100})), ElementsAre("a calls c", "a depends_on c"));
  EXPECT_THAT(names(with({.since = 101})), IsEmpty());
}

TEST_F(Filtering, ConflictsGoWithTheirNodes) {
  EXPECT_TRUE(with({.layer = kCode}).conflicts.empty());
  EXPECT_EQ(with({.since = 100}).conflicts.size(), 1);
}

TEST_F(Filtering, FiltersAddUp) {
  EXPECT_THAT(names(with({.layer = kInfra, .service = "c"})), ElementsAre("a", "c"));
  EXPECT_THAT(names(with({.layer = kRuntime, .service = "a", .since = 50})), ElementsAre("a", "c"));
}

TEST(Merge, LayersAtTheirCapsBecomeOne) {
  const auto name_in = [](LayerName layer, size_t i) {
    return service((layer == kSpec ? "Service_" : "service-") + std::to_string(i));
  };
  std::vector<Layer> layers;
  for (const LayerName layer : {kInfra, kSpec}) {
    LayerContent content;
    for (size_t i = 0; i < kMaxLayerNodes; ++i) content.nodes.push_back({name_in(layer, i), {}});
    for (size_t i = 0; i < kMaxLayerEdges; ++i)
      content.edges.push_back({name_in(layer, i % kMaxLayerNodes),
                               name_in(layer, (i + i / kMaxLayerNodes + 1) % kMaxLayerNodes),
                               kCalls,
                               {}});
    layers.push_back({layer, std::move(content)});
  }
  const MergedGraph graph = merge({}, layers);
  EXPECT_EQ(graph.nodes.size(), kMaxLayerNodes);
  EXPECT_EQ(graph.edges.size(), kMaxLayerEdges);
}

}  // namespace
}  // namespace testmesh::graph
