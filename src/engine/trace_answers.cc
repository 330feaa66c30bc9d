// The engine's answers about one trace.

#include <algorithm>
#include <iterator>
#include <set>

#include "encoding/row.h"
#include "engine/engine.h"
#include "engine/trace_search.h"
#include "model/self_time.h"
#include "otlp/convert.h"

namespace testmesh::engine {
namespace {

// The paths of all entries, one behind the other, and which spans, by their
// place in the tree, stand for which of their nodes.
void add_paths(const discovery::TraceAnalysis& analysis, const discovery::FlowCatalog& catalog, size_t inputs,
               TraceRows& rows) {
  std::vector<uint32_t> position_of(inputs, 0);
  for (size_t i = 0; i < analysis.order.size(); ++i)
    position_of[analysis.order[i].span] = static_cast<uint32_t>(i);
  for (const discovery::FlowMatch& match : analysis.flows) {
    const discovery::Resolved resolved = catalog.resolve(match.flow);
    std::vector<model::PathNode> nodes =
        discovery::survivor_nodes(resolved, match.nodes ? *match.nodes : match.flow->nodes);
    const auto first = static_cast<uint32_t>(rows.path.size());
    store::PathPart& part = rows.path_parts.emplace_back();
    part.family = resolved.flow->family;
    part.fingerprint = resolved.flow->fingerprint;
    part.first_node = first;
    part.nodes = static_cast<uint32_t>(nodes.size());
    if (match.entry != discovery::kNoSpan) part.entries.push_back(position_of[match.entry]);
    for (const uint32_t entry : match.further_entries) part.entries.push_back(position_of[entry]);
    for (const discovery::Visit& visit : match.visits)
      rows.visits.push_back(
          {position_of[visit.span],
           first + (resolved.node_map.empty() ? visit.node : resolved.node_map[visit.node])});
    std::ranges::move(nodes, std::back_inserter(rows.path));
  }
  std::ranges::sort(rows.visits);
}

}  // namespace

TraceRows gather_rows(Shard& shard, ShardWorkspace& workspace, std::vector<TracePart> parts) {
  TraceRows rows;
  rows.parts = std::move(parts);
  std::vector<std::pair<const TracePart*, const encoding::Row*>> inputs;
  for (const TracePart& part : rows.parts) {
    rows.open |= part.open;
    if (part.line) rows.line = part.line;
    for (const encoding::Row& row : part.rows) inputs.emplace_back(&part, &row);
  }
  const discovery::TraceAnalysis& analysis = shard.analyze(workspace, rows.parts);
  std::set<std::string> services;
  for (const discovery::OrderedSpan& span : analysis.order) {
    const auto& [part, row] = inputs[span.span];
    rows.spans.push_back({part->partition.get(), row,
                          span.parent == discovery::kNoSpan ? -1 : static_cast<int64_t>(span.parent),
                          std::string(workspace.analyzer.operation(shard.input(span.span).facts))});
    services.insert(std::string(workspace.analyzer.service(shard.input(span.span).facts)));
    rows.summary.error_count += shard.input(span.span).error;
  }
  store::TraceSummary& summary = rows.summary;
  summary.services.assign(services.begin(), services.end());
  summary.span_count = static_cast<uint32_t>(analysis.order.size());
  summary.complete = !rows.open;
  summary.partial = analysis.partial;
  summary.is_test_generated = analysis.test;
  if (analysis.root != discovery::kNoSpan) {
    const discovery::SpanInput& root = shard.input(analysis.root);
    summary.start = root.start;
    summary.duration_ns = root.end - root.start;
    summary.root_service = workspace.analyzer.service(root.facts);
    summary.root_operation = workspace.analyzer.operation(root.facts);
  }
  if (!analysis.flows.empty()) {
    const discovery::FlowMatch& match = analysis.flows.front();
    const discovery::Resolved resolved = workspace.shared->catalog.resolve(match.flow);
    add_paths(analysis, workspace.shared->catalog, inputs.size(), rows);
    const bool counted = rows.line && (rows.line->flags & store::TraceLine::kCounted);
    if (!rows.open && counted && (analysis.test || workspace.shared->catalog.exists(resolved.flow))) {
      summary.flow_id = resolved.flow->id;
      summary.fingerprint = resolved.flow->fingerprint;
    }
  }
  return rows;
}

base::Result<std::vector<model::Span>> decode_rows(const model::TraceId& id,
                                                   const std::vector<TraceRows::Span>& rows) {
  std::string bytes;
  for (const TraceRows::Span& span : rows)
    if (!encoding::append_traces_data(span.partition->dictionary, id, *span.row, bytes))
      return base::fail(base::ErrorCode::kCorrupt,
                        "a stored span of trace " + id.to_hex() + " does not read back");
  TRY_ASSIGN(otlp::DecodedSpans decoded, otlp::decode_protobuf(bytes));
  if (decoded.spans.size() != rows.size())
    return base::fail(base::ErrorCode::kCorrupt,
                      "a stored span of trace " + id.to_hex() + " does not read back");
  // One resource and scope for all spans that share them.
  std::map<std::pair<const void*, uint32_t>, std::shared_ptr<const model::Resource>> resources;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].row->resource == encoding::kNone) continue;
    auto& shared = resources[{rows[i].partition, rows[i].row->resource}];
    if (!shared)
      shared = decoded.spans[i].resource;
    else
      decoded.spans[i].resource = shared;
  }
  std::map<std::pair<const void*, uint32_t>, std::shared_ptr<const model::Scope>> scopes;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].row->shape == encoding::kGenericShape) continue;
    auto& shared = scopes[{rows[i].partition, rows[i].partition->dictionary.shape(rows[i].row->shape).scope}];
    if (!shared)
      shared = decoded.spans[i].scope;
    else
      decoded.spans[i].scope = shared;
  }
  return std::move(decoded.spans);
}

base::Result<std::optional<store::TraceDetail>> Engine::trace(const model::WorkspaceId& workspace_id,
                                                              const model::TraceId& id) {
  Shard& shard = *shards_[shard_index(id)];
  TraceRows rows;
  {
    const auto lock = shard.lock_for_read();
    ShardWorkspace* here = shard.workspace(workspace_id);
    if (!here) return std::nullopt;
    TRY_ASSIGN(std::vector<TracePart> parts, shard.parts(*here, id));
    if (parts.empty()) return std::nullopt;
    rows = gather_rows(shard, *here, std::move(parts));
  }
  store::TraceDetail detail;
  detail.summary = std::move(rows.summary);
  detail.summary.trace_id = id;
  detail.path = std::move(rows.path);
  TRY_ASSIGN(detail.spans, decode_rows(id, rows.spans));
  detail.visits = std::move(rows.visits);
  detail.parts = std::move(rows.path_parts);
  std::vector<model::TimedSpan> times;
  times.reserve(rows.spans.size());
  for (size_t i = 0; i < rows.spans.size(); ++i) {
    TraceRows::Span& row = rows.spans[i];
    times.push_back({detail.spans[i].start, detail.spans[i].end, row.parent});
    detail.parent_positions.push_back(row.parent);
    detail.operations.push_back(std::move(row.operation));
  }
  detail.self_ns = model::self_times(times);
  return detail;
}

// Only rows are read: no span is decoded.
base::Result<std::optional<store::TraceSummary>> Engine::trace_summary(const model::WorkspaceId& workspace_id,
                                                                       const model::TraceId& id) {
  Shard& shard = *shards_[shard_index(id)];
  const auto lock = shard.lock_for_read();
  ShardWorkspace* here = shard.workspace(workspace_id);
  if (!here) return std::nullopt;
  TRY_ASSIGN(std::vector<TracePart> parts, shard.parts(*here, id));
  if (parts.empty()) return std::nullopt;
  store::TraceSummary summary = gather_rows(shard, *here, std::move(parts)).summary;
  summary.trace_id = id;
  return summary;
}

}  // namespace testmesh::engine
