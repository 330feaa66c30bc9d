// Crashes and disk trouble: nothing acknowledged is lost, nothing counts twice.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <random>
#include <set>

#include "engine/testing/engine_fixture.h"

namespace testmesh::engine::testing {
namespace {

using namespace std::string_literals;  // NOLINT(google-build-using-namespace): the usual one
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

const std::string kOrders = "api_endpoint:GET /orders";
const std::string kOrdersWithDatabase = "api_endpoint:GET /orders->database:orders";

std::vector<model::Span> order(uint64_t trace) {
  return {endpoint(trace, 1, 0, "shop", "/orders"), query(trace, 2, 1, "shop", "orders")};
}

class EngineCrashTest : public EngineTest {};

TEST_F(EngineCrashTest, WhatWasOpenAtTheCrashIsOpenAgain) {
  open();
  send(order(1));
  crash();
  open();
  EXPECT_EQ(stored(1).size(), 2u);
  EXPECT_EQ(totals().occurrences, 0u);
  close_all();
  EXPECT_THAT(counts(), ElementsAre(Pair(kOrdersWithDatabase, 1)));
}

TEST_F(EngineCrashTest, WhatWasCountedSinceTheCheckpointIsCountedAgainAndOnce) {
  open();
  send(order(1));
  close_all();
  crash();
  open();
  close_all();
  EXPECT_THAT(counts(), ElementsAre(Pair(kOrdersWithDatabase, 1)));
  EXPECT_EQ(stored(1).size(), 2u);
}

TEST_F(EngineCrashTest, WhatTheCheckpointHoldsIsNotCountedAgain) {
  options_.shards = 1;
  options_.checkpoint_interval = std::chrono::milliseconds(1);
  open();
  // Stays open over the checkpoint, so that the journal is replayed from here.
  send({endpoint(1, 1, 0, "shop", "/carts"), query(1, 2, 1, "shop", "orders")});
  wait(5 * kSecond);
  send(order(2));
  send({query(1, 3, 1, "shop", "orders")});
  wait(6 * kSecond);
  engine_->wait_until_taken();
  send({query(1, 4, 1, "shop", "orders")});
  wait(5 * kSecond);
  ASSERT_TRUE(eventually([&] { return totals().occurrences == 1; }));
  ASSERT_TRUE(checkpointed({query(1, 5, 1, "shop", "orders")}));
  crash();
  open();
  close_all();
  EXPECT_THAT(counts(),
              ElementsAre(Pair("api_endpoint:GET /carts->database:orders", 1), Pair(kOrdersWithDatabase, 1)));
  EXPECT_EQ(stored(1).size(), 5u);
  EXPECT_EQ(stored(2).size(), 2u);
}

TEST_F(EngineCrashTest, WhatWasReplayedIsSavedWithoutWaitingForAnInterval) {
  options_.shards = 1;
  open();
  for (uint64_t trace = 1; trace <= 50; ++trace) send(order(trace));
  crash();
  clock_.advance(11 * kSecond);
  open();
  ASSERT_TRUE(eventually([&] { return engine_->counters().checkpoints > 0; }));
  crash();
  clock_.go_back(11 * kSecond);  // what is replayed now is not due
  open();
  EXPECT_EQ(open_traces(), 0u);
  EXPECT_THAT(counts(), ElementsAre(Pair(kOrdersWithDatabase, 50)));
}

TEST_F(EngineCrashTest, AMoveOfCountsThatWasNotSavedIsMadeAgain) {
  open();
  send({endpoint(1, 1, 0, "shop", "/orders")});
  close_all();
  open();  // saved: one in the short flow
  send({query(1, 2, 1, "shop", "orders")});
  close_all();
  EXPECT_THAT(counts(), ElementsAre(Pair(kOrdersWithDatabase, 1)));
  crash();
  open();
  EXPECT_THAT(counts(), ElementsAre(Pair(kOrders, 1)));
  close_all();
  EXPECT_THAT(counts(), ElementsAre(Pair(kOrdersWithDatabase, 1)));
}

TEST_F(EngineCrashTest, ACrashDuringRecoveryLosesNothing) {
  open();
  for (uint64_t trace = 1; trace <= 50; ++trace) send(order(trace));
  for (int again = 0; again < 3; ++again) {
    crash();
    open();
  }
  close_all();
  EXPECT_THAT(counts(), ElementsAre(Pair(kOrdersWithDatabase, 50)));
}

TEST_F(EngineCrashTest, DamageInTheMiddleOfTheJournalStopsTheStartWithASentence) {
  open();
  for (uint64_t trace = 1; trace <= 5; ++trace) send(order(trace));
  crash();
  const auto journal = directory_ / "journal" / "journal-000000000001";
  ASSERT_TRUE(std::filesystem::exists(journal));
  {
    std::fstream file(journal, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(40);
    file.put('\xff');
  }
  auto documents = store::open_document_store(directory_ / "documents");
  ASSERT_TRUE(documents);
  const auto engine = Engine::open(options_, **documents, clock_,
                                   [](const model::WorkspaceId&) { return model::TelemetrySettings(); });
  ASSERT_FALSE(engine);
  EXPECT_EQ(engine.error().code, base::ErrorCode::kCorrupt);
  EXPECT_THAT(engine.error().message, HasSubstr("is damaged at byte"));
}

// ---- trouble

TEST_F(EngineCrashTest, InTroubleRequestsAreRefusedQuestionsAnsweredAndNothingAcknowledgedIsLost) {
  options_.checkpoint_interval = std::chrono::milliseconds(1);
  open();
  send(order(1));
  close_all();
  documents_->broken = true;
  uint64_t acknowledged = 1, refused = 0;
  for (uint64_t trace = 2; refused < 3; ++trace) {
    const auto outcome = try_send(order(trace));
    ASSERT_TRUE(outcome || outcome.error().code == base::ErrorCode::kUnavailable) << outcome.error().message;
    ++(outcome ? acknowledged : refused);
    ASSERT_LT(trace, 100'000u);
    wait(kSecond);
  }
  const auto ready = engine_->ready();
  ASSERT_FALSE(ready);
  EXPECT_THAT(ready.error().message, HasSubstr("the disk of the test is full"));
  EXPECT_EQ(stored(1).size(), 2u);
  EXPECT_GE(totals().occurrences, 1u);
  documents_->broken = false;
  ASSERT_TRUE(eventually([&] { return engine_->ready().has_value(); }));
  send({endpoint(999'999, 1, 0, "shop", "/other")});
  close_all();
  open();
  EXPECT_THAT(counts(),
              ElementsAre(Pair(kOrdersWithDatabase, acknowledged), Pair("api_endpoint:GET /other", 1)));
}

TEST_F(EngineCrashTest, StoppingInTroubleEndsAndLosesNothing) {
  options_.checkpoint_interval = std::chrono::milliseconds(1);
  open();
  send(order(1));
  documents_->broken = true;
  // Whether the shard notices before or after this request is chance; what was
  // refused its client sends again.
  const auto outcome = try_send({query(1, 3, 1, "shop", "orders")});
  ASSERT_TRUE(outcome || outcome.error().code == base::ErrorCode::kUnavailable) << outcome.error().message;
  crash();
  open();
  if (!outcome) send({query(1, 3, 1, "shop", "orders")});
  close_all();
  EXPECT_EQ(stored(1).size(), 3u);
  EXPECT_THAT(counts(), ElementsAre(Pair(kOrdersWithDatabase, 1)));
}

// ---- at random

struct RandomRun {
  uint64_t seed;
  std::mt19937_64 random{seed};
  uint64_t below(uint64_t n) { return random() % n; }
};

// Traces of four flows in pieces, in any order, some twice, over partitions,
// parts, checkpoints, restarts and crashes; in the end every trace is whole.
class EngineRandomTest : public EngineTest, public ::testing::WithParamInterface<int> {
 protected:
  std::vector<model::Span> whole_trace(uint64_t trace) {
    std::vector<model::Span> spans{endpoint(trace, 1, 0, "shop", trace % 2 ? "/orders" : "/carts")};
    const uint64_t calls = 1 + trace % 7;
    for (uint64_t i = 0; i < calls; ++i) spans.push_back(query(trace, 2 + i, 1, "shop", "orders"));
    if (trace % 4 < 2) {
      spans.push_back(span_of(trace, 20, 1, "shop", "GET", model::SpanKind::kClient, {}));
      spans.push_back(endpoint(trace, 21, 20, "stock", "/items"));
      spans.push_back(query(trace, 22, 21, "stock", "items"));
    }
    return spans;
  }
};

TEST_P(EngineRandomTest, NothingAcknowledgedIsLostAndNothingIsCountedTwice) {
  const char* given = std::getenv("TESTMESH_SEED");
  const uint64_t seed =
      given ? std::strtoull(given, nullptr, 10) : std::random_device()() + static_cast<uint64_t>(GetParam());
  std::cout << "seed " << seed << " (repeat with TESTMESH_SEED=" << seed << ")\n";
  RandomRun run{seed};
  options_.shards = 1 + static_cast<uint32_t>(run.below(3));
  if (run.below(2)) options_.max_open_bytes = 4'000;
  if (run.below(2)) options_.checkpoint_interval = std::chrono::milliseconds(1);
  options_.partition_spans = 200;  // a new partition each hour
  open();
  const uint64_t traces = 30;
  std::vector<model::Span> waiting;
  for (uint64_t trace = 1; trace <= traces; ++trace)
    for (model::Span& span : whole_trace(trace)) waiting.push_back(std::move(span));
  std::vector<model::Span> sent;
  while (!waiting.empty()) {
    switch (run.below(24)) {
      case 0:
        crash();
        open();
        break;
      case 1:
        open();
        break;
      case 2:
        wait(run.below(12) * kSecond);
        break;
      case 3:
        wait(run.below(4) * kHour);
        break;
      case 4:
        close_all();
        break;
      case 5:
        if (options_.checkpoint_interval < std::chrono::seconds(1)) engine_->wait_until_taken();
        break;
      default: {
        // Mostly near each other, as spans of one trace are.
        std::vector<model::Span> batch;
        for (uint64_t i = 0, n = 1 + run.below(12); i < n && !waiting.empty(); ++i) {
          const auto at = static_cast<std::ptrdiff_t>(
              run.below(std::min<size_t>(waiting.size(), run.below(5) ? 20 : 1000)));
          batch.push_back(waiting[static_cast<size_t>(at)]);
          waiting.erase(waiting.begin() + at);
        }
        for (uint64_t i = run.below(4); i > 0 && !sent.empty(); --i)
          batch.push_back(sent[run.below(sent.size())]);
        send(batch);
        sent.insert(sent.end(), batch.begin(), batch.end());
      }
    }
    if (HasFatalFailure()) return;
  }
  close_all();
  if (run.below(2)) {
    crash();
    open();
    close_all();
  }
  std::map<std::string, uint64_t> expected, expected_graph;
  for (uint64_t trace = 1; trace <= traces; ++trace) {
    const std::string route = trace % 2 ? "GET /orders" : "GET /carts";
    for (const std::string& shown : {"service shop"s, "api_endpoint " + route, "shop exposes " + route})
      ++expected_graph[shown];
    for (const char* shown : {"database orders", "shop reads orders"}) expected_graph[shown] += 1 + trace % 7;
    if (trace % 4 < 2)
      for (const char* shown : {"service stock", "shop calls stock", "stock exposes GET /items",
                                "api_endpoint GET /items", "stock reads items", "database items"})
        ++expected_graph[shown];
    // The calls overlap: their order is the canonical one.
    ++expected[std::string("api_endpoint:GET ") + (trace % 2 ? "/orders" : "/carts") +
               (trace % 4 < 2 ? "->api_endpoint:GET /items->database:items" : "") + "->database:orders"];
    std::set<std::string> wanted, found;
    for (const model::Span& span : whole_trace(trace)) wanted.insert(span.span_id.to_hex());
    const auto spans = stored(trace);
    for (const model::Span& span : spans) found.insert(span.span_id.to_hex());
    EXPECT_EQ(found, wanted) << "trace " << trace;
    EXPECT_EQ(spans.size(), wanted.size()) << "trace " << trace;
  }
  EXPECT_EQ(counts(), expected);
  EXPECT_EQ(graph(), expected_graph);
  EXPECT_EQ(engine_->counters().graph_mismatches, 0u);
  EXPECT_EQ(totals().occurrences, traces);
  EXPECT_EQ(totals().partial, 0u);
  EXPECT_EQ(engine_->counters().lost_rows, 0u);
  const auto page = engine_->search_traces(model::kDefaultWorkspace, {});
  ASSERT_TRUE(page);
  EXPECT_EQ(page->total, traces);
}

INSTANTIATE_TEST_SUITE_P(Seeds, EngineRandomTest, ::testing::Range(0, 6));

}  // namespace
}  // namespace testmesh::engine::testing
