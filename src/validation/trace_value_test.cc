#include "validation/trace_value.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "validation/testing/trace_fixture.h"

namespace testmesh::validation {
namespace {

using expr::List;
using expr::Map;
using expr::Value;
using model::SpanKind;
using model::StatusCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::make_detail;
using testing::NodeOf;
using testing::span_id;
using testing::SpanOf;

// The order of a shop: gateway → orders → (users, products, database).
std::shared_ptr<store::TraceDetail> an_order() {
  return make_detail(
      {{1, 0, "gateway", "POST /orders", 0, 100},
       {2, 1, "gateway", "POST", 5, 90, SpanKind::kClient},
       {3,
        2,
        "orders",
        "POST /orders",
        10,
        80,
        SpanKind::kServer,
        StatusCode::kUnset,
        {{"http.status_code", {int64_t{201}}}}},
       {4, 3, "orders", "GET", 12, 20, SpanKind::kClient},
       {5, 4, "users", "GET /users/:id", 15, 10, SpanKind::kServer, StatusCode::kUnset, {}, "GET /users/42"},
       {6, 3, "orders", "GET", 40, 20, SpanKind::kClient, StatusCode::kError},
       {7, 6, "products", "GET /products/:id", 45, 10},
       {8,
        3,
        "orders",
        "INSERT",
        70,
        10,
        SpanKind::kClient,
        StatusCode::kUnset,
        {{"db.system", {std::string("postgresql")}}}}},
      {{1, model::NodeType::kApiEndpoint, "POST /orders"},
       {3, model::NodeType::kApiEndpoint, "POST /orders"},
       {5, model::NodeType::kApiEndpoint, "GET /users/:id"},
       {7, model::NodeType::kApiEndpoint, "GET /products/:id"},
       {8, model::NodeType::kDatabase, "shop"}});
}

Value member(const Value& record, std::string_view name) {
  Value out;
  EXPECT_TRUE(record.as_record()->member(name, out)) << name;
  return out;
}

Value call(const Value& record, std::string_view name, List args) {
  base::Result<Value> out;
  EXPECT_TRUE(record.as_record()->call(name, args, out)) << name;
  return out ? *out : Value(out.error().message);
}

std::vector<std::string> names(const Value& spans) {
  std::vector<std::string> list;
  for (const Value& span : spans.as_list())
    list.push_back(std::string(member(span, "service").as_string()) + " " +
                   std::string(member(span, "operation").as_string()));
  return list;
}

TEST(TraceValue, ATraceTellsWhatItIsMadeOf) {
  const TraceIndex index(an_order());
  const Value trace = index.trace({.complete = true});
  EXPECT_EQ(member(trace, "id").as_string(), "07000000000000000000000000000000");
  EXPECT_EQ(member(trace, "span_count").as_int(), 8);
  EXPECT_EQ(member(trace, "error_count").as_int(), 1);
  EXPECT_TRUE(member(trace, "has_error").as_bool());
  EXPECT_TRUE(member(trace, "complete").as_bool());
  EXPECT_EQ(member(trace, "duration_ms").as_float(), 100);
  EXPECT_EQ(expr::to_json(member(trace, "services")), R"(["gateway","orders","products","users"])");
  EXPECT_EQ(member(trace, "path").as_string(),
            "api_endpoint:POST /orders->api_endpoint:POST /orders->api_endpoint:GET /users/:id->"
            "api_endpoint:GET /products/:id->database:shop");
  EXPECT_EQ(member(trace, "fingerprint").as_string().size(), 64u);
}

TEST(TraceValue, ASpanTellsWhatItIs) {
  const TraceIndex index(an_order());
  const Value span = call(index.trace({}), "span", {"orders/POST /orders"});
  EXPECT_EQ(member(span, "kind").as_string(), "server");
  EXPECT_EQ(member(span, "status").as_string(), "unset");
  EXPECT_EQ(member(span, "status_code").as_int(), 201);
  EXPECT_EQ(member(span, "duration_ms").as_float(), 80);
  EXPECT_EQ(member(span, "self_ms").as_float(), 30);
  EXPECT_EQ(member(span, "start_ms").as_float(), 10);
  EXPECT_EQ(member(span, "depth").as_int(), 2);
  EXPECT_EQ(member(span, "child_count").as_int(), 3);
  EXPECT_THAT(names(member(span, "children")), ElementsAre("orders GET", "orders GET", "orders INSERT"));
  EXPECT_EQ(member(member(span, "parent"), "operation").as_string(), "POST");
  EXPECT_TRUE(member(index.span(0), "parent").is_absent_record());
  EXPECT_EQ(member(index.span(0), "depth").as_int(), 0);
}

TEST(TraceValue, AttributesAnswerToOldAndNewNamesAndAreNilWhereThereAreNone) {
  const TraceIndex index(an_order());
  const Value orders = member(call(index.trace({}), "span", {"orders"}), "attributes");
  EXPECT_EQ(member(orders, "http.status_code").as_int(), 201);
  EXPECT_EQ(member(orders, "http.response.status_code").as_int(), 201);
  EXPECT_TRUE(member(orders, "nothing").is_nil());
  EXPECT_THAT(orders.as_record()->members(), ElementsAre("http.status_code"));
}

TEST(TraceValue, SelectorsAreAServiceAnOperationOrAttributes) {
  const TraceIndex index(an_order());
  const Value trace = index.trace({});
  EXPECT_EQ(call(trace, "spans_of", {"orders"}).as_list().size(), 4u);
  EXPECT_EQ(call(trace, "spans_of", {"order"}).as_list().size(), 0u);
  EXPECT_EQ(call(trace, "spans_of", {"users/GET /users/:id"}).as_list().size(), 1u);
  EXPECT_EQ(call(trace, "spans_of", {"users/GET /users/42"}).as_list().size(), 1u);  // by its name
  EXPECT_THAT(names(call(trace, "spans_of", {Map{{"db.system.name", "postgresql"}}})),
              ElementsAre("orders INSERT"));
  EXPECT_THAT(names(call(trace, "spans_of", {Map{{"service", "orders"}, {"status", "error"}}})),
              ElementsAre("orders GET"));
  EXPECT_TRUE(call(trace, "span", {"payments"}).is_absent_record());
  EXPECT_THAT(std::string(call(trace, "span", {7}).as_string()), HasSubstr("expected a service name"));
  EXPECT_THAT(std::string(call(trace, "span", {}).as_string()), HasSubstr("takes one selector"));
}

TEST(TraceValue, ACallGoesThroughNobodyElse) {
  const TraceIndex index(an_order());
  const Value trace = index.trace({});
  EXPECT_TRUE(call(trace, "calls", {"gateway", "orders"}).as_bool());
  EXPECT_TRUE(call(trace, "calls", {"orders/POST /orders", "products"}).as_bool());
  EXPECT_TRUE(call(trace, "calls", {"orders", Map{{"db.system.name", "postgresql"}}}).as_bool());
  EXPECT_FALSE(call(trace, "calls", {"gateway", "users"}).as_bool());
  EXPECT_FALSE(call(trace, "calls", {"users", "orders"}).as_bool());
  EXPECT_TRUE(call(trace, "reaches", {"gateway", "users"}).as_bool());
  EXPECT_FALSE(call(trace, "reaches", {"users", "products"}).as_bool());
  EXPECT_FALSE(call(trace, "calls", {"gateway", "payments"}).as_bool());
}

TEST(TraceValue, BeforeMeansHavingEndedOrHavingLedThere) {
  const TraceIndex index(an_order());
  const Value trace = index.trace({});
  EXPECT_TRUE(call(trace, "before", {"users", "products"}).as_bool());
  EXPECT_FALSE(call(trace, "before", {"products", "users"}).as_bool());
  EXPECT_TRUE(call(trace, "before", {"orders", "products"}).as_bool());
  EXPECT_FALSE(call(trace, "before", {"products", "orders"}).as_bool());
  EXPECT_FALSE(call(trace, "before", {"users", "users"}).as_bool());
}

TEST(TraceValue, ConcurrentSiblingsStandInPathOrder) {
  const TraceIndex index(make_detail(
      {{1, 0, "shop", "GET /", 0, 100}, {2, 1, "b", "GET /b", 10, 50}, {3, 1, "a", "GET /a", 20, 50}},
      {{1, model::NodeType::kApiEndpoint, "GET /"},
       {3, model::NodeType::kApiEndpoint, "GET /a"},
       {2, model::NodeType::kApiEndpoint, "GET /b"}}));
  EXPECT_THAT(names(member(index.trace({}), "spans")), ElementsAre("shop GET /", "a GET /a", "b GET /b"));
}

std::shared_ptr<store::TraceDetail> a_run() {
  auto detail = make_detail(
      {{1, 0, "testmesh", "testmesh.execution", 0, 500, SpanKind::kInternal},
       {2, 1, "testmesh", "testmesh.step.http_request", 10, 100, SpanKind::kInternal},
       {3,
        2,
        "testmesh",
        "GET",
        20,
        80,
        SpanKind::kClient,
        StatusCode::kUnset,
        {{"testmesh.execution.id", {std::string("x")}}}},
       {4, 3, "shop", "GET /a", 30, 60},
       {5, 1, "testmesh", "testmesh.step.http_request", 200, 100, SpanKind::kInternal},
       {6,
        5,
        "testmesh",
        "GET",
        210,
        80,
        SpanKind::kClient,
        StatusCode::kUnset,
        {{"testmesh.execution.id", {std::string("x")}}}},
       {7, 6, "shop", "GET /b", 220, 60, SpanKind::kServer, StatusCode::kError}},
      {{4, model::NodeType::kApiEndpoint, "GET /a"}, {7, model::NodeType::kApiEndpoint, "GET /b"}});
  detail->parts = {{{}, {}, {3}, 0, 1}, {{}, {}, {6}, 1, 1}};
  return detail;
}

TEST(TraceValue, TheRunnersOwnSpansAreLeftOut) {
  const TraceIndex index(a_run());
  const Value trace = index.trace({.is_run = true});
  EXPECT_THAT(names(member(trace, "spans")), ElementsAre("shop GET /a", "shop GET /b"));
  EXPECT_EQ(expr::to_json(member(trace, "services")), R"(["shop"])");
  EXPECT_EQ(member(trace, "duration_ms").as_float(), 250);  // first to last of the application's
  const Value span = call(trace, "span", {"shop/GET /b"});
  EXPECT_TRUE(member(span, "parent").is_absent_record());
  EXPECT_EQ(member(span, "depth").as_int(), 0);
  EXPECT_EQ(member(span, "start_ms").as_float(), 190);
  EXPECT_THAT(call(trace, "spans_of", {"testmesh"}).as_list(), IsEmpty());
}

TEST(TraceValue, AStepSeesWhatHangsBelowIt) {
  const TraceIndex index(a_run());
  const Value second = index.trace({.under = span_id(5), .is_run = true});
  EXPECT_THAT(names(member(second, "spans")), ElementsAre("shop GET /b"));
  EXPECT_EQ(member(second, "path").as_string(), "api_endpoint:GET /b");
  EXPECT_TRUE(member(second, "has_error").as_bool());
  EXPECT_FALSE(member(index.trace({.under = span_id(2), .is_run = true}), "has_error").as_bool());
  EXPECT_THAT(member(index.trace({.under = span_id(99), .is_run = true}), "spans").as_list(), IsEmpty());
}

TEST(TraceValue, ASpanByItselfHasNoRelatives) {
  const auto span = std::make_shared<model::Span>(testing::make_span(
      {1,
       0,
       "cart",
       "POST /carts/{id}",
       0,
       10,
       SpanKind::kServer,
       StatusCode::kUnset,
       {{"http.request.method", {std::string("POST")}}, {"http.route", {std::string("/carts/{id}")}}}}));
  const Value lone = lone_span(span);
  EXPECT_EQ(member(lone, "service").as_string(), "cart");
  EXPECT_EQ(member(lone, "operation").as_string(), "POST /carts/:id");
  EXPECT_EQ(member(lone, "self_ms").as_float(), 10);
  EXPECT_TRUE(member(lone, "parent").is_absent_record());
}

TEST(TraceValue, ADeepTraceCostsNoMoreThanAFlatOne) {
  std::vector<SpanOf> spans;
  for (uint8_t i = 1; i <= 250; ++i)
    spans.push_back({i, static_cast<uint8_t>(i - 1), i % 2 ? "a" : "b", "x", i, 1});
  const TraceIndex index(make_detail(spans));
  const Value trace = index.trace({});
  EXPECT_EQ(member(index.span(249), "depth").as_int(), 249);
  EXPECT_TRUE(call(trace, "calls", {"a", "b"}).as_bool());
  EXPECT_FALSE(call(trace, "calls", {"a", "a"}).as_bool());
  EXPECT_FALSE(call(trace, "calls", {"c", "b"}).as_bool());
}

TEST(TraceValue, EveryNamedMemberIsThere) {
  const TraceIndex index(an_order());
  for (const Value& record :
       {index.trace({}), index.span(2), lone_span(std::make_shared<model::Span>(an_order()->spans[0]))})
    for (const std::string_view name : record.as_record()->members()) member(record, name);
}

}  // namespace
}  // namespace testmesh::validation
