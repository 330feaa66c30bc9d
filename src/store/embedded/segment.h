// Closed traces of one partition and shard, in segments.
//
//   s<shard>-<n>.rec   chunks of records: span ids raw, the rest zstd
//   s<shard>-<n>.act   while the segment grows: one fixed-size line a trace
//   s<shard>-<n>.ids   once sealed: Bloom filter, sorted trace ids with their
//                      place, chunk offsets
//   s<shard>-<n>.sum   once sealed: one summary a trace, in blocks, zstd
//
// Only the owner's checkpoint makes anything durable: it syncs the files and
// keeps their lengths; what lies behind those lengths after a crash is cut off
// and written again from the journal.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "encoding/row.h"
#include "model/ids.h"
#include "store/embedded/chunk.h"
#include "store/embedded/file.h"

namespace testmesh::store {

// What search needs of a trace without decoding it.
struct TraceLine {
  static constexpr uint8_t kError = 1;  // some span failed
  static constexpr uint8_t kTest = 2;
  static constexpr uint8_t kPartial = 4;
  static constexpr uint8_t kCounted = 8;    // its flows' statistics have it
  static constexpr uint8_t kHasOlder = 16;  // spans of it were stored before; this line speaks for all
  static constexpr uint8_t kGraphed = 32;   // the System Graph has it

  model::TraceId id;
  uint32_t chunk = 0, ordinal = 0;  // where the record is
  base::UnixNanos start = 0;        // the entry's
  uint64_t duration_ns = 0;
  uint32_t spans = 0, errors = 0;
  uint32_t kind = 0;  // TraceKinds
  uint8_t flags = 0;
};

inline constexpr size_t kMaxTracesPerSegment = 131'072;
inline constexpr uint64_t kMaxSegmentBytes = 256ull << 20;

// A sealed segment. Thread-safe, immutable.
class Segment {
 public:
  Segment() = default;
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;
  ~Segment();
  static base::Result<std::shared_ptr<const Segment>> open(const std::string& directory, uint32_t shard,
                                                           uint32_t number);

  uint32_t traces() const { return traces_; }
  uint64_t spans() const { return spans_; }
  base::UnixNanos min_start() const { return min_start_; }
  base::UnixNanos max_start() const { return max_start_; }

  struct Place {
    uint32_t chunk, ordinal;
  };
  // Every place with that id (a trace may come in parts). Reads a filter block
  // and, rarely, a few directory pages.
  base::Result<std::vector<Place>> find(const model::TraceId&) const;
  base::Result<std::shared_ptr<const Chunk>> chunk(uint32_t number) const;
  base::Result<TraceLine> line(Place place, const model::TraceId& id) const;
  // Summaries in closing order, ids included.
  base::Result<void> for_each_line(const std::function<void(const TraceLine&)>& visit) const;
  base::Result<void> for_each_id(const std::function<void(const model::TraceId&)>& visit) const;

 private:
  base::Result<std::string> line_block(size_t block) const;
  base::Result<bool> may_hold(const model::TraceId&) const;
  File records_, ids_, lines_;
  // In memory while all filters together stay within their budget; else a
  // block of it is read when asked.
  std::string filter_;
  uint32_t filter_bytes_ = 0;
  std::vector<uint64_t> chunk_offsets_;  // one more than chunks
  std::vector<uint32_t> first_lines_;    // of each chunk, and the number of lines
  std::vector<uint64_t> block_offsets_;  // of .sum
  uint64_t directory_offset_ = 0;
  uint32_t traces_ = 0;
  uint64_t spans_ = 0;
  base::UnixNanos min_start_ = 0, max_start_ = 0;
};

// Where a growing segment stands, as a checkpoint keeps it.
struct SegmentState {
  uint32_t number = 0;
  uint64_t record_bytes = 0;  // of .rec
  uint64_t lines = 0;         // of .act
  ChunkBuilder tail;          // the chunk not yet written
};

// The segment being written. Single-threaded under its owner's lock.
class SegmentWriter {
 public:
  // Starts anew, or from what a checkpoint kept (cuts the files back).
  static base::Result<SegmentWriter> open(std::string directory, uint32_t shard, SegmentState state);

  // Adds a record; `line`'s id, figures and kind are the caller's, its place is
  // set here. Refuses (nothing added) only when the growing chunk is full to the
  // last and cannot be written; a write that failed before that is told by
  // take_failure() and tried again at the next call.
  base::Result<void> add(const std::vector<encoding::Row>& rows, const std::vector<int32_t>& parents,
                         TraceLine line);
  std::optional<base::Error> take_failure() { return std::exchange(failure_, std::nullopt); }
  bool full() const { return lines_.size() >= kMaxTracesPerSegment || record_bytes_ >= kMaxSegmentBytes; }
  bool empty() const { return lines_.empty(); }

  // Writes .ids and .sum; the writer is then empty and on the next number. The
  // .act file stays until forget_sealed().
  base::Result<std::shared_ptr<const Segment>> seal();
  // Makes everything before now durable, and tells where it stands.
  base::Result<SegmentState> checkpoint();
  void forget_sealed();

  const std::vector<TraceLine>& lines() const { return lines_; }
  std::vector<uint32_t> find(const model::TraceId&) const;  // indexes into lines(), oldest first
  base::Result<std::shared_ptr<const Chunk>> chunk(uint32_t number) const;
  uint32_t number() const { return number_; }
  size_t memory_bytes() const;

 private:
  base::Result<void> open_records();
  base::Result<void> flush_chunk();
  void index_line(uint32_t line);
  std::string path(std::string_view extension, uint32_t number) const;

  std::string directory_;
  uint32_t shard_ = 0, number_ = 0;
  File records_, active_;
  uint64_t record_bytes_ = 0;
  uint64_t saved_lines_ = 0;
  bool dirty_ = false;
  bool new_files_ = false;  // made since the directory was synced
  std::optional<base::Error> failure_;
  ChunkBuilder tail_;
  std::vector<uint64_t> chunk_offsets_{0};
  std::vector<TraceLine> lines_;
  struct Index;
  std::shared_ptr<Index> index_;
  std::vector<std::string> sealed_active_files_;
};

}  // namespace testmesh::store
