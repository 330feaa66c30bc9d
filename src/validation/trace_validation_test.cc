#include "validation/trace_validation.h"

#include <random>

#include "base/hex.h"
#include "validation/testing/validation_fixture.h"

namespace testmesh::validation {
namespace {

using namespace testing;
using model::NodeType;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// How the shop's order goes, and how it may go wrong.
struct Order {
  bool asks_user = true, asks_products = true, writes = true, announces = true;
  bool asks_fraud = false;
  bool products_first = false;
  uint64_t products_ms = 20;
  bool products_fail = false;
};

// Spans of an order below `parent`: 100 ms from `from` on.
struct OrderSpans {
  SpanOf *entry = nullptr, *user_client = nullptr, *user = nullptr, *user_db = nullptr,
         *product_client = nullptr, *product = nullptr, *product_db = nullptr, *write = nullptr,
         *topic = nullptr;
};
OrderSpans order(TraceOf& trace, const model::SpanId& parent = {}, const Order& how = {},
                 uint64_t from = 10) {
  OrderSpans s;
  s.entry = &trace.server("order-service", "POST", "/orders").under(parent).ms(from, from + 100);
  const uint64_t first = from + 5, second = from + 35;
  if (how.asks_user) {
    const uint64_t at = how.products_first ? second : first;
    s.user_client = &trace.client("order-service", "GET").under(*s.entry).ms(at, at + 20);
    s.user = &trace.server("user-service", "GET", "/users/:id").under(*s.user_client).ms(at + 1, at + 19);
    s.user_db = &trace.query("user-service", "users").under(*s.user).ms(at + 2, at + 10);
  }
  if (how.asks_products) {
    const uint64_t at = how.products_first ? first : second;
    s.product_client = &trace.client("order-service", "GET").under(*s.entry).ms(at, at + how.products_ms + 5);
    s.product = &trace.server("product-service", "GET", "/products/:id")
                     .under(*s.product_client)
                     .ms(at + 1, at + 1 + how.products_ms);
    s.product_db = &trace.query("product-service", "products").under(*s.product).ms(at + 2, at + 10);
    if (how.products_fail) s.product->failing("no such product").with("error.type", "NotFound");
  }
  if (how.asks_fraud) {
    SpanOf& client = trace.client("order-service", "POST").under(*s.entry).ms(from + 65, from + 69);
    trace.server("fraud-service", "POST", "/checks").under(client).ms(from + 66, from + 68);
  }
  if (how.writes) s.write = &trace.query("order-service", "orders").under(*s.entry).ms(from + 70, from + 80);
  if (how.announces)
    s.topic = &trace.send("order-service", "order.created").under(*s.entry).ms(from + 85, from + 90);
  return s;
}

const std::vector<std::string> kOrderPath{
    "POST /orders", "GET /users/:id", "users", "GET /products/:id", "products", "orders", "order.created"};

class TraceValidationTest : public ::testing::Test {
 protected:
  TraceValidationTest() {
    flow_.name = "order";
    subject_.execution = *model::ExecutionId::parse("00000000-0000-4000-8000-000000000007");
    subject_.workspace = model::kDefaultWorkspace;
    subject_.trace_id = trace_id(1);
    subject_.flow = &flow_;
    subject_.is_run = true;
    subject_.started_at = kNoon;
  }

  void learn(int times, const Order& how = {}) {
    for (int i = 0; i < times; ++i) {
      TraceOf trace(++learned_ + 1000);
      order(trace, {}, how);
      store_.learn(trace.spans());
    }
  }
  void expect_path(std::vector<model::PathNode> path) {
    flow_.trace.emplace().expected_path = std::move(path);
    flow_.expects_of_trace = true;
  }
  void discovered_from(const model::Fingerprint& fingerprint) {
    flow_.discovered_from.emplace().fingerprint = base::to_hex(fingerprint);
    flow_.expects_of_trace = true;
  }
  model::Fingerprint fingerprint_of(const std::vector<model::Span>& spans) {
    store_.receive(spans);
    return store_.trace(subject_.workspace, spans.front().trace_id)->value().parts.at(0).fingerprint;
  }

  // The runner's spans of one step that calls, with what it called.
  const SpanOf& begin(TraceOf& trace, const std::string& step_id = "create_order") {
    execution_ = &trace.execution();
    return step(trace, step_id);
  }
  const SpanOf& step(TraceOf& trace, const std::string& step_id) {
    SpanOf& span = trace.step(*execution_);
    const SpanOf& call = trace.call_of_step(span);
    subject_.steps.push_back({.step_id = step_id, .span_id = span.span.span_id, .reaches_out = true});
    return call;
  }
  void run_order(const Order& how = {}) {
    TraceOf trace(1);
    const SpanOf& call = begin(trace);
    order(trace, call.span.span_id, how);
    store_.receive(trace.spans());
  }

  std::shared_ptr<const store::TraceDetail> detail() {
    auto found = store_.trace(subject_.workspace, subject_.trace_id);
    EXPECT_TRUE(found);
    return *found ? std::make_shared<const store::TraceDetail>(std::move(**found)) : nullptr;
  }
  // As it is now, `quiet` after the last span.
  TraceValidation look(bool time_is_up = false, uint64_t quiet = kSecond) {
    const ValidationMemoryPtr memory = make_validation_memory();
    auto result = validate_once(subject_, store_, detail(), kNoon + quiet, kNoon, time_is_up, *memory);
    EXPECT_TRUE(result) << result.error().message;
    return result ? std::move(*result) : TraceValidation{};
  }

  MemoryStore store_;
  flow_file::FlowFile flow_;
  Subject subject_;
  SpanOf* execution_ = nullptr;
  uint64_t learned_ = 0;
};

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

// ---- Slow and failed spans ----

TEST_F(TraceValidationTest, ASlowSpanIsNamedAndNothingElse) {
  learn(20);
  run_order({.products_ms = 31});
  const TraceValidation seen = look();
  ASSERT_THAT(seen.slow_spans, SizeIs(1)) << seen.summary;
  const SlowSpan& slow = seen.slow_spans[0];
  EXPECT_EQ(slow.service, "product-service");
  EXPECT_EQ(slow.operation, "GET /products/:id");
  EXPECT_EQ(slow.samples, 20u);
  EXPECT_DOUBLE_EQ(slow.duration_ms, 31);
  EXPECT_NEAR(slow.p95_ms, 20, 0.2);
  EXPECT_DOUBLE_EQ(slow.threshold_ms, 1.5 * slow.p95_ms);
  EXPECT_EQ(seen.path_match, true);
  EXPECT_THAT(seen.error_spans, IsEmpty());
  EXPECT_EQ(seen.status, ValidationStatus::kFailed);
  EXPECT_THAT(seen.summary, HasSubstr("product-service GET /products/:id took 31 ms"));
}

TEST_F(TraceValidationTest, OneAndAHalfTimesThePercentileIsNotSlow) {
  learn(20);
  run_order({.products_ms = 29});
  EXPECT_THAT(look().slow_spans, IsEmpty());
}

TEST_F(TraceValidationTest, NineteenSamplesAreTooFew) {
  learn(19);
  run_order({.products_ms = 400});
  EXPECT_THAT(look().slow_spans, IsEmpty());
}

TEST_F(TraceValidationTest, SamplesOfAllVariantsOfTheFamilyCount) {
  learn(12);
  learn(12, {.announces = false});
  run_order({.products_ms = 60});
  const TraceValidation seen = look();
  ASSERT_THAT(seen.slow_spans, SizeIs(1));
  EXPECT_EQ(seen.slow_spans[0].samples, 24u);
}

TEST_F(TraceValidationTest, PerformanceMayWarnOrBeOff) {
  learn(20);
  run_order({.products_ms = 60});
  flow_.trace.emplace().performance = flow_file::TraceExpectations::Performance::kWarn;
  flow_.expects_of_trace = true;
  TraceValidation seen = look();
  EXPECT_EQ(seen.status, ValidationStatus::kPassed);
  EXPECT_THAT(seen.slow_spans, SizeIs(1));
  flow_.trace->performance = flow_file::TraceExpectations::Performance::kOff;
  seen = look();
  EXPECT_EQ(seen.status, ValidationStatus::kPassed);
  EXPECT_THAT(seen.slow_spans, IsEmpty());
}

TEST_F(TraceValidationTest, AFailedSpanIsNamedAndNothingElse) {
  learn(3);
  run_order({.products_fail = true});
  const TraceValidation seen = look();
  ASSERT_THAT(seen.error_spans, SizeIs(1));
  EXPECT_EQ(seen.error_spans[0].service, "product-service");
  EXPECT_EQ(seen.error_spans[0].error_type, "NotFound");
  EXPECT_EQ(seen.error_spans[0].status_message, "no such product");
  EXPECT_EQ(seen.path_match, true);
  EXPECT_EQ(seen.status, ValidationStatus::kFailed);
  EXPECT_THAT(seen.summary,
              HasSubstr("product-service GET /products/:id failed with NotFound: no such product"));
}

TEST_F(TraceValidationTest, AnErrorThatIsAllowedIsListedAndFailsNothing) {
  learn(3);
  run_order({.products_fail = true});
  flow_.trace.emplace().allow_errors = {"product-service/GET /products/:id"};
  flow_.expects_of_trace = true;
  TraceValidation seen = look();
  ASSERT_THAT(seen.error_spans, SizeIs(1));
  EXPECT_TRUE(seen.error_spans[0].allowed);
  EXPECT_EQ(seen.status, ValidationStatus::kPassed) << seen.summary;
  flow_.trace->allow_errors = {"user-service", expr::Map{{"error.type", "Timeout"}}};
  EXPECT_EQ(look().status, ValidationStatus::kFailed);
}

TEST_F(TraceValidationTest, AFailedSpanDecidesEvenWhereThePathIsOpen) {
  flow_.expects_of_trace = true;
  run_order({.products_fail = true});
  subject_.steps.push_back({.step_id = "cart", .span_id = span_id(9999), .reaches_out = true});
  const TraceValidation seen = look(true);
  EXPECT_EQ(seen.status, ValidationStatus::kFailed);
  EXPECT_THAT(names(seen.unmet), ElementsAre("steps"));
}

// ---- A trace of someone else's runner ----

class ForeignTraceTest : public TraceValidationTest {
 protected:
  ForeignTraceTest() { subject_.is_run = false; }
};

TEST_F(ForeignTraceTest, TheSpanThatNeverComesIsSaidAtOnce) {
  learn(3);
  TraceOf trace(1);
  order(trace, span_id(4711));
  store_.receive(trace.spans());
  EXPECT_EQ(look().status, ValidationStatus::kPending);
  subject_.parent_span_id = span_id(4711);
  const TraceValidation seen = look();
  EXPECT_EQ(seen.status, ValidationStatus::kPassed) << seen.summary;
  EXPECT_EQ(seen.expected_from, ExpectedFrom::kBaseline);
}

TEST_F(ForeignTraceTest, WithoutItASingleEntryCountsAsResolvedOnlyWhenTimeIsUp) {
  learn(3);
  TraceOf trace(1);
  order(trace, span_id(4711));
  store_.receive(trace.spans());
  EXPECT_THAT(names(look().unmet), ElementsAre("parents"));
  const TraceValidation seen = look(true);
  EXPECT_EQ(seen.status, ValidationStatus::kPassed) << seen.summary;
  EXPECT_THAT(seen.unmet, IsEmpty());
}

TEST_F(ForeignTraceTest, TwoEntriesWithUnknownParentsStayOpen) {
  TraceOf trace(1);
  order(trace, span_id(4711));
  trace.server("cart", "GET", "/cart").under(span_id(4712));
  store_.receive(trace.spans());
  EXPECT_EQ(look(true).status, ValidationStatus::kPartial);
}

TEST_F(ForeignTraceTest, AnInternalEntryWithAnUnknownParentStaysOpen) {
  TraceOf trace(1);
  trace.span("order-service", model::SpanKind::kInternal, "work").under(span_id(4711));
  store_.receive(trace.spans());
  EXPECT_EQ(look(true).status, ValidationStatus::kPartial);
}

TEST_F(ForeignTraceTest, ABareTraceIdWaitsForTheTrace) {
  subject_.flow = nullptr;
  EXPECT_THAT(names(look().unmet), ElementsAre("spans"));
  EXPECT_EQ(look(true).status, ValidationStatus::kPartial);
  TraceOf trace(1);
  order(trace);
  store_.receive(trace.spans());
  const TraceValidation seen = look();
  EXPECT_EQ(seen.status, ValidationStatus::kPassed);
  EXPECT_EQ(seen.path_status, PathStatus::kNoBaseline);
}

TEST_F(ForeignTraceTest, ATraceIsNoBaselineOfItself) {
  learn(20);
  TraceOf trace(1);
  order(trace, {}, {.asks_fraud = true, .products_ms = 400});
  store_.learn(trace.spans());  // counted before it is validated
  const TraceValidation seen = look();
  EXPECT_THAT(names(seen.unexpected_nodes), ElementsAre("POST /checks"));
  ASSERT_THAT(seen.slow_spans, SizeIs(1));
  EXPECT_EQ(seen.slow_spans[0].samples, 20u);
}

TEST_F(ForeignTraceTest, ATraceOfAKnownFlowIsTakenOutOfItsSamples) {
  learn(19);
  TraceOf trace(1);
  order(trace, {}, {.products_ms = 400});
  store_.learn(trace.spans());
  EXPECT_THAT(look().slow_spans, IsEmpty());
  learn(1);
  const TraceValidation seen = look();
  ASSERT_THAT(seen.slow_spans, SizeIs(1));
  EXPECT_EQ(seen.slow_spans[0].samples, 20u);
  EXPECT_NEAR(seen.slow_spans[0].p95_ms, 20, 0.2);
}

TEST_F(ForeignTraceTest, ATraceThatIsTheOnlyOneOfItsFamilyHasNoBaseline) {
  TraceOf trace(1);
  order(trace);
  store_.learn(trace.spans());
  const TraceValidation seen = look(false, 0);  // closed long ago: quiet
  EXPECT_EQ(seen.path_status, PathStatus::kNoBaseline);
  EXPECT_EQ(seen.status, ValidationStatus::kPassed);
}

}  // namespace
}  // namespace testmesh::validation
