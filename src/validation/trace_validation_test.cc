#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "validation/testing/order_fixture.h"

namespace testmesh::validation {
namespace {

using namespace testing;
using model::NodeType;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using TraceValidationTest = OrderTest;

// ---- Which path is expected ----

TEST_F(TraceValidationTest, WithNothingToCompareWithThePathIsNoSilentPass) {
  run_order();
  const TraceValidation seen = look();
  EXPECT_EQ(seen.path_status, PathStatus::kNoBaseline);
  EXPECT_EQ(seen.expected_from, ExpectedFrom::kNone);
  EXPECT_EQ(seen.path_match, std::nullopt);
  EXPECT_EQ(seen.status, ValidationStatus::kPassed);
  EXPECT_THAT(names(seen.actual_path), ::testing::ElementsAreArray(kOrderPath));
}

TEST_F(TraceValidationTest, TheMostFrequentFlowOfTheEntrysFamilyIsExpected) {
  learn(3);
  learn(2, {.announces = false});
  run_order();
  const TraceValidation seen = look();
  EXPECT_EQ(seen.expected_from, ExpectedFrom::kBaseline);
  EXPECT_THAT(names(seen.expected_path), ::testing::ElementsAreArray(kOrderPath));
  EXPECT_EQ(seen.path_status, PathStatus::kMatch);
  EXPECT_EQ(seen.path_match, true);
  EXPECT_EQ(seen.status, ValidationStatus::kPassed) << seen.summary;
}

TEST_F(TraceValidationTest, TheFlowItWasDiscoveredFromGoesBeforeTheBaseline) {
  learn(3);
  learn(1, {.announces = false});
  TraceOf quiet(500);
  order(quiet, {}, {.announces = false});
  discovered_from(fingerprint_of(quiet.spans()));
  run_order({.announces = false});
  const TraceValidation seen = look();
  EXPECT_EQ(seen.expected_from, ExpectedFrom::kDiscoveredFrom);
  EXPECT_THAT(names(seen.expected_path), Not(Contains("order.created")));
  EXPECT_EQ(seen.path_match, true);
}

TEST_F(TraceValidationTest, AFlowOfAnotherFamilyWithThatFingerprintWillDo) {
  TraceOf elsewhere(900);  // the same path, entered by another service
  SpanOf& gateway = elsewhere.server("gateway", "POST", "/orders").ms(0, 10);
  elsewhere.query("gateway", "orders").under(gateway).ms(1, 2);
  store_.learn(elsewhere.spans());
  discovered_from(fingerprint_of(elsewhere.spans()));
  TraceOf trace(1);
  const SpanOf& call = begin(trace);
  SpanOf& entry = trace.server("order-service", "POST", "/orders").under(call);
  trace.query("order-service", "orders").under(entry);
  store_.receive(trace.spans());
  const TraceValidation seen = look();
  EXPECT_EQ(seen.expected_from, ExpectedFrom::kDiscoveredFrom);
  EXPECT_EQ(seen.path_match, true) << seen.summary;
}

TEST_F(TraceValidationTest, AFingerprintThatNobodyKnowsFallsBackToTheBaseline) {
  learn(2);
  discovered_from(model::Fingerprint{1, 2, 3});
  run_order();
  EXPECT_EQ(look().expected_from, ExpectedFrom::kBaseline);
}

TEST_F(TraceValidationTest, ThePathInTheFileGoesFirst) {
  learn(3);
  TraceOf known(501);
  order(known);
  discovered_from(fingerprint_of(known.spans()));
  expect_path({{NodeType::kApiEndpoint, "POST /orders", "order-service"},
               {NodeType::kApiEndpoint, "GET /users/{userId}", ""},
               {NodeType::kDatabase, "users", ""}});
  run_order({.asks_products = false, .writes = false, .announces = false});
  const TraceValidation seen = look();
  EXPECT_EQ(seen.expected_from, ExpectedFrom::kYaml);
  EXPECT_EQ(seen.path_match, true) << seen.summary;
}

TEST_F(TraceValidationTest, EachStepIsComparedWithItsOwnFamily) {
  learn(3);
  for (int i = 0; i < 3; ++i) {
    TraceOf trace(700 + static_cast<uint64_t>(i));
    SpanOf& entry = trace.server("user-service", "GET", "/users/:id");
    trace.query("user-service", "users").under(entry);
    store_.learn(trace.spans());
  }
  TraceOf trace(1);
  const SpanOf& first = begin(trace, "get_user");
  SpanOf& user = trace.server("user-service", "GET", "/users/:id").under(first);
  trace.query("user-service", "users").under(user);
  order(trace, step(trace, "create_order").span.span_id, {.asks_user = false}, 50);
  trace.server("cart-service", "GET", "/cart").under(step(trace, "unknown"));
  store_.receive(trace.spans());
  const TraceValidation seen = look(true);
  EXPECT_EQ(seen.expected_from, ExpectedFrom::kBaseline);
  EXPECT_EQ(names(seen.expected_path).front(), "GET /users/:id");
  EXPECT_EQ(seen.expected_path.size(), 2 + kOrderPath.size());
  EXPECT_EQ(names(seen.actual_path).back(), "GET /cart");
  // Of the entry that has no baseline nothing is said.
  EXPECT_THAT(names(seen.missing_nodes), ElementsAre("GET /users/:id", "users"));
  EXPECT_THAT(seen.unexpected_nodes, IsEmpty());
}

// ---- What is wrong with a path ----

TEST_F(TraceValidationTest, ACallThatWasRemovedIsNamedAndNothingElse) {
  learn(3);
  run_order({.asks_products = false});
  EXPECT_EQ(look().status, ValidationStatus::kPending);  // it may still come
  const TraceValidation seen = look(true);
  EXPECT_EQ(seen.path_status, PathStatus::kMismatch);
  EXPECT_EQ(seen.path_match, false);
  EXPECT_EQ(seen.status, ValidationStatus::kFailed);
  EXPECT_THAT(names(seen.missing_nodes), ElementsAre("GET /products/:id", "products"));
  EXPECT_EQ(seen.missing_nodes[0].service, "product-service");
  EXPECT_THAT(seen.unexpected_nodes, IsEmpty());
  EXPECT_THAT(seen.order_violations, IsEmpty());
  EXPECT_THAT(names(seen.unmet), ElementsAre("expected_nodes"));
  EXPECT_THAT(seen.summary,
              HasSubstr("product-service's GET /products/:id was expected after the database users "
                        "(by user-service) and did not come"));
}

TEST_F(TraceValidationTest, ACallThatWasAddedIsNamedAndNothingElse) {
  learn(3);
  run_order({.asks_fraud = true});
  const TraceValidation seen = look();
  EXPECT_EQ(seen.status, ValidationStatus::kFailed);
  EXPECT_THAT(names(seen.unexpected_nodes), ElementsAre("POST /checks"));
  EXPECT_THAT(seen.missing_nodes, IsEmpty());
  EXPECT_THAT(seen.order_violations, IsEmpty());
  EXPECT_THAT(seen.summary, HasSubstr("fraud-service's POST /checks was not expected and came"));
}

TEST_F(TraceValidationTest, NodesOfAnAcceptedVariantAreNotUnexpected) {
  learn(3);
  learn(1, {.asks_fraud = true});
  run_order({.asks_fraud = true});
  EXPECT_EQ(look().path_match, true);
}

TEST_F(TraceValidationTest, NodesOfAVariantAreExpectedOfNoPathInAFileEither) {
  learn(3);
  expect_path({{NodeType::kApiEndpoint, "POST /orders", ""}, {NodeType::kDatabase, "orders", ""}});
  run_order();
  EXPECT_EQ(look().path_match, true);
}

TEST_F(TraceValidationTest, CallsInTheOtherOrderAreNamedAndNothingElse) {
  learn(3);
  run_order({.products_first = true});
  const TraceValidation seen = look();
  EXPECT_EQ(seen.status, ValidationStatus::kFailed);
  EXPECT_THAT(seen.missing_nodes, IsEmpty());
  EXPECT_THAT(seen.unexpected_nodes, IsEmpty());
  EXPECT_THAT(names(seen.order_violations),
              ElementsAre("GET /users/:id < GET /products/:id", "GET /users/:id < products",
                          "users < GET /products/:id", "users < products"));
}

TEST_F(TraceValidationTest, NodesThatWereAtWorkAtTheSameTimeBreakNoOrder) {
  expect_path({{NodeType::kApiEndpoint, "GET /", ""},
               {NodeType::kDatabase, "b", ""},
               {NodeType::kDatabase, "a", ""},
               {NodeType::kDatabase, "c", ""}});
  TraceOf trace(1);
  SpanOf& entry = trace.server("shop", "GET", "/").under(begin(trace)).ms(0, 100);
  trace.query("shop", "a").under(entry).ms(10, 30);
  trace.query("shop", "b").under(entry).ms(20, 40);
  trace.query("shop", "c").under(entry).ms(50, 60);
  store_.receive(trace.spans());
  EXPECT_EQ(look().path_match, true) << look().summary;
}

TEST_F(TraceValidationTest, WhatIsConcurrentInTheBaselineMayComeInEitherOrder) {
  const auto calls = [](TraceOf& trace, SpanOf& entry, bool together) {
    trace.query("shop", "b").under(entry).ms(10, 30);
    trace.query("shop", "a").under(entry).ms(together ? 20 : 40, 60);
  };
  TraceOf usual(800);
  calls(usual, usual.server("shop", "GET", "/").ms(0, 100), true);
  store_.learn(usual.spans());
  TraceOf trace(1);
  calls(trace, trace.server("shop", "GET", "/").under(begin(trace)).ms(0, 100), false);
  store_.receive(trace.spans());
  const TraceValidation seen = look();
  EXPECT_THAT(names(seen.expected_path), ElementsAre("GET /", "a", "b"));
  EXPECT_THAT(names(seen.actual_path), ElementsAre("GET /", "b", "a"));
  EXPECT_EQ(seen.path_match, true);
}

TEST_F(TraceValidationTest, ANodeThatIsExpectedTwiceAndSeenOnceIsMissingOnce) {
  expect_path({{NodeType::kApiEndpoint, "GET /", ""},
               {NodeType::kDatabase, "a", ""},
               {NodeType::kApiEndpoint, "GET /b", ""},
               {NodeType::kDatabase, "a", ""}});
  TraceOf trace(1);
  SpanOf& entry = trace.server("shop", "GET", "/").under(begin(trace)).ms(0, 100);
  trace.query("shop", "a").under(entry).ms(10, 20);
  trace.server("b", "GET", "/b").under(entry).ms(30, 40);
  store_.receive(trace.spans());
  EXPECT_THAT(names(look(true).missing_nodes), ElementsAre("a"));
}

TEST_F(TraceValidationTest, ARepeatedStepAndTheTurnsOfALoopAreNoDeviation) {
  learn(2);
  expect_path(store_.flows(subject_.workspace, {})->flows.at(0).nodes);
  TraceOf trace(1);
  order(trace, begin(trace, "loop[0].order").span.span_id);
  order(trace, step(trace, "loop[1].order").span.span_id, {}, 200);
  order(trace, step(trace, "order_again").span.span_id, {}, 400);
  store_.receive(trace.spans());
  const TraceValidation seen = look();
  EXPECT_EQ(seen.actual_path.size(), 2 * kOrderPath.size());  // the turns are one step
  EXPECT_EQ(seen.path_match, true) << seen.summary;
}

TEST_F(TraceValidationTest, AnAttemptThatWasRepeatedCountsWhereItSucceeded) {
  learn(2);
  TraceOf trace(1);
  execution_ = &trace.execution();
  SpanOf& failed = trace.call_of_step(trace.step(*execution_).ms(1, 5)).ms(1, 5);
  trace.server("order-service", "POST", "/orders").under(failed).ms(2, 4);
  order(trace, step(trace, "create_order").span.span_id, {}, 20);
  store_.receive(trace.spans());
  const TraceValidation seen = look();
  EXPECT_THAT(names(seen.actual_path), ::testing::ElementsAreArray(kOrderPath));
  EXPECT_EQ(seen.path_match, true) << seen.summary;
}

// ---- Completeness ----

TEST_F(TraceValidationTest, AFlowThatExpectsNothingWaitsForNoSpanOfTheApplication) {
  TraceOf trace(1);
  begin(trace);
  store_.receive(trace.spans());
  EXPECT_EQ(look(false, kSecond - 1).status, ValidationStatus::kPending);
  EXPECT_EQ(look().status, ValidationStatus::kPassed);
}

TEST_F(TraceValidationTest, AFlowThatExpectsSomethingWaitsForTheStepsSpans) {
  flow_.expects_of_trace = true;
  TraceOf trace(1);
  begin(trace);
  store_.receive(trace.spans());
  TraceValidation seen = look();
  EXPECT_EQ(seen.status, ValidationStatus::kPending);
  EXPECT_THAT(names(seen.unmet), ElementsAre("spans", "steps"));
  // A target that is not instrumented leaves it undecided.
  seen = look(true);
  EXPECT_EQ(seen.status, ValidationStatus::kPartial);
  EXPECT_THAT(names(seen.unmet), ElementsAre("spans", "steps"));
  EXPECT_THAT(seen.summary, HasSubstr("no span has arrived of what step create_order called"));
}

TEST_F(TraceValidationTest, ATargetWithoutSpansIsNeverAMissingCall) {
  learn(3);
  expect_path({{NodeType::kApiEndpoint, "POST /orders", ""}, {NodeType::kApiEndpoint, "GET /cart", ""}});
  run_order();
  subject_.steps.push_back({.step_id = "cart", .span_id = span_id(9999), .reaches_out = true});
  const TraceValidation seen = look(true);
  EXPECT_EQ(seen.status, ValidationStatus::kPartial) << seen.summary;
  EXPECT_EQ(seen.path_status, PathStatus::kInconclusive);
  EXPECT_EQ(seen.path_match, std::nullopt);
  EXPECT_THAT(seen.missing_nodes, IsEmpty());
  EXPECT_THAT(names(seen.unmet), ElementsAre("steps", "expected_nodes"));
}

TEST_F(TraceValidationTest, ATargetWithoutSpansHidesNoCallThatAnotherStepLost) {
  learn(3);
  flow_.expects_of_trace = true;
  run_order({.announces = false});
  subject_.steps.push_back({.step_id = "cart", .span_id = span_id(9999), .reaches_out = true});
  const TraceValidation seen = look(true);
  EXPECT_EQ(seen.expected_from, ExpectedFrom::kBaseline);
  EXPECT_EQ(seen.status, ValidationStatus::kFailed);
  EXPECT_THAT(names(seen.missing_nodes), ElementsAre("order.created"));
}

TEST_F(TraceValidationTest, AnUnexpectedCallDecidesThoughAStepsSpansAreOutstanding) {
  expect_path({{NodeType::kApiEndpoint, "POST /orders", ""}});
  run_order(
      {.asks_user = false, .asks_products = false, .writes = false, .announces = false, .asks_fraud = true});
  subject_.steps.push_back({.step_id = "cart", .span_id = span_id(9999), .reaches_out = true});
  const TraceValidation seen = look(true);
  EXPECT_EQ(seen.status, ValidationStatus::kFailed);
  EXPECT_EQ(seen.path_match, false);
  EXPECT_THAT(names(seen.unexpected_nodes), ElementsAre("POST /checks"));
}

TEST_F(TraceValidationTest, ADependencyWithoutSpansMayStillGetThem) {
  expect_path({{NodeType::kApiEndpoint, "POST /orders", ""}});
  TraceOf trace(1);
  SpanOf& entry = trace.server("order-service", "POST", "/orders").under(begin(trace));
  trace.client("order-service", "GET").under(entry).with("server.address", "fraud");
  store_.receive(trace.spans());
  subject_.steps.push_back({.step_id = "cart", .span_id = span_id(9999), .reaches_out = true});
  TraceValidation seen = look(true);
  EXPECT_EQ(seen.status, ValidationStatus::kPartial);
  EXPECT_EQ(seen.path_status, PathStatus::kInconclusive);
  subject_.steps.pop_back();
  seen = look();  // complete
  EXPECT_EQ(seen.status, ValidationStatus::kFailed);
  EXPECT_THAT(names(seen.unexpected_nodes), ElementsAre("fraud"));
}

TEST_F(TraceValidationTest, AFailedStepAndOneThatCallsNobodyNeedNoSpans) {
  flow_.expects_of_trace = true;
  run_order();
  subject_.steps.push_back(
      {.step_id = "refused", .span_id = span_id(77), .reaches_out = true, .passed = false});
  subject_.steps.push_back({.step_id = "pause", .span_id = span_id(78)});
  EXPECT_EQ(look().status, ValidationStatus::kPassed);
}

TEST_F(TraceValidationTest, AParentThatDidNotArriveLeavesThePathOpen) {
  learn(3);
  TraceOf trace(1);
  const OrderSpans spans = order(trace, begin(trace).span.span_id, {.asks_user = false});
  std::vector<model::Span> sent = trace.spans();
  std::erase_if(sent, [&](const model::Span& span) {
    return span.span_id == spans.product_client->span.span_id || span.span_id == spans.topic->span.span_id;
  });
  store_.receive(sent);
  TraceValidation seen = look(true);
  EXPECT_EQ(seen.status, ValidationStatus::kPartial) << seen.summary;
  EXPECT_EQ(seen.path_status, PathStatus::kInconclusive);
  EXPECT_THAT(names(seen.unmet), ElementsAre("parents", "expected_nodes"));
  EXPECT_THAT(seen.missing_nodes, IsEmpty());
  store_.receive(trace.spans());
  seen = look(true);
  EXPECT_THAT(names(seen.missing_nodes), ElementsAre("GET /users/:id", "users"));
}

TEST_F(TraceValidationTest, WithoutASecondOfQuietItIsNotComplete) {
  learn(3);
  run_order();
  EXPECT_EQ(look(false, kSecond - 1).status, ValidationStatus::kPending);
  const TraceValidation seen = look(true, kSecond - 1);
  EXPECT_EQ(seen.status, ValidationStatus::kPartial);
  EXPECT_THAT(names(seen.unmet), ElementsAre("quiet"));
  EXPECT_EQ(look(false, kSecond).status, ValidationStatus::kPassed);
}

TEST_F(TraceValidationTest, TheOrderInWhichSpansArriveAndRepetitionsDoNotMatter) {
  learn(3);
  TraceOf trace(1);
  order(trace, begin(trace).span.span_id);
  std::vector<model::Span> spans = trace.spans();
  std::ranges::reverse(spans);
  for (const model::Span& span : spans) {
    EXPECT_NE(look().status, ValidationStatus::kFailed);
    store_.receive({span, span});
  }
  store_.receive(trace.spans());
  const TraceValidation seen = look();
  EXPECT_EQ(seen.status, ValidationStatus::kPassed) << seen.summary;
  EXPECT_THAT(names(seen.actual_path), ::testing::ElementsAreArray(kOrderPath));
}

TEST_F(TraceValidationTest, NoFalseFailureWhileAnyPartOfTheTraceIsOutstanding) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  learn(25);
  flow_.expects_of_trace = true;
  TraceOf trace(1);
  order(trace, begin(trace).span.span_id);
  for (int round = 0; round < 200; ++round) {
    store_.forget(subject_.trace_id);
    std::vector<model::Span> spans = trace.spans();
    std::ranges::shuffle(spans, random);
    for (const model::Span& span : spans) {
      ASSERT_EQ(look().status, ValidationStatus::kPending);
      store_.receive({span});
    }
    ASSERT_EQ(look().status, ValidationStatus::kPassed);
  }
}

}  // namespace
}  // namespace testmesh::validation
