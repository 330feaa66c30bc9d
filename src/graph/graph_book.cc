#include "graph/graph_book.h"

#include <algorithm>
#include <utility>

#include "graph/graph_book_impl.h"

namespace testmesh::graph {
namespace {

using discovery::FactsId;
using discovery::kNoSpan;
using discovery::OrderedSpan;
using discovery::SpanInput;
using discovery::SpanRole;
using discovery::TraceAnalysis;
using model::SpanKind;

constexpr size_t kMaxNameBytes = 64 << 20;
constexpr size_t kMaxEnteringCells = 1 << 17;
constexpr size_t kRoomWorthKeeping = 1 << 16;  // spans of one trace
constexpr uint32_t kNotCounted = kNone - 1;    // a cell there is no room for

// Known::flags
constexpr uint8_t kLookedAt = 1;
constexpr uint8_t kServer = 2;
constexpr uint8_t kClient = 4;
constexpr uint8_t kConsumes = 8;   // CONSUMER that neither receives nor settles
constexpr uint8_t kEndpoint = 16;  // SERVER with one
constexpr uint8_t kResource = 32;  // a database, or a topic it sends to
constexpr uint8_t kPeer = 64;
constexpr uint8_t kTest = 128;

// Impl::states
constexpr uint8_t kRunner = 1;         // of the test's runner: left out
constexpr uint8_t kUnderResource = 2;  // the nearest thing touched at or above it is a resource
constexpr uint8_t kTouches = 4;  // enters a service, touches a resource or calls a peer; or something below
constexpr uint8_t kBelow = 8;    // something below it does
constexpr uint8_t kMayCallPeer = 16;

void append_key(std::string& key, const NodeView& node) {
  key += static_cast<char>(node.type);
  key += static_cast<char>(node.from_path);
  discovery::put_bytes(key, node.name);
  key += node.owner;
}

uint64_t duration_of(const SpanInput& span) { return span.end > span.start ? span.end - span.start : 0; }

NodeView service_node(std::string_view name) { return {.type = NodeType::kService, .name = name}; }

NodeView endpoint_node(const SpanRole& role) {
  if (role.endpoint.empty()) return {};
  return {.type = NodeType::kApiEndpoint,
          .name = role.endpoint,
          .owner = role.service,
          .from_path = role.route_from_path};
}

// `caller` empty: none.
CellView entering_view(const SpanRole& role, std::string_view caller) {
  if (role.kind == SpanKind::kConsumer && !role.receives_or_settles && !role.topic.empty())
    return {
        CellKind::kConsume, {.type = NodeType::kTopic, .name = role.topic}, service_node(role.service), {}};
  return {CellKind::kCall, service_node(caller), service_node(role.service), endpoint_node(role)};
}

CellView own_view(const SpanRole& role) {
  if (role.kind == SpanKind::kServer)
    return {CellKind::kEndpoint, {}, service_node(role.service), endpoint_node(role)};
  if (!role.database.empty())
    return {role.writes ? CellKind::kWrite : CellKind::kRead,
            service_node(role.service),
            {.type = NodeType::kDatabase, .name = role.database, .owner = role.database_system},
            {}};
  if (!role.topic.empty())
    return {
        CellKind::kPublish, service_node(role.service), {.type = NodeType::kTopic, .name = role.topic}, {}};
  return {CellKind::kCallExternal,
          service_node(role.service),
          {.type = NodeType::kExternal, .name = role.peer},
          {}};
}

uint8_t flags_of(const SpanRole& role) {
  uint8_t flags = kLookedAt;
  if (role.is_test) flags |= kTest;
  switch (role.kind) {
    case SpanKind::kServer:
      flags |= kServer;
      if (!role.endpoint.empty()) flags |= kEndpoint;
      break;
    case SpanKind::kConsumer:
      if (!role.receives_or_settles) flags |= kConsumes;
      break;
    default:
      if (role.kind == SpanKind::kClient) flags |= kClient;
      if (!role.database.empty() || !role.topic.empty()) {
        flags |= kResource;
      } else if (!role.peer.empty()) {
        flags |= kPeer;
      }
  }
  return flags;
}

}  // namespace

// ---- cells -------------------------------------------------------------------

NodeView GraphBook::Impl::view(uint32_t node) const {
  if (node == kNone) return {};
  const BookNode& here = nodes[node];
  return {here.type, here.name, here.owner, here.from_path};
}

CellView GraphBook::Impl::view(const CellKey& cell) const {
  return {cell.kind, view(cell.source), view(cell.target), view(cell.endpoint)};
}

uint32_t GraphBook::Impl::find_node(const NodeView& node) {
  key.clear();
  append_key(key, node);
  const auto found = node_ids.find(key);
  return found == node_ids.end() ? kNone : found->second;
}

uint32_t GraphBook::Impl::intern_node(const NodeView& node) {
  if (const uint32_t found = find_node(node); found != kNone) return found;
  uint32_t number;
  if (free_nodes.empty()) {
    number = static_cast<uint32_t>(nodes.size());
    nodes.emplace_back();
  } else {
    number = free_nodes.back();
    free_nodes.pop_back();
  }
  nodes[number] = {node.type, node.from_path, std::string(node.name), std::string(node.owner), 0};
  node_ids.emplace(key, number);
  name_bytes += node.name.size() + node.owner.size() + key.size();
  return number;
}

uint32_t GraphBook::Impl::cell_of(const CellView& cell, bool create) {
  CellKey wanted{cell.kind};
  const std::pair<const NodeView&, uint32_t&> parts[] = {
      {cell.source, wanted.source}, {cell.target, wanted.target}, {cell.endpoint, wanted.endpoint}};
  bool all_known = true;
  for (const auto& [node, number] : parts) {
    if (node.name.empty()) continue;
    number = find_node(node);
    all_known &= number != kNone;
  }
  if (all_known)
    if (const auto found = cell_ids.find(wanted); found != cell_ids.end()) return found->second;
  if (!create || cell_ids.size() >= kMaxCells || name_bytes >= kMaxNameBytes) return kNone;

  for (const auto& [node, number] : parts) {
    if (node.name.empty()) continue;
    number = intern_node(node);
    ++nodes[number].cells;
  }
  uint32_t place;
  if (free_cells.empty()) {
    place = static_cast<uint32_t>(cells.size());
    cells.emplace_back();
  } else {
    place = free_cells.back();
    free_cells.pop_back();
  }
  cells[place] = Cell{.key = wanted, .used = true, .durations = {}};
  cell_ids.emplace(wanted, place);
  return place;
}

// Whoever remembers places of cells has to forget them now.
void GraphBook::Impl::erase_cell(uint32_t cell) {
  const CellKey gone_key = cells[cell].key;
  cell_ids.erase(gone_key);
  cells[cell] = Cell();
  free_cells.push_back(cell);
  for (const uint32_t number : {gone_key.source, gone_key.target, gone_key.endpoint}) {
    if (number == kNone || --nodes[number].cells > 0) continue;
    key.clear();
    append_key(key, view(number));
    name_bytes -= nodes[number].name.size() + nodes[number].owner.size() + key.size();
    node_ids.erase(key);
    nodes[number] = BookNode();
    free_nodes.push_back(number);
  }
}

void GraphBook::Impl::mark(uint32_t cell) {
  if (cells[cell].dirty) return;
  cells[cell].dirty = true;
  dirty.push_back(cell);
}

void GraphBook::Impl::merge_into(uint32_t cell, Cell& from) {
  Cell& to = cells[cell];
  if (from.count > 0) {
    to.first_seen = to.count == 0 ? from.first_seen : std::min(to.first_seen, from.first_seen);
    to.last_seen = to.count == 0 ? from.last_seen : std::max(to.last_seen, from.last_seen);
  }
  if (to.count == 0) {
    to.durations = std::move(from.durations);
  } else {
    to.durations.merge(from.durations);
  }
  to.count += from.count;
  to.errors += from.errors;
  to.duration_ns += from.duration_ns;
}

// ---- names that change -------------------------------------------------------

std::optional<std::string> renamed(const BookNode& node, const discovery::NameTries& tries) {
  const size_t space = node.name.find(' ');
  if (!node.from_path || space == std::string::npos) return std::nullopt;
  std::string route = node.name.substr(space + 1);
  if (!tries.put_parameters(node.owner, route)) return std::nullopt;
  return node.name.substr(0, space + 1) + route;
}

// Cells whose endpoints have become one become one.
void GraphBook::Impl::rename_endpoints() {
  // All names first: numbers of nodes and places of cells are taken again on the way.
  boost::unordered_flat_map<uint32_t, std::string> names;
  for (uint32_t node = 0; node < nodes.size(); ++node)
    if (auto name = renamed(nodes[node], tries)) names.emplace(node, *std::move(name));
  if (names.empty()) return;
  std::vector<std::pair<uint32_t, std::string>> moves;
  for (uint32_t place = 0; place < cells.size(); ++place)
    if (const auto name = names.find(cells[place].key.endpoint); cells[place].used && name != names.end())
      moves.emplace_back(place, name->second);
  for (const auto& [place, name] : moves) {
    const CellView then = view(cells[place].key);
    gone.push_back(identity_of(then));
    const std::string source(then.source.name), service(then.target.name);
    const CellView now{then.kind,
                       service_node(source),
                       service_node(service),
                       {.type = NodeType::kApiEndpoint, .name = name, .owner = service, .from_path = true}};
    // Out first: there is room for the new one however full it is.
    Cell moved = std::move(cells[place]);
    erase_cell(place);
    const uint32_t to = cell_of(now, true);
    if (to == kNone) {  // no room for names alone
      not_counted += moved.count;
      not_counted_dirty = true;
      continue;
    }
    merge_into(to, moved);
    mark(to);
  }
}

// ---- counting ----------------------------------------------------------------

void GraphBook::Impl::forget_facts() {
  facts.clear();
  entering_cells.clear();
}

void GraphBook::Impl::prepare() {
  if (epoch != analyzer.epoch()) {
    epoch = analyzer.epoch();
    forget_facts();
  }
  if (const uint64_t now = tries.version(); version != now) {
    version = now;
    rename_endpoints();
    forget_facts();
  }
}

GraphBook::Impl::Known& GraphBook::Impl::known(FactsId id) {
  if (id >= facts.size()) facts.resize(std::max<size_t>(id + 1, facts.size() * 2));
  Known& here = facts[id];
  if (here.flags == 0) {
    const SpanRole role = analyzer.role(id);
    here.service = role.service_id;
    here.flags = flags_of(role);
  }
  return here;
}

template <bool kAdding>
uint32_t GraphBook::Impl::entering_cell(FactsId id, Known& here, uint32_t caller, FactsId caller_facts) {
  if (here.entering != kNone && here.caller == caller) return here.entering;
  const uint64_t memo_key = uint64_t{id} << 32 | caller;
  uint32_t cell = kNone;
  if (const auto found = entering_cells.find(memo_key); found != entering_cells.end()) {
    cell = found->second;
  } else {
    cell = cell_of(entering_view(analyzer.role(id),
                                 caller == kNone ? std::string_view() : analyzer.service(caller_facts)),
                   kAdding);
    if (cell == kNone) {
      if (!kAdding) return kNone;
      cell = kNotCounted;
    }
    if (entering_cells.size() >= kMaxEnteringCells) entering_cells.clear();
    entering_cells.emplace(memo_key, cell);
  }
  here.caller = caller;
  here.entering = cell;
  return cell;
}

template <bool kAdding>
uint32_t GraphBook::Impl::own_cell(FactsId id, Known& here) {
  if (here.own != kNone) return here.own;
  const uint32_t cell = cell_of(own_view(analyzer.role(id)), kAdding);
  if (cell == kNone && !kAdding) return kNone;
  return here.own = cell == kNone ? kNotCounted : cell;
}

template <bool kAdding>
void GraphBook::Impl::count(uint32_t place, const SpanInput& span) {
  if (place >= kNotCounted) {
    not_counted_dirty = true;
    if (kAdding) {
      ++not_counted;
    } else if (not_counted > 0) {
      --not_counted;
    } else {
      ++mismatches;
    }
    return;
  }
  Cell& cell = cells[place];
  const uint64_t duration = duration_of(span);
  if (kAdding) {
    cell.durations.add(duration);
    ++cell.count;
    cell.errors += span.error;
    cell.duration_ns += duration;
    cell.first_seen = std::min(cell.first_seen, span.start);
    cell.last_seen = std::max(cell.last_seen, span.start);
  } else {
    if (!cell.durations.remove(duration)) {
      ++mismatches;
      return;
    }
    --cell.count;
    cell.errors -= std::min<uint64_t>(cell.errors, span.error);
    cell.duration_ns -= std::min<discovery::Uint128>(cell.duration_ns, duration);
    if (cell.count == 0) {
      cell.errors = 0;
      cell.duration_ns = 0;
      cell.first_seen = UINT64_MAX;
      cell.last_seen = 0;
    }
  }
  mark(place);
}

// Down for what is entered and touched; then, if some span may have called
// what sends no spans, up for what lies below it.
template <bool kAdding>
void GraphBook::Impl::apply(std::span<const SpanInput> spans, const TraceAnalysis& analysis) {
  prepare();
  const std::vector<OrderedSpan>& order = analysis.order;
  if (states.capacity() > kRoomWorthKeeping && order.size() < kRoomWorthKeeping / 4) states = {};
  states.resize(order.size());
  const uint32_t runner_service = analysis.test ? known(spans[analysis.root].facts).service : 0;
  bool peers = false;
  for (size_t i = 0; i < order.size(); ++i) {
    const SpanInput& span = spans[order[i].span];
    Known& here = known(span.facts);
    const uint32_t parent = order[i].parent;
    const uint8_t above = parent == kNoSpan ? kRunner : states[parent];  // what calls nobody: no caller
    uint8_t state = 0;
    if ((above & kRunner) && analysis.test && (here.flags & kTest) && here.service == runner_service) {
      states[i] = kRunner;
      continue;
    }
    uint32_t caller = kNone;
    FactsId caller_facts = 0;
    bool enters = true;
    if (!(above & kRunner)) {
      caller_facts = spans[order[parent].span].facts;
      const Known& calling = facts[caller_facts];
      caller = calling.service;
      enters = caller != here.service || (here.flags & kConsumes) ||
               ((here.flags & kServer) && (calling.flags & kClient));
      state = above & kUnderResource;
    }
    if (enters) {
      count<kAdding>(entering_cell<kAdding>(span.facts, here, caller, caller_facts), span);
      state = kTouches;
    } else if (here.flags & kEndpoint) {
      count<kAdding>(own_cell<kAdding>(span.facts, here), span);
      state = kTouches;
    }
    if (here.flags & kResource) {
      count<kAdding>(own_cell<kAdding>(span.facts, here), span);
      state = kTouches | kUnderResource;
    } else if ((here.flags & kPeer) && !(state & kUnderResource)) {
      state |= kMayCallPeer;
      peers = true;
    }
    states[i] = state;
  }
  if (!peers) return;
  for (size_t i = order.size(); i-- > 0;) {
    uint8_t& state = states[i];
    if ((state & kMayCallPeer) && !(state & kBelow)) {
      const SpanInput& span = spans[order[i].span];
      count<kAdding>(own_cell<kAdding>(span.facts, facts[span.facts]), span);
      state |= kTouches;
    }
    if ((state & (kTouches | kBelow)) && order[i].parent != kNoSpan) states[order[i].parent] |= kBelow;
  }
}

GraphBook::GraphBook(const discovery::TraceAnalyzer& analyzer, const discovery::NameTries& tries)
    : impl_(std::make_unique<Impl>(analyzer, tries)) {}
GraphBook::~GraphBook() = default;

void GraphBook::add(std::span<const SpanInput> spans, const TraceAnalysis& analysis) {
  impl_->apply<true>(spans, analysis);
}

void GraphBook::remove(std::span<const SpanInput> spans, const TraceAnalysis& analysis) {
  impl_->apply<false>(spans, analysis);
}

uint64_t GraphBook::mismatched_removals() const { return impl_->mismatches; }
uint64_t GraphBook::not_counted() const { return impl_->not_counted; }

size_t GraphBook::memory_bytes() const {
  const Impl& book = *impl_;
  size_t bytes = sizeof(Impl) + 2 * book.name_bytes + book.nodes.capacity() * sizeof(BookNode) +
                 book.node_ids.bucket_count() * (sizeof(std::string) + sizeof(uint32_t) + 1) +
                 book.cells.capacity() * sizeof(Cell) +
                 book.cell_ids.bucket_count() * (sizeof(CellKey) + sizeof(uint32_t) + 1) +
                 book.facts.capacity() * sizeof(Impl::Known) +
                 book.entering_cells.bucket_count() * (sizeof(uint64_t) + sizeof(uint32_t) + 1) +
                 book.states.capacity();
  for (const Cell& cell : book.cells) bytes += cell.durations.heap_bytes();
  return bytes;
}

}  // namespace testmesh::graph
