#include "engine/shard.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>

#include "base/varint.h"
#include "encoding/row_encoder.h"

namespace testmesh::engine {
namespace {

using encoding::Row;
using namespace std::chrono_literals;

constexpr base::UnixNanos kEarlyQuiet = 1'000'000'000;  // discovery.md 1, "trace complete"
constexpr auto kSlice = 1ms;
constexpr auto kIdlePause = 20ms;
constexpr uint32_t kMaxOpenTraceBytes = 32u << 20;  // more is written as parts
// A trace that never falls silent must not hold the journal for ever.
constexpr base::UnixNanos kMaxOpenTime = 120'000'000'000;

base::UnixNanos idle_timeout(const model::TelemetrySettings& settings) {
  return static_cast<base::UnixNanos>(settings.trace_idle_timeout_ms) * 1'000'000;
}

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

Shard::Shard(ShardOptions options, const base::Clock& clock, store::DocumentStore& documents,
             SettingsOf settings_of, Counters& counters)
    : options_(std::move(options)),
      clock_(clock),
      documents_(documents),
      settings_of_(std::move(settings_of)),
      counters_(counters),
      late_filter_(options_.late_filter_bytes) {}

Shard::~Shard() { stop(); }

// ---- queue -------------------------------------------------------------------

void Shard::start() {
  open_at_checkpoint_.clear();
  worker_ = std::thread([this] {
    pthread_setname_np(pthread_self(), ("shard-" + std::to_string(options_.index)).c_str());
    run();
  });
}

void Shard::stop() {
  {
    const std::scoped_lock lock(queue_mutex_);
    stopping_ = true;
  }
  queue_filled_.notify_all();
  queue_drained_.notify_all();
  if (!worker_.joinable()) return;
  worker_.join();
  const std::scoped_lock lock(mutex_);
  if (auto saved = checkpoint(); !saved) note_failure(saved.error());
}

void Shard::push(ShardBatch batch) {
  queued_bytes_.fetch_add(batch.bytes, std::memory_order_relaxed);
  counters_.queued_bytes.fetch_add(batch.bytes, std::memory_order_relaxed);
  {
    const std::scoped_lock lock(queue_mutex_);
    queue_.push_back(std::move(batch));
    ++pushed_;
  }
  queue_filled_.notify_one();
}

void Shard::wait_below(size_t bytes) {
  std::unique_lock lock(queue_mutex_);
  queue_drained_.wait(lock, [&] { return stopping_ || trouble_ || queued_bytes() < bytes; });
}

std::unique_lock<std::mutex> Shard::lock_for_read() {
  uint64_t target;
  {
    const std::scoped_lock lock(queue_mutex_);
    target = pushed_;
  }
  readers_waiting_.fetch_add(1);
  std::unique_lock lock(mutex_);
  applied_changed_.wait(lock, [&] { return applied_ >= target || trouble_ || !worker_.joinable(); });
  readers_waiting_.fetch_sub(1);
  readers_done_.notify_all();
  return lock;
}

void Shard::read(const std::function<void()>& ask) {
  const auto lock = lock_for_read();
  ask();
}

store::JournalPosition Shard::saved_watermark() const {
  const std::scoped_lock lock(mutex_);
  return saved_watermark_;
}

std::string Shard::trouble() const {
  const std::scoped_lock lock(mutex_);
  return trouble_message_;
}

void Shard::note_failure(const base::Error& error) {
  counters_.store_failures.fetch_add(1, std::memory_order_relaxed);
  trouble_message_ = error.message;
  trouble_ = true;
  applied_changed_.notify_all();
  tell_drained();
}

// Whoever has just looked at the queue must be waiting before he is told.
void Shard::tell_drained() {
  {
    const std::scoped_lock lock(queue_mutex_);
  }
  queue_drained_.notify_all();
}

// ---- the worker --------------------------------------------------------------

void Shard::run() {
  auto next_checkpoint = std::chrono::steady_clock::now() + options_.checkpoint_interval;
  auto retry_at = std::chrono::steady_clock::now();
  bool behind = false;  // traces are due that the last slice had no time for
  for (;;) {
    std::optional<ShardBatch> batch;
    {
      std::unique_lock lock(queue_mutex_);
      // In trouble nothing more is taken in: what waits is safe in the journal,
      // and ingest refuses more.
      queue_filled_.wait_for(lock, behind ? 0ms : kIdlePause,
                             [&] { return stopping_ || (!queue_.empty() && !trouble_); });
      if (!queue_.empty() && !trouble_) {
        batch = std::move(queue_.front());
        queue_.pop_front();
      } else if (stopping_) {
        break;
      }
    }
    std::unique_lock lock(mutex_);
    // A mutex is not fair: let those go first who asked first.
    if (readers_waiting_.load() > 0) {
      applied_changed_.notify_all();
      readers_done_.wait_for(lock, 1ms);
    }
    if (batch) {
      take(*batch, false);
      ++applied_;
      applied_changed_.notify_all();
      queued_bytes_.fetch_sub(batch->bytes, std::memory_order_relaxed);
      counters_.queued_bytes.fetch_sub(batch->bytes, std::memory_order_relaxed);
      tell_drained();
    }
    const auto now = std::chrono::steady_clock::now();
    if (!trouble_ || now >= retry_at) {
      const base::UnixNanos wall = clock_.now();
      bool fine = true;
      behind = false;
      for (int looked = 0; fine; ++looked) {
        behind = looked % 8 == 7 && std::chrono::steady_clock::now() - now > kSlice;
        if (behind) break;
        OpenTrace* trace = open_.take_due(wall);
        if (!trace) break;
        fine = look_at(*trace, wall);
      }
      while (fine && open_.bytes() > options_.max_open_bytes) {
        OpenTrace* trace = open_.take_next();
        if (!trace) break;
        counters_.early_parts.fetch_add(1, std::memory_order_relaxed);
        fine = close(*trace, false, nullptr);
      }
      if (now >= next_checkpoint || !fine) {
        if (auto saved = checkpoint(); saved) {
          if (fine) trouble_ = false;
        } else {
          note_failure(saved.error());
        }
        next_checkpoint = std::chrono::steady_clock::now() + options_.checkpoint_interval;
      }
      if (trouble_) retry_at = std::chrono::steady_clock::now() + 500ms;
    }
    update_gauges();
  }
}

void Shard::update_gauges() {
  const auto move = [](std::atomic<uint64_t>& total, uint64_t& mine, uint64_t now) {
    if (now == mine) return;
    total.fetch_add(now - mine, std::memory_order_relaxed);
    mine = now;
  };
  move(counters_.open_traces, gauge_traces_, open_.traces());
  move(counters_.open_spans, gauge_spans_, open_.spans());
  move(counters_.open_bytes, gauge_bytes_, open_.bytes());
}

void Shard::replay(const ShardBatch& batch) {
  const std::scoped_lock lock(mutex_);
  if (batch.end <= saved_watermark_) return;
  take(batch, true);
  while (open_.bytes() > options_.max_open_bytes) {
    OpenTrace* trace = open_.take_next();
    if (!trace || !close(*trace, false, nullptr)) break;
  }
}

void Shard::take(const ShardBatch& batch, bool replaying) {
  for (const BatchPart& part : batch.parts) {
    if (part.partition->removed) continue;  // retention or the end of its workspace was faster
    ShardPartition* partition = partition_for(part.workspace, part.partition);
    if (!partition) continue;
    base::ByteReader reader(part.rows);
    while (!reader.done()) {
      model::TraceId id;
      id.bytes = reader.fixed<std::array<uint8_t, 16>>();
      const auto size = reader.fixed<uint32_t>();
      const auto count = reader.fixed<uint32_t>();
      const std::string_view rows = reader.bytes(size);
      if (reader.failed()) {
        counters_.lost_rows.fetch_add(1, std::memory_order_relaxed);
        break;
      }
      take_group(*partition, id, rows, count, part.arrival, batch.start, replaying);
    }
  }
  if (!replaying || batch.end > applied_end_) applied_end_ = batch.end;
  changed_ = true;
}

void Shard::take_group(ShardPartition& partition, const model::TraceId& id, std::string_view rows,
                       uint32_t count, base::UnixNanos arrival, store::JournalPosition at, bool replaying) {
  if (replaying && at < replay_position_) {
    // Before the checkpoint: wanted only for what was open then.
    const auto open = open_at_checkpoint_.find(partition.partition->id);
    if (open == open_at_checkpoint_.end() || !open->second.contains(id)) return;
  }
  ShardWorkspace& workspace = *partition.workspace;
  OpenTrace* trace = open_.find(&workspace, id);
  if (trace && (trace->partition != &partition || trace->size + rows.size() > kMaxOpenTraceBytes)) {
    // Rows of one trace in one buffer share a dictionary: the old part goes to
    // the store and the new rows count as late.
    counters_.early_parts.fetch_add(1, std::memory_order_relaxed);
    if (close(*trace, false, nullptr)) {
      trace = nullptr;
    } else if (trace->partition != &partition) {
      // Only when the disk refused thousands of traces within one batch.
      counters_.lost_rows.fetch_add(count, std::memory_order_relaxed);
      return;
    }
  }
  if (!trace) {
    trace = &open_.open(&workspace, id);
    trace->partition = &partition;
    trace->first = at;
    trace->first_arrival = trace->last_arrival = arrival;
    trace->late = late_filter_.may_contain(id);
    const base::UnixNanos idle = idle_timeout(settings_of_(workspace.shared->id));
    open_.schedule(*trace, arrival + std::min(idle, kEarlyQuiet));
  }
  open_.append(*trace, rows, count);
  trace->last_arrival = std::max(trace->last_arrival, arrival);
  if (trace->waits_for_idle) {
    trace->waits_for_idle = false;
    open_.schedule(*trace, arrival + kEarlyQuiet);
  }
}

ShardPartition* Shard::partition_for(const std::shared_ptr<Workspace>& shared,
                                     const std::shared_ptr<store::Partition>& partition) {
  auto& workspace = workspaces_[shared->id];
  if (!workspace) workspace = std::make_unique<ShardWorkspace>(shared);
  auto& here = workspace->partitions[partition->id];
  if (!here) {
    auto writer = store::SegmentWriter::open(partition->directory, options_.index, {});
    CHECK(writer);  // opens no file yet
    here = std::make_unique<ShardPartition>(partition, std::move(*writer), workspace.get());
  }
  here->dirty = true;
  return here.get();
}

bool Shard::look_at(OpenTrace& trace, base::UnixNanos now) {
  const base::UnixNanos idle = idle_timeout(settings_of_(trace.partition->workspace->shared->id));
  if (trace.last_arrival > now + idle)
    trace.first_arrival = trace.last_arrival = now;  // the clock was set back
  const base::UnixNanos quiet = now > trace.last_arrival ? now - trace.last_arrival : 0;
  if (quiet >= idle) return close(trace, false, nullptr);
  if (now > trace.first_arrival && now - trace.first_arrival > std::max(kMaxOpenTime, 3 * idle)) {
    counters_.early_parts.fetch_add(1, std::memory_order_relaxed);
    return close(trace, false, nullptr);
  }
  if (!trace.waits_for_idle && quiet >= kEarlyQuiet) {
    bool closed = false;
    if (!close(trace, true, &closed)) return false;
    if (closed) return true;
    trace.waits_for_idle = true;
  }
  open_.schedule(trace, trace.last_arrival + (trace.waits_for_idle ? idle : std::min(idle, kEarlyQuiet)));
  return true;
}

// ---- closing -----------------------------------------------------------------

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
                  const discovery::TraceAnalysis& analysis, bool add,
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
  workspace.dirty = true;
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
  line.flags = static_cast<uint8_t>((errors > 0 ? store::TraceLine::kError : 0) |
                                    (analysis.test ? store::TraceLine::kTest : 0) |
                                    (analysis.partial ? store::TraceLine::kPartial : 0) |
                                    ((old_line ? was_counted : counting) ? store::TraceLine::kCounted : 0) |
                                    (had_older ? store::TraceLine::kHasOlder : 0));
  line.kind = kind_of(partition, analysis);
  if (auto added = partition.writer.add(ordered_rows_, ordered_parents_, line); !added)
    return again(added.error());
  if (const auto failure = partition.writer.take_failure()) note_failure(*failure);

  if (!old_line && counting) count(workspace, trace.id, analysis, true, std::nullopt);
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
    count(workspace, trace.id, analyze(workspace, parts), false, flow_then);
    parts.push_back(now);
    count(workspace, trace.id, analyze(workspace, parts), true, std::nullopt);
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

// ---- checkpoint --------------------------------------------------------------
//
// document "shard/<index>": version 1 · position · watermark · open (partition, ids)*
// document "segment/<index>/<partition>": where the growing segment stands

namespace {

constexpr uint8_t kCheckpointVersion = 1;

void append_position(std::string& out, store::JournalPosition position) {
  base::append_varint(out, position.file);
  base::append_varint(out, position.offset);
}

store::JournalPosition read_position(base::ByteReader& reader) {
  const uint64_t file = reader.varint();
  return {file, reader.varint()};
}

void append_segment_state(std::string& out, const store::SegmentState& state) {
  base::append_varint(out, state.number);
  base::append_varint(out, state.record_bytes);
  base::append_varint(out, state.lines);
  base::append_varint(out, state.tail.traces);
  base::append_varint(out, state.tail.base);
  base::append_sized(out, state.tail.ids);
  base::append_sized(out, state.tail.table);
  base::append_sized(out, state.tail.body);
}

store::SegmentState read_segment_state(base::ByteReader& reader) {
  store::SegmentState state;
  state.number = static_cast<uint32_t>(reader.varint());
  state.record_bytes = reader.varint();
  state.lines = reader.varint();
  state.tail.traces = static_cast<uint32_t>(reader.varint());
  state.tail.base = reader.varint();
  state.tail.ids = reader.sized();
  state.tail.table = reader.sized();
  state.tail.body = reader.sized();
  return state;
}

}  // namespace

base::Result<void> Shard::checkpoint() {
  if (!changed_ && unsaved_.empty()) return {};
  std::string document;
  document += static_cast<char>(kCheckpointVersion);
  store::JournalPosition watermark = applied_end_;
  std::map<uint32_t, std::string> open;
  open_.for_each([&](const OpenTrace& trace) {
    watermark = std::min(watermark, trace.first);
    open[trace.partition->partition->id].append(reinterpret_cast<const char*>(trace.id.bytes.data()), 16);
  });
  append_position(document, applied_end_);
  append_position(document, watermark);
  const base::UnixNanos now = clock_.now();
  std::map<std::string, std::optional<std::string>> documents = std::move(unsaved_);
  unsaved_.clear();
  const auto keep = [&](const std::string& prefix) {
    return [&documents, prefix](std::string_view key, std::optional<std::string_view> value) {
      documents[prefix + std::string(key)] = value ? std::optional<std::string>(*value) : std::nullopt;
    };
  };
  auto save_files = [&]() -> base::Result<void> {
    for (auto& [id, workspace] : workspaces_) {
      for (auto& [number, partition] : workspace->partitions) {
        if (!partition->dirty) continue;
        TRY(partition->partition->save_definitions());
        TRY(partition->partition->kinds(options_.index).save());
        TRY_ASSIGN(const store::SegmentState state, partition->writer.checkpoint());
        std::string& segment = documents[segment_prefix(options_.index) + std::to_string(number)].emplace();
        append_segment_state(segment, state);
      }
    }
    return {};
  };
  const auto saved = save_files();
  for (auto& [id, workspace] : workspaces_) {
    if (!workspace->dirty) continue;
    const std::string prefix = document_prefix(id);
    workspace->book.take_dirty(now, settings_of_(id).retention_days,
                               keep(prefix + std::to_string(options_.index) + "/"));
    workspace->shared->tries.take_dirty(keep(prefix + "shared/"));
    workspace->shared->catalog.take_dirty(keep(prefix + "shared/"));
    workspace->dirty = false;
  }
  base::append_varint(document, open.size());
  for (const auto& [number, ids] : open) {
    base::append_varint(document, number);
    base::append_sized(document, ids);
  }
  const std::string key = checkpoint_key(options_.index);
  auto write = [&]() -> base::Result<void> {
    TRY(saved);
    std::vector<store::DocumentWrite> batch{{key, document}};
    for (const auto& [name, value] : documents) batch.push_back({name, value});
    return documents_.write(batch);
  };
  if (auto written = write(); !written) {
    unsaved_ = std::move(documents);
    return written;
  }
  for (auto& [id, workspace] : workspaces_) {
    for (auto& [number, partition] : workspace->partitions) {
      partition->writer.forget_sealed();
      partition->dirty = false;
    }
  }
  saved_watermark_ = watermark;
  changed_ = false;
  counters_.checkpoints.fetch_add(1, std::memory_order_relaxed);
  return {};
}

base::Result<Shard::Restored> Shard::restore(
    const std::function<std::shared_ptr<store::Partition>(uint32_t)>& partition_of,
    const std::function<std::shared_ptr<Workspace>(const model::WorkspaceId&)>& workspace_of) {
  TRY_ASSIGN(const std::optional<std::string> document, documents_.get(checkpoint_key(options_.index)));
  if (!document) return Restored{};
  const std::scoped_lock lock(mutex_);
  base::ByteReader reader(*document);
  if (reader.fixed<uint8_t>() != kCheckpointVersion)
    return base::fail(
        base::ErrorCode::kCorrupt,
        "the data directory was written by another version of testmesh; use that one, or a new directory");
  applied_end_ = replay_position_ = read_position(reader);
  saved_watermark_ = read_position(reader);
  std::vector<std::pair<uint32_t, store::SegmentState>> states;
  const std::string prefix = segment_prefix(options_.index);
  bool readable = true;
  TRY(documents_.scan(prefix, [&](std::string_view key, std::string_view value) {
    base::ByteReader state(value);
    states.emplace_back(static_cast<uint32_t>(std::stoul(std::string(key.substr(prefix.size())))),
                        read_segment_state(state));
    readable &= !state.failed();
    return true;
  }));
  if (!readable) return base::fail(base::ErrorCode::kCorrupt, "the state of a segment does not read back");
  for (auto& [number, state] : states) {
    const auto partition = partition_of(number);
    if (!partition) continue;  // retention took it
    for (uint32_t segment = 0; segment < state.number; ++segment) {
      TRY_ASSIGN(auto sealed, store::Segment::open(partition->directory, options_.index, segment));
      partition->add_segment({options_.index, segment, std::move(sealed)});
    }
    auto& workspace = workspaces_[partition->workspace];
    if (!workspace) workspace = std::make_unique<ShardWorkspace>(workspace_of(partition->workspace));
    TRY_ASSIGN(auto writer,
               store::SegmentWriter::open(partition->directory, options_.index, std::move(state)));
    workspace->partitions[number] =
        std::make_unique<ShardPartition>(partition, std::move(writer), workspace.get());
  }
  const uint64_t open = reader.varint();
  for (uint64_t i = 0; i < open && !reader.failed(); ++i) {
    auto& ids = open_at_checkpoint_[static_cast<uint32_t>(reader.varint())];
    const std::string_view bytes = reader.sized();
    for (size_t at = 0; at + 16 <= bytes.size(); at += 16) {
      model::TraceId id;
      std::memcpy(id.bytes.data(), bytes.data() + at, 16);
      ids.insert(id);
    }
  }
  if (reader.failed())
    return base::fail(base::ErrorCode::kCorrupt, "a shard's checkpoint does not read back");
  fill_late_filter();
  return Restored{applied_end_, saved_watermark_};
}

// The newest ids, as many as the filter remembers.
void Shard::fill_late_filter() {
  std::vector<std::shared_ptr<const store::Segment>> segments;
  std::vector<model::TraceId> growing;
  for (auto& [id, workspace] : workspaces_) {
    for (auto& [number, partition] : workspace->partitions) {
      for (const auto& sealed : partition->partition->segments())
        if (sealed.shard == options_.index) segments.push_back(sealed.segment);
      for (const store::TraceLine& line : partition->writer.lines()) growing.push_back(line.id);
    }
  }
  std::ranges::sort(segments, {}, [](const auto& segment) { return segment->max_start(); });
  uint64_t room = 2 * late_filter_.capacity();
  size_t first = segments.size();
  while (first > 0 && room > segments[first - 1]->traces()) room -= segments[--first]->traces();
  for (; first < segments.size(); ++first)
    if (auto read = segments[first]->for_each_id([&](const model::TraceId& id) { late_filter_.add(id); });
        !read)
      note_failure(read.error());
  for (const model::TraceId& id : growing) late_filter_.add(id);
}

base::Result<void> Shard::load_document(const std::shared_ptr<Workspace>& shared, std::string_view key,
                                        std::string_view value) {
  const std::scoped_lock lock(mutex_);
  auto& workspace = workspaces_[shared->id];
  if (!workspace) workspace = std::make_unique<ShardWorkspace>(shared);
  return workspace->book.load(shared->catalog, key, value);
}

std::string checkpoint_key(uint32_t shard) { return "shard/" + std::to_string(shard); }

std::string segment_prefix(uint32_t shard) { return "segment/" + std::to_string(shard) + "/"; }

std::string document_prefix(const model::WorkspaceId& workspace) {
  return "d/" + workspace.to_string() + "/";
}

}  // namespace testmesh::engine
