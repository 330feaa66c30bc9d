// Which spans become nodes (discovery.md 2.2).
#include <array>
#include <set>
#include <string>

#include "discovery/path_builder.h"

namespace testmesh::discovery {

using model::NodeType;
using model::SpanKind;

// Learning a parameter renames what was resolved before it in this trace, so
// it starts again; others may teach the same tries meanwhile, hence the limit.
void PathBuilder::resolve() {
  for (int attempt = 0; attempt < 8; ++attempt) {
    const uint64_t version = tries_.version();
    subtrees_.clear();
    places_.assign(end_ - begin_, Place());
    const uint32_t entry_service = facts_at(begin_).service;
    for (uint32_t position = begin_; position < end_; ++position) resolve_span(position, entry_service);
    resolved_version_ = version;
    if (tries_.version() == version) return;
  }
}

void PathBuilder::resolve_span(uint32_t position, uint32_t entry_service) {
  Place& here = place(position);
  const FactsId id = span_at(position).facts;
  Facts& facts = facts_[id];
  const bool root = is_root(position);
  const uint32_t parent = (*tree_)[position].parent;
  here.lowest = root ? kNoItem : place(parent).lowest;
  const uint32_t outer_service = root ? entry_service : facts_at(parent).service;
  const bool enters = position == begin_ || facts.service != outer_service;

  // The first four rows. A SERVER span with a route or method is a call that
  // came in, whoever sent it: a service that calls itself shows both ends.
  if (facts.kind == SpanKind::kConsumer && !facts.receives_or_settles) {
    here.touches = true;
    const bool topic_above = here.lowest != kNoItem && facts.topic != kNoNode &&
                             same_node(subtrees_[here.lowest].node, facts.topic);
    if (facts.topic != kNoNode && !topic_above) {
      add_unless_repeated(here, std::array{facts.topic, facts.service_node});
    } else {
      add_unless_repeated(here, std::array{facts.service_node});
    }
  } else if (facts.kind == SpanKind::kServer || (facts.kind == SpanKind::kInternal && enters)) {
    if (facts.route_from_path) refresh_endpoint(facts, id);
    if (facts.endpoint != kNoNode) {
      here.touches = true;
      add_unless_repeated(here, std::array{facts.endpoint});
    } else if (enters) {
      here.touches = true;
      add_unless_repeated(here, std::array{facts.service_node});
    }
  } else if (enters) {
    here.touches = true;
    add_unless_repeated(here, std::array{facts.service_node});
  }
  // No node of the path, but an endpoint of the graph, and named like one.
  if (root && !enters && facts.kind == SpanKind::kInternal && facts.route_from_path)
    refresh_endpoint(facts, id);

  // Rows five and six; names are filled only for the kinds they apply to.
  NodeId resource = facts.database;
  if (resource == kNoNode && facts.kind != SpanKind::kConsumer) resource = facts.topic;
  if (resource == kNoNode) return;
  here.touches = true;
  here.has_peer_row_only = false;
  add_unless_repeated(here, std::array{resource});
}

// Stored flows get the names that the tries have learned.
void PathBuilder::rename(const std::string& service) {
  catalog_.rename(service, [&](const model::PathNode& node) {
    const std::string_view identifier = node.identifier;
    const size_t space = identifier.find(' ');
    if (space == std::string_view::npos) return node.identifier;
    return endpoint_name(identifier.substr(0, space), tries_.apply(service, identifier.substr(space + 1)));
  });
}

// A shard that renames flows right before this one makes another under an old
// name would miss it.
void PathBuilder::rename_if_stale(std::span<const model::PathNode> nodes, std::span<const TreeNode> shape) {
  if (tries_.version() == resolved_version_) return;
  std::set<std::string> services;
  for (size_t i = 0; i < nodes.size(); ++i)
    if (shape[i].from_path) services.insert(nodes[i].service);
  for (const std::string& service : services) rename(service);
}

// Once per name and version of the tries.
void PathBuilder::refresh_endpoint(Facts& facts, FactsId id) {
  if (facts.trie_version == tries_.version()) return;
  const FactsTable::Source& source = facts_.source(id);
  bool changed = false;
  const std::string route = tries_.observe(source.service, source.route, changed);
  if (changed) rename(source.service);
  // Read after observing: a change made by this very call is included.
  facts.trie_version = tries_.version();
  facts.endpoint =
      facts_.nodes().intern(NodeType::kApiEndpoint, endpoint_name(source.method, route), source.service);
  facts_.nodes().entry(facts.endpoint).from_path = true;
}

bool PathBuilder::same_node(NodeId a, NodeId b) const {
  if (a == b) return true;
  const NodeTable& nodes = facts_.nodes();
  return nodes[a].type == NodeType::kTopic && nodes[a].text == nodes[b].text;
}

// Nodes that only repeat the last ones above them are nested instrumentation
// or recursion.
void PathBuilder::add_unless_repeated(Place& here, std::span<const NodeId> nodes) {
  uint32_t above = here.lowest;
  size_t repeated = 0;
  while (repeated < nodes.size() && above != kNoItem &&
         same_node(subtrees_[above].node, nodes[nodes.size() - 1 - repeated])) {
    above = subtrees_[above].owner;
    ++repeated;
  }
  if (repeated == nodes.size()) return;
  for (const NodeId node : nodes) {
    here.lowest = subtrees_.add(node, here.lowest);
    here.own[here.own_count++] = here.lowest;
  }
}

// Row seven, when everything below is known.
void PathBuilder::add_peer(uint32_t position) {
  Place& here = place(position);
  const Facts& facts = facts_at(position);
  if (facts.kind != SpanKind::kClient || facts.peer == kNoNode) return;
  if (!here.has_peer_row_only || here.touches_below) return;
  if (here.lowest != kNoItem) {
    const NodeType above = facts_.nodes()[subtrees_[here.lowest].node].type;
    if (above == NodeType::kDatabase || above == NodeType::kTopic) return;
  }
  here.touches = true;
  const uint32_t before = here.own_count;
  add_unless_repeated(here, std::array{facts.peer});
  here.own_peer = here.own_count > before;
}

}  // namespace testmesh::discovery
