#include "discovery/coverage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace testmesh::discovery {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr uint64_t kMinute = 60'000'000'000;
constexpr uint64_t kHour = 60 * kMinute;
constexpr uint64_t kDay = 24 * kHour;
constexpr uint64_t kNow = 20'000 * kDay;

FlowSummary flow(uint64_t traces, double error_rate, double avg_ms, uint64_t test_count = 0) {
  FlowSummary summary;
  summary.occurrence_count = traces;
  summary.error_rate = error_rate;
  summary.avg_duration_ms = avg_ms;
  summary.test_count = test_count;
  return summary;
}

FlowSummary risk(double score, uint64_t test_count) {
  FlowSummary summary = flow(1, 0, 1, test_count);
  summary.risk_score = score;
  return summary;
}

TEST(CoverageRank, FlowsNoTestRunsComeFirstWhateverTheirRisk) {
  EXPECT_GT(coverage_rank(risk(0, 0)), coverage_rank(risk(1, 1)));
  EXPECT_GT(coverage_rank(risk(0.001, 0)), coverage_rank(risk(0.999, 7)));
}

TEST(CoverageRank, ThenTheRiskierFirst) {
  for (const uint64_t test_count : {0, 3}) {
    double last = 0;
    for (const double score : {1e-300, 0.003, 0.0030000000000000005, 0.5, 0.7, 1.0}) {
      EXPECT_GT(coverage_rank(risk(score, test_count)), coverage_rank(risk(last, test_count))) << score;
      last = score;
    }
  }
}

TEST(CoverageRank, HowOftenATestRanDoesNotMatter) {
  EXPECT_EQ(coverage_rank(risk(0.5, 1)), coverage_rank(risk(0.5, 1000)));
}

TEST(CoverageReason, SaysWhatATestWouldGuard) {
  EXPECT_EQ(coverage_reason(flow(2310, 0.042, 340.4), 19'250, kNow),
            "No test runs it: 2,310 traces (12 % of all), 4.2 % with an error, 340 ms on average.");
  EXPECT_EQ(coverage_reason(flow(1, 0, 0.02), 1, kNow),
            "No test runs it: 1 trace (100 % of all), none with an error, less than 0.1 ms on average.");
  EXPECT_EQ(coverage_reason(flow(1'234'567, 1, 2500), 2'469'134, kNow),
            "No test runs it: 1,234,567 traces (50 % of all), 100 % with an error, 2.5 s on average.");
}

TEST(CoverageReason, NeverRoundsToNothingOrToAll) {
  EXPECT_THAT(coverage_reason(flow(3, 1e-9, 1), 1'000'000, kNow),
              HasSubstr("(less than 0.1 % of all), less than 0.1 % with an error"));
  EXPECT_THAT(coverage_reason(flow(999'999, 0.9999999, 1), 1'000'000, kNow),
              HasSubstr("(more than 99.9 % of all), more than 99.9 % with an error"));
  EXPECT_THAT(coverage_reason(flow(994, 0.996, 1), 1000, kNow),
              HasSubstr("(99.4 % of all), 99.6 % with an error"));
  EXPECT_THAT(coverage_reason(flow(0, 0, 1), 0, kNow), HasSubstr("0 traces, none with"))
      << "a share of nothing is none";
}

TEST(CoverageReason, DurationsAreWrittenAsAPersonWould) {
  const auto says = [](double ms) { return coverage_reason(flow(1, 0, ms), 1, kNow); };
  EXPECT_THAT(says(9.94), HasSubstr(" 9.9 ms"));
  EXPECT_THAT(says(9.96), HasSubstr(" 10 ms"));
  EXPECT_THAT(says(999.4), HasSubstr(" 999 ms"));
  EXPECT_THAT(says(999.6), HasSubstr(" 1.0 s"));
  EXPECT_THAT(says(90'000), HasSubstr(" 90.0 s"));
  EXPECT_THAT(says(600'000), HasSubstr(" 10 min"));
}

TEST(CoverageReason, ACoveredFlowNamesItsTestsAndWhenTheyRan) {
  FlowSummary covered = flow(10, 0, 5, 2);
  covered.tests = {"checkout", "refund"};
  covered.last_tested = kNow - 3 * kDay - kHour;
  EXPECT_EQ(coverage_reason(covered, 100, kNow),
            "Covered by 2 tests, last run 3 days ago; 10 traces (10 % of all), none with an error, 5.0 ms on "
            "average.");
  covered.tests.assign(10, "one of many");
  EXPECT_THAT(coverage_reason(covered, 100, kNow), HasSubstr("Covered by at least 10 tests, "));
  covered.tests = {"checkout"};
  covered.last_tested = kNow - 90 * kMinute;
  EXPECT_THAT(coverage_reason(covered, 100, kNow), HasSubstr("Covered by 1 test, last run 1 hour ago; "));
  covered.last_tested = kNow + kDay;
  EXPECT_THAT(coverage_reason(covered, 100, kNow), HasSubstr("last run just now"))
      << "a clock ahead of the server's";
}

TEST(CoverageReason, RunsOfTestsWithoutANameCountAllTheSame) {
  FlowSummary covered = flow(10, 0, 5, 57);
  covered.last_tested = kNow - kMinute;
  EXPECT_THAT(coverage_reason(covered, 100, kNow),
              HasSubstr("Covered by 57 test runs, last run 1 minute ago"));
}

// A book of flows in one family, each with a route of its own.
class CoverageList : public ::testing::Test {
 protected:
  void add(const std::string& route, TraceClass trace_class, bool error = false) {
    const FlowIdentity* flow =
        catalog.intern({"", "shop", route}, {{model::NodeType::kApiEndpoint, route, "shop"}}, {TreeNode{}});
    FlowMatch match{.flow = flow,
                    .entry = 0,
                    .start = kNow,
                    .duration_ns = 1'000'000,
                    .error = error,
                    .visits = {},
                    .retries = {0}};
    match.visits.push_back({.span = 0, .node = 0, .error = error, .duration_ns = 1'000'000, .self_ns = 0});
    model::TraceId trace;
    trace.bytes[15] = ++traces;
    book.add(trace, trace_class, match);
  }
  FlowPage list(FlowQuery query = {}) {
    query.sort = FlowSort::kCoverage;
    const FlowBook* books[] = {&book};
    return list_flows(books, catalog, query).value();
  }
  static FlowQuery at_least(double risk) {
    FlowQuery query;
    query.min_risk = risk;
    return query;
  }
  static FlowQuery covered() {
    FlowQuery query;
    query.covered = true;
    return query;
  }
  static std::vector<std::string> routes(const FlowPage& page) {
    std::vector<std::string> found;
    for (const auto& summary : page.flows) found.push_back(summary.flow->family.entry_operation);
    return found;
  }

  FlowCatalog catalog;
  FlowBook book{catalog};
  uint8_t traces = 0;
};

TEST_F(CoverageList, UncoveredFlowsComeFirstByRisk) {
  add("GET /calm", TraceClass::kWhole);
  add("GET /failing", TraceClass::kWhole, true);
  add("GET /tested", TraceClass::kWhole, true);
  add("GET /tested", TraceClass::kTest);
  add("GET /tested-calm", TraceClass::kWhole);
  add("GET /tested-calm", TraceClass::kTest);
  const FlowPage page = list();
  EXPECT_THAT(routes(page), ElementsAre("GET /failing", "GET /calm", "GET /tested", "GET /tested-calm"));
  EXPECT_EQ(page.total, 4u);
  EXPECT_EQ(page.uncovered, 2u);
  EXPECT_EQ(page.all_traces, 4u) << "test traces are no occurrences";
}

TEST_F(CoverageList, AFlowThatOnlyTestsKnowDoesNotExist) {
  add("GET /only-tested", TraceClass::kTest);
  add("GET /part", TraceClass::kPartial);
  EXPECT_EQ(list().total, 0u);
  EXPECT_EQ(list().uncovered, 0u);
}

TEST_F(CoverageList, PagesGoOnWhereTheOneBeforeEnded) {
  for (const char* route : {"GET /a", "GET /b", "GET /c"}) add(route, TraceClass::kWhole);
  add("GET /b", TraceClass::kTest);
  FlowQuery query;
  query.limit = 1;
  std::vector<std::string> seen;
  do {
    const FlowPage page = list(query);
    EXPECT_EQ(page.total, 3u);
    EXPECT_EQ(page.uncovered, 2u);
    ASSERT_EQ(page.flows.size(), 1u);
    seen.push_back(routes(page)[0]);
    query.cursor = page.next_cursor.value_or("");
  } while (!query.cursor.empty());
  EXPECT_THAT(seen, ElementsAre("GET /a", "GET /c", "GET /b"));
}

TEST_F(CoverageList, FiltersCountWhatTheyKeep) {
  add("GET /calm", TraceClass::kWhole);
  add("GET /failing", TraceClass::kWhole, true);
  add("GET /tested", TraceClass::kWhole, true);
  add("GET /tested", TraceClass::kTest);
  const FlowPage risky = list(at_least(0.5));
  EXPECT_THAT(routes(risky), ElementsAre("GET /failing", "GET /tested"));
  EXPECT_EQ(risky.uncovered, 1u);
  EXPECT_EQ(risky.all_traces, 3u) << "the share is of all, whatever is asked";
  EXPECT_THAT(routes(list(covered())), ElementsAre("GET /tested"));
  EXPECT_EQ(list(covered()).uncovered, 0u);
}

TEST_F(CoverageList, ACursorOfTheFlowsListIsNone) {
  add("GET /a", TraceClass::kWhole);
  add("GET /b", TraceClass::kWhole);
  const FlowBook* books[] = {&book};
  FlowQuery query;
  query.limit = 1;
  query.cursor = list_flows(books, catalog, query)->next_cursor.value();
  query.sort = FlowSort::kCoverage;
  EXPECT_FALSE(list_flows(books, catalog, query).has_value());
}

}  // namespace
}  // namespace testmesh::discovery
