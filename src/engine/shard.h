// One shard: the traces whose id hashes to it, from the moment they are durable
// in the journal until they lie in a segment and are counted.
//
// A shard has one worker thread. Everything it owns is guarded by its mutex,
// which the worker holds for a batch or a slice of closings (about a
// millisecond) at a time; questions take the same mutex. What belongs together
// after a crash (segment lengths, statistics, the traces still open, the
// journal position) is saved in one atomic document batch, the checkpoint, of
// this shard alone: shards recover independently of each other.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "discovery/flow_book.h"
#include "discovery/trace_analyzer.h"
#include "engine/counters.h"
#include "engine/facts_memo.h"
#include "engine/late_filter.h"
#include "engine/open_traces.h"
#include "graph/graph_book.h"
#include "model/settings.h"
#include "store/document_store.h"
#include "store/embedded/partition.h"
#include "store/telemetry_store.h"

namespace testmesh::engine {

using SettingsOf = std::function<model::TelemetrySettings(const model::WorkspaceId&)>;

// What the shards of a workspace share.
struct Workspace {
  explicit Workspace(const model::WorkspaceId& workspace_id) : id(workspace_id) {}
  const model::WorkspaceId id;
  discovery::NameTries tries;
  discovery::FlowCatalog catalog;
  std::mutex mutex;
  std::shared_ptr<store::Partition> current;  // guarded by mutex; null until the first span
};

// Rows of one request for one shard.
struct BatchPart {
  std::shared_ptr<store::Partition> partition;
  std::shared_ptr<Workspace> workspace;
  std::string rows;  // groups, see encoding/row_encoder.h
  base::UnixNanos arrival = 0;
};

// One journal entry's worth for one shard.
struct ShardBatch {
  store::JournalPosition start, end;
  std::vector<BatchPart> parts;
  size_t bytes = 0;
};

struct ShardWorkspace;

// A partition as one shard sees it.
struct ShardPartition {
  ShardPartition(std::shared_ptr<store::Partition> p, store::SegmentWriter w, ShardWorkspace* ws)
      : partition(std::move(p)), workspace(ws), memo(partition->dictionary), writer(std::move(w)) {}
  std::shared_ptr<store::Partition> partition;
  ShardWorkspace* workspace;
  FactsMemo memo;
  store::SegmentWriter writer;
  boost::unordered_flat_map<uint64_t, uint32_t> kinds;  // of a trace's facts and flow -> TraceKinds id
  uint64_t kinds_epoch = 0;
  bool dirty = false;  // since the last checkpoint
};

struct ShardWorkspace {
  explicit ShardWorkspace(std::shared_ptr<Workspace> w)
      : shared(std::move(w)),
        analyzer(shared->tries, shared->catalog),
        book(shared->catalog),
        graph(analyzer, shared->tries) {}
  std::shared_ptr<Workspace> shared;
  discovery::TraceAnalyzer analyzer;
  discovery::FlowBook book;
  graph::GraphBook graph;
  std::map<uint32_t, std::unique_ptr<ShardPartition>> partitions;
  bool dirty = false;
};

// Rows of one trace that share a dictionary, and what they point into.
struct TracePart {
  std::shared_ptr<store::Partition> partition;
  std::shared_ptr<const std::string> bytes;
  std::vector<encoding::Row> rows;
  std::optional<store::TraceLine> line;  // stored parts
  bool open = false;
};

struct ShardOptions {
  uint32_t index = 0;
  size_t max_open_bytes = 192u << 20;
  size_t late_filter_bytes = 8u << 20;
  std::chrono::milliseconds checkpoint_interval{5000};
  bool graph = true;
};

// Where documents of a shard and of a workspace's discovery live.
std::string checkpoint_key(uint32_t shard);
std::string segment_prefix(uint32_t shard);                        // then the partition's number
std::string document_prefix(const model::WorkspaceId& workspace);  // then "<shard>/…" or "shared/…"

class Shard {
 public:
  Shard(ShardOptions, const base::Clock&, store::DocumentStore&, SettingsOf, Counters&);
  ~Shard();

  // ---- start-up, before start()
  struct Restored {
    store::JournalPosition position;   // applied up to here
    store::JournalPosition watermark;  // replay from here
  };
  // From this shard's checkpoint; `partition_of` gives null for partitions
  // that are gone.
  base::Result<Restored> restore(
      const std::function<std::shared_ptr<store::Partition>(uint32_t)>& partition_of,
      const std::function<std::shared_ptr<Workspace>(const model::WorkspaceId&)>& workspace_of);
  base::Result<void> load_document(const std::shared_ptr<Workspace>&, std::string_view key,
                                   std::string_view value);
  // One journal entry again.
  void replay(const ShardBatch&);
  void start();
  void stop();  // closes nothing; saves a checkpoint

  // ---- running
  void push(ShardBatch);  // any thread; in journal order
  size_t queued_bytes() const { return queued_bytes_.load(std::memory_order_relaxed); }
  void wait_below(size_t bytes);  // blocks while more is queued
  // What a replay would still need.
  store::JournalPosition saved_watermark() const;
  bool has_trouble() const { return trouble_.load(std::memory_order_relaxed); }
  std::string trouble() const;

  // Runs `ask` when every batch pushed before the call has been taken in; in
  // trouble, when nothing is taken in, at once.
  void read(const std::function<void()>& ask);
  // The same, holding on to the lock.
  std::unique_lock<std::mutex> lock_for_read();

  // ---- under the lock (within read, or holding lock_for_read)
  ShardWorkspace* workspace(const model::WorkspaceId&);  // null: nothing of it here
  // Everything held of a trace: stored parts, oldest first, then open rows.
  base::Result<std::vector<TracePart>> parts(ShardWorkspace&, const model::TraceId&, bool with_open = true);
  // Gathers inputs and analyses; the result is the analyzer's, until its next.
  const discovery::TraceAnalysis& analyze(ShardWorkspace&, const std::vector<TracePart>&);
  // The inputs of the last analyze().
  const discovery::SpanInput& input(uint32_t span) const { return inputs_[span]; }
  uint32_t index() const { return options_.index; }
  template <typename Visit>
  void for_each_open(ShardWorkspace& ws, const Visit& visit) {
    open_.for_each([&](OpenTrace& trace) {
      if (trace.partition->workspace == &ws) visit(trace);
    });
  }
  void drop_workspace(const model::WorkspaceId&);
  void drop_partition(const model::WorkspaceId&, uint32_t partition);

 private:
  void run();
  void take(const ShardBatch&, bool replaying);
  void take_group(ShardPartition&, const model::TraceId&, std::string_view rows, uint32_t count,
                  base::UnixNanos arrival, store::JournalPosition at, bool replaying);
  ShardPartition* partition_for(const std::shared_ptr<Workspace>&, const std::shared_ptr<store::Partition>&);
  // Looks at one due trace: closes it, or schedules its next look. False: the
  // store refused; it is scheduled again.
  bool look_at(OpenTrace&, base::UnixNanos now);
  bool close(OpenTrace&, bool early_only, bool* closed);
  void count(ShardWorkspace&, const model::TraceId&, const discovery::TraceAnalysis&, bool add, bool graphed,
             const std::optional<model::FlowId>& flow_then);
  void count_in_graph(graph::GraphBook&, const discovery::TraceAnalysis&, bool add);
  uint32_t kind_of(ShardPartition&, const discovery::TraceAnalysis&);
  base::Result<void> checkpoint();
  void fill_late_filter();
  void note_failure(const base::Error&);
  void tell_drained();
  void update_gauges();

  const ShardOptions options_;
  const base::Clock& clock_;
  store::DocumentStore& documents_;
  const SettingsOf settings_of_;
  Counters& counters_;

  // Queue, under queue_mutex_.
  mutable std::mutex queue_mutex_;
  std::condition_variable queue_filled_, queue_drained_;
  std::deque<ShardBatch> queue_;
  uint64_t pushed_ = 0;
  bool stopping_ = false;
  std::atomic<size_t> queued_bytes_{0};
  std::atomic<uint32_t> readers_waiting_{0};
  std::atomic<bool> trouble_{false};

  // Everything else, under mutex_.
  mutable std::mutex mutex_;
  std::condition_variable applied_changed_, readers_done_;
  uint64_t applied_ = 0;  // batches
  store::JournalPosition applied_end_, saved_watermark_, replay_position_;
  std::map<uint32_t, std::set<model::TraceId>> open_at_checkpoint_;  // during replay
  std::map<model::WorkspaceId, std::unique_ptr<ShardWorkspace>> workspaces_;
  OpenTraces open_;
  LateFilter late_filter_;
  std::map<std::string, std::optional<std::string>> unsaved_;  // documents a failed checkpoint did not save
  std::string trouble_message_;
  bool changed_ = false;  // since the last checkpoint
  uint64_t gauge_traces_ = 0, gauge_spans_ = 0, gauge_bytes_ = 0;

  // Scratch of closing.
  std::vector<discovery::SpanInput> inputs_;
  std::vector<std::pair<const ShardPartition*, const encoding::Row*>> input_rows_;
  std::vector<encoding::Row> ordered_rows_;
  std::vector<int32_t> ordered_parents_, position_of_;
  std::vector<uint64_t> facts_scratch_;  // facts<<32 | shape

  std::thread worker_;
};

}  // namespace testmesh::engine
