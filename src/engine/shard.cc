#include "engine/shard.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>

#include "base/varint.h"
#include "encoding/row_encoder.h"

namespace testmesh::engine {
namespace {

using namespace std::chrono_literals;

constexpr base::UnixNanos kEarlyQuiet = 1'000'000'000;  // discovery.md 1, "trace complete"
constexpr auto kSlice = 1ms;
constexpr auto kIdlePause = 20ms;
constexpr auto kSettleInterval = 200ms;  // of workspaces that only other shards have traffic of
constexpr std::chrono::milliseconds kLatestFirst = 500ms;  // the first checkpoint after a replay
constexpr uint32_t kMaxOpenTraceBytes = 32u << 20;         // more is written as parts
// A trace that never falls silent must not hold the journal for ever.
constexpr base::UnixNanos kMaxOpenTime = 120'000'000'000;

base::UnixNanos idle_timeout(const model::TelemetrySettings& settings) {
  return static_cast<base::UnixNanos>(settings.trace_idle_timeout_ms) * 1'000'000;
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
  auto retry_at = std::chrono::steady_clock::now();
  // What was replayed is saved as soon as its due traces are closed: a process
  // killed before its first interval is over would replay ever more.
  bool replayed;
  {
    const std::scoped_lock lock(mutex_);
    replayed = changed_;
  }
  auto next_checkpoint = retry_at + (replayed ? std::min(options_.checkpoint_interval, kLatestFirst)
                                              : options_.checkpoint_interval);
  auto next_settle = retry_at;
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
      if (now >= next_checkpoint || !fine || (replayed && !behind)) {
        replayed = false;
        if (auto saved = checkpoint(); saved) {
          if (fine) trouble_ = false;
        } else {
          note_failure(saved.error());
        }
        next_checkpoint = std::chrono::steady_clock::now() + options_.checkpoint_interval;
      }
      if (trouble_) retry_at = std::chrono::steady_clock::now() + 500ms;
    }
    if (now >= next_settle) {
      for (const auto& [id, workspace] : workspaces_) settle(*workspace);
      next_settle = now + kSettleInterval;
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

}  // namespace testmesh::engine
