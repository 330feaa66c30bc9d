#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/testing/engine_fixture.h"

namespace testmesh::engine::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

const std::string kOrders = "api_endpoint:GET /orders";
const std::string kOrdersWithDatabase = "api_endpoint:GET /orders->database:orders";

std::vector<model::Span> order(uint64_t trace) {
  return {endpoint(trace, 1, 0, "shop", "/orders"), query(trace, 2, 1, "shop", "orders")};
}

// ---- reading and completing

TEST_F(EngineTest, WhatIsAcknowledgedIsReadableAtOnce) {
  open();
  send(order(1));
  const auto detail = engine_->trace(model::kDefaultWorkspace, trace_id(1));
  ASSERT_TRUE(detail && *detail);
  EXPECT_FALSE((*detail)->summary.complete);
  EXPECT_EQ((*detail)->spans.size(), 2u);
  EXPECT_TRUE(same_span((*detail)->spans[0], order(1)[0]));
  EXPECT_TRUE(same_span((*detail)->spans[1], order(1)[1]));
}

TEST_F(EngineTest, ATraceSaysWhichSpansStandForWhichNodeOfItsPath) {
  open();
  send({endpoint(1, 1, 0, "shop", "/orders/{id}"), query(1, 2, 1, "shop", "orders"),
        query(1, 3, 1, "shop", "orders"), query(1, 4, 1, "shop", "stock")});
  const auto detail = engine_->trace(model::kDefaultWorkspace, trace_id(1));
  ASSERT_TRUE(detail && *detail);
  EXPECT_THAT((*detail)->operations, ElementsAre("GET /orders/:id", "SELECT", "SELECT", "SELECT"));
  std::vector<std::pair<uint64_t, std::string>> visits;  // which span, which node
  for (const store::PathVisit& visit : (*detail)->visits)
    visits.emplace_back((*detail)->spans[visit.span].span_id.bytes[0],
                        (*detail)->path[visit.node].identifier);
  EXPECT_THAT(visits, ElementsAre(Pair(1, "GET /orders/:id"), Pair(2, "orders"), Pair(3, "orders"),
                                  Pair(4, "stock")));
}

TEST_F(EngineTest, ATestTraceShowsThePathBelowEachOfItsEntries) {
  open();
  model::Span run = span_of(1, 1, 0, "runner", "testmesh.execution", model::SpanKind::kInternal, {});
  std::vector<model::Span> spans{run,
                                 endpoint(1, 2, 1, "shop", "/orders"),
                                 query(1, 3, 2, "shop", "orders"),
                                 endpoint(1, 4, 1, "cart", "/cart"),
                                 endpoint(1, 5, 1, "shop", "/orders"),
                                 query(1, 6, 5, "shop", "orders")};
  send(spans);
  const auto detail = engine_->trace(model::kDefaultWorkspace, trace_id(1));
  ASSERT_TRUE(detail && *detail);
  EXPECT_EQ(discovery::path_string((*detail)->path), kOrdersWithDatabase + "->api_endpoint:GET /cart");
  const auto number_of = [&](uint32_t position) { return (*detail)->spans[position].span_id.bytes[0]; };
  ASSERT_EQ((*detail)->parts.size(), 2u);
  const store::PathPart& orders = (*detail)->parts[0];
  const store::PathPart& cart = (*detail)->parts[1];
  EXPECT_EQ(orders.family.entry_operation, "GET /orders");
  EXPECT_THAT(std::vector({number_of(orders.entries.at(0)), number_of(orders.entries.at(1))}),
              ElementsAre(2, 5));  // the same flow again
  EXPECT_EQ(std::pair(cart.first_node, cart.nodes), std::pair(2u, 1u));
  std::vector<std::pair<uint64_t, std::string>> visits;
  for (const store::PathVisit& visit : (*detail)->visits)
    visits.emplace_back(number_of(visit.span), (*detail)->path[visit.node].identifier);
  EXPECT_THAT(visits, ElementsAre(Pair(2, "GET /orders"), Pair(3, "orders"), Pair(4, "GET /cart"),
                                  Pair(5, "GET /orders"), Pair(6, "orders")));
}

TEST_F(EngineTest, ATracesSummaryIsToldWithoutItsSpans) {
  open();
  const auto summary = [&] { return *engine_->trace_summary(model::kDefaultWorkspace, trace_id(1)); };
  EXPECT_FALSE(summary());
  send(order(1));
  const auto check = [&](bool complete) {
    const auto whole = *engine_->trace(model::kDefaultWorkspace, trace_id(1));
    const auto alone = summary();
    ASSERT_TRUE(alone && whole);
    EXPECT_EQ(alone->trace_id, trace_id(1));
    EXPECT_EQ(alone->span_count, whole->spans.size());
    EXPECT_EQ(alone->complete, complete);
    EXPECT_EQ(alone->flow_id, whole->summary.flow_id);
    EXPECT_EQ(alone->flow_id.has_value(), complete);
  };
  check(false);
  close_all();
  check(true);
}

TEST_F(EngineTest, ATraceCountsOnceNothingHasArrivedForTheIdleTimeout) {
  open();
  send(order(1));
  EXPECT_THAT(counts(), IsEmpty());
  wait(9 * kSecond);
  send({query(1, 3, 1, "shop", "orders")});  // and is not idle again
  wait(9 * kSecond);
  engine_->wait_until_taken();
  EXPECT_THAT(counts(), IsEmpty());
  close_all();
  EXPECT_THAT(counts(), ElementsAre(Pair(kOrdersWithDatabase, 1)));
  EXPECT_EQ(engine_->counters().closed_traces, 1u);
}

TEST_F(EngineTest, AWholeTraceOfAKnownFlowNeedsOneQuietSecondAndANewPathTheIdleTimeout) {
  options_.shards = 1;
  open();
  send(order(1));
  close_all();
  send({endpoint(2, 1, 0, "shop", "/orders")});  // a new path
  send(order(3));
  wait(3 * kSecond / 2);
  ASSERT_TRUE(eventually([&] { return engine_->counters().closed_traces == 2; }));
  EXPECT_THAT(counts(), ElementsAre(Pair(kOrdersWithDatabase, 2)));
  close_all();
  EXPECT_THAT(counts(), ElementsAre(Pair(kOrders, 1), Pair(kOrdersWithDatabase, 2)));
}

TEST_F(EngineTest, EachWorkspaceHasItsOwnIdleTimeout) {
  change(workspace_id(2), [](auto& settings) { settings.trace_idle_timeout_ms = 100; });
  open();
  send(order(1));
  send(order(1), workspace_id(2));
  wait(300 * kMs);
  ASSERT_TRUE(eventually([&] { return !counts(workspace_id(2)).empty(); }));
  EXPECT_THAT(counts(), IsEmpty());
}

TEST_F(EngineTest, WorkspacesShareNothing) {
  open();
  send(order(1));
  send({endpoint(1, 1, 0, "shop", "/orders")}, workspace_id(2));
  close_all();
  EXPECT_THAT(counts(), ElementsAre(Pair(kOrdersWithDatabase, 1)));
  EXPECT_THAT(counts(workspace_id(2)), ElementsAre(Pair(kOrders, 1)));
  EXPECT_EQ(stored(1).size(), 2u);
  EXPECT_EQ(stored(1, workspace_id(2)).size(), 1u);
}

TEST_F(EngineTest, AClockThatIsSetBackHoldsNoTraceOpen) {
  open();
  send(order(1));
  close_all();
  send(order(2));
  engine_->wait_until_taken();
  clock_.go_back(2 * kHour);
  send(order(3));
  ASSERT_TRUE(eventually([&] {
    clock_.advance(kSecond / 10);  // far less than two hours in all
    return engine_->counters().closed_traces == 3;
  }));
  EXPECT_THAT(counts(), ElementsAre(Pair(kOrdersWithDatabase, 3)));
}

// ---- repeated and late spans

TEST_F(EngineTest, SpansSentTwiceAreStoredAndCountedOnce) {
  open();
  std::vector<model::Span> twice = order(1);
  twice.push_back(twice[0]);
  send(twice);     // in one request
  send(order(1));  // while the trace is open
  close_all();
  send(order(1));  // after it was counted
  close_all();
  open();  // and after a restart
  send(order(1));
  close_all();
  EXPECT_THAT(counts(), ElementsAre(Pair(kOrdersWithDatabase, 1)));
  EXPECT_EQ(stored(1).size(), 2u);
}

TEST_F(EngineTest, TheFirstOfSeveralSpansWithOneIdCounts) {
  open();
  send({endpoint(1, 1, 0, "shop", "/orders")});
  close_all();
  send({endpoint(1, 1, 0, "shop", "/other")});
  close_all();
  EXPECT_THAT(counts(), ElementsAre(Pair(kOrders, 1)));
  ASSERT_EQ(stored(1).size(), 1u);
  EXPECT_EQ(stored(1)[0].name, "GET /orders");
}

TEST_F(EngineTest, ALateSpanMovesItsTraceToTheFlowItNowIs) {
  open();
  send({endpoint(1, 1, 0, "shop", "/orders")});
  close_all();
  ASSERT_THAT(counts(), ElementsAre(Pair(kOrders, 1)));
  send({query(1, 2, 1, "shop", "orders")});
  close_all();
  EXPECT_THAT(counts(), ElementsAre(Pair(kOrdersWithDatabase, 1)));  // a flow left without traces goes
  EXPECT_EQ(stored(1).size(), 2u);
  EXPECT_EQ(engine_->counters().reopened_traces, 1u);
}

TEST_F(EngineTest, ALateSpanMovesItsTraceAcrossARestartAndAnotherPartition) {
  open();
  send({endpoint(1, 1, 0, "shop", "/orders")});
  close_all();
  open();
  wait(7 * kHour);
  send({query(1, 2, 1, "shop", "orders")});
  close_all();
  EXPECT_THAT(counts(), ElementsAre(Pair(kOrdersWithDatabase, 1)));
  open();
  EXPECT_THAT(counts(), ElementsAre(Pair(kOrdersWithDatabase, 1)));
  EXPECT_EQ(stored(1).size(), 2u);
}

TEST_F(EngineTest, APartialTraceCountsInNoNewFlowAndMovesWhenItsParentArrives) {
  open();
  send({endpoint(1, 1, 0, "shop", "/orders"), endpoint(1, 3, 2, "stock", "/items")});
  close_all();
  EXPECT_THAT(counts(), IsEmpty());
  EXPECT_EQ(totals().partial, 1u);
  send({span_of(1, 2, 1, "shop", "GET", model::SpanKind::kClient, {})});
  close_all();
  EXPECT_THAT(counts(), ElementsAre(Pair("api_endpoint:GET /orders->api_endpoint:GET /items", 1)));
  EXPECT_EQ(totals().partial, 0u);
}

TEST_F(EngineTest, ATraceTooLargeForMemoryIsWrittenInPartsAndCountedOnce) {
  options_.shards = 1;
  options_.max_open_bytes = 1;  // every request closes what is open
  open();
  send({endpoint(1, 1, 0, "shop", "/orders")});
  send({query(1, 2, 1, "shop", "orders")});
  send({query(1, 3, 1, "shop", "orders"), query(1, 4, 1, "shop", "orders")});
  ASSERT_TRUE(eventually([&] { return stored(1).size() == 4 && open_traces() == 0; }));
  EXPECT_THAT(counts(), ElementsAre(Pair(kOrdersWithDatabase, 1)));
  EXPECT_GT(engine_->counters().early_parts, 0u);
}

// ---- settings

TEST_F(EngineTest, WhatCompletesWhileDiscoveryIsOffStaysUncounted) {
  change(model::kDefaultWorkspace, [](auto& settings) { settings.auto_discovery = false; });
  open();
  send(order(1));
  close_all();
  EXPECT_THAT(counts(), IsEmpty());
  EXPECT_EQ(engine_->counters().uncounted_traces, 1u);
  change(model::kDefaultWorkspace, [](auto& settings) { settings.auto_discovery = true; });
  send({query(1, 3, 1, "shop", "orders")});  // reopens it
  send(order(2));
  close_all();
  EXPECT_THAT(counts(), ElementsAre(Pair(kOrdersWithDatabase, 1)));
  EXPECT_EQ(stored(1).size(), 3u);
}

TEST_F(EngineTest, ACountedTraceMovesEvenWhileDiscoveryIsOff) {
  open();
  send({endpoint(1, 1, 0, "shop", "/orders")});
  close_all();
  change(model::kDefaultWorkspace, [](auto& settings) { settings.auto_discovery = false; });
  send({query(1, 2, 1, "shop", "orders")});
  close_all();
  EXPECT_THAT(counts(), ElementsAre(Pair(kOrdersWithDatabase, 1)));
}

// ---- retention

TEST_F(EngineTest, RetentionRemovesSpansByArrivalAndKeepsFlowCounts) {
  change(model::kDefaultWorkspace, [](auto& settings) { settings.retention_days = 1; });
  open();
  send(order(1));
  close_all();
  wait(20 * kHour);
  send(order(2));  // another partition
  close_all();
  engine_->apply_retention();
  EXPECT_EQ(stored(1).size(), 2u);
  wait(5 * kHour);
  engine_->apply_retention();
  EXPECT_EQ(stored(1).size(), 0u);
  EXPECT_EQ(stored(2).size(), 2u);
  EXPECT_THAT(counts(), ElementsAre(Pair(kOrdersWithDatabase, 2)));
  open();
  EXPECT_EQ(stored(1).size(), 0u);
  EXPECT_EQ(stored(2).size(), 2u);
  EXPECT_THAT(counts(), ElementsAre(Pair(kOrdersWithDatabase, 2)));
  const auto page = engine_->search_traces(model::kDefaultWorkspace, {});
  ASSERT_TRUE(page);
  EXPECT_EQ(page->total, 1u);
}

TEST_F(EngineTest, RetentionFreesTheDisk) {
  change(model::kDefaultWorkspace, [](auto& settings) { settings.retention_days = 1; });
  open();
  send(order(1));
  close_all();
  const auto spans = directory_ / "spans" / model::kDefaultWorkspace.to_string();
  EXPECT_FALSE(std::filesystem::is_empty(spans));
  wait(30 * kHour);
  engine_->apply_retention();
  EXPECT_TRUE(std::filesystem::is_empty(spans));
  send(order(2));  // goes on in a new partition
  close_all();
  EXPECT_EQ(stored(2).size(), 2u);
}

TEST_F(EngineTest, NoRetentionKeepsForEver) {
  change(model::kDefaultWorkspace, [](auto& settings) { settings.retention_days = 0; });
  open();
  send(order(1));
  close_all();
  wait(4000 * kDay);
  engine_->apply_retention();
  EXPECT_EQ(stored(1).size(), 2u);
}

TEST_F(EngineTest, SpansThatCrashedBeforeTheyWereRemovedDoNotComeBack) {
  change(model::kDefaultWorkspace, [](auto& settings) { settings.retention_days = 1; });
  open();
  send(order(1));
  engine_->wait_until_taken();
  wait(30 * kHour);
  engine_->apply_retention();  // the journal still has them
  crash();
  open();
  EXPECT_EQ(stored(1).size(), 0u);
}

TEST_F(EngineTest, DirectoriesThatNobodyKnowsAreRemovedAtTheStart) {
  open();
  send(order(1));
  stop();
  const auto spans = directory_ / "spans" / model::kDefaultWorkspace.to_string();
  std::filesystem::create_directories(spans / "77");  // a crash between a document and its folder
  open();
  EXPECT_FALSE(std::filesystem::exists(spans / "77"));
  EXPECT_EQ(stored(1).size(), 2u);
}

// ---- removing a workspace

TEST_F(EngineTest, RemovingAWorkspaceRemovesItsSpansAndFlowsAndNothingElse) {
  open();
  send(order(1));
  send(order(2), workspace_id(2));
  close_all();
  send(order(3), workspace_id(2));  // open
  ASSERT_TRUE(engine_->drop_workspace(workspace_id(2)));
  for (int start = 0; start < 2; ++start) {
    EXPECT_THAT(counts(workspace_id(2)), IsEmpty());
    EXPECT_THAT(stored(2, workspace_id(2)), IsEmpty());
    EXPECT_THAT(stored(3, workspace_id(2)), IsEmpty());
    EXPECT_THAT(counts(), ElementsAre(Pair(kOrdersWithDatabase, 1)));
    EXPECT_EQ(stored(1).size(), 2u);
    EXPECT_FALSE(std::filesystem::exists(directory_ / "spans" / workspace_id(2).to_string()));
    open();
  }
}

TEST_F(EngineTest, SpansOnTheirWayToARemovedWorkspaceHarmNobody) {
  options_.checkpoint_interval = std::chrono::milliseconds(1);
  open();
  for (uint64_t round = 1; round <= 30; ++round) {
    std::vector<std::future<base::Result<store::IngestOutcome>>> outcomes;
    const auto push = [&](uint64_t trace) {
      auto promise = std::make_shared<std::promise<base::Result<store::IngestOutcome>>>();
      outcomes.push_back(promise->get_future());
      engine_->submit(
          workspace_id(2), otlp::encode_protobuf(order(trace)),
          [promise](base::Result<store::IngestOutcome> result) { promise->set_value(std::move(result)); });
    };
    for (uint64_t trace = 0; trace < 20; ++trace) push(round * 100 + trace);
    ASSERT_TRUE(engine_->drop_workspace(workspace_id(2)));
    for (auto& outcome : outcomes) ASSERT_TRUE(outcome.get());
    send(order(round));
  }
  close_all();
  ASSERT_TRUE(engine_->drop_workspace(workspace_id(2)));
  ASSERT_TRUE(checkpointed(order(1000)));
  const auto ready = engine_->ready();
  EXPECT_TRUE(ready) << ready.error().message;
  EXPECT_EQ(engine_->counters().store_failures, 0u);
  open();
  EXPECT_THAT(counts(), ElementsAre(Pair(kOrdersWithDatabase, 30)));
}

TEST_F(EngineTest, ANumberOfARemovedPartitionDoesNotComeAgainWhileTheJournalSpeaksOfIt) {
  options_.shards = 1;
  open();
  send(order(1));
  engine_->wait_until_taken();  // open: the journal is kept from here
  send({endpoint(5, 1, 0, "another", "/other"), query(5, 2, 1, "another", "elsewhere")}, workspace_id(2));
  ASSERT_TRUE(engine_->drop_workspace(workspace_id(2)));
  crash();
  open();
  send(order(2), workspace_id(3));
  crash();
  open();
  EXPECT_EQ(stored(1).size(), 2u);
  ASSERT_EQ(stored(2, workspace_id(3)).size(), 2u);
  EXPECT_TRUE(same_span(stored(2, workspace_id(3))[0], order(2)[0]));
  EXPECT_THAT(stored(5, workspace_id(3)), IsEmpty());
  close_all();
  EXPECT_THAT(counts(workspace_id(3)), ElementsAre(Pair(kOrdersWithDatabase, 1)));
}

// ---- limits

TEST_F(EngineTest, MoreResourcesThanTheDictionaryTakesAreSpelledOutAndReadBack) {
  open();
  const size_t count = encoding::DictionaryLimits{}.resources + 500;
  std::vector<model::Span> spans;
  for (uint64_t i = 1; i <= count; ++i) {
    spans.push_back(endpoint(i, 1, 0, "shop", "/orders"));
    model::Resource resource = *spans.back().resource;
    resource.attributes.push_back({"host.name", {"host-" + std::to_string(i)}});
    spans.back().resource = std::make_shared<model::Resource>(std::move(resource));
  }
  send(spans);
  EXPECT_GT(engine_->counters().generic_rows, 0u);
  close_all();
  ASSERT_TRUE(eventually([&] { return engine_->counters().closed_traces == count; }));
  open();
  EXPECT_THAT(counts(), ElementsAre(Pair(kOrders, count)));
  for (const uint64_t trace : {uint64_t{1}, uint64_t{count - 1}, uint64_t{count}}) {
    ASSERT_EQ(stored(trace).size(), 1u);
    EXPECT_TRUE(same_span(stored(trace)[0], spans[trace - 1])) << trace;
  }
  EXPECT_EQ(engine_->counters().lost_rows, 0u);
}

TEST_F(EngineTest, MoreSpanNamesAndKeysThanTheDictionaryTakesReadBack) {
  open();
  std::vector<model::Span> spans{endpoint(1, 1, 0, "shop", "/orders")};
  for (uint64_t i = 2; i <= 20'000; ++i)
    spans.push_back(span_of(1, i, 1, "shop", "step " + std::string(i % 26 + 1, 'x') + std::to_string(i),
                            model::SpanKind::kInternal,
                            {{"key." + std::to_string(i), {static_cast<int64_t>(i)}}}));
  for (model::Span& span : spans) span.end = span.start + kMs;
  send(spans);
  close_all();
  open();
  auto found = stored(1);
  ASSERT_EQ(found.size(), spans.size());
  std::ranges::sort(found, {}, [](const model::Span& span) { return span.start; });
  for (size_t i = 0; i < spans.size(); ++i) ASSERT_TRUE(same_span(found[i], spans[i])) << i;
  EXPECT_THAT(counts(), ElementsAre(Pair(kOrders, 1)));
}

TEST_F(EngineTest, BadSpansAreRejectedOneByOneAndUndecodableRequestsWhole) {
  open();
  auto spans = order(1);
  spans.push_back(query(1, 3, 1, "shop", "orders"));
  spans[2].end = spans[2].start - 1;
  const auto outcome = try_send(spans);
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->accepted_spans, 2u);
  EXPECT_EQ(outcome->rejected_spans, 1u);
  EXPECT_THAT(outcome->message, HasSubstr("ends before it starts"));
  EXPECT_EQ(stored(1).size(), 2u);

  const std::string whole = otlp::encode_protobuf(order(2));
  std::promise<base::ErrorCode> code;
  engine_->submit(model::kDefaultWorkspace, std::string_view(whole).substr(0, whole.size() - 3),
                  [&](auto result) { code.set_value(result.error().code); });
  EXPECT_EQ(code.get_future().get(), base::ErrorCode::kInvalidArgument);
  EXPECT_THAT(stored(2), IsEmpty());
}

TEST_F(EngineTest, AStoppedEngineRefusesToBeAskedAgainSoon) {
  open();
  send(order(1));
  engine_->stop();
  const auto outcome = try_send(order(2));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, base::ErrorCode::kUnavailable);
}

TEST_F(EngineTest, ADataDirectoryKeepsTheShardsItWasMadeWith) {
  options_.shards = 2;
  open();
  for (uint64_t trace = 1; trace <= 20; ++trace) send(order(trace));
  close_all();
  options_.shards = 5;
  open();
  for (uint64_t trace = 1; trace <= 20; ++trace) EXPECT_EQ(stored(trace).size(), 2u);
  for (uint64_t trace = 1; trace <= 25; ++trace) send(order(trace));
  close_all();
  EXPECT_THAT(counts(), ElementsAre(Pair(kOrdersWithDatabase, 25)));
}

}  // namespace
}  // namespace testmesh::engine::testing
