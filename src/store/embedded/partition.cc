#include "store/embedded/partition.h"

namespace testmesh::store {

Partition::Partition(uint32_t partition_id, const model::WorkspaceId& workspace_id, std::string path,
                     base::UnixNanos created_at)
    : id(partition_id), workspace(workspace_id), directory(std::move(path)), created(created_at) {}

base::Result<std::shared_ptr<Partition>> Partition::open(uint32_t id, const model::WorkspaceId& workspace,
                                                         std::string directory, uint32_t shards,
                                                         base::UnixNanos created) {
  TRY(make_directories(directory));
  auto partition = std::make_shared<Partition>(id, workspace, std::move(directory), created);
  TRY_ASSIGN(
      partition->model_log_,
      AppendLog::open(partition->directory + "/model.log", [&](std::string_view block) -> base::Result<void> {
        TRY(partition->dictionary.apply(partition->saved_, block));
        partition->saved_ += block.size();
        return {};
      }));
  partition->dictionary.forget_log_before(partition->saved_);
  partition->journaled = partition->saved_;
  for (uint32_t shard = 0; shard < shards; ++shard) {
    TRY_ASSIGN(auto kinds,
               TraceKinds::open(partition->directory + "/kinds-" + std::to_string(shard) + ".log"));
    partition->kinds_.push_back(std::move(kinds));
  }
  TRY(sync_directory(partition->directory));
  return partition;
}

base::Result<void> Partition::save_definitions() {
  const std::scoped_lock lock(log_mutex_);
  const std::string definitions = dictionary.definitions(saved_);
  if (!definitions.empty()) {
    TRY(model_log_.append(definitions));
    saved_ += definitions.size();  // appended once, whatever becomes of the sync
    unsynced_ = true;
  }
  if (!unsynced_) return {};
  TRY(model_log_.sync());
  unsynced_ = false;
  // The journal may still need what it has not been given yet.
  dictionary.forget_log_before(std::min(saved_, journaled.load()));
  return {};
}

void Partition::add_segment(SealedSegment segment) {
  const std::scoped_lock lock(mutex_);
  segments_.push_back(std::move(segment));
}

std::vector<SealedSegment> Partition::segments() const {
  const std::scoped_lock lock(mutex_);
  return segments_;
}

}  // namespace testmesh::store
