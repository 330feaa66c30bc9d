// Questions over all books of a workspace (flow_book.h).
//
// A flow's statistics lie in several books, and, until they are folded, under
// the names of its aliases. Lists add up what sorting and filtering need for
// every flow; sketches are read for the flows shown, unless p95 is the order.
#include <algorithm>
#include <bit>

#include "base/hex.h"
#include "discovery/coverage.h"
#include "discovery/flow_book_impl.h"

namespace testmesh::discovery {
namespace {

constexpr double kNanosPerMilli = 1e6;
constexpr size_t kSamples = 5;
constexpr size_t kMaxLimit = 1000;

struct Part {
  const FlowEntry* entry = nullptr;
  Resolved resolved;
};

struct Merged {
  const FlowIdentity* flow = nullptr;
  std::vector<Part> parts;
};

double mean_ms(Uint128 sum_ns, uint64_t count) {
  if (count == 0) return 0;
  return static_cast<double>(static_cast<long double>(sum_ns) / static_cast<long double>(count) / 1e6L);
}

double milliseconds(uint64_t nanos) { return static_cast<double>(nanos) / kNanosPerMilli; }

double share(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

// Every flow the books hold traces of, existing or not.
std::vector<Merged> merge_books(Books books, const FlowCatalog& catalog) {
  std::vector<Merged> flows;
  boost::unordered_flat_map<const FlowIdentity*, size_t> index;
  for (const FlowBook* book : books) {
    for (const auto& [flow, entry] : book->impl().entries) {
      if (entry->stats.empty()) continue;
      Resolved resolved = catalog.resolve(flow);
      const auto [place, inserted] = index.try_emplace(resolved.flow, flows.size());
      if (inserted) flows.push_back({resolved.flow, {}});
      flows[place->second].parts.push_back({entry.get(), std::move(resolved)});
    }
  }
  return flows;
}

DroppedCounts dropped_in(Books books) {
  DroppedCounts sum;
  for (const FlowBook* book : books) {
    sum.flows += book->dropped().flows;
    sum.traces += book->dropped().traces;
    sum.tests += book->dropped().tests;
  }
  return sum;
}

uint64_t whole_traces(const Merged& merged) {
  uint64_t whole = 0;
  for (const Part& part : merged.parts) whole += part.entry->stats.whole;
  return whole;
}

uint64_t percentile_ns(const Merged& merged, unsigned percent) {
  std::vector<const BucketCounts*> sketches;
  for (const Part& part : merged.parts) sketches.push_back(&part.entry->stats.durations.counts());
  return DurationSketch::percentile(sketches, percent);
}

// Of the latest trace in any book; of aliases whose nodes became fewer, none is
// asked. Null: the flow's own.
NodeList shown_nodes(const Merged& merged) {
  const Part* latest = nullptr;
  for (const Part& part : merged.parts) {
    if (part.entry->stats.traces() == 0) continue;
    if (part.entry->flow->nodes.size() != merged.flow->nodes.size()) continue;
    if (latest == nullptr || part.entry->stats.is_later_than(latest->entry->stats)) latest = &part;
  }
  return latest ? shown_as(*latest->entry, latest->resolved).value_or(nullptr) : nullptr;
}

// All but `name`, `nodes` and p95, which cost more than the rest together.
FlowSummary sum_up(const Merged& merged) {
  FlowSummary summary;
  summary.flow = merged.flow;
  uint64_t errors = 0;
  Uint128 duration_sum = 0;
  bool seen = false;
  for (const Part& part : merged.parts) {
    const FlowStats& stats = part.entry->stats;
    summary.occurrence_count += stats.traces();
    summary.test_count += stats.test;
    errors += stats.errors;
    duration_sum += stats.duration_sum;
    if (const TracePoint* test = stats.latest_tests.best()) {
      summary.last_tested = std::max(summary.last_tested.value_or(0), test->value);
    }
    if (stats.traces() == 0) continue;
    const uint64_t first = stats.earliest.best()->value;
    const uint64_t last = stats.latest.best()->value;
    summary.first_seen = seen ? std::min(summary.first_seen, first) : first;
    summary.last_seen = seen ? std::max(summary.last_seen, last) : last;
    seen = true;
  }
  const uint64_t traces = summary.occurrence_count;
  summary.avg_duration_ms = mean_ms(duration_sum, traces);
  summary.error_rate = share(errors, traces);
  RiskFactors& risk = summary.risk_factors;
  risk.frequency = 0.3 * std::min(static_cast<double>(traces) / 100, 1.0);
  risk.errors = 0.5 * summary.error_rate;
  risk.latency = 0.2 * std::min(summary.avg_duration_ms / 10000, 1.0);
  summary.risk_score = risk.frequency + risk.errors + risk.latency;
  return summary;
}

std::string name_of(const FlowIdentity& flow) {
  return flow.family.entry_service + " -> " + flow.family.entry_operation;
}

void complete(FlowSummary& summary, const Merged& merged) {
  summary.name = name_of(*summary.flow);
  const NodeList shown = shown_nodes(merged);
  summary.nodes = shown ? *shown : summary.flow->nodes;
  summary.p95_duration_ms = milliseconds(percentile_ns(merged, 95));
  TestNames tests;
  for (const Part& part : merged.parts) tests.merge(part.entry->stats.tests);
  summary.keep = FlowCatalog::share(summary.flow);
  for (const TestNames::Test& test : tests.items()) summary.tests.push_back(test.name);
}

// name_of(a) <=> name_of(b) without building them where one look settles it.
int compare_names(const FlowIdentity& a, const FlowIdentity& b) {
  if (a.family.entry_service == b.family.entry_service) {
    return a.family.entry_operation.compare(b.family.entry_operation);
  }
  const size_t common = std::min(a.family.entry_service.size(), b.family.entry_service.size());
  if (const int order = a.family.entry_service.compare(0, common, b.family.entry_service, 0, common))
    return order;
  return name_of(a).compare(name_of(b));
}

struct Ranked {
  uint64_t value = 0;  // see sort_value
  uint64_t occurrences = 0;
  const FlowIdentity* flow = nullptr;
  size_t index = 0;  // into the merged flows
};

// Orders as the figure itself does: no figure is negative, and then a double's
// bits are in the order of the doubles. (A time in ns would not fit a double.)
uint64_t sort_value(FlowSort sort, const FlowSummary& summary, const Merged& merged) {
  switch (sort) {
    case FlowSort::kRiskScore:
      return std::bit_cast<uint64_t>(summary.risk_score);
    case FlowSort::kOccurrenceCount:
      return summary.occurrence_count;
    case FlowSort::kErrorRate:
      return std::bit_cast<uint64_t>(summary.error_rate);
    case FlowSort::kLastSeenAt:
      return summary.last_seen;
    case FlowSort::kAvgDurationMs:
      return std::bit_cast<uint64_t>(summary.avg_duration_ms);
    case FlowSort::kP95DurationMs:
      return percentile_ns(merged, 95);
    case FlowSort::kCoverage:
      return coverage_rank(summary);
  }
  return 0;
}

class Order {
 public:
  explicit Order(bool descending) : descending_(descending) {}
  bool operator()(const Ranked& a, const Ranked& b) const {
    if (a.value != b.value) return descending_ ? a.value > b.value : a.value < b.value;
    if (a.occurrences != b.occurrences) return a.occurrences > b.occurrences;
    if (a.flow == b.flow) return false;
    if (const int order = compare_names(*a.flow, *b.flow)) return order < 0;
    if (const int order = a.flow->family.environment.compare(b.flow->family.environment)) return order < 0;
    if (a.flow->fingerprint != b.flow->fingerprint) return a.flow->fingerprint < b.flow->fingerprint;
    return a.flow->id < b.flow->id;
  }

 private:
  bool descending_;
};

// A cursor is the rank of the last flow shown: the next page is what comes
// after it, whatever has been counted since.
//   version 1 · sort · descending · value 8 · occurrences 8 · flow id 16
constexpr size_t kCursorBytes = 3 + 8 + 8 + 16;

std::string encode_cursor(const FlowQuery& query, const Ranked& last) {
  std::array<uint8_t, kCursorBytes> bytes{1, static_cast<uint8_t>(query.sort), query.descending};
  for (size_t i = 0; i < 8; ++i) {
    bytes[3 + i] = static_cast<uint8_t>(last.value >> (8 * i));
    bytes[11 + i] = static_cast<uint8_t>(last.occurrences >> (8 * i));
  }
  std::ranges::copy(last.flow->id.bytes, bytes.begin() + 19);
  return base::to_hex(bytes);
}

base::Result<Ranked> decode_cursor(const FlowQuery& query, const FlowCatalog& catalog) {
  const auto bad = [](const char* why) {
    return base::fail(base::ErrorCode::kInvalidArgument,
                      std::string("the cursor ") + why + "; take it from next_cursor of the same list");
  };
  std::array<uint8_t, kCursorBytes> bytes{};
  if (query.cursor.size() != 2 * kCursorBytes || !base::from_hex(query.cursor, bytes) || bytes[0] != 1) {
    return bad("is none of this list");
  }
  if (bytes[1] != static_cast<uint8_t>(query.sort) || bytes[2] != (query.descending ? 1 : 0)) {
    return bad("belongs to another sort or order");
  }
  Ranked last;
  for (size_t i = 0; i < 8; ++i) {
    last.value |= uint64_t{bytes[3 + i]} << (8 * i);
    last.occurrences |= uint64_t{bytes[11 + i]} << (8 * i);
  }
  model::FlowId id;
  std::copy(bytes.begin() + 19, bytes.end(), id.bytes.begin());
  last.flow = catalog.find(id);
  if (last.flow == nullptr) return bad("names a flow that is not known");
  return last;
}

bool passes_node(const Merged& merged, const std::string& service) {
  const NodeList shown = shown_nodes(merged);
  return std::ranges::any_of(shown ? *shown : merged.flow->nodes, [&](const model::PathNode& node) {
    return node.service == service || (node.type == model::NodeType::kService && node.identifier == service);
  });
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool contains_ignoring_case(const std::string& text, const std::string& part) {
  return !std::ranges::search(text, part, [](char a, char b) { return lower(a) == lower(b); }).empty() ||
         part.empty();
}

bool has_fingerprint(const FlowCatalog& catalog, const FlowIdentity& flow, const model::Fingerprint& asked) {
  return flow.fingerprint == asked ||
         std::ranges::any_of(catalog.aliases(&flow),
                             [&](const FlowIdentity* alias) { return alias->fingerprint == asked; });
}

bool passes_identity(const FlowQuery& query, const FlowCatalog& catalog, const Merged& merged) {
  const FlowIdentity& flow = *merged.flow;
  if (query.drifted == true) return false;
  if (query.entry_service && flow.family.entry_service != *query.entry_service) return false;
  if (query.entry_operation && flow.family.entry_operation != *query.entry_operation) return false;
  if (query.environment && flow.family.environment != *query.environment) return false;
  if (query.fingerprint && !has_fingerprint(catalog, flow, *query.fingerprint)) return false;
  if (query.service && !passes_node(merged, *query.service)) return false;
  return !query.name_part || contains_ignoring_case(name_of(flow), *query.name_part);
}

// The flow `id` stands for today, if it exists.
std::optional<Merged> find_flow(Books books, const FlowCatalog& catalog, const model::FlowId& id) {
  const FlowIdentity* asked = catalog.find(id);
  if (asked == nullptr) return std::nullopt;
  Merged merged{catalog.resolve(asked).flow, {}};
  for (const FlowBook* book : books) {
    for (const auto& [flow, entry] : book->impl().entries) {
      if (entry->stats.empty()) continue;
      Resolved resolved = catalog.resolve(flow);
      if (resolved.flow == merged.flow) merged.parts.push_back({entry.get(), std::move(resolved)});
    }
  }
  if (whole_traces(merged) == 0) return std::nullopt;
  return merged;
}

std::vector<NodeSummary> node_summaries(const FlowStats& sum) {
  std::vector<NodeSummary> nodes;
  nodes.reserve(sum.nodes.size());
  for (const NodeStats& stats : sum.nodes) {
    const BucketCounts* const duration[] = {&stats.duration.counts()};
    const BucketCounts* const self[] = {&stats.self.counts()};
    const BucketCounts* const calls[] = {&stats.calls.counts()};
    NodeSummary node;
    node.calls_mean = share(stats.visits, sum.traces());
    node.calls_p50 = CallSketch::percentile(calls, 50);
    node.calls_max = stats.calls.total() > 0 ? stats.calls.largest() : 0;
    node.retries = stats.retries;
    node.self_ms_p50 = milliseconds(DurationSketch::percentile(self, 50));
    node.self_ms_p95 = milliseconds(DurationSketch::percentile(self, 95));
    node.p50_ms = milliseconds(DurationSketch::percentile(duration, 50));
    node.p95_ms = milliseconds(DurationSketch::percentile(duration, 95));
    node.error_rate = share(stats.errors, stats.visits);
    nodes.push_back(node);
  }
  return nodes;
}

// Each trace once, with every reason it has; what room is left goes to the
// most recent ones.
std::vector<SampleTrace> sample_traces(const FlowStats& sum) {
  std::vector<SampleTrace> samples;
  const auto take = [&](const model::TraceId& trace, const char* why) {
    const auto known = std::ranges::find(samples, trace, &SampleTrace::trace_id);
    if (known == samples.end()) {
      samples.push_back({trace, why});
    } else {
      known->why += std::string(", ") + why;
    }
  };
  const auto take_best = [&](const auto& extremes, const char* why) {
    if (!extremes.items().empty()) take(extremes.items()[0].trace, why);
  };
  take_best(sum.latest, "latest");
  take_best(sum.slowest, "slowest");
  take_best(sum.latest_errors, "latest with error");
  take_best(sum.earliest, "earliest");
  for (const TracePoint& point : sum.latest.items()) {
    if (samples.size() == kSamples) break;
    if (std::ranges::find(samples, point.trace, &SampleTrace::trace_id) == samples.end()) {
      samples.push_back({point.trace, "recent"});
    }
  }
  return samples;
}

HistogramBucket histogram_bucket(base::UnixNanos start, const SeriesBucket& bucket) {
  return {.start = start,
          .count = bucket.count,
          .errors = bucket.errors,
          .avg_duration_ms = mean_ms(bucket.sum(), bucket.count),
          .max_duration_ms = milliseconds(*bucket.slowest.best())};
}

}  // namespace

base::Result<FlowPage> list_flows(Books books, const FlowCatalog& catalog, const FlowQuery& query) {
  std::optional<Ranked> after;
  if (!query.cursor.empty()) {
    TRY_ASSIGN(after, decode_cursor(query, catalog));
  }
  const std::vector<Merged> flows = merge_books(books, catalog);
  FlowPage page;
  const DroppedCounts dropped = dropped_in(books);
  page.dropped_flows = dropped.flows;
  page.dropped_traces = dropped.traces;
  std::vector<Ranked> ranked;
  const Order order(query.descending);
  for (size_t i = 0; i < flows.size(); ++i) {
    const Merged& merged = flows[i];
    if (whole_traces(merged) == 0) {
      for (const Part& part : merged.parts) page.partial_traces += part.entry->stats.partial;
      continue;
    }
    const FlowSummary summary = sum_up(merged);
    page.all_traces += summary.occurrence_count;
    if (!passes_identity(query, catalog, merged)) continue;
    if (summary.occurrence_count < query.min_occurrences || summary.risk_score < query.min_risk) continue;
    const bool covered = is_covered(summary);
    if (query.covered && *query.covered != covered) continue;
    ++page.total;
    page.uncovered += covered ? 0 : 1;
    const Ranked one{sort_value(query.sort, summary, merged), summary.occurrence_count, merged.flow, i};
    if (!after || order(*after, one)) ranked.push_back(one);
  }
  const size_t shown = std::min({query.limit, kMaxLimit, ranked.size()});
  std::partial_sort(ranked.begin(), ranked.begin() + static_cast<std::ptrdiff_t>(shown), ranked.end(), order);
  page.flows.reserve(shown);
  for (size_t i = 0; i < shown; ++i) {
    const Merged& merged = flows[ranked[i].index];
    page.flows.push_back(sum_up(merged));
    complete(page.flows.back(), merged);
  }
  if (shown > 0 && shown < ranked.size()) page.next_cursor = encode_cursor(query, ranked[shown - 1]);
  return page;
}

std::optional<FlowDetail> flow_detail(Books books, const FlowCatalog& catalog, const model::FlowId& id) {
  const std::optional<Merged> merged = find_flow(books, catalog, id);
  if (!merged) return std::nullopt;
  FlowDetail detail;
  detail.summary = sum_up(*merged);
  complete(detail.summary, *merged);
  FlowStats sum(merged->flow->nodes.size());
  for (const Part& part : merged->parts) sum.merge(part.entry->stats, part.resolved.node_map);
  detail.nodes = node_summaries(sum);
  auto durations = std::make_shared<std::vector<DurationSketch>>();
  for (NodeStats& stats : sum.nodes) durations->push_back(std::move(stats.duration));
  detail.durations = std::move(durations);
  detail.samples = sample_traces(sum);
  return detail;
}

std::vector<FlowSummary> flow_variants(Books books, const FlowCatalog& catalog, const model::FlowId& id) {
  std::vector<FlowSummary> variants;
  const FlowIdentity* asked = catalog.find(id);
  if (asked == nullptr) return variants;
  const model::Family& family = catalog.resolve(asked).flow->family;
  for (const Merged& merged : merge_books(books, catalog)) {
    if (merged.flow->family != family || whole_traces(merged) == 0) continue;
    variants.push_back(sum_up(merged));
    complete(variants.back(), merged);
  }
  std::ranges::sort(variants, [](const FlowSummary& a, const FlowSummary& b) {
    if (a.occurrence_count != b.occurrence_count) return a.occurrence_count > b.occurrence_count;
    return a.flow->fingerprint < b.flow->fingerprint;
  });
  return variants;
}

std::optional<FlowHistogram> flow_histogram(Books books, const FlowCatalog& catalog,
                                            const model::FlowId& id) {
  const std::optional<Merged> merged = find_flow(books, catalog, id);
  if (!merged) return std::nullopt;
  std::map<uint64_t, SeriesBucket> hours;
  std::map<uint64_t, SeriesBucket> minutes;
  for (const Part& part : merged->parts) {
    part.entry->history.for_each([&](uint32_t hour, const HourSeries& series) {
      if (series.empty()) return;
      hours[hour].merge(series.sum());
      for (const HourSeries::Minute& minute : series.minutes) {
        minutes[uint64_t{hour} * 60 + minute.minute].merge(minute.bucket);
      }
    });
  }
  // One clock in the future must not hide today's minutes.
  base::UnixNanos now = 0;
  for (const FlowBook* book : books) now = std::max(now, book->impl().now);
  uint64_t newest = 0;
  for (const auto& [minute, bucket] : minutes) {
    if (now == 0 || newest == 0 || minute <= now / kMinuteNanos + 60) newest = minute;
  }
  FlowHistogram histogram;
  for (const auto& [hour, bucket] : hours)
    histogram.hours.push_back(histogram_bucket(hour * kHourNanos, bucket));
  for (const auto& [minute, bucket] : minutes) {
    if (minute + 24 * 60 > newest)
      histogram.minutes.push_back(histogram_bucket(minute * kMinuteNanos, bucket));
  }
  return histogram;
}

BookTotals book_totals(Books books, const FlowCatalog& catalog) {
  BookTotals totals;
  totals.dropped = dropped_in(books);
  totals.test = totals.dropped.tests;
  for (const Merged& merged : merge_books(books, catalog)) {
    const bool exists = whole_traces(merged) > 0;
    totals.flows += exists ? 1 : 0;
    for (const Part& part : merged.parts) {
      const FlowStats& stats = part.entry->stats;
      (exists ? totals.occurrences : totals.partial) += stats.traces();
      totals.test += stats.test;
    }
  }
  return totals;
}

}  // namespace testmesh::discovery
