// Statistics of flows (discovery.md 3): one book per shard and workspace.
// Books are mergeable: a question is answered from all of a workspace's books.
//
// Everything added can be taken away again (a late span moves its trace to
// another flow), so every figure is built from counts per bucket or from the
// few extreme values kept in order.
//
// Of a flow that gave way (FlowCatalog) a book keeps nothing but how many of its
// traces there were: complete traces = those that count in flows + partial ones
// + dropped ones (+ tests), always.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "discovery/flow_catalog.h"
#include "discovery/trace_analyzer.h"
#include "model/ids.h"

namespace testmesh::discovery {

enum class TraceClass : uint8_t {
  kWhole,    // counts in its flow and makes the flow exist
  kPartial,  // counts in its flow while that exists, else among partial_traces
  kTest,     // counts in test_count only
};

// Of flows that gave way.
struct DroppedCounts {
  uint64_t flows = 0;   // each counted in one of the books its whole traces were in
  uint64_t traces = 0;  // whole and partial ones
  uint64_t tests = 0;
};

class FlowBook {
 public:
  explicit FlowBook(const FlowCatalog& catalog);
  ~FlowBook();

  void add(const model::TraceId&, TraceClass, const FlowMatch&);
  // Exactly what was added before; the match may name the flow as it was then
  // or as it is now called. `born` tells which flow of that path it was: what
  // born() said before add(). Of one that gave way it is taken from dropped().
  static constexpr uint64_t kBornUnknown = UINT64_MAX;  // the flow there is, if any
  static constexpr uint64_t kGaveWay = UINT64_MAX - 1;  // that path has no flow any more
  void remove(const model::TraceId&, TraceClass, const FlowMatch&, uint64_t born = kBornUnknown);

  // When the book met the flow, counted in times that flows gave way. A path
  // that comes again after its flow gave way is met anew.
  uint64_t born(const FlowIdentity*);

  // Forgets the flows that gave way; true when there were any. Answers about
  // several books want this done to all of them at one moment.
  bool settle();
  const DroppedCounts& dropped() const;

  // Moves what aliases hold into the flows they have become. Call it after
  // FlowCatalog made aliases and before the next remove(); take_dirty does it
  // too.
  void fold_aliases();

  // Documents changed since the last call, keys "dropped", "flow/<id>" and
  // "hist/<id>/<start of the hour in seconds, 11 digits>"; `now` decides which
  // minutes (24 h back from the flow's newest) and hours (`retention_days`
  // after they last changed; 0: all) are still worth keeping. Call it before
  // FlowCatalog::take_dirty: what is written here relies on its aliases.
  void take_dirty(base::UnixNanos now, int64_t retention_days, const DocumentSink&);
  // Also restores FlowIdentity (through the catalog) and its whole_traces.
  // Documents may come in any order; those of several books become one book.
  // kCorrupt for what does not read back or was written by a later version.
  base::Result<void> load(FlowCatalog&, std::string_view key, std::string_view value);

  // Removals that found less than they were to take away; zero unless the
  // caller took away what it had not added.
  uint64_t mismatched_removals() const;

  size_t memory_bytes() const;

  struct Impl;
  const Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

// ---- Questions --------------------------------------------------------------

enum class FlowSort {
  kRiskScore,
  kOccurrenceCount,
  kErrorRate,
  kLastSeenAt,
  kAvgDurationMs,
  kP95DurationMs,
  kCoverage,  // coverage_rank
};

struct FlowQuery {
  FlowSort sort = FlowSort::kRiskScore;
  bool descending = true;
  std::optional<bool> drifted;         // true matches nothing until drift exists
  std::optional<bool> covered;         // test_count > 0
  std::optional<std::string> service;  // any node of `nodes`
  std::optional<std::string> entry_service;
  std::optional<std::string> environment;  // "" : those without one
  std::optional<std::string> name_part;    // `q`: part of the name in any case (ASCII)
  uint64_t min_occurrences = 0;
  double min_risk = 0;
  size_t limit = 50;
  std::string cursor;  // as next_cursor gave it
};

struct RiskFactors {
  double frequency = 0, errors = 0, latency = 0;  // with their weights; risk_score is their sum
};

struct FlowSummary {
  const FlowIdentity* flow = nullptr;  // the survivor
  std::string name;                    // "<entry_service> -> <entry_operation>"
  // As its latest trace has them, tests apart; parallel to flow->nodes. Only
  // services can differ. If that trace has moved to another flow they stay
  // until one starts no earlier than all that remain.
  std::vector<model::PathNode> nodes;
  uint64_t occurrence_count = 0, test_count = 0;
  double avg_duration_ms = 0, p95_duration_ms = 0, error_rate = 0, risk_score = 0;
  RiskFactors risk_factors;
  bool drifted = false;
  base::UnixNanos first_seen = 0, last_seen = 0;
  std::optional<base::UnixNanos> last_tested;     // start of the latest test trace
  std::shared_ptr<const FlowIdentity> keep = {};  // `flow` is valid as long as this
  std::vector<std::string> tests = {};            // that exercise it, sorted; the latest 10
};

struct FlowPage {
  std::vector<FlowSummary> flows;
  uint64_t total = 0;           // matching flows, all pages
  uint64_t uncovered = 0;       // those of them that no test exercises
  uint64_t all_traces = 0;      // occurrences of all flows, matching or not
  uint64_t partial_traces = 0;  // of the workspace
  uint64_t dropped_flows = 0;   // that gave way to others, and
  uint64_t dropped_traces = 0;  // the traces that counted in them
  std::optional<std::string> next_cursor;
};

struct NodeSummary {
  double calls_mean = 0;  // exact; p50 and max exact below 4,096 calls in one trace
  uint64_t calls_p50 = 0, calls_max = 0;
  uint64_t retries = 0;
  double self_ms_p50 = 0, self_ms_p95 = 0, p50_ms = 0, p95_ms = 0, error_rate = 0;
};

struct SampleTrace {
  model::TraceId trace_id;
  std::string why;  // "latest", "slowest", "latest with error", …
};

struct FlowDetail {
  FlowSummary summary;
  std::vector<NodeSummary> nodes;    // parallel to summary.nodes
  std::vector<SampleTrace> samples;  // at most 5
};

struct HistogramBucket {
  base::UnixNanos start = 0;
  uint64_t count = 0, errors = 0;
  double avg_duration_ms = 0, max_duration_ms = 0;
};

struct FlowHistogram {
  std::vector<HistogramBucket> minutes;  // 24 h back from the newest, gaps left out
  std::vector<HistogramBucket> hours;
};

// The caller holds whatever lock protects the books.
using Books = std::span<const FlowBook* const>;

base::Result<FlowPage> list_flows(Books, const FlowCatalog&,
                                  const FlowQuery&);  // kInvalidArgument: bad cursor
std::optional<FlowDetail> flow_detail(Books, const FlowCatalog&,
                                      const model::FlowId&);  // aliases answer as the survivor
std::vector<FlowSummary> flow_variants(
    Books, const FlowCatalog&, const model::FlowId&);  // its family, itself included; most frequent first
std::optional<FlowHistogram> flow_histogram(Books, const FlowCatalog&, const model::FlowId&);
// Sum over all flows, for conservation checks and metrics.
struct BookTotals {
  uint64_t flows = 0, occurrences = 0, partial = 0, test = 0;
  DroppedCounts dropped = {};
};
BookTotals book_totals(Books, const FlowCatalog&);

}  // namespace testmesh::discovery
