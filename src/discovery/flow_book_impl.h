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
  bool dirty = false;
};

// The nodes of the entry's latest trace as those of `resolved`, what its flow
// has become; null: that flow's own. Nullopt: some of them became one.
std::optional<NodeList> shown_as(const FlowEntry& entry, const Resolved& resolved);

struct FlowBook::Impl {
  explicit Impl(const FlowCatalog& flow_catalog) : catalog(flow_catalog) {}

  FlowEntry& entry(const FlowIdentity* flow);
  FlowEntry* find(const FlowIdentity* flow) const;
  void mark(FlowEntry& entry);

  const FlowCatalog& catalog;
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
