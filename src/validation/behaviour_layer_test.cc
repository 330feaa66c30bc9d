#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "validation/testing/order_fixture.h"

namespace testmesh::validation {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using BehaviourLayerTest = OrderTest;

// ---- Slow and failed spans ----

TEST_F(BehaviourLayerTest, ASlowSpanIsNamedAndNothingElse) {
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

TEST_F(BehaviourLayerTest, OneAndAHalfTimesThePercentileIsNotSlow) {
  learn(20);
  run_order({.products_ms = 29});
  EXPECT_THAT(look().slow_spans, IsEmpty());
}

TEST_F(BehaviourLayerTest, NineteenSamplesAreTooFew) {
  learn(19);
  run_order({.products_ms = 400});
  EXPECT_THAT(look().slow_spans, IsEmpty());
}

TEST_F(BehaviourLayerTest, SamplesOfAllVariantsOfTheFamilyCount) {
  learn(12);
  learn(12, {.announces = false});
  run_order({.products_ms = 60});
  const TraceValidation seen = look();
  ASSERT_THAT(seen.slow_spans, SizeIs(1));
  EXPECT_EQ(seen.slow_spans[0].samples, 24u);
}

TEST_F(BehaviourLayerTest, PerformanceMayWarnOrBeOff) {
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

TEST_F(BehaviourLayerTest, AFailedSpanIsNamedAndNothingElse) {
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

TEST_F(BehaviourLayerTest, AnErrorThatIsAllowedIsListedAndFailsNothing) {
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

TEST_F(BehaviourLayerTest, AFailedSpanDecidesEvenWhereThePathIsOpen) {
  flow_.expects_of_trace = true;
  run_order({.products_fail = true});
  subject_.steps.push_back({.step_id = "cart", .span_id = span_id(9999), .reaches_out = true});
  const TraceValidation seen = look(true);
  EXPECT_EQ(seen.status, ValidationStatus::kFailed);
  EXPECT_THAT(names(seen.unmet), ElementsAre("steps"));
}

// ---- Assertions ----

// A flow as it is written, its one step's `trace_assert` beside the flow's.
class TraceAssertTest : public OrderTest {
 protected:
  void read(const std::string& flow_assertions, const std::string& step_assertions = "") {
    std::string yaml =
        "flow:\n  name: order\n  steps:\n    - id: create_order\n      action: log\n      config: {message: "
        "hello}\n";
    if (!step_assertions.empty()) yaml += "      trace_assert:\n" + step_assertions;
    if (!flow_assertions.empty()) yaml += "  trace_assert:\n" + flow_assertions;
    flow_file::Reading reading = flow_file::read_flow(yaml);
    ASSERT_THAT(reading.problems, IsEmpty()) << reading.problems.front().message;
    flow_ = std::move(reading.flow);
    ASSERT_TRUE(flow_.expects_of_trace);
  }
  void run(const Order& how = {}) {
    run_order(how);
    subject_.steps.front().trace_assert = &flow_.steps.front().trace_assert;
  }
};

TEST_F(TraceAssertTest, WhatHoldsIsNotListed) {
  read("    - trace.span('user-service') exists\n    - trace.before('user-service', 'product-service')\n");
  run();
  const TraceValidation seen = look();
  EXPECT_EQ(seen.status, ValidationStatus::kPassed) << seen.summary;
  EXPECT_THAT(seen.failed_assertions, IsEmpty());
  EXPECT_THAT(seen.inconclusive_assertions, IsEmpty());
}

TEST_F(TraceAssertTest, WhatDoesNotHoldIsNamedWithBothSidesAndItsPlaceInTheFile) {
  read("    - trace.span_count > 0\n    - trace.span('product-service').duration_ms < 5\n");
  run();
  const TraceValidation seen = look();
  EXPECT_EQ(seen.status, ValidationStatus::kFailed);
  ASSERT_THAT(seen.failed_assertions, SizeIs(1));
  const AssertionFinding& finding = seen.failed_assertions[0];
  EXPECT_EQ(finding.expression, "trace.span('product-service').duration_ms < 5");
  EXPECT_EQ(finding.actual, expr::Value(20.0));
  EXPECT_EQ(finding.expected, expr::Value(5));
  EXPECT_EQ(finding.step_id, "");
  EXPECT_EQ(finding.at.line, 9u);
  EXPECT_EQ(finding.at.column, 7u);
  EXPECT_FALSE(finding.error);
  EXPECT_THAT(seen.summary, HasSubstr("`trace.span('product-service').duration_ms < 5` does not hold: 20"));
}

TEST_F(TraceAssertTest, AStepSeesItsOwnSubtreeAndTheFlowTheWholeRun) {
  read("    - trace.span('cart-service') exists\n    - trace.span('order-service') exists\n",
       "        - trace.span('cart-service') == nil\n        - trace.span('testmesh') == nil\n");
  TraceOf trace(1);
  order(trace, begin(trace).span.span_id);
  trace.server("cart-service", "GET", "/cart").under(step(trace, "cart"));
  store_.receive(trace.spans());
  for (StepSpan& step : subject_.steps) step.trace_assert = &flow_.steps.front().trace_assert;
  const TraceValidation seen = look();
  ASSERT_THAT(seen.failed_assertions, SizeIs(1)) << seen.summary;
  EXPECT_EQ(seen.failed_assertions[0].step_id, "cart");
  EXPECT_EQ(seen.failed_assertions[0].at.line, 8u);
}

TEST_F(TraceAssertTest, AStepOfAForeignTraceSeesAllOfIt) {
  read("", "        - trace.span('order-service') exists\n");
  subject_.is_run = false;
  TraceOf trace(1);
  order(trace);
  store_.receive(trace.spans());
  subject_.steps.push_back(
      {.step_id = "create_order", .span_id = {}, .trace_assert = &flow_.steps.front().trace_assert});
  EXPECT_EQ(look().status, ValidationStatus::kPassed);
}

TEST_F(TraceAssertTest, NamesOfTheStepGoBeforeVariables) {
  read("    - trace.span_count > least\n", "        - trace.span_count > least\n");
  run();
  const expr::Map variables{{"least", 3}}, names{{"least", 1000}};
  subject_.variables = &variables;
  subject_.steps.front().names = &names;
  const TraceValidation seen = look();
  ASSERT_THAT(seen.failed_assertions, SizeIs(1));
  EXPECT_EQ(seen.failed_assertions[0].step_id, "create_order");
}

TEST_F(TraceAssertTest, AnExpressionThatCannotBeEvaluatedFailsAndSaysWhy) {
  read("    - trace.span_count > nobody.knows\n");
  run();
  const TraceValidation seen = look();
  EXPECT_EQ(seen.status, ValidationStatus::kFailed);
  ASSERT_THAT(seen.failed_assertions, SizeIs(1));
  EXPECT_TRUE(seen.failed_assertions[0].error);
  EXPECT_THAT(seen.summary, HasSubstr("could not be evaluated"));
}

TEST_F(TraceAssertTest, WhatFurtherSpansCouldChangeIsUndecided) {
  read(
      "    - trace.span('mail-service') exists\n    - trace.span('user-service') exists\n"
      "    - trace.span_count < 3\n");
  run();
  subject_.steps.push_back({.step_id = "mail", .span_id = span_id(9999), .reaches_out = true});
  EXPECT_EQ(look().status, ValidationStatus::kPending);
  const TraceValidation seen = look(true);
  // More spans may bring the mail; no more of them make the trace smaller.
  EXPECT_EQ(seen.status, ValidationStatus::kFailed);
  ASSERT_THAT(seen.inconclusive_assertions, SizeIs(1)) << seen.summary;
  EXPECT_EQ(seen.inconclusive_assertions[0].expression, "trace.span('mail-service') exists");
  ASSERT_THAT(seen.failed_assertions, SizeIs(1));
  EXPECT_EQ(seen.failed_assertions[0].expression, "trace.span_count < 3");
}

TEST_F(TraceAssertTest, UndecidedAloneIsPartial) {
  read("    - trace.span('mail-service') exists\n");
  run();
  subject_.steps.push_back({.step_id = "mail", .span_id = span_id(9999), .reaches_out = true});
  const TraceValidation seen = look(true);
  EXPECT_EQ(seen.status, ValidationStatus::kPartial);
  EXPECT_THAT(seen.failed_assertions, IsEmpty());
  EXPECT_THAT(seen.summary, HasSubstr("`trace.span('mail-service') exists` could still go either way"));
  subject_.steps.pop_back();
  EXPECT_EQ(look().status, ValidationStatus::kFailed);  // complete: it did not come
}

}  // namespace
}  // namespace testmesh::validation
