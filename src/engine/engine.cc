#include "engine/engine.h"

#include <pthread.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "base/varint.h"
#include "encoding/row_encoder.h"

namespace testmesh::engine {
namespace {

using namespace std::chrono_literals;

constexpr size_t kMaxCommitBytes = 8 << 20;
constexpr size_t kMaxShardQueueBytes =
    48u << 20;  // the committer waits past it: acks slow down, nothing is refused yet
constexpr size_t kEncodersPerThread = 32;
constexpr base::UnixNanos kCrowdedAge =
    300'000'000'000;  // partitions are not ended more often for their dictionary's sake
constexpr std::string_view kPartitionPrefix = "partition/";
constexpr std::string_view kShardCountKey = "engine/shards";

std::string partition_key(uint32_t id) {
  std::string digits = std::to_string(id);
  return std::string(kPartitionPrefix) + std::string(10 - digits.size(), '0') + digits;
}

std::string encode_partition(const store::Partition& partition) {
  std::string out(1, '\1');
  base::append_fixed(out, partition.workspace.bytes);
  base::append_varint(out, partition.created);
  base::append_varint(out, partition.newest_arrival.load());
  base::append_varint(out, partition.spans.load());
  return out;
}

// This thread's encoder for a partition; the least recently used one gives way.
encoding::RowEncoder& encoder_for(const std::shared_ptr<store::Partition>& partition) {
  struct Slot {
    std::shared_ptr<store::Partition> partition;
    std::unique_ptr<encoding::RowEncoder> encoder;
  };
  thread_local std::vector<Slot> slots;
  for (size_t i = 0; i < slots.size(); ++i) {
    if (slots[i].partition != partition) continue;
    if (i > 0) std::swap(slots[i], slots[i - 1]);
    return *slots[i == 0 ? 0 : i - 1].encoder;
  }
  if (slots.size() >= kEncodersPerThread) slots.pop_back();
  slots.insert(slots.begin(), Slot{partition, std::make_unique<encoding::RowEncoder>(partition->dictionary)});
  return *slots.front().encoder;
}

std::string outcome_message(const encoding::EncodedBatch& batch) {
  std::string message;
  const auto add = [&](uint64_t count, std::string_view what) {
    if (count == 0) return;
    if (!message.empty()) message += "; ";
    message += std::to_string(count) + std::string(what);
  };
  add(batch.rejected_ids, " rejected: the trace id or span id is all zero or of a wrong length");
  add(batch.rejected_times, " rejected: the span ends before it starts");
  add(batch.repaired_ids, " parent or link ids of a wrong length were cleared");
  return message;
}

}  // namespace

Engine::Engine(EngineOptions options, store::DocumentStore& documents, const base::Clock& clock,
               SettingsOf settings_of)
    : options_(std::move(options)),
      documents_(documents),
      clock_(clock),
      settings_of_(std::move(settings_of)) {}

base::Result<std::unique_ptr<Engine>> Engine::open(EngineOptions options, store::DocumentStore& documents,
                                                   const base::Clock& clock, SettingsOf settings_of) {
  // A trace belongs to the same shard for ever: the first start decides.
  TRY_ASSIGN(const std::optional<std::string> shards, documents.get(kShardCountKey));
  if (shards) {
    options.shards = static_cast<uint32_t>(std::stoul(*shards));
  } else {
    TRY(documents.write({{std::string(kShardCountKey), std::to_string(options.shards)}}));
  }
  std::unique_ptr<Engine> engine(new Engine(std::move(options), documents, clock, std::move(settings_of)));
  TRY(engine->recover());
  for (auto& shard : engine->shards_) shard->start();
  engine->committer_ = std::thread([e = engine.get()] {
    pthread_setname_np(pthread_self(), "committer");
    e->run_committer();
  });
  engine->housekeeping_ = std::thread([e = engine.get()] {
    pthread_setname_np(pthread_self(), "housekeeping");
    e->run_housekeeping();
  });
  return engine;
}

Engine::~Engine() { stop(); }

void Engine::stop() {
  {
    const std::scoped_lock lock(queue_mutex_);
    if (stopped_) return;
    stopped_ = stopping_ = true;
  }
  queue_filled_.notify_all();
  housekeeping_wakes_.notify_all();
  if (committer_.joinable()) committer_.join();
  if (housekeeping_.joinable()) housekeeping_.join();
  for (auto& shard : shards_) shard->stop();
  const std::scoped_lock lock(mutex_);
  std::vector<store::DocumentWrite> documents;
  for (const auto& [id, partition] : partitions_)
    documents.push_back({partition_key(id), encode_partition(*partition)});
  (void)documents_.write(documents);  // figures only; a crash has them recomputed from the journal
}

// ---- recovery ----------------------------------------------------------------

base::Result<void> Engine::recover() {
  base::Result<void> outcome;
  TRY(documents_.scan(kPartitionPrefix, [&](std::string_view key, std::string_view value) {
    const auto id = static_cast<uint32_t>(std::stoul(std::string(key.substr(kPartitionPrefix.size()))));
    base::ByteReader reader(value);
    reader.fixed<uint8_t>();
    const model::WorkspaceId owner{reader.fixed<std::array<uint8_t, 16>>()};
    const base::UnixNanos created = reader.varint();
    const base::UnixNanos newest = reader.varint();
    const uint64_t spans = reader.varint();
    if (reader.failed()) {
      outcome = base::fail(base::ErrorCode::kCorrupt,
                           "the document of partition " + std::to_string(id) + " does not read back");
      return false;
    }
    auto partition = store::Partition::open(
        id, owner, options_.data_directory + "/spans/" + owner.to_string() + "/" + std::to_string(id),
        options_.shards, created);
    if (!partition) {
      outcome = std::unexpected(partition.error());
      return false;
    }
    (*partition)->newest_arrival = newest;
    (*partition)->spans = spans;
    workspace(owner)->current = *partition;  // the highest number is the newest
    partitions_[id] = std::move(*partition);
    next_partition_ = id + 1;
    return true;
  }));
  TRY(outcome);

  store::JournalPosition from{UINT64_MAX, 0};
  for (uint32_t index = 0; index < options_.shards; ++index) {
    shards_.push_back(
        std::make_unique<Shard>(ShardOptions{.index = index,
                                             .max_open_bytes = options_.max_open_bytes / options_.shards,
                                             .late_filter_bytes = (16u << 20) / options_.shards,
                                             .checkpoint_interval = options_.checkpoint_interval,
                                             .graph = options_.graph},
                                clock_, documents_, settings_of_, counters_));
    TRY_ASSIGN(const Shard::Restored restored,
               shards_.back()->restore(
                   [&](uint32_t id) {
                     const auto found = partitions_.find(id);
                     return found == partitions_.end() ? nullptr : found->second;
                   },
                   [&](const model::WorkspaceId& id) { return workspace(id); }));
    from = std::min(from, restored.watermark);
  }
  // Statistics, then what became of names since: aliases name flows.
  TRY(documents_.scan("d/", [&](std::string_view key, std::string_view value) {
    const auto id = model::WorkspaceId::parse(key.substr(2, 36));
    if (!id || key.size() < 40) return true;
    const std::string_view rest = key.substr(39);
    if (rest.starts_with("shared/")) return true;
    const size_t slash = rest.find('/');
    const auto index = static_cast<size_t>(std::stoul(std::string(rest.substr(0, slash))));
    if (index < shards_.size())
      outcome = shards_[index]->load_document(workspace(*id), rest.substr(slash + 1), value);
    return outcome.has_value();
  }));
  TRY(outcome);
  TRY(documents_.scan("d/", [&](std::string_view key, std::string_view value) {
    const auto id = model::WorkspaceId::parse(key.substr(2, 36));
    if (!id || !key.substr(39).starts_with("shared/")) return true;
    const std::string_view name = key.substr(39 + 7);
    const auto shared = workspace(*id);
    outcome =
        name.starts_with("trie/") ? shared->tries.load(name, value) : shared->catalog.load_alias(name, value);
    return outcome.has_value();
  }));
  TRY(outcome);

  TRY_ASSIGN(journal_, store::Journal::open(options_.data_directory + "/journal"));
  TRY(journal_->replay(from, [&](const store::JournalEntry& entry) { return replay_entry(entry); }));
  for (auto& [id, partition] : partitions_) partition->journaled = partition->dictionary.log_size();
  remove_unknown_directories();
  return {};
}

// What a crash left of a partition whose document was gone already. When no
// partition is known the documents may be what is missing: touch nothing.
void Engine::remove_unknown_directories() {
  if (partitions_.empty()) return;
  const std::string spans = options_.data_directory + "/spans/";
  for (const std::string& owner : store::list_directory(spans)) {
    if (!model::WorkspaceId::parse(owner)) continue;
    for (const std::string& name : store::list_directory(spans + owner)) {
      uint32_t id = 0;
      const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
      if (error != std::errc() || end != name.data() + name.size() || partitions_.contains(id)) continue;
      std::error_code ignored;
      std::filesystem::remove_all(spans + owner + "/" + name, ignored);
    }
  }
}

// entry: definitions (count; partition, offset, bytes)* · batches (count; partition, arrival, spans, parts
// (count; bytes)*)*
base::Result<void> Engine::replay_entry(const store::JournalEntry& entry) {
  const auto corrupt = [&] {
    return base::fail(base::ErrorCode::kCorrupt,
                      "journal file " + std::to_string(entry.start.file) + ": an entry does not read back");
  };
  base::ByteReader reader(entry.content);
  const uint64_t definitions = reader.varint();
  for (uint64_t i = 0; i < definitions && !reader.failed(); ++i) {
    const auto id = static_cast<uint32_t>(reader.varint());
    // Of a partition that is gone too: its number must not come again while
    // the journal speaks of it.
    next_partition_ = std::max(next_partition_, id + 1);
    const uint64_t offset = reader.varint();
    const std::string_view bytes = reader.sized();
    if (const auto found = partitions_.find(id); found != partitions_.end() && !reader.failed())
      TRY(found->second->dictionary.apply(offset, bytes));
  }
  std::vector<ShardBatch> shard_batches(shards_.size(), ShardBatch{entry.start, entry.end, {}, 0});
  const uint64_t batches = reader.varint();
  for (uint64_t i = 0; i < batches && !reader.failed(); ++i) {
    const auto id = static_cast<uint32_t>(reader.varint());
    next_partition_ = std::max(next_partition_, id + 1);
    const base::UnixNanos arrival = reader.varint();
    const uint64_t spans = reader.varint();
    const uint64_t parts = reader.varint();
    const auto found = partitions_.find(id);
    for (uint64_t part = 0; part < parts && !reader.failed(); ++part) {
      const std::string_view rows = reader.sized();
      if (rows.empty() || found == partitions_.end() || part >= shards_.size()) continue;
      shard_batches[part].parts.push_back(
          {found->second, workspace(found->second->workspace), std::string(rows), arrival});
    }
    if (found != partitions_.end()) {
      found->second->newest_arrival = std::max(found->second->newest_arrival.load(), arrival);
      found->second->spans += spans;
    }
  }
  if (reader.failed()) return corrupt();
  for (size_t i = 0; i < shards_.size(); ++i) shards_[i]->replay(shard_batches[i]);
  return {};
}

// ---- workspaces and partitions -----------------------------------------------

std::shared_ptr<Workspace> Engine::workspace(const model::WorkspaceId& id) {
  const std::scoped_lock lock(mutex_);
  auto& found = workspaces_[id];
  if (!found) found = std::make_shared<Workspace>(id);
  return found;
}

std::shared_ptr<Workspace> Engine::known_workspace(const model::WorkspaceId& id) {
  const std::scoped_lock lock(mutex_);
  const auto found = workspaces_.find(id);
  return found == workspaces_.end() ? nullptr : found->second;
}

base::Result<std::shared_ptr<store::Partition>> Engine::partition_for(Workspace& workspace,
                                                                      base::UnixNanos now) {
  const std::scoped_lock workspace_lock(workspace.mutex);
  if (workspace.current) {
    const base::UnixNanos age = now > workspace.current->created ? now - workspace.current->created : 0;
    const auto limit = static_cast<base::UnixNanos>(std::chrono::nanoseconds(options_.partition_age).count());
    const auto hour = static_cast<base::UnixNanos>(std::chrono::nanoseconds(1h).count());
    const bool full = age >= hour && workspace.current->spans.load() >= options_.partition_spans;
    const bool crowded = age >= kCrowdedAge && workspace.current->dictionary.crowded();
    if (age < limit && !full && !crowded) return workspace.current;
  }
  uint32_t id;
  {
    const std::scoped_lock lock(mutex_);
    id = next_partition_++;
  }
  TRY_ASSIGN(auto partition, store::Partition::open(id, workspace.id,
                                                    options_.data_directory + "/spans/" +
                                                        workspace.id.to_string() + "/" + std::to_string(id),
                                                    options_.shards, now));
  partition->newest_arrival = now;
  // Before the journal mentions it: a partition without document is not replayed.
  TRY(documents_.write({{partition_key(id), encode_partition(*partition)}}));
  workspace.current = partition;
  const std::scoped_lock lock(mutex_);
  partitions_[id] = partition;
  return partition;
}

// ---- taking spans in ---------------------------------------------------------

bool Engine::in_trouble() const {
  return std::ranges::any_of(shards_, [](const auto& shard) { return shard->has_trouble(); });
}

void Engine::submit(const model::WorkspaceId& id, std::string_view request, Done done) {
  if (in_trouble()) {
    counters_.unavailable.fetch_add(1, std::memory_order_relaxed);
    const auto state = ready();
    return done(base::fail(
        base::ErrorCode::kUnavailable,
        "the span store cannot write: " + (state ? std::string("it is recovering") : state.error().message)));
  }
  {
    const std::scoped_lock lock(queue_mutex_);
    if (stopping_) return done(base::fail(base::ErrorCode::kUnavailable, "the server is stopping"));
    if (waiting_bytes_ > options_.max_queued_bytes) {
      counters_.overloaded.fetch_add(1, std::memory_order_relaxed);
      return done(base::fail(base::ErrorCode::kOverloaded,
                             "more spans are waiting than may wait; send them again shortly"));
    }
  }
  const base::UnixNanos now = clock_.now();
  auto shared = workspace(id);
  auto partition = partition_for(*shared, now);
  if (!partition) {
    counters_.unavailable.fetch_add(1, std::memory_order_relaxed);
    return done(std::unexpected(partition.error()));
  }
  thread_local encoding::EncodedBatch encoded;
  encoded.reset(shards_.size());
  if (auto result = encoder_for(*partition).encode(request, encoded); !result) {
    counters_.undecodable.fetch_add(1, std::memory_order_relaxed);
    return done(std::unexpected(result.error()));
  }
  Batch batch;
  batch.outcome.accepted_spans = encoded.spans;
  batch.outcome.rejected_spans = encoded.rejected_ids + encoded.rejected_times;
  batch.outcome.message = outcome_message(encoded);
  counters_.rejected_spans.fetch_add(batch.outcome.rejected_spans, std::memory_order_relaxed);
  counters_.repaired_ids.fetch_add(encoded.repaired_ids, std::memory_order_relaxed);
  counters_.generic_rows.fetch_add(encoded.generic_rows, std::memory_order_relaxed);
  if (encoded.spans == 0) return done(std::move(batch.outcome));
  batch.workspace = std::move(shared);
  batch.partition = std::move(*partition);
  batch.arrival = now;
  batch.spans = encoded.spans;
  for (const std::string& part : encoded.parts) {
    batch.parts.push_back(part);  // exactly as long as it is: the scratch keeps its room
    batch.bytes += part.size();
  }
  batch.done = std::move(done);
  {
    std::unique_lock lock(queue_mutex_);
    if (stopping_) {  // since it was looked at first: nobody may be there to write it
      lock.unlock();
      return batch.done(base::fail(base::ErrorCode::kUnavailable, "the server is stopping"));
    }
    waiting_bytes_ += batch.bytes;
    queue_.push_back(std::move(batch));
  }
  queue_filled_.notify_one();
}

void Engine::run_committer() {
  std::vector<Batch> group;
  for (;;) {
    for (auto& shard : shards_) shard->wait_below(kMaxShardQueueBytes);
    {
      std::unique_lock lock(queue_mutex_);
      queue_filled_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      size_t bytes = 0, count = 0;
      while (count < queue_.size() && (count == 0 || bytes + queue_[count].bytes <= kMaxCommitBytes))
        bytes += queue_[count++].bytes;
      group.assign(std::make_move_iterator(queue_.begin()),
                   std::make_move_iterator(queue_.begin() + static_cast<std::ptrdiff_t>(count)));
      queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(count));
      waiting_bytes_ -= bytes;
      committing_ = true;
    }
    commit(group);
    group.clear();
    const std::scoped_lock lock(queue_mutex_);
    committing_ = false;
  }
}

void Engine::commit(std::vector<Batch>& group) {
  // Definitions are taken after the rows: none can be missing.
  std::vector<std::shared_ptr<store::Partition>> partitions;
  for (const Batch& batch : group)
    if (std::ranges::find(partitions, batch.partition) == partitions.end())
      partitions.push_back(batch.partition);
  std::string head;
  std::vector<std::pair<store::Partition*, uint64_t>> journaled;
  uint64_t definition_count = 0;
  std::string definitions;
  for (const auto& partition : partitions) {
    const uint64_t from = partition->journaled.load();
    const std::string bytes = partition->dictionary.definitions(from);
    if (bytes.empty()) continue;
    ++definition_count;
    base::append_varint(definitions, partition->id);
    base::append_varint(definitions, from);
    base::append_sized(definitions, bytes);
    journaled.emplace_back(partition.get(), from + bytes.size());
  }
  base::append_varint(head, definition_count);
  head += definitions;
  base::append_varint(head, group.size());
  std::vector<std::string> heads;  // of batches and parts; addresses must hold
  heads.reserve(group.size() * (shards_.size() + 1));
  std::vector<std::string_view> pieces{head};
  size_t bytes = head.size();
  for (const Batch& batch : group) {
    std::string& batch_head = heads.emplace_back();
    base::append_varint(batch_head, batch.partition->id);
    base::append_varint(batch_head, batch.arrival);
    base::append_varint(batch_head, batch.spans);
    base::append_varint(batch_head, batch.parts.size());
    pieces.push_back(batch_head);
    for (const std::string& part : batch.parts) {
      std::string& size = heads.emplace_back();
      base::append_varint(size, part.size());
      pieces.push_back(size);
      pieces.push_back(part);
      bytes += part.size();
    }
  }
  auto appended = journal_->append(pieces);
  if (!appended) {
    counters_.unavailable.fetch_add(group.size(), std::memory_order_relaxed);
    {
      const std::scoped_lock lock(queue_mutex_);
      journal_trouble_ = appended.error().message;
    }
    for (Batch& batch : group)
      batch.done(base::fail(base::ErrorCode::kUnavailable, appended.error().message));
    return;
  }
  for (const auto& [partition, upto] : journaled) partition->journaled = upto;
  std::vector<ShardBatch> shard_batches(shards_.size(), ShardBatch{appended->start, appended->end, {}, 0});
  uint64_t spans = 0;
  for (Batch& batch : group) {
    spans += batch.spans;
    batch.partition->spans.fetch_add(batch.spans, std::memory_order_relaxed);
    batch.partition->newest_arrival = std::max(batch.partition->newest_arrival.load(), batch.arrival);
    for (size_t i = 0; i < batch.parts.size(); ++i) {
      if (batch.parts[i].empty()) continue;
      shard_batches[i].bytes += batch.parts[i].size();
      shard_batches[i].parts.push_back(
          {batch.partition, batch.workspace, std::move(batch.parts[i]), batch.arrival});
    }
  }
  for (size_t i = 0; i < shards_.size(); ++i) shards_[i]->push(std::move(shard_batches[i]));
  counters_.received_spans.fetch_add(spans, std::memory_order_relaxed);
  counters_.received_batches.fetch_add(group.size(), std::memory_order_relaxed);
  counters_.commits.fetch_add(1, std::memory_order_relaxed);
  counters_.journal_bytes.fetch_add(bytes, std::memory_order_relaxed);
  for (Batch& batch : group) batch.done(std::move(batch.outcome));
  const std::scoped_lock lock(queue_mutex_);
  journal_trouble_.clear();
}

// ---- housekeeping ------------------------------------------------------------

void Engine::run_housekeeping() {
  auto next_retention = std::chrono::steady_clock::now() + 5s;
  for (;;) {
    {
      std::unique_lock lock(queue_mutex_);
      if (housekeeping_wakes_.wait_for(lock, 1s, [&] { return stopping_; })) return;
    }
    store::JournalPosition needed{UINT64_MAX, 0};
    for (auto& shard : shards_) needed = std::min(needed, shard->saved_watermark());
    journal_->drop_before(needed);
    if (std::chrono::steady_clock::now() < next_retention) continue;
    apply_retention();
    next_retention = std::chrono::steady_clock::now() + 60s;
  }
}

void Engine::apply_retention() {
  const base::UnixNanos now = clock_.now();
  std::vector<std::shared_ptr<store::Partition>> old;
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& [id, partition] : partitions_) {
      const int64_t days = settings_of_(partition->workspace).retention_days;
      if (days == 0) continue;
      const auto keep = static_cast<base::UnixNanos>(days) * 86'400'000'000'000;
      if (partition->newest_arrival.load() + keep < now) old.push_back(partition);
    }
  }
  for (const auto& partition : old) {
    if (const auto owner = known_workspace(partition->workspace)) {
      const std::scoped_lock lock(owner->mutex);
      if (owner->current == partition) owner->current = nullptr;
    }
    remove_partition(partition);
  }
}

void Engine::remove_partition(const std::shared_ptr<store::Partition>& partition) {
  // The document first: without it nothing of the partition is replayed.
  std::vector<store::DocumentWrite> documents{{partition_key(partition->id), std::nullopt}};
  for (uint32_t shard = 0; shard < options_.shards; ++shard)
    documents.push_back({segment_prefix(shard) + std::to_string(partition->id), std::nullopt});
  partition->removed = true;
  for (auto& shard : shards_) {
    const auto lock = shard->lock_for_read();
    shard->drop_partition(partition->workspace, partition->id);
  }
  if (!documents_.write(documents)) return;  // tried again in a minute
  {
    const std::scoped_lock lock(mutex_);
    partitions_.erase(partition->id);
  }
  std::error_code ignored;
  std::filesystem::remove_all(partition->directory, ignored);
}

base::Result<void> Engine::drop_workspace(const model::WorkspaceId& id) {
  std::vector<std::shared_ptr<store::Partition>> partitions;
  {
    const std::scoped_lock lock(mutex_);
    workspaces_.erase(id);
    for (const auto& [number, partition] : partitions_)
      if (partition->workspace == id) partitions.push_back(partition);
  }
  for (const auto& partition : partitions) partition->removed = true;
  for (auto& shard : shards_) {
    const auto lock = shard->lock_for_read();
    shard->drop_workspace(id);
  }
  for (const auto& partition : partitions) remove_partition(partition);
  TRY(documents_.remove_prefix(document_prefix(id)));
  std::error_code ignored;
  std::filesystem::remove_all(options_.data_directory + "/spans/" + id.to_string(), ignored);
  return {};
}

base::Result<void> Engine::ready() const {
  for (const auto& shard : shards_)
    if (shard->has_trouble()) return base::fail(base::ErrorCode::kUnavailable, shard->trouble());
  const std::scoped_lock lock(queue_mutex_);
  if (stopping_) return base::fail(base::ErrorCode::kUnavailable, "the server is stopping");
  if (!journal_trouble_.empty()) return base::fail(base::ErrorCode::kUnavailable, journal_trouble_);
  return {};
}

// ---- flows -------------------------------------------------------------------

struct Engine::LockedBooks {
  std::vector<std::unique_lock<std::mutex>> locks;
  std::vector<const discovery::FlowBook*> books;
};

Engine::LockedBooks Engine::lock_books(const Workspace& workspace) {
  LockedBooks locked;
  for (auto& shard : shards_) {
    locked.locks.push_back(shard->lock_for_read());
    if (ShardWorkspace* here = shard->workspace(workspace.id)) locked.books.push_back(&here->book);
  }
  return locked;
}

base::Result<discovery::FlowPage> Engine::flows(const model::WorkspaceId& id,
                                                const discovery::FlowQuery& query) {
  const auto shared = workspace(id);
  const LockedBooks locked = lock_books(*shared);
  return discovery::list_flows(locked.books, shared->catalog, query);
}

std::optional<discovery::FlowDetail> Engine::flow(const model::WorkspaceId& id, const model::FlowId& flow) {
  const auto shared = workspace(id);
  const LockedBooks locked = lock_books(*shared);
  return discovery::flow_detail(locked.books, shared->catalog, flow);
}

std::vector<discovery::FlowSummary> Engine::flow_variants(const model::WorkspaceId& id,
                                                          const model::FlowId& flow) {
  const auto shared = workspace(id);
  const LockedBooks locked = lock_books(*shared);
  return discovery::flow_variants(locked.books, shared->catalog, flow);
}

std::optional<discovery::FlowHistogram> Engine::flow_histogram(const model::WorkspaceId& id,
                                                               const model::FlowId& flow) {
  const auto shared = workspace(id);
  const LockedBooks locked = lock_books(*shared);
  return discovery::flow_histogram(locked.books, shared->catalog, flow);
}

base::Result<graph::RuntimeGraph> Engine::graph(const model::WorkspaceId& id) {
  const auto shared = workspace(id);
  // A trace counts in one shard: what each says at its own moment fits together.
  std::vector<graph::GraphSnapshot> snapshots;
  for (auto& shard : shards_)
    shard->read([&] {
      if (ShardWorkspace* here = shard->workspace(id)) snapshots.emplace_back(here->graph);
    });
  return graph::runtime_graph(snapshots);
}

discovery::BookTotals Engine::totals(const model::WorkspaceId& id) {
  const auto shared = workspace(id);
  const LockedBooks locked = lock_books(*shared);
  return discovery::book_totals(locked.books, shared->catalog);
}

void Engine::wait_until_taken() {
  for (;;) {
    {
      const std::scoped_lock lock(queue_mutex_);
      if (queue_.empty() && !committing_) break;
    }
    std::this_thread::yield();
  }
  for (auto& shard : shards_) shard->read([] {});
}

}  // namespace testmesh::engine
