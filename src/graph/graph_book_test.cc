#include "graph/graph_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "graph/testing/graph_fixture.h"

namespace testmesh::graph::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class GraphBookTest : public GraphFixture, public ::testing::Test {};

TEST_F(GraphBookTest, ARootEntersItsServiceWithoutACaller) {
  Trace trace;
  trace.span("cron", kInternal);
  add(trace);
  EXPECT_THAT(nodes(), ElementsAre("service cron 1"));
  EXPECT_THAT(edges(), IsEmpty());
}

TEST_F(GraphBookTest, ACallGoesFromTheParentsServiceAndExposesTheEndpoint) {
  Trace trace;
  const auto root = trace.server("gateway", "GET", "/");
  const auto call = trace.client("gateway").under(root);
  trace.server("orders", "POST", "/orders").under(call);
  add(trace);
  EXPECT_THAT(nodes(), ElementsAre("service gateway 1", "service orders 1", "api_endpoint GET / of gateway 1",
                                   "api_endpoint POST /orders of orders 1"));
  EXPECT_THAT(edges(), UnorderedElementsAre("gateway calls orders 1", "gateway exposes GET / 1",
                                            "orders exposes POST /orders 1"));
}

TEST_F(GraphBookTest, AnInternalSpanThatEntersExposesAnEndpointAndOneInsideDoesNot) {
  Trace trace;
  const auto root = trace.span("a", kInternal).route("GET", "/x");
  trace.span("a", kInternal).route("GET", "/y").under(root);
  trace.span("b", kInternal).with("rpc.service", "p.S").with("rpc.method", "M").under(root);
  add(trace);
  EXPECT_THAT(edges(), UnorderedElementsAre("a exposes GET /x 1", "a calls b 1", "b exposes p.S/M 1"));
}

TEST_F(GraphBookTest, AServerSpanInsideItsOwnServiceExposesAlone) {
  Trace trace;
  const auto root = trace.server("a", "GET", "/");
  trace.server("a", "GET", "/inner").under(root);
  trace.span("a", kServer, "no endpoint").under(root);
  add(trace);
  EXPECT_THAT(nodes(),
              ElementsAre("service a 1", "api_endpoint GET / of a 1", "api_endpoint GET /inner of a 1"));
  EXPECT_THAT(edges(), UnorderedElementsAre("a exposes GET / 1", "a exposes GET /inner 1"));
}

TEST_F(GraphBookTest, AServiceThatCallsItselfShowsBothEnds) {
  Trace trace;
  const auto root = trace.server("a", "GET", "/");
  const auto call = trace.client("a").with("server.address", "a.local").under(root);
  trace.server("a", "GET", "/self").under(call);
  const auto second = trace.client("a").under(root);
  trace.span("a", kServer, "no endpoint").under(second);
  add(trace);
  EXPECT_THAT(edges(), UnorderedElementsAre("a calls a 2", "a exposes GET / 1", "a exposes GET /self 1"));
  EXPECT_THAT(nodes(),
              ElementsAre("service a 3", "api_endpoint GET / of a 1", "api_endpoint GET /self of a 1"));
}

TEST_F(GraphBookTest, SpansInsideAServiceCountNothing) {
  Trace trace;
  const auto root = trace.server("a", "GET", "/");
  const auto inner = trace.span("a", kInternal).under(root);
  trace.client("a").under(inner);  // names no peer
  add(trace);
  EXPECT_THAT(edges(), UnorderedElementsAre("a exposes GET / 1"));
}

TEST_F(GraphBookTest, AConsumerConsumesInsteadOfBeingCalled) {
  Trace trace;
  const auto root = trace.server("shop", "POST", "/orders");
  const auto sent = trace.send("shop", "orders").under(root);
  trace.process("mailer", "orders").under(sent);
  add(trace);
  EXPECT_THAT(edges(), UnorderedElementsAre("shop exposes POST /orders 1", "shop publishes orders 1",
                                            "orders consumes mailer 1"));
  EXPECT_THAT(nodes(), ElementsAre("service mailer 1", "service shop 1",
                                   "api_endpoint POST /orders of shop 1", "topic orders 2"));
}

TEST_F(GraphBookTest, TheProducersOwnConsumerEntersToo) {
  Trace trace;
  const auto sent = trace.send("shop", "orders");
  trace.process("shop", "orders").under(sent);
  add(trace);
  EXPECT_THAT(edges(), UnorderedElementsAre("shop publishes orders 1", "orders consumes shop 1"));
  EXPECT_THAT(nodes(), ElementsAre("service shop 2", "topic orders 2"));
}

TEST_F(GraphBookTest, AConsumerWithoutDestinationIsCalled) {
  Trace trace;
  const auto root = trace.server("shop", "GET", "/");
  trace.span("mailer", kConsumer).under(root);
  trace.span("shop", kConsumer).under(root);
  add(trace);
  EXPECT_THAT(edges(),
              UnorderedElementsAre("shop exposes GET / 1", "shop calls mailer 1", "shop calls shop 1"));
}

TEST_F(GraphBookTest, ReceivingAndSettlingAreNoConsuming) {
  Trace trace;
  const auto root = trace.server("shop", "GET", "/");
  trace.process("shop", "orders").with("messaging.operation.type", "receive").under(root);
  trace.process("mailer", "orders").with("messaging.operation.type", "settle").under(root);
  add(trace);
  EXPECT_THAT(edges(), UnorderedElementsAre("shop exposes GET / 1", "shop calls mailer 1"));
  EXPECT_THAT(nodes(), ElementsAre("service mailer 1", "service shop 1", "api_endpoint GET / of shop 1"));
}

TEST_F(GraphBookTest, DatabasesAreReadAndWritten) {
  Trace trace;
  const auto root = trace.server("shop", "GET", "/");
  trace.query("shop", "orders").under(root);
  trace.query("shop", "orders").under(root).with("db.statement", "INSERT INTO orders VALUES (1)");
  trace.query("shop", "orders").under(root).with("db.operation", "update");
  trace.span("shop", kInternal, "DEL cart:1").with("db.system", "redis").under(root);
  trace.span("shop", kClient, "GET cart:1").with("db.system", "redis").with("db.namespace", "0").under(root);
  add(trace);
  EXPECT_THAT(edges(),
              UnorderedElementsAre("shop exposes GET / 1", "shop reads orders 1", "shop writes orders 2",
                                   "shop reads redis 1", "shop writes redis 1"));
  EXPECT_THAT(nodes(), ElementsAre("service shop 1", "api_endpoint GET / of shop 1",
                                   "database orders \"postgresql\" 3", "database redis \"redis\" 2"));
}

TEST_F(GraphBookTest, ADatabaseIsItsSystemAndName) {
  Trace trace;
  const auto root = trace.server("shop", "GET", "/");
  trace.query("shop", "orders").under(root);
  trace.query("shop", "orders").under(root).with("db.system.name", "mysql");
  trace.query("shop", "orders").under(root).with("db.system.name", "mssql");
  trace.query("shop", "orders").under(root).with("db.system.name", "microsoft.sql_server");
  add(trace);
  EXPECT_THAT(nodes(), ElementsAre("service shop 1", "api_endpoint GET / of shop 1",
                                   "database orders \"microsoft.sql_server\" 2",
                                   "database orders \"mysql\" 1", "database orders \"postgresql\" 1"));
}

TEST_F(GraphBookTest, ARootThatQueriesADatabaseEntersAndReads) {
  Trace trace;
  trace.query("job", "orders");
  add(trace);
  EXPECT_THAT(nodes(), ElementsAre("service job 1", "database orders \"postgresql\" 1"));
  EXPECT_THAT(edges(), UnorderedElementsAre("job reads orders 1"));
}

TEST_F(GraphBookTest, ProducersAndSendingClientsPublish) {
  Trace trace;
  const auto root = trace.server("shop", "GET", "/");
  trace.send("shop", "a").under(root);
  trace.send("shop", "b").under(root).kind = kClient;
  trace.send("shop", "c").under(root).kind = kInternal;
  trace.span("shop", kClient)
      .with("messaging.system", "kafka")
      .with("messaging.destination.name", "d")
      .under(root);
  trace.span("shop", kProducer).with("messaging.system", "kafka").under(root);
  add(trace);
  EXPECT_THAT(edges(), UnorderedElementsAre("shop exposes GET / 1", "shop publishes a 1",
                                            "shop publishes b 1", "shop publishes c 1"));
}

TEST_F(GraphBookTest, AnUninstrumentedPeerIsExternal) {
  Trace trace;
  const auto root = trace.server("shop", "GET", "/");
  trace.client("shop").with("server.address", "Pay.Example:443").under(root).ns(1'000, 4'001'000).error();
  add(trace);
  EXPECT_THAT(edges(), UnorderedElementsAre("shop exposes GET / 1", "shop calls pay.example 1"));
  EXPECT_THAT(nodes(),
              ElementsAre("service shop 1", "api_endpoint GET / of shop 1", "external pay.example 1"));
  const Traffic traffic = node(NodeType::kExternal, "pay.example").traffic;
  EXPECT_EQ(traffic.error_count, 1u);
  EXPECT_DOUBLE_EQ(traffic.avg_duration_ms, 4);
  EXPECT_NEAR(traffic.p95_duration_ms, 4, 0.04);
}

TEST_F(GraphBookTest, WhatIsInstrumentedIsNoPeer) {
  Trace trace;
  const auto root = trace.server("shop", "GET", "/");
  const auto call = trace.client("shop").with("server.address", "stock").under(root);
  const auto inner = trace.span("shop", kInternal).under(call);
  trace.server("stock", "GET", "/items").under(inner);
  const auto other = trace.client("shop").with("server.address", "cache").under(root);
  trace.query("shop", "cache").under(other);
  const auto sender = trace.client("shop").with("server.address", "kafka").under(root);
  trace.send("shop", "orders").under(sender);
  add(trace);
  EXPECT_THAT(edges(),
              UnorderedElementsAre("shop exposes GET / 1", "shop calls stock 1", "shop reads cache 1",
                                   "shop publishes orders 1", "stock exposes GET /items 1"));
}

TEST_F(GraphBookTest, WhatADatabaseOrTopicSpanDoesInsideIsNoPeer) {
  Trace trace;
  const auto root = trace.server("shop", "GET", "/");
  const auto query = trace.query("shop", "orders").under(root);
  const auto inner = trace.span("shop", kInternal).under(query);
  trace.client("shop").with("server.address", "db.local").under(inner);
  const auto sent = trace.send("shop", "orders").under(root);
  trace.client("shop").with("server.address", "kafka.local").under(sent);
  // Behind a service it is one again.
  const auto consumer = trace.process("mailer", "orders").under(sent);
  trace.client("mailer").with("server.address", "smtp").under(consumer);
  add(trace);
  EXPECT_THAT(edges(),
              UnorderedElementsAre("shop exposes GET / 1", "shop reads orders 1", "shop publishes orders 1",
                                   "orders consumes mailer 1", "mailer calls smtp 1"));
}

TEST_F(GraphBookTest, OfNestedClientSpansTheInnermostCounts) {
  Trace trace;
  const auto root = trace.server("shop", "GET", "/");
  const auto outer = trace.client("shop").with("server.address", "pay").under(root).ns(1'000, 9'001'000);
  const auto inner = trace.client("shop").with("server.address", "pay").under(outer).ns(2'000, 7'002'000);
  trace.client("shop").under(inner);  // names nobody
  add(trace);
  EXPECT_THAT(edges(), UnorderedElementsAre("shop exposes GET / 1", "shop calls pay 1"));
  EXPECT_DOUBLE_EQ(node(NodeType::kExternal, "pay").traffic.avg_duration_ms, 7);
}

TEST_F(GraphBookTest, ARootThatCallsAPeerEntersAndCalls) {
  Trace trace;
  trace.client("job").with("peer.service", "pay");
  add(trace);
  EXPECT_THAT(nodes(), ElementsAre("service job 1", "external pay 1"));
}

TEST_F(GraphBookTest, TheRunnerOfATestIsLeftOut) {
  Trace trace;
  const auto run = trace.span("runner", kInternal, "testmesh.run");
  const auto step =
      trace.client("runner").with("testmesh.execution.id", "1").with("server.address", "shop").under(run);
  const auto served = trace.server("shop", "GET", "/orders").with("testmesh.execution.id", "1").under(step);
  trace.query("shop", "orders").under(served);
  const auto back = trace.client("shop").under(served);
  // The runner's service, but not from the entry down.
  trace.server("runner", "POST", "/hook").with("testmesh.execution.id", "1").under(back);
  // Its own, but not the runner's doing.
  trace.span("runner", kInternal, "work").under(run);
  add(trace);
  EXPECT_THAT(nodes(),
              ElementsAre("service runner 2", "service shop 1", "api_endpoint GET /orders of shop 1",
                          "api_endpoint POST /hook of runner 1", "database orders \"postgresql\" 1"));
  EXPECT_THAT(edges(), UnorderedElementsAre("shop exposes GET /orders 1", "shop reads orders 1",
                                            "shop calls runner 1", "runner exposes POST /hook 1"));
}

TEST_F(GraphBookTest, PartialTracesCountWhatTheyShow) {
  Trace trace;
  const auto root = trace.server("a", "GET", "/");
  trace.server("b", "GET", "/b").under(77);
  trace.server("a", "GET", "/a").under(78);
  trace.span("a", kInternal).route("GET", "/in").under(79);
  add(trace);
  EXPECT_THAT(nodes(), ElementsAre("service a 3", "service b 1", "api_endpoint GET / of a 1",
                                   "api_endpoint GET /a of a 1", "api_endpoint GET /b of b 1",
                                   "api_endpoint GET /in of a 1"));
}

TEST_F(GraphBookTest, DuplicatesCountOnce) {
  Trace trace;
  const auto root = trace.server("a", "GET", "/");
  trace.query("a", "x").under(root);
  trace.query("a", "x").under(root).id(2);
  add(trace);
  EXPECT_THAT(edges(), UnorderedElementsAre("a exposes GET / 1", "a reads x 1"));
}

TEST_F(GraphBookTest, FiguresAreThoseOfTheCountedSpans) {
  for (int i = 1; i <= 100; ++i) {
    Trace trace;
    const auto root =
        trace.server("a", "GET", "/").ns(1'000'000'000ull * i, 1'000'000'000ull * i + 500'000'000);
    const auto call =
        trace.client("a").under(root).ns(1'000'000'000ull * i + 5, 1'000'000'000ull * i + 400'000'000);
    auto& served = trace.server("b", "GET", "/b").under(call);
    served.ns(1'000'000'000ull * i + 10, 1'000'000'000ull * i + 10 + 1'000'000ull * i);
    if (i % 10 == 0) served.error();
    add(trace);
  }
  for (const Traffic& traffic :
       {node(NodeType::kService, "b").traffic, node(NodeType::kApiEndpoint, "GET /b").traffic,
        edge("a calls b").traffic, edge("b exposes GET /b").traffic}) {
    EXPECT_EQ(traffic.call_count, 100u);
    EXPECT_EQ(traffic.error_count, 10u);
    EXPECT_DOUBLE_EQ(traffic.avg_duration_ms, 50.5);
    EXPECT_NEAR(traffic.p95_duration_ms, 95, 0.95);
    EXPECT_EQ(traffic.first_seen, 1'000'000'010u);
    EXPECT_EQ(traffic.last_seen, 100'000'000'010u);
  }
}

TEST_F(GraphBookTest, WhatIsTakenAwayWasNeverThere) {
  Trace kept, gone;
  kept.server("a", "GET", "/");
  const auto root = gone.server("a", "GET", "/");
  gone.query("a", "x").under(root);
  add(kept);
  const auto before = all();
  add(gone);
  remove(gone);
  EXPECT_EQ(all(), before);
  EXPECT_EQ(book.mismatched_removals(), 0u);
  remove(gone);  // never below zero; its root equals that of `kept`
  EXPECT_EQ(book.mismatched_removals(), 1u);
  EXPECT_THAT(nodes(), IsEmpty());
  remove(gone);
  EXPECT_EQ(book.mismatched_removals(), 3u);
}

TEST_F(GraphBookTest, PositionsThatBecomeParametersMakeOneEndpoint) {
  std::vector<Trace> traces(120);
  for (size_t i = 0; i < traces.size(); ++i) {
    auto root = traces[i].span("shop", kServer, "GET").with("http.request.method", "GET");
    traces[i].spans.back().with("url.path", "/items/" + std::string(1, static_cast<char>('a' + i % 26)) +
                                                std::string(1, static_cast<char>('a' + i / 26)) + "-thing");
    traces[i].query("shop", "x").under(root);
    add(traces[i]);
    if (i == 30) save();
  }
  EXPECT_THAT(nodes(), ElementsAre("service shop 120", "api_endpoint GET /items/:param of shop 120",
                                   "database x \"postgresql\" 120"));
  expect_same_after_reload();
  for (Trace& trace : traces) remove(trace);
  EXPECT_EQ(book.mismatched_removals(), 0u);
  EXPECT_THAT(nodes(), IsEmpty());
  expect_same_after_reload();
  EXPECT_THAT(stored(), IsEmpty());
}

TEST_F(GraphBookTest, ABookThatSleepsWhileNamesChangeAnswersByTheNewOnes) {
  Trace trace;
  trace.span("shop", kServer, "GET").with("http.request.method", "GET").with("url.path", "/items/first");
  add(trace);
  bool changed = false;
  for (char c = 'a'; c <= 'z'; ++c)
    for (const char* more : {"x", "y"})
      workspace.tries.observe("shop", std::string("/items/") + c + more, changed);
  EXPECT_THAT(nodes(), ElementsAre("service shop 1", "api_endpoint GET /items/:param of shop 1"));
  save();
  expect_same_after_reload();
  remove(trace);
  EXPECT_EQ(book.mismatched_removals(), 0u);
}

TEST_F(GraphBookTest, WhatThereIsNoRoomForIsCountedAndTheRestUndisturbed) {
  Trace small;
  small.server("a", "GET", "/");
  add(small);
  Trace large;
  const auto root = large.server("a", "GET", "/");
  for (size_t i = 0; i < kMaxCells + 10; ++i) large.send("a", "topic" + std::to_string(i)).under(root);
  add(large);
  EXPECT_EQ(graph().not_counted, 11u);  // one cell is the root's
  add(small);
  EXPECT_EQ(node(NodeType::kService, "a").traffic.call_count, 3u);
  save();
  expect_same_after_reload();
  remove(large);
  EXPECT_EQ(graph().not_counted, 0u);
  EXPECT_EQ(book.mismatched_removals(), 0u);
  save();
  EXPECT_EQ(stored().size(), 1u);
  add(large);  // there is room again
  EXPECT_EQ(graph().not_counted, 11u);
}

TEST_F(GraphBookTest, DocumentsOfSeveralBooksMakeOne) {
  Trace first, second;
  first.server("a", "GET", "/");
  const auto root = second.server("a", "GET", "/");
  second.query("a", "x").under(root);
  add(first);
  save();
  const auto one = stored();
  GraphFixture other;
  other.add(second);
  other.save();
  for (const auto& [key, value] : other.stored()) ASSERT_TRUE(book.load(key, value));
  EXPECT_THAT(nodes(),
              ElementsAre("service a 2", "api_endpoint GET / of a 2", "database x \"postgresql\" 1"));
  save();
  EXPECT_EQ(runtime_graph(std::array{GraphSnapshot(other.book), GraphSnapshot(book)})
                .nodes.front()
                .traffic.call_count,
            3u);
}

TEST_F(GraphBookTest, DamagedDocumentsAreRefused) {
  Trace trace;
  const auto root = trace.server("a", "GET", "/");
  trace.query("a", "x").under(root).error();
  add(trace);
  save();
  ASSERT_EQ(stored().size(), 2u);
  for (const auto& [key, value] : stored()) {
    for (size_t size = 0; size < value.size(); ++size) {
      GraphFixture other;
      EXPECT_FALSE(other.book.load(key, std::string_view(value).substr(0, size))) << size;
      EXPECT_THAT(other.nodes(), IsEmpty());
    }
    GraphFixture other;
    EXPECT_FALSE(other.book.load(key, value + "x"));
    EXPECT_FALSE(other.book.load("graph/00000000000000000000000000000000", value));
    std::string later = value;
    later[0] = 9;
    const auto refused = other.book.load(key, later);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, ::testing::HasSubstr("has version 9"));
    for (size_t i = 0; i < value.size(); ++i) {
      std::string damaged = value;
      damaged[i] = static_cast<char>(damaged[i] ^ 0x55);
      GraphFixture some;
      (void)some.book.load(key, damaged);  // whatever it says: no crash
      (void)some.nodes();
    }
  }
}

}  // namespace
}  // namespace testmesh::graph::testing
