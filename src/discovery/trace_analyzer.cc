#include "discovery/trace_analyzer.h"

#include <algorithm>
#include <unordered_map>

#include "discovery/facts_table.h"
#include "discovery/path_builder.h"
#include "discovery/span_tree.h"

namespace testmesh::discovery {
namespace {

constexpr size_t kRoomWorthKeeping = 1 << 16;  // an unusually large trace gives it back
constexpr size_t kMaxKnownFlows = 100'000;
constexpr size_t kMaxKnownNodeBytes = 64 << 20;

// A path and the family it is seen in.
struct FlowKey {
  uint64_t a = 0, b = 0;
  uint64_t length = 0;
  uint32_t place = 0;      // environment and service of the entry
  uint32_t operation = 0;  // a node when `endpoint`, else an operation of the facts
  bool endpoint = false;
  friend bool operator==(const FlowKey&, const FlowKey&) = default;
};

struct FlowKeyHash {
  size_t operator()(const FlowKey& key) const {
    const uint64_t family = uint64_t{key.place} << 33 | uint64_t{key.operation} << 1 | uint64_t{key.endpoint};
    return key.a ^ family * 0x9e3779b97f4a7c15ULL;
  }
};

struct KnownFlow {
  const FlowIdentity* flow = nullptr;
  NodeList nodes;  // as of FlowMatch
};

std::string_view test_name_at(const FactsTable::Source& entry) {
  if (!entry.test_name.empty()) return entry.test_name;
  return entry.operation == "testmesh.execution" ? std::string_view() : test_name_of(entry.operation);
}

size_t bytes_of(const std::vector<model::PathNode>& nodes) {
  size_t bytes = nodes.size() * sizeof(model::PathNode);
  for (const model::PathNode& node : nodes) bytes += node.identifier.size() + node.service.size();
  return bytes;
}

}  // namespace

struct TraceAnalyzer::Impl {
  Impl(NameTries& tries_in, FlowCatalog& catalog_in)
      : tries(tries_in), catalog(catalog_in), builder(facts, tries_in, catalog_in), reader(catalog_in) {}

  NameTries& tries;
  FlowCatalog& catalog;
  FactsTable facts;
  SpanTree tree;
  PathBuilder builder;
  FlowCatalog::Reader reader;
  std::unordered_map<FlowKey, KnownFlow, FlowKeyHash> flows;
  size_t node_bytes = 0;  // of the lists in `flows`
  TraceAnalysis result;
  std::unordered_map<const FlowIdentity*, size_t> match_of;  // of a test trace, to count it once in each flow
  size_t matches = 0;                                        // of `result.flows`, whose rooms are reused
  std::string_view test_name;                                // of the trace being analysed

  NodeId endpoint_of(FactsId id);
  const KnownFlow& flow_of_path(const Facts& entry, const FactsTable::Source& source);
  void forget_flows() {
    flows.clear();
    node_bytes = 0;
  }
  void add_match(std::span<const SpanInput> spans, uint32_t begin, uint32_t end, const UrlOf& url_of);
  void add_test_matches(std::span<const SpanInput> spans, const UrlOf& url_of);
  bool partial(std::span<const SpanInput> spans) const;
};

const KnownFlow& TraceAnalyzer::Impl::flow_of_path(const Facts& entry, const FactsTable::Source& source) {
  const NodeId endpoint = builder.entry_endpoint();
  const ListHash& hash = builder.path().hash;
  FlowKey key{hash.a, hash.b, hash.length, entry.place, 0, endpoint != kNoNode};
  key.operation = key.endpoint ? endpoint : entry.operation;
  if (const auto known = flows.find(key); known != flows.end()) return known->second;

  std::vector<model::PathNode> nodes;
  std::vector<TreeNode> shape;
  builder.collect(nodes, shape);
  const model::Family family{source.environment, source.service,
                             key.endpoint ? facts.nodes().node(endpoint).identifier : source.operation};
  KnownFlow known{catalog.intern(family, nodes, std::move(shape)), nullptr};
  builder.rename_if_stale(known.flow->nodes, known.flow->tree);
  if (flows.size() >= kMaxKnownFlows || node_bytes >= kMaxKnownNodeBytes) forget_flows();
  if (nodes != known.flow->nodes) {
    node_bytes += bytes_of(nodes);
    known.nodes = std::make_shared<const std::vector<model::PathNode>>(std::move(nodes));
  }
  return flows.emplace(key, std::move(known)).first->second;
}

void TraceAnalyzer::Impl::add_match(std::span<const SpanInput> spans, uint32_t begin, uint32_t end,
                                    const UrlOf& url_of) {
  builder.build(tree, spans, begin, end, url_of);
  const SpanInput& entry = spans[tree[begin].input];
  const KnownFlow& known_flow = flow_of_path(facts[entry.facts], facts.source(entry.facts));
  const FlowIdentity* flow = known_flow.flow;
  bool error = false;
  for (uint32_t position = begin; position < end && !error; ++position)
    error = spans[tree[position].input].error;

  const auto [known, is_new] =
      result.test ? match_of.try_emplace(flow, matches) : std::pair(match_of.end(), true);
  FlowMatch* match = nullptr;
  if (!is_new) {
    match = &result.flows[known->second];
    match->error |= error;
    match->further_entries.push_back(tree[begin].input);
  } else {
    if (result.flows.size() == matches) result.flows.emplace_back();
    match = &result.flows[matches++];
    match->flow = flow;
    match->nodes = known_flow.nodes;
    match->entry = tree[begin].input;
    match->start = entry.start;
    match->duration_ns = entry.end > entry.start ? entry.end - entry.start : 0;
    match->error = error;
    match->further_entries.clear();
    match->visits.clear();
    match->retries.clear();
    match->test_name = test_name;
  }
  builder.add_visits(*match, flow->nodes.size());
}

// The runner's spans are left out; what is topmost then is an entry.
void TraceAnalyzer::Impl::add_test_matches(std::span<const SpanInput> spans, const UrlOf& url_of) {
  const uint32_t service = facts[spans[tree[0].input].facts].service;
  match_of.clear();
  for (uint32_t position = 0; position < tree.size();) {
    const Facts& here = facts[spans[tree[position].input].facts];
    if (here.is_test && here.service == service) {
      ++position;
      continue;
    }
    add_match(spans, position, tree[position].end, url_of);
    position = tree[position].end;
  }
}

bool TraceAnalyzer::Impl::partial(std::span<const SpanInput> spans) const {
  if (tree.cycles_cut() > 0) return true;
  if (tree.orphans() == 0) return false;
  if (!tree.every_span_has_parent_id() || !tree.one_absent_parent()) return true;
  // The caller does not export: a browser, a gateway, curl.
  for (uint32_t position = 0; position < tree.size(); position = tree[position].end) {
    const model::SpanKind kind = facts[spans[tree[position].input].facts].kind;
    if (kind != model::SpanKind::kServer && kind != model::SpanKind::kConsumer) return true;
  }
  return false;
}

TraceAnalyzer::TraceAnalyzer(NameTries& tries, FlowCatalog& catalog)
    : impl_(std::make_unique<Impl>(tries, catalog)) {}
TraceAnalyzer::~TraceAnalyzer() = default;

FactsId TraceAnalyzer::facts(const SpanDescription& description) {
  const uint64_t before = impl_->facts.epoch();
  const FactsId id = impl_->facts.intern(description, impl_->tries);
  if (impl_->facts.epoch() != before) impl_->forget_flows();
  return id;
}

uint64_t TraceAnalyzer::epoch() const { return impl_->facts.epoch(); }
bool TraceAnalyzer::is_test(FactsId id) const { return impl_->facts[id].is_test; }
std::string_view TraceAnalyzer::service(FactsId id) const { return impl_->facts.source(id).service; }

// By its present name.
NodeId TraceAnalyzer::Impl::endpoint_of(FactsId id) {
  const Facts& here = facts[id];
  if (!here.route_from_path || here.trie_version == tries.version()) return here.endpoint;
  // Shown, not seen: the tries learn from traces only.
  const FactsTable::Source& source = facts.source(id);
  const std::string route = tries.apply(source.service, source.route);
  const NodeId endpoint = facts.nodes().intern(model::NodeType::kApiEndpoint,
                                               endpoint_name(source.method, route), source.service);
  facts.nodes().entry(endpoint).from_path = true;
  return endpoint;
}

std::string_view TraceAnalyzer::operation(FactsId id) const {
  const NodeId endpoint = impl_->endpoint_of(id);
  return endpoint == kNoNode ? std::string_view(impl_->facts.source(id).operation)
                             : impl_->facts.nodes().node(endpoint).identifier;
}

SpanRole TraceAnalyzer::role(FactsId id) const {
  const NodeId endpoint = impl_->endpoint_of(id);
  const FactsTable& table = impl_->facts;
  const Facts& facts = table[id];
  const FactsTable::Source& source = table.source(id);
  const auto name = [&](NodeId node) {
    return node == kNoNode ? std::string_view() : std::string_view(table.nodes().node(node).identifier);
  };
  return {.kind = facts.kind,
          .is_test = facts.is_test,
          .receives_or_settles = facts.receives_or_settles,
          .route_from_path = facts.route_from_path,
          .writes = facts.writes,
          .service_id = facts.service,
          .service = source.service,
          .endpoint = name(endpoint),
          .database = name(facts.database),
          .database_system = source.database_system,
          .topic = name(facts.topic),
          .peer = name(facts.peer)};
}

size_t TraceAnalyzer::memory_bytes() const {
  const Impl& impl = *impl_;
  size_t matches = 0;
  for (const FlowMatch& match : impl.result.flows)
    matches += match.visits.capacity() * sizeof(Visit) + match.retries.capacity() * sizeof(uint32_t);
  return impl.facts.memory_bytes() + impl.tree.memory_bytes() + impl.builder.memory_bytes() + matches +
         impl.result.order.capacity() * sizeof(OrderedSpan) + impl.node_bytes +
         impl.flows.size() * (sizeof(FlowKey) + sizeof(KnownFlow) + 32);
}

void TraceAnalyzer::settle() {
  if (!impl_->reader.behind()) return;
  impl_->forget_flows();
  impl_->match_of.clear();
  for (FlowMatch& match : impl_->result.flows) match.flow = nullptr;
  impl_->reader.catch_up(nullptr);
}

const TraceAnalysis& TraceAnalyzer::analyze(std::span<const SpanInput> spans, const UrlOf& url_of) {
  settle();
  Impl& impl = *impl_;
  SpanTree& tree = impl.tree;
  TraceAnalysis& result = impl.result;
  tree.build(spans);
  impl.matches = 0;
  if (result.order.capacity() > kRoomWorthKeeping && spans.size() < kRoomWorthKeeping / 4) {
    result.order = {};
    result.flows = {};
  }
  result.order.clear();
  result.duplicates = tree.duplicates();
  result.cycles_cut = tree.cycles_cut();
  result.test = false;
  result.partial = false;
  result.all_parents_resolve = false;
  result.root = kNoSpan;
  if (tree.size() > 0) {
    for (uint32_t position = 0; position < tree.size(); ++position)
      result.order.push_back({tree[position].input, tree[position].parent});
    result.root = tree[0].input;
    result.test = impl.facts[spans[result.root].facts].is_test;
    result.partial = impl.partial(spans);
    result.all_parents_resolve = !tree.entry_has_parent_id() && tree.orphans() == 0 && tree.cycles_cut() == 0;
    impl.test_name = result.test ? test_name_at(impl.facts.source(spans[result.root].facts)) : "";
    if (result.test) {
      impl.add_test_matches(spans, url_of);
    } else {
      impl.add_match(spans, 0, tree.size(), url_of);
    }
  }
  result.flows.resize(impl.matches);
  return result;
}

}  // namespace testmesh::discovery
