#include <algorithm>
#include <random>

#include "discovery/path_oracle.h"

namespace testmesh::discovery {
namespace {

using Random = std::mt19937_64;

size_t below(Random& random, size_t limit) {
  return std::uniform_int_distribution<size_t>(0, limit - 1)(random);
}

// Small worlds, so that equal names, overlaps and repeats are frequent.
std::deque<TestSpan> random_trace(Random& random, bool with_duplicates) {
  Trace t;
  const size_t count = 1 + below(random, 14);
  const bool tests = below(random, 4) == 0, cycles = below(random, 6) == 0, orphans = below(random, 4) == 0;
  const uint64_t grain = below(random, 2) ? 250'000 : 1'000'000;
  std::vector<uint64_t> ids;
  for (size_t i = 0; i < count; ++i) ids.push_back(1 + i);
  std::ranges::shuffle(ids, random);
  const auto pick = [&](std::initializer_list<const char*> values) {
    return *(values.begin() + below(random, values.size()));
  };
  for (size_t i = 0; i < count; ++i) {
    auto& span = t.span(pick({"a", "a", "b", "c"}), static_cast<model::SpanKind>(1 + below(random, 5)),
                        pick({"op", "op", "call"}));
    span.id(ids[i]).under(i == 0 ? 0 : ids[below(random, i)]);
    if (i > 0 && below(random, 12) == 0) span.under(0);
    if (orphans && below(random, 4) == 0) span.under(100 + below(random, 2));
    if (cycles && below(random, 4) == 0) span.under(ids[below(random, count)]);
    const uint64_t start = below(random, 12) * grain / 2;
    span.ns(start, start + below(random, 6) * grain / 2);
    if (below(random, 4) == 0) span.error();
    switch (below(random, 6)) {
      case 0:
        span.route(pick({"GET", "POST"}), pick({"/x", "/y/{id}"}));
        break;
      case 1:
        span.with("db.system.name", "redis").with("db.namespace", pick({"d1", "d2"}));
        break;
      case 2:
        span.with("messaging.destination.name", pick({"t", "u"}))
            .with("messaging.operation.type", pick({"send", "process", "receive"}));
        break;
      case 3:
      case 4:
        span.with("server.address", pick({"p", "q", "a"}));
        break;
      default:
        break;
    }
    if (below(random, 10) == 0) span.with("http.request.resend_count", "1");
    if (below(random, 6) == 0) span.with("url.full", pick({"http://p/1", "http://p/2"}));
    if (tests && (i == 0 || below(random, 3) == 0)) span.name("testmesh.step");
    if (with_duplicates && below(random, 6) == 0) t.spans.push_back(t.spans[below(random, t.spans.size())]);
  }
  return t.spans;
}

std::vector<OracleFlow> as_oracle(const TraceAnalysis& analysis) {
  std::vector<OracleFlow> flows;
  for (const FlowMatch& match : analysis.flows) {
    OracleFlow& flow = flows.emplace_back();
    flow.path = match.flow->path;
    flow.service = match.flow->family.entry_service;
    flow.operation = match.flow->family.entry_operation;
    flow.environment = match.flow->family.environment;
    flow.calls.resize(match.flow->nodes.size());
    for (const Visit& visit : match.visits) ++flow.calls.at(visit.node);
    flow.retries = match.retries;
    if (analysis.test) continue;
    for (const model::PathNode& node : match.nodes ? *match.nodes : match.flow->nodes)
      flow.services.push_back(node.service);
  }
  std::ranges::sort(flows);
  return flows;
}

void PrintTo(const TestSpan& span, std::ostream* out) {
  *out << "\n"
       << span.number << " under " << span.parent_number << " " << span.service_name << " kind "
       << static_cast<int>(span.kind) << " '" << span.span_name << "' " << span.start << "-" << span.end
       << (span.failed ? " error" : "");
  for (const auto& [key, value] : span.attributes) *out << " " << key << "=" << value;
}

std::string described(const std::deque<TestSpan>& spans) {
  std::ostringstream out;
  for (const TestSpan& span : spans) PrintTo(span, &out);
  return out.str();
}

std::string described(const std::vector<OracleFlow>& flows) {
  std::ostringstream out;
  for (const OracleFlow& flow : flows) {
    out << "\n" << flow.service << " | " << flow.operation << " | " << flow.path << "\n  calls";
    for (const size_t calls : flow.calls) out << " " << calls;
    out << " retries";
    for (const uint32_t retries : flow.retries) out << " " << retries;
    out << " services";
    for (const std::string& service : flow.services) out << " " << service;
  }
  return out.str();
}

TEST(RandomTraces, TheAnalyzerAgreesWithThePlainRulesInAnyInputOrder) {
  const char* seed_text = std::getenv("TESTMESH_RANDOM_SEED");
  const uint64_t seed = seed_text ? std::stoull(seed_text) : std::random_device()();
  RecordProperty("seed", std::to_string(seed));
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  Workspace workspace;
  const char* rounds_text = std::getenv("TESTMESH_RANDOM_ROUNDS");
  size_t other_services = 0;  // than the flow's first trace had
  const size_t rounds = rounds_text ? std::stoul(rounds_text) : 5000;
  for (size_t round = 0; round < rounds; ++round) {
    const bool with_duplicates = below(random, 8) == 0;
    auto spans = random_trace(random, with_duplicates);
    const OracleResult expected = oracle(spans);
    const TraceAnalysis& analysis = workspace.analyze(spans);
    ASSERT_EQ(described(as_oracle(analysis)), described(expected.flows))
        << described(spans) << "\nseed " << seed;
    ASSERT_EQ(analysis.partial, expected.partial) << described(spans);
    ASSERT_EQ(analysis.test, expected.test) << described(spans);
    ASSERT_EQ(analysis.cycles_cut, expected.cycles) << described(spans);
    ASSERT_EQ(analysis.duplicates, expected.duplicates) << described(spans);
    ASSERT_EQ(analysis.all_parents_resolve, expected.all_parents_resolve) << described(spans);
    ASSERT_EQ(analysis.order.size() + analysis.duplicates, spans.size());
    for (const FlowMatch& match : analysis.flows) {
      if (!match.nodes) continue;
      ++other_services;
      ASSERT_EQ(path_string(*match.nodes), match.flow->path);
    }
    if (with_duplicates) continue;
    std::ranges::shuffle(spans, random);
    ASSERT_EQ(described(as_oracle(workspace.analyze(spans))), described(expected.flows)) << described(spans);
  }
  EXPECT_GE(other_services, rounds / 200);
}

}  // namespace
}  // namespace testmesh::discovery
