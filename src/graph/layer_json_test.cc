#include <gmock/gmock.h>

#include "graph/import_testing.h"

namespace testmesh::graph {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;

struct Parsed {
  LayerContent content;
  std::vector<std::string> warnings;
};

Parsed parsed(std::string_view json) {
  Parsed result;
  auto content = parse_layer(json, &result.warnings);
  EXPECT_TRUE(content) << content.error().message;
  if (content) result.content = *std::move(content);
  return result;
}

std::string refusal(std::string_view json) {
  const auto content = parse_layer(json);
  EXPECT_FALSE(content);
  if (content) return {};
  EXPECT_EQ(content.error().code, base::ErrorCode::kInvalidArgument);
  return content.error().message;
}

TEST(LayerJson, NodesAndEdgesWithProperties) {
  const Parsed layer = parsed(R"({
    "nodes": [
      {"type": "service", "name": "a", "properties": {"team": "x", "replicas": 3, "on": true, "more": {"b": [1], "a": null}}},
      {"type": "api_endpoint", "name": "GET /x/:id", "service": "a"},
      {"type": "database", "name": "d", "service": null}
    ],
    "edges": [
      {"source": {"type": "service", "name": "a"}, "target": {"type": "database", "name": "d"}, "type": "reads",
       "properties": {"table": "t"}},
      {"source": {"type": "service", "name": "a"}, "target": {"type": "api_endpoint", "name": "GET /x/:id", "service": "a"},
       "type": "exposes"}
    ]})");
  EXPECT_THAT(layer.warnings, IsEmpty());
  EXPECT_THAT(nodes_of(layer.content),
              ElementsAre("service a", "api_endpoint GET /x/:id of a", "database d"));
  EXPECT_THAT(edges_of(layer.content),
              ElementsAre("service a exposes api_endpoint GET /x/:id of a", "service a reads database d"));
  EXPECT_THAT(properties_of(layer.content, "a"),
              ElementsAre(Pair("more", R"({"a":null,"b":[1]})"), Pair("on", "true"), Pair("replicas", "3"),
                          Pair("team", "\"x\"")));
  EXPECT_THAT(layer.content.edges[1].properties, ElementsAre(Pair("table", "\"t\"")));
}

TEST(LayerJson, AnEmptyLayerIsOne) {
  EXPECT_EQ(parsed(R"({"nodes": [], "edges": []})").content, LayerContent{});
  EXPECT_EQ(parsed(R"({"nodes": []})").content, LayerContent{});
}

TEST(LayerJson, EndsOfEdgesThatAreNoNodesAreAdded) {
  const Parsed layer = parsed(R"({"edges": [{"source": {"type": "service", "name": "a"},
                                             "target": {"type": "topic", "name": "t"}, "type": "publishes"}]})");
  EXPECT_THAT(nodes_of(layer.content), ElementsAre("service a", "topic t"));
  EXPECT_THAT(layer.warnings, ElementsAre(HasSubstr("2 nodes that `nodes` does not list")));
}

TEST(LayerJson, AnEndWithoutServiceIsTheOnlyNodeOfItsName) {
  const Parsed layer = parsed(R"({
    "nodes": [{"type": "api_endpoint", "name": "GET /x", "service": "a"},
              {"type": "api_endpoint", "name": "GET /y", "service": "a"},
              {"type": "api_endpoint", "name": "GET /y", "service": "b"}],
    "edges": [{"source": {"type": "service", "name": "c"}, "target": {"type": "api_endpoint", "name": "GET /x"}, "type": "calls"},
              {"source": {"type": "service", "name": "c"}, "target": {"type": "api_endpoint", "name": "GET /y"}, "type": "calls"}]})");
  EXPECT_THAT(edges_of(layer.content),
              ElementsAre("service c calls api_endpoint GET /x of a", "service c calls api_endpoint GET /y"));
  EXPECT_THAT(layer.warnings,
              ElementsAre(HasSubstr("GET /y, which several services have"), HasSubstr("added")));
}

TEST(LayerJson, AnEndpointThatNamesNoServiceIsWhoseExposesIt) {
  const Parsed layer = parsed(R"({
    "nodes": [{"type": "api_endpoint", "name": "GET /x"}, {"type": "service", "name": "a"}],
    "edges": [{"source": {"type": "service", "name": "a"}, "target": {"type": "api_endpoint", "name": "GET /x"}, "type": "exposes"}]})");
  EXPECT_THAT(nodes_of(layer.content), ElementsAre("service a", "api_endpoint GET /x of a"));
  EXPECT_THAT(edges_of(layer.content), ElementsAre("service a exposes api_endpoint GET /x of a"));
}

TEST(LayerJson, EveryProblemIsSaidAtOnce) {
  EXPECT_THAT(
      refusal(R"({"nodes": [{"type": "servise", "name": "a"}, {"type": "service"}, 7],
                          "edges": [{"source": "a", "target": {"type": "topic", "name": ""}, "type": "cals"}]})"),
      AllOf(HasSubstr("nodes[0].type: expected one of service, api_endpoint, database, topic, external, "
                      "found the text `servise`"),
            HasSubstr("nodes[1].name: expected a text, found nothing"),
            HasSubstr("nodes[2]: expected {type, name, service}, found `7`"),
            HasSubstr("edges[0].source: expected {type, name, service}, found the text `a`"),
            HasSubstr("edges[0].target.name: a name must not be empty"),
            HasSubstr("edges[0].type: expected one of calls, exposes")));
}

TEST(LayerJson, OfManyProblemsTwentyAreSaid) {
  std::string json = "{\"nodes\": [0";
  for (int i = 1; i < 100; ++i) json += ",0";
  const std::string message = refusal(json + "]}");
  EXPECT_THAT(message,
              AllOf(HasSubstr("nodes[19]"), Not(HasSubstr("nodes[20]")), HasSubstr("80 more like these")));
}

TEST(LayerJson, WhatIsNotKnownIsSaid) {
  const Parsed layer = parsed(R"({"nodes": [{"type": "service", "name": "a", "propertys": {}, "service": "b"},
                                            {"type": "topic", "name": "t", "service": "a"}], "edge": []})");
  EXPECT_THAT(layer.warnings, ElementsAre(HasSubstr("the body: `edge` is not known"),
                                          HasSubstr("nodes[0]: `propertys` is not known"),
                                          HasSubstr("nodes[0]: a service belongs to itself"),
                                          HasSubstr("nodes[1]: a topic belongs to no service")));
  EXPECT_THAT(nodes_of(layer.content), ElementsAre("service a", "topic t"));
}

TEST(LayerJson, ANodeMayComeTwiceUnlessItContradictsItself) {
  EXPECT_EQ(parsed(R"({"nodes": [{"type": "service", "name": "a", "properties": {"x": 1}},
                                 {"type": "service", "name": "a", "properties": {"x": 1, "y": 2}}]})")
                .content.nodes.size(),
            1);
  EXPECT_THAT(refusal(R"({"nodes": [{"type": "database", "name": "d", "properties": {"system": "mysql"}},
                                    {"type": "database", "name": "d", "properties": {"system": "postgresql"}}]})"),
              HasSubstr("nodes[1]: repeats nodes[0] (database d) with another `system`"));
}

TEST(LayerJson, WhatIsNoLayerIsRefused) {
  EXPECT_THAT(refusal(""), HasSubstr("no JSON"));
  EXPECT_THAT(refusal("{"), HasSubstr("no JSON"));
  EXPECT_THAT(refusal("[]"), HasSubstr("expected {\"nodes\""));
  EXPECT_THAT(refusal("{}"), HasSubstr("with neither"));
  EXPECT_THAT(refusal("nodes: []"), HasSubstr("no JSON"));
  EXPECT_THAT(refusal(R"({"nodes": {}})"), HasSubstr("nodes: expected a list, found a mapping"));
  EXPECT_THAT(refusal(R"({"nodes": [], "nodes": []})"), HasSubstr("the key `nodes` comes twice"));
  EXPECT_THAT(refusal("{\"nodes\": [{\"type\": \"service\", \"name\": \"a\\nb\"}]}"),
              HasSubstr("control characters"));
  EXPECT_THAT(refusal(R"({"nodes": [{"type": "service", "name": ")" + std::string(2000, 'x') + "\"}]}"),
              HasSubstr("2000 bytes"));
  EXPECT_THAT(refusal(R"({"nodes": [{"type": "service", "name": "a", "properties": {"p": ")" +
                      std::string(5000, 'x') + "\"}}]}"),
              HasSubstr("longer than 4096 bytes"));
}

TEST(LayerJson, MoreThanALayerHoldsIsRefused) {
  std::string json = R"({"nodes": [{"type": "service", "name": "0"})";
  for (size_t i = 1; i <= kMaxLayerNodes; ++i)
    json += R"(,{"type":"service","name":")" + std::to_string(i) + "\"}";
  EXPECT_THAT(refusal(json + "]}"), HasSubstr("50001 of them; at most 50000 are allowed"));
}

}  // namespace
}  // namespace testmesh::graph
