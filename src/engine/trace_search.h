// Search over stored and open traces: the summaries first, newest first, and
// into the spans only where they cannot tell.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/shard.h"
#include "model/flow.h"
#include "store/telemetry_store.h"

namespace testmesh::engine {

// A trace's rows in tree order, and what analysing them told. Owns what the
// rows point into.
struct TraceRows {
  struct Span {
    const store::Partition* partition = nullptr;
    const encoding::Row* row = nullptr;
    int64_t parent = -1;
    std::string operation = {};  // as discovery names it
  };
  std::vector<TracePart> parts;
  std::vector<Span> spans;
  store::TraceSummary summary;  // without trace_id
  std::vector<model::PathNode> path;
  std::vector<store::PathVisit> visits;
  std::vector<store::PathPart> path_parts;
  std::optional<store::TraceLine> line;  // the one that speaks for the stored parts
  bool open = false;
};

// Under the shard's lock.
TraceRows gather_rows(Shard&, ShardWorkspace&, std::vector<TracePart> parts);

base::Result<std::vector<model::Span>> decode_rows(const model::TraceId&,
                                                   const std::vector<TraceRows::Span>&);

}  // namespace testmesh::engine
