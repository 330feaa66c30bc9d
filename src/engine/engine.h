// The embedded engine: takes spans in, keeps them, discovers flows, answers
// questions. One data directory, one process.
//
//   submit (any thread): decode to rows → committer: one journal write and sync
//   for all that is waiting → shards: assemble, discover, store
//
// Acknowledged means: in the journal, synced, and queued at its shards, so a
// question asked afterwards sees it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "encoding/row_encoder.h"
#include "engine/counters.h"
#include "engine/shard.h"
#include "store/document_store.h"
#include "store/embedded/journal.h"
#include "store/span_sink.h"
#include "store/telemetry_store.h"

namespace testmesh::engine {

struct EngineOptions {
  std::string data_directory;
  uint32_t shards = 2;                    // fixed when the data directory is made
  size_t max_open_bytes = 384u << 20;     // rows of open traces, all shards
  size_t max_queued_bytes = 128u << 20;   // between receipt and assembly; past it: overloaded
  uint64_t partition_spans = 50'000'000;  // a partition ends past these and an hour,
  std::chrono::hours partition_age{6};    // or when it is this old
  std::chrono::milliseconds checkpoint_interval{5000};
  // Whether new traces count in the System Graph. What is counted stays, and
  // late spans correct it.
  bool graph = true;
  size_t max_flows = 20'000;  // of a workspace; past it rare ones give way. 0: no limit
  // Where to say what somebody should know; null: nowhere. Any thread.
  std::function<void(const std::string&)> warn = nullptr;
};

class Engine final : public store::SpanSink, public store::TelemetryStore {
 public:
  // Recovers what the directory holds. `documents` and `clock` outlive it.
  static base::Result<std::unique_ptr<Engine>> open(EngineOptions, store::DocumentStore& documents,
                                                    const base::Clock& clock, SettingsOf settings_of);
  ~Engine() override;
  void stop();  // takes nothing more, writes what was taken, saves

  void submit(const model::WorkspaceId&, std::string_view request, Done done) override;

  base::Result<std::optional<store::TraceDetail>> trace(const model::WorkspaceId&,
                                                        const model::TraceId&) override;
  base::Result<std::optional<store::TraceSummary>> trace_summary(const model::WorkspaceId&,
                                                                 const model::TraceId&) override;
  base::Result<store::TracePage> search_traces(const model::WorkspaceId&, const store::TraceQuery&) override;
  base::Result<store::SpanPage> search_spans(const model::WorkspaceId&, const store::SpanQuery&) override;
  base::Result<discovery::FlowPage> flows(const model::WorkspaceId&, const discovery::FlowQuery&) override;
  std::optional<discovery::FlowDetail> flow(const model::WorkspaceId&, const model::FlowId&) override;
  std::vector<discovery::FlowSummary> flow_variants(const model::WorkspaceId&, const model::FlowId&) override;
  std::optional<discovery::FlowHistogram> flow_histogram(const model::WorkspaceId&,
                                                         const model::FlowId&) override;
  base::Result<graph::RuntimeGraph> graph(const model::WorkspaceId&) override;
  base::Result<void> drop_workspace(const model::WorkspaceId&) override;
  base::Result<void> ready() const override;

  uint32_t shard_count() const { return options_.shards; }  // as the directory has it
  const Counters& counters() const { return counters_; }
  uint64_t journal_bytes_on_disk() const { return journal_->bytes_on_disk(); }
  // Removes partitions past their retention; also done once a minute.
  void apply_retention();
  // Says which workspaces had to drop flows, each once a minute; also called
  // every second.
  void report_dropped_flows();
  // Flow totals of a workspace, for conservation checks.
  discovery::BookTotals totals(const model::WorkspaceId&);
  // Blocks until every submitted span is assembled, and closes nothing.
  void wait_until_taken();

 private:
  struct Batch {
    std::shared_ptr<Workspace> workspace;
    std::shared_ptr<store::Partition> partition;
    std::vector<std::string> parts;
    base::UnixNanos arrival = 0;
    uint64_t spans = 0;
    size_t bytes = 0;
    store::IngestOutcome outcome;
    Done done;
  };

  Engine(EngineOptions, store::DocumentStore&, const base::Clock&, SettingsOf);
  base::Result<void> recover();
  base::Result<void> replay_entry(const store::JournalEntry&);
  void remove_unknown_directories();
  std::shared_ptr<Workspace> workspace(const model::WorkspaceId&);        // finds or makes
  std::shared_ptr<Workspace> known_workspace(const model::WorkspaceId&);  // null
  base::Result<std::shared_ptr<store::Partition>> partition_for(Workspace&, base::UnixNanos now);
  void run_committer();
  void commit(std::vector<Batch>& group);
  void run_housekeeping();
  void remove_partition(const std::shared_ptr<store::Partition>&);
  bool in_trouble() const;
  size_t shard_index(const model::TraceId& id) const { return encoding::shard_of(id.hash(), shards_.size()); }

  // All shards' locks, in order, and the workspace's books.
  struct LockedBooks;
  LockedBooks lock_books(const Workspace&);
  friend class TraceSearch;

  const EngineOptions options_;
  store::DocumentStore& documents_;
  const base::Clock& clock_;
  const SettingsOf settings_of_;
  Counters counters_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::unique_ptr<store::Journal> journal_;  // committer only, once running

  mutable std::mutex mutex_;  // the maps
  std::map<model::WorkspaceId, std::shared_ptr<Workspace>> workspaces_;
  std::map<uint32_t, std::shared_ptr<store::Partition>> partitions_;
  uint32_t next_partition_ = 1;

  mutable std::mutex queue_mutex_;
  std::condition_variable queue_filled_;
  std::vector<Batch> queue_;
  size_t waiting_bytes_ = 0;  // in queue_
  bool committing_ = false;
  bool stopping_ = false;
  bool stopped_ = false;
  std::string journal_trouble_;  // why the last journal write failed; empty: it did not
  std::map<model::WorkspaceId, base::UnixNanos> told_dropped_;  // report_dropped_flows() only
  std::condition_variable housekeeping_wakes_;
  std::thread committer_, housekeeping_;
};

}  // namespace testmesh::engine
