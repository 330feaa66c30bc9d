// The rules of discovery.md 5 as plainly as they can be written, over random
// traces: the book must agree, whatever was added, taken away, saved and loaded.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <deque>
#include <iostream>
#include <random>
#include <set>
#include <tuple>

#include "discovery/names.h"
#include "graph/testing/graph_fixture.h"

namespace testmesh::graph::testing {
namespace {

using Spans = std::deque<TestSpan>;

// ---- the oracle

// Type, name, service, and the system of a database. An endpoint whose route
// comes from a path keeps that until it is asked for.
struct Node {
  NodeType type;
  std::string name, service, system;
  std::string method, path;
  friend auto operator<=>(const Node&, const Node&) = default;
};
using Edge = std::tuple<Node, Node, EdgeType>;

struct Shown {
  std::vector<Node> nodes;
  std::vector<Edge> edges;
  uint64_t start = 0, duration = 0;
  bool error = false;
};

class Oracle {
 public:
  explicit Oracle(const Spans& spans) {
    for (const TestSpan& span : spans) {
      if (!spans_.try_emplace(span.number, &span).second) continue;
      discovery::SpanDescription description;
      description.kind = span.kind;
      description.name = span.span_name;
      description.service = span.service_name;
      for (const auto& [key, value] : span.attributes)
        if (const auto slot = discovery::slot_of(key)) description.values[static_cast<size_t>(*slot)] = value;
      names_[span.number] = discovery::names_of(description);
    }
    for (const auto& [id, span] : spans_)
      parent_[id] = spans_.contains(span->parent_number) ? span->parent_number : 0;
    cut_cycles();
    const auto by_start = [&](uint64_t a, uint64_t b) {
      return std::tuple(spans_[a]->start, a) < std::tuple(spans_[b]->start, b);
    };
    std::vector<uint64_t> parentless, roots;
    for (const auto& [id, parent] : parent_) {
      if (parent == 0) roots.push_back(id);
      if (spans_[id]->parent_number == 0) parentless.push_back(id);
    }
    if (roots.empty()) return;
    entry_ = std::ranges::min(parentless.empty() ? roots : parentless, by_start);
    for (const uint64_t root : roots) visit(root, 0, false);
  }
  std::vector<Shown> shown;

 private:
  void cut_cycles() {
    for (const auto& [id, span] : spans_) {
      std::vector<uint64_t> way{id};
      while (parent_[way.back()] != 0 && std::ranges::count(way, parent_[way.back()]) == 0)
        way.push_back(parent_[way.back()]);
      const uint64_t again = parent_[way.back()];
      if (again == 0) continue;
      way.erase(way.begin(), std::ranges::find(way, again));
      parent_[std::ranges::min(way, {}, [&](uint64_t on) { return std::tuple(spans_[on]->start, on); })] = 0;
    }
  }

  void show(uint64_t id, std::vector<Node> nodes, std::vector<Edge> edges) {
    const TestSpan& span = *spans_[id];
    shown.push_back({std::move(nodes), std::move(edges), span.start,
                     span.end > span.start ? span.end - span.start : 0, span.failed});
  }

  // `parent` 0: called by nobody. Whether it, or something below, enters a
  // service, touches a resource or calls a peer.
  bool visit(uint64_t id, uint64_t parent, bool in_resource) {
    const TestSpan& span = *spans_[id];
    const discovery::SpanNames& names = names_[id];
    const bool in_runner = parent == 0 && (parent_[id] == 0 || runner_.contains(parent_[id]));
    if (in_runner && names_[entry_].is_test && names.is_test &&
        span.service_name == spans_[entry_]->service_name) {
      runner_.insert(id);
      for (const auto& [child, its] : parent_)
        if (its == id) visit(child, 0, false);
      return false;
    }
    const Node service{NodeType::kService, span.service_name, span.service_name, {}, {}, {}};
    const bool consumes = span.kind == kConsumer && !names.receives_or_settles;
    bool enters = parent == 0 || consumes;
    Node caller;
    if (parent != 0) {
      const TestSpan& above = *spans_[parent];
      caller = {NodeType::kService, above.service_name, above.service_name, {}, {}, {}};
      enters = enters || above.service_name != span.service_name ||
               (span.kind == kServer && above.kind == kClient);
    }
    bool touches = enters;
    if (enters) in_resource = false;
    const bool may_expose = span.kind == kServer || (span.kind == kInternal && enters);
    std::vector<Node> nodes;
    std::vector<Edge> edges;
    if (consumes && !names.topic.empty()) {
      const Node topic{NodeType::kTopic, names.topic, {}, {}, {}, {}};
      nodes = {topic, service};
      edges = {{topic, service, EdgeType::kConsumes}};
    } else if (enters) {
      nodes = {service};
      if (parent != 0) edges = {{caller, service, EdgeType::kCalls}};
    }
    if (may_expose && !names.endpoint.empty()) {
      Node endpoint{NodeType::kApiEndpoint, names.endpoint, span.service_name, {}, {}, {}};
      if (names.route_from_path)
        endpoint.name.clear(), endpoint.method = names.method, endpoint.path = names.route;
      nodes.push_back(endpoint);
      edges.emplace_back(service, endpoint, EdgeType::kExposes);
      touches = true;
      in_resource = false;
    }
    if (!nodes.empty()) show(id, nodes, edges);
    if (!names.database.empty()) {
      const Node database{NodeType::kDatabase, names.database, {}, names.database_system, {}, {}};
      show(id, {database}, {{service, database, names.writes ? EdgeType::kWrites : EdgeType::kReads}});
      touches = in_resource = true;
    } else if (span.kind != kConsumer && names.sends) {
      const Node topic{NodeType::kTopic, names.topic, {}, {}, {}, {}};
      show(id, {topic}, {{service, topic, EdgeType::kPublishes}});
      touches = in_resource = true;
    }
    bool below = false;
    for (const auto& [child, its] : parent_)
      if (its == id) below |= visit(child, id, in_resource);
    if (!names.peer.empty() && !below && !in_resource) {
      const Node peer{NodeType::kExternal, names.peer, {}, {}, {}, {}};
      show(id, {peer}, {{service, peer, EdgeType::kCalls}});
      touches = true;
    }
    return touches || below;
  }

  std::map<uint64_t, const TestSpan*> spans_;
  std::map<uint64_t, discovery::SpanNames> names_;
  std::map<uint64_t, uint64_t> parent_;
  std::set<uint64_t> runner_;
  uint64_t entry_ = 0;
};

struct Figures {
  uint64_t errors = 0, first = UINT64_MAX, last = 0;
  std::vector<uint64_t> durations;
  void add(const Shown& shown) {
    errors += shown.error;
    first = std::min(first, shown.start);
    last = std::max(last, shown.start);
    durations.push_back(shown.duration);
  }
};

// ---- random traces

class Traces {
 public:
  explicit Traces(uint64_t seed) : random_(seed) {}
  size_t below(size_t end) { return random_() % end; }
  bool once_in(size_t n) { return below(n) == 0; }

  Spans trace() {
    Trace trace;
    const size_t count = 1 + below(once_in(20) ? 60 : 12);
    const bool test = once_in(6);
    for (size_t i = 1; i <= count; ++i) {
      TestSpan& span =
          trace.span(one_of({"a", "a", "b", "c"}), kind(), one_of({"work", "GET", "INSERT x", "find"}));
      if (i > 1 && !once_in(12)) span.under(once_in(3) ? 1 + below(i - 1) : i - 1);
      if (once_in(25)) span.under(1'000 + below(3));  // never came
      if (once_in(30)) span.under(1 + below(count));  // itself, a cycle
      if (once_in(40)) span.id(1 + below(count));     // again
      if (test && once_in(2)) span.with("testmesh.execution.id", "1");
      if (once_in(30)) span.name("testmesh.step");
      if (once_in(8)) span.error();
      const uint64_t start = 1'000'000'000 + random_() % 1'000'000'000;
      span.ns(start, once_in(20) ? start : start + (uint64_t{1} << below(40)) + below(1000));
      describe(span);
    }
    return std::move(trace.spans);
  }

 private:
  std::string one_of(std::initializer_list<const char*> values) {
    return values.begin()[below(values.size())];
  }
  model::SpanKind kind() {
    const model::SpanKind kinds[] = {kInternal, kServer, kClient, kClient, kProducer, kConsumer};
    return kinds[below(std::size(kinds))];
  }
  void describe(TestSpan& span) {
    if (!once_in(3)) {
      span.with("http.request.method", one_of({"GET", "POST"}));
      if (once_in(4)) {
        span.with("http.route", one_of({"/x", "/items/{id}", "/items/aa"}));
      } else if (!once_in(6)) {
        // Names no class of value is known by: the tries have to learn.
        const std::string word(1 + below(3), static_cast<char>('a' + below(26)));
        span.with("url.path", one_of({"/items/", "/items/", "/users/7/"}) + word);
      }
    }
    if (once_in(8)) span.with("rpc.service", "p.S").with("rpc.method", one_of({"M", "N"}));
    if (once_in(4)) {
      span.with("db.system", one_of({"postgresql", "mssql", "redis"}));
      if (once_in(2)) span.with("db.namespace", one_of({"orders", "0"}));
      if (once_in(2)) span.with("db.statement", one_of({"SELECT 1", "insert into t", "DELETE"}));
      if (once_in(3)) span.with("db.operation", one_of({"SELECT", "BATCH INSERT", "set"}));
    }
    if (once_in(4)) {
      span.with("messaging.system", "kafka");
      if (!once_in(4)) span.with("messaging.destination.name", one_of({"orders", "mails"}));
      if (once_in(2)) span.with("messaging.operation.type", one_of({"send", "receive", "process", "settle"}));
    }
    if (once_in(2)) span.with("server.address", one_of({"Pay.local:80", "10.0.0.1", "b"}));
    if (once_in(8)) span.with("peer.service", "crm");
  }

  std::mt19937_64 random_;
};

// ---- the comparison

class GraphOracleTest : public ::testing::TestWithParam<int> {
 protected:
  Node present(Node node) {
    if (node.path.empty()) return node;
    node.name = node.method + " " + fixture.workspace.tries.apply(node.service, node.path);
    node.method.clear();
    node.path.clear();
    return node;
  }

  static void expect_equal(const Traffic& traffic, Figures figures, const std::string& what) {
    SCOPED_TRACE(what);
    std::ranges::sort(figures.durations);
    const size_t count = figures.durations.size();
    ASSERT_EQ(traffic.call_count, count);
    EXPECT_EQ(traffic.error_count, figures.errors);
    double sum = 0;
    for (const uint64_t duration : figures.durations) sum += static_cast<double>(duration);
    const double mean = sum / static_cast<double>(count) / 1e6;
    EXPECT_NEAR(traffic.avg_duration_ms, mean, 1e-9 * mean + 1e-12);
    const double p95 = static_cast<double>(figures.durations[(count * 95 + 99) / 100 - 1]) / 1e6;
    EXPECT_NEAR(traffic.p95_duration_ms, p95, 0.01 * p95);
    EXPECT_LE(traffic.first_seen, figures.first);
    EXPECT_GE(traffic.last_seen, figures.last);
  }

  void compare(std::span<const GraphSnapshot> books, const std::vector<Spans>& traces) {
    std::map<Node, Figures> nodes;
    std::map<Edge, Figures> edges;
    for (const Spans& trace : traces)
      for (const Shown& shown : Oracle(trace).shown) {
        for (const Node& node : shown.nodes) nodes[present(node)].add(shown);
        for (const auto& [source, target, type] : shown.edges)
          edges[{present(source), present(target), type}].add(shown);
      }
    const RuntimeGraph graph = runtime_graph(books);
    EXPECT_EQ(graph.not_counted, 0u);
    std::vector<Node> found;
    for (const RuntimeNode& node : graph.nodes) {
      Node& here = found.emplace_back(Node{node.key.type, node.key.name, node.key.service, {}, {}, {}});
      if (node.key.type == NodeType::kDatabase) {
        const std::string& system = node.properties.at("system");
        here.system = system.substr(1, system.size() - 2);
      }
      const auto wanted = nodes.find(here);
      ASSERT_TRUE(wanted != nodes.end()) << line_of(node);
      expect_equal(node.traffic, wanted->second, line_of(node));
    }
    EXPECT_EQ(graph.nodes.size(), nodes.size());
    EXPECT_TRUE(std::ranges::is_sorted(graph.nodes, {}, &RuntimeNode::key));
    for (const RuntimeEdge& edge : graph.edges) {
      const auto wanted = edges.find({found[edge.source], found[edge.target], edge.type});
      ASSERT_TRUE(wanted != edges.end()) << line_of(graph, edge);
      expect_equal(edge.traffic, wanted->second, line_of(graph, edge));
    }
    EXPECT_EQ(graph.edges.size(), edges.size());
  }

  GraphFixture fixture;
};

TEST_P(GraphOracleTest, TheBooksAgreeWithTheRules) {
  const char* given = std::getenv("TESTMESH_SEED");
  const uint64_t seed =
      given ? std::strtoull(given, nullptr, 10) : std::random_device()() + static_cast<uint64_t>(GetParam());
  std::cout << "seed " << seed << " (repeat with TESTMESH_SEED=" << seed << ")\n";
  Traces random(seed);
  const discovery::Workspace& workspace = fixture.workspace;
  using Documents = std::map<std::string, std::string>;
  std::array<std::unique_ptr<GraphBook>, 2> books;
  std::array<Documents, 2> documents;
  for (auto& book : books) book = std::make_unique<GraphBook>(workspace.analyzer, workspace.tries);
  std::vector<Spans> traces;
  std::vector<size_t> owner;
  uint64_t mismatches = 0;
  const auto save = [&](size_t of) {
    books[of]->take_dirty([&](std::string_view key, std::optional<std::string_view> value) {
      if (value) {
        documents[of][std::string(key)] = *value;
      } else {
        documents[of].erase(std::string(key));
      }
    });
  };
  for (int step = 0; step < 700; ++step) {
    const size_t which = random.below(2);
    switch (random.below(12)) {
      case 0:  // a restart
        save(which);
        mismatches += books[which]->mismatched_removals();
        books[which] = std::make_unique<GraphBook>(workspace.analyzer, workspace.tries);
        for (const auto& [key, value] : documents[which]) {
          const auto loaded = books[which]->load(key, value);
          ASSERT_TRUE(loaded) << loaded.error().message;
        }
        break;
      case 1:
        save(which);
        break;
      case 2:
      case 3: {
        if (traces.empty()) break;
        const auto at = static_cast<std::ptrdiff_t>(random.below(traces.size()));
        const auto& analysis = fixture.workspace.analyze(*(traces.begin() + at));
        books[*(owner.begin() + at)]->remove(fixture.workspace.inputs, analysis);
        traces.erase(traces.begin() + at);
        owner.erase(owner.begin() + at);
        break;
      }
      default: {
        traces.push_back(random.trace());
        owner.push_back(which);
        const auto& analysis = fixture.workspace.analyze(traces.back());
        books[which]->add(fixture.workspace.inputs, analysis);
      }
    }
    if (step % 50 == 49) {
      compare(std::array{GraphSnapshot(*books[0]), GraphSnapshot(*books[1])}, traces);
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(workspace.tries.version(), 0u) << "no name was learned";
  for (size_t i = 0; i < traces.size(); ++i) {
    const auto& analysis = fixture.workspace.analyze(traces[i]);
    books[owner[i]]->remove(fixture.workspace.inputs, analysis);
  }
  for (const size_t which : {0, 1}) {
    compare(std::array{GraphSnapshot(*books[which])}, {});
    EXPECT_EQ(mismatches + books[which]->mismatched_removals(), 0u);
    save(which);
    EXPECT_TRUE(documents[which].empty());
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, GraphOracleTest, ::testing::Range(0, 12));

}  // namespace
}  // namespace testmesh::graph::testing
