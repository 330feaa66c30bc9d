#include "discovery/flow_catalog.h"

#include <openssl/evp.h>

#include <algorithm>
#include <deque>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <tuple>
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

struct Entry : FlowIdentity, std::enable_shared_from_this<Entry> {
  Entry* survivor = nullptr;         // the flow it became
  std::vector<uint32_t> node_map;    // its nodes -> the survivor's
  std::vector<Entry*> absorbed;      // the flows that became it, directly
  std::atomic<bool> claimed{false};  // counted as given way
};

// Whoever has an identity has it from a catalog.
Entry* entry_of(const FlowIdentity* flow) { return static_cast<Entry*>(const_cast<FlowIdentity*>(flow)); }

struct GivenWay {
  uint64_t epoch = 0;
  std::shared_ptr<Entry> entry;
};

}  // namespace

struct FlowCatalog::Impl {
  mutable std::shared_mutex mutex;
  size_t max_flows = 0;
  std::unordered_map<model::FlowId, std::shared_ptr<Entry>> entries;
  size_t alias_count = 0;        // of them
  std::vector<Entry*> in_order;  // as interned: renaming must not depend on hashing
  std::vector<Entry*> dirty_aliases;
  std::vector<model::FlowId> gone_aliases;  // their documents are to go
  std::atomic<uint64_t> alias_version{0};

  std::atomic<uint64_t> epoch{0};
  std::deque<GivenWay> given_way;  // not forgotten by every reader, oldest first
  std::vector<Reader*> readers;
  FlowOverflow overflow;

  Entry* find(const model::FlowId& id) const {
    const auto found = entries.find(id);
    return found == entries.end() ? nullptr : found->second.get();
  }

  Entry* intern(const model::Family& family, std::vector<model::PathNode> nodes, std::vector<TreeNode> tree) {
    CHECK(nodes.size() == tree.size());
    std::string path = path_string(nodes);
    const model::Fingerprint fingerprint = fingerprint_of(path);
    const model::FlowId id = flow_id(family, fingerprint);
    if (Entry* const known = find(id)) return known;
    auto entry = std::make_shared<Entry>();
    entry->id = id;
    entry->family = family;
    entry->nodes = std::move(nodes);
    entry->tree = std::move(tree);
    entry->path = std::move(path);
    entry->fingerprint = fingerprint;
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
  bool link(Entry* from, Entry* to, std::vector<uint32_t> node_map) {
    if (from->survivor != nullptr || last_survivor(to) == from) return false;
    ++alias_count;
    alias_version.fetch_add(1, std::memory_order_release);
    from->survivor = to;
    from->node_map = std::move(node_map);
    to->absorbed.push_back(from);
    return true;
  }

  static bool any_traces(const Entry* entry) {
    if (entry->whole_traces.load(std::memory_order_acquire) > 0) return true;
    return std::ranges::any_of(entry->absorbed, any_traces);
  }

  // How rare it is: those that give way first are the least.
  struct Rank {
    int64_t traces = 0;
    uint32_t last_seen = 0;
    size_t order = 0;  // of coming
    Entry* entry = nullptr;
    bool operator<(const Rank& other) const {
      return std::tie(traces, last_seen, order) < std::tie(other.traces, other.last_seen, other.order);
    }
  };
  static void add_up(const Entry* entry, Rank& rank) {
    rank.traces += entry->whole_traces.load(std::memory_order_relaxed);
    rank.last_seen = std::max(rank.last_seen, entry->last_seen.load(std::memory_order_relaxed));
    for (const Entry* const absorbed : entry->absorbed) add_up(absorbed, rank);
  }

  size_t flow_count() const { return entries.size() - alias_count; }
  void make_room();
  void make_room_for_aliases();
  void give_way(Entry* entry);
  void finish_epoch();
  void note_overflow(std::span<const Rank> gone);
};

// It and what became it. Readers are told aliases first.
void FlowCatalog::Impl::give_way(Entry* entry) {
  std::vector<Entry*> all{entry};
  for (size_t i = 0; i < all.size(); ++i)
    all.insert(all.end(), all[i]->absorbed.begin(), all[i]->absorbed.end());
  if (entry->survivor != nullptr) std::erase(entry->survivor->absorbed, entry);
  for (auto gone = all.rbegin(); gone != all.rend(); ++gone) {
    const auto place = entries.find((*gone)->id);
    if ((*gone)->survivor != nullptr) {
      --alias_count;
      gone_aliases.push_back((*gone)->id);
    }
    (*gone)->given_way.store(true, std::memory_order_release);
    given_way.push_back({epoch.load(std::memory_order_relaxed) + 1, std::move(place->second)});
    entries.erase(place);
  }
}

void FlowCatalog::Impl::finish_epoch() {
  const auto gone = [](const Entry* entry) { return entry->given_way.load(std::memory_order_relaxed); };
  std::erase_if(in_order, gone);
  std::erase_if(dirty_aliases, gone);
  epoch.fetch_add(1, std::memory_order_release);
}

void FlowCatalog::Impl::make_room() {
  const size_t count = flow_count();
  if (max_flows == 0 || count <= max_flows) return;
  const size_t wanted = count - max_flows + max_flows / 20;
  const size_t old = count - std::max<size_t>(1, count / 4);  // the others are new: they get their chance
  std::vector<Rank> ranks;
  ranks.reserve(old);
  for (size_t i = 0; i < in_order.size() && ranks.size() < old; ++i) {
    if (in_order[i]->survivor != nullptr) continue;
    Rank& rank = ranks.emplace_back();
    rank.order = i;
    rank.entry = in_order[i];
    add_up(in_order[i], rank);
  }
  const size_t gone = std::min(wanted, ranks.size());
  std::nth_element(ranks.begin(), ranks.begin() + static_cast<std::ptrdiff_t>(gone - 1), ranks.end());
  note_overflow({ranks.data(), gone});
  for (size_t i = 0; i < gone; ++i) give_way(ranks[i].entry);
  finish_epoch();
}

// The oldest names go, once their traces are the survivor's.
void FlowCatalog::Impl::make_room_for_aliases() {
  if (max_flows == 0 || alias_count <= max_flows) return;
  size_t wanted = alias_count - max_flows + max_flows / 20;
  for (Entry* const entry : in_order) {
    if (wanted == 0) break;
    if (entry->survivor == nullptr || !entry->absorbed.empty()) continue;
    if (entry->whole_traces.load(std::memory_order_relaxed) != 0) continue;
    give_way(entry);
    --wanted;
  }
  finish_epoch();
}

void FlowCatalog::Impl::note_overflow(std::span<const Rank> gone) {
  std::map<std::pair<std::string_view, std::string_view>, std::pair<uint64_t, const Entry*>> families;
  std::map<std::string_view, uint64_t> services;
  for (const Rank& rank : gone) {
    const model::Family& family = rank.entry->family;
    auto& [count, entry] = families[{family.entry_service, family.entry_operation}];
    ++count;
    entry = rank.entry;
    ++services[family.entry_service];
    overflow.flows += rank.traces > 0 ? 1 : 0;
  }
  const auto most = std::ranges::max_element(families, {}, [](const auto& one) { return one.second.first; });
  const auto service = std::ranges::max_element(services, {}, [](const auto& one) { return one.second; });
  overflow.batch = gone.size();
  overflow.of_family = most->second.first;
  overflow.of_service = service->second;
  overflow.family = most->second.second->family;
  // Where every trace has an operation of its own, what they share is the service.
  if (overflow.of_family * 2 < overflow.of_service) {
    overflow.family = {
        .environment = {}, .entry_service = std::string(service->first), .entry_operation = {}};
    overflow.of_family = 0;
  }
}

FlowCatalog::FlowCatalog(size_t max_flows) : impl_(std::make_unique<Impl>()) { impl_->max_flows = max_flows; }
FlowCatalog::~FlowCatalog() { CHECK(impl_->readers.empty()); }

uint64_t FlowCatalog::epoch() const { return impl_->epoch.load(std::memory_order_acquire); }
uint64_t FlowCatalog::alias_version() const { return impl_->alias_version.load(std::memory_order_acquire); }
size_t FlowCatalog::max_flows() const { return impl_->max_flows; }

std::shared_ptr<const FlowIdentity> FlowCatalog::share(const FlowIdentity* flow) {
  return entry_of(flow)->shared_from_this();
}

bool FlowCatalog::claim(const FlowIdentity* flow) { return !entry_of(flow)->claimed.exchange(true); }

FlowOverflow FlowCatalog::take_overflow() {
  const std::unique_lock lock(impl_->mutex);
  FlowOverflow taken = impl_->overflow;
  impl_->overflow.flows = 0;
  return taken;
}

FlowCatalog::Reader::Reader(const FlowCatalog& catalog) : catalog_(catalog) {
  const std::unique_lock lock(catalog.impl_->mutex);
  seen_ = catalog.impl_->epoch.load();
  catalog.impl_->readers.push_back(this);
}

FlowCatalog::Reader::~Reader() {
  const std::unique_lock lock(catalog_.impl_->mutex);
  std::erase(catalog_.impl_->readers, this);
}

void FlowCatalog::Reader::catch_up(const std::function<void(const FlowIdentity*)>& forget) {
  Impl& impl = *catalog_.impl_;
  std::vector<std::shared_ptr<Entry>> gone;
  uint64_t until;
  {
    const std::shared_lock lock(impl.mutex);
    until = impl.epoch.load();
    const auto first = std::ranges::upper_bound(impl.given_way, seen_, {}, &GivenWay::epoch);
    if (forget)
      for (auto next = first; next != impl.given_way.end(); ++next) gone.push_back(next->entry);
  }
  for (const auto& entry : gone) forget(entry.get());
  std::vector<std::shared_ptr<Entry>> forgotten;  // freed behind the lock
  {
    const std::unique_lock lock(impl.mutex);
    seen_ = until;
    uint64_t all_seen = until;
    for (const Reader* const reader : impl.readers) all_seen = std::min(all_seen, reader->seen_);
    while (!impl.given_way.empty() && impl.given_way.front().epoch <= all_seen) {
      forgotten.push_back(std::move(impl.given_way.front().entry));
      impl.given_way.pop_front();
    }
  }
}

const FlowIdentity* FlowCatalog::intern(const model::Family& family, std::vector<model::PathNode> nodes,
                                        std::vector<TreeNode> tree) {
  const std::unique_lock lock(impl_->mutex);
  const size_t known = impl_->entries.size();
  Entry* const entry = impl_->intern(family, std::move(nodes), std::move(tree));
  if (impl_->entries.size() > known) impl_->make_room();  // it is new, so it stays
  return entry;
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
  // What was stored is taken up first; the next new flow makes room.
  const std::unique_lock lock(impl_->mutex);
  return impl_->intern(flow->family, std::move(flow->nodes), std::move(flow->tree));
}

const FlowIdentity* FlowCatalog::find(const model::FlowId& id) const {
  const std::shared_lock lock(impl_->mutex);
  return impl_->find(id);
}

std::shared_ptr<const FlowIdentity> FlowCatalog::survivor(const model::FlowId& id) const {
  const std::shared_lock lock(impl_->mutex);
  Entry* const entry = impl_->find(id);
  return entry == nullptr ? nullptr : Impl::last_survivor(entry)->shared_from_this();
}

Resolved FlowCatalog::resolve(const FlowIdentity* flow) const {
  const std::shared_lock lock(impl_->mutex);
  const Entry* entry = entry_of(flow);
  Resolved resolved;
  if (entry == nullptr) return resolved;
  for (; entry->survivor != nullptr; entry = entry->survivor) {
    if (resolved.flow == nullptr) {
      resolved.node_map = entry->node_map;
    } else {
      for (uint32_t& node : resolved.node_map) node = entry->node_map[node];
    }
    resolved.flow = entry->survivor;
  }
  resolved.flow = entry;
  return resolved;
}

bool FlowCatalog::exists(const FlowIdentity* flow) const {
  const std::shared_lock lock(impl_->mutex);
  // What one that gave way became may be gone already.
  if (flow == nullptr || flow->given_way.load(std::memory_order_relaxed)) return false;
  return Impl::any_traces(Impl::last_survivor(entry_of(flow)));
}

std::vector<const FlowIdentity*> FlowCatalog::aliases(const FlowIdentity* flow) const {
  const std::shared_lock lock(impl_->mutex);
  std::vector<const FlowIdentity*> found;
  const Entry* const entry = entry_of(flow);
  if (entry == nullptr) return found;
  std::vector<const Entry*> open{entry};
  while (!open.empty()) {
    const Entry* const next = open.back();
    open.pop_back();
    for (const Entry* const absorbed : next->absorbed) {
      found.push_back(absorbed);
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
    const FlowIdentity& old = *entry;
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
    if (impl_->link(entry, survivor, std::move(canonical.node_map))) impl_->dirty_aliases.push_back(entry);
  }
  impl_->make_room_for_aliases();
}

void FlowCatalog::take_dirty(const DocumentSink& sink) {
  std::vector<std::pair<std::string, std::optional<std::string>>> documents;
  {
    const std::unique_lock lock(impl_->mutex);
    for (const model::FlowId& id : std::exchange(impl_->gone_aliases, {}))
      documents.emplace_back(std::string(kAliasPrefix) + id.to_string(), std::nullopt);
    for (const Entry* const entry : std::exchange(impl_->dirty_aliases, {})) {
      // Both flows are written out: neither need have a trace of its own.
      RecordWriter record;
      record.byte(kAliasVersion);
      record.text(encode_identity(*entry));
      record.text(encode_identity(*entry->survivor));
      for (const uint32_t node : entry->node_map) record.number(node);
      documents.emplace_back(std::string(kAliasPrefix) + entry->id.to_string(), std::move(record).bytes());
    }
  }
  for (const auto& [key, value] : documents)
    sink(key, value ? std::optional<std::string_view>(*value) : std::nullopt);
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
  if (!impl_->link(from_entry, to_entry, std::move(node_map))) return bad("it contradicts another alias");
  return {};
}

}  // namespace testmesh::discovery
