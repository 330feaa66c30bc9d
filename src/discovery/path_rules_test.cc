// discovery.md 2.2, clause by clause.
#include "discovery/analyzer_fixture.h"

namespace testmesh::discovery {
namespace {

using ::testing::ElementsAre;

TEST(EntersAService, TheEntryAlwaysEnters) {
  Trace t;
  t.span("billing", kInternal, "nightly run");
  EXPECT_EQ(t.path(), "service:billing");
}

TEST(EntersAService, MoreCodeInsideTheServiceAddsNothing) {
  Trace t;
  auto& entry = t.server("shop", "GET", "/");
  auto& inner = t.span("shop", kInternal, "render").under(entry);
  t.span("shop", kClient, "tcp.connect").under(inner);
  EXPECT_EQ(t.path(), "api_endpoint:GET /");
}

TEST(EntersAService, TheParentSpanDecidesNotTheNodeAbove) {
  Trace t;
  auto& entry = t.server("a", "GET", "/");
  auto& other = t.span("b", kInternal).under(entry);
  t.span("b", kInternal).under(other);
  auto& back = t.span("a", kInternal).under(other);
  t.span("b", kInternal).under(back);
  EXPECT_EQ(t.path(), "api_endpoint:GET /->service:b->service:a->service:b");
}

TEST(EntersAService, OrphansAndOtherParentlessSpansAreComparedWithTheEntrysService) {
  Trace t;
  t.server("a", "GET", "/");
  t.span("a", kInternal, "timer");
  t.span("a", kInternal, "lost").under(99);
  t.span("b", kInternal, "lost").under(98);
  EXPECT_EQ(t.path(), "api_endpoint:GET /->service:b");
}

TEST(EntersAService, KindUnspecifiedIsInternal) {
  Trace t;
  t.span("a", model::SpanKind::kUnspecified, "GET /x").route("GET", "/x");
  EXPECT_EQ(t.path(), "api_endpoint:GET /x");
  Trace odd;
  odd.span("a", static_cast<model::SpanKind>(77), "GET /x").route("GET", "/x");
  EXPECT_EQ(odd.path(), "api_endpoint:GET /x");
}

TEST(EntersAService, NoServiceNameIsUnknownService) {
  Trace t;
  t.span("", kInternal);
  EXPECT_EQ(t.path(), "service:unknown_service");
}

TEST(EndpointRow, AnInternalSpanThatDoesNotEnterIsNoEndpoint) {
  Trace t;
  auto& entry = t.server("a", "GET", "/x");
  t.span("a", kInternal, "request handler - /y").route("GET", "/y").under(entry);
  EXPECT_EQ(t.path(), "api_endpoint:GET /x");
}

TEST(EndpointRow, AnInternalSpanThatEntersIs) {
  Trace t;
  auto& entry = t.server("a", "GET", "/x");
  t.span("b", kInternal, "handler").route("GET", "/y").under(entry);
  EXPECT_EQ(t.path(), "api_endpoint:GET /x->api_endpoint:GET /y");
}

TEST(EndpointRow, RpcIsServiceAndMethod) {
  Trace t;
  t.span("stock", kServer, "reserve").with("rpc.service", "shop.Stock").with("rpc.method", "Reserve");
  EXPECT_EQ(t.path(), "api_endpoint:shop.Stock/Reserve");
}

TEST(EndpointRow, AServiceThatCallsAnotherEndpointOfItselfShowsBoth) {
  Trace t;
  auto& entry = t.server("a", "GET", "/x");
  auto& call = t.client("a").under(entry).with("server.address", "a");
  t.server("a", "GET", "/y").under(call);
  EXPECT_EQ(t.path(), "api_endpoint:GET /x->api_endpoint:GET /y");
}

TEST(EndpointRow, RecursionIsOneNode) {
  Trace t;
  auto& entry = t.server("fib", "GET", "/fib/:n");
  auto& call = t.client("fib").under(entry).with("server.address", "fib");
  auto& inner = t.server("fib", "GET", "/fib/:n").under(call);
  auto& second = t.client("fib").under(inner).with("server.address", "fib");
  t.server("fib", "GET", "/fib/:n").under(second);
  EXPECT_EQ(t.path(), "api_endpoint:GET /fib/:n");
}

TEST(DatabaseRow, NamespaceOrElseTheSystem) {
  Trace t;
  auto& entry = t.server("a", "GET", "/");
  t.query("a", "orders").under(entry);
  t.span("a", kClient, "GET").with("db.system", "redis").with("db.namespace", "0").under(entry);
  EXPECT_EQ(t.path(), "api_endpoint:GET /->database:orders->database:redis");
}

TEST(DatabaseRow, ARootThatQueriesHasBothNodes) {
  Trace t;
  t.query("cron", "orders");
  EXPECT_EQ(t.path(), "service:cron->database:orders");
}

TEST(DatabaseRow, AnInternalRootWithRouteAndDatabaseHasBothNodes) {
  Trace t;
  t.span("a", kInternal).route("GET", "/x").with("db.system.name", "sqlite");
  EXPECT_EQ(t.path(), "api_endpoint:GET /x->database:sqlite");
}

TEST(DatabaseRow, AServerSpanIsNoDatabase) {
  Trace t;
  t.server("a", "GET", "/x").with("db.system.name", "sqlite");
  EXPECT_EQ(t.path(), "api_endpoint:GET /x");
}

TEST(DatabaseRow, NestedInstrumentationIsOneNode) {
  Trace t;
  auto& entry = t.server("a", "GET", "/");
  auto& outer = t.span("a", kInternal, "orm").with("db.system.name", "postgresql").with("db.namespace", "o").under(entry);
  t.query("a", "o").under(outer);
  EXPECT_EQ(t.path(), "api_endpoint:GET /->database:o");
  EXPECT_THAT(t.flow().calls, ElementsAre(1, 1));
}

TEST(TopicRow, APublisherThenItsConsumer) {
  Trace t;
  auto& entry = t.server("a", "POST", "/");
  auto& send = t.send("a", "t").under(entry);
  t.process("b", "t").under(send);
  EXPECT_EQ(t.path(), "api_endpoint:POST /->topic:t->service:b");
}

TEST(TopicRow, AConsumerWithoutItsProducerShowsTheTopicToo) {
  Trace t;
  auto& entry = t.server("a", "POST", "/");
  t.process("b", "t").under(entry);
  EXPECT_EQ(t.path(), "api_endpoint:POST /->topic:t->service:b");
}

TEST(TopicRow, AConsumerInsideTheProducersOwnService) {
  Trace t;
  auto& entry = t.server("a", "POST", "/");
  auto& send = t.send("a", "t").under(entry);
  t.process("a", "t").under(send);
  EXPECT_EQ(t.path(), "api_endpoint:POST /->topic:t->service:a");
}

TEST(TopicRow, AConsumerAsEntry) {
  Trace t;
  t.process("b", "t");
  EXPECT_EQ(t.path(), "topic:t->service:b");
  EXPECT_EQ(t.flow().family.entry_operation, "t process");
}

TEST(TopicRow, ReceiveAndSettleAreNoConsumption) {
  for (const char* operation : {"receive", "settle"}) {
    Trace t;
    auto& receive = t.process("b", "t").with("messaging.operation.type", operation);
    t.process("b", "t").under(receive);
    EXPECT_EQ(t.path(), "service:b->topic:t->service:b");
  }
}

TEST(TopicRow, AReceiveInAnotherServiceEntersIt) {
  Trace t;
  auto& entry = t.server("a", "POST", "/");
  auto& send = t.send("a", "t").under(entry);
  t.process("b", "t").with("messaging.operation.type", "receive").under(send);
  EXPECT_EQ(t.path(), "api_endpoint:POST /->topic:t->service:b");
}

TEST(TopicRow, AConsumerNestedInAConsumerRepeats) {
  Trace t;
  auto& outer = t.process("b", "t");
  t.process("b", "t").under(outer);
  EXPECT_EQ(t.path(), "topic:t->service:b");
}

TEST(TopicRow, ANestedProducerOfAnotherServiceRepeatsTheTopicButEnters) {
  Trace t;
  auto& entry = t.server("a", "POST", "/");
  auto& send = t.send("a", "t").under(entry);
  t.send("bridge", "t").under(send);
  EXPECT_EQ(t.path(), "api_endpoint:POST /->topic:t->service:bridge->topic:t");
}

TEST(TopicRow, AClientOrInternalSpanThatSends) {
  for (const char* operation : {"send", "publish", "create"}) {
    for (const auto kind : {kClient, kInternal}) {
      Trace t;
      auto& entry = t.server("a", "POST", "/");
      t.span("a", kind).with("messaging.destination", "t").with("messaging.operation", operation).under(entry);
      EXPECT_EQ(t.path(), "api_endpoint:POST /->topic:t");
    }
  }
}

TEST(TopicRow, AClientThatPollsIsNothing) {
  Trace t;
  auto& entry = t.server("a", "POST", "/");
  t.span("a", kClient, "poll").with("messaging.destination.name", "t").with("messaging.operation.type", "receive")
      .with("server.address", "kafka").under(entry);
  EXPECT_EQ(t.path(), "api_endpoint:POST /");
}

TEST(PeerRow, AnUninstrumentedDependencyByItsNames) {
  Trace t;
  auto& entry = t.server("a", "GET", "/");
  t.client("a").under(entry).with("peer.service", "stripe").with("server.address", "api.stripe.com");
  t.client("a").under(entry).with("server.address", "Api.Example.com");
  t.client("a").under(entry).with("url.full", "http://from.url:8080/x");
  t.client("a").under(entry).with("server.address", "10.0.0.7");
  t.client("a").under(entry);
  EXPECT_EQ(t.path(),
            "api_endpoint:GET /->service:stripe->service:api.example.com->service:from.url->service::ip");
}

TEST(PeerRow, AClientWithItsServerIsOneNodeTheServers) {
  Trace t;
  auto& entry = t.server("a", "GET", "/");
  auto& call = t.client("a").under(entry).with("server.address", "b");
  auto& inner = t.span("a", kInternal, "socket").under(call);
  t.server("b", "GET", "/y").under(inner);
  EXPECT_EQ(t.path(), "api_endpoint:GET /->api_endpoint:GET /y");
}

TEST(PeerRow, TheInnermostOfNestedClientsIsThePeer) {
  Trace t;
  auto& entry = t.server("a", "GET", "/");
  auto& outer = t.client("a").under(entry).with("server.address", "outer");
  auto& inner = t.client("a").under(outer).with("server.address", "inner");
  t.span("a", kClient, "dns.lookup").under(inner);
  EXPECT_EQ(t.path(), "api_endpoint:GET /->service:inner");
}

TEST(PeerRow, NotBelowADatabaseOrATopic) {
  Trace t;
  auto& entry = t.server("a", "GET", "/");
  auto& query = t.span("a", kInternal).with("db.system.name", "dynamodb").under(entry);
  t.client("a").under(query).with("server.address", "aws");
  auto& send = t.send("a", "t").under(entry);
  t.client("a").under(send).with("server.address", "sqs");
  EXPECT_EQ(t.path(), "api_endpoint:GET /->database:aws.dynamodb->topic:t");
}

TEST(PeerRow, AClientAsEntryIsServiceAndPeer) {
  Trace t;
  t.client("cron").with("server.address", "example.com");
  EXPECT_EQ(t.path(), "service:cron->service:example.com");
}

TEST(Repeats, ANodeOfAnotherServiceIsNoRepeatUnlessATopic) {
  Trace t;
  auto& entry = t.server("a", "GET", "/x");
  t.server("b", "GET", "/x").under(entry);
  EXPECT_EQ(t.path(), "api_endpoint:GET /x->api_endpoint:GET /x");
}

// ---- Shapes of real clients ---------------------------------------------------

TEST(RealClients, ExpressMiddlewaresAndPgAreNoExtraNodes) {
  Trace t;
  auto& request = t.server("gateway", "GET", "/checkout/:id");
  auto& middleware = t.span("gateway", kInternal, "middleware - patched").under(request);
  auto& handler = t.span("gateway", kInternal, "request handler - /checkout/:id").with("http.route", "/checkout/:id").under(middleware);
  auto& connect = t.span("gateway", kClient, "pg.connect").with("db.system.name", "postgresql").with("db.namespace", "shop").under(handler);
  t.span("gateway", kInternal, "tcp.connect").under(connect);
  t.span("gateway", kClient, "pg.query:SELECT shop").with("db.system.name", "postgresql").with("db.namespace", "shop").under(handler);
  auto& call = t.client("gateway").with("server.address", "items").under(handler);
  t.span("gateway", kInternal, "tcp.connect").under(call);
  t.server("items", "GET", "/items/:id").under(call);
  EXPECT_EQ(t.path(), "api_endpoint:GET /checkout/:id->database:shop->api_endpoint:GET /items/:id");
}

TEST(RealClients, FastApiSendSpansAreNothing) {
  Trace t;
  auto& request = t.span("api", kServer, "GET /items/{id}").with("http.method", "GET").with("http.route", "/items/{id}");
  t.span("api", kInternal, "GET /items/{id} http send").under(request);
  t.span("api", kInternal, "GET /items/{id} http send").under(request);
  EXPECT_EQ(t.path(), "api_endpoint:GET /items/:id");
}

TEST(RealClients, GoHasItsRouteInTheSpanName) {
  Trace t;
  auto& request = t.span("go", kServer, "GET /items/{id}").with("http.request.method", "GET").with("url.path", "/items/1");
  t.span("go", kClient, "HTTP GET").with("http.request.method", "GET").with("server.address", "b").under(request);
  EXPECT_EQ(t.path(), "api_endpoint:GET /items/:id->service:b");
}

TEST(RealClients, PythonOldConventions) {
  Trace t;
  auto& request = t.span("py", kServer, "GET /checkout/<int:id>").with("http.method", "GET")
      .with("http.target", "/checkout/7").with("http.route", "/checkout/<int:id>");
  t.span("py", kClient, "select").with("db.system", "sqlite").with("db.statement", "select 1").under(request);
  EXPECT_EQ(t.path(), "api_endpoint:GET /checkout/:id->database:sqlite");
}

TEST(RealClients, KafkaJsEachMessageSeven) {
  Trace t;
  auto& entry = t.server("a", "POST", "/");
  auto& send = t.span("a", kProducer, "t").with("messaging.system", "kafka").with("messaging.destination", "t").under(entry);
  auto& process = t.span("b", kConsumer, "t").with("messaging.system", "kafka").with("messaging.destination", "t")
      .with("messaging.operation", "process").under(send);
  t.query("b", "d").under(process);
  EXPECT_EQ(t.path(), "api_endpoint:POST /->topic:t->service:b->database:d");
}

TEST(RealClients, KafkaJsEachBatchPollIsSeenThrough) {
  Trace t;
  auto& poll = t.span("b", kClient, "poll t").with("messaging.system", "kafka").with("messaging.destination.name", "t")
      .with("messaging.operation.type", "receive");
  t.process("b", "t").under(poll);
  t.process("b", "t").under(poll);
  EXPECT_EQ(t.path(), "service:b->topic:t->service:b");
}

TEST(RealClients, KafkaPythonNamesNoOperation) {
  Trace t;
  auto& entry = t.server("a", "POST", "/");
  auto& send = t.span("a", kProducer, "t send").with("messaging.system", "kafka").with("messaging.destination", "t").under(entry);
  t.span("b", kConsumer, "t receive").with("messaging.system", "kafka").with("messaging.destination", "t").under(send);
  EXPECT_EQ(t.path(), "api_endpoint:POST /->topic:t->service:b");
}

TEST(RealClients, ConfluentRecvWrapsProcess) {
  Trace t;
  auto& recv = t.span("b", kConsumer, "recv");
  t.span("b", kConsumer, "t process").with("messaging.system", "kafka").with("messaging.destination", "t")
      .with("messaging.operation", "process").under(recv);
  EXPECT_EQ(t.path(), "service:b->topic:t->service:b");
}

TEST(RealClients, JavaAgentPublishAndProcess) {
  Trace t;
  auto& entry = t.server("a", "POST", "/");
  auto& publish = t.span("a", kProducer, "t publish").with("messaging.system", "kafka")
      .with("messaging.destination.name", "t").with("messaging.operation", "publish").under(entry);
  t.span("b", kConsumer, "t process").with("messaging.system", "kafka").with("messaging.destination.name", "t")
      .with("messaging.operation", "process").with("messaging.destination.partition.id", "3").under(publish);
  EXPECT_EQ(t.path(), "api_endpoint:POST /->topic:t->service:b");
}

TEST(RealClients, ADnsLookupIsATraceOfItsOwn) {
  Trace t;
  t.span("node", kClient, "dns.lookup");
  EXPECT_EQ(t.path(), "service:node");
}

}  // namespace
}  // namespace testmesh::discovery
