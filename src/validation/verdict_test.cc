#include "validation/verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "validation/testing/trace_fixture.h"
#include "validation/trace_value.h"

namespace testmesh::validation {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::SpanOf;

AssertionOutcome judged(const std::string& source, const std::vector<SpanOf>& spans, bool complete = false) {
  const auto program = expr::Program::compile(source);
  EXPECT_TRUE(program) << source;
  const TraceIndex index(testing::make_detail(spans));
  expr::Map names{{"trace", index.trace({.complete = complete})}, {"wanted", 2}};
  return judge(*program, expr::MapEnvironment(std::move(names)), complete);
}

Truth settled(const std::string& source, const std::vector<SpanOf>& spans) {
  return judged(source, spans).settled;
}

const std::vector<SpanOf> kShop = {
    {.number = 1, .service = "shop", .operation = "GET /a", .duration_ms = 50},
    {.number = 2,
     .parent = 1,
     .service = "pay",
     .operation = "POST /pay",
     .duration_ms = 20,
     .status = model::StatusCode::kError},
};

TEST(Verdict, CountsOnlyGrow) {
  EXPECT_EQ(settled("len(trace.spans) >= 2", kShop), Truth::kTrue);
  EXPECT_EQ(settled("trace.span_count < 2", kShop), Truth::kFalse);
  EXPECT_EQ(settled("trace.span_count == 2", kShop), Truth::kUnknown);
  EXPECT_EQ(settled("trace.span_count == 1", kShop), Truth::kFalse);
  EXPECT_EQ(settled("trace.span_count >= 5", kShop), Truth::kUnknown);
  EXPECT_EQ(settled("trace.error_count == 0", kShop), Truth::kFalse);
  EXPECT_EQ(settled("trace.has_error", kShop), Truth::kTrue);
  EXPECT_EQ(settled("not trace.has_error", {kShop[0]}), Truth::kUnknown);
  EXPECT_EQ(settled("len(trace.spans) >= wanted", kShop), Truth::kTrue);
}

TEST(Verdict, ListsOnlyGain) {
  EXPECT_EQ(settled("any(trace.spans, .status == 'error')", kShop), Truth::kTrue);
  EXPECT_EQ(settled("all(trace.spans, .status != 'error')", kShop), Truth::kFalse);
  EXPECT_EQ(settled("all(trace.spans, .duration_ms < 100)", kShop), Truth::kUnknown);
  EXPECT_EQ(settled("none(trace.spans, .service == 'mail')", kShop), Truth::kUnknown);
  EXPECT_EQ(settled("trace.spans | filter(.status == 'error') | len == 0", kShop), Truth::kFalse);
  EXPECT_EQ(settled("trace.spans | filter(.status == 'error') | len == 0", {kShop[0]}), Truth::kUnknown);
  EXPECT_EQ(settled("'pay' in trace.services", kShop), Truth::kTrue);
  EXPECT_EQ(settled("'mail' in trace.services", kShop), Truth::kUnknown);
  EXPECT_EQ(settled("'pay' in map(trace.spans, .service)", kShop), Truth::kTrue);
  EXPECT_EQ(settled("sum(trace.spans, .duration_ms) > 60", kShop), Truth::kTrue);
  EXPECT_EQ(settled("sum(trace.spans, .duration_ms) < 60", kShop), Truth::kFalse);
  EXPECT_EQ(settled("max(map(trace.spans, .duration_ms)) >= 50", kShop), Truth::kTrue);
}

TEST(Verdict, AFirstMatchMayBecomeAnother) {
  EXPECT_EQ(settled("trace.span('pay') exists", kShop), Truth::kTrue);
  EXPECT_EQ(settled("trace.span('mail') exists", kShop), Truth::kUnknown);
  EXPECT_EQ(settled("trace.span('mail') == nil", kShop), Truth::kUnknown);
  EXPECT_EQ(settled("trace.span('pay') == nil", kShop), Truth::kFalse);
  EXPECT_EQ(settled("trace.span('pay').status == 'error'", kShop), Truth::kUnknown);
  EXPECT_EQ(settled("trace.span('pay').parent exists", kShop), Truth::kUnknown);
}

TEST(Verdict, CallsOnceMadeStay) {
  EXPECT_EQ(settled("trace.calls('shop', 'pay')", kShop), Truth::kTrue);
  EXPECT_EQ(settled("trace.calls('pay', 'shop')", kShop), Truth::kUnknown);
  EXPECT_EQ(settled("trace.before('shop', 'pay')", kShop), Truth::kUnknown);
  EXPECT_EQ(settled("trace.calls('shop', 'pay') or trace.path == ''", kShop), Truth::kTrue);
  EXPECT_EQ(settled("trace.calls('shop', 'pay') and trace.path == ''", kShop), Truth::kUnknown);
}

TEST(Verdict, WhatDoesNotLookAtTheTraceIsSettled) {
  EXPECT_EQ(settled("wanted == 2", kShop), Truth::kTrue);
  EXPECT_EQ(settled("wanted == 3", kShop), Truth::kFalse);
  EXPECT_EQ(settled("wanted < 'a'", kShop), Truth::kFalse);
  EXPECT_EQ(settled("1 + 1 == 2 or trace.complete", kShop), Truth::kTrue);
}

TEST(Verdict, AFailureOfASpanThatMayComeIsReckonedWith) {
  // A span without the attribute may come first, and nil > 1 fails.
  const std::vector<SpanOf> spans = {
      {.number = 1, .service = "a", .operation = "x", .attributes = {{"n", {int64_t{5}}}}}};
  EXPECT_EQ(settled("any(trace.spans, .attributes['n'] > 1)", spans), Truth::kUnknown);
  EXPECT_EQ(settled("any(trace.spans, .attributes['n'] == 5)", spans), Truth::kTrue);
  EXPECT_EQ(settled("any(trace.spans, (.attributes['n'] ?? 0) == 5)", spans), Truth::kTrue);
}

TEST(Verdict, SaysWhatIsAndWhichSpans) {
  const AssertionOutcome failed = judged("trace.spans | filter(.status == 'error') | len == 0", kShop, true);
  EXPECT_FALSE(failed.passed);
  EXPECT_EQ(failed.settled, Truth::kFalse);
  EXPECT_EQ(failed.actual, expr::Value(1));
  EXPECT_EQ(failed.expected, expr::Value(0));
  EXPECT_THAT(failed.span_ids, ElementsAre(testing::span_id(2)));
  const AssertionOutcome all = judged("all(trace.spans, .duration_ms < 30)", kShop, true);
  EXPECT_THAT(all.span_ids, ElementsAre(testing::span_id(1)));
  const AssertionOutcome broken = judged("trace.spans[7].status == 'ok'", kShop, true);
  EXPECT_FALSE(broken.passed);
  EXPECT_TRUE(broken.error);
  EXPECT_THAT(broken.span_ids, IsEmpty());
  const AssertionOutcome no_bool = judged("len(trace.spans)", kShop, true);
  EXPECT_FALSE(no_bool.passed);
  EXPECT_EQ(no_bool.actual, expr::Value(2));
  EXPECT_TRUE(no_bool.error);
}

TEST(Verdict, ACompleteTraceSettlesEverything) {
  EXPECT_EQ(judged("trace.span_count == 2", kShop, true).settled, Truth::kTrue);
  EXPECT_EQ(judged("trace.span('mail') exists", kShop, true).settled, Truth::kFalse);
}

TEST(Verdict, ALongExpressionIsJudgedWithoutDeepRecursion) {
  std::string source = "trace.span_count";
  for (int i = 0; i < 5000; ++i) source += " + 1";
  EXPECT_EQ(settled(source + " > 5000", kShop), Truth::kTrue);
}

}  // namespace
}  // namespace testmesh::validation
