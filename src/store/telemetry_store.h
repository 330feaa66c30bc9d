// Questions about stored traces and discovered flows. Thread-safe; calls may
// block on disk.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "discovery/flow_book.h"
#include "graph/system_graph.h"
#include "model/ids.h"
#include "model/span.h"

namespace testmesh::store {

struct TraceSummary {
  model::TraceId trace_id;
  std::string root_service, root_operation;
  base::UnixNanos start = 0;
  uint64_t duration_ns = 0;  // the entry's
  uint32_t span_count = 0, error_count = 0;
  std::vector<std::string> services;     // sorted, distinct
  std::optional<model::FlowId> flow_id;  // the survivor; absent while open or uncounted
  std::optional<model::Fingerprint> fingerprint;
  bool complete = false;  // false: still open
  bool partial = false;
  bool is_test_generated = false;
};

// A span that adds a node of the path, or that collapsed into it.
struct PathVisit {
  uint32_t span = 0;  // position in TraceDetail::spans
  uint32_t node = 0;  // position in TraceDetail::path
  friend auto operator<=>(const PathVisit&, const PathVisit&) = default;
};

// What hangs below one entry of a trace: of an ordinary trace all of it, of a
// test trace each topmost span that is not the runner's, equal flows as one.
struct PathPart {
  model::Family family;
  model::Fingerprint fingerprint{};
  std::vector<uint32_t> entries;  // positions in TraceDetail::spans, by tree order; under a virtual root none
  uint32_t first_node = 0, nodes = 0;  // which of TraceDetail::path
};

struct TraceDetail {
  TraceSummary summary;
  // The entry first; parents before children, depth first, siblings by start.
  std::vector<model::Span> spans;
  std::vector<int64_t> parent_positions;  // parallel; -1: none arrived
  std::vector<uint64_t> self_ns;          // parallel; as of model/self_time.h
  std::vector<std::string> operations;    // parallel; as discovery names them
  // As of now, also of an open trace; of a test trace its parts' paths one
  // behind the other.
  std::vector<model::PathNode> path;
  std::vector<PathVisit> visits;  // by span, then node
  std::vector<PathPart> parts;    // by first entry
};

enum class StatusFilter { kUnset, kOk, kError };

struct AttributeEquals {
  std::string key;
  model::Value value;  // string, bool, integer or double
  bool resource = false;
};

// A question about a span alone. Asked of those that everything else lets through,
// by one thread, under locks of the store: it may take its time only in total, and
// says kStop when that is used up, which ends the search (total_is_lower_bound).
enum class SpanAnswer : uint8_t { kNo, kYes, kStop };
using SpanPredicate = std::function<SpanAnswer(const model::Span&)>;

struct TraceQuery {
  std::optional<std::string> service;    // some span is of it
  std::optional<std::string> operation;  // some span has that name, or templated operation
  std::optional<StatusFilter> status;    // kError: some span failed; kOk/kUnset: none failed
  std::optional<uint64_t> min_duration_ns, max_duration_ns;  // of the entry
  std::optional<model::FlowId> flow;
  std::optional<bool> test;
  std::optional<base::UnixNanos> since, until;  // entry start, [since, until)
  std::optional<AttributeEquals> attribute;     // some span has it,
  SpanPredicate matches;                        // and the same one matches; null: any does
  size_t limit = 50;
  std::string cursor;
};

struct TracePage {
  std::vector<TraceSummary> traces;  // newest start first
  uint64_t total = 0;
  bool total_is_lower_bound = false;  // the search stopped at its work limit
  std::optional<std::string> next_cursor;
};

struct SpanQuery {
  std::optional<model::TraceId> trace_id;
  std::optional<std::string> service, operation;
  std::optional<StatusFilter> status;  // of the span itself
  std::optional<base::UnixNanos> since, until;
  std::optional<AttributeEquals> attribute;
  SpanPredicate matches;  // null: any does
  size_t limit = 50;
  std::string cursor;
};

struct SpanPage {
  std::vector<model::Span> spans;
  uint64_t total = 0;
  bool total_is_lower_bound = false;
  std::optional<std::string> next_cursor;
};

class TelemetryStore {
 public:
  virtual ~TelemetryStore() = default;

  virtual base::Result<std::optional<TraceDetail>> trace(const model::WorkspaceId&,
                                                         const model::TraceId&) = 0;
  // What trace() says of it, without its spans: for those who wait for more.
  virtual base::Result<std::optional<TraceSummary>> trace_summary(const model::WorkspaceId& workspace,
                                                                  const model::TraceId& id) {
    TRY_ASSIGN(std::optional<TraceDetail> detail, trace(workspace, id));
    if (!detail) return std::nullopt;
    return std::move(detail->summary);
  }
  virtual base::Result<TracePage> search_traces(const model::WorkspaceId&, const TraceQuery&) = 0;
  virtual base::Result<SpanPage> search_spans(const model::WorkspaceId&, const SpanQuery&) = 0;

  virtual base::Result<discovery::FlowPage> flows(const model::WorkspaceId&, const discovery::FlowQuery&) = 0;
  virtual std::optional<discovery::FlowDetail> flow(const model::WorkspaceId&, const model::FlowId&) = 0;
  virtual std::vector<discovery::FlowSummary> flow_variants(const model::WorkspaceId&,
                                                            const model::FlowId&) = 0;
  virtual std::optional<discovery::FlowHistogram> flow_histogram(const model::WorkspaceId&,
                                                                 const model::FlowId&) = 0;

  // What the counted traces of the workspace show of its services.
  virtual base::Result<graph::RuntimeGraph> graph(const model::WorkspaceId&) = 0;

  // Removes every span, flow and count of the workspace.
  virtual base::Result<void> drop_workspace(const model::WorkspaceId&) = 0;
  // Whether writes work right now; the error says what is wrong (readiness).
  virtual base::Result<void> ready() const = 0;
};

}  // namespace testmesh::store
