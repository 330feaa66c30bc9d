#include "api/span_filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace testmesh::api {
namespace {

using store::SpanAnswer;
using ::testing::HasSubstr;

std::expected<SpanFilter, Failure> filter(const std::string& q) {
  Call call;
  call.request.query = {{"q", q}};
  return span_filter_of(call);
}

model::Span span() {
  model::Span made;
  auto resource = std::make_shared<model::Resource>();
  resource->attributes = {{"service.name", {std::string("cart")}}, {"zone", {std::string("b")}}};
  made.resource = resource;
  made.scope = std::make_shared<model::Scope>();
  made.name = "GET /cart";
  made.kind = model::SpanKind::kServer;
  made.status = model::StatusCode::kError;
  made.start = 1'000'000'000;
  made.end = 1'250'000'000;
  made.attributes = {{"http.status_code", {int64_t{503}}}, {"items", {int64_t{3}}}, {"ok", {true}}};
  return made;
}

bool matches(const std::string& q, const model::Span& of = span()) {
  const auto made = filter(q);
  EXPECT_TRUE(made.has_value()) << q << ": " << (made ? "" : made.error().message);
  if (!made) return false;
  EXPECT_TRUE(made->matches) << q;
  return made->matches && made->matches(of) == SpanAnswer::kYes;
}

TEST(SpanFilter, AsksForTheMembersOfASpan) {
  for (const char* q :
       {"attributes['http.response.status_code'] >= 500 and service == 'cart'", "duration_ms > 200",
        "kind == 'server' && status == 'error'", "name startsWith 'GET '", "attributes['items'] in 1..3",
        "resource['zone'] != 'a'", "len(events) == 0", "attributes['nothing'] == nil",
        "not (attributes['nothing'] exists)", "attributes.items + 1 == 4", "status == 'error' or true"})
    EXPECT_TRUE(matches(q)) << q;
  for (const char* q : {"duration_ms > 300", "service == 'stock'", "attributes['items'] == 3 and false"})
    EXPECT_FALSE(matches(q)) << q;
}

TEST(SpanFilter, WhatCannotBeEvaluatedOrIsNoTruthDoesNotMatch) {
  for (const char* q : {"attributes['nothing'] >= 500", "service", "duration_ms + 1", "attributes['ok'] > 1",
                        "any(1..1000000, # > duration_ms * 1000000)"})
    EXPECT_FALSE(matches(q)) << q;
}

TEST(SpanFilter, TheEqualityOfOneAttributeIsTheStoresToAnswer) {
  for (const char* q : {"attributes['items'] == 3", "3 == attributes['items']", "attributes.items == 3"}) {
    const auto made = filter(q);
    ASSERT_TRUE(made.has_value()) << q;
    ASSERT_TRUE(made->attribute.has_value()) << q;
    EXPECT_EQ(made->attribute->key, "items");
    EXPECT_EQ(made->attribute->value, model::Value{int64_t{3}});
    EXPECT_FALSE(made->attribute->resource);
    EXPECT_FALSE(made->matches) << q;
  }
  const auto text = filter("resource[\"zone\"] == `b`");
  ASSERT_TRUE(text.has_value());
  EXPECT_TRUE(text->attribute->resource);
  EXPECT_EQ(text->attribute->value, model::Value{std::string("b")});
}

TEST(SpanFilter, OfSeveralPartsTheStoreAnswersOne) {
  const auto made = filter("service == 'cart' and attributes['items'] == 3 and duration_ms > 1");
  ASSERT_TRUE(made.has_value());
  EXPECT_EQ(made->attribute->key, "items");
  ASSERT_TRUE(made->matches);
  EXPECT_EQ(made->matches(span()), SpanAnswer::kYes);
  EXPECT_FALSE(filter("attributes['items'] == 3 or duration_ms > 1")->attribute.has_value())
      << "not needed for the whole to be true";
}

TEST(SpanFilter, AnAttributeOfTwoNamesIsFoundByEither) {
  for (const char* q :
       {"attributes['http.status_code'] == 503", "attributes['http.response.status_code'] == 503"}) {
    EXPECT_TRUE(matches(q)) << q;
    EXPECT_FALSE(filter(q)->attribute.has_value()) << q;
  }
}

TEST(SpanFilter, WhatIsNoExpressionIsRefusedWithThePlace) {
  const auto refused = filter("service == 'cart' and and");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().status, 400);
  EXPECT_THAT(refused.error().details, HasSubstr(R"("parameter":"q","line":1,"column":23)"));
  EXPECT_THAT(refused.error().message, HasSubstr("^"));
  for (const char* q : {"(", "servcie == 'x'", "a.b", "'", "attributes[", "\xff", "1 ="}) {
    const auto made = filter(q);
    ASSERT_FALSE(made.has_value()) << q;
    EXPECT_EQ(made.error().status, 400);
  }
  EXPECT_FALSE(filter(std::string(9000, '(')).has_value());
}

}  // namespace
}  // namespace testmesh::api
