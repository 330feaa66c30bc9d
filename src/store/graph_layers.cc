#include "store/graph_layers.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <tuple>
#include <unordered_map>

#include "store/layer_documents.h"

namespace testmesh::store {
namespace {

using base::ErrorCode;
using base::Result;
using graph::Layer;
using graph::LayerContent;
using graph::LayerName;
using graph::NodeKey;
using graph::Properties;
using model::WorkspaceId;

constexpr std::string_view kPrefix = "graph-layers/";
constexpr std::string_view kPut = "put";
constexpr std::string_view kImport = "import/";
constexpr size_t kMaxWarnings = 20;

std::string workspace_prefix(const WorkspaceId& workspace) {
  return fmt::format("{}{}/", kPrefix, workspace.to_string());
}

std::string layer_prefix(const WorkspaceId& workspace, LayerName layer) {
  return fmt::format("{}{}/", workspace_prefix(workspace), to_string(layer));
}

// What is behind the layer in a document's key, in the order in which parts
// are put over one another: by service, then kind; the one that was PUT first.
struct PartName {
  std::string service, kind;  // kind empty: PUT
  bool is_put() const { return kind.empty(); }
  std::string to_key() const {
    return is_put() ? std::string(kPut) : fmt::format("{}{}/{}", kImport, kind, service);
  }
  std::string words() const {
    return is_put() ? "what was PUT"
                    : fmt::format("the {} import{}{}", kind, service.empty() ? "" : " of ", service);
  }
  static std::optional<PartName> of_key(std::string_view key) {
    if (key == kPut) return PartName{};
    if (!key.starts_with(kImport)) return std::nullopt;
    key.remove_prefix(kImport.size());
    const size_t slash = key.find('/');
    if (slash == std::string_view::npos || slash == 0) return std::nullopt;
    return PartName{std::string(key.substr(slash + 1)), std::string(key.substr(0, slash))};
  }
};

bool put_comes_first(const PartName& a, const PartName& b) {
  return std::tuple(!a.is_put(), std::tie(a.service, a.kind)) <
         std::tuple(!b.is_put(), std::tie(b.service, b.kind));
}

using Parts = std::map<PartName, LayerContent, decltype(&put_comes_first)>;

Parts no_parts() { return Parts(&put_comes_first); }

std::string describe(const NodeKey& key) {
  return key.service.empty() || key.service == key.name
             ? fmt::format("{} {}", to_string(key.type), key.name)
             : fmt::format("{} {} of {}", to_string(key.type), key.name, key.service);
}

class Contradictions {
 public:
  void note(const std::string& what, const std::string& property, const PartName& earlier,
            const PartName& later) {
    if (++count_ > kMaxWarnings) return;
    sentences_.push_back(fmt::format("{}: `{}` differs between {} and {}; the latter counts", what, property,
                                     earlier.words(), later.words()));
  }
  std::vector<std::string> take() && {
    if (count_ > kMaxWarnings)
      sentences_.push_back(fmt::format("{} more contradictions like these", count_ - kMaxWarnings));
    return std::move(sentences_);
  }

 private:
  std::vector<std::string> sentences_;
  size_t count_ = 0;
};

// For each property who gave the value that counts.
using Givers = std::map<std::string, const PartName*>;

// Puts a later part over what the earlier ones gave.
template <typename Describe>
void put_over(Properties& properties, Givers& givers, const Properties& later, const PartName& part,
              Contradictions& contradictions, const Describe& what) {
  for (const auto& [name, value] : later) {
    const auto [found, is_new] = properties.try_emplace(name, value);
    if (!is_new && found->second != value) {
      contradictions.note(what(), name, *givers.at(name), part);
      found->second = value;
    }
    givers[name] = &part;
  }
}

LayerContent together(const Parts& parts, Contradictions& contradictions) {
  if (parts.size() == 1) return parts.begin()->second;
  using EdgeKey = std::tuple<NodeKey, NodeKey, graph::EdgeType>;
  std::map<NodeKey, std::pair<Properties, Givers>> nodes;
  std::map<EdgeKey, std::pair<Properties, Givers>> edges;
  for (const auto& [part, content] : parts) {
    for (const auto& node : content.nodes) {
      auto& [properties, givers] = nodes[node.key];
      put_over(properties, givers, node.properties, part, contradictions, [&] { return describe(node.key); });
    }
    for (const auto& edge : content.edges) {
      auto& [properties, givers] = edges[{edge.source, edge.target, edge.type}];
      put_over(properties, givers, edge.properties, part, contradictions, [&] {
        return fmt::format("{} {} {}", describe(edge.source), to_string(edge.type), describe(edge.target));
      });
    }
  }
  LayerContent content;
  for (auto& [key, value] : nodes) content.nodes.push_back({key, std::move(value.first)});
  for (auto& [key, value] : edges)
    content.edges.push_back({std::get<0>(key), std::get<1>(key), std::get<2>(key), std::move(value.first)});
  return content;
}

Result<void> check_layer(LayerName layer) {
  if (layer == LayerName::kRuntime)
    return base::fail(ErrorCode::kInvalidArgument,
                      "The layer runtime is what traffic shows; nothing can be put into it");
  return {};
}

Result<void> check_size(LayerName layer, const LayerContent& content) {
  if (content.nodes.size() > graph::kMaxLayerNodes)
    return base::fail(ErrorCode::kInvalidArgument,
                      fmt::format("The layer {} would have {} nodes; at most {} are allowed",
                                  to_string(layer), content.nodes.size(), graph::kMaxLayerNodes));
  if (content.edges.size() > graph::kMaxLayerEdges)
    return base::fail(ErrorCode::kInvalidArgument,
                      fmt::format("The layer {} would have {} edges; at most {} are allowed",
                                  to_string(layer), content.edges.size(), graph::kMaxLayerEdges));
  return {};
}

LayerContent normal(LayerContent content) {
  if (!is_normal(content)) normalise(content);
  return content;
}

}  // namespace

using Snapshot = std::shared_ptr<const std::vector<Layer>>;

struct GraphLayers::Impl {
  explicit Impl(DocumentStore& store) : documents(store) {}

  Result<Parts> load(const WorkspaceId& workspace, LayerName layer) const {
    const std::string prefix = layer_prefix(workspace, layer);
    Parts parts = no_parts();
    Result<void> read;
    TRY(documents.scan(prefix, [&](std::string_view key, std::string_view value) {
      const auto name = PartName::of_key(key.substr(prefix.size()));
      auto content = name ? decode_layer_part(key, value)
                          : base::fail(ErrorCode::kCorrupt,
                                       fmt::format("The stored document {} is no part of a layer", key));
      if (!content)
        read = std::unexpected(std::move(content).error());
      else
        parts.emplace(*name, *std::move(content));
      return read.has_value();
    }));
    TRY(read);
    return parts;
  }

  void forget(const WorkspaceId& workspace) {
    const std::scoped_lock lock(mutex);
    snapshots.erase(workspace);
  }

  Snapshot known(const WorkspaceId& workspace) const {
    const std::scoped_lock lock(mutex);
    const auto found = snapshots.find(workspace);
    return found == snapshots.end() ? nullptr : found->second;
  }

  DocumentStore& documents;
  // Held while documents change or become a snapshot, so that no snapshot of
  // what was before a change is kept after it.
  mutable std::mutex change_mutex;
  mutable std::mutex mutex;  // guards snapshots
  mutable std::unordered_map<WorkspaceId, Snapshot> snapshots;
};

GraphLayers::GraphLayers(DocumentStore& documents) : impl_(std::make_unique<Impl>(documents)) {}
GraphLayers::~GraphLayers() = default;

Result<void> GraphLayers::replace(const WorkspaceId& workspace, LayerName layer,
                                  const LayerContent& content) {
  TRY(check_layer(layer));
  const LayerContent kept = normal(content);
  TRY(check_size(layer, kept));
  const std::scoped_lock lock(impl_->change_mutex);
  const std::string prefix = layer_prefix(workspace, layer);
  const std::string put = prefix + std::string(kPut);
  std::vector<DocumentWrite> batch;
  TRY(impl_->documents.scan(prefix, [&](std::string_view key, std::string_view) {
    if (key != put) batch.push_back({std::string(key), std::nullopt});
    return true;
  }));
  if (kept.nodes.empty())
    batch.push_back({put, std::nullopt});
  else
    batch.push_back({put, encode_layer_part(kept)});
  TRY(impl_->documents.write(batch));
  impl_->forget(workspace);
  return {};
}

Result<std::vector<std::string>> GraphLayers::replace_import(const WorkspaceId& workspace,
                                                             graph::ImportKind kind,
                                                             const graph::Import& import) {
  const LayerName layer = graph::layer_of(kind);
  const PartName name{import.service, std::string(to_string(kind))};
  const std::scoped_lock lock(impl_->change_mutex);
  TRY_ASSIGN(Parts parts, impl_->load(workspace, layer));
  LayerContent& part = parts[name];
  part = normal(import.content);
  Contradictions contradictions;
  TRY(check_size(layer, together(parts, contradictions)));
  DocumentWrite change{layer_prefix(workspace, layer) + name.to_key(), std::nullopt};
  if (!part.nodes.empty()) change.value = encode_layer_part(part);
  TRY(impl_->documents.write({std::move(change)}));
  impl_->forget(workspace);
  return std::move(contradictions).take();
}

Result<Snapshot> GraphLayers::layers(const WorkspaceId& workspace) const {
  if (Snapshot known = impl_->known(workspace)) return known;
  const std::scoped_lock lock(impl_->change_mutex);
  if (Snapshot known = impl_->known(workspace)) return known;
  auto layers = std::make_shared<std::vector<Layer>>();
  for (size_t i = 0; i < graph::kLayerCount; ++i) {
    const auto layer = static_cast<LayerName>(i);
    if (layer == LayerName::kRuntime) continue;
    TRY_ASSIGN(const Parts parts, impl_->load(workspace, layer));
    if (parts.empty()) continue;
    Contradictions contradictions;
    layers->push_back({layer, together(parts, contradictions)});
  }
  const std::scoped_lock publish(impl_->mutex);
  return impl_->snapshots[workspace] = std::move(layers);
}

Result<void> GraphLayers::drop_workspace(const WorkspaceId& workspace) {
  const std::scoped_lock lock(impl_->change_mutex);
  TRY(impl_->documents.remove_prefix(workspace_prefix(workspace)));
  impl_->forget(workspace);
  return {};
}

}  // namespace testmesh::store
