// The record codec: traces in, chunks of bytes out, and back. Nothing else
// knows how a record is laid out or compressed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "encoding/dictionary.h"
#include "encoding/row.h"

namespace testmesh::store {

// One span as a record holds it.
struct RecordSpan {
  encoding::Row row;    // parent filled in; views into the record's bytes
  int32_t parent = -1;  // position in the record; -1: none here
};

// A trace's record, decoded; owns the bytes its rows point to.
struct Record {
  std::shared_ptr<const std::string> bytes;
  std::vector<RecordSpan> spans;
};

inline constexpr uint32_t kMaxTracesPerChunk = 4095;
inline constexpr size_t kChunkBytes = 128 << 10;  // a chunk is closed when it has grown past this

// A chunk being filled.
struct ChunkBuilder {
  std::string ids;    // span ids, 8 bytes each
  std::string table;  // per trace: varint body size, varint spans
  std::string body;
  uint32_t traces = 0;
  base::UnixNanos base = 0;  // starts count from here: the first trace's first span

  // `rows` in order, parents before children; `parents` parallel (-1: none
  // here).
  void add(const std::vector<encoding::Row>& rows, const std::vector<int32_t>& parents);
  void clear();
  size_t raw_bytes() const { return ids.size() + table.size() + body.size(); }
};

// An opened chunk. Immutable.
class Chunk {
 public:
  static base::Result<std::shared_ptr<const Chunk>> parse(std::string_view bytes);  // as written to .rec
  static std::shared_ptr<const Chunk> from(const ChunkBuilder&);
  static base::Result<std::shared_ptr<const Chunk>> of_parts(std::string ids, std::string_view table,
                                                             std::string body, base::UnixNanos base);

  uint32_t traces() const { return static_cast<uint32_t>(places_.size()); }
  base::Result<Record> record(const encoding::Dictionary&, uint32_t ordinal) const;

 private:
  struct Place {
    uint32_t body, body_size, first_id, spans;
  };
  base::Result<void> index(std::string_view table);
  std::string ids_;
  base::UnixNanos base_ = 0;
  std::shared_ptr<const std::string> body_ = std::make_shared<const std::string>();
  std::vector<Place> places_;
};

std::string compress_chunk(const ChunkBuilder&);  // as stored, checksummed

// The size of a stored chunk, from its first kChunkHeader bytes.
inline constexpr size_t kChunkHeader = 40;
base::Result<uint64_t> chunk_size(std::string_view head);

}  // namespace testmesh::store
