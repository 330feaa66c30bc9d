#include "graph/layers.h"

#include <algorithm>
#include <span>
#include <tuple>

namespace testmesh::graph {
namespace {

const NodeKey& node_key(const LayerNode& node) { return node.key; }
auto edge_key(const LayerEdge& edge) { return std::tie(edge.source, edge.target, edge.type); }

bool declares(std::span<const LayerNode> sorted_nodes, const NodeKey& key) {
  return std::ranges::binary_search(sorted_nodes, key, {}, node_key);
}

template <typename Item, typename Key>
bool ascends(const std::vector<Item>& items, const Key& key) {
  return std::ranges::adjacent_find(items, [&](const Item& a, const Item& b) { return key(b) <= key(a); }) ==
         items.end();
}

// Sorts, and joins neighbours of one key; a later one's properties win.
template <typename Item, typename Key>
void sort_and_join(std::vector<Item>& items, const Key& key) {
  std::ranges::stable_sort(items, [&](const Item& a, const Item& b) { return key(a) < key(b); });
  size_t kept = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    if (kept > 0 && key(items[kept - 1]) == key(items[i])) {
      for (auto& [name, value] : items[i].properties)
        items[kept - 1].properties.insert_or_assign(name, std::move(value));
      continue;
    }
    if (kept != i) items[kept] = std::move(items[i]);
    ++kept;
  }
  items.resize(kept);
}

}  // namespace

void normalise(LayerContent& content) {
  sort_and_join(content.nodes, node_key);
  sort_and_join(content.edges, edge_key);
  std::vector<NodeKey> missing;
  for (const LayerEdge& edge : content.edges)
    for (const NodeKey* end : {&edge.source, &edge.target})
      if (!declares(content.nodes, *end)) missing.push_back(*end);
  if (missing.empty()) return;
  for (NodeKey& key : missing) content.nodes.push_back({std::move(key), {}});
  sort_and_join(content.nodes, node_key);
}

bool is_normal(const LayerContent& content) {
  return ascends(content.nodes, node_key) && ascends(content.edges, edge_key) &&
         std::ranges::all_of(content.edges, [&](const LayerEdge& edge) {
           return declares(content.nodes, edge.source) && declares(content.nodes, edge.target);
         });
}

}  // namespace testmesh::graph
