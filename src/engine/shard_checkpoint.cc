// A shard's checkpoint: what belongs together after a crash, saved in one batch
// of documents, and taken up again at a start.

#include <algorithm>
#include <cstring>

#include "base/varint.h"
#include "engine/shard.h"

namespace testmesh::engine {

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
    tell_dropped(*workspace);
    workspace->graph.take_dirty(keep(prefix + std::to_string(options_.index) + "/"));
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
  if (key.starts_with(graph::kDocumentPrefix)) return workspace->graph.load(key, value);
  TRY(workspace->book.load(shared->catalog, key, value));
  workspace->told = workspace->book.dropped();  // what earlier runs dropped is not new
  return {};
}

std::string checkpoint_key(uint32_t shard) { return "shard/" + std::to_string(shard); }

std::string segment_prefix(uint32_t shard) { return "segment/" + std::to_string(shard) + "/"; }

std::string document_prefix(const model::WorkspaceId& workspace) {
  return "d/" + workspace.to_string() + "/";
}

}  // namespace testmesh::engine
