#include "graph/export.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace testmesh::graph {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using enum NodeType;
using enum EdgeType;

NodeKey service(std::string name) { return {kService, name, name}; }

MergedGraph shop() {
  RuntimeGraph runtime;
  runtime.nodes = {{service("orders"), {}, {.call_count = 9}},
                   {service("users"), {}, {.call_count = 9}},
                   {{kApiEndpoint, "GET /users/:id", "users"}, {}, {.call_count = 9}},
                   {{kDatabase, "main", {}}, {}, {.call_count = 9}},
                   {{kTopic, "order.created", {}}, {}, {.call_count = 9}},
                   {{kExternal, "stripe.com", {}}, {}, {.call_count = 9}}};
  runtime.edges = {{0, 1, kCalls, {.call_count = 1234, .error_count = 25}},
                   {0, 3, kReads, {.call_count = 1'234'567, .error_count = 1}},
                   {0, 4, kPublishes, {.call_count = 10, .error_count = 4}},
                   {0, 5, kCalls, {.call_count = 1}},
                   {1, 2, kExposes, {.call_count = 9}}};
  const Layer layers[] = {{LayerName::kInfra,
                           {{{service("idle"), {}}},
                            {{service("orders"), service("idle"), kDependsOn, {}},
                             {service("orders"), {kApiEndpoint, "GET /users/:id", "users"}, kCalls, {}}}}}};
  return merge(runtime, layers);
}

TEST(Mermaid, DrawsWhatThereIs) {
  EXPECT_EQ(to_mermaid(shop()), R"(flowchart LR
  n0["idle"]:::unseen
  n1["orders"]
  n2["users"]
  n3("GET /users/:id")
  n4[("main")]
  n5{{"order.created"}}
  n6["stripe.com"]:::external
  n1 -.->|"depends on"| n0
  n1 -->|"calls 1,234 · 2 #37; errors"| n2
  n1 -.->|"calls"| n3
  n1 -->|"reads 1,234,567 · #60; 0.1 #37; errors"| n4
  n1 -->|"publishes 10 · 40 #37; errors"| n5
  n1 -->|"calls 1"| n6
  n2 -->|"exposes 9"| n3
  classDef external stroke-dasharray: 6 3
  classDef unseen stroke-dasharray: 3 3,stroke:#888,color:#888
)");
}

TEST(Mermaid, EndpointsCanBeFoldedIntoTheirServices) {
  const std::string text = to_mermaid(shop(), {.endpoints = false});
  EXPECT_THAT(text, AllOf(Not(HasSubstr("GET")), Not(HasSubstr("exposes")), HasSubstr("calls 1,234"),
                          Not(HasSubstr("n3"))));
}

TEST(Dot, DrawsWhatThereIs) {
  EXPECT_EQ(to_dot(shop()), R"(digraph system {
  rankdir=LR;
  node [fontname="sans-serif"];
  edge [fontname="sans-serif", fontsize=10];
  n0 [label="idle", shape=box, style=dashed, color=gray50, fontcolor=gray50];
  n1 [label="orders", shape=box];
  n2 [label="users", shape=box];
  n3 [label="GET /users/:id", shape=box, style=rounded];
  n4 [label="main", shape=cylinder];
  n5 [label="order.created", shape=hexagon];
  n6 [label="stripe.com", shape=box, style=dashed];
  n1 -> n0 [label="depends on", style=dashed, color=gray50, fontcolor=gray50];
  n1 -> n2 [label="calls 1,234 · 2 % errors"];
  n1 -> n3 [label="calls", style=dashed, color=gray50, fontcolor=gray50];
  n1 -> n4 [label="reads 1,234,567 · < 0.1 % errors"];
  n1 -> n5 [label="publishes 10 · 40 % errors"];
  n1 -> n6 [label="calls 1"];
  n2 -> n3 [label="exposes 9"];
}
)");
}

TEST(Dot, EndpointsCanBeFoldedIntoTheirServices) {
  const std::string text = to_dot(shop(), {.endpoints = false});
  EXPECT_THAT(text, AllOf(Not(HasSubstr("GET")), Not(HasSubstr("exposes")), HasSubstr("calls 1,234")));
}

TEST(Export, NamesStayText) {
  RuntimeGraph runtime;
  runtime.nodes = {{service("a\"] --> x\\\n%%{init}%% <b>&lt;`;end#35;"), {}, {}}};
  const MergedGraph graph = merge(runtime, {});
  EXPECT_THAT(to_dot(graph),
              HasSubstr(R"(n0 [label="a\"] --> x\\ %%{init}%% <b>&amp;lt;`;end#35;", shape=box];)"));
  EXPECT_THAT(to_mermaid(graph), HasSubstr("n0[\"a#34;#93; --#62; x#92; #37;#37;#123;init#125;#37;#37; "
                                           "#60;b#62;#38;lt#59;#96;#59;end#35;35#59;\"]\n"));
}

TEST(Export, IsUtf8WhateverTheNamesAre) {
  RuntimeGraph runtime;
  runtime.nodes = {{service("a\xff"), {}, {}}};
  EXPECT_THAT(to_dot(merge(runtime, {})), HasSubstr("\"a?\""));
  EXPECT_THAT(to_mermaid(merge(runtime, {})), HasSubstr("\"a?\""));
}

TEST(Export, AnEmptyGraphIsOne) {
  EXPECT_THAT(to_dot({}), HasSubstr("digraph system {"));
  EXPECT_THAT(to_mermaid({}), HasSubstr("flowchart LR\n"));
}

}  // namespace
}  // namespace testmesh::graph
