// Every trace a new path, and clocks years wrong: counted, bounded, and nothing
// else disturbed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <random>

#include "engine/testing/engine_fixture.h"

namespace testmesh::engine::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::SizeIs;

const std::string kFrequent = "api_endpoint:GET /orders->database:orders";

std::vector<model::Span> with_database(uint64_t trace, const std::string& name) {
  return {endpoint(trace, 1, 0, "shop", "/orders"), query(trace, 2, 1, "shop", name)};
}
std::vector<model::Span> one_off(uint64_t trace) {
  return with_database(trace, "db" + std::to_string(trace));
}
std::string one_off_path(uint64_t trace) {
  return "api_endpoint:GET /orders->database:db" + std::to_string(trace);
}

class FlowLimitTest : public EngineTest {
 protected:
  void SetUp() override {
    EngineTest::SetUp();
    options_.max_flows = 40;
    options_.warn = [this](const std::string& text) { warnings_.push_back(text); };
  }
  // Traces first … first + count - 1, each of a path of its own.
  void explode(uint64_t first, uint64_t count) {
    std::vector<model::Span> spans;
    for (uint64_t trace = first; trace < first + count; ++trace)
      for (model::Span& span : one_off(trace)) spans.push_back(std::move(span));
    send(spans);
    close_all();
  }
  void frequent(uint64_t first, uint64_t count) {
    for (uint64_t trace = first; trace < first + count; ++trace) send(with_database(trace, "orders"));
    close_all();
  }
  uint64_t counted() {
    const discovery::BookTotals sums = totals();
    return sums.occurrences + sums.partial + sums.dropped.traces;
  }
  size_t flow_documents() {
    size_t found = 0;
    EXPECT_TRUE(documents_->scan("d/", [&](std::string_view key, std::string_view) {
      found += key.find("/flow/") != std::string_view::npos || key.find("/hist/") != std::string_view::npos;
      return true;
    }));
    return found;
  }

  std::vector<std::string> warnings_;
};

TEST_F(FlowLimitTest, FrequentFlowsOutliveAnExplosionAndEveryTraceIsCounted) {
  open();
  frequent(1, 5);
  explode(100, 500);
  frequent(10, 2);
  EXPECT_EQ(counts()[kFrequent], 7u);
  EXPECT_LE(totals().flows, 40u);
  EXPECT_EQ(totals().flows + totals().dropped.flows, 501u);
  EXPECT_EQ(counted(), 507u);
  const auto page = engine_->flows(model::kDefaultWorkspace, {});
  ASSERT_TRUE(page);
  EXPECT_EQ(page->dropped_flows, totals().dropped.flows);
  EXPECT_EQ(page->dropped_traces, totals().dropped.traces);
  EXPECT_EQ(engine_->counters().dropped_traces, totals().dropped.traces);
  EXPECT_EQ(engine_->counters().dropped_flows, totals().dropped.flows);
}

TEST_F(FlowLimitTest, ARestartKeepsTheCountsAndTheDocumentsOfTheGoneAreGone) {
  open();
  frequent(1, 5);
  explode(100, 300);
  const discovery::BookTotals before = totals();
  open();
  EXPECT_EQ(totals().dropped.traces, before.dropped.traces);
  EXPECT_EQ(totals().dropped.flows, before.dropped.flows);
  EXPECT_EQ(totals().occurrences, before.occurrences);
  EXPECT_LE(flow_documents(), 2 * 40u + 2);
  explode(1000, 300);
  EXPECT_EQ(counted(), 605u);
  EXPECT_EQ(counts()[kFrequent], 5u);
}

TEST_F(FlowLimitTest, ACrashNeitherLosesNorRepeatsWhatWasDropped) {
  options_.checkpoint_interval = std::chrono::milliseconds(1);
  options_.shards = 3;  // each saves at its own moment
  open();
  frequent(1, 5);
  explode(100, 200);
  ASSERT_TRUE(checkpointed(one_off(90)));
  close_all();
  explode(400, 200);
  crash();
  open();
  close_all();
  EXPECT_EQ(counted(), 406u);
  EXPECT_EQ(engine_->counters().lost_rows, 0u);
}

TEST_F(FlowLimitTest, ALowerLimitHoldsFromTheNextNewFlowOn) {
  open();
  explode(100, 40);
  EXPECT_EQ(totals().flows, 40u);
  options_.max_flows = 10;
  open();
  EXPECT_EQ(totals().flows, 40u);
  explode(200, 1);
  EXPECT_LE(totals().flows, 10u);
  EXPECT_EQ(counted(), 41u);
}

TEST_F(FlowLimitTest, ALateSpanOfATraceWhoseFlowGaveWayCountsItWhereItBelongsNow) {
  options_.shards = 1;
  open();
  frequent(1, 1);
  explode(100, 200);
  uint64_t gone = 100;
  while (counts().contains(one_off_path(gone))) ++gone;
  ASSERT_LT(gone, 300u);
  const discovery::BookTotals before = totals();
  send({query(gone, 3, 1, "shop", "late")});
  close_all();
  EXPECT_EQ(counts()[one_off_path(gone) + "->database:late"], 1u);
  EXPECT_EQ(counted(), 201u);
  EXPECT_EQ(totals().dropped.traces + totals().occurrences, before.dropped.traces + before.occurrences);
}

TEST_F(FlowLimitTest, ALateSpanOfAnEarlierFlowOfAPathLeavesTheNewOneAlone) {
  options_.shards = 1;
  for (const bool restarted : {false, true}) {
    open();
    const uint64_t first = restarted ? 5000 : 1000;
    const std::string name = "again " + std::to_string(first),
                      path = "api_endpoint:GET /orders->database:" + name;
    send(with_database(first, name));
    close_all();
    explode(first + 100, 200);
    ASSERT_FALSE(counts().contains(path));
    send(with_database(first + 1, name));
    send(with_database(first + 2, name));
    close_all();
    ASSERT_EQ(counts()[path], 2u);
    if (restarted) open();
    send({query(first, 3, 1, "shop", "late")});  // of the trace before the explosion
    close_all();
    EXPECT_EQ(counts()[path], 2u);
    send({query(first + 1, 3, 1, "shop", "late")});
    close_all();
    EXPECT_EQ(counts()[path], 1u);
    EXPECT_EQ(counted(), restarted ? 406u : 203u);
  }
}

TEST_F(FlowLimitTest, ItIsSaidOnceAMinuteWhereAndWhy) {
  open();
  explode(100, 200);
  engine_->report_dropped_flows();
  ASSERT_THAT(warnings_, SizeIs(1));
  EXPECT_THAT(warnings_[0], HasSubstr(model::kDefaultWorkspace.to_string()));
  EXPECT_THAT(warnings_[0], HasSubstr("service 'shop', operation 'GET /orders'"));
  EXPECT_THAT(warnings_[0], HasSubstr("it may have 40 (--max-flows)"));
  explode(400, 200);
  engine_->report_dropped_flows();
  EXPECT_THAT(warnings_, SizeIs(1));
  wait(60 * kSecond);
  engine_->report_dropped_flows();
  EXPECT_THAT(warnings_, SizeIs(2));
  wait(60 * kSecond);
  engine_->report_dropped_flows();  // it has stopped
  EXPECT_THAT(warnings_, SizeIs(2));
}

TEST_F(FlowLimitTest, ReadingTracesOfFlowsThatGaveWayChangesNoCount) {
  open();
  explode(100, 200);
  const uint64_t before = counted();
  for (uint64_t trace = 100; trace < 300; ++trace) EXPECT_EQ(stored(trace).size(), 2u);
  EXPECT_EQ(counted(), before);
  store::TraceQuery query;
  query.limit = 1000;
  const auto page = engine_->search_traces(model::kDefaultWorkspace, query);
  ASSERT_TRUE(page);
  EXPECT_EQ(page->traces.size(), 200u);
}

// ---- at random

class FlowLimitRandomTest : public FlowLimitTest, public ::testing::WithParamInterface<int> {};

TEST_P(FlowLimitRandomTest, CompleteTracesAreInFlowsPartialOrDropped) {
  const char* given = std::getenv("TESTMESH_SEED");
  const uint64_t seed =
      given ? std::strtoull(given, nullptr, 10) : std::random_device()() + static_cast<uint64_t>(GetParam());
  std::cout << "seed " << seed << " (repeat with TESTMESH_SEED=" << seed << ")\n";
  std::mt19937_64 random(seed);
  const auto below = [&](uint64_t n) { return random() % n; };
  options_.shards = 1 + static_cast<uint32_t>(below(3));
  options_.max_flows = 2 + below(30);
  if (below(2)) options_.checkpoint_interval = std::chrono::milliseconds(1);
  open();
  uint64_t next = 1;
  for (int step = 0; step < 60; ++step) {
    switch (below(10)) {
      case 0:
        crash();
        open();
        break;
      case 1:
        open();
        break;
      case 2:
      case 3:
        if (next > 1)
          send({query(1 + below(next - 1), 3 + below(3), 1, "shop", "late" + std::to_string(below(3)))});
        break;
      case 4:
        send({query(next, 9, 1, "shop", "lost")});  // its entry never comes
        ++next;
        break;
      case 5:
        close_all();
        EXPECT_EQ(counted(), next - 1);
        break;
      default:
        for (uint64_t i = below(20); i > 0; --i, ++next)
          send(below(3) ? one_off(next)
                        : with_database(next, "usual" + std::to_string(below(options_.max_flows))));
        wait(below(12) * kSecond);
    }
    if (HasFatalFailure()) return;
  }
  close_all();
  EXPECT_EQ(counted(), next - 1);
  EXPECT_LE(totals().flows, options_.max_flows);
  open();
  close_all();
  EXPECT_EQ(counted(), next - 1);
  EXPECT_EQ(engine_->counters().lost_rows, 0u);
}

INSTANTIATE_TEST_SUITE_P(Runs, FlowLimitRandomTest, ::testing::Range(0, 4));

// ---- clocks

class WrongClockTest : public EngineTest {
 protected:
  static constexpr base::UnixNanos kYear2200 = 7'258'118'400ull * kSecond;

  std::vector<model::Span> starting(uint64_t trace, base::UnixNanos start) {
    std::vector<model::Span> spans{endpoint(trace, 1, 0, "shop", "/orders")};
    spans[0].start = start;
    spans[0].end = start + 50 * kMs;
    return spans;
  }
  discovery::FlowSummary flow() {
    const auto page = engine_->flows(model::kDefaultWorkspace, {});
    EXPECT_TRUE(page && page->flows.size() == 1);
    return page->flows.at(0);
  }
  uint64_t in_minutes() {
    uint64_t sum = 0;
    const auto histogram = engine_->flow_histogram(model::kDefaultWorkspace, flow().flow->id);
    for (const auto& minute : histogram.value().minutes) sum += minute.count;
    return sum;
  }
};

TEST_F(WrongClockTest, ATraceFrom2200Or1970CountsWhenItArrived) {
  open();
  const base::UnixNanos now = clock_.now();
  send(starting(1, now - kHour));
  close_all();
  send(starting(2, kYear2200));
  close_all();
  send(starting(3, 1));
  send(starting(4, UINT64_MAX - kSecond));
  close_all();
  open();  // and is saved so
  EXPECT_EQ(flow().occurrence_count, 4u);
  EXPECT_EQ(flow().first_seen, now - kHour);
  EXPECT_LE(flow().last_seen, clock_.now());
  EXPECT_EQ(in_minutes(), 4u);
}

TEST_F(WrongClockTest, TheyAreCountedAndTodaysMinutesStay) {
  options_.checkpoint_interval = std::chrono::milliseconds(1);
  open();
  const base::UnixNanos now = clock_.now();
  for (uint64_t trace = 1; trace <= 20; ++trace) send(starting(trace, now - trace * kHour));
  send(starting(100, kYear2200));
  send(starting(101, now + 23 * kHour));  // a zone mistaken: believed
  close_all();
  ASSERT_TRUE(checkpointed(starting(102, now)));
  close_all();
  EXPECT_EQ(engine_->counters().clock_suspect_traces, 1u);
  EXPECT_EQ(flow().last_seen, now + 23 * kHour);
  EXPECT_GE(in_minutes(), 21u);
  EXPECT_EQ(flow().occurrence_count, 23u);
}

TEST_F(WrongClockTest, OldTracesOfAnImportKeepTheirTime) {
  open();
  const base::UnixNanos then = clock_.now() - 2000 * kDay;
  send(starting(1, then));
  close_all();
  EXPECT_EQ(engine_->counters().clock_suspect_traces, 0u);
  EXPECT_EQ(flow().first_seen, then);
  EXPECT_EQ(flow().last_seen, then);
}

TEST_F(WrongClockTest, SearchByTimeFindsItWhereItArrivedAndItsSpansAreAsSent) {
  open();
  const base::UnixNanos now = clock_.now();
  send(starting(1, kYear2200));
  close_all();
  send(starting(2, now + kSecond));
  close_all();
  const auto page = engine_->search_traces(model::kDefaultWorkspace, {});
  ASSERT_TRUE(page);
  ASSERT_EQ(page->traces.size(), 2u);
  EXPECT_EQ(page->traces[0].trace_id, trace_id(2));  // the newest first
  EXPECT_EQ(page->traces[1].start, now);
  EXPECT_EQ(stored(1).at(0).start, kYear2200);
}

TEST_F(WrongClockTest, ALateSpanTakesTheTraceFromWhereItCounted) {
  open();
  const base::UnixNanos now = clock_.now();
  send(starting(1, kYear2200));
  send(starting(2, now));
  close_all();
  clock_.advance(kHour);
  auto late = query(1, 2, 1, "shop", "orders");
  late.start = kYear2200 + kMs, late.end = kYear2200 + 2 * kMs;
  send({late});
  close_all();
  EXPECT_THAT(counts(), ElementsAre(Pair("api_endpoint:GET /orders", 1), Pair(kFrequent, 1)));
  const auto page = engine_->flows(model::kDefaultWorkspace, {});
  for (const discovery::FlowSummary& summary : page.value().flows) {
    EXPECT_EQ(summary.first_seen, now) << summary.flow->path;
    EXPECT_EQ(summary.last_seen, now) << summary.flow->path;
    const auto histogram = engine_->flow_histogram(model::kDefaultWorkspace, summary.flow->id);
    EXPECT_THAT(histogram->minutes, SizeIs(1)) << summary.flow->path;
  }
}

TEST_F(WrongClockTest, SpansYearsApartInOneTraceDisturbOnlyTheirOwnFigures) {
  open();
  const base::UnixNanos now = clock_.now();
  auto spans = starting(1, now);
  spans.push_back(query(1, 2, 1, "shop", "orders"));
  spans[1].start = kYear2200, spans[1].end = kYear2200 + 3 * kMs;
  spans.push_back(query(1, 3, 1, "shop", "stock"));
  spans[2].start = 5, spans[2].end = 5 + 2 * kMs;
  send(spans);
  close_all();
  EXPECT_EQ(flow().last_seen, now);
  const auto detail = engine_->flow(model::kDefaultWorkspace, flow().flow->id);
  ASSERT_TRUE(detail);
  EXPECT_NEAR(detail->summary.avg_duration_ms, 50, 0.001);
  ASSERT_EQ(detail->nodes.size(), 3u);
  EXPECT_NEAR(detail->nodes[0].self_ms_p50, 50, 0.5);
  EXPECT_NEAR(detail->nodes[1].p50_ms + detail->nodes[2].p50_ms, 5, 0.1);
  EXPECT_EQ(engine_->counters().clock_suspect_traces, 0u);
}

}  // namespace
}  // namespace testmesh::engine::testing
