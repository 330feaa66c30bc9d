// Cells of all books -> nodes and edges.

#include <algorithm>
#include <numeric>
#include <tuple>

#include "graph/graph_book_impl.h"
#include "graph/json_text.h"

namespace testmesh::graph {
namespace {

using discovery::BucketCounts;
using discovery::DurationSketch;

// Sums of cells, each named by a position.
class Sums {
 public:
  uint32_t add_place() {
    sums_.emplace_back();
    return static_cast<uint32_t>(sums_.size() - 1);
  }
  void add(uint32_t place, const Cell& cell) {
    Sum& sum = sums_[place];
    sum.count += cell.count();
    sum.errors += cell.errors;
    sum.duration_ns += cell.duration_ns;
    sum.first_seen = std::min(sum.first_seen, cell.first_seen);
    sum.last_seen = std::max(sum.last_seen, cell.last_seen);
    ++sum.cells;
    parts_.emplace_back(place, &cell.durations.counts());
  }
  // Without counting it: tells when it was seen should nothing be counted (the
  // graph was full).
  void see(uint32_t place, const Cell& cell) {
    Sum& sum = sums_[place];
    sum.first_use = std::min(sum.first_use, cell.first_seen);
    sum.last_use = std::max(sum.last_use, cell.last_seen);
  }
  std::vector<Traffic> traffic() const {
    std::vector<uint32_t> begin(sums_.size() + 1);
    for (size_t i = 0; i < sums_.size(); ++i) begin[i + 1] = begin[i] + sums_[i].cells;
    std::vector<const BucketCounts*> sorted(parts_.size());
    std::vector<uint32_t> next(begin.begin(), begin.end() - 1);
    for (const auto& [place, counts] : parts_) sorted[next[place]++] = counts;
    std::vector<Traffic> result(sums_.size());
    for (size_t i = 0; i < sums_.size(); ++i) {
      const Sum& sum = sums_[i];
      Traffic& traffic = result[i];
      traffic.call_count = sum.count;
      traffic.error_count = sum.errors;
      traffic.first_seen = sum.count > 0 ? sum.first_seen : sum.first_use;
      traffic.last_seen = sum.count > 0 ? sum.last_seen : sum.last_use;
      if (sum.count == 0) continue;
      traffic.avg_duration_ms = static_cast<double>(sum.duration_ns) / static_cast<double>(sum.count) / 1e6;
      traffic.p95_duration_ms = static_cast<double>(DurationSketch::percentile(
                                    std::span(sorted).subspan(begin[i], sum.cells), 95)) /
                                1e6;
    }
    return result;
  }

 private:
  struct Sum {
    uint64_t count = 0, errors = 0;
    discovery::Uint128 duration_ns = 0;
    base::UnixNanos first_seen = UINT64_MAX, last_seen = 0;
    base::UnixNanos first_use = UINT64_MAX, last_use = 0;
    uint32_t cells = 0;
  };
  std::vector<Sum> sums_;
  std::vector<std::pair<uint32_t, const BucketCounts*>> parts_;
};

struct EdgeKey {
  uint32_t source = 0, target = 0;
  EdgeType type = EdgeType::kCalls;
  friend bool operator==(const EdgeKey&, const EdgeKey&) = default;
  friend size_t hash_value(const EdgeKey& key) {
    uint64_t hash = (uint64_t{key.source} << 32 | key.target) * 0x9e3779b97f4a7c15ULL;
    hash = (hash ^ hash >> 29 ^ static_cast<uint64_t>(key.type)) * 0xbf58476d1ce4e5b9ULL;
    return hash ^ hash >> 32;
  }
};

class Builder {
 public:
  void add(const GraphSnapshot::Impl& book) {
    result_.not_counted += book.not_counted;
    for (const auto& [service, version] : book.versions) {
      Version& latest = versions_[service];
      if (version.seen_at > latest.seen_at ||
          (version.seen_at == latest.seen_at && version.text > latest.text))
        latest = version;
    }
    places_.assign(book.nodes.size(), kNone);
    for (const Cell& cell : book.cells) {
      const uint32_t target = place_of(book, cell.key.target);
      const uint32_t source = place_of(book, cell.key.source);
      const uint32_t endpoint = place_of(book, cell.key.endpoint);
      switch (cell.key.kind) {
        case CellKind::kCall:
          node_sums_.add(target, cell);
          if (source != kNone) add_edge(source, target, EdgeType::kCalls, cell);
          if (endpoint != kNone) add_endpoint(target, endpoint, cell);
          break;
        case CellKind::kEndpoint:
          node_sums_.see(target, cell);
          add_endpoint(target, endpoint, cell);
          break;
        case CellKind::kConsume:
          node_sums_.add(source, cell);
          node_sums_.add(target, cell);
          add_edge(source, target, EdgeType::kConsumes, cell);
          break;
        case CellKind::kRead:
          add_use(source, target, EdgeType::kReads, cell);
          break;
        case CellKind::kWrite:
          add_use(source, target, EdgeType::kWrites, cell);
          break;
        case CellKind::kPublish:
          add_use(source, target, EdgeType::kPublishes, cell);
          break;
        case CellKind::kCallExternal:
          add_use(source, target, EdgeType::kCalls, cell);
          break;
      }
    }
  }

  RuntimeGraph build() && {
    std::vector<Traffic> traffic = node_sums_.traffic();
    std::vector<uint32_t> order(nodes_.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::sort(order, [&](uint32_t a, uint32_t b) { return nodes_[a] < nodes_[b]; });
    std::vector<uint32_t> position(nodes_.size());
    result_.nodes.reserve(nodes_.size());
    for (const uint32_t place : order) {
      position[place] = static_cast<uint32_t>(result_.nodes.size());
      RuntimeNode& node = result_.nodes.emplace_back();
      node.key = std::move(nodes_[place].first);
      if (node.key.type == NodeType::kDatabase)
        node.properties.emplace("system", json_string(nodes_[place].second));
      if (node.key.type == NodeType::kService)
        if (const auto version = versions_.find(node.key.name); version != versions_.end())
          node.properties.emplace("version", json_string(version->second.text));
      node.traffic = traffic[place];
    }
    const std::vector<Traffic> edge_traffic = edge_sums_.traffic();
    result_.edges.reserve(edges_.size());
    for (size_t i = 0; i < edges_.size(); ++i) {
      const EdgeKey& edge = edges_[i];
      result_.edges.push_back({position[edge.source], position[edge.target], edge.type,
                               edge.type == EdgeType::kExposes ? traffic[edge.target] : edge_traffic[i]});
    }
    std::ranges::sort(result_.edges, {}, [](const RuntimeEdge& edge) {
      return std::tuple(edge.source, edge.target, edge.type);
    });
    return std::move(result_);
  }

 private:
  // Of a node of a book, by its present name.
  uint32_t place_of(const GraphSnapshot::Impl& book, uint32_t number) {
    if (number == kNone) return kNone;
    uint32_t& place = places_[number];
    if (place != kNone) return place;
    const BookNode& node = book.nodes[number];
    std::pair<NodeKey, std::string> identity{{node.type, node.name, {}}, {}};
    auto& [key, system] = identity;
    if (auto name = renamed(node, *book.tries)) key.name = *std::move(name);
    if (node.type == NodeType::kService) key.service = node.name;
    if (node.type == NodeType::kApiEndpoint) key.service = node.owner;
    if (node.type == NodeType::kDatabase) system = node.owner;
    std::string text(1, static_cast<char>(key.type));
    for (const std::string* part : {&key.name, &key.service, &system}) discovery::put_bytes(text, *part);
    const auto [known, is_new] = node_places_.try_emplace(std::move(text), nodes_.size());
    if (is_new) {
      nodes_.push_back(std::move(identity));
      node_sums_.add_place();
    }
    return place = known->second;
  }

  // An endpoint has one service: what its edge counts is what it counts itself.
  void add_edge(uint32_t source, uint32_t target, EdgeType type, const Cell& cell) {
    node_sums_.see(source, cell);
    const auto [known, is_new] = edge_places_.try_emplace({source, target, type}, edges_.size());
    if (is_new) {
      edges_.push_back({source, target, type});
      edge_sums_.add_place();
    }
    if (type != EdgeType::kExposes) edge_sums_.add(known->second, cell);
  }
  void add_endpoint(uint32_t service, uint32_t endpoint, const Cell& cell) {
    node_sums_.add(endpoint, cell);
    add_edge(service, endpoint, EdgeType::kExposes, cell);
  }
  void add_use(uint32_t source, uint32_t target, EdgeType type, const Cell& cell) {
    node_sums_.add(target, cell);
    add_edge(source, target, type, cell);
  }

  RuntimeGraph result_;
  std::vector<std::pair<NodeKey, std::string>> nodes_;  // and a database's system
  boost::unordered_flat_map<std::string, uint32_t> node_places_;
  std::vector<EdgeKey> edges_;
  boost::unordered_flat_map<EdgeKey, uint32_t> edge_places_;
  Sums node_sums_, edge_sums_;
  Versions versions_;
  std::vector<uint32_t> places_;  // of the nodes of the book at hand
};

}  // namespace

GraphSnapshot::GraphSnapshot(const GraphBook& book) {
  const GraphBook::Impl& now = book.impl();
  auto copy = std::make_unique<Impl>();
  copy->tries = &now.tries;
  copy->nodes = now.nodes;
  copy->not_counted = now.not_counted;
  copy->versions = now.versions;
  copy->cells.reserve(now.cell_ids.size());
  for (const Cell& cell : now.cells) {
    if (cell.count() == 0) continue;
    Cell& same = copy->cells.emplace_back();
    same.duration_ns = cell.duration_ns;
    same.errors = cell.errors;
    same.first_seen = cell.first_seen;
    same.last_seen = cell.last_seen;
    same.durations = cell.durations.copy();
    same.key = cell.key;
  }
  impl_ = std::move(copy);
}
GraphSnapshot::GraphSnapshot(GraphSnapshot&&) noexcept = default;
GraphSnapshot::~GraphSnapshot() = default;

RuntimeGraph runtime_graph(std::span<const GraphSnapshot> books) {
  Builder builder;
  for (const GraphSnapshot& book : books) builder.add(book.impl());
  return std::move(builder).build();
}

}  // namespace testmesh::graph
