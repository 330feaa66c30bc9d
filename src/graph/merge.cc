#include "graph/merge.h"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <unordered_map>

#include "graph/identity.h"

namespace testmesh::graph {
namespace {

constexpr size_t index_of(LayerName layer) { return static_cast<size_t>(layer); }

// The values of one layer; the first to give a property keeps it.
void know(Merged& merged, LayerName layer, const Properties& properties) {
  auto& known = merged.layers[index_of(layer)];
  if (known)
    known->insert(properties.begin(), properties.end());
  else
    known = properties;
}

// Finds what a name means by keys of falling precision. The first node that
// registers a key keeps it.
class Identities {
 public:
  static constexpr size_t kLevels = 3;

  // The node that `key` means at one level: 0 is the name itself.
  std::optional<uint32_t> find(const NodeKey& key, std::string_view system, size_t level) const {
    if (key.type == NodeType::kDatabase) return level == 0 ? find_database(key, system) : std::nullopt;
    const std::string name = name_at(key, level);
    if (name.empty()) return std::nullopt;
    return look_up(key.type == NodeType::kApiEndpoint && key.service.empty()
                       ? "?" + name
                       : text(key.type, key.service, name));
  }

  std::optional<uint32_t> find(const NodeKey& key, std::string_view system) const {
    for (size_t level = 0; level < kLevels; ++level)
      if (const auto found = find(key, system, level)) return found;
    return std::nullopt;
  }

  void add(const NodeKey& key, std::string_view system, uint32_t node) {
    if (key.type == NodeType::kDatabase) {
      ++databases_[key.name];
      nodes_.try_emplace(text(key.type, {}, key.name), node);
      add_system(key, system, node);
      return;
    }
    for (size_t level = 0; level < kLevels; ++level) {
      const std::string name = name_at(key, level);
      if (name.empty()) continue;
      nodes_.try_emplace(text(key.type, key.service, name), node);
      if (key.type == NodeType::kApiEndpoint) nodes_.try_emplace("?" + name, node);
    }
  }

  // A database's system that was not known when it was added.
  void add_system(const NodeKey& key, std::string_view system, uint32_t node) {
    if (!system.empty()) nodes_.try_emplace(text(key.type, system, key.name), node);
  }

 private:
  // Empty: nothing that the levels before did not say. A first character keeps
  // the levels apart.
  static std::string name_at(const NodeKey& key, size_t level) {
    if (level == 0) return "=" + key.name;
    if (key.type == NodeType::kApiEndpoint)
      return level == 1 ? "/" + templated_endpoint(key.name) : ":" + anonymous_endpoint(key.name);
    return key.type == NodeType::kService && level == 1 ? "~" + folded_service(key.name) : std::string();
  }

  static std::string text(NodeType type, std::string_view owner, std::string_view name) {
    std::string text(1, static_cast<char>('a' + static_cast<int>(type)));
    if (type != NodeType::kService) text.append(std::to_string(owner.size())).append(":").append(owner);
    return text.append(name);
  }

  std::optional<uint32_t> look_up(const std::string& text) const {
    const auto found = nodes_.find(text);
    return found == nodes_.end() ? std::nullopt : std::optional(found->second);
  }

  std::optional<uint32_t> find_database(const NodeKey& key, std::string_view system) const {
    if (!system.empty()) {
      if (const auto found = look_up(text(key.type, system, key.name))) return found;
      const auto count = databases_.find(key.name);
      if (count == databases_.end() || count->second > 1) return std::nullopt;
    }
    return look_up(text(key.type, {}, key.name));
  }

  std::unordered_map<std::string, uint32_t> nodes_;
  std::unordered_map<std::string, uint32_t> databases_;  // name -> how many have it
};

std::string_view system_of(const Properties& properties) {
  const auto found = properties.find("system");
  return found == properties.end() ? std::string_view{} : std::string_view(found->second);
}

struct EdgeEnds {
  uint32_t source, target;
  EdgeType type;
  friend bool operator==(const EdgeEnds&, const EdgeEnds&) = default;
};

struct HashEnds {
  size_t operator()(const EdgeEnds& ends) const {
    uint64_t mixed = (uint64_t{ends.source} << 32 | ends.target) + static_cast<uint64_t>(ends.type) * 0x9e37;
    mixed *= 0x9e3779b97f4a7c15ULL;
    return mixed ^ mixed >> 32;
  }
};

class Merger {
 public:
  explicit Merger(const RuntimeGraph& runtime) {
    graph_.not_counted = runtime.not_counted;
    graph_.nodes.reserve(runtime.nodes.size());
    graph_.edges.reserve(runtime.edges.size());
    edges_.reserve(runtime.edges.size());
    for (const RuntimeNode& node : runtime.nodes) {
      MergedNode& merged = graph_.nodes[create(node.key, LayerName::kRuntime, node.properties)];
      merged.seen = true;
      merged.traffic = node.traffic;
    }
    for (const RuntimeEdge& edge : runtime.edges) {
      MergedEdge& merged = edge_at(edge.source, edge.target, edge.type);
      know(merged, LayerName::kRuntime, {});
      merged.seen = true;
      merged.traffic = edge.traffic;
    }
  }

  // From the highest layer to the lowest.
  void add(LayerName layer, const LayerContent& content) {
    std::vector<Declared> nodes;
    nodes.reserve(content.nodes.size());
    for (const LayerNode& node : content.nodes) nodes.push_back({node.key, node.properties});
    // Endpoints are told apart by their service, so services get their places first.
    place_nodes(layer, nodes, [](const NodeKey& key) { return key.type == NodeType::kService; });
    for (Declared& node : nodes)
      if (node.key.type == NodeType::kApiEndpoint && !node.key.service.empty())
        node.key.service = name_of_service(node.key.service);
    const auto is_ownerless = [](const NodeKey& key) {
      return key.type == NodeType::kApiEndpoint && key.service.empty();
    };
    place_nodes(layer, nodes,
                [&](const NodeKey& key) { return key.type != NodeType::kService && !is_ownerless(key); });
    place_nodes(layer, nodes, is_ownerless);

    const auto place_of = [&](const NodeKey& key) {
      const auto at = std::ranges::lower_bound(content.nodes, key, {}, &LayerNode::key);
      return nodes[static_cast<size_t>(at - content.nodes.begin())].place;
    };
    for (const LayerEdge& edge : content.edges)
      know(edge_at(place_of(edge.source), place_of(edge.target), edge.type), layer, edge.properties);
  }

  MergedGraph finish() {
    for (MergedNode& node : graph_.nodes) settle(node);
    for (MergedEdge& edge : graph_.edges) settle(edge);
    sort();
    name();
    mark_dependencies();
    for (const MergedNode& node : graph_.nodes) find_conflicts(node);
    for (const MergedEdge& edge : graph_.edges) find_conflicts(edge);
    return std::move(graph_);
  }

 private:
  static constexpr uint32_t kNowhere = ~uint32_t{0};

  struct Declared {
    NodeKey key;  // with its service as that is called in the graph
    const Properties& properties;
    uint32_t place = kNowhere;
  };

  uint32_t create(const NodeKey& key, LayerName layer, const Properties& properties) {
    const auto place = static_cast<uint32_t>(graph_.nodes.size());
    MergedNode& node = graph_.nodes.emplace_back();
    node.key = key;
    know(node, layer, properties);
    identities_.add(key, system_of(properties), place);
    return place;
  }

  MergedEdge& edge_at(uint32_t source, uint32_t target, EdgeType type) {
    const auto [found, is_new] =
        edges_.try_emplace({source, target, type}, static_cast<uint32_t>(graph_.edges.size()));
    if (!is_new) return graph_.edges[found->second];
    MergedEdge& edge = graph_.edges.emplace_back();
    edge.source = source;
    edge.target = target;
    edge.type = type;
    return edge;
  }

  void join(Declared& node, uint32_t place, LayerName layer) {
    node.place = place;
    know(graph_.nodes[place], layer, node.properties);
    if (node.key.type == NodeType::kDatabase)
      identities_.add_system(node.key, system_of(node.properties), place);
  }

  // Level by level, so that a name that is nearer comes to its node before one
  // that is farther, whatever their order.
  template <typename Wanted>
  void place_nodes(LayerName layer, std::vector<Declared>& nodes, const Wanted& wanted) {
    const auto is_open = [&](const Declared& node) { return node.place == kNowhere && wanted(node.key); };
    for (size_t level = 0; level < Identities::kLevels; ++level)
      for (Declared& node : nodes)
        if (is_open(node))
          if (const auto place = identities_.find(node.key, system_of(node.properties), level))
            join(node, *place, layer);
    // What remains is new, or another spelling of what has become a node here.
    for (Declared& node : nodes) {
      if (!is_open(node)) continue;
      if (const auto place = identities_.find(node.key, system_of(node.properties)))
        join(node, *place, layer);
      else
        node.place = create(node.key, layer, node.properties);
    }
  }

  std::string name_of_service(const std::string& name) const {
    const auto found = identities_.find({NodeType::kService, name, name}, {});
    return found ? graph_.nodes[*found].key.name : name;
  }

  // What follows from the layers that know it.
  static void settle(Merged& merged) {
    bool is_highest = true;
    for (size_t i = kLayerCount; i-- > 0;) {
      if (!merged.layers[i]) continue;
      if (is_highest) merged.layer = static_cast<LayerName>(i);
      is_highest = false;
      merged.properties.insert(merged.layers[i]->begin(), merged.layers[i]->end());
      if (i < index_of(LayerName::kRuntime)) merged.declared = true;
    }
  }

  void sort() {
    const auto rank = [](const MergedNode& node) {
      return std::tuple<const NodeKey&, std::string_view>(node.key, system_of(node.properties));
    };
    std::vector<uint32_t> order(graph_.nodes.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(
        order, [&](uint32_t a, uint32_t b) { return rank(graph_.nodes[a]) < rank(graph_.nodes[b]); });
    std::vector<uint32_t> place(order.size());
    std::vector<MergedNode> nodes;
    nodes.reserve(order.size());
    for (const uint32_t from : order) {
      place[from] = static_cast<uint32_t>(nodes.size());
      nodes.push_back(std::move(graph_.nodes[from]));
    }
    graph_.nodes = std::move(nodes);
    for (MergedEdge& edge : graph_.edges) {
      edge.source = place[edge.source];
      edge.target = place[edge.target];
    }
    std::ranges::sort(graph_.edges, {},
                      [](const MergedEdge& edge) { return std::tuple(edge.source, edge.target, edge.type); });
  }

  void name() {
    const std::span nodes(graph_.nodes);
    for (size_t i = 0; i < nodes.size(); ++i) {
      const bool shares_name = (i > 0 && nodes[i - 1].key == nodes[i].key) ||
                               (i + 1 < nodes.size() && nodes[i + 1].key == nodes[i].key);
      nodes[i].id = node_id(nodes[i].key, shares_name ? system_of(nodes[i].properties) : std::string_view{});
    }
    for (MergedEdge& edge : graph_.edges)
      edge.id = edge_id(nodes[edge.source].id, nodes[edge.target].id, edge.type);
  }

  // Edges of the same ends are neighbours, `depends_on` the last of them.
  void mark_dependencies() {
    auto& edges = graph_.edges;
    for (size_t first = 0, end = 0; first < edges.size(); first = end) {
      for (end = first; end < edges.size() && edges[end].source == edges[first].source &&
                        edges[end].target == edges[first].target;)
        ++end;
      MergedEdge& last = edges[end - 1];
      if (last.type != EdgeType::kDependsOn) continue;
      for (size_t i = first; i + 1 < end; ++i) {
        if (!edges[i].seen) continue;
        const Traffic& traffic = edges[i].traffic;
        last.traffic.first_seen =
            last.seen ? std::min(last.traffic.first_seen, traffic.first_seen) : traffic.first_seen;
        last.traffic.last_seen = std::max(last.traffic.last_seen, traffic.last_seen);
        last.seen = true;
      }
    }
  }

  void find_conflicts(const Merged& merged) {
    if (std::ranges::count_if(merged.layers, [](const auto& known) { return known && !known->empty(); }) < 2)
      return;
    for (const auto& [property, value] : merged.properties) {
      Conflict conflict{merged.id, property, {}};
      bool differs = false;
      for (size_t i = kLayerCount; i-- > 0;) {
        if (!merged.layers[i]) continue;
        const auto given = merged.layers[i]->find(property);
        if (given == merged.layers[i]->end()) continue;
        conflict.values.emplace_back(static_cast<LayerName>(i), given->second);
        differs = differs || given->second != value;
      }
      if (differs) graph_.conflicts.push_back(std::move(conflict));
    }
  }

  MergedGraph graph_;
  Identities identities_;
  std::unordered_map<EdgeEnds, uint32_t, HashEnds> edges_;
};

}  // namespace

MergedGraph merge(const RuntimeGraph& runtime, std::span<const Layer> layers) {
  Merger merger(runtime);
  std::vector<const Layer*> highest_first;
  for (const Layer& layer : layers)
    if (layer.name != LayerName::kRuntime) highest_first.push_back(&layer);
  std::ranges::stable_sort(highest_first, std::ranges::greater(), &Layer::name);
  for (const Layer* layer : highest_first) {
    if (is_normal(layer->content)) {
      merger.add(layer->name, layer->content);
      continue;
    }
    LayerContent content = layer->content;
    normalise(content);
    merger.add(layer->name, content);
  }
  return merger.finish();
}

}  // namespace testmesh::graph
