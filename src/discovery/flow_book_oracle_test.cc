// FlowBook against an oracle that keeps every trace: random additions, moves
// and removals over several books, saved and loaded midway.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>

#include "discovery/flow_book.h"

namespace testmesh::discovery {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kMinute = 60 * kSecond;
constexpr uint64_t kHour = 60 * kMinute;
constexpr uint64_t kMonday = 1'760'000'000 * kSecond;

struct Trace {
  model::TraceId id;
  TraceClass trace_class = TraceClass::kWhole;
  size_t book = 0;
  size_t flow = 0;  // index into the shapes
  FlowMatch match;
};

struct Shape {
  model::Family family;
  std::vector<model::PathNode> nodes;
  std::vector<NodeList> variants;  // with other services
};

// What one book must say of the nodes of one flow's latest trace.
struct Shown {
  std::multiset<uint64_t> starts;  // whole and partial
  NodeList nodes;
};

class World {
 public:
  explicit World(unsigned seed) : random_(seed) {
    for (size_t i = 0; i < 14; ++i) {
      Shape shape;
      shape.family = {i % 4 == 0 ? "" : "prod", i % 3 == 0 ? "shop" : "Billing",
                      i % 5 < 3 ? "GET /a" : "POST /b"};
      for (size_t node = 0; node <= i % 6; ++node) {
        shape.nodes.push_back({model::NodeType::kDatabase, "db" + std::to_string(i) + std::to_string(node),
                               "service" + std::to_string(node)});
      }
      for (size_t variant = 0; variant < 3; ++variant) {
        std::vector<model::PathNode> nodes = shape.nodes;
        for (size_t node = 0; node < nodes.size(); ++node)
          if (variant == 0 || (variant == 1 && node % 2 == 1))
            nodes[node].service = "other" + std::to_string(i);
        // The last is the flow's own, spelled out.
        shape.variants.push_back(std::make_shared<const std::vector<model::PathNode>>(std::move(nodes)));
      }
      shapes_.push_back(std::move(shape));
    }
    open();
  }

  uint64_t pick(uint64_t below) { return random_() % below; }
  size_t flows() const { return shapes_.size(); }
  const FlowIdentity* flow(size_t i) const { return identities_[i]; }
  const FlowCatalog& catalog() const { return *catalog_; }
  const std::vector<Trace>& traces() const { return traces_; }
  uint64_t now = kMonday;

  const std::vector<model::PathNode>& shown(size_t flow) const {
    const Shown* latest = nullptr;
    for (const auto& book : shown_) {
      const auto found = book.find(flow);
      if (found == book.end() || found->second.starts.empty()) continue;
      const Shown& one = found->second;
      if (latest == nullptr || *one.starts.rbegin() > *latest->starts.rbegin()) latest = &one;
    }
    return latest && latest->nodes ? *latest->nodes : shapes_[flow].nodes;
  }

  std::vector<const FlowBook*> books() const {
    std::vector<const FlowBook*> pointers;
    for (const auto& book : books_) pointers.push_back(book.get());
    return pointers;
  }

  void step() {
    now += pick(180) * kSecond;
    const uint64_t dice = pick(100);
    if (dice < 12 && !traces_.empty()) {
      // Late spans: recent traces change flow, or class, or go.
      const size_t at = traces_.size() - 1 - pick(std::min<size_t>(traces_.size(), 400));
      Trace trace = traces_[at];
      remove(trace);
      traces_.erase(traces_.begin() + static_cast<std::ptrdiff_t>(at));
      if (pick(3) == 0) return;
      trace.flow = pick(flows());
      trace.trace_class = random_class();
      fill(trace);
      add(trace);
      return;
    }
    Trace trace;
    for (uint8_t& byte : trace.id.bytes) byte = static_cast<uint8_t>(random_());
    trace.book = trace.id.hash() % books_.size();
    trace.flow = std::min(pick(flows()), pick(flows()));
    trace.trace_class = random_class();
    trace.match.start = now - (pick(4) == 0 ? pick(3 * kHour) : pick(60 * kSecond));
    if (pick(50) == 0) trace.match.start = now - 30 * kHour - pick(kHour);
    fill(trace);
    add(trace);
  }

  void save() {
    for (size_t i = 0; i < books_.size(); ++i) {
      books_[i]->take_dirty(now, 0, [&](std::string_view key, std::optional<std::string_view> value) {
        if (value) {
          documents_[i][std::string(key)] = *value;
        } else {
          documents_[i].erase(std::string(key));
        }
      });
    }
  }

  // As after a restart; with `into_one` all shards' documents become one book.
  void reopen(bool into_one) {
    save();
    const auto stored = documents_;
    open(into_one ? 1 : 3);
    for (size_t i = 0; i < stored.size(); ++i) {
      for (const auto& [key, value] : stored[i]) {
        const auto loaded = books_[into_one ? 0 : i]->load(*catalog_, key, value);
        ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
      }
    }
    for (Trace& trace : traces_) {
      if (into_one) trace.book = 0;
      trace.match.flow = identities_[trace.flow];
    }
    if (into_one) {
      for (size_t i = 0; i < shapes_.size(); ++i) {
        Shown all{{}, std::make_shared<const std::vector<model::PathNode>>(shown(i))};
        for (auto& book : shown_) all.starts.merge(book[i].starts);
        for (auto& book : shown_) book[i] = {};
        shown_[0][i] = all;
      }
    }
    documents_ = stored;
    if (into_one) documents_ = {{}, {}, {}};
  }

  void remove_all() {
    while (!traces_.empty()) {
      remove(traces_.back());
      traces_.pop_back();
    }
  }
  size_t stored_documents() const {
    size_t count = 0;
    for (const auto& one : documents_) count += one.size();
    return count;
  }

 private:
  void open(size_t count = 3) {
    books_.clear();
    catalog_ = std::make_unique<FlowCatalog>();
    identities_.clear();
    for (const Shape& shape : shapes_) {
      std::vector<TreeNode> tree(shape.nodes.size());
      for (size_t i = 1; i < tree.size(); ++i) tree[i].parent = static_cast<int32_t>(i - 1);
      identities_.push_back(catalog_->intern(shape.family, shape.nodes, tree));
    }
    for (size_t i = 0; i < count; ++i) books_.push_back(std::make_unique<FlowBook>(*catalog_));
  }

  TraceClass random_class() {
    const uint64_t dice = pick(10);
    return dice == 0 ? TraceClass::kTest : dice < 3 ? TraceClass::kPartial : TraceClass::kWhole;
  }

  uint64_t random_duration() {
    return static_cast<uint64_t>(std::lognormal_distribution<double>(16, 1.5)(random_));
  }

  void fill(Trace& trace) {
    FlowMatch& match = trace.match;
    // The last flows never get a whole trace: their partial ones count nowhere.
    if (trace.flow + 2 >= flows() && trace.trace_class == TraceClass::kWhole)
      trace.trace_class = TraceClass::kPartial;
    match.flow = identities_[trace.flow];
    const auto& variants = shapes_[trace.flow].variants;
    const size_t variant = pick(2 * variants.size());
    match.nodes = variant < variants.size() ? variants[variant] : nullptr;
    match.duration_ns = random_duration();
    match.error = pick(10) == 0;
    match.visits.clear();
    match.retries.assign(shapes_[trace.flow].nodes.size(), 0);
    for (uint32_t node = 0; node < match.retries.size(); ++node) {
      const uint64_t calls = pick(5) == 0 ? 1 + pick(40) : 1;
      for (uint64_t call = 0; call < calls; ++call) {
        match.visits.push_back({.span = 0,
                                .node = node,
                                .error = pick(8) == 0,
                                .duration_ns = random_duration(),
                                .self_ns = random_duration() / 2});
      }
      match.retries[node] = static_cast<uint32_t>(pick(10) == 0 ? pick(3) : 0);
    }
  }

  FlowBook& book(const Trace& trace) { return *books_[trace.book]; }
  void add(const Trace& trace) {
    book(trace).add(trace.id, trace.trace_class, trace.match);
    traces_.push_back(trace);
    if (trace.trace_class == TraceClass::kTest) return;
    Shown& shown = shown_[trace.book][trace.flow];
    if (shown.starts.empty() || trace.match.start >= *shown.starts.rbegin()) shown.nodes = trace.match.nodes;
    shown.starts.insert(trace.match.start);
  }
  void remove(const Trace& trace) {
    book(trace).remove(trace.id, trace.trace_class, trace.match);
    if (trace.trace_class == TraceClass::kTest) return;
    auto& starts = shown_[trace.book][trace.flow].starts;
    starts.erase(starts.find(trace.match.start));
  }

  std::mt19937_64 random_;
  std::vector<Shape> shapes_;
  std::unique_ptr<FlowCatalog> catalog_;
  std::vector<const FlowIdentity*> identities_;
  std::vector<std::unique_ptr<FlowBook>> books_;
  std::vector<std::map<std::string, std::string>> documents_{3};
  std::vector<Trace> traces_;
  std::vector<std::map<size_t, Shown>> shown_{3};  // per book, by flow
};

double ms(double nanos) { return nanos / 1e6; }

uint64_t ranked(std::vector<uint64_t> values, unsigned percent) {
  std::ranges::sort(values);
  return values.empty() ? 0 : values[(values.size() * percent + 99) / 100 - 1];
}

void expect_near_percent(double actual, double expected) { EXPECT_NEAR(actual, expected, 0.01 * expected); }

struct Truth {
  std::vector<const Trace*> counted;  // whole and partial
  uint64_t whole = 0, partial = 0, test = 0, errors = 0;
  std::vector<uint64_t> durations;
  double sum = 0;
  uint64_t first = UINT64_MAX, last = 0, last_test = 0;

  double average() const { return ms(sum / static_cast<double>(counted.size())); }
  double error_rate() const { return static_cast<double>(errors) / static_cast<double>(counted.size()); }
  double risk() const {
    return 0.3 * std::min(static_cast<double>(counted.size()) / 100, 1.0) + 0.5 * error_rate() +
           0.2 * std::min(average() / 10000, 1.0);
  }
};

std::vector<Truth> truths(const World& world) {
  std::vector<Truth> all(world.flows());
  for (const Trace& trace : world.traces()) {
    Truth& truth = all[trace.flow];
    if (trace.trace_class == TraceClass::kTest) {
      ++truth.test;
      truth.last_test = std::max(truth.last_test, trace.match.start);
      continue;
    }
    ++(trace.trace_class == TraceClass::kWhole ? truth.whole : truth.partial);
    truth.counted.push_back(&trace);
    truth.errors += trace.match.error;
    truth.durations.push_back(trace.match.duration_ns);
    truth.sum += static_cast<double>(trace.match.duration_ns);
    truth.first = std::min(truth.first, trace.match.start);
    truth.last = std::max(truth.last, trace.match.start);
  }
  return all;
}

void expect_summary(const FlowSummary& summary, const FlowIdentity& flow, const Truth& truth) {
  EXPECT_EQ(summary.flow, &flow);
  EXPECT_EQ(summary.name, flow.family.entry_service + " -> " + flow.family.entry_operation);
  EXPECT_EQ(summary.occurrence_count, truth.counted.size());
  EXPECT_EQ(summary.test_count, truth.test);
  EXPECT_DOUBLE_EQ(summary.avg_duration_ms, truth.average());
  EXPECT_DOUBLE_EQ(summary.error_rate, truth.error_rate());
  expect_near_percent(summary.p95_duration_ms, ms(static_cast<double>(ranked(truth.durations, 95))));
  EXPECT_DOUBLE_EQ(summary.risk_score, truth.risk());
  EXPECT_DOUBLE_EQ(
      summary.risk_factors.frequency + summary.risk_factors.errors + summary.risk_factors.latency,
      summary.risk_score);
  EXPECT_EQ(summary.first_seen, truth.first);
  EXPECT_EQ(summary.last_seen, truth.last);
  EXPECT_EQ(summary.last_tested.has_value(), truth.test > 0);
  EXPECT_EQ(summary.last_tested.value_or(0), truth.last_test);
  EXPECT_FALSE(summary.drifted);
}

void expect_nodes(const FlowDetail& detail, const Truth& truth) {
  ASSERT_EQ(detail.nodes.size(), detail.summary.flow->nodes.size());
  for (uint32_t node = 0; node < detail.nodes.size(); ++node) {
    std::vector<uint64_t> calls, durations, selves;
    uint64_t errors = 0, retries = 0;
    for (const Trace* trace : truth.counted) {
      retries += trace->match.retries[node];
      uint64_t in_trace = 0;
      for (const Visit& visit : trace->match.visits) {
        if (visit.node != node) continue;
        ++in_trace;
        durations.push_back(visit.duration_ns);
        selves.push_back(visit.self_ns);
        errors += visit.error;
      }
      calls.push_back(in_trace);
    }
    const NodeSummary& summary = detail.nodes[node];
    EXPECT_DOUBLE_EQ(summary.calls_mean,
                     static_cast<double>(durations.size()) / static_cast<double>(calls.size()));
    EXPECT_EQ(summary.calls_p50, ranked(calls, 50));
    EXPECT_EQ(summary.calls_max, *std::ranges::max_element(calls));
    EXPECT_EQ(summary.retries, retries);
    expect_near_percent(summary.p50_ms, ms(static_cast<double>(ranked(durations, 50))));
    expect_near_percent(summary.p95_ms, ms(static_cast<double>(ranked(durations, 95))));
    expect_near_percent(summary.self_ms_p50, ms(static_cast<double>(ranked(selves, 50))));
    expect_near_percent(summary.self_ms_p95, ms(static_cast<double>(ranked(selves, 95))));
    EXPECT_DOUBLE_EQ(summary.error_rate, static_cast<double>(errors) / static_cast<double>(durations.size()));
  }
}

void expect_samples(const FlowDetail& detail, const Truth& truth) {
  std::map<std::string, const Trace*> best;
  const auto consider = [&](const char* why, const Trace* trace, auto value) {
    const Trace*& place = best[why];
    if (place == nullptr || value(*trace) > value(*place) ||
        (value(*trace) == value(*place) && trace->id < place->id)) {
      place = trace;
    }
  };
  std::set<model::TraceId> counted;
  for (const Trace* trace : truth.counted) {
    counted.insert(trace->id);
    const auto start = [](const Trace& t) { return t.match.start; };
    consider("latest", trace, start);
    consider("slowest", trace, [](const Trace& t) { return t.match.duration_ns; });
    if (trace->match.error) consider("latest with error", trace, start);
    consider("earliest", trace, [](const Trace& t) { return UINT64_MAX - t.match.start; });
  }
  std::map<model::TraceId, std::string> expected;
  for (const char* why : {"latest", "slowest", "latest with error", "earliest"}) {
    if (!best.contains(why)) continue;
    std::string& text = expected[best[why]->id];
    text += (text.empty() ? "" : ", ") + std::string(why);
  }
  std::map<model::TraceId, std::string> actual;
  size_t recent = 0;
  for (const SampleTrace& sample : detail.samples) {
    EXPECT_TRUE(counted.contains(sample.trace_id));
    if (sample.why == "recent") {
      EXPECT_FALSE(expected.contains(sample.trace_id));
      ++recent;
    } else {
      EXPECT_TRUE(actual.emplace(sample.trace_id, sample.why).second);
    }
  }
  EXPECT_EQ(actual, expected);
  EXPECT_LE(detail.samples.size(), 5);
  EXPECT_EQ(recent, std::min<size_t>(5, counted.size()) - expected.size());
}

// A bucket keeps its three slowest; where more of them left it says a little
// too much. That must stay rare.
struct MaxTally {
  size_t buckets = 0, too_high = 0;
};

void expect_histogram(const FlowHistogram& histogram, const Truth& truth, MaxTally& tally) {
  struct Bucket {
    uint64_t count = 0, errors = 0, max = 0;
    double sum = 0;
  };
  std::map<uint64_t, Bucket> minutes, hours;
  for (const Trace* trace : truth.counted) {
    for (Bucket* bucket :
         {&minutes[trace->match.start / kMinute * kMinute], &hours[trace->match.start / kHour * kHour]}) {
      ++bucket->count;
      bucket->errors += trace->match.error;
      bucket->max = std::max(bucket->max, trace->match.duration_ns);
      bucket->sum += static_cast<double>(trace->match.duration_ns);
    }
  }
  const uint64_t newest = minutes.rbegin()->first;
  std::erase_if(minutes, [&](const auto& bucket) { return bucket.first + 24 * kHour <= newest; });
  const auto expect_same = [&](const std::vector<HistogramBucket>& actual,
                               const std::map<uint64_t, Bucket>& expected) {
    ASSERT_EQ(actual.size(), expected.size());
    size_t i = 0;
    for (const auto& [start, bucket] : expected) {
      EXPECT_EQ(actual[i].start, start);
      EXPECT_EQ(actual[i].count, bucket.count);
      EXPECT_EQ(actual[i].errors, bucket.errors);
      EXPECT_DOUBLE_EQ(actual[i].avg_duration_ms, ms(bucket.sum / static_cast<double>(bucket.count)));
      EXPECT_GE(actual[i].max_duration_ms, ms(static_cast<double>(bucket.max)));
      ++tally.buckets;
      tally.too_high += actual[i].max_duration_ms > ms(static_cast<double>(bucket.max));
      ++i;
    }
  };
  expect_same(histogram.minutes, minutes);
  expect_same(histogram.hours, hours);
}

void expect_everything(const World& world, MaxTally& tally) {
  const auto books = world.books();
  const std::vector<Truth> truth = truths(world);
  BookTotals expected;
  std::map<const FlowIdentity*, size_t> existing;
  for (size_t i = 0; i < truth.size(); ++i) {
    SCOPED_TRACE(i);
    const FlowIdentity& flow = *world.flow(i);
    expected.test += truth[i].test;
    EXPECT_EQ(flow.whole_traces.load(), static_cast<int64_t>(truth[i].whole));
    const auto detail = flow_detail(books, world.catalog(), flow.id);
    const auto histogram = flow_histogram(books, world.catalog(), flow.id);
    ASSERT_EQ(detail.has_value(), truth[i].whole > 0);
    ASSERT_EQ(histogram.has_value(), truth[i].whole > 0);
    if (truth[i].whole == 0) {
      expected.partial += truth[i].partial;
      continue;
    }
    ++expected.flows;
    expected.occurrences += truth[i].counted.size();
    existing[&flow] = i;
    expect_summary(detail->summary, flow, truth[i]);
    EXPECT_EQ(detail->summary.nodes, world.shown(i));
    expect_nodes(*detail, truth[i]);
    expect_samples(*detail, truth[i]);
    expect_histogram(*histogram, truth[i], tally);

    std::set<const FlowIdentity*> family;
    for (size_t other = 0; other < truth.size(); ++other) {
      if (truth[other].whole > 0 && world.flow(other)->family == flow.family)
        family.insert(world.flow(other));
    }
    std::set<const FlowIdentity*> variants;
    uint64_t most = UINT64_MAX;
    for (const FlowSummary& variant : flow_variants(books, world.catalog(), flow.id)) {
      EXPECT_LE(variant.occurrence_count, most);
      most = variant.occurrence_count;
      variants.insert(variant.flow);
    }
    EXPECT_EQ(variants, family);
  }
  for (const char* service : {"service1", "service3", "other2", "other7", "nobody"}) {
    std::set<const FlowIdentity*> with, listed;
    for (const auto& [flow, i] : existing)
      if (std::ranges::find(world.shown(i), service, &model::PathNode::service) != world.shown(i).end())
        with.insert(flow);
    FlowQuery query;
    query.service = service;
    const auto page = list_flows(books, world.catalog(), query);
    ASSERT_TRUE(page.has_value());
    for (const FlowSummary& flow : page->flows) listed.insert(flow.flow);
    EXPECT_EQ(listed, with) << service;
  }
  const BookTotals totals = book_totals(books, world.catalog());
  EXPECT_EQ(totals.flows, expected.flows);
  EXPECT_EQ(totals.occurrences, expected.occurrences);
  EXPECT_EQ(totals.partial, expected.partial);
  EXPECT_EQ(totals.test, expected.test);
  for (const FlowBook* book : books) EXPECT_EQ(book->mismatched_removals(), 0);

  for (const FlowSort sort :
       {FlowSort::kRiskScore, FlowSort::kOccurrenceCount, FlowSort::kErrorRate, FlowSort::kLastSeenAt,
        FlowSort::kAvgDurationMs, FlowSort::kP95DurationMs, FlowSort::kCoverage}) {
    for (const bool descending : {true, false}) {
      FlowQuery query;
      query.sort = sort;
      query.descending = descending;
      query.limit = 3;
      std::vector<FlowSummary> listed;
      do {
        const auto page = list_flows(books, world.catalog(), query);
        ASSERT_TRUE(page.has_value());
        EXPECT_EQ(page->total, expected.flows);
        EXPECT_EQ(page->partial_traces, expected.partial);
        EXPECT_EQ(page->all_traces, expected.occurrences);
        EXPECT_LE(page->flows.size(), 3);
        listed.insert(listed.end(), page->flows.begin(), page->flows.end());
        query.cursor = page->next_cursor.value_or("");
      } while (!query.cursor.empty());
      ASSERT_EQ(listed.size(), expected.flows);
      const auto key = [&](const FlowSummary& s) -> double {
        switch (sort) {
          case FlowSort::kRiskScore:
            return s.risk_score;
          case FlowSort::kOccurrenceCount:
            return static_cast<double>(s.occurrence_count);
          case FlowSort::kErrorRate:
            return s.error_rate;
          case FlowSort::kLastSeenAt:
            return static_cast<double>(s.last_seen);
          case FlowSort::kAvgDurationMs:
            return s.avg_duration_ms;
          case FlowSort::kP95DurationMs:
            return s.p95_duration_ms;
          case FlowSort::kCoverage:
            return s.risk_score + (s.test_count == 0 ? 2 : 0);  // no risk is above 1
        }
        return 0;
      };
      std::set<const FlowIdentity*> once;
      for (size_t i = 0; i < listed.size(); ++i) {
        once.insert(listed[i].flow);
        EXPECT_EQ(listed[i].nodes, world.shown(existing.at(listed[i].flow)));
        expect_summary(listed[i], *listed[i].flow, truth[existing.at(listed[i].flow)]);
        if (i == 0) continue;
        const FlowSummary &a = listed[i - 1], &b = listed[i];
        EXPECT_TRUE(descending ? key(a) >= key(b) : key(a) <= key(b));
        if (key(a) != key(b)) continue;
        EXPECT_GE(a.occurrence_count, b.occurrence_count);
        if (a.occurrence_count != b.occurrence_count) continue;
        EXPECT_LT(std::tie(a.name, a.flow->family.environment, a.flow->fingerprint),
                  std::tie(b.name, b.flow->family.environment, b.flow->fingerprint));
      }
      EXPECT_EQ(once.size(), listed.size());
    }
  }
}

class FlowBookOracle : public testing::TestWithParam<unsigned> {};

TEST_P(FlowBookOracle, AgreesWithAnOracleThatKeepsEveryTrace) {
  RecordProperty("seed", static_cast<int>(GetParam()));
  World world(GetParam());
  MaxTally tally;
  for (int round = 1; round <= 60; ++round) {
    for (int i = 0; i < 60; ++i) {
      world.step();
      if (i % 15 == 0) world.save();
    }
    if (round % 20 == 5) {
      SCOPED_TRACE("round " + std::to_string(round));
      expect_everything(world, tally);
      world.reopen(false);
      if (testing::Test::HasFatalFailure()) return;
      expect_everything(world, tally);
    }
  }
  expect_everything(world, tally);
  {
    SCOPED_TRACE("three shards loaded into one");
    world.reopen(true);
    if (testing::Test::HasFatalFailure()) return;
    expect_everything(world, tally);
  }
  EXPECT_GT(tally.buckets, 2000);
  EXPECT_LT(tally.too_high * 100, tally.buckets) << "of " << tally.buckets;
  if (testing::Test::HasFailure()) std::fprintf(stderr, "seed %u\n", GetParam());
}

TEST_P(FlowBookOracle, NothingIsLeftOfTracesThatAllWent) {
  World world(GetParam());
  for (int i = 0; i < 500; ++i) world.step();
  world.save();
  EXPECT_GT(world.stored_documents(), 0);
  world.remove_all();
  MaxTally tally;
  expect_everything(world, tally);
  world.save();
  EXPECT_EQ(world.stored_documents(), 0);
  for (const FlowBook* book : world.books()) {
    EXPECT_EQ(book->mismatched_removals(), 0);
    EXPECT_LT(book->memory_bytes(), 2000);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, FlowBookOracle, testing::Values(1, 2, 3, 4, 5, 20261126));

}  // namespace
}  // namespace testmesh::discovery
