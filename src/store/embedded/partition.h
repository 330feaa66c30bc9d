// A stretch of time of one workspace: a directory with the dictionary its rows
// use and the segments that hold its traces. Retention removes whole
// partitions, dictionary included.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "encoding/dictionary.h"
#include "model/ids.h"
#include "store/embedded/append_log.h"
#include "store/embedded/segment.h"
#include "store/embedded/trace_kinds.h"

namespace testmesh::store {

struct SealedSegment {
  uint32_t shard = 0, number = 0;
  std::shared_ptr<const Segment> segment;
};

// Thread-safe.
class Partition {
 public:
  // Creates or reads the directory; segments are added by the shards.
  static base::Result<std::shared_ptr<Partition>> open(uint32_t id, const model::WorkspaceId&,
                                                       std::string directory, uint32_t shards,
                                                       base::UnixNanos created);

  const uint32_t id;
  const model::WorkspaceId workspace;
  const std::string directory;
  const base::UnixNanos created;
  encoding::Dictionary dictionary;
  std::atomic<base::UnixNanos> newest_arrival{0};
  std::atomic<uint64_t> spans{0};  // received
  std::atomic<uint64_t> journaled{
      0};  // bytes of the dictionary's log that are in the journal; committer only writes
  std::atomic<bool> removed{false};  // its files are gone or about to go: rows still on their way are dropped
  TraceKinds& kinds(uint32_t shard) { return *kinds_[shard]; }

  // Writes the dictionary's new definitions to model.log, synced.
  base::Result<void> save_definitions();

  void add_segment(SealedSegment);
  std::vector<SealedSegment> segments() const;  // oldest first

  Partition(uint32_t id, const model::WorkspaceId&, std::string directory, base::UnixNanos created);

 private:
  std::mutex log_mutex_;
  AppendLog model_log_;
  uint64_t saved_ = 0;     // bytes of the dictionary's log that are in model_log_
  bool unsynced_ = false;  // some of them perhaps not on disk
  std::vector<std::unique_ptr<TraceKinds>> kinds_;
  mutable std::mutex mutex_;
  std::vector<SealedSegment> segments_;
};

}  // namespace testmesh::store
