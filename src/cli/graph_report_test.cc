#include "cli/graph_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "cli/text.h"

namespace testmesh::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// As api.md says.
Json node(const std::string& id, const std::string& type, const std::string& name, bool declared, bool seen) {
  return {{"id", id},
          {"type", type},
          {"name", name},
          {"service", type == "service"        ? Json(name)
                      : type == "api_endpoint" ? Json("cart")
                                               : Json()},
          {"properties", Json::object()},
          {"layer", seen ? "runtime" : "spec"},
          {"layers", Json::object()},
          {"declared", declared},
          {"seen", seen},
          {"call_count", seen ? 200 : 0},
          {"error_count", 0},
          {"error_rate", 0},
          {"avg_duration_ms", 3.5},
          {"p95_duration_ms", 9},
          {"first_seen_at", seen ? Json("2026-11-26T18:16:16.000000001Z") : Json()},
          {"last_seen_at", seen ? Json("2026-11-26T18:16:17.000000001Z") : Json()}};
}
Json edge(const std::string& source, const std::string& type, const std::string& target, bool declared,
          bool seen) {
  Json made = node(source + type + target, "service", "", declared, seen);
  made.erase("name");
  made.erase("service");
  made["source"] = source;
  made["target"] = target;
  made["type"] = type;
  return made;
}

Json example() {
  Json graph{{"nodes",
              {node("1", "service", "shop", false, true), node("2", "service", "cart", true, true),
               node("3", "api_endpoint", "GET /carts/:id", true, true),
               node("4", "database", "cart", false, true), node("5", "service", "reports", true, false)}},
             {"edges",
              {edge("1", "calls", "2", false, true), edge("2", "exposes", "3", true, true),
               edge("2", "reads", "4", false, true), edge("5", "depends_on", "2", true, false)}},
             {"conflicts",
              {{{"id", "2"},
                {"property", "version"},
                {"values", {{{"layer", "runtime"}, {"value", "1.2"}}, {{"layer", "infra"}, {"value", 2}}}}},
               {{"id", "2reads4"}, {"property", "port"}, {"values", Json::array()}}}}};
  graph["nodes"][1]["layers"] = {{"runtime", {{"version", "1.2"}}},
                                 {"infra", {{"version", 2}, {"image", "cart:2"}}}};
  return graph;
}

template <typename Print>
std::string printed(const Print& print, unsigned width = 0) {
  std::ostringstream out;
  print(Page{.out = out, .width = width});
  return out.str();
}

TEST(GraphReport, ShowsNodesAndEdges) {
  const std::string text = printed([](const Page& page) { print_graph(page, example()); });
  EXPECT_THAT(
      text, HasSubstr("service       cart                   200     0 %  3.5 ms  9.0 ms  both      cart\n"));
  EXPECT_THAT(
      text, HasSubstr("service       reports                                             declared  cart\n"));
  EXPECT_THAT(text, HasSubstr("api_endpoint  cart GET /carts/:id")) << "whose it is";
  EXPECT_THAT(text, HasSubstr("shop     calls       cart              200     0 %  3.5 ms  9.0 ms  seen      "
                              "2026-11-26 18:16:17"));
  EXPECT_THAT(text, HasSubstr("cart     exposes     GET /carts/:id"));
  EXPECT_THAT(
      text,
      HasSubstr("5 nodes, 4 edges\nDeclared, never seen: 1 node, 1 edge. Seen, never declared: 2 nodes, "
                "2 edges\n2 conflicts between layers: testmesh graph conflicts\n"));
  EXPECT_THAT(text, Not(HasSubstr("not counted")));
  Json full = example();
  full["not_counted"] = 3;
  EXPECT_THAT(printed([&](const Page& page) { print_graph(page, full); }), HasSubstr("3 spans not counted"));
}

TEST(GraphReport, FitsTheTerminal) {
  Json graph = example();
  graph["nodes"][2]["name"] = "GET /" + std::string(200, 'x');
  for (const unsigned width : {70u, 80u, 120u, 200u}) {
    std::istringstream lines(printed([&](const Page& page) { print_graph(page, graph); }, width));
    for (std::string line; std::getline(lines, line) && !line.starts_with("5 nodes");)
      EXPECT_LE(width_of(line), width) << line;
  }
}

TEST(GraphReport, ShowsANodeWithItsLayersAndEdges) {
  const Json graph = example();
  const std::string text =
      printed([&](const Page& page) { print_graph_node(page, graph, find_node(graph, "2", {}).value()); });
  EXPECT_THAT(
      text, AllOf(HasSubstr("Known    seen and declared (runtime, infra)"),
                  HasSubstr("PROPERTY  IN runtime  IN infra\n"), HasSubstr("image                 cart:2\n"),
                  HasSubstr("version   1.2         2\n")));
  const size_t in = text.find("What uses it"), out = text.find("What it uses");
  ASSERT_LT(in, out);
  EXPECT_THAT(text.substr(in, out - in),
              AllOf(HasSubstr("shop"), HasSubstr("reports"), Not(HasSubstr("GET /"))));
  EXPECT_THAT(text.substr(out), AllOf(HasSubstr("exposes"), HasSubstr("reads"), Not(HasSubstr("shop"))));
}

TEST(GraphReport, ShowsWhoDisagrees) {
  const std::string text = printed([](const Page& page) { print_conflicts(page, example()); });
  EXPECT_THAT(text, HasSubstr("cart             version   1.2    runtime  infra: 2\n"));
  EXPECT_THAT(text, HasSubstr("cart reads cart  port")) << "of an edge";
  EXPECT_THAT(printed([](const Page& page) { print_conflicts(page, Json::object()); }),
              HasSubstr("No conflicts"));
}

TEST(GraphReport, FindsANodeByIdOrName) {
  const Json graph = example();
  EXPECT_EQ(find_node(graph, "4", {}).value()["type"], "database");
  EXPECT_EQ(find_node(graph, "shop", {}).value()["id"], "1");
  EXPECT_EQ(find_node(graph, "SHOP", {}).value()["id"], "1");
  EXPECT_EQ(find_node(graph, "GET /carts/:id", {}).value()["id"], "3");
  EXPECT_EQ(find_node(graph, "cart GET /carts/:id", {}).value()["id"], "3");
  EXPECT_EQ(find_node(graph, "cart", "database").value()["id"], "4");
  EXPECT_THAT(find_node(graph, "cart", {}).error().message,
              AllOf(HasSubstr("Several nodes"), HasSubstr("2  service"), HasSubstr("4  database"),
                    HasSubstr("--type")));
  EXPECT_THAT(find_node(graph, "report", {}).error().message, HasSubstr("There is: reports"));
  EXPECT_THAT(find_node(graph, "zebra", {}).error().message, HasSubstr("testmesh graph"));
}

TEST(GraphReport, LeavesEndpointsOutWithTheirEdgesAndConflicts) {
  Json graph = example();
  graph["conflicts"].push_back({{"id", "3"}, {"property", "x"}, {"values", Json::array()}});
  graph = without_endpoints(std::move(graph));
  EXPECT_EQ(graph["nodes"].size(), 4u);
  EXPECT_EQ(graph["edges"].size(), 3u);
  EXPECT_EQ(graph["conflicts"].size(), 2u);
}

TEST(GraphReport, ToleratesWhatItDoesNotKnow) {
  const Json odd{
      {"nodes", {Json::object(), {{"id", 7}, {"type", "queue"}, {"name", "\x1b[31m"}}, {{"layers", 1}}}},
      {"edges", {Json::object(), {{"source", "?"}, {"target", nullptr}}}},
      {"conflicts", {Json::object()}}};
  EXPECT_THAT(printed([&](const Page& page) { print_graph(page, odd); }), Not(HasSubstr("\x1b")));
  EXPECT_NE(printed([&](const Page& page) { print_conflicts(page, odd); }), "");
  EXPECT_NE(printed([&](const Page& page) { print_graph_node(page, odd, odd["nodes"][2]); }), "");
}

}  // namespace
}  // namespace testmesh::cli
