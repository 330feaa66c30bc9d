#include "discovery/names.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "discovery/text_class.h"

namespace testmesh::discovery {
namespace {

using model::SpanKind;

// span(SpanKind::kServer).with("http.route", "/x").names()
class SpanText {
 public:
  explicit SpanText(SpanKind kind, std::string name = "work") : name_(std::move(name)) { span_.kind = kind; }

  SpanText& with(std::string_view key, std::string value) {
    const auto slot = slot_of(key);
    EXPECT_TRUE(slot) << key;
    if (slot) values_.emplace_back(*slot, std::move(value));
    return *this;
  }
  SpanNames names() {
    span_.name = name_;
    for (const auto& [slot, value] : values_) span_.values[static_cast<size_t>(slot)] = value;
    return names_of(span_);
  }

 private:
  std::string name_;
  std::vector<std::pair<Slot, std::string>> values_;
  SpanDescription span_;
};

SpanText span(SpanKind kind, std::string name = "work") { return SpanText(kind, std::move(name)); }
SpanText server(std::string name = "work") { return span(SpanKind::kServer, std::move(name)); }
SpanText client(std::string name = "work") { return span(SpanKind::kClient, std::move(name)); }

// ---- Routes -----------------------------------------------------------------

TEST(Routes, ParametersAreEqualHoweverSpelled) {
  for (const char* id : {":id",
                         "{id}",
                         "<id>",
                         "[id]",
                         "{id:int}",
                         "<int:id>",
                         ":id(\\d+)",
                         ":id?",
                         "{*id}",
                         "*",
                         "{id?}",
                         "{id=5}",
                         "{id:[^/]+}",
                         "{id:[0-9]{1,5}}",
                         "{id...}",
                         "{**id}",
                         "[...id]",
                         "[[id]]",
                         "[[...id]]",
                         "[id=integer]",
                         "{id:int:min(1)}",
                         "{id+}",
                         ":id*",
                         ":id+",
                         ":id(\\d+)?",
                         ":id<int>",
                         "{ id }",
                         "{id : \\d+}",
                         "*id",
                         "**",
                         "<id:int>",
                         "<id:\\d+>",
                         "{}",
                         "{*}",
                         "{+id}",
                         "<any(a,b):id>",
                         "<regex(\"[a-z]:x\"):id>",
                         "(?P<id>\\d+)",
                         "{id*2}",
                         ":id(.:format)"})
    EXPECT_EQ(template_route(std::string("/users/") + id + "/orders"), "/users/:id/orders") << id;
}

TEST(Routes, KeepTheParametersOwnName) {
  EXPECT_EQ(template_route("/orders/{orderId}"), "/orders/:orderId");
  EXPECT_EQ(template_route("/orders/<uuid:order_id>/lines/:line-no"), "/orders/:order_id/lines/:line-no");
  EXPECT_EQ(template_route("/<string:path>/<path:path>/<int:uuid>"), "/:path/:path/:uuid");
}

TEST(Routes, OnlyAWholeSegmentIsAParameter) {
  for (const char* route :
       {"/files/{name}.{ext}", "/v{version}/x", "/a/:from-:to", "/a/x:id", "/a/{id}-x", "/a/*.jpg", "/a/{id",
        "/a/id}", "/a/<id", "/a/(x)", "/a/:", "/a/{a}{b}", "/a/{a,b}"})
    EXPECT_EQ(template_route(route), route);
}

TEST(Routes, EmptySegmentsGo) {
  EXPECT_EQ(template_route("users/{id}/"), "/users/:id");
  EXPECT_EQ(template_route("//users///x//"), "/users/x");
  EXPECT_EQ(template_route("/items/{$}"), "/items");
  EXPECT_EQ(template_route("/"), "/");
}

TEST(Routes, ValuesInARouteStay) { EXPECT_EQ(template_route("/v2/42/{id}"), "/v2/42/:id"); }

// ---- Paths ------------------------------------------------------------------

TEST(Paths, SegmentsThatAreIdsBecomeId) {
  for (const char* id :
       {"0", "42", "-7", "123456789012345678901234567890", "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        "6BA7B810-9DAD-11D1-80B4-00C04FD430C8", "deadbeefdeadbeef", "DEADBEEFdeadbeef01",
        "01ARZ3NDEKTSV4RRFFQ69G5FAV", "01arz3ndektsv4rrffq69g5fav", "abcdefg1", "1ABCDEFG", "order12345"})
    EXPECT_EQ(template_path(std::string("/x/") + id), "/x/:id") << id;
}

TEST(Paths, OtherSegmentsStay) {
  for (const char* word : {"users", "v1", "abc1234", "abcdefgh", "order-12345", "1.5", "deadbeefdeadbee",
                           "product_12345", "4x", "6ba7b810-9dad-11d1-80b4-00c04fd430c", "{id}", ":id",
                           "caf\xc3\xa9"
                           "12345",
                           "-", "users1!aaaa"})
    EXPECT_EQ(template_path(std::string("/x/") + word), std::string("/x/") + word) << word;
}

TEST(Paths, QueryAndFragmentNeverCount) {
  EXPECT_EQ(template_path("/items/7?sort=a/b"), "/items/:id");
  EXPECT_EQ(template_path("/items#7"), "/items");
  EXPECT_EQ(template_path("?x=1"), "/");
}

TEST(Paths, EmptySegmentsGo) {
  EXPECT_EQ(template_path("//items//7/"), "/items/:id");
  EXPECT_EQ(template_path(""), "/");
}

// ---- Span names -------------------------------------------------------------

TEST(SpanNames, AreTemplatedWordByWord) {
  EXPECT_EQ(template_span_name("job 42 of 6ba7b810-9dad-11d1-80b4-00c04fd430c8"), "job :id of :id");
  EXPECT_EQ(template_span_name("run deadbeefdeadbeef 01ARZ3NDEKTSV4RRFFQ69G5FAV"), "run :id :id");
  EXPECT_EQ(template_span_name("send order-42  now\t7"), "send order-42  now\t:id");
}

TEST(SpanNames, WordsOfLettersAndDigitsStayOutsidePaths) {
  EXPECT_EQ(template_span_name("invoke handler2000"), "invoke handler2000");
  EXPECT_EQ(template_span_name("GET /x/handler2000"), "GET /x/:id");
}

TEST(SpanNames, AWordThatStartsWithASlashIsARouteAndAPathAtOnce) {
  EXPECT_EQ(template_span_name("GET /users/42/orders/{orderId}/?x=1"), "GET /users/:id/orders/:orderId");
  EXPECT_EQ(template_span_name("request handler - /items/:id?"), "request handler - /items/:id");
  EXPECT_EQ(template_span_name("GET /items/:id?x=1/2"), "GET /items/:id");
  EXPECT_EQ(template_span_name("GET /"), "GET /");
}

TEST(SpanNames, OldHttpNamesAreTheNewOnes) {
  EXPECT_EQ(template_span_name("HTTP GET"), "GET");
  EXPECT_EQ(template_span_name("HTTP POST"), "POST");
  EXPECT_EQ(template_span_name("HTTP nonsense"), "HTTP nonsense");
  EXPECT_EQ(template_span_name("HTTP"), "HTTP");
}

// ---- Endpoints --------------------------------------------------------------

TEST(Endpoint, IsMethodAndRoute) {
  const auto names = server().with("http.request.method", "GET").with("http.route", "users/{id}/").names();
  EXPECT_EQ(names.endpoint, "GET /users/:id");
  EXPECT_EQ(names.method, "GET");
  EXPECT_EQ(names.route, "/users/:id");
  EXPECT_FALSE(names.route_from_path);
}

TEST(Endpoint, MethodsAreUpperCaseAndUnknownOnesOther) {
  EXPECT_EQ(server().with("http.method", "post").with("http.route", "/a").names().endpoint, "POST /a");
  EXPECT_EQ(server().with("http.method", "BREW").with("http.route", "/a").names().endpoint, "_OTHER /a");
  EXPECT_EQ(server().with("http.method", "_OTHER").with("http.route", "/a").names().endpoint, "_OTHER /a");
}

TEST(Endpoint, NewConventionsWinAndEmptyIsAbsent) {
  EXPECT_EQ(server()
                .with("http.method", "GET")
                .with("http.request.method", "PUT")
                .with("http.route", "/a")
                .names()
                .method,
            "PUT");
  EXPECT_EQ(server()
                .with("http.method", "GET")
                .with("http.request.method", "")
                .with("http.route", "/a")
                .names()
                .method,
            "GET");
  EXPECT_EQ(
      server().with("http.method", "GET").with("url.path", "/new").with("http.target", "/old").names().route,
      "/new");
  EXPECT_EQ(server()
                .with("http.method", "GET")
                .with("url.full", "http://h/new")
                .with("http.url", "http://h/old")
                .names()
                .route,
            "/new");
}

TEST(Endpoint, WithoutARouteTheSpanNameHasItIfThatHasAParameter) {
  const auto names =
      server("GET /items/{id}").with("http.request.method", "GET").with("url.path", "/items/abc").names();
  EXPECT_EQ(names.endpoint, "GET /items/:id");
  EXPECT_FALSE(names.route_from_path);
  EXPECT_EQ(server("GET /items/abc")
                .with("http.request.method", "GET")
                .with("url.path", "/items/42")
                .names()
                .endpoint,
            "GET /items/:id");
  EXPECT_EQ(server("GET /{$}").with("http.request.method", "GET").with("url.path", "/").names().endpoint,
            "GET /");
  EXPECT_EQ(
      server("call /items/{id}").with("http.request.method", "GET").with("url.path", "/y").names().endpoint,
      "GET /y");
}

TEST(Endpoint, ARouteWinsOverTheSpanName) {
  EXPECT_EQ(server("GET /items/{id}").with("http.method", "GET").with("http.route", "/x").names().route,
            "/x");
}

TEST(Endpoint, ElseThePathIsTemplated) {
  const auto names = server("GET").with("http.method", "GET").with("http.target", "/items/42?x=1").names();
  EXPECT_EQ(names.endpoint, "GET /items/:id");
  EXPECT_TRUE(names.route_from_path);
}

TEST(Endpoint, WithoutAPathTheUrlHasOne) {
  const auto route = [](const char* url) {
    return server().with("http.method", "GET").with("http.url", url).names().route;
  };
  EXPECT_EQ(route("https://u:p@shop.example:8443/items/42?x=/y#z"), "/items/:id");
  EXPECT_EQ(route("http://shop.example"), "/");
  EXPECT_EQ(route("http://shop.example?a=/b"), "/");
  EXPECT_EQ(route("/items/7?next=http://x/y"), "/items/:id");
  EXPECT_TRUE(server().with("http.method", "GET").with("http.url", "http://h/a").names().route_from_path);
  EXPECT_EQ(server().with("http.method", "GET").with("http.target", "http://h/a/7").names().route, "/a/:id");
}

TEST(Endpoint, WithoutMethodOrPathThereIsNone) {
  EXPECT_EQ(server("GET /items/{id}").with("http.route", "/x").with("url.path", "/x").names().endpoint, "");
  EXPECT_EQ(server().with("http.method", "GET").names().endpoint, "");
  EXPECT_EQ(server().with("http.method", "GET").names().method, "");
}

TEST(Endpoint, OfRpcIsServiceAndMethod) {
  EXPECT_EQ(server().with("rpc.service", "shop.Cart").with("rpc.method", "Add").names().endpoint,
            "shop.Cart/Add");
  EXPECT_EQ(server().with("rpc.service", "shop.Cart").with("rpc.method", "shop.Cart/Add").names().endpoint,
            "shop.Cart/Add");
  EXPECT_EQ(server().with("rpc.method", "Add").names().endpoint, "Add");
  EXPECT_EQ(server().with("rpc.service", "shop.Cart").names().endpoint, "");
}

TEST(Endpoint, OfHttpComesBeforeRpc) {
  const auto both =
      server().with("http.method", "POST").with("url.path", "/x").with("rpc.method", "a.B/C").names();
  EXPECT_EQ(both.endpoint, "POST /x");
  EXPECT_EQ(server().with("http.method", "POST").with("rpc.method", "a.B/C").names().endpoint, "a.B/C");
}

TEST(Endpoint, BelongsToServerAndInternalSpans) {
  for (const SpanKind kind : {SpanKind::kInternal, SpanKind::kUnspecified, static_cast<SpanKind>(17)})
    EXPECT_EQ(span(kind).with("http.method", "GET").with("http.route", "/x").names().endpoint, "GET /x");
  for (const SpanKind kind : {SpanKind::kClient, SpanKind::kProducer, SpanKind::kConsumer})
    EXPECT_EQ(span(kind).with("http.method", "GET").with("http.route", "/x").names().endpoint, "");
}

// ---- Databases --------------------------------------------------------------

TEST(Database, IsTheNamespaceElseTheSystem) {
  EXPECT_EQ(client().with("db.system.name", "postgresql").with("db.namespace", "shop").names().database,
            "shop");
  EXPECT_EQ(client().with("db.system", "sqlite").with("db.name", "old").names().database, "old");
  EXPECT_EQ(client().with("db.system", "sqlite").names().database, "sqlite");
  EXPECT_EQ(client().with("db.namespace", "shop").names().database, "");
}

TEST(Database, ANamespaceOfDigitsIsNone) {
  EXPECT_EQ(client().with("db.system.name", "redis").with("db.namespace", "0").names().database, "redis");
  EXPECT_EQ(client().with("db.system.name", "redis").with("db.namespace", "0a").names().database, "0a");
}

TEST(Database, RenamedSystemsGetTheNewName) {
  const std::pair<const char*, const char*> renamed[] = {{"mssql", "microsoft.sql_server"},
                                                         {"dynamodb", "aws.dynamodb"},
                                                         {"cosmosdb", "azure.cosmosdb"},
                                                         {"redshift", "aws.redshift"},
                                                         {"spanner", "gcp.spanner"},
                                                         {"firebird", "firebirdsql"},
                                                         {"ingres", "actian.ingres"},
                                                         {"hanadb", "sap.hana"},
                                                         {"adabas", "softwareag.adabas"},
                                                         {"maxdb", "sap.maxdb"},
                                                         {"oracle", "oracle.db"},
                                                         {"db2", "ibm.db2"},
                                                         {"informix", "ibm.informix"},
                                                         {"netezza", "ibm.netezza"},
                                                         {"h2", "h2database"},
                                                         {"cache", "intersystems.cache"},
                                                         {"intersystems_cache", "intersystems.cache"},
                                                         {"mysql", "mysql"},
                                                         {"aws.dynamodb", "aws.dynamodb"}};
  for (const auto& [old_name, new_name] : renamed)
    EXPECT_EQ(client().with("db.system", old_name).names().database, new_name);
}

TEST(Database, BelongsToClientAndInternalSpans) {
  EXPECT_EQ(span(SpanKind::kInternal).with("db.system", "sqlite").names().database, "sqlite");
  for (const SpanKind kind : {SpanKind::kServer, SpanKind::kProducer, SpanKind::kConsumer})
    EXPECT_EQ(span(kind).with("db.system", "sqlite").names().database, "");
}

// ---- Messaging --------------------------------------------------------------

TEST(Topic, TemplateThenNameThenOldNameThenRoutingKey) {
  const std::vector<std::string> keys{"messaging.destination.template", "messaging.destination.name",
                                      "messaging.destination", "messaging.rabbitmq.destination.routing_key",
                                      "messaging.rabbitmq.routing_key"};
  for (size_t first = 0; first < keys.size(); ++first) {
    auto producer = span(SpanKind::kProducer);
    for (size_t i = first; i < keys.size(); ++i) producer.with(keys[i], keys[i]);
    EXPECT_EQ(producer.names().topic, keys[first]);
  }
}

TEST(Topic, StaysAsSent) {
  EXPECT_EQ(span(SpanKind::kProducer).with("messaging.destination.name", "Orders-42/x").names().topic,
            "Orders-42/x");
}

TEST(Topic, AProducerSendsWhateverItsOperation) {
  EXPECT_TRUE(span(SpanKind::kProducer).with("messaging.destination", "t").names().sends);
  EXPECT_TRUE(span(SpanKind::kProducer)
                  .with("messaging.destination", "t")
                  .with("messaging.operation", "receive")
                  .names()
                  .sends);
  EXPECT_FALSE(span(SpanKind::kProducer).with("messaging.operation", "publish").names().sends);
}

TEST(Topic, AClientOrInternalSpanSendsByItsOperation) {
  for (const SpanKind kind : {SpanKind::kClient, SpanKind::kInternal, SpanKind::kUnspecified}) {
    for (const char* operation : {"send", "publish", "create"}) {
      const auto names =
          span(kind).with("messaging.destination", "t").with("messaging.operation", operation).names();
      EXPECT_TRUE(names.sends);
      EXPECT_EQ(names.topic, "t");
    }
    for (const char* operation : {"receive", "process", "settle", "Send"})
      EXPECT_EQ(
          span(kind).with("messaging.destination", "t").with("messaging.operation", operation).names().topic,
          "");
    EXPECT_FALSE(span(kind).with("messaging.destination", "t").names().sends);
  }
}

TEST(Topic, ADatabaseComesFirst) {
  const auto names = client()
                         .with("db.system", "redis")
                         .with("messaging.destination", "t")
                         .with("messaging.operation", "send")
                         .names();
  EXPECT_EQ(names.database, "redis");
  EXPECT_FALSE(names.sends);
}

TEST(Topic, AConsumerReceivesSettlesOrProcesses) {
  const auto consumer = [](const char* key, const char* operation) {
    return span(SpanKind::kConsumer).with("messaging.destination.name", "t").with(key, operation).names();
  };
  EXPECT_TRUE(consumer("messaging.operation.type", "receive").receives_or_settles);
  EXPECT_TRUE(consumer("messaging.operation", "settle").receives_or_settles);
  EXPECT_FALSE(consumer("messaging.operation", "process").receives_or_settles);
  EXPECT_EQ(consumer("messaging.operation", "process").topic, "t");
  EXPECT_FALSE(consumer("messaging.operation", "process").sends);
}

// ---- Peers ------------------------------------------------------------------

TEST(Peer, ServiceNameThenAddressThenTheUrlsHost) {
  EXPECT_EQ(client()
                .with("service.peer.name", "Pay")
                .with("peer.service", "old")
                .with("server.address", "h")
                .names()
                .peer,
            "Pay");
  EXPECT_EQ(client().with("peer.service", "Old:80").with("server.address", "h").names().peer, "Old:80");
  EXPECT_EQ(client().with("server.address", "new").with("net.peer.name", "old").names().peer, "new");
  EXPECT_EQ(client().with("net.peer.name", "old").with("url.full", "http://x/").names().peer, "old");
  EXPECT_EQ(client().with("http.url", "https://u:p@X.example:8443/a?b=c@d").names().peer, "x.example");
  EXPECT_EQ(client().with("url.full", "/relative").names().peer, "");
  EXPECT_EQ(client().names().peer, "");
}

TEST(Peer, HostsAreLowerCaseWithoutPort) {
  EXPECT_EQ(client().with("server.address", "API.Example.COM:443").names().peer, "api.example.com");
  EXPECT_EQ(client().with("server.address", "/Var/run/x.sock").names().peer, "/Var/run/x.sock");
}

TEST(Peer, AnIpAddressIsIp) {
  for (const char* ip : {"10.0.0.1", "10.0.0.1:80", "::1", "[::1]", "[::1]:80", "fe80::1%eth0", "2001:DB8::7",
                         "::ffff:1.2.3.4"})
    EXPECT_EQ(client().with("server.address", ip).names().peer, ":ip") << ip;
  EXPECT_EQ(client().with("url.full", "http://[::1]:8080/a").names().peer, ":ip");
  EXPECT_EQ(client().with("server.address", "10.0.0").names().peer, "10.0.0");
  EXPECT_EQ(client().with("service.peer.name", "10.0.0.1").names().peer, "10.0.0.1");
}

TEST(Peer, NoneWithADatabaseOrMessagingAttribute) {
  for (const char* key :
       {"db.system.name", "db.system", "db.namespace", "db.name", "messaging.system",
        "messaging.destination.template", "messaging.destination.name", "messaging.destination",
        "messaging.rabbitmq.destination.routing_key", "messaging.rabbitmq.routing_key",
        "messaging.operation.type", "messaging.operation"})
    EXPECT_EQ(client().with("server.address", "h").with(key, "x").names().peer, "") << key;
}

TEST(Peer, OnlyOfAClient) {
  for (const SpanKind kind :
       {SpanKind::kServer, SpanKind::kProducer, SpanKind::kConsumer, SpanKind::kInternal})
    EXPECT_EQ(span(kind).with("server.address", "h").names().peer, "");
}

// ---- Flags ------------------------------------------------------------------

TEST(TestSpans, ByNameOrAttribute) {
  EXPECT_TRUE(span(SpanKind::kInternal, "testmesh.run").names().is_test);
  EXPECT_TRUE(span(SpanKind::kServer, "execution.step").names().is_test);
  EXPECT_TRUE(server().with("testmesh.execution.id", "1").names().is_test);
  EXPECT_FALSE(server("testmesh").names().is_test);
  EXPECT_FALSE(server("executions.x").names().is_test);
}

TEST(Resends, ByACountAboveZero) {
  EXPECT_TRUE(client().with("http.request.resend_count", "1").names().is_resend);
  for (const char* count : {"0", "00", "-1", "x", ""})
    EXPECT_FALSE(client().with("http.request.resend_count", count).names().is_resend) << count;
}

// ---- Slots ------------------------------------------------------------------

TEST(Slots, UnknownKeysHaveNone) {
  EXPECT_EQ(slot_of("url.full"), Slot::kUrlFull);
  EXPECT_EQ(slot_of("db.name"), Slot::kDbName);
  EXPECT_EQ(slot_of("db.statement"), Slot::kDbStatement);
  EXPECT_FALSE(slot_of("db.statements"));
  EXPECT_FALSE(slot_of(""));
  EXPECT_FALSE(slot_of("zzz"));
}

SlotSet slots(std::initializer_list<Slot> list) {
  SlotSet set;
  for (const Slot slot : list) set.set(static_cast<size_t>(slot));
  return set;
}

TEST(RelevantSlots, IdsInUrlsNobodyReadsDoNotMatter) {
  const auto http = slots(
      {Slot::kHttpRequestMethod, Slot::kHttpRoute, Slot::kUrlPath, Slot::kUrlFull, Slot::kServerAddress});
  EXPECT_EQ(relevant_slots(SpanKind::kServer, http), slots({Slot::kHttpRequestMethod, Slot::kHttpRoute}));
  EXPECT_EQ(relevant_slots(SpanKind::kClient, http), slots({Slot::kServerAddress}));
  EXPECT_EQ(relevant_slots(SpanKind::kConsumer, http), SlotSet{});
  EXPECT_EQ(relevant_slots(SpanKind::kServer, slots({Slot::kUrlPath})), SlotSet{});
}

TEST(RelevantSlots, PathsDoNotMatterWhereTheNameHasTheRoute) {
  const auto go = slots({Slot::kHttpRequestMethod, Slot::kUrlPath, Slot::kHttpTarget, Slot::kUrlFull,
                         Slot::kHttpUrl, Slot::kRpcMethod});
  for (const SpanKind kind : {SpanKind::kServer, SpanKind::kInternal}) {
    for (const char* name : {"GET /items/{id}", "/items/:id"})
      EXPECT_EQ(relevant_slots(kind, go, name), slots({Slot::kHttpRequestMethod})) << name;
    for (const char* name : {"", "GET", "GET /items", "GET /items/1", "list /items/{id}"})
      EXPECT_EQ(relevant_slots(kind, go, name), slots({Slot::kHttpRequestMethod, Slot::kUrlPath})) << name;
  }
  // Without a method the name says nothing; a client's nobody reads.
  EXPECT_EQ(relevant_slots(SpanKind::kServer, slots({Slot::kUrlPath, Slot::kRpcMethod}), "GET /items/{id}"),
            slots({Slot::kRpcMethod}));
  EXPECT_EQ(
      relevant_slots(SpanKind::kClient, slots({Slot::kHttpRequestMethod, Slot::kUrlFull}), "GET /items/{id}"),
      slots({Slot::kUrlFull}));
}

// Random spans over values that mean something.
class RandomSpans {
 public:
  explicit RandomSpans(uint64_t seed) : random_(seed) {}

  std::string_view value() {
    static constexpr std::string_view kValues[] = {
        "GET",    "post",   "/users/{id}", "/users/42", "http://Shop:1/x/7",
        "redis",  "mssql",  "0",           "send",      "receive",
        "settle", "create", "a.B/C",       "host",      "::1",
        "1",      "insert"};
    return kValues[below(std::size(kValues))];
  }
  SpanDescription span() {
    static constexpr std::string_view kNames[] = {"GET /items/{id}", "GET",    "HTTP GET",
                                                  "/x/{y}",          "job 42", "testmesh.x"};
    SpanDescription description;
    description.kind = static_cast<SpanKind>(below(7));
    description.name = kNames[below(std::size(kNames))];
    const size_t one_in = 1 + below(8);
    for (auto& slot : description.values)
      if (below(one_in) == 0) slot = value();
    return description;
  }
  size_t below(size_t end) { return random_() % end; }

 private:
  std::mt19937_64 random_;
};

SlotSet present_in(const SpanDescription& span) {
  SlotSet present;
  for (size_t i = 0; i < kSlotCount; ++i) present.set(i, !span.values[i].empty());
  return present;
}

TEST(RelevantSlots, NoOtherValueCanChangeAName) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  RandomSpans random(seed);
  for (int round = 0; round < 30'000; ++round) {
    const SpanDescription span = random.span();
    // A caller may not know the name.
    const std::string_view name = round % 2 ? span.name : std::string_view();
    const SlotSet relevant = relevant_slots(span.kind, present_in(span), name);
    ASSERT_TRUE((relevant & ~present_in(span)).none());
    SpanDescription changed = span;
    SpanDescription without = span;
    for (size_t i = 0; i < kSlotCount; ++i) {
      if (relevant.test(i) || span.values[i].empty()) continue;
      changed.values[i] = random.value();
      without.values[i] = {};
    }
    ASSERT_EQ(names_of(changed), names_of(span));
    // Spans with the same relevant values may differ in what else they have.
    ASSERT_EQ(names_of(without), names_of(span));
  }
}

TEST(Names, AreStableUnderTemplatingAgain) {
  for (const char* route : {"/users/{id}/*", "/a/:b/c", "/", "/{x:int}/y"}) {
    const std::string once = template_route(route);
    EXPECT_EQ(template_route(once), once);
    EXPECT_EQ(template_path(once), once);
    EXPECT_EQ(template_span_name("GET " + once), "GET " + once);
  }
}

}  // namespace
}  // namespace testmesh::discovery
