#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "validation/testing/order_fixture.h"

namespace testmesh::validation {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// ---- A trace of someone else's runner ----

class ForeignTraceTest : public OrderTest {
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

TEST_F(ForeignTraceTest, NorIsItTheFlowItWasDiscoveredFrom) {
  TraceOf trace(1);
  order(trace);
  store_.learn(trace.spans());
  discovered_from(fingerprint_of(trace.spans()));
  EXPECT_EQ(look().expected_from, ExpectedFrom::kNone);
  learn(1);
  EXPECT_EQ(look().expected_from, ExpectedFrom::kDiscoveredFrom);
}

}  // namespace
}  // namespace testmesh::validation
