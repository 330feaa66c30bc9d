// Spans of one trace -> tree, path, fingerprint, flow (discovery.md 2).
//
// Everything that depends on the structure alone (path string, SHA-256, node
// list) is computed once per distinct structure and then looked up.
//
// Close to linear in the number of spans for any shape, and without recursion.
// A path is cut behind 4,096 nodes or 1 MiB of names (its first node always
// counts), and so is what one trace may cost to compare failed attempts.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "discovery/flow_catalog.h"
#include "discovery/name_tries.h"
#include "discovery/span_facts.h"
#include "model/ids.h"

namespace testmesh::discovery {

using FactsId = uint32_t;

struct SpanInput {
  model::SpanId id;
  model::SpanId parent;  // all zero: none
  base::UnixNanos start = 0;
  base::UnixNanos end = 0;
  FactsId facts = 0;
  bool error = false;  // status code ERROR
};

inline constexpr uint32_t kNoSpan = UINT32_MAX;

// A span that adds path node `node`, or that collapsed into it (loops,
// retries, failed attempts). A span that adds two nodes appears twice.
struct Visit {
  uint32_t span = 0;  // index into the input
  uint32_t node = 0;  // index into FlowIdentity::nodes
  bool error = false;
  uint64_t duration_ns = 0;
  uint64_t self_ns = 0;  // as of model/self_time.h
};

// What a span is to the System Graph (discovery.md 5), wherever it stands in its
// trace. Views stay valid until the analyzer's epoch changes; empty: has none.
struct SpanRole {
  model::SpanKind kind = model::SpanKind::kInternal;  // one of the five
  bool is_test = false;                               // 2.7
  bool receives_or_settles = false;                   // CONSUMER
  bool route_from_path = false;                       // `endpoint` may be renamed by the tries later
  bool writes = false;                                // to `database`; else it reads
  uint32_t service_id = 0;                            // equal for equal services within one epoch
  std::string_view service;
  std::string_view endpoint;  // SERVER and INTERNAL: "METHOD route" or "package.Service/Method", present form
  std::string_view database, database_system;  // CLIENT and INTERNAL
  std::string_view topic;                      // CONSUMER: the destination; others: what it sends to
  std::string_view peer;  // CLIENT: should it turn out to be an uninstrumented dependency
};

using NodeList = std::shared_ptr<const std::vector<model::PathNode>>;

struct FlowMatch {
  const FlowIdentity* flow = nullptr;
  // The nodes as this trace has them: a path, and so the flow, says nothing of
  // their services. Null: FlowIdentity::nodes. Shared by traces of one structure.
  NodeList nodes = nullptr;
  uint32_t entry = kNoSpan;       // index into the input; kNoSpan under a virtual root without entry
  std::vector<uint32_t> further_entries = {};  // of a test trace: that took the same flow again
  base::UnixNanos start = 0;      // the entry's
  uint64_t duration_ns = 0;       // the entry's
  bool error = false;             // any span of the trace (for tests: of the part) has status error
  std::vector<Visit> visits;      // in no particular order
  std::vector<uint32_t> retries;  // per path node
  // Of a test trace: which test made it. `testmesh.flow.name` of the trace's
  // entry, else the entry's templated name unless that is the generic
  // `testmesh.execution`; at most kMaxTestNameBytes (names.h); empty: unnamed.
  std::string test_name = {};
};

struct OrderedSpan {
  uint32_t span = 0;          // index into the input
  uint32_t parent = kNoSpan;  // index into TraceAnalysis::order; kNoSpan: parentless, orphan or cut cycle
};

struct TraceAnalysis {
  // Ordinary trace: exactly one. Test trace: one per topmost remaining span,
  // equal flows merged to one (counts once).
  std::vector<FlowMatch> flows;
  bool test = false;                 // the entry is a test span (2.7)
  bool partial = false;              // a parent never arrived (2.1)
  bool all_parents_resolve = false;  // and the entry has no parent: may close early
  uint32_t cycles_cut = 0;
  uint32_t duplicates = 0;         // spans dropped: same id as an earlier one of the input
  uint32_t root = kNoSpan;         // the trace's entry (also of a test trace)
  std::vector<OrderedSpan> order;  // every kept span once, parents before children, depth first
};

// Single-threaded; one per shard and workspace. `tries` and `catalog` are
// shared by all shards of a workspace and outlive it.
class TraceAnalyzer {
 public:
  TraceAnalyzer(NameTries& tries, FlowCatalog& catalog);
  ~TraceAnalyzer();

  // The id stays valid until epoch() changes. Bounded: when the table is full
  // it is emptied and epoch() goes up; callers drop what they memoised, and
  // never carry ids from one epoch into analyze() of another.
  FactsId facts(const SpanDescription& description);
  uint64_t epoch() const;

  bool is_test(FactsId) const;
  std::string_view service(FactsId) const;
  // The templated operation name: what `root_operation` shows (an
  // api_endpoint's identifier, else the templated span name).
  std::string_view operation(FactsId) const;
  SpanRole role(FactsId) const;

  // `url_of(i)` gives `url.full|http.url` of input span i (empty when it has
  // none); asked only where an attempt failed. The result is reused by the
  // next call.
  using UrlOf = std::function<std::string_view(uint32_t)>;
  const TraceAnalysis& analyze(std::span<const SpanInput> spans, const UrlOf& url_of);

  // Forgets the flows that gave way, and the result of the last analyze().
  // analyze() does so too; call it where nothing is analysed for a while.
  void settle();

  size_t memory_bytes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// For readers of whole spans (analyze command, trace detail): the description
// of a model span. `scratch` owns the decimal texts and outlives the result.
SpanDescription describe(const model::Span& span, std::vector<std::string>& scratch);

}  // namespace testmesh::discovery
