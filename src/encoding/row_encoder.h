// OTLP protobuf -> rows, in one pass over the wire: the hot path of ingest.
//
// A RowEncoder belongs to one thread and one dictionary and keeps that
// thread's own lookup tables, so that a span whose shape and values are known
// takes no lock and allocates nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "encoding/dictionary.h"

namespace testmesh::encoding {

// Rows of one request, split by the shard that owns each trace.
//   part  := group*      group := trace id 16 · u32 bytes · u32 rows · (varint size · row)*
struct EncodedBatch {
  std::vector<std::string> parts;  // one a shard
  uint64_t spans = 0;
  uint64_t rejected_ids = 0;    // zero or wrong-length trace or span id
  uint64_t rejected_times = 0;  // end before start
  uint64_t repaired_ids = 0;    // parent or link ids of a wrong length, cleared
  uint64_t generic_rows = 0;    // spelled out: a table was full
  void reset(size_t shards);
};

inline constexpr size_t kGroupHeader = 24;

inline size_t shard_of(uint64_t trace_hash, size_t shards) { return (trace_hash >> 32) * shards >> 32; }

class RowEncoder {
 public:
  explicit RowEncoder(Dictionary& dictionary);
  ~RowEncoder();

  // All of the request or, when it is not what libprotobuf would accept as an
  // ExportTraceServiceRequest, nothing (kInvalidArgument; `batch` is then
  // unspecified).
  base::Result<void> encode(std::string_view request, EncodedBatch& batch);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace testmesh::encoding
