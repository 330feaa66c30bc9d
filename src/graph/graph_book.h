// What traffic shows, counted (discovery.md 5): one book per shard and
// workspace; a question is answered from snapshots of all of a workspace's books.
//
// Everything added can be taken away again (a late span changes who called
// whom). `first_seen` and `last_seen` of what remains may then still be those
// of a span that has moved.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "discovery/trace_analyzer.h"
#include "graph/system_graph.h"

namespace testmesh::graph {

// Distinct (caller, callee, endpoint) and the like in one book; what is new past it is
// counted in RuntimeGraph::not_counted.
inline constexpr size_t kMaxCells = 100'000;

inline constexpr std::string_view kDocumentPrefix = "graph/";

// Single-threaded. `analyzer` outlives it.
class GraphBook {
 public:
  GraphBook(const discovery::TraceAnalyzer& analyzer, const discovery::NameTries& tries);
  ~GraphBook();

  // The spans of one trace and what the analyzer made of them.
  void add(std::span<const discovery::SpanInput>, const discovery::TraceAnalysis&);
  void remove(std::span<const discovery::SpanInput>, const discovery::TraceAnalysis&);

  // Documents changed since the last call, keys "graph/…"; and back, in any
  // order, those of several books becoming one. kCorrupt for what does not read.
  void take_dirty(const discovery::DocumentSink&);
  base::Result<void> load(std::string_view key, std::string_view value);

  // Spans to take away that were not there; zero unless the caller took away
  // what it had not added.
  uint64_t mismatched_removals() const;
  uint64_t not_counted() const;  // RuntimeGraph
  size_t memory_bytes() const;

  struct Impl;
  const Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

// A copy of what a book holds: quickly made under the book's lock, answered
// from without it. The tries outlive it.
class GraphSnapshot {
 public:
  explicit GraphSnapshot(const GraphBook&);
  GraphSnapshot(GraphSnapshot&&) noexcept;
  ~GraphSnapshot();

  struct Impl;
  const Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<const Impl> impl_;
};

RuntimeGraph runtime_graph(std::span<const GraphSnapshot>);

}  // namespace testmesh::graph
