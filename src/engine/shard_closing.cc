// How a shard closes a trace, and how it finds one again.

#include <algorithm>

#include "base/varint.h"
#include "engine/shard.h"

namespace testmesh::engine {
namespace {

using encoding::Row;

void parse_rows(const encoding::Dictionary& dictionary, std::string_view bytes, std::vector<Row>& rows,
                uint64_t& lost) {
  base::ByteReader reader(bytes);
  while (!reader.done()) {
    const std::string_view row_bytes = reader.sized();
    Row row;
    if (reader.failed() || !encoding::parse_row(dictionary, row_bytes, row)) {
      ++lost;
      continue;
    }
    rows.push_back(row);
  }
}

discovery::TraceClass class_of(const discovery::TraceAnalysis& analysis) {
  if (analysis.test) return discovery::TraceClass::kTest;
  return analysis.partial ? discovery::TraceClass::kPartial : discovery::TraceClass::kWhole;
}

}  // namespace

const discovery::TraceAnalysis& Shard::analyze(ShardWorkspace& workspace,
                                               const std::vector<TracePart>& parts) {
  uint64_t epoch;
  do {  // again when the table of facts was emptied on the way
    epoch = workspace.analyzer.epoch();
    inputs_.clear();
    input_rows_.clear();
    for (const TracePart& part : parts) {
      ShardPartition& partition = *partition_for(workspace.shared, part.partition);
      for (const Row& row : part.rows) {
        inputs_.push_back({row.id, row.parent, row.start, row.end,
                           partition.memo.facts(row, workspace.analyzer),
                           encoding::has_error(part.partition->dictionary, row)});
        input_rows_.emplace_back(&partition, &row);
      }
    }
  } while (workspace.analyzer.epoch() != epoch);
  thread_local std::string url;
  return workspace.analyzer.analyze(inputs_, [this](uint32_t span) -> std::string_view {
    url = input_rows_[span].first->memo.url(*input_rows_[span].second);
    return url;
  });
}

void Shard::count(ShardWorkspace& workspace, const model::TraceId& id,
                  const discovery::TraceAnalysis& analysis, bool add, bool graphed,
                  const std::optional<model::FlowId>& flow_then) {
  const discovery::TraceClass kind = class_of(analysis);
  if (!add) workspace.book.fold_aliases();
  for (const discovery::FlowMatch& match : analysis.flows) {
    if (add) {
      workspace.book.add(id, kind, match);
      continue;
    }
    // A position may have become a parameter since: take back from where it
    // was counted.
    discovery::FlowMatch then = match;
    if (flow_then && *flow_then != match.flow->id && analysis.flows.size() == 1) {
      const discovery::FlowIdentity* counted = workspace.shared->catalog.find(*flow_then);
      if (counted && counted->nodes.size() == match.flow->nodes.size()) then.flow = counted;
    }
    workspace.book.remove(id, kind, then);
  }
  if (graphed) count_in_graph(workspace.graph, analysis, add);
  workspace.dirty = true;
}

void Shard::count_in_graph(graph::GraphBook& graph, const discovery::TraceAnalysis& analysis, bool add) {
  if (add) {
    const uint64_t before = graph.not_counted();
    graph.add(inputs_, analysis);
    if (const uint64_t now = graph.not_counted(); now > before)
      counters_.graph_not_counted.fetch_add(now - before, std::memory_order_relaxed);
  } else {
    const uint64_t before = graph.mismatched_removals();
    graph.remove(inputs_, analysis);
    if (const uint64_t now = graph.mismatched_removals(); now > before)
      counters_.graph_mismatches.fetch_add(now - before, std::memory_order_relaxed);
  }
}

uint32_t Shard::kind_of(ShardPartition& partition, const discovery::TraceAnalysis& analysis) {
  discovery::TraceAnalyzer& analyzer = partition.workspace->analyzer;
  if (partition.kinds_epoch != analyzer.epoch() || partition.kinds.size() > store::TraceKinds::kMaxKinds) {
    partition.kinds.clear();
    partition.kinds_epoch = analyzer.epoch();
  }
  facts_scratch_.clear();
  for (const discovery::OrderedSpan& span : analysis.order)
    facts_scratch_.push_back(uint64_t{inputs_[span.span].facts} << 32 | input_rows_[span.span].second->shape);
  std::ranges::sort(facts_scratch_);
  facts_scratch_.erase(std::ranges::unique(facts_scratch_).begin(), facts_scratch_.end());
  uint64_t hash = analysis.root == discovery::kNoSpan ? 0 : inputs_[analysis.root].facts + 1;
  const auto mix = [&](uint64_t value) {
    hash = (hash ^ value) * 0x9e3779b97f4a7c15ULL;
    hash ^= hash >> 29;
  };
  for (const uint64_t facts : facts_scratch_) mix(facts);
  const discovery::FlowIdentity* flow = analysis.flows.empty() ? nullptr : analysis.flows.front().flow;
  mix(reinterpret_cast<uintptr_t>(flow));
  if (const auto found = partition.kinds.find(hash); found != partition.kinds.end()) return found->second;

  store::TraceKind kind;
  std::map<std::string, std::set<std::string>> services;
  for (const discovery::OrderedSpan& span : analysis.order) {
    const uint32_t facts = inputs_[span.span].facts;
    std::set<std::string>& operations = services[std::string(analyzer.service(facts))];
    operations.insert(std::string(analyzer.operation(facts)));
    // The span's own name too, unless there is a new one every time.
    const auto& [owner, row] = input_rows_[span.span];
    const encoding::ShapeEntry& shape = owner->partition->dictionary.shape(row->shape);
    if (row->shape != encoding::kGenericShape && !shape.name_as_value)
      operations.insert(std::string(shape.name));
  }
  for (auto& [service, operations] : services)
    kind.services.push_back({service, {operations.begin(), operations.end()}});
  if (analysis.root != discovery::kNoSpan) {
    kind.root_service = analyzer.service(inputs_[analysis.root].facts);
    kind.root_operation = analyzer.operation(inputs_[analysis.root].facts);
  }
  if (flow) kind.flow = flow->id;
  const uint32_t id = partition.partition->kinds(options_.index).intern(kind);
  partition.kinds.emplace(hash, id);
  return id;
}

// Closes the trace, or with `early_only` only when it may close before its idle
// timeout (*closed says). False: the store refused, the trace stays open and is
// scheduled again.
bool Shard::close(OpenTrace& trace, bool early_only, bool* closed) {
  ShardPartition& partition = *trace.partition;
  ShardWorkspace& workspace = *partition.workspace;
  const encoding::Dictionary& dictionary = partition.partition->dictionary;
  const auto again = [&](const base::Error& error) {
    note_failure(error);
    open_.schedule(trace, clock_.now() + 500'000'000);
    return false;
  };

  std::vector<TracePart> parts;
  if (trace.late) {
    auto stored = this->parts(workspace, trace.id, false);
    if (!stored) return again(stored.error());
    parts = std::move(*stored);
  }
  const size_t old_parts = parts.size();
  const bool had_older = old_parts > 0;
  parts.push_back(
      {.partition = partition.partition, .bytes = nullptr, .rows = {}, .line = std::nullopt, .open = true});
  std::vector<Row>& fresh = parts.back().rows;
  fresh.reserve(trace.count);
  uint64_t lost = 0;
  parse_rows(dictionary, trace.bytes(), fresh, lost);
  if (lost > 0) counters_.lost_rows.fetch_add(lost, std::memory_order_relaxed);

  std::set<model::SpanId> old_ids;
  if (had_older) {
    for (size_t i = 0; i < old_parts; ++i)
      for (const Row& row : parts[i].rows) old_ids.insert(row.id);
    const size_t before = fresh.size();
    std::erase_if(fresh, [&](const Row& row) { return old_ids.contains(row.id); });
    counters_.duplicate_spans.fetch_add(before - fresh.size(), std::memory_order_relaxed);
    if (fresh.empty()) {  // all of it was stored before
      open_.close(&workspace, trace);
      if (closed) *closed = true;
      changed_ = true;
      return true;
    }
  } else if (fresh.empty()) {
    open_.close(&workspace, trace);
    if (closed) *closed = true;
    return true;
  }

  if (early_only) {
    const discovery::TraceAnalysis& analysis = analyze(workspace, parts);
    bool known = analysis.all_parents_resolve && !analysis.partial && !analysis.flows.empty();
    for (const discovery::FlowMatch& match : analysis.flows)
      known &= workspace.shared->catalog.exists(match.flow);
    if (!known) return true;
  }

  // The line that spoke for the trace until now.
  const store::TraceLine* old_line = nullptr;
  const store::Partition* old_partition = nullptr;
  for (size_t i = 0; i < old_parts; ++i)
    if (parts[i].line) {
      old_line = &*parts[i].line;
      old_partition = parts[i].partition.get();
    }
  const bool counting = settings_of_(workspace.shared->id).auto_discovery;
  const bool was_counted = old_line && (old_line->flags & store::TraceLine::kCounted);
  // Of traces that are counted. What a line says stays: what was never added
  // is never taken away.
  const bool graphed =
      old_line ? was_counted && (old_line->flags & store::TraceLine::kGraphed) : counting && options_.graph;

  const discovery::TraceAnalysis& analysis = analyze(workspace, parts);
  // The record first: when the disk refuses, nothing else has happened.
  const auto first_fresh = static_cast<uint32_t>(inputs_.size() - fresh.size());
  ordered_rows_.clear();
  ordered_parents_.clear();
  position_of_.assign(analysis.order.size(), -1);
  uint32_t errors = 0;
  for (size_t i = 0; i < analysis.order.size(); ++i) {
    const discovery::OrderedSpan& span = analysis.order[i];
    errors += inputs_[span.span].error;
    if (span.span < first_fresh) continue;
    position_of_[i] = static_cast<int32_t>(ordered_rows_.size());
    ordered_rows_.push_back(fresh[span.span - first_fresh]);
    ordered_parents_.push_back(span.parent == discovery::kNoSpan ? -1 : position_of_[span.parent]);
  }
  store::TraceLine line;
  line.id = trace.id;
  line.spans = static_cast<uint32_t>(analysis.order.size());
  line.errors = errors;
  if (analysis.root != discovery::kNoSpan) {
    line.start = inputs_[analysis.root].start;
    line.duration_ns = inputs_[analysis.root].end - line.start;
  }
  line.flags = static_cast<uint8_t>(
      (errors > 0 ? store::TraceLine::kError : 0) | (analysis.test ? store::TraceLine::kTest : 0) |
      (analysis.partial ? store::TraceLine::kPartial : 0) |
      ((old_line ? was_counted : counting) ? store::TraceLine::kCounted : 0) |
      (graphed ? store::TraceLine::kGraphed : 0) | (had_older ? store::TraceLine::kHasOlder : 0));
  line.kind = kind_of(partition, analysis);
  if (auto added = partition.writer.add(ordered_rows_, ordered_parents_, line); !added)
    return again(added.error());
  if (const auto failure = partition.writer.take_failure()) note_failure(*failure);

  if (!old_line && counting) count(workspace, trace.id, analysis, true, graphed, std::nullopt);
  counters_.cycles_cut.fetch_add(analysis.cycles_cut, std::memory_order_relaxed);
  counters_.duplicate_spans.fetch_add(analysis.duplicates, std::memory_order_relaxed);
  counters_.stored_spans.fetch_add(ordered_rows_.size(), std::memory_order_relaxed);
  if (!old_line && !counting) counters_.uncounted_traces.fetch_add(1, std::memory_order_relaxed);
  (old_line ? counters_.reopened_traces : counters_.closed_traces).fetch_add(1, std::memory_order_relaxed);
  if (was_counted) {
    // Give the trace back as it was, then count it as it is.
    const std::optional<model::FlowId> flow_then =
        const_cast<store::Partition*>(old_partition)->kinds(options_.index)[old_line->kind].flow;
    const TracePart now = std::move(parts.back());
    parts.pop_back();
    count(workspace, trace.id, analyze(workspace, parts), false, graphed, flow_then);
    parts.push_back(now);
    count(workspace, trace.id, analyze(workspace, parts), true, graphed, std::nullopt);
  }
  if (!had_older) late_filter_.add(trace.id);
  open_.close(&workspace, trace);
  partition.dirty = true;
  changed_ = true;
  if (closed) *closed = true;
  if (partition.writer.full()) {
    if (auto sealed = partition.writer.seal(); sealed) {
      partition.partition->add_segment({options_.index, partition.writer.number() - 1, *sealed});
    } else {
      note_failure(sealed.error());  // it stays as it is and is sealed at the next trace
    }
  }
  return true;
}

// ---- answers -----------------------------------------------------------------

ShardWorkspace* Shard::workspace(const model::WorkspaceId& id) {
  const auto found = workspaces_.find(id);
  return found == workspaces_.end() ? nullptr : found->second.get();
}

base::Result<std::vector<TracePart>> Shard::parts(ShardWorkspace& workspace, const model::TraceId& id,
                                                  bool with_open) {
  std::vector<TracePart> parts;
  const auto add = [&](const std::shared_ptr<store::Partition>& partition, const store::Chunk& chunk,
                       const store::TraceLine& line) -> base::Result<void> {
    TRY_ASSIGN(store::Record record, chunk.record(partition->dictionary, line.ordinal));
    TracePart part{.partition = partition, .bytes = std::move(record.bytes), .rows = {}, .line = line};
    for (const store::RecordSpan& span : record.spans) part.rows.push_back(span.row);
    parts.push_back(std::move(part));
    return {};
  };
  for (auto& [number, here] : workspace.partitions) {
    for (const store::SealedSegment& sealed : here->partition->segments()) {
      if (sealed.shard != options_.index) continue;
      TRY_ASSIGN(const auto places, sealed.segment->find(id));
      for (const store::Segment::Place place : places) {
        TRY_ASSIGN(const store::TraceLine line, sealed.segment->line(place, id));
        TRY_ASSIGN(const auto chunk, sealed.segment->chunk(place.chunk));
        TRY(add(here->partition, *chunk, line));
      }
    }
    for (const uint32_t index : here->writer.find(id)) {
      const store::TraceLine& line = here->writer.lines()[index];
      TRY_ASSIGN(const auto chunk, here->writer.chunk(line.chunk));
      TRY(add(here->partition, *chunk, line));
    }
  }
  const OpenTrace* trace = with_open ? open_.find(&workspace, id) : nullptr;
  if (trace) {
    TracePart part{.partition = trace->partition->partition,
                   .bytes = std::make_shared<const std::string>(trace->bytes()),
                   .rows = {},
                   .line = std::nullopt,
                   .open = true};
    uint64_t lost = 0;
    parse_rows(part.partition->dictionary, *part.bytes, part.rows, lost);
    parts.push_back(std::move(part));
  }
  return parts;
}

void Shard::drop_workspace(const model::WorkspaceId& id) {
  const auto found = workspaces_.find(id);
  if (found == workspaces_.end()) return;
  std::vector<OpenTrace*> open;
  for_each_open(*found->second, [&](OpenTrace& trace) { open.push_back(&trace); });
  for (OpenTrace* trace : open) open_.close(found->second.get(), *trace);
  const std::string prefix = document_prefix(id);
  std::erase_if(unsaved_, [&](const auto& document) { return document.first.starts_with(prefix); });
  workspaces_.erase(found);
  changed_ = true;
}

void Shard::drop_partition(const model::WorkspaceId& id, uint32_t partition) {
  const auto found = workspaces_.find(id);
  if (found == workspaces_.end()) return;
  std::vector<OpenTrace*> open;
  for_each_open(*found->second, [&](OpenTrace& trace) {
    if (trace.partition->partition->id == partition) open.push_back(&trace);
  });
  for (OpenTrace* trace : open) open_.close(found->second.get(), *trace);
  found->second->partitions.erase(partition);
  unsaved_.erase(segment_prefix(options_.index) + std::to_string(partition));
  changed_ = true;
}

}  // namespace testmesh::engine
