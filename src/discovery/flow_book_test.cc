#include "discovery/flow_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

namespace testmesh::discovery {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

constexpr uint64_t kMillisecond = 1'000'000;
constexpr uint64_t kSecond = 1000 * kMillisecond;
constexpr uint64_t kMinute = 60 * kSecond;
constexpr uint64_t kHour = 60 * kMinute;
constexpr uint64_t kDay = 24 * kHour;
constexpr uint64_t kNoon = 20'000 * kDay + 12 * kHour;

model::PathNode endpoint(std::string route, std::string service) {
  return {model::NodeType::kApiEndpoint, std::move(route), std::move(service)};
}
model::PathNode database(std::string name, std::string service) {
  return {model::NodeType::kDatabase, std::move(name), std::move(service)};
}

// One trace, told as a sentence: at(12:00).took(5ms).failed()
struct TraceSpec {
  uint64_t start = kNoon;
  uint64_t duration = 10 * kMillisecond;
  bool error = false;
  TraceClass trace_class = TraceClass::kWhole;
  uint32_t calls = 1;  // of the last node

  TraceSpec at(uint64_t time) const {
    return with([&](TraceSpec& t) { t.start = time; });
  }
  TraceSpec took(uint64_t nanos) const {
    return with([&](TraceSpec& t) { t.duration = nanos; });
  }
  TraceSpec failed() const {
    return with([](TraceSpec& t) { t.error = true; });
  }
  TraceSpec partial() const {
    return with([](TraceSpec& t) { t.trace_class = TraceClass::kPartial; });
  }
  TraceSpec test() const {
    return with([](TraceSpec& t) { t.trace_class = TraceClass::kTest; });
  }
  TraceSpec calling(uint32_t times) const {
    return with([&](TraceSpec& t) { t.calls = times; });
  }

 private:
  template <typename Change>
  TraceSpec with(Change&& change) const {
    TraceSpec copy = *this;
    change(copy);
    return copy;
  }
};

const TraceSpec kTrace;

using Documents = std::map<std::string, std::string>;

struct Workspace {
  FlowCatalog catalog;
  FlowBook book{catalog};
  FlowBook other{catalog};
  uint8_t next_id = 0;

  const FlowIdentity* flow(std::vector<model::PathNode> nodes, std::string environment = "prod",
                           std::string service = "shop", std::string operation = "GET /") {
    std::vector<TreeNode> tree(nodes.size());
    for (size_t i = 1; i < tree.size(); ++i) tree[i].parent = static_cast<int32_t>(i - 1);
    return catalog.intern({std::move(environment), std::move(service), std::move(operation)},
                          std::move(nodes), std::move(tree));
  }
  const FlowIdentity* home() { return flow({endpoint("GET /", "shop"), database("orders", "shop")}); }

  static FlowMatch match(const FlowIdentity* flow, const TraceSpec& spec) {
    FlowMatch match{.flow = flow,
                    .entry = 0,
                    .start = spec.start,
                    .duration_ns = spec.duration,
                    .error = spec.error,
                    .visits = {},
                    .retries = {}};
    const auto nodes = static_cast<uint32_t>(flow->nodes.size());
    match.retries.assign(nodes, 0);
    for (uint32_t node = 0; node < nodes; ++node) {
      for (uint32_t call = 0; call < (node + 1 == nodes ? spec.calls : 1); ++call) {
        match.visits.push_back({.span = node,
                                .node = node,
                                .error = spec.error,
                                .duration_ns = spec.duration,
                                .self_ns = spec.duration / 2});
      }
    }
    return match;
  }
  model::TraceId id(uint8_t number) {
    model::TraceId id;
    id.bytes[0] = 1;
    id.bytes[15] = number;
    return id;
  }
  model::TraceId add(const FlowIdentity* flow, const TraceSpec& spec) { return add(book, flow, spec); }
  model::TraceId add(FlowBook& to, const FlowIdentity* flow, const TraceSpec& spec) {
    const model::TraceId trace = id(++next_id);
    to.add(trace, spec.trace_class, match(flow, spec));
    return trace;
  }
  void remove(const model::TraceId& trace, const FlowIdentity* flow, const TraceSpec& spec) {
    book.remove(trace, spec.trace_class, match(flow, spec));
  }

  FlowPage list(const FlowQuery& query = {}) {
    const FlowBook* books[] = {&book, &other};
    auto page = list_flows(books, catalog, query);
    EXPECT_TRUE(page.has_value());
    return page.value_or(FlowPage{});
  }
  std::optional<FlowDetail> detail(const FlowIdentity* flow) {
    const FlowBook* books[] = {&book, &other};
    return flow_detail(books, catalog, flow->id);
  }
  FlowHistogram histogram(const FlowIdentity* flow) {
    const FlowBook* books[] = {&book, &other};
    return flow_histogram(books, catalog, flow->id).value_or(FlowHistogram{});
  }
  // Applies what changed to `documents`; gives the keys.
  std::vector<std::string> save(Documents& documents, uint64_t now = kNoon, int64_t retention_days = 30) {
    std::vector<std::string> keys;
    book.take_dirty(now, retention_days, [&](std::string_view key, std::optional<std::string_view> value) {
      keys.emplace_back(key);
      if (value) {
        documents[std::string(key)] = *value;
      } else {
        documents.erase(std::string(key));
      }
    });
    return keys;
  }
  base::Result<void> load(const Documents& documents) {
    for (const auto& [key, value] : documents) TRY(book.load(catalog, key, value));
    return {};
  }
};

std::vector<std::string> environments(const FlowPage& page) {
  std::vector<std::string> names;
  for (const FlowSummary& flow : page.flows) names.push_back(flow.flow->family.environment);
  return names;
}

TEST(FlowBook, PartialTracesCountOnceTheirFlowExists) {
  Workspace w;
  const FlowIdentity* flow = w.home();
  w.add(flow, kTrace.partial());
  w.add(w.other, flow, kTrace.partial());
  EXPECT_FALSE(w.detail(flow).has_value());
  EXPECT_EQ(w.list().total, 0);
  EXPECT_EQ(w.list().partial_traces, 2);

  const auto whole = w.add(flow, kTrace);
  EXPECT_EQ(w.list().partial_traces, 0);
  EXPECT_EQ(w.detail(flow)->summary.occurrence_count, 3);

  w.remove(whole, flow, kTrace);
  EXPECT_FALSE(w.detail(flow).has_value());
  EXPECT_EQ(w.list().partial_traces, 2);
}

TEST(FlowBook, TestTracesOnlyCountAsTests) {
  Workspace w;
  const FlowIdentity* flow = w.home();
  w.add(flow, kTrace.test().at(kNoon + kDay));
  EXPECT_FALSE(w.detail(flow).has_value());
  w.add(flow, kTrace.took(30 * kMillisecond));
  const FlowSummary summary = w.detail(flow)->summary;
  EXPECT_EQ(summary.occurrence_count, 1);
  EXPECT_EQ(summary.test_count, 1);
  EXPECT_DOUBLE_EQ(summary.avg_duration_ms, 30);
  EXPECT_EQ(summary.last_seen, kNoon);
  EXPECT_EQ(summary.last_tested, kNoon + kDay);
  EXPECT_THAT(w.histogram(flow).minutes, SizeIs(1));
}

TEST(FlowBook, RiskIsTheSumOfItsThreeTerms) {
  Workspace w;
  const FlowIdentity* flow = w.home();
  for (int i = 0; i < 25; ++i) w.add(flow, kTrace.took(5 * kSecond));
  for (int i = 0; i < 25; ++i) w.add(w.other, flow, kTrace.took(5 * kSecond).failed());
  const FlowSummary summary = w.detail(flow)->summary;
  EXPECT_DOUBLE_EQ(summary.risk_factors.frequency, 0.15);
  EXPECT_DOUBLE_EQ(summary.risk_factors.errors, 0.25);
  EXPECT_DOUBLE_EQ(summary.risk_factors.latency, 0.1);
  EXPECT_DOUBLE_EQ(summary.risk_score, 0.5);
  for (int i = 0; i < 100; ++i) w.add(flow, kTrace.took(50 * kSecond).failed());
  EXPECT_DOUBLE_EQ(w.detail(flow)->summary.risk_factors.frequency, 0.3);
  EXPECT_DOUBLE_EQ(w.detail(flow)->summary.risk_factors.latency, 0.2);
}

TEST(FlowBook, MeansAreExactBeyondWhatADoubleHolds) {
  Workspace w;
  const FlowIdentity* flow = w.home();
  for (int i = 0; i < 3; ++i) w.add(flow, kTrace.took(UINT64_MAX));
  EXPECT_DOUBLE_EQ(w.detail(flow)->summary.avg_duration_ms, static_cast<double>(UINT64_MAX) / 1e6);
  EXPECT_DOUBLE_EQ(w.histogram(flow).hours[0].avg_duration_ms, static_cast<double>(UINT64_MAX) / 1e6);
}

TEST(FlowBook, CallsPerTraceAreExactForEveryLoopAPersonWrites) {
  Workspace w;
  const FlowIdentity* flow = w.home();
  for (const uint32_t calls : {1u, 777u, 3001u}) w.add(flow, kTrace.calling(calls));
  const NodeSummary node = w.detail(flow)->nodes[1];
  EXPECT_DOUBLE_EQ(node.calls_mean, 3779.0 / 3);
  EXPECT_EQ(node.calls_p50, 777);
  EXPECT_EQ(node.calls_max, 3001);
}

TEST(FlowBook, SamplesSayWhyAndNameATraceOnce) {
  Workspace w;
  const FlowIdentity* flow = w.home();
  const auto only = w.add(flow, kTrace.failed());
  auto samples = w.detail(flow)->samples;
  ASSERT_THAT(samples, SizeIs(1));
  EXPECT_EQ(samples[0].trace_id, only);
  EXPECT_EQ(samples[0].why, "latest, slowest, latest with error, earliest");

  const auto slow = w.add(flow, kTrace.at(kNoon + 1).took(kSecond));
  const auto quick = w.add(w.other, flow, kTrace.at(kNoon + 2));
  const auto last = w.add(flow, kTrace.at(kNoon + 3));
  samples = w.detail(flow)->samples;
  ASSERT_THAT(samples, SizeIs(4));
  EXPECT_EQ(samples[0].trace_id, last);
  EXPECT_EQ(samples[0].why, "latest");
  EXPECT_EQ(samples[1].trace_id, slow);
  EXPECT_EQ(samples[1].why, "slowest");
  EXPECT_EQ(samples[2].trace_id, only);
  EXPECT_EQ(samples[2].why, "latest with error, earliest");
  EXPECT_EQ(samples[3].trace_id, quick);
  EXPECT_EQ(samples[3].why, "recent");
}

TEST(FlowBook, FirstAndLastSeenStayBoundsWhenTooManyTracesLeave) {
  Workspace w;
  const FlowIdentity* flow = w.home();
  std::vector<std::pair<model::TraceId, TraceSpec>> traces;
  for (uint64_t i = 0; i < 20; ++i) {
    const TraceSpec spec = kTrace.at(kNoon + i * kSecond).took((i + 1) * kSecond);
    traces.emplace_back(w.add(flow, spec), spec);
  }
  for (int i = 0; i < 15; ++i) {  // all but the five earliest
    w.remove(traces.back().first, flow, traces.back().second);
    traces.pop_back();
  }
  const FlowSummary summary = w.detail(flow)->summary;
  EXPECT_EQ(summary.occurrence_count, 5);
  EXPECT_EQ(summary.first_seen, kNoon);
  EXPECT_GE(summary.last_seen, kNoon + 4 * kSecond);   // the truth
  EXPECT_LE(summary.last_seen, kNoon + 11 * kSecond);  // the latest of the forgotten
  EXPECT_DOUBLE_EQ(summary.avg_duration_ms, 3000);
}

TEST(FlowBook, ARemovalOfWhatWasNeverAddedIsCountedAndHarmless) {
  Workspace w;
  const FlowIdentity* flow = w.home();
  w.remove(w.id(99), flow, kTrace);
  EXPECT_EQ(w.book.mismatched_removals(), 1);
  w.add(flow, kTrace);
  w.remove(w.id(1), flow, kTrace.took(77 * kSecond));
  EXPECT_EQ(w.book.mismatched_removals(), 2);
  EXPECT_EQ(flow->whole_traces.load(), 0);
}

// ---- aliases ----------------------------------------------------------------

struct Renamed : testing::Test {
  Workspace w;
  const FlowIdentity* a = item("a");
  const FlowIdentity* b = item("b");

  const FlowIdentity* item(std::string_view name) {
    std::vector<TreeNode> tree(2);
    tree[1] = {.parent = 0, .run = 0, .from_path = true};
    return w.catalog.intern({"prod", "shop", "GET /"},
                            {endpoint("GET /", "shop"), endpoint("GET /items/" + std::string(name), "stock")},
                            tree);
  }
  const FlowIdentity* rename() {
    w.catalog.rename("stock", [](const model::PathNode&) { return std::string("GET /items/:param"); });
    const FlowIdentity* survivor = w.catalog.resolve(a).flow;
    EXPECT_NE(survivor, a);
    EXPECT_EQ(survivor, w.catalog.resolve(b).flow);
    return survivor;
  }
};

TEST_F(Renamed, FlowsThatBecomeOneAreFoundByEveryFingerprint) {
  w.add(a, kTrace);
  w.add(b, kTrace);
  const FlowIdentity* survivor = rename();
  for (const FlowIdentity* asked : {a, b, survivor}) {
    FlowQuery query;
    query.fingerprint = asked->fingerprint;
    const FlowPage page = w.list(query);
    ASSERT_EQ(page.flows.size(), 1u);
    EXPECT_EQ(page.flows[0].flow, survivor);
  }
}

TEST(FlowDetails, TheDurationsOfNodesAddUpOverFlows) {
  Workspace w;
  const FlowIdentity* one = w.flow({endpoint("GET /", "shop"), database("orders", "shop")});
  const FlowIdentity* other = w.flow({endpoint("GET /", "shop")});
  for (int i = 0; i < 3; ++i) w.add(one, kTrace.took(10 * kMillisecond).calling(2));
  w.add(other, kTrace.took(40 * kMillisecond));
  w.add(other, kTrace.took(90 * kMillisecond).test());  // teaches nothing
  const FlowBook* books[] = {&w.book};
  const auto of = [&](const FlowIdentity* flow) {
    return flow_detail(books, w.catalog, flow->id)->durations;
  };
  const auto left = of(one), right = of(other);
  ASSERT_EQ(left->size(), 2u);
  EXPECT_EQ(left->at(1).total(), 6u);
  DurationSketch both = left->at(0).copy();
  both.merge(right->at(0));
  EXPECT_EQ(both.total(), 4u);
  const BucketCounts* const counts[] = {&both.counts()};
  EXPECT_NEAR(static_cast<double>(DurationSketch::percentile(counts, 95)), 40e6, 40e4);
}

TEST_F(Renamed, FlowsThatBecomeOneAnswerAsOneUnderEveryId) {
  w.add(a, kTrace.took(10 * kMillisecond));
  w.add(b, kTrace.took(30 * kMillisecond).failed().calling(3));
  w.add(w.other, b, kTrace.partial().took(20 * kMillisecond));
  const FlowIdentity* survivor = rename();
  for (const bool folded : {false, true}) {
    if (folded) {
      w.book.fold_aliases();
      EXPECT_EQ(a->whole_traces.load(), 0);
      EXPECT_EQ(survivor->whole_traces.load(), 2);
    }
    for (const FlowIdentity* asked : {a, b, survivor}) {
      const auto detail = w.detail(asked);
      ASSERT_TRUE(detail.has_value());
      EXPECT_EQ(detail->summary.flow, survivor);
      EXPECT_EQ(detail->summary.occurrence_count, 3);
      EXPECT_DOUBLE_EQ(detail->summary.avg_duration_ms, 20);
      EXPECT_EQ(detail->nodes[1].calls_max, 3);
      EXPECT_DOUBLE_EQ(detail->nodes[1].calls_mean, 5.0 / 3);
      EXPECT_EQ(w.histogram(asked).minutes[0].count, 3);
    }
    EXPECT_EQ(w.list().total, 1);
    EXPECT_EQ(w.list().partial_traces, 0);
  }
}

TEST_F(Renamed, ATraceLeavesUnderTheOldNameOrTheNew) {
  const auto first = w.add(a, kTrace);
  const auto second = w.add(b, kTrace.took(kSecond));
  const FlowIdentity* survivor = rename();
  w.book.fold_aliases();
  w.remove(first, a, kTrace);
  EXPECT_EQ(w.detail(survivor)->summary.occurrence_count, 1);
  w.remove(second, survivor, kTrace.took(kSecond));
  EXPECT_FALSE(w.detail(survivor).has_value());
  EXPECT_EQ(w.book.mismatched_removals(), 0);
}

TEST_F(Renamed, DocumentsMoveWithTheFlow) {
  Documents documents;
  w.add(a, kTrace);
  w.add(b, kTrace.at(kNoon + kHour));
  w.save(documents, kNoon + kHour);
  EXPECT_THAT(documents, SizeIs(4));
  const FlowIdentity* survivor = rename();
  w.save(documents, kNoon + kHour);
  ASSERT_THAT(documents, SizeIs(3));
  Workspace after;
  ASSERT_TRUE(after.load(documents).has_value());
  EXPECT_EQ(after.catalog.find(survivor->id)->whole_traces.load(), 2);
  EXPECT_THAT(after.histogram(after.catalog.find(survivor->id)).hours, SizeIs(2));
}

// ---- lists ------------------------------------------------------------------

TEST(FlowList, TiesSortByOccurrencesNameEnvironmentAndFingerprint) {
  Workspace w;
  const std::vector<model::PathNode> nodes{endpoint("GET /", "a")};
  w.add(w.flow(nodes, "z", "a", "x"), kTrace);
  w.add(w.flow(nodes, "y", "a", "x"), kTrace);
  w.add(w.flow(nodes, "x", "a b", "x"), kTrace);  // "a b -> x" > "a -> x", for ' ' < '-' it is before
  w.add(w.flow(nodes, "w", "b", "x"), kTrace);
  w.add(w.flow(nodes, "v", "b", "x"), kTrace);
  w.add(w.flow(nodes, "v", "b", "x"), kTrace);
  FlowQuery query;
  query.sort = FlowSort::kErrorRate;
  EXPECT_THAT(environments(w.list(query)), ElementsAre("v", "y", "z", "x", "w"));
  query.descending = false;
  EXPECT_THAT(environments(w.list(query)), ElementsAre("v", "y", "z", "x", "w"));
}

TEST(FlowList, LastSeenSortsByTheNanosecond) {
  Workspace w;
  const std::vector<model::PathNode> nodes{endpoint("GET /", "a")};
  for (uint64_t i = 0; i < 5; ++i)
    w.add(w.flow(nodes, std::to_string(i * 3 % 5)), kTrace.at(kNoon + i * 3 % 5));
  FlowQuery query;
  query.sort = FlowSort::kLastSeenAt;
  EXPECT_THAT(environments(w.list(query)), ElementsAre("4", "3", "2", "1", "0"));
}

TEST(FlowList, FiltersAreAllApplied) {
  Workspace w;
  const FlowIdentity* shop = w.flow({endpoint("GET /", "shop"), database("orders", "stock")}, "prod");
  const FlowIdentity* bare = w.flow({endpoint("GET /", "Admin")}, "", "Admin", "POST /Reports");
  for (int i = 0; i < 3; ++i) w.add(shop, kTrace);
  w.add(bare, kTrace);
  w.add(bare, kTrace.test());
  const auto found = [&](auto&& change) {
    FlowQuery query;
    change(query);
    return environments(w.list(query));
  };
  EXPECT_THAT(found([](FlowQuery& q) { q.environment = ""; }), ElementsAre(""));
  EXPECT_THAT(found([](FlowQuery& q) { q.environment = "prod"; }), ElementsAre("prod"));
  EXPECT_THAT(found([](FlowQuery& q) { q.environment = "test"; }), ElementsAre());
  EXPECT_THAT(found([](FlowQuery& q) { q.service = "stock"; }), ElementsAre("prod"));
  EXPECT_THAT(found([](FlowQuery& q) { q.entry_service = "stock"; }), ElementsAre());
  EXPECT_THAT(found([](FlowQuery& q) { q.entry_service = "Admin"; }), ElementsAre(""));
  EXPECT_THAT(found([](FlowQuery& q) { q.entry_operation = "GET /"; }), ElementsAre("prod"));
  EXPECT_THAT(found([](FlowQuery& q) { q.entry_operation = "GET"; }), ElementsAre());
  EXPECT_THAT(found([&](FlowQuery& q) { q.fingerprint = bare->fingerprint; }), ElementsAre(""));
  EXPECT_THAT(found([](FlowQuery& q) { q.fingerprint = model::Fingerprint{}; }), ElementsAre());
  EXPECT_THAT(found([](FlowQuery& q) { q.name_part = "post /rep"; }), ElementsAre(""));
  EXPECT_THAT(found([](FlowQuery& q) { q.name_part = "P -> g"; }), ElementsAre("prod"));
  EXPECT_THAT(found([](FlowQuery& q) { q.name_part = "reports "; }), ElementsAre());
  EXPECT_THAT(found([](FlowQuery& q) { q.min_occurrences = 3; }), ElementsAre("prod"));
  EXPECT_THAT(found([](FlowQuery& q) { q.min_occurrences = 4; }), ElementsAre());
  EXPECT_THAT(found([](FlowQuery& q) { q.covered = true; }), ElementsAre(""));
  EXPECT_THAT(found([](FlowQuery& q) { q.covered = false; }), ElementsAre("prod"));
  EXPECT_THAT(found([](FlowQuery& q) { q.drifted = true; }), ElementsAre());
  EXPECT_THAT(found([](FlowQuery& q) { q.drifted = false; }), SizeIs(2));
}

TEST(FlowList, ACursorOfAnotherListIsRefused) {
  Workspace w;
  for (const char* environment : {"a", "b", "c"})
    w.add(w.flow({endpoint("GET /", "a")}, environment), kTrace);
  FlowQuery query;
  query.limit = 2;
  const FlowPage page = w.list(query);
  ASSERT_TRUE(page.next_cursor.has_value());
  const FlowBook* books[] = {&w.book};
  const auto refused = [&](FlowSort sort, bool descending, std::string cursor) {
    query.sort = sort;
    query.descending = descending;
    query.cursor = std::move(cursor);
    const auto answer = list_flows(books, w.catalog, query);
    return !answer.has_value() && answer.error().code == base::ErrorCode::kInvalidArgument;
  };
  EXPECT_FALSE(refused(FlowSort::kRiskScore, true, *page.next_cursor));
  EXPECT_TRUE(refused(FlowSort::kErrorRate, true, *page.next_cursor));
  EXPECT_TRUE(refused(FlowSort::kRiskScore, false, *page.next_cursor));
  EXPECT_TRUE(refused(FlowSort::kRiskScore, true, "x"));
  EXPECT_TRUE(refused(FlowSort::kRiskScore, true, page.next_cursor->substr(2)));
  std::string unknown = *page.next_cursor;
  unknown.replace(unknown.size() - 32, 32, std::string(32, '0'));
  EXPECT_TRUE(refused(FlowSort::kRiskScore, true, unknown));
}

TEST(FlowList, APageGoesOnBehindItsCursorWhateverWasCountedSince) {
  Workspace w;
  const auto flow = [&](const char* environment) { return w.flow({endpoint("GET /", "a")}, environment); };
  for (const char* environment : {"a", "b", "c", "d"}) w.add(flow(environment), kTrace);
  FlowQuery query;
  query.sort = FlowSort::kOccurrenceCount;
  query.limit = 2;
  const FlowPage first = w.list(query);
  EXPECT_THAT(environments(first), ElementsAre("a", "b"));
  w.add(flow("b"), kTrace);  // moves up, past the page already shown
  query.cursor = *first.next_cursor;
  const FlowPage second = w.list(query);
  EXPECT_THAT(environments(second), ElementsAre("c", "d"));
  EXPECT_FALSE(second.next_cursor.has_value());
  EXPECT_EQ(second.total, 4);
}

// ---- series -----------------------------------------------------------------

TEST(FlowHistory, MinutesStayForADayAndHoursForTheRetention) {
  Workspace w;
  const FlowIdentity* flow = w.home();
  Documents documents;
  for (uint64_t hour = 0; hour <= 72; ++hour) {
    w.add(flow, kTrace.at(kNoon + hour * kHour + 30 * kMinute).took(hour * kSecond));
    w.save(documents, kNoon + hour * kHour + 30 * kMinute);
  }
  FlowHistogram histogram = w.histogram(flow);
  EXPECT_THAT(histogram.minutes, SizeIs(24));
  EXPECT_EQ(histogram.minutes.front().start, kNoon + 49 * kHour + 30 * kMinute);
  EXPECT_THAT(histogram.hours, SizeIs(73));
  EXPECT_EQ(histogram.hours[5].start, kNoon + 5 * kHour);
  EXPECT_DOUBLE_EQ(histogram.hours[5].max_duration_ms, 5000);

  // Two days of retention, and nothing new: what is older goes, documents too.
  w.save(documents, kNoon + 73 * kHour, 2);
  EXPECT_THAT(w.histogram(flow).hours, SizeIs(48));
  EXPECT_EQ(w.detail(flow)->summary.occurrence_count, 73);  // counts stay
  EXPECT_THAT(documents, SizeIs(1 + 48));
}

TEST(FlowHistory, RetentionCountsFromArrivalNotFromTheTraceItself) {
  Workspace w;
  const FlowIdentity* flow = w.home();
  Documents documents;
  w.add(flow, kTrace.at(kNoon - 400 * kDay));
  w.save(documents, kNoon, 30);
  w.save(documents, kNoon + kHour, 30);
  EXPECT_THAT(w.histogram(flow).hours, SizeIs(1));
  EXPECT_THAT(w.histogram(flow).minutes, SizeIs(1));
  w.save(documents, kNoon + 31 * kDay, 30);
  EXPECT_THAT(w.histogram(flow).hours, SizeIs(0));
}

TEST(FlowHistory, AClockInTheFutureHidesNoMinutes) {
  Workspace w;
  const FlowIdentity* flow = w.home();
  Documents documents;
  w.add(flow, kTrace);
  w.add(flow, kTrace.at(kNoon + 900 * kDay));
  w.save(documents);
  w.add(flow, kTrace.at(kNoon + kMinute));
  const FlowHistogram histogram = w.histogram(flow);
  EXPECT_THAT(histogram.minutes, SizeIs(3));
  EXPECT_THAT(histogram.hours, SizeIs(2));
}

// ---- documents --------------------------------------------------------------

TEST(FlowDocuments, OnlyWhatChangedIsWritten) {
  Workspace w;
  const FlowIdentity* home = w.home();
  const FlowIdentity* idle = w.flow({endpoint("GET /", "idle")});
  Documents documents;
  w.add(home, kTrace);
  w.add(home, kTrace.at(kNoon + kHour));
  w.add(idle, kTrace);
  EXPECT_THAT(w.save(documents, kNoon + kHour), SizeIs(2 + 3));
  EXPECT_THAT(w.save(documents, kNoon + kHour), SizeIs(0));
  w.add(home, kTrace.at(kNoon + kHour + kMinute));
  const std::string id = base::to_hex(home->id.bytes);
  EXPECT_THAT(w.save(documents, kNoon + kHour),
              testing::UnorderedElementsAre("flow/" + id, "hist/" + id + "/01728046800"));
  EXPECT_EQ((kNoon + kHour) / kSecond, 1728046800);
}

TEST(FlowDocuments, WhatWasLoadedIsNotWrittenAgain) {
  Workspace w, after;
  Documents documents;
  w.add(w.home(), kTrace);
  w.save(documents);
  ASSERT_TRUE(after.load(documents).has_value());
  EXPECT_THAT(after.save(documents), SizeIs(0));
  const FlowIdentity* flow = after.home();
  EXPECT_EQ(flow->whole_traces.load(), 1);
  after.add(flow, kTrace);
  EXPECT_THAT(after.save(documents), SizeIs(2));
  EXPECT_EQ(after.detail(flow)->summary.occurrence_count, 2);
  EXPECT_EQ(after.histogram(flow).minutes[0].count, 2);
}

TEST(FlowDocuments, ComeInAnyOrder) {
  Workspace w, after;
  Documents documents;
  w.add(w.home(), kTrace);
  w.save(documents);
  for (auto document = documents.rbegin(); document != documents.rend(); ++document) {
    ASSERT_TRUE(after.book.load(after.catalog, document->first, document->second).has_value());
  }
  EXPECT_THAT(after.histogram(after.home()).minutes, SizeIs(1));
}

Documents sample_documents() {
  Workspace w;
  Documents documents;
  std::mt19937 random(1);
  for (int i = 0; i < 80; ++i) {
    const TraceSpec trace = kTrace.at(kNoon + i * kMinute).took(random()).calling(1 + random() % 5);
    w.add(w.home(), i % 7 == 0   ? trace.failed()
                    : i % 5 == 0 ? trace.partial()
                    : i % 3 == 0 ? trace.test()
                                 : trace);
  }
  w.add(w.home(), kTrace.at(kNoon - 40 * kHour));
  w.save(documents, kNoon + 80 * kMinute);
  return documents;
}

TEST(FlowDocuments, ACutDocumentIsRefusedAtEveryByte) {
  for (const auto& [key, value] : sample_documents()) {
    for (size_t cut = 0; cut < value.size(); ++cut) {
      Workspace w;
      const auto loaded = w.book.load(w.catalog, key, std::string_view(value).substr(0, cut));
      ASSERT_FALSE(loaded.has_value()) << key << " cut at " << cut;
      EXPECT_EQ(loaded.error().code, base::ErrorCode::kCorrupt);
    }
    Workspace w;
    EXPECT_FALSE(w.book.load(w.catalog, key, value + '\0').has_value());
  }
}

TEST(FlowDocuments, ALaterVersionIsRefusedWithASentence) {
  for (auto [key, value] : sample_documents()) {
    const std::string known = key.starts_with("flow/") ? "3" : "1";
    value[0] = 9;
    Workspace w;
    const auto loaded = w.book.load(w.catalog, key, value);
    ASSERT_FALSE(loaded.has_value());
    EXPECT_EQ(loaded.error().code, base::ErrorCode::kCorrupt);
    EXPECT_THAT(loaded.error().message,
                HasSubstr("has version 9, this program reads up to version " + known));
  }
}

TEST(FlowDocuments, AKeyThatIsNoneIsRefused) {
  const Documents documents = sample_documents();
  const auto& [flow_key, flow] = *documents.begin();
  const auto& [hour_key, hour] = *documents.rbegin();
  Workspace w;
  EXPECT_FALSE(w.book.load(w.catalog, "", flow));
  EXPECT_FALSE(w.book.load(w.catalog, "alias/0", flow));
  EXPECT_FALSE(w.book.load(w.catalog, "flow/", flow));
  EXPECT_FALSE(w.book.load(w.catalog, flow_key + "0", flow));
  EXPECT_FALSE(w.book.load(w.catalog, "flow/" + std::string(32, '0'), flow));  // another flow
  EXPECT_FALSE(w.book.load(w.catalog, hour_key + "0x", hour));
  EXPECT_FALSE(w.book.load(w.catalog, hour_key.substr(0, 38), hour));
  EXPECT_FALSE(w.book.load(w.catalog, hour_key + "99999999999", hour));
  EXPECT_FALSE(w.book.load(w.catalog, hour_key.substr(0, 38) + "1728046801", hour));  // no full hour
}

TEST(FlowDocuments, DamagedBytesNeverCrash) {
  constexpr unsigned kSeed = 20261126;
  std::mt19937 random(kSeed);
  SCOPED_TRACE(kSeed);
  size_t refused = 0;
  for (const auto& [key, value] : sample_documents()) {
    for (int i = 0; i < 3000; ++i) {
      std::string damaged = value;
      for (unsigned changes = 1 + random() % 3; changes > 0; --changes) {
        damaged[random() % damaged.size()] = static_cast<char>(random());
      }
      Workspace w;
      if (!w.book.load(w.catalog, key, damaged)) {
        ++refused;
        continue;
      }
      Documents documents;  // what was taken can be asked, counted on and saved
      const FlowIdentity* flow = w.home();
      w.add(flow, kTrace);
      w.remove(w.id(1), flow, kTrace);
      w.detail(flow);
      w.histogram(flow);
      w.list();
      w.save(documents);
    }
  }
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace testmesh::discovery
