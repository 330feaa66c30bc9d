// Each feature of a description, as it shows in the spans.
#include <map>
#include <set>

#include "simulate/testing/simulate_fixture.h"

namespace testmesh::simulate {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<model::Span> first_trace(const System& system) {
  return spans_of(system, Planner(system, 1).plan(0));
}

const model::Span& of_kind(const std::vector<model::Span>& spans, model::SpanKind kind) {
  const auto found = std::ranges::find(spans, kind, &model::Span::kind);
  EXPECT_NE(found, spans.end());
  return *found;
}

std::string resource_text(const model::Span& span, std::string_view key) {
  model::Span holder;
  holder.attributes = span.resource->attributes;
  return text_at(holder, key);
}

System with_language(System system, const std::string& language,
                     Conventions conventions = Conventions::kNew) {
  for (Service& service : system.phases[0].services) {
    service.language = language;
    service.conventions = conventions;
  }
  return system;
}

TEST(Spans, ACallIsAClientSpanAndTheServerSpanBelowIt) {
  const System system = shop_that("- call: user GET /users/{id}");
  const auto spans = first_trace(system);
  ASSERT_THAT(spans, SizeIs(3));
  const model::Span& client = of_kind(spans, model::SpanKind::kClient);
  EXPECT_EQ(client.name, "GET");
  EXPECT_EQ(text_at(client, "http.request.method"), "GET");
  EXPECT_EQ(text_at(client, "server.address"), "user");
  EXPECT_EQ(text_at(client, "http.response.status_code"), "200");
  EXPECT_EQ(client.status, model::StatusCode::kUnset);
  const auto server = std::ranges::find(spans, client.span_id, &model::Span::parent_span_id);
  ASSERT_NE(server, spans.end());
  EXPECT_EQ(server->kind, model::SpanKind::kServer);
  EXPECT_EQ(server->name, "GET /users/{id}");
  EXPECT_EQ(text_at(*server, "http.route"), "/users/{id}");
  EXPECT_EQ("http://user" + text_at(*server, "url.path"), text_at(client, "url.full"));
  EXPECT_EQ(resource_text(*server, "service.name"), "user");
  EXPECT_EQ(resource_text(client, "service.name"), "shop");
  EXPECT_EQ(server->flags, 0x301u);
  EXPECT_EQ(client.flags, 0x101u);
}

TEST(Spans, IdsAndPathsAreFreshInEveryTrace) {
  const System system = shop_that("- call: user GET /users/{id}");
  const Planner planner(system, 1);
  std::set<std::string> urls, traces, ids;
  for (uint64_t i = 0; i < 100; ++i)
    for (const model::Span& span : spans_of(system, planner.plan(i))) {
      traces.insert(span.trace_id.to_hex());
      ids.insert(span.span_id.to_hex());
      if (span.kind == model::SpanKind::kClient) urls.insert(text_at(span, "url.full"));
    }
  EXPECT_EQ(traces.size(), 100u);
  EXPECT_EQ(ids.size(), 300u);
  EXPECT_GT(urls.size(), 95u);
}

TEST(Spans, OldConventionsUseTheOldNames) {
  const auto spans =
      first_trace(with_language(shop_that("- call: user GET /users/{id}\n- db: microsoft.sql_server shop\n  "
                                          "reads: items\n- publish: order.created"),
                                "python", Conventions::kOld));
  for (const model::Span& span : spans) {
    EXPECT_EQ(text_at(span, "http.request.method"), "");
    EXPECT_EQ(text_at(span, "db.system.name"), "");
    EXPECT_EQ(text_at(span, "messaging.destination.name"), "");
    EXPECT_EQ(span.flags & 1, 0u) << "Python's SDK does not set the sampled bit";
  }
  const model::Span& server = of_kind(spans, model::SpanKind::kServer);
  EXPECT_EQ(text_at(server, "http.method"), "POST");
  EXPECT_EQ(text_at(server, "http.target"), "/orders");
  EXPECT_EQ(text_at(server, "http.status_code"), "200");
  const auto database =
      std::ranges::find_if(spans, [](const auto& s) { return text_at(s, "db.system") != ""; });
  ASSERT_NE(database, spans.end());
  EXPECT_EQ(text_at(*database, "db.system"), "mssql");
  EXPECT_EQ(text_at(*database, "db.name"), "shop");
  EXPECT_EQ(text_at(*database, "db.statement"), "SELECT * FROM items WHERE id = ?");
  EXPECT_EQ(text_at(of_kind(spans, model::SpanKind::kProducer), "messaging.destination"), "order.created");
}

TEST(Spans, DatabasesSayWhatWasAsked) {
  const auto spans = first_trace(shop_that("- db: postgresql shop\n  writes: orders"));
  const model::Span& span = of_kind(spans, model::SpanKind::kClient);
  EXPECT_EQ(span.name, "INSERT orders");
  EXPECT_EQ(text_at(span, "db.system.name"), "postgresql");
  EXPECT_EQ(text_at(span, "db.namespace"), "shop");
  EXPECT_EQ(text_at(span, "db.operation.name"), "INSERT");
  EXPECT_EQ(text_at(span, "db.query.text"), "INSERT INTO orders (id, data) VALUES (?, ?)");
  EXPECT_EQ(text_at(span, "server.port"), "5432");
}

TEST(Spans, TopicsHaveAProducerAndConsumers) {
  const auto spans = first_trace(shop_that("- publish: order.created"));
  const model::Span& producer = of_kind(spans, model::SpanKind::kProducer);
  const model::Span& consumer = of_kind(spans, model::SpanKind::kConsumer);
  EXPECT_EQ(consumer.parent_span_id, producer.span_id);
  EXPECT_EQ(text_at(producer, "messaging.destination.name"), "order.created");
  EXPECT_EQ(text_at(producer, "messaging.operation.type"), "send");
  EXPECT_EQ(text_at(consumer, "messaging.system"), "kafka");
  EXPECT_EQ(text_at(consumer, "messaging.operation.type"), "process");
  EXPECT_EQ(resource_text(consumer, "service.name"), "stock");
}

TEST(Spans, RpcIsNamedByServiceAndMethod) {
  const auto spans = first_trace(shop_that("- call: user rpc shop.Users/Find\n  fails: 100%"));
  const model::Span& client = of_kind(spans, model::SpanKind::kClient);
  EXPECT_EQ(client.name, "shop.Users/Find");
  EXPECT_EQ(text_at(client, "rpc.service"), "shop.Users");
  EXPECT_EQ(text_at(client, "rpc.method"), "Find");
  EXPECT_EQ(text_at(client, "rpc.grpc.status_code"), "14");
  EXPECT_EQ(client.status, model::StatusCode::kError);
}

TEST(Spans, LanguagesShow) {
  const System system = shop_that("- call: user GET /users/{id}\n- db: postgresql shop");
  const auto go = first_trace(with_language(system, "go"));
  EXPECT_EQ(text_at(of_kind(go, model::SpanKind::kServer), "http.route"), "") << "otelhttp sends no route";
  EXPECT_EQ(of_kind(go, model::SpanKind::kServer).name, "POST /orders");
  EXPECT_EQ(of_kind(go, model::SpanKind::kClient).name, "HTTP GET");
  const auto node = first_trace(with_language(system, "nodejs"));
  EXPECT_NE(std::ranges::find(node, "pg.query:SELECT shop", &model::Span::name), node.end());
  EXPECT_EQ(of_kind(node, model::SpanKind::kServer).scope->name, "@opentelemetry/instrumentation-http");
}

TEST(Spans, AGatewayMayNameNoRoute) {
  System system = shop_that("- call: user GET /users/{id}");
  system.phases[0].services[0].names_routes = false;
  const auto spans = first_trace(system);
  const auto entry = std::ranges::find(spans, model::SpanId(), &model::Span::parent_span_id);
  ASSERT_NE(entry, spans.end());
  EXPECT_EQ(entry->name, "POST");
  for (const char* key : {"http.route", "url.path", "url.full"}) EXPECT_EQ(text_at(*entry, key), "") << key;
}

TEST(Spans, FailuresSayWhatWentWrong) {
  const auto spans = first_trace(shop_that("- db: postgresql shop\n  fails: 100%"));
  const model::Span& query = of_kind(spans, model::SpanKind::kClient);
  EXPECT_EQ(query.status, model::StatusCode::kError);
  ASSERT_THAT(query.events, SizeIs(1));
  EXPECT_EQ(query.events[0].name, "exception");
  EXPECT_EQ(query.events[0].time, query.end);
  const model::Span& server = of_kind(spans, model::SpanKind::kServer);
  EXPECT_EQ(server.status, model::StatusCode::kError);
  EXPECT_EQ(text_at(server, "http.response.status_code"), "502");
  EXPECT_THAT(server.events, IsEmpty());  // thrown below
}

TEST(Spans, A404IsNoErrorOfItsServer) {
  System system = shop_that("- call: user GET /me");
  system.phases[0].services[1].endpoints[1].handler.fails = 1;
  system.phases[0].services[1].endpoints[1].handler.status = 404;
  const auto spans = first_trace(system);
  const model::Span& client = of_kind(spans, model::SpanKind::kClient);
  const auto server = std::ranges::find(spans, client.span_id, &model::Span::parent_span_id);
  EXPECT_EQ(client.status, model::StatusCode::kError);
  EXPECT_EQ(server->status, model::StatusCode::kUnset);
  EXPECT_EQ(text_at(*server, "http.response.status_code"), "404");
}

TEST(Spans, AttemptsShareTheirUrlAndRepetitionsDoNot) {
  const auto urls = [](const System& system) {
    std::multiset<std::string> found;
    for (const model::Span& span : first_trace(system))
      if (span.kind == model::SpanKind::kClient) found.insert(text_at(span, "url.full"));
    return found;
  };
  const auto attempts =
      urls(shop_that("- call: user GET /users/{id}\n  fails: 100%\n  retry: {attempts: 3}"));
  EXPECT_EQ(attempts.count(*attempts.begin()), 3u);
  const auto repetitions = urls(shop_that("- call: user GET /users/{id}\n  times: 3"));
  EXPECT_EQ(std::set(repetitions.begin(), repetitions.end()).size(), 3u);
  EXPECT_THAT(urls(shop_that("- call: user GET /me\n  times: 3")),
              ElementsAre("http://user/me", "http://user/me?item=1", "http://user/me?item=2"));
}

TEST(Spans, ResourcesSayWhoSentThem) {
  System system = shop_that("- call: user GET /me");
  Service& user = system.phases[0].services[1];
  user.version = "7.1.0";
  user.instances = 3;
  user.attributes = {{"k8s.namespace.name", "prod"}};
  system.phases[0].entries[0].environment = "production";
  const Planner planner(system, 1);
  std::set<std::string> instances;
  for (uint64_t i = 0; i < 50; ++i)
    for (const model::Span& span : spans_of(system, planner.plan(i))) {
      EXPECT_EQ(resource_text(span, "deployment.environment.name"), "production");
      if (resource_text(span, "service.name") != "user") continue;
      EXPECT_EQ(resource_text(span, "service.version"), "7.1.0");
      EXPECT_EQ(resource_text(span, "k8s.namespace.name"), "prod");
      instances.insert(resource_text(span, "service.instance.id"));
    }
  EXPECT_EQ(instances.size(), 3u);
}

TEST(Spans, ClocksThatAreWrongShiftTheirSpansAndNothingElse) {
  const System right = shop_that("- call: user GET /me");
  System wrong = right;
  wrong.phases[0].services[1].clock_skew = milliseconds(-500);
  const auto before = first_trace(right), after = first_trace(wrong);
  ASSERT_EQ(before.size(), after.size());
  for (size_t i = 0; i < before.size(); ++i) {
    const base::UnixNanos shift = resource_text(before[i], "service.name") == "user" ? 500'000'000 : 0;
    EXPECT_EQ(after[i].start + shift, before[i].start);
    EXPECT_EQ(after[i].end + shift, before[i].end);
  }
  System all = right;
  all.telemetry.clock_skew = milliseconds(500);
  const Planner planner(all, 1);
  for (uint32_t action : {0u, 2u}) {
    const TracePlan plan = planner.plan(0);
    const SpanTimes skewed = span_times(all, 1, kStartOfTest, plan, action);
    const SpanTimes exact = span_times(right, 1, kStartOfTest, plan, action);
    EXPECT_NE(skewed.start, exact.start);
    EXPECT_LE(std::max(skewed.start, exact.start) - std::min(skewed.start, exact.start), 500'000'000u);
  }
}

TEST(Spans, AMillisecondClockCutsStartsOnly) {
  System system = shop_that("- db: redis");
  system.phases[0].services[0].clock_step = milliseconds(1);
  for (const model::Span& span : first_trace(system)) {
    EXPECT_EQ(span.start % 1'000'000, 0u);
    EXPECT_NE(span.end % 1'000'000, 0u);
  }
}

TEST(Spans, ABrowsersRequestHasAParentThatNobodySends) {
  System system = shop_that("- db: redis");
  system.phases[0].entries[0].untraced_caller = true;
  const auto spans = first_trace(system);
  std::set<model::SpanId> ids;
  for (const model::Span& span : spans) ids.insert(span.span_id);
  for (const model::Span& span : spans) EXPECT_FALSE(span.parent_span_id.is_zero());
  EXPECT_EQ(ids.count(of_kind(spans, model::SpanKind::kServer).parent_span_id), 0u);
}

TEST(Spans, TestsHaveARunnerOnTop) {
  System system = shop_that("- db: redis");
  system.phases[0].entries[0].test = "smoke";
  const auto spans = first_trace(system);
  const auto root = std::ranges::find(spans, model::SpanId(), &model::Span::parent_span_id);
  ASSERT_NE(root, spans.end());
  EXPECT_EQ(root->name, "testmesh.execution");
  EXPECT_EQ(text_at(*root, "testmesh.flow.name"), "smoke");
  EXPECT_EQ(resource_text(*root, "service.name"), "testmesh");
  EXPECT_EQ(std::ranges::count_if(spans, model::is_test_generated), 2);
}

TEST(Spans, TheSameSeedGivesTheSameBytes) {
  const System system = described(example_system());
  const auto bytes = [&](uint64_t seed) {
    const Planner planner(system, seed);
    SpanWriter writer(system, seed, kStartOfTest);
    for (uint64_t i = 0; i < 50; ++i) writer.add_sent(planner.plan(i));
    return writer.take();
  };
  EXPECT_EQ(bytes(1), bytes(1));
  EXPECT_NE(bytes(1), bytes(2));
}

TEST(Spans, AWriterThatWasEmptiedStartsAgain) {
  const System system = described(example_system());
  const Planner planner(system, 1);
  SpanWriter writer(system, 1, kStartOfTest);
  writer.add_sent(planner.plan(3));
  const std::string first = writer.take();
  EXPECT_EQ(writer.spans(), 0u);
  EXPECT_EQ(writer.take(), "");
  writer.add_sent(planner.plan(3));
  EXPECT_GT(writer.bytes(), 0u);
  EXPECT_EQ(writer.take(), first);
}

}  // namespace
}  // namespace testmesh::simulate
