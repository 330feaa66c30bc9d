// Inside of FlowBook, shared by flow_book.cc and flow_query.cc.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "discovery/flow_stats.h"

namespace testmesh::discovery {

struct FlowEntry {
  explicit FlowEntry(const FlowIdentity* identity) : flow(identity), stats(identity->nodes.size()) {}

  const FlowIdentity* flow;
  FlowStats stats;
  FlowHistory history;
  uint64_t born = 0;  // FlowBook::born
  bool dirty = false;
  bool stored = false;  // documents of it were written, or read
};

// The nodes of the entry's latest trace as those of `resolved`, what its flow
// has become; null: that flow's own. Nullopt: some of them became one.
std::optional<NodeList> shown_as(const FlowEntry& entry, const Resolved& resolved);

struct FlowBook::Impl {
  explicit Impl(const FlowCatalog& flow_catalog) : catalog(flow_catalog), reader(flow_catalog) {}

  // A new one is born now: settle first.
  FlowEntry& entry(const FlowIdentity* flow);
  FlowEntry* find(const FlowIdentity* flow) const;
  void mark(FlowEntry& entry);
  // Moves what `from` holds into what its flow has become.
  void fold(FlowEntry& from, const Resolved& resolved);
  // The documents of an entry go, and soon the entry itself.
  void discard(FlowEntry& entry);
  void erase_discarded();
  bool settle();
  base::Result<void> load_dropped(std::string_view value);
  uint64_t& dropped_of(TraceClass trace_class) {
    drops_changed = true;
    return trace_class == TraceClass::kTest ? dropped.tests : dropped.traces;
  }

  const FlowCatalog& catalog;
  FlowCatalog::Reader reader;
  DroppedCounts dropped;
  uint64_t drops = 0;  // how often flows gave way, as this book saw it
  bool drops_changed = false;
  uint64_t folded = 0;  // the catalog's alias_version when aliases were folded; ~0: again
  std::vector<const FlowIdentity*> discarded;
  // An entry without traces stays until take_dirty has deleted its documents.
  boost::unordered_flat_map<const FlowIdentity*, std::unique_ptr<FlowEntry>> entries;
  std::vector<FlowEntry*> dirty;
  std::vector<uint32_t> calls;         // scratch
  std::vector<std::string> gone_keys;  // flows that became others
  // Series loaded before their flow.
  std::map<model::FlowId, FlowHistory> waiting;
  base::UnixNanos now = 0;    // of the last take_dirty
  uint32_t expired_hour = 0;  // when hours were last looked through
  uint64_t mismatches = 0;
};

}  // namespace testmesh::discovery
