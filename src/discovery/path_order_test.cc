// discovery.md 2.1, 2.4, 2.7, clause by clause.
#include <algorithm>

#include "discovery/analyzer_fixture.h"

namespace testmesh::discovery {
namespace {

using ::testing::ElementsAre;
constexpr uint64_t kMs = 1'000'000;

// ---- 2.1 ------------------------------------------------------------------------

TEST(Entry, TheEarliestWithoutParentId) {
  Trace t;
  t.span("late", kServer).us(50, 60);
  t.span("orphan", kServer).under(77).us(1, 2);
  t.span("early", kServer).us(40, 90);
  EXPECT_EQ(t.flow().family.entry_service, "early");
}

TEST(Entry, ElseTheEarliestWhoseParentIsAbsent) {
  Trace t;
  t.span("b", kServer).under(77).us(5, 6);
  t.span("a", kServer).under(78).us(4, 6);
  EXPECT_EQ(t.flow().family.entry_service, "a");
  EXPECT_TRUE(t.analyze().partial);
}

TEST(Entry, AtOneStartTheSmallerSpanId) {
  Trace t;
  t.span("big", kServer).us(5, 6).id(0x8000000000000001);
  t.span("small", kServer).us(5, 6).id(0x0100000000000000);
  EXPECT_EQ(t.flow().family.entry_service, "small");
}

TEST(VirtualRoot, OthersComeAfterTheEntryAsOneRunEvenIfTheyStartBefore) {
  Trace t;
  t.span("entry", kServer).us(100, 110);
  t.span("z", kServer).under(77).us(1, 2);
  t.span("m", kServer).us(200, 210);
  t.span("k", kConsumer).under(78).us(3, 4);
  t.span("b", kServer).under(79).us(300, 310);
  EXPECT_EQ(t.path(), "service:entry->service:b->service:k->service:m->service:z");
}

TEST(VirtualRoot, EqualSubtreesCollapse) {
  Trace t;
  t.server("a", "GET", "/");
  t.server("a", "GET", "/");
  t.server("a", "GET", "/").under(77);
  EXPECT_EQ(t.path(), "api_endpoint:GET /");
  EXPECT_THAT(t.flow().calls, ElementsAre(3));
}

TEST(Cycle, IsCutAtItsEarliestSpanAndCounted) {
  Trace t;
  t.span("a", kServer).id(1).under(3).us(10, 20);
  t.span("b", kServer).id(2).under(1).us(5, 20);
  t.span("c", kServer).id(3).under(2).us(30, 40);
  t.span("below", kServer).id(4).under(3).us(1, 2);
  const TraceAnalysis& analysis = t.analyze();
  EXPECT_EQ(analysis.cycles_cut, 1u);
  EXPECT_TRUE(analysis.partial);
  EXPECT_FALSE(analysis.all_parents_resolve);
  EXPECT_EQ(t.path(), "service:b->service:c->service:below->service:a");
}

TEST(Cycle, ASpanThatIsItsOwnParent) {
  Trace t;
  t.span("a", kServer).id(1).under(1);
  const TraceAnalysis& analysis = t.analyze();
  EXPECT_EQ(analysis.cycles_cut, 1u);
  EXPECT_TRUE(analysis.partial);
  EXPECT_EQ(t.path(), "service:a");
}

TEST(Cycle, ACutSpanIsNotTheEntryWhileAnotherHasNoParent) {
  Trace t;
  t.span("loop", kServer).id(1).under(1).us(1, 2);
  t.span("root", kServer).us(50, 60);
  EXPECT_EQ(t.path(), "service:root->service:loop");
}

TEST(Duplicates, OfSeveralSpansWithOneIdTheFirstCounts) {
  Trace t;
  t.span("first", kServer).id(1);
  t.span("second", kServer).id(1);
  EXPECT_EQ(t.analyze().duplicates, 1u);
  EXPECT_EQ(t.path(), "service:first");
}

TEST(Partial, AParentNeverArrived) {
  Trace t;
  auto& entry = t.span("a", kServer);
  t.span("a", kInternal).under(entry);
  EXPECT_FALSE(t.analyze().partial);
  EXPECT_TRUE(t.analyze().all_parents_resolve);
  t.span("b", kServer).under(99);
  EXPECT_TRUE(t.analyze().partial);
  EXPECT_FALSE(t.analyze().all_parents_resolve);
}

TEST(Partial, NotWhenTheCallerDoesNotExport) {
  Trace t;
  t.server("a", "GET", "/x").under(99);
  t.server("a", "GET", "/y").under(99);
  t.process("b", "t").under(99);
  EXPECT_FALSE(t.analyze().partial);
  EXPECT_FALSE(t.analyze().all_parents_resolve);
  EXPECT_EQ(t.path(), "api_endpoint:GET /x->api_endpoint:GET /y->topic:t->service:b");
}

TEST(Partial, TheCallerMayNotExportOnlyWhereEverySpanHasAParentId) {
  Trace t;
  t.server("a", "GET", "/x").under(99);
  t.span("timer", kServer);
  EXPECT_TRUE(t.analyze().partial);
}

TEST(Partial, TheCallerMayNotExportOnlyWhereOneParentIsAbsent) {
  Trace t;
  t.server("a", "GET", "/x").under(99);
  t.server("a", "GET", "/x").under(98);
  EXPECT_TRUE(t.analyze().partial);
}

TEST(Partial, TheCallerMayNotExportOnlyWhereAllItsChildrenAreServerOrConsumer) {
  Trace t;
  t.server("a", "GET", "/x").under(99);
  t.span("a", kInternal).under(99);
  EXPECT_TRUE(t.analyze().partial);
}

TEST(Partial, TheCallerMayNotExportOnlyWhereNoCycleWasCut) {
  Trace t;
  t.server("a", "GET", "/x").under(99);
  t.server("a", "GET", "/y").id(50).under(50);
  EXPECT_TRUE(t.analyze().partial);
}

TEST(Order, EverySpanOnceParentsBeforeChildrenDepthFirst) {
  Trace t;
  t.span("a", kServer).id(1).us(1, 100);
  t.span("a", kInternal).id(2).under(1).us(50, 60);
  t.span("a", kInternal).id(3).under(1).us(2, 20);
  t.span("a", kInternal).id(4).under(3).us(3, 4);
  t.span("a", kInternal).id(5).under(99).us(0, 4);
  std::vector<std::pair<uint32_t, uint32_t>> order;
  for (const OrderedSpan& span : t.analyze().order) order.emplace_back(span.span, span.parent);
  using P = std::pair<uint32_t, uint32_t>;
  EXPECT_THAT(order, ElementsAre(P(0, kNoSpan), P(2, 0), P(3, 1), P(1, 0), P(4, kNoSpan)));
}

// ---- 2.4 ------------------------------------------------------------------------

struct Siblings : Trace {
  TestSpan* entry = &server("a", "GET", "/");
  TestSpan& called(const std::string& name, uint64_t from, uint64_t until) {
    return client("a").under(*entry).with("server.address", name).ns(from, until);
  }
  std::string order() {
    std::string text = path();
    std::string result;
    for (size_t at = text.find("service:"); at != std::string::npos; at = text.find("service:", at + 1)) {
      const size_t end = text.find("->", at);
      result +=
          (result.empty() ? "" : " ") + text.substr(at + 8, end == std::string::npos ? end : end - at - 8);
    }
    return result;
  }
};

TEST(SiblingOrder, ByStart) {
  Siblings t;
  t.called("z", 1, 5);
  t.called("a", 5, 9);
  EXPECT_EQ(t.order(), "z a");
}

TEST(SiblingOrder, OverlapIsOneRunByCanonicalString) {
  Siblings t;
  t.called("z", 1, 6);
  t.called("a", 5, 9);
  EXPECT_EQ(t.order(), "a z");
}

TEST(SiblingOrder, TheRunsLatestEndCounts) {
  Siblings t;
  t.called("z", 1, 100);
  t.called("y", 2, 3);
  t.called("a", 50, 60);
  EXPECT_EQ(t.order(), "a y z");
}

TEST(SiblingOrder, TheSameInstantAsTheLastJoins) {
  Siblings t;
  t.called("z", 7, 7);
  t.called("a", 7, 7);
  EXPECT_EQ(t.order(), "a z");
}

TEST(SiblingOrder, AStartOnAWholeMillisecondCountsOneMillisecondLater) {
  Siblings t;
  t.called("z", 3 * kMs, 5 * kMs + 400'000);
  t.called("a", 5 * kMs, 8 * kMs);
  EXPECT_EQ(t.order(), "z a");
  Siblings whole;
  whole.called("z", 3 * kMs, 6 * kMs + 1);
  whole.called("a", 5 * kMs, 8 * kMs);
  EXPECT_EQ(whole.order(), "a z");
}

TEST(SiblingOrder, TheSameWholeMillisecondIsTheSameInstant) {
  Siblings t;
  t.called("z", 3 * kMs, 3 * kMs + 100);
  t.called("a", 3 * kMs, 3 * kMs + 100);
  EXPECT_EQ(t.order(), "a z");
}

TEST(SiblingOrder, StringsCompareAsBytesOverTheWholeSubtree) {
  Siblings t;
  // "service:b" < "service:b->…" and "service:b b" < "service:b->…": ' ' before '-'.
  auto& first = t.span("b", kInternal).under(*t.entry).ns(1, 10);
  t.query("b", "d").under(first);
  t.span("b b", kInternal).under(*t.entry).ns(1, 10);
  t.span("b", kInternal).under(*t.entry).ns(1, 10);
  EXPECT_EQ(t.path(), "api_endpoint:GET /->service:b->service:b b->service:b->database:d");
}

TEST(SiblingOrder, EqualStringsAreOrderedByService) {
  Siblings t;
  t.server("y", "GET", "/same").under(*t.entry).ns(1, 10);
  t.server("x", "GET", "/same").under(*t.entry).ns(1, 10);
  const FlowIdentity* flow = t.analyze().flows.at(0).flow;
  ASSERT_EQ(flow->nodes.size(), 3u);
  EXPECT_EQ(flow->nodes[1].service, "x");
  EXPECT_EQ(flow->nodes[2].service, "y");
}

TEST(SiblingOrder, ConsumersComeLastAsOneRun) {
  Trace t;
  auto& send = t.send("a", "t").ns(1, 10);
  t.process("z", "t").under(send).ns(20, 30);
  t.process("b", "t").under(send).ns(40, 50);
  t.span("a", kClient).with("server.address", "never: below a topic").under(send).ns(60, 70);
  t.query("a", "later").under(send).ns(80, 90);
  EXPECT_EQ(t.path(), "service:a->topic:t->database:later->service:b->service:z");
}

TEST(SiblingOrder, SiblingsAreTheChildrenOfOneSpanNotOfOneNode) {
  Siblings t;
  auto& handler = t.span("a", kInternal).under(*t.entry).ns(1, 100);
  t.client("a").with("server.address", "z").under(handler).ns(2, 5);
  t.client("a").with("server.address", "y").under(handler).ns(6, 9);
  t.called("b", 50, 60);  // overlaps the handler: the handler's string is z->y
  EXPECT_EQ(t.order(), "b z y");
}

TEST(Collapse, EqualSubtreesAdjacentOrNotBelowWhateverSpansWithoutNodes) {
  Siblings t;
  t.called("x", 1, 2);
  t.called("y", 3, 4);
  t.called("x", 5, 6);
  auto& handler = t.span("a", kInternal).under(*t.entry).ns(7, 20);
  auto& inner = t.span("a", kInternal).under(handler).ns(8, 19);
  t.client("a").with("server.address", "x").under(inner).ns(9, 10);
  EXPECT_EQ(t.order(), "x y");
  EXPECT_THAT(t.flow().calls, ElementsAre(1, 3, 1));
}

TEST(Collapse, DifferentSubtreesStay) {
  Siblings t;
  auto& first = t.server("b", "GET", "/i").under(*t.entry).ns(1, 5);
  t.query("b", "d").under(first).ns(2, 3);
  t.server("b", "GET", "/i").under(*t.entry).ns(6, 9);
  EXPECT_EQ(t.path(), "api_endpoint:GET /->api_endpoint:GET /i->database:d->api_endpoint:GET /i");
}

TEST(Collapse, NotUnderDifferentNodes) {
  Siblings t;
  auto& first = t.server("b", "GET", "/i").under(*t.entry).ns(1, 5);
  t.query("b", "d").under(first).ns(2, 3);
  auto& second = t.server("c", "GET", "/j").under(*t.entry).ns(6, 9);
  t.query("c", "d").under(second).ns(7, 8);
  EXPECT_EQ(t.path(), "api_endpoint:GET /->api_endpoint:GET /i->database:d->api_endpoint:GET /j->database:d");
}

TEST(Retry, AnAttemptThatNeverReachedTheCalleeTakesTheNextOnes) {
  Siblings t;
  t.called("b", 1, 5).error();
  auto& again = t.called("b", 6, 20);
  t.server("b", "GET", "/i").under(again).ns(7, 19);
  EXPECT_EQ(t.path(), "api_endpoint:GET /->api_endpoint:GET /i");
  EXPECT_THAT(t.flow().calls, ElementsAre(1, 2));
  EXPECT_THAT(t.flow().retries, ElementsAre(0, 1));
}

TEST(Retry, OfThreeAttemptsTwoAreRetries) {
  Siblings t;
  t.called("b", 1, 5).error();
  auto& second = t.called("b", 6, 10).error();
  t.server("b", "GET", "/i").under(second).ns(7, 9).error();
  auto& third = t.called("b", 11, 30);
  auto& served = t.server("b", "GET", "/i").under(third).ns(12, 29);
  t.query("b", "d").under(served).ns(13, 14);
  EXPECT_EQ(t.path(), "api_endpoint:GET /->api_endpoint:GET /i->database:d");
  EXPECT_THAT(t.flow().calls, ElementsAre(1, 3, 1));
  EXPECT_THAT(t.flow().retries, ElementsAre(0, 2, 0));
}

TEST(Retry, AnAttemptThatVisitedSomethingElseStays) {
  Siblings t;
  auto& first = t.called("b", 1, 5).error();
  auto& served = t.server("b", "GET", "/i").under(first).ns(2, 4);
  t.query("b", "only here").under(served).ns(3, 4);
  auto& second = t.called("b", 6, 20);
  t.server("b", "GET", "/i").under(second).ns(7, 19);
  EXPECT_EQ(t.path(), "api_endpoint:GET /->api_endpoint:GET /i->database:only here->api_endpoint:GET /i");
  EXPECT_THAT(t.flow().retries, ElementsAre(0, 0, 0, 1));  // the retry is the second
}

TEST(Retry, NotBeforeTheErrorEnded) {
  Siblings t;
  t.called("b", 1, 9).error();
  auto& other = t.called("b", 6, 20);
  t.server("b", "GET", "/i").under(other).ns(7, 19);
  EXPECT_EQ(t.path(), "api_endpoint:GET /->api_endpoint:GET /i->service:b");
  EXPECT_THAT(t.flow().retries, ElementsAre(0, 0, 0));
}

TEST(Retry, AWholeMillisecondStartCountsLaterHereToo) {
  Siblings t;
  t.called("b", 3 * kMs, 5 * kMs + 400'000).error();
  auto& again = t.called("b", 5 * kMs, 9 * kMs);
  t.server("b", "GET", "/i").under(again).ns(6 * kMs, 8 * kMs);
  EXPECT_EQ(t.path(), "api_endpoint:GET /->api_endpoint:GET /i");
}

TEST(Retry, TheStartOfTheFailedAttemptDoesNotCountLater) {
  Siblings t;
  t.called("b", 3 * kMs, 3 * kMs + 400'000).error();  // happens to start on a whole millisecond
  auto& again = t.called("b", 3 * kMs + 500'001, 9 * kMs);
  t.server("b", "GET", "/i").under(again).ns(6 * kMs, 8 * kMs);
  EXPECT_EQ(t.path(), "api_endpoint:GET /->api_endpoint:GET /i");
  EXPECT_THAT(t.flow().retries, ElementsAre(0, 1));
}

TEST(Retry, AnotherUrlIsAnotherOperation) {
  Siblings t;
  t.called("b", 1, 5).error().with("url.full", "http://b/1");
  auto& other = t.called("b", 6, 20).with("url.full", "http://b/2");
  t.server("b", "GET", "/i").under(other).ns(7, 19);
  EXPECT_EQ(t.path(), "api_endpoint:GET /->service:b->api_endpoint:GET /i");
  EXPECT_THAT(t.flow().retries, ElementsAre(0, 0, 0));
}

TEST(Retry, WithoutAnErrorItIsALoop) {
  Siblings t;
  t.called("b", 1, 5);
  t.called("b", 6, 9);
  EXPECT_THAT(t.flow().calls, ElementsAre(1, 2));
  EXPECT_THAT(t.flow().retries, ElementsAre(0, 0));
}

TEST(Retry, ResendCountIsOneAndNotTwiceWithTheErrorBefore) {
  Siblings redirect;
  redirect.called("b", 1, 5);
  redirect.called("b", 6, 9).with("http.request.resend_count", "1");
  EXPECT_THAT(redirect.flow().retries, ElementsAre(0, 1));
  Siblings failed;
  failed.called("b", 1, 5).error();
  failed.called("b", 6, 9).with("http.request.resend_count", "1");
  EXPECT_THAT(failed.flow().retries, ElementsAre(0, 1));
}

TEST(Retry, AHandlerThatThrewIsTakenByTheSecondProcess) {
  Trace t;
  auto& send = t.send("a", "t").ns(1, 10);
  t.process("b", "t").under(send).ns(20, 30).error();
  auto& again = t.process("b", "t").under(send).ns(40, 50);
  t.query("b", "d").under(again).ns(41, 42);
  EXPECT_EQ(t.path(), "service:a->topic:t->service:b->database:d");
}

// ---- Visits -----------------------------------------------------------------------

TEST(SelfTime, IsWhatChildrenDoNotCover) {
  Trace t;
  auto& entry = t.server("a", "GET", "/").ns(100, 200);
  t.span("a", kInternal).under(entry).ns(110, 130);
  t.span("a", kInternal).under(entry).ns(120, 140);
  t.span("a", kInternal).under(entry).ns(125, 126);
  t.span("a", kConsumer).with("messaging.destination.name", "t").under(entry).ns(190, 900);
  t.span("a", kInternal).under(entry).ns(50, 105);
  const FlowMatch& match = t.analyze().flows.at(0);
  for (const Visit& visit : match.visits)
    if (visit.node == 0) {
      EXPECT_EQ(visit.duration_ns, 100u);
      EXPECT_EQ(visit.self_ns, 100u - 30 - 10 - 5);
    }
}

TEST(Families, EnvironmentEntryServiceAndOperation) {
  Trace t;
  t.server("a", "GET", "/x").environment("prod");
  EXPECT_EQ(t.flow().family, (model::Family{"prod", "a", "GET /x"}));
  Trace named;
  named.span("a", kInternal, "job 42");
  EXPECT_EQ(named.flow().family, (model::Family{"", "a", "job :id"}));
}

// ---- 2.7 --------------------------------------------------------------------------

TEST(TestTraffic, TheRunnersSpansAreLeftOutAndTheTopmostThatRemainAreEntries) {
  Trace t;
  auto& run = t.span("runner", kInternal, "testmesh.run").ns(1, 1000);
  auto& step = t.span("runner", kInternal, "execution.step").under(run).ns(2, 500);
  auto& call = t.server("shop", "GET", "/x").under(step).ns(3, 400);
  t.query("shop", "d").under(call).ns(4, 5).error();
  auto& step_2 = t.span("runner", kInternal, "execution.step").under(run).ns(501, 900);
  t.server("shop", "POST", "/y").under(step_2).ns(502, 800);
  const TraceAnalysis& analysis = t.analyze();
  EXPECT_TRUE(analysis.test);
  EXPECT_EQ(analysis.root, 0u);
  ASSERT_EQ(analysis.flows.size(), 2u);
  EXPECT_EQ(analysis.flows[0].flow->path, "api_endpoint:GET /x->database:d");
  EXPECT_TRUE(analysis.flows[0].error);
  EXPECT_EQ(analysis.flows[0].entry, 2u);
  EXPECT_EQ(analysis.flows[0].duration_ns, 397u);
  EXPECT_EQ(analysis.flows[1].flow->path, "api_endpoint:POST /y");
  EXPECT_FALSE(analysis.flows[1].error);
}

TEST(TestTraffic, AFlowCountsTheTraceOnce) {
  Trace t;
  auto& run = t.span("runner", kInternal, "testmesh.run");
  t.server("shop", "GET", "/x").under(run);
  t.server("shop", "GET", "/x").under(run).error();
  const auto flow = t.flow();
  EXPECT_EQ(flow.path, "api_endpoint:GET /x");
  EXPECT_THAT(flow.calls, ElementsAre(2));
  EXPECT_TRUE(t.analyze().flows[0].error);
}

TEST(TestTraffic, TheSameFlowAsOrdinaryTraffic) {
  Trace t;
  auto& run = t.span("runner", kClient, "call").with("testmesh.execution.id", "7");
  t.server("shop", "GET", "/x").under(run);
  const FlowIdentity* tested = t.analyze().flows.at(0).flow;
  t.spans.pop_front();
  EXPECT_TRUE(t.analyze().partial == false);
  EXPECT_EQ(t.analyze().flows.at(0).flow, tested);
}

TEST(TestTraffic, ATestSpanOfAnotherServiceStays) {
  Trace t;
  auto& run = t.span("runner", kInternal, "testmesh.run");
  t.span("shop", kServer, "testmesh.hook").under(run);
  EXPECT_EQ(t.path(), "service:shop");
}

TEST(TestTraffic, ATestSpanBelowAnOrdinaryEntryMakesNoTestTrace) {
  Trace t;
  auto& entry = t.server("shop", "GET", "/x");
  t.span("shop", kInternal, "testmesh.step").under(entry);
  EXPECT_FALSE(t.analyze().test);
  EXPECT_EQ(t.path(), "api_endpoint:GET /x");
}

TEST(TestTraffic, ARunnerAloneHasNoFlow) {
  Trace t;
  t.span("runner", kInternal, "testmesh.run");
  EXPECT_TRUE(t.analyze().flows.empty());
}

TEST(Nothing, AnEmptyTraceHasNoFlow) {
  Trace t;
  const TraceAnalysis& analysis = t.analyze();
  EXPECT_TRUE(analysis.flows.empty());
  EXPECT_EQ(analysis.root, kNoSpan);
}

}  // namespace
}  // namespace testmesh::discovery
