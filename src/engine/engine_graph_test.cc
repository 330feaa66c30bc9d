// The System Graph in the engine: what completes counts, late spans correct it,
// restarts and crashes keep it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/testing/engine_fixture.h"

namespace testmesh::engine::testing {
namespace {

using ::testing::IsEmpty;
using Graph = std::map<std::string, uint64_t>;

std::vector<model::Span> order(uint64_t trace) {
  return {endpoint(trace, 1, 0, "shop", "/orders"), query(trace, 2, 1, "shop", "orders")};
}

model::Span call(uint64_t trace, uint64_t number, uint64_t parent) {
  return span_of(trace, number, parent, "shop", "GET", model::SpanKind::kClient,
                 {{"server.address", {std::string("stock.local")}}});
}

Graph orders(uint64_t times) {
  return {{"service shop", times},
          {"api_endpoint GET /orders", times},
          {"database orders", times},
          {"shop exposes GET /orders", times},
          {"shop reads orders", times}};
}

class EngineGraphTest : public EngineTest {};

TEST_F(EngineGraphTest, ATraceCountsWhenItIsComplete) {
  open();
  send(order(1));
  EXPECT_THAT(graph(), IsEmpty());
  close_all();
  EXPECT_EQ(graph(), orders(1));
  send(order(2));
  send(order(1));  // sent twice
  close_all();
  EXPECT_EQ(graph(), orders(2));
}

TEST_F(EngineGraphTest, ALateSpanCorrectsWhoCalledWhom) {
  open();
  send({endpoint(1, 1, 0, "shop", "/orders"), call(1, 2, 1)});
  close_all();
  EXPECT_EQ(graph(), (Graph{{"service shop", 1},
                            {"api_endpoint GET /orders", 1},
                            {"shop exposes GET /orders", 1},
                            {"external stock.local", 1},
                            {"shop calls stock.local", 1}}));
  const Graph corrected{{"service shop", 1},
                        {"api_endpoint GET /orders", 1},
                        {"shop exposes GET /orders", 1},
                        {"service stock", 1},
                        {"shop calls stock", 1},
                        {"api_endpoint GET /items", 1},
                        {"stock exposes GET /items", 1}};
  send({endpoint(1, 3, 2, "stock", "/items")});
  close_all();
  EXPECT_EQ(graph(), corrected);
  open();
  EXPECT_EQ(graph(), corrected);
  EXPECT_EQ(engine_->counters().graph_mismatches, 0u);
}

TEST_F(EngineGraphTest, ALateSpanCorrectsAcrossRestartsAndPartitions) {
  options_.partition_age = std::chrono::hours(1);
  open();
  send({endpoint(1, 3, 2, "stock", "/items")});
  close_all();
  open();
  wait(3 * kHour);
  send({call(1, 2, 1)});
  close_all();
  wait(3 * kHour);
  open();
  send({endpoint(1, 1, 0, "shop", "/orders")});
  close_all();
  EXPECT_EQ(graph(), (Graph{{"service shop", 1},
                            {"api_endpoint GET /orders", 1},
                            {"shop exposes GET /orders", 1},
                            {"service stock", 1},
                            {"shop calls stock", 1},
                            {"api_endpoint GET /items", 1},
                            {"stock exposes GET /items", 1}}));
  EXPECT_EQ(engine_->counters().graph_mismatches, 0u);
}

TEST_F(EngineGraphTest, ARestartKeepsItAndACrashCountsAgainAndOnce) {
  open();
  for (uint64_t trace = 1; trace <= 20; ++trace) send(order(trace));
  close_all();
  open();  // saved
  EXPECT_EQ(graph(), orders(20));
  for (uint64_t trace = 21; trace <= 30; ++trace) send(order(trace));
  close_all();
  EXPECT_EQ(graph(), orders(30));
  crash();
  open();
  EXPECT_EQ(graph(), orders(20));
  close_all();
  EXPECT_EQ(graph(), orders(30));
}

TEST_F(EngineGraphTest, ADroppedWorkspaceTakesItsGraphAlong) {
  open();
  send(order(1));
  send(order(2), workspace_id(2));
  close_all();
  EXPECT_EQ(graph(workspace_id(2)), orders(1));
  ASSERT_TRUE(engine_->drop_workspace(workspace_id(2)));
  for (int start = 0; start < 2; ++start) {
    EXPECT_THAT(graph(workspace_id(2)), IsEmpty());
    EXPECT_EQ(graph(), orders(1));
    open();
  }
  send(order(3), workspace_id(2));
  close_all();
  EXPECT_EQ(graph(workspace_id(2)), orders(1));
}

TEST_F(EngineGraphTest, WhatDiscoveryLeavesOutTheGraphLeavesOut) {
  open();
  change(model::kDefaultWorkspace, [](auto& settings) { settings.auto_discovery = false; });
  send(order(1));
  close_all();
  change(model::kDefaultWorkspace, [](auto& settings) { settings.auto_discovery = true; });
  send(order(2));
  send({query(1, 3, 1, "shop", "other")});
  close_all();
  EXPECT_EQ(graph(), orders(1));
}

// The same is true of directories made before there was a graph: what was
// never added is never taken away.
TEST_F(EngineGraphTest, WhatCompletedWhileItWasOffStaysOutAndWhatWasInIsCorrected) {
  open();
  send(order(1));
  close_all();
  options_.graph = false;
  open();
  send(order(2));
  close_all();
  EXPECT_EQ(graph(), orders(1));
  Graph corrected = orders(1);
  ++corrected["database orders"], ++corrected["shop reads orders"];
  send({query(1, 3, 1, "shop", "orders")});
  close_all();
  EXPECT_EQ(graph(), corrected);
  options_.graph = true;
  open();
  send({query(2, 3, 1, "shop", "orders")});
  close_all();
  EXPECT_EQ(graph(), corrected);
  EXPECT_EQ(counts().begin()->second, 2u);
  EXPECT_EQ(engine_->counters().graph_mismatches, 0u);
}

TEST_F(EngineGraphTest, TestTracesEnrichIt) {
  open();
  send({span_of(1, 1, 0, "runner", "testmesh.run", model::SpanKind::kInternal, {}),
        span_of(1, 2, 1, "runner", "testmesh.step", model::SpanKind::kClient,
                {{"server.address", {std::string("shop")}}}),
        endpoint(1, 3, 2, "shop", "/orders"), query(1, 4, 3, "shop", "orders")});
  close_all();
  EXPECT_EQ(graph(), orders(1));
  EXPECT_EQ(totals().test, 1u);
}

TEST_F(EngineGraphTest, StatementsSayWhatIsWritten) {
  open();
  for (uint64_t trace = 1; trace <= 60; ++trace) {
    model::Span span = query(trace, 1, 0, "shop", "orders");
    span.attributes.push_back(
        {"db.query.text",
         {std::string(trace % 3 == 0 ? "INSERT INTO t VALUES (" : "SELECT * FROM t WHERE id = (") +
          std::to_string(trace * 7919) + ")"}});
    send({span});
  }
  close_all();
  EXPECT_EQ(graph(), (Graph{{"service shop", 60},
                            {"database orders", 60},
                            {"shop reads orders", 40},
                            {"shop writes orders", 20}}));
}

}  // namespace
}  // namespace testmesh::engine::testing
