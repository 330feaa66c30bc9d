// The System Graph over REST: the shapes of its answers, what filters keep, and
// that a refused document changes nothing. What merging and reading documents
// means is tested in src/graph.
#include <gmock/gmock.h>

#include "api/testing/api_fixture.h"

namespace testmesh::api {
namespace {

using graph::EdgeType;
using graph::NodeType;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kThen = 1'700'000'000 * kSecond;

class Graph : public ApiFixture {
 protected:
  static std::string at(const std::string& below) { return std::string(kWorkspace) + "/graph" + below; }
  json graph(const std::string& query = "") {
    const Got got = get(at(query));
    EXPECT_EQ(got.status, 200) << got.response.body;
    return got.body;
  }

  // The web shop as traffic shows it: shop calls cart, which exposes and reads.
  void see_traffic() {
    auto& seen = store.runtime_graph;
    seen.nodes = {
        {{NodeType::kService, "cart", "cart"}, {{"version", "\"1.2\""}}, traffic(30, 3, 20, kThen)},
        {{NodeType::kService, "shop", "shop"}, {}, traffic(10, 0, 40, kThen)},
        {{NodeType::kApiEndpoint, "GET /carts/:id", "cart"}, {}, traffic(30, 3, 20, kThen)},
        {{NodeType::kDatabase, "carts", ""}, {{"system", "\"postgresql\""}}, traffic(60, 0, 2, kThen)},
    };
    seen.edges = {{0, 2, EdgeType::kExposes, traffic(30, 3, 20, kThen)},
                  {0, 3, EdgeType::kReads, traffic(60, 0, 2, kThen)},
                  {1, 0, EdgeType::kCalls, traffic(30, 3, 20, kThen)}};
  }
  static graph::Traffic traffic(uint64_t calls, uint64_t errors, double ms, uint64_t since) {
    return {.call_count = calls,
            .error_count = errors,
            .avg_duration_ms = ms,
            .p95_duration_ms = 2 * ms,
            .first_seen = since,
            .last_seen = since + 5 * kSecond};
  }
  Got put(const std::string& layer, const json& content) {
    return send_json("PUT", at("/layers/" + layer), content.dump());
  }
  Got import(const json& body) { return send_json("POST", at("/import"), body.dump()); }

  static std::vector<std::string> names(const json& nodes) {
    std::vector<std::string> found;
    for (const json& node : nodes) found.push_back(node["name"]);
    return found;
  }
  static const json& named(const json& nodes, const std::string& name) {
    for (const json& node : nodes)
      if (node["name"] == name) return node;
    ADD_FAILURE() << "no node " << name << " in " << nodes.dump();
    static const json none;
    return none;
  }
  // "source type target", by the names of the nodes.
  static std::vector<std::string> sentences(const json& graph) {
    std::map<std::string, std::string> name_of;
    for (const json& node : graph["nodes"]) name_of[node["id"]] = node["name"];
    std::vector<std::string> found;
    for (const json& edge : graph["edges"])
      found.push_back(name_of.at(edge["source"]) + " " + edge["type"].get<std::string>() + " " +
                      name_of.at(edge["target"]));
    return found;
  }
};

TEST_F(Graph, IsEmptyBeforeAnythingWasSeenOrDeclared) {
  EXPECT_EQ(graph(), json::parse(R"({"nodes":[],"edges":[],"conflicts":[],"not_counted":0})"));
}

TEST_F(Graph, ANodeSaysWhatItIsWhoKnowsItAndHowItIsUsed) {
  see_traffic();
  const json cart = named(graph()["nodes"], "cart");
  EXPECT_EQ(cart["type"], "service");
  EXPECT_EQ(cart["service"], "cart");
  EXPECT_EQ(cart["properties"], (json{{"version", "1.2"}}));
  EXPECT_EQ(cart["layer"], "runtime");
  EXPECT_EQ(cart["layers"], (json{{"runtime", {{"version", "1.2"}}}}));
  EXPECT_EQ(cart["declared"], false);
  EXPECT_EQ(cart["seen"], true);
  EXPECT_EQ(cart["call_count"], 30);
  EXPECT_EQ(cart["error_count"], 3);
  EXPECT_EQ(cart["error_rate"], 0.1);
  EXPECT_EQ(cart["avg_duration_ms"], 20.0);
  EXPECT_EQ(cart["p95_duration_ms"], 40.0);
  EXPECT_EQ(cart["first_seen_at"], "2023-11-14T22:13:20.000000000Z");
  EXPECT_EQ(cart["last_seen_at"], "2023-11-14T22:13:25.000000000Z");
}

TEST_F(Graph, DatabasesTopicsAndPeersBelongToNobody) {
  see_traffic();
  const json nodes = graph()["nodes"];
  EXPECT_TRUE(named(nodes, "carts")["service"].is_null());
  EXPECT_EQ(named(nodes, "carts")["properties"]["system"], "postgresql");
  EXPECT_EQ(named(nodes, "GET /carts/:id")["service"], "cart");
}

TEST_F(Graph, AnEdgeNamesItsEndsByTheirIds) {
  see_traffic();
  const json all = graph();
  EXPECT_THAT(sentences(all),
              UnorderedElementsAre("cart exposes GET /carts/:id", "cart reads carts", "shop calls cart"));
  for (const json& edge : all["edges"])
    if (edge["type"] == "reads") {
      EXPECT_EQ(edge["call_count"], 60);
      EXPECT_EQ(edge["properties"], json::object());
      EXPECT_EQ(edge["layers"], (json{{"runtime", json::object()}}));
      EXPECT_EQ(edge["seen"], true);
    }
  EXPECT_EQ(all, graph()) << "the same in every answer";
}

TEST_F(Graph, SaysWhatWasLeftOutOfTheCounts) {
  store.runtime_graph.not_counted = 17;
  EXPECT_EQ(graph()["not_counted"], 17);
}

TEST_F(Graph, DeclaredAndNeverSeenHasNoFigures) {
  see_traffic();
  const Got answer = put("code", json::parse(R"({"nodes": [
      {"type": "api_endpoint", "name": "DELETE /carts/:id", "service": "cart", "properties": {"auth": true}},
      {"type": "topic", "name": "cart.gone"}], "edges": [
      {"source": {"type": "service", "name": "cart"}, "target": {"type": "topic", "name": "cart.gone"},
       "type": "publishes", "properties": {"rate": 5}}]})"));
  ASSERT_EQ(answer.status, 200) << answer.response.body;
  EXPECT_EQ(answer.body["layer"], "code");
  EXPECT_EQ(answer.body["nodes"], 3) << "the ends of edges are declared too";
  EXPECT_EQ(answer.body["edges"], 1);
  EXPECT_EQ(answer.body["warnings"].size(), 1u) << answer.response.body;
  const json never = named(graph()["nodes"], "DELETE /carts/:id");
  EXPECT_EQ(never["declared"], true);
  EXPECT_EQ(never["seen"], false);
  EXPECT_EQ(never["layer"], "code");
  EXPECT_EQ(never["layers"], (json{{"code", {{"auth", true}}}}));
  EXPECT_EQ(never["call_count"], 0);
  EXPECT_EQ(never["error_rate"], 0.0);
  EXPECT_TRUE(never["first_seen_at"].is_null());
  EXPECT_TRUE(never["last_seen_at"].is_null());
}

TEST_F(Graph, FiltersByWhoDeclaresAndWhoSees) {
  see_traffic();
  put("code", json::parse(R"({"nodes": [
      {"type": "service", "name": "cart"}, {"type": "service", "name": "mail"}], "edges": [
      {"source": {"type": "service", "name": "shop"}, "target": {"type": "service", "name": "cart"},
       "type": "depends_on"},
      {"source": {"type": "service", "name": "cart"}, "target": {"type": "service", "name": "shop"},
       "type": "calls"}]})"));
  // An edge nobody saw, between two services that were seen: its ends come along.
  const json never_seen = graph("?declared=true&seen=false");
  EXPECT_THAT(names(never_seen["nodes"]), UnorderedElementsAre("cart", "mail", "shop"));
  EXPECT_THAT(sentences(never_seen), ElementsAre("cart calls shop"));
  const json never_declared = graph("?declared=false&seen=true");
  EXPECT_THAT(sentences(never_declared),
              UnorderedElementsAre("cart exposes GET /carts/:id", "cart reads carts", "shop calls cart"));
  EXPECT_THAT(names(graph("?declared=true")["nodes"]), UnorderedElementsAre("cart", "mail", "shop"));
  EXPECT_EQ(graph("?seen=true")["nodes"].size(), 4u);
  EXPECT_EQ(graph("?declared=false&seen=false")["nodes"], json::array());
}

TEST_F(Graph, FiltersByLayerServiceAndTime) {
  see_traffic();
  put("infra", json::parse(R"({"nodes": [{"type": "service", "name": "mail"}], "edges": []})"));
  EXPECT_THAT(names(graph("?layer=infra")["nodes"]), ElementsAre("mail"));
  EXPECT_EQ(graph("?layer=runtime")["nodes"].size(), 4u);
  EXPECT_EQ(graph("?layer=history")["nodes"], json::array());
  EXPECT_THAT(names(graph("?service=shop")["nodes"]), UnorderedElementsAre("cart", "shop"));
  EXPECT_EQ(graph("?service=nobody")["nodes"], json::array());
  EXPECT_EQ(graph("?since=2023-11-14T22:13:20Z")["nodes"].size(), 4u);
  EXPECT_EQ(graph("?since=2023-11-14T22:13:26Z")["nodes"], json::array());
}

TEST_F(Graph, AContradictionShowsBothValuesHighestLayerFirst) {
  see_traffic();
  put("infra", json::parse(R"({"nodes": [
      {"type": "service", "name": "cart", "properties": {"version": "2.0", "replicas": 3}}]})"));
  const json all = graph();
  const json& cart = named(all["nodes"], "cart");
  EXPECT_EQ(cart["properties"], (json{{"replicas", 3}, {"version", "1.2"}})) << "runtime wins";
  EXPECT_EQ(cart["layers"]["infra"]["version"], "2.0") << "and the other value stays visible";
  EXPECT_EQ(all["conflicts"],
            (json{{{"id", cart["id"]},
                   {"property", "version"},
                   {"values",
                    {{{"layer", "runtime"}, {"value", "1.2"}}, {{"layer", "infra"}, {"value", "2.0"}}}}}}));
  EXPECT_EQ(graph("?seen=true")["conflicts"].size(), 1u);
  EXPECT_EQ(graph("?seen=false")["conflicts"], json::array()) << "it goes with its node";
}

TEST_F(Graph, ComesAsATextForToolsThatDraw) {
  see_traffic();
  const Got dot = get(at("?format=dot"));
  EXPECT_EQ(dot.response.content_type, "text/vnd.graphviz; charset=utf-8");
  EXPECT_THAT(dot.response.body, HasSubstr("digraph"));
  EXPECT_THAT(dot.response.body, HasSubstr("GET /carts/:id"));
  const Got mermaid = get(at("?format=mermaid&service=shop"));
  EXPECT_EQ(mermaid.response.content_type, "text/plain; charset=utf-8");
  EXPECT_THAT(mermaid.response.body, HasSubstr("shop"));
  EXPECT_THAT(mermaid.response.body, ::testing::Not(HasSubstr("GET /carts/:id")));
  const Got services = get(at("?format=dot&endpoints=false"));
  EXPECT_THAT(services.response.body, HasSubstr("digraph"));
  EXPECT_THAT(services.response.body, ::testing::Not(HasSubstr("GET /carts/:id")));
  EXPECT_EQ(get(at("?format=dot&endpoints=true")).response.body, dot.response.body);
  EXPECT_EQ(graph("?format=json"), graph());
  const json document = get("/api/v1/openapi.json").body;
  const json& content =
      document["paths"]["/api/v1/workspaces/{workspace_id}/graph"]["get"]["responses"]["200"]["content"];
  EXPECT_TRUE(content.contains(dot.response.content_type));
  EXPECT_TRUE(content.contains(mermaid.response.content_type));
}

TEST_F(Graph, RefusesUnknownValues) {
  for (const char* bad : {"layer=docker", "layer=", "since=yesterday", "declared=maybe", "seen=1",
                          "format=svg", "format=", "endpoints=false", "format=dot&endpoints=1"})
    expect_error(get(at(std::string("?") + bad)), 400, "invalid_argument");
}

TEST_F(Graph, OneNodeComesWithItsEdgesInAndOut) {
  see_traffic();
  const json all = graph();
  const json& cart = named(all["nodes"], "cart");
  const json detail = get(at("/nodes/" + cart["id"].get<std::string>())).body;
  EXPECT_EQ(detail["node"], cart);
  EXPECT_EQ(detail["edges"], all["edges"]) << "all three touch cart";
  const json shop = get(at("/nodes/" + named(all["nodes"], "shop")["id"].get<std::string>())).body;
  ASSERT_EQ(shop["edges"].size(), 1u);
  EXPECT_EQ(shop["edges"][0]["target"], cart["id"]);
  std::string upper = cart["id"];
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  EXPECT_EQ(get(at("/nodes/" + upper)).status, 200) << "ids compare in any case";
  expect_error(get(at("/nodes/11111111-1111-4111-8111-111111111111")), 404, "not_found");
  expect_error(get(at("/nodes/cart")), 400, "invalid_argument");
}

TEST_F(Graph, ImportingAgainReplacesWhatThatKindImportedForThatService) {
  const auto openapi = [](const char* path) {
    return json{{"openapi", "3.0.0"},
                {"info", {{"title", "Cart"}, {"version", "1"}}},
                {"paths", {{path, {{"get", {{"responses", json::object()}}}}}}}}
        .dump();
  };
  Got answer = import({{"kind", "openapi"}, {"service", "cart"}, {"content", openapi("/carts/{cartId}")}});
  ASSERT_EQ(answer.status, 200) << answer.response.body;
  EXPECT_EQ(answer.body["layer"], "spec");
  EXPECT_EQ(answer.body["nodes"], 2) << "the service and one endpoint";
  EXPECT_EQ(answer.body["edges"], 1) << "which it exposes";
  see_traffic();
  EXPECT_EQ(named(graph()["nodes"], "GET /carts/:id")["declared"], true)
      << "a route is the same whatever its parameter is called";
  import({{"kind", "openapi"}, {"service", "cart"}, {"content", openapi("/baskets")}});
  EXPECT_EQ(named(graph()["nodes"], "GET /carts/:id")["declared"], false);
  EXPECT_EQ(named(graph()["nodes"], "GET /baskets")["seen"], false);

  answer =
      import({{"kind", "compose"},
              {"content", "services:\n  shop:\n    image: shop:2\n    depends_on: [cart]\n  cart: {}\n"}});
  ASSERT_EQ(answer.status, 200) << answer.response.body;
  EXPECT_EQ(answer.body["layer"], "infra");
  EXPECT_EQ(named(graph()["nodes"], "shop")["properties"]["image"], "shop:2");
  EXPECT_THAT(sentences(graph("?layer=infra")), ElementsAre("shop depends_on cart"));
}

TEST_F(Graph, WithoutAServiceAnOpenApiDocumentIsOfItsTitle) {
  import({{"kind", "openapi"},
          {"service", nullptr},
          {"content", R"({"openapi":"3.1.0","info":{"title":"billing","version":"1"},"paths":{}})"}});
  EXPECT_THAT(names(graph()["nodes"]), ElementsAre("billing"));
}

TEST_F(Graph, WhatCannotBeReadIsRefusedAndTheOldLayerStays) {
  put("spec", json::parse(R"({"nodes": [{"type": "service", "name": "cart"}]})"));
  const json before = graph();
  for (const char* bad : {"", "nonsense", "[]", "{\"nodes\": 1}", "{\"nodes\": [{\"type\": \"service\"}]}",
                          R"({"nodes": [{"type": "planet", "name": "mars"}]})",
                          R"({"edges": [{"source": {"type": "service", "name": "a"}, "type": "calls"}]})"}) {
    expect_error(send_json("PUT", at("/layers/spec"), bad), 422, "unprocessable");
    EXPECT_EQ(graph(), before) << bad;
  }
  for (const json& bad : {json::array(), json::object(), json{{"kind", "openapi"}}, json{{"content", "x"}},
                          json{{"kind", "swagger"}, {"content", "x"}}, json{{"kind", 1}, {"content", "x"}},
                          json{{"kind", "openapi"}, {"content", {"a", "list"}}},
                          json{{"kind", "openapi"}, {"service", 7}, {"content", "{}"}},
                          json{{"kind", "openapi"}, {"content", "\t: no yaml: ["}},
                          json{{"kind", "compose"}, {"content", "[]"}}}) {
    expect_error(import(bad), 422, "unprocessable");
    EXPECT_EQ(graph(), before) << bad.dump();
  }
  expect_error(send_json("POST", at("/import"), "{\"kind\""), 422, "unprocessable");
}

TEST_F(Graph, RuntimeIsWhatTrafficShowsAndCannotBeWritten) {
  expect_error(put("runtime", json::object()), 422, "unprocessable");
  expect_error(put("docker", json::object()), 400, "invalid_argument");
}

TEST_F(Graph, TooManyNodesAreRefusedInOneSentence) {
  put("spec", json::parse(R"({"nodes": [{"type": "service", "name": "cart"}]})"));
  std::string body = R"({"nodes": [)";
  for (size_t i = 0; i <= graph::kMaxLayerNodes; ++i) {
    if (i > 0) body += ',';
    body += R"({"type":"service","name":"s)" + std::to_string(i) + "\"}";
  }
  const Got refused = send_json("PUT", at("/layers/spec"), body + "]}");
  expect_error(refused, 422, "unprocessable");
  EXPECT_THAT(refused.body["error"].get<std::string>(), HasSubstr(std::to_string(graph::kMaxLayerNodes)));
  EXPECT_THAT(names(graph()["nodes"]), ElementsAre("cart"));
}

TEST_F(Graph, BodiesAreReadAsTheRestOfTheApiDoes) {
  auto huge = request("PUT", at("/layers/spec"));
  huge.body_too_large = true;
  expect_error(send(std::move(huge)), 413, "too_large");
  expect_error(send(request("PUT", at("/layers/spec"), "{}", {{"content-type", "text/yaml"}})), 415,
               "unsupported_media_type");
  expect_error(send(request("POST", at("/import"), "{}", {{"content-type", "application/x-yaml"}})), 415,
               "unsupported_media_type");
}

TEST_F(Graph, WorkspacesDoNotSeeEachOthersLayersAndLayersGoWithTheirs) {
  const std::string other = "/api/v1/workspaces/22222222-2222-4222-8222-222222222222";
  const std::string create = R"({"id":"22222222-2222-4222-8222-222222222222","name":"other"})";
  send_json("POST", "/api/v1/workspaces", create);
  const std::string layer = R"({"nodes": [{"type": "service", "name": "mail"}]})";
  ASSERT_EQ(send_json("PUT", other + "/graph/layers/spec", layer).status, 200);
  EXPECT_EQ(graph()["nodes"], json::array());
  EXPECT_EQ(get(other + "/graph").body["nodes"].size(), 1u);
  EXPECT_EQ(send(request("DELETE", other)).status, 204);
  expect_error(get(other + "/graph"), 404, "not_found");
  send_json("POST", "/api/v1/workspaces", create);
  EXPECT_EQ(get(other + "/graph").body["nodes"], json::array()) << "made again, it is empty";
}

TEST_F(Graph, AStoreThatFailsIsSaidSo) {
  store.failure = base::Error{base::ErrorCode::kUnavailable, "The disk is gone"};
  expect_error(get(at("")), 503, "unavailable");
}

}  // namespace
}  // namespace testmesh::api
