#include "discovery/flow_book.h"

#include <charconv>

#include "base/hex.h"
#include "discovery/flow_book_impl.h"

namespace testmesh::discovery {
namespace {

// 1: identity, statistics. 2: and the services of the latest trace's nodes.
// 3: and the names of the tests, and when the flow was met.
constexpr uint8_t kFlowVersion = 3;
constexpr std::string_view kFlowPrefix = "flow/";
constexpr std::string_view kHistoryPrefix = "hist/";
constexpr uint8_t kDroppedVersion = 1;
constexpr std::string_view kDroppedKey = "dropped";
constexpr uint64_t kFoldAgain = UINT64_MAX;

std::string hex_of(const model::FlowId& id) { return base::to_hex(id.bytes); }

std::string flow_key(const model::FlowId& id) { return std::string(kFlowPrefix) + hex_of(id); }

std::string hour_key(const model::FlowId& id, uint32_t hour) {
  const std::string seconds = std::to_string(uint64_t{hour} * 3600);
  return std::string(kHistoryPrefix) + hex_of(id) + "/" +
         std::string(11 - std::min<size_t>(11, seconds.size()), '0') + seconds;
}

base::Error corrupt(std::string_view key, std::string_view what) {
  return {base::ErrorCode::kCorrupt,
          "flow document " + std::string(key.substr(0, 60)) + ": " + std::string(what)};
}

base::Error written_later(std::string_view key, uint8_t version, uint8_t known) {
  return corrupt(key, "has version " + std::to_string(version) + ", this program reads up to version " +
                          std::to_string(known) + "; start a newer testmesh on this data");
}

// Rarely a write: books share the flow.
void see(const FlowIdentity& flow, base::UnixNanos start) {
  const auto seconds = static_cast<uint32_t>(std::min<uint64_t>(start / 1'000'000'000, UINT32_MAX));
  uint32_t known = flow.last_seen.load(std::memory_order_relaxed);
  while (known < seconds &&
         !flow.last_seen.compare_exchange_weak(known, seconds, std::memory_order_relaxed)) {
  }
}

// Where the services of `shown` differ from the flow's own: count, then
// (steps since the last, service). What else a node is, is the flow's.
void put_shown(std::string& out, const FlowIdentity& flow, const NodeList& shown) {
  std::vector<size_t> different;
  if (shown) {
    for (size_t i = 0; i < flow.nodes.size() && i < shown->size(); ++i)
      if ((*shown)[i].service != flow.nodes[i].service) different.push_back(i);
  }
  put_varint(out, different.size());
  size_t next = 0;
  for (const size_t i : different) {
    put_varint(out, i - next);
    put_bytes(out, (*shown)[i].service);
    next = i + 1;
  }
}

NodeList read_shown(ByteReaderView& in, const FlowIdentity& flow) {
  const uint64_t count = in.varint();
  if (count > flow.nodes.size()) in.fail();
  if (!in.ok() || count == 0) return nullptr;
  std::vector<model::PathNode> nodes = flow.nodes;
  size_t next = 0;
  for (uint64_t i = 0; i < count && in.ok(); ++i) {
    const uint64_t steps = in.varint();
    if (steps >= nodes.size() - next) {
      in.fail();
      break;
    }
    next += steps;
    nodes[next++].service = in.bytes();
  }
  return std::make_shared<const std::vector<model::PathNode>>(std::move(nodes));
}

}  // namespace

std::optional<NodeList> shown_as(const FlowEntry& entry, const Resolved& resolved) {
  if (resolved.flow == entry.flow) return entry.stats.shown;
  if (resolved.flow->nodes.size() != entry.flow->nodes.size()) return std::nullopt;
  auto nodes = survivor_nodes(resolved, entry.stats.shown ? *entry.stats.shown : entry.flow->nodes);
  if (nodes == resolved.flow->nodes) return NodeList();
  return std::make_shared<const std::vector<model::PathNode>>(std::move(nodes));
}

FlowEntry& FlowBook::Impl::entry(const FlowIdentity* flow) {
  std::unique_ptr<FlowEntry>& place = entries[flow];
  if (!place) {
    place = std::make_unique<FlowEntry>(flow);
    place->born = drops;
    if (catalog.resolve(flow).flow != flow) folded = kFoldAgain;
  }
  return *place;
}

FlowEntry* FlowBook::Impl::find(const FlowIdentity* flow) const {
  const auto found = entries.find(flow);
  return found == entries.end() ? nullptr : found->second.get();
}

void FlowBook::Impl::mark(FlowEntry& entry) {
  if (entry.dirty) return;
  entry.dirty = true;
  dirty.push_back(&entry);
}

FlowBook::FlowBook(const FlowCatalog& catalog) : impl_(std::make_unique<Impl>(catalog)) {}
FlowBook::~FlowBook() = default;

void FlowBook::add(const model::TraceId& trace, TraceClass trace_class, const FlowMatch& match) {
  CHECK(match.flow != nullptr);
  FlowEntry* known = impl_->find(match.flow);
  if (known == nullptr) impl_->settle();
  if (match.flow->given_way.load(std::memory_order_acquire)) {  // since the trace was looked at
    ++impl_->dropped_of(trace_class);
    // It may never have counted anywhere: it existed all the same.
    const FlowIdentity* const flow = impl_->catalog.resolve(match.flow).flow;
    if (trace_class == TraceClass::kWhole && flow->given_way.load(std::memory_order_acquire) &&
        FlowCatalog::claim(flow))
      ++impl_->dropped.flows;
    return;
  }
  FlowEntry& entry = known ? *known : impl_->entry(match.flow);
  entry.stats.add(trace, trace_class, match, impl_->calls);
  if (trace_class != TraceClass::kTest) entry.history.add(match.start, match.duration_ns, match.error);
  if (trace_class == TraceClass::kWhole) {
    match.flow->whole_traces.fetch_add(1, std::memory_order_relaxed);
    see(*match.flow, match.start);
  }
  impl_->mark(entry);
}

void FlowBook::remove(const model::TraceId& trace, TraceClass trace_class, const FlowMatch& match,
                      uint64_t born) {
  CHECK(match.flow != nullptr);
  impl_->settle();
  FlowEntry* entry = born == kGaveWay ? nullptr : impl_->find(match.flow);
  Resolved resolved;
  if (born != kGaveWay && (entry == nullptr || entry->stats.count_of(trace_class) == 0)) {
    resolved = impl_->catalog.resolve(match.flow);
    entry = impl_->find(resolved.flow);
  }
  if (entry == nullptr || entry->stats.count_of(trace_class) == 0 || born < entry->born) {
    // It counted in a flow that gave way.
    if (uint64_t& dropped = impl_->dropped_of(trace_class); dropped > 0) {
      --dropped;
    } else {
      ++impl_->mismatches;
    }
    return;
  }
  bool held = entry->stats.remove(trace, trace_class, match, resolved.node_map, impl_->calls);
  if (trace_class != TraceClass::kTest) {
    held &= entry->history.remove(match.start, match.duration_ns, match.error);
  }
  if (trace_class == TraceClass::kWhole) entry->flow->whole_traces.fetch_sub(1, std::memory_order_relaxed);
  if (!held) ++impl_->mismatches;
  impl_->mark(*entry);
}

uint64_t FlowBook::born(const FlowIdentity* flow) {
  if (const FlowEntry* const known = impl_->find(flow)) return known->born;
  impl_->settle();
  // Before its path can come again.
  if (flow->given_way.load(std::memory_order_acquire)) return impl_->drops == 0 ? 0 : impl_->drops - 1;
  FlowEntry& entry = impl_->entry(flow);
  impl_->mark(entry);
  return entry.born;
}

bool FlowBook::settle() { return impl_->settle(); }

const DroppedCounts& FlowBook::dropped() const { return impl_->dropped; }

bool FlowBook::Impl::settle() {
  if (!reader.behind()) return false;
  ++drops;
  drops_changed = true;
  reader.catch_up([&](const FlowIdentity* flow) {
    FlowEntry* const entry = find(flow);
    if (entry == nullptr) return;
    const Resolved resolved = catalog.resolve(flow);
    if (!resolved.flow->given_way.load(std::memory_order_acquire)) {
      fold(*entry, resolved);  // only its name went
    } else {
      dropped.traces += entry->stats.traces();
      dropped.tests += entry->stats.test;
      if (entry->stats.whole > 0 && FlowCatalog::claim(resolved.flow)) ++dropped.flows;
    }
    discard(*entry);
  });
  erase_discarded();
  return true;
}

void FlowBook::Impl::discard(FlowEntry& entry) {
  if (entry.stored) {
    gone_keys.push_back(flow_key(entry.flow->id));
    entry.history.for_each(
        [&](uint32_t hour, const HourSeries&) { gone_keys.push_back(hour_key(entry.flow->id, hour)); });
  }
  entry.dirty = false;
  discarded.push_back(entry.flow);
}

void FlowBook::Impl::erase_discarded() {
  if (discarded.empty()) return;
  std::erase_if(dirty, [](const FlowEntry* entry) { return !entry->dirty; });
  for (const FlowIdentity* const flow : discarded) entries.erase(flow);
  discarded.clear();
}

void FlowBook::Impl::fold(FlowEntry& from, const Resolved& resolved) {
  FlowEntry& to = entry(resolved.flow);
  to.born = std::min(to.born, from.born);
  if (from.stats.is_later_than(to.stats))
    if (auto shown = shown_as(from, resolved)) to.stats.shown = *std::move(shown);
  to.stats.merge(from.stats, resolved.node_map);
  to.history.merge(from.history);
  mark(to);
  // Up before down: nobody sees the flow without its traces.
  const auto whole = static_cast<int64_t>(from.stats.whole);
  to.flow->whole_traces.fetch_add(whole, std::memory_order_relaxed);
  if (const TracePoint* last = to.stats.latest.best()) see(*to.flow, last->value);
  from.flow->whole_traces.fetch_sub(whole, std::memory_order_release);
}

void FlowBook::fold_aliases() {
  impl_->settle();
  const uint64_t version = impl_->catalog.alias_version();
  if (impl_->folded == version) return;
  impl_->folded = version;
  std::vector<std::pair<FlowEntry*, Resolved>> moves;
  for (const auto& [flow, entry] : impl_->entries) {
    Resolved resolved = impl_->catalog.resolve(flow);
    if (resolved.flow != flow) moves.emplace_back(entry.get(), std::move(resolved));
  }
  for (const auto& [from, resolved] : moves) {
    impl_->fold(*from, resolved);
    impl_->discard(*from);
  }
  impl_->erase_discarded();
}

void FlowBook::take_dirty(base::UnixNanos now, int64_t retention_days, const DocumentSink& sink) {
  impl_->now = now;
  const auto now_hour = static_cast<uint32_t>(now / kHourNanos);
  // Folding settles. Below nothing does: other shards make flows give way at
  // any moment, and those whose documents go must be in what is said dropped.
  fold_aliases();
  if (std::exchange(impl_->drops_changed, false)) {
    std::string document(1, static_cast<char>(kDroppedVersion));
    for (const uint64_t count :
         {impl_->dropped.flows, impl_->dropped.traces, impl_->dropped.tests, impl_->drops})
      put_varint(document, count);
    sink(kDroppedKey, document);
  }
  for (const std::string& key : impl_->gone_keys) sink(key, std::nullopt);
  impl_->gone_keys.clear();

  if (impl_->expired_hour != now_hour) {
    impl_->expired_hour = now_hour;
    const int64_t oldest = retention_days > 0 ? int64_t{now_hour} - retention_days * 24 : 0;
    for (const auto& [flow, entry] : impl_->entries) {
      if (entry->history.expire(static_cast<uint32_t>(std::max<int64_t>(oldest, 0)))) impl_->mark(*entry);
    }
  }

  std::string document;
  for (FlowEntry* entry : impl_->dirty) {
    entry->dirty = false;
    const bool stored = std::exchange(entry->stored, true);
    const model::FlowId id = entry->flow->id;
    entry->history.take_dirty(now_hour, [&](uint32_t hour, const std::string* value) {
      sink(hour_key(id, hour), value ? std::optional<std::string_view>(*value) : std::nullopt);
    });
    if (entry->stats.empty()) {
      if (stored) sink(flow_key(id), std::nullopt);
      impl_->entries.erase(entry->flow);
      continue;
    }
    document.clear();
    document += static_cast<char>(kFlowVersion);
    put_bytes(document, FlowCatalog::encode_identity(*entry->flow));
    entry->stats.encode(document);
    put_shown(document, *entry->flow, entry->stats.shown);
    entry->stats.tests.encode(document);
    put_varint(document, entry->born);
    sink(flow_key(id), document);
  }
  impl_->dirty.clear();
}

base::Result<void> FlowBook::Impl::load_dropped(std::string_view value) {
  ByteReaderView in(value);
  const uint8_t version = in.byte();
  if (in.ok() && version > kDroppedVersion)
    return std::unexpected(written_later(kDroppedKey, version, kDroppedVersion));
  DroppedCounts counts{.flows = in.varint(), .traces = in.varint(), .tests = in.varint()};
  const uint64_t times = in.varint();
  constexpr uint64_t kMost = 1ULL << 62;
  if (!in.ok() || !in.at_end() || version == 0 ||
      std::max({counts.flows, counts.traces, counts.tests, times}) > kMost)
    return std::unexpected(corrupt(kDroppedKey, "the counts do not read back"));
  dropped.flows += counts.flows;
  dropped.traces += counts.traces;
  dropped.tests += counts.tests;
  drops = std::max(drops, times);
  return {};
}

base::Result<void> FlowBook::load(FlowCatalog& catalog, std::string_view key, std::string_view value) {
  if (key == kDroppedKey) return impl_->load_dropped(value);
  const bool is_flow = key.starts_with(kFlowPrefix);
  if (!is_flow && !key.starts_with(kHistoryPrefix)) {
    return std::unexpected(corrupt(key, "expected dropped, or a key under flow/ or hist/"));
  }
  model::FlowId id;
  const std::string_view name = key.substr(kFlowPrefix.size());
  if (!base::from_hex(name.substr(0, 32), id.bytes))
    return std::unexpected(corrupt(key, "expected a flow id of 32 hex digits"));
  const std::string_view rest = name.substr(32);

  if (!is_flow) {
    uint64_t seconds = 0;
    const char* const end = rest.data() + rest.size();
    if (!rest.starts_with('/'))
      return std::unexpected(corrupt(key, "expected the start of an hour after the flow id"));
    const auto [stop, error] = std::from_chars(rest.data() + 1, end, seconds);
    if (error != std::errc() || stop != end || seconds % 3600 != 0 || seconds > UINT64_MAX / 1'000'000'000) {
      return std::unexpected(corrupt(key, "expected the start of an hour in seconds"));
    }
    const FlowIdentity* flow = catalog.find(id);
    FlowEntry* entry = flow ? impl_->find(flow) : nullptr;
    FlowHistory& history = entry ? entry->history : impl_->waiting[id];
    bool newer = false;
    if (!history.load(static_cast<uint32_t>(seconds / 3600), value, newer)) {
      if (newer)
        return std::unexpected(written_later(key, static_cast<uint8_t>(value.front()), kHourVersion));
      return std::unexpected(corrupt(key, "the hour's series does not read back"));
    }
    return {};
  }

  if (!rest.empty()) return std::unexpected(corrupt(key, "expected nothing after the flow id"));
  ByteReaderView in(value);
  const uint8_t version = in.byte();
  if (in.ok() && version > kFlowVersion) return std::unexpected(written_later(key, version, kFlowVersion));
  if (version == 0) return std::unexpected(corrupt(key, "is empty or has no version"));
  const std::string_view identity = in.bytes();
  if (!in.ok()) return std::unexpected(corrupt(key, "ends inside the flow's identity"));
  TRY_ASSIGN(const FlowIdentity* flow, catalog.intern_encoded(identity));
  if (flow->id != id) return std::unexpected(corrupt(key, "holds another flow than its key says"));
  FlowStats stats(flow->nodes.size());
  stats.decode(in);
  if (version > 1) stats.shown = read_shown(in, *flow);
  uint64_t born = 0;
  if (version > 2) {
    stats.tests.decode(in);
    born = in.varint();
  }
  if (!in.ok() || !in.at_end()) return std::unexpected(corrupt(key, "the statistics do not read back"));

  const bool met = impl_->find(flow) != nullptr;
  FlowEntry& entry = impl_->entry(flow);
  entry.born = met ? std::min(entry.born, born) : born;
  entry.stored = true;
  entry.stats.merge(stats, {});
  if (const TracePoint* last = entry.stats.latest.best()) see(*flow, last->value);
  if (met) impl_->mark(entry);
  flow->whole_traces.fetch_add(static_cast<int64_t>(stats.whole), std::memory_order_relaxed);
  if (const auto waiting = impl_->waiting.find(id); waiting != impl_->waiting.end()) {
    if (met) {
      entry.history.merge(waiting->second);
    } else {
      entry.history = std::move(waiting->second);
    }
    impl_->waiting.erase(waiting);
  }
  return {};
}

uint64_t FlowBook::mismatched_removals() const { return impl_->mismatches; }

size_t FlowBook::memory_bytes() const {
  size_t bytes = sizeof(Impl) + impl_->entries.bucket_count() * (sizeof(void*) * 2 + 1);
  for (const auto& [flow, entry] : impl_->entries) {
    bytes += sizeof(FlowEntry) + 16 + entry->stats.heap_bytes() + entry->history.heap_bytes();
  }
  for (const auto& [id, history] : impl_->waiting)
    bytes += sizeof(id) + sizeof(history) + 48 + history.heap_bytes();
  return bytes;
}

}  // namespace testmesh::discovery
