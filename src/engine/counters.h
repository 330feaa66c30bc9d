// Every count the engine keeps, with its meaning: what /metrics shows.
#pragma once

#include <atomic>
#include <cstdint>

namespace testmesh::engine {

struct Counters {
  std::atomic<uint64_t> received_spans{0};    // accepted and durable, repeats included
  std::atomic<uint64_t> received_batches{0};  // requests with spans, durable
  std::atomic<uint64_t> rejected_spans{0};    // bad ids or times
  std::atomic<uint64_t> repaired_ids{0};      // parent and link ids of a wrong length, cleared
  std::atomic<uint64_t> generic_rows{0};      // spans spelled out because a dictionary table was full
  std::atomic<uint64_t> undecodable{0};       // requests refused whole
  std::atomic<uint64_t> overloaded{0};        // requests refused because a queue was full
  std::atomic<uint64_t> unavailable{0};       // requests refused because of disk trouble
  std::atomic<uint64_t> commits{0};           // journal writes
  std::atomic<uint64_t> journal_bytes{0};     // written to the journal
  std::atomic<uint64_t> stored_spans{0};      // distinct spans written to segments
  std::atomic<uint64_t> duplicate_spans{0};   // dropped: same trace and span id as a stored one
  std::atomic<uint64_t> closed_traces{0};     // first closings
  std::atomic<uint64_t> reopened_traces{0};   // traces closed again because of late spans
  std::atomic<uint64_t> early_parts{0};  // closed early: over the memory cap, too old, or the partition ended
  std::atomic<uint64_t> cycles_cut{0};   // parent cycles cut
  std::atomic<uint64_t> uncounted_traces{0};   // completed while auto_discovery was off
  std::atomic<uint64_t> graph_not_counted{0};  // spans left out of the System Graph because it was full
  std::atomic<uint64_t> graph_mismatches{0};   // spans taken back from it that were not in it: 0, or a bug
  std::atomic<uint64_t> lost_rows{0};          // rows that did not read back: always 0, or a bug
  std::atomic<uint64_t> checkpoints{0};
  std::atomic<uint64_t> store_failures{0};  // writes that failed and are tried again
  std::atomic<uint64_t> open_traces{0};     // gauge
  std::atomic<uint64_t> open_spans{0};      // gauge
  std::atomic<uint64_t> open_bytes{0};      // gauge: memory of open traces
  std::atomic<uint64_t> queued_bytes{0};    // gauge: between receipt and assembly
};

}  // namespace testmesh::engine
