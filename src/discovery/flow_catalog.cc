#include "discovery/flow_catalog.h"

#include <openssl/evp.h>

#include <algorithm>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <utility>

#include "discovery/canonical_tree.h"
#include "discovery/record.h"

namespace testmesh::discovery {

namespace {

constexpr std::string_view kAliasPrefix = "alias/";
constexpr uint8_t kIdentityVersion = 1;
constexpr uint8_t kAliasVersion = 1;

std::array<uint8_t, 32> sha256(std::string_view bytes) {
  std::array<uint8_t, 32> digest;
  unsigned size = 0;
  CHECK(EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) == 1 &&
        size == digest.size());
  return digest;
}

model::FlowId flow_id(const model::Family& family, const model::Fingerprint& fingerprint) {
  RecordWriter text;
  text.text(family.environment);
  text.text(family.entry_service);
  text.text(family.entry_operation);
  text.text({reinterpret_cast<const char*>(fingerprint.data()), fingerprint.size()});
  const auto digest = sha256(text.bytes());
  model::FlowId id;
  std::copy_n(digest.begin(), id.bytes.size(), id.bytes.begin());
  id.bytes[6] = static_cast<uint8_t>((id.bytes[6] & 0x0f) | 0x80);  // version 8
  id.bytes[8] = static_cast<uint8_t>((id.bytes[8] & 0x3f) | 0x80);  // variant of RFC 9562
  return id;
}

base::Error corrupt(std::string message) { return {base::ErrorCode::kCorrupt, std::move(message)}; }

void write_identity(RecordWriter& record, const FlowIdentity& flow) {
  record.byte(kIdentityVersion);
  record.text(flow.family.environment);
  record.text(flow.family.entry_service);
  record.text(flow.family.entry_operation);
  record.number(flow.nodes.size());
  for (size_t i = 0; i < flow.nodes.size(); ++i) {
    record.byte(static_cast<uint8_t>(flow.nodes[i].type));
    record.text(flow.nodes[i].identifier);
    record.text(flow.nodes[i].service);
    record.number(static_cast<uint64_t>(flow.tree[i].parent + 1));
    record.number(flow.tree[i].run);
    record.byte(flow.tree[i].from_path ? 1 : 0);
  }
}

struct DecodedIdentity {
  model::Family family;
  std::vector<model::PathNode> nodes;
  std::vector<TreeNode> tree;
};

std::optional<DecodedIdentity> read_identity(RecordReader& record) {
  if (record.byte() != kIdentityVersion) return std::nullopt;
  DecodedIdentity flow;
  flow.family.environment = record.text();
  flow.family.entry_service = record.text();
  flow.family.entry_operation = record.text();
  const uint64_t count = record.number();
  if (record.failed() || count > record.left()) return std::nullopt;
  flow.nodes.reserve(count);
  flow.tree.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    const uint8_t type = record.byte();
    model::PathNode node{static_cast<model::NodeType>(type), std::string(record.text()), {}};
    node.service = record.text();
    const uint64_t parent = record.number();
    const uint64_t run = record.number();
    const uint8_t from_path = record.byte();
    if (record.failed() || type > static_cast<uint8_t>(model::NodeType::kTopic) || parent > i ||
        run > UINT32_MAX || from_path > 1)
      return std::nullopt;
    flow.nodes.push_back(std::move(node));
    flow.tree.push_back({static_cast<int32_t>(parent) - 1, static_cast<uint32_t>(run), from_path == 1});
  }
  return flow;
}

}  // namespace

std::string path_string(std::span<const model::PathNode> nodes) {
  std::string path;
  for (const model::PathNode& node : nodes) {
    if (&node != &nodes.front()) path += "->";
    path.append(to_string(node.type)).append(":");
    const std::string& name = node.identifier;
    for (size_t i = 0; i < name.size(); ++i) {
      if (name[i] == '\\') {
        path += "\\\\";
      } else if (name[i] == '-' && i + 1 < name.size() && name[i + 1] == '>') {
        path += "-\\>";
        ++i;
      } else {
        path += name[i];
      }
    }
  }
  return path;
}

model::Fingerprint fingerprint_of(std::string_view path) { return sha256(path); }

std::vector<model::PathNode> survivor_nodes(const Resolved& resolved,
                                            std::span<const model::PathNode> nodes) {
  std::vector<model::PathNode> result = resolved.flow->nodes;
  if (result.size() != nodes.size()) return result;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const size_t at = resolved.node_map.empty() ? i : resolved.node_map[i];
    result[at].service = nodes[i].service;
  }
  return result;
}

namespace {

struct Entry {
  FlowIdentity flow;
  Entry* survivor = nullptr;       // the flow it became
  std::vector<uint32_t> node_map;  // its nodes -> the survivor's
  std::vector<Entry*> absorbed;    // the flows that became it, directly
};

}  // namespace

struct FlowCatalog::Impl {
  mutable std::shared_mutex mutex;
  std::unordered_map<model::FlowId, std::unique_ptr<Entry>> entries;
  std::vector<Entry*> in_order;  // as interned: renaming must not depend on hashing
  std::vector<Entry*> dirty_aliases;

  Entry* find(const model::FlowId& id) const {
    const auto found = entries.find(id);
    return found == entries.end() ? nullptr : found->second.get();
  }

  Entry* entry_of(const FlowIdentity* flow) const {
    Entry* const entry = flow == nullptr ? nullptr : find(flow->id);
    CHECK(entry == nullptr || &entry->flow == flow);
    return entry;
  }

  Entry* intern(const model::Family& family, std::vector<model::PathNode> nodes, std::vector<TreeNode> tree) {
    CHECK(nodes.size() == tree.size());
    std::string path = path_string(nodes);
    const model::Fingerprint fingerprint = fingerprint_of(path);
    const model::FlowId id = flow_id(family, fingerprint);
    if (Entry* const known = find(id)) return known;
    auto entry = std::make_unique<Entry>();
    entry->flow.id = id;
    entry->flow.family = family;
    entry->flow.nodes = std::move(nodes);
    entry->flow.tree = std::move(tree);
    entry->flow.path = std::move(path);
    entry->flow.fingerprint = fingerprint;
    Entry* const raw = entry.get();
    entries.emplace(id, std::move(entry));
    in_order.push_back(raw);
    return raw;
  }

  static Entry* last_survivor(Entry* entry) {
    while (entry->survivor != nullptr) entry = entry->survivor;
    return entry;
  }

  // Whether it could be recorded: a flow has one survivor, and never itself.
  static bool link(Entry* from, Entry* to, std::vector<uint32_t> node_map) {
    if (from->survivor != nullptr || last_survivor(to) == from) return false;
    from->survivor = to;
    from->node_map = std::move(node_map);
    to->absorbed.push_back(from);
    return true;
  }

  static bool any_traces(const Entry* entry) {
    if (entry->flow.whole_traces.load(std::memory_order_acquire) > 0) return true;
    return std::ranges::any_of(entry->absorbed, any_traces);
  }
};

FlowCatalog::FlowCatalog() : impl_(std::make_unique<Impl>()) {}
FlowCatalog::~FlowCatalog() = default;

const FlowIdentity* FlowCatalog::intern(const model::Family& family, std::vector<model::PathNode> nodes,
                                        std::vector<TreeNode> tree) {
  const std::unique_lock lock(impl_->mutex);
  return &impl_->intern(family, std::move(nodes), std::move(tree))->flow;
}

std::string FlowCatalog::encode_identity(const FlowIdentity& flow) {
  RecordWriter record;
  write_identity(record, flow);
  return std::move(record).bytes();
}

base::Result<const FlowIdentity*> FlowCatalog::intern_encoded(std::string_view document) {
  RecordReader record(document);
  auto flow = read_identity(record);
  if (!flow || record.failed() || record.left() != 0)
    return std::unexpected(corrupt("a stored flow identity of " + std::to_string(document.size()) +
                                   " bytes does not read back"));
  return intern(flow->family, std::move(flow->nodes), std::move(flow->tree));
}

const FlowIdentity* FlowCatalog::find(const model::FlowId& id) const {
  const std::shared_lock lock(impl_->mutex);
  const Entry* const entry = impl_->find(id);
  return entry == nullptr ? nullptr : &entry->flow;
}

Resolved FlowCatalog::resolve(const FlowIdentity* flow) const {
  const std::shared_lock lock(impl_->mutex);
  const Entry* entry = impl_->entry_of(flow);
  Resolved resolved;
  if (entry == nullptr) return resolved;
  for (; entry->survivor != nullptr; entry = entry->survivor) {
    if (resolved.flow == nullptr) {
      resolved.node_map = entry->node_map;
    } else {
      for (uint32_t& node : resolved.node_map) node = entry->node_map[node];
    }
    resolved.flow = &entry->survivor->flow;
  }
  resolved.flow = &entry->flow;
  return resolved;
}

bool FlowCatalog::exists(const FlowIdentity* flow) const {
  const std::shared_lock lock(impl_->mutex);
  Entry* const entry = impl_->entry_of(flow);
  return entry != nullptr && Impl::any_traces(Impl::last_survivor(entry));
}

std::vector<const FlowIdentity*> FlowCatalog::aliases(const FlowIdentity* flow) const {
  const std::shared_lock lock(impl_->mutex);
  std::vector<const FlowIdentity*> found;
  Entry* const entry = impl_->entry_of(flow);
  if (entry == nullptr) return found;
  std::vector<const Entry*> open{entry};
  while (!open.empty()) {
    const Entry* const next = open.back();
    open.pop_back();
    for (const Entry* const absorbed : next->absorbed) {
      found.push_back(&absorbed->flow);
      open.push_back(absorbed);
    }
  }
  std::ranges::sort(found, {}, [](const FlowIdentity* alias) { return alias->id; });
  return found;
}

size_t FlowCatalog::size() const {
  const std::shared_lock lock(impl_->mutex);
  return impl_->entries.size();
}

void FlowCatalog::rename(std::string_view service,
                         const std::function<std::string(const model::PathNode&)>& new_identifier) {
  const std::unique_lock lock(impl_->mutex);
  // Survivors are added behind; they have the new names already.
  for (size_t i = 0, count = impl_->in_order.size(); i < count; ++i) {
    Entry* const entry = impl_->in_order[i];
    if (entry->survivor != nullptr) continue;
    const FlowIdentity& old = entry->flow;
    std::vector<model::PathNode> renamed = old.nodes;
    bool changed = false;
    for (size_t n = 0; n < renamed.size(); ++n) {
      if (!old.tree[n].from_path || renamed[n].service != service) continue;
      std::string identifier = new_identifier(renamed[n]);
      changed = changed || identifier != renamed[n].identifier;
      renamed[n].identifier = std::move(identifier);
    }
    if (!changed) continue;
    model::Family family = old.family;
    // The entry's nodes come first; its operation is named after its endpoint.
    if (old.tree[0].from_path && old.nodes[0].identifier == family.entry_operation)
      family.entry_operation = renamed[0].identifier;
    CanonicalTree canonical = canonical_tree(renamed, old.tree);
    Entry* const survivor = impl_->intern(family, std::move(canonical.nodes), std::move(canonical.tree));
    if (Impl::link(entry, survivor, std::move(canonical.node_map))) impl_->dirty_aliases.push_back(entry);
  }
}

void FlowCatalog::take_dirty(const DocumentSink& sink) {
  std::vector<std::pair<std::string, std::string>> documents;
  {
    const std::unique_lock lock(impl_->mutex);
    for (const Entry* const entry : std::exchange(impl_->dirty_aliases, {})) {
      // Both flows are written out: neither need have a trace of its own.
      RecordWriter record;
      record.byte(kAliasVersion);
      record.text(encode_identity(entry->flow));
      record.text(encode_identity(entry->survivor->flow));
      for (const uint32_t node : entry->node_map) record.number(node);
      documents.emplace_back(std::string(kAliasPrefix) + entry->flow.id.to_string(),
                             std::move(record).bytes());
    }
  }
  for (const auto& [key, value] : documents) sink(key, value);
}

base::Result<void> FlowCatalog::load_alias(std::string_view key, std::string_view value) {
  const auto bad = [&](std::string_view what) {
    return std::unexpected(corrupt("a stored alias of " + std::to_string(value.size()) +
                                   " bytes does not read back: " + std::string(what)));
  };
  RecordReader record(value);
  if (record.byte() != kAliasVersion) return bad("unknown version");
  RecordReader from_record(record.text());
  RecordReader to_record(record.text());
  auto from = read_identity(from_record);
  auto to = read_identity(to_record);
  if (record.failed() || !from || !to || from_record.left() != 0 || to_record.left() != 0)
    return bad("its flows");
  std::vector<uint32_t> node_map;
  for (size_t i = 0; i < from->nodes.size(); ++i) {
    const uint64_t node = record.number();
    if (record.failed() || node >= to->nodes.size()) return bad("its node map");
    node_map.push_back(static_cast<uint32_t>(node));
  }
  if (record.left() != 0) return bad("bytes behind its end");
  const model::FlowId id = flow_id(from->family, fingerprint_of(path_string(from->nodes)));
  if (key != std::string(kAliasPrefix) + id.to_string()) return bad("its key is another flow's");

  const std::unique_lock lock(impl_->mutex);
  Entry* const from_entry = impl_->intern(from->family, std::move(from->nodes), std::move(from->tree));
  Entry* const to_entry = impl_->intern(to->family, std::move(to->nodes), std::move(to->tree));
  if (from_entry->survivor == to_entry) return {};
  if (!Impl::link(from_entry, to_entry, std::move(node_map))) return bad("it contradicts another alias");
  return {};
}

}  // namespace testmesh::discovery
