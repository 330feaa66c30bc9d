// Interned names: what spans are called, as small numbers that compare at once.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "discovery/list_hash.h"
#include "discovery/name_tries.h"
#include "discovery/names.h"
#include "discovery/trace_analyzer.h"
#include "model/flow.h"

namespace testmesh::discovery {

using NodeId = uint32_t;
inline constexpr NodeId kNoNode = UINT32_MAX;

struct NodeEntry {
  ListHash hash;      // of this node alone
  uint32_t text = 0;  // equal for equal type and identifier
  model::NodeType type = model::NodeType::kService;
  bool from_path = false;  // its route comes from a path; as first met
};

// (type, identifier, service) <-> number.
class NodeTable {
 public:
  NodeId intern(model::NodeType type, std::string_view identifier, std::string_view service);
  const NodeEntry& operator[](NodeId id) const { return entries_[id]; }
  NodeEntry& entry(NodeId id) { return entries_[id]; }
  const model::PathNode& node(NodeId id) const { return nodes_[id]; }
  // `type:identifier` as the path string writes it.
  const std::string& text(NodeId id) const { return texts_[entries_[id].text]; }

  size_t size() const { return entries_.size(); }
  size_t text_bytes() const { return text_bytes_; }
  void clear();

 private:
  const HashSeed seed_;
  std::vector<NodeEntry> entries_;
  std::deque<model::PathNode> nodes_;  // views of them stay valid
  std::vector<std::string> texts_;
  std::unordered_map<std::string, uint32_t> text_ids_;
  std::unordered_map<std::string, NodeId> ids_;  // text id and service
  size_t text_bytes_ = 0;
  std::string key_;
};

struct Facts {
  model::SpanKind kind = model::SpanKind::kInternal;  // one of the five
  bool receives_or_settles = false;
  bool route_from_path = false;
  bool is_test = false;
  bool is_resend = false;
  bool writes = false;  // to `database`
  uint32_t service = 0;    // equal for equal service names
  uint32_t operation = 0;  // equal for equal service, kind and templated span name
  uint32_t place = 0;      // equal for equal environment and service
  NodeId service_node = kNoNode;
  NodeId endpoint = kNoNode;  // route_from_path: as of `trie_version`
  NodeId database = kNoNode;
  NodeId topic = kNoNode;  // CONSUMER: the destination; others: only if the span sends
  NodeId peer = kNoNode;
  uint64_t trie_version = UINT64_MAX;
};

// Bounded: emptied when it is full, which starts a new epoch.
class FactsTable {
 public:
  // `tries` is asked, not taught: what it knows to be a parameter is not told
  // apart, so that ids of any form make one entry.
  FactsId intern(const SpanDescription& description, const NameTries& tries);
  Facts& operator[](FactsId id) { return facts_[id]; }
  const Facts& operator[](FactsId id) const { return facts_[id]; }

  struct Source {
    std::string environment, service, operation;
    std::string method, route;  // only while route_from_path
    std::string database_system;
  };
  const Source& source(FactsId id) const { return sources_[id]; }

  NodeTable& nodes() { return nodes_; }
  const NodeTable& nodes() const { return nodes_; }
  uint64_t epoch() const { return epoch_; }
  size_t memory_bytes() const;

 private:
  bool full() const;
  uint32_t number_of(std::string_view text);

  std::vector<Facts> facts_;
  std::deque<Source> sources_;  // views of them stay valid
  std::unordered_map<std::string, FactsId> ids_;
  std::unordered_map<std::string, uint32_t> numbers_;
  NodeTable nodes_;
  uint64_t epoch_ = 0;
  size_t text_bytes_ = 0;
  std::string key_, part_;
};

}  // namespace testmesh::discovery
