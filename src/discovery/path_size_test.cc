// Traces nobody wants: each would be quadratic, or overflow a stack, if one
// rule were followed naively. A test that takes minutes has failed.
#include <algorithm>
#include <random>

#include "discovery/analyzer_fixture.h"

namespace testmesh::discovery {
namespace {

struct Shape {
  Workspace workspace;
  std::vector<SpanInput> spans;

  FactsId facts(model::SpanKind kind, std::string_view service, std::string_view name,
                Slot slot = Slot::kUrlFull, std::string_view value = {}) {
    SpanDescription description;
    description.kind = kind;
    description.service = service;
    description.name = name;
    description.values[static_cast<size_t>(slot)] = value;
    return workspace.analyzer.facts(description);
  }
  void add(uint64_t id, uint64_t parent, base::UnixNanos start, base::UnixNanos end, FactsId facts,
           bool error = false) {
    spans.push_back({span_id(id), span_id(parent), start, end, facts, error});
  }
  const TraceAnalysis& analyze() {
    return workspace.analyzer.analyze(spans, [](uint32_t) { return std::string_view(); });
  }
};

TEST(Size, AMillionEqualChildrenAtOneInstant) {
  Shape s;
  const FactsId entry = s.facts(kServer, "a", "root"),
                child = s.facts(kClient, "a", "q", Slot::kDbSystem, "redis");
  s.add(1, 0, 0, 1000, entry);
  for (uint64_t i = 2; i <= 1'000'000; ++i) s.add(i, 1, 5, 5, child, true);
  const TraceAnalysis& analysis = s.analyze();
  EXPECT_EQ(analysis.flows.at(0).flow->path, "service:a->database:redis");
  EXPECT_EQ(analysis.flows.at(0).visits.size(), 1'000'000u);
}

TEST(Size, ManyDifferentFailingAttempts) {
  Shape s;
  s.add(1, 0, 0, 1000, s.facts(kServer, "a", "root"));
  std::vector<FactsId> below;
  for (int i = 0; i < 1000; ++i)
    below.push_back(s.facts(kClient, "a", "q", Slot::kDbSystem, "db" + std::to_string(i)));
  const FactsId wrapper = s.facts(kInternal, "a", "attempt");
  for (uint64_t i = 1; i <= 100'000; ++i) {
    s.add(2 * i, 1, 10 * i + 1, 10 * i + 4, wrapper, true);
    s.add(2 * i + 1, 2 * i, 10 * i + 2, 10 * i + 3, below[(i * 7919) % 1000]);
  }
  EXPECT_EQ(s.analyze().flows.at(0).flow->nodes.size(), 1001u);
}

TEST(Size, AChainOfAHundredThousandNodesIsCutNotRecursedInto) {
  Shape s;
  const FactsId facts[2] = {s.facts(kServer, "a", "x"), s.facts(kServer, "b", "x")};
  constexpr uint64_t kDepth = 100'000;
  for (uint64_t i = 1; i <= kDepth; ++i) s.add(i, i - 1, i, 2 * kDepth - i, facts[i % 2]);
  std::ranges::reverse(s.spans);
  const TraceAnalysis& analysis = s.analyze();
  EXPECT_EQ(analysis.flows.at(0).flow->nodes.size(), 4096u);
  EXPECT_EQ(analysis.flows.at(0).visits.size(), 4096u);
  EXPECT_EQ(analysis.order.size(), kDepth);
}

TEST(Size, AChainWithoutNodesThatGrowsItsListAtEveryLevel) {
  Shape s;
  const FactsId inner = s.facts(kInternal, "a", "x");
  constexpr uint64_t kDepth = 50'000;
  for (uint64_t i = 1; i <= kDepth; ++i) {
    s.add(i, i - 1, i, 3 * kDepth, inner);
    s.add(kDepth + i, i, i, i + 1, s.facts(kClient, "a", "q", Slot::kDbSystem, "db" + std::to_string(i)));
  }
  EXPECT_EQ(s.analyze().flows.at(0).flow->nodes.size(), 4096u);
}

TEST(Size, ACycleOfAHundredThousand) {
  Shape s;
  const FactsId facts = s.facts(kInternal, "a", "x");
  constexpr uint64_t kLength = 100'000;
  for (uint64_t i = 1; i <= kLength; ++i) s.add(i, i == 1 ? kLength : i - 1, i, i, facts);
  const TraceAnalysis& analysis = s.analyze();
  EXPECT_EQ(analysis.cycles_cut, 1u);
  EXPECT_EQ(analysis.order.size(), kLength);
}

TEST(Size, AHundredThousandCyclesOfOne) {
  Shape s;
  const FactsId facts = s.facts(kInternal, "a", "x");
  for (uint64_t i = 1; i <= 100'000; ++i) s.add(i, i, 1, 1, facts);
  EXPECT_EQ(s.analyze().cycles_cut, 100'000u);
}

TEST(Size, MegabyteNames) {
  Shape s;
  const std::string base(1 << 20, 'x');
  s.add(1, 0, 0, 1000, s.facts(kServer, base, base));
  const FactsId one = s.facts(kInternal, base + "1", ""), two = s.facts(kInternal, base + "2", "");
  for (uint64_t i = 2; i < 20'000; ++i) s.add(i, i < 1000 ? i - 1 : 1, 5, 10, i % 2 ? one : two);
  const FlowIdentity* flow = s.analyze().flows.at(0).flow;
  EXPECT_EQ(flow->nodes.size(), 1u);  // the first node alone passes the limit of bytes
  EXPECT_EQ(flow->nodes[0].identifier, base);
}

TEST(Size, LimitsOfTimeDoNotWrap) {
  Shape s;
  const FactsId facts = s.facts(kInternal, "a", "");
  s.add(1, 0, UINT64_MAX, UINT64_MAX, facts);
  s.add(2, 1, 0, UINT64_MAX, facts, true);
  s.add(3, 1, UINT64_MAX, 0, facts);
  EXPECT_EQ(s.analyze().flows.at(0).flow->path, "service:a");
}

TEST(Facts, TheTableIsBoundedAndSaysWhenIdsEnd) {
  NameTries tries;
  FlowCatalog catalog;
  TraceAnalyzer analyzer(tries, catalog);
  const uint64_t before = analyzer.epoch();
  SpanDescription description;
  description.kind = kInternal;
  size_t peak = 0;
  for (int i = 0; i < 210'000; ++i) {
    const std::string service = "service-" + std::to_string(i);
    description.service = service;
    const FactsId id = analyzer.facts(description);
    EXPECT_EQ(analyzer.service(id), service);
    if (i % 10'000 == 0) peak = std::max(peak, analyzer.memory_bytes());
  }
  EXPECT_GE(analyzer.epoch(), before + 1);
  EXPECT_LT(peak, 400u << 20);
}

TEST(Tries, APositionWithMoreThanFiftyValuesBecomesAParameterForFlowsAndFamilies) {
  Workspace workspace;
  const auto shop = [&](const std::string& word) {
    Trace t;
    t.span("shop", kServer, "GET")
        .with("http.request.method", "GET")
        .with("url.path", "/shops/" + word + "/menu");
    return workspace.analyze(t.spans).flows.at(0).flow;
  };
  std::vector<const FlowIdentity*> flows;
  std::string word = "aa";
  for (int i = 0; i < 50; ++i) {
    word = std::string("w") + static_cast<char>('a' + i / 10) + static_cast<char>('a' + i % 10);
    flows.push_back(shop(word));
    EXPECT_EQ(flows.back()->path, "api_endpoint:GET /shops/" + word + "/menu");
  }
  const FlowIdentity* merged = shop("one-more");
  EXPECT_EQ(merged->path, "api_endpoint:GET /shops/:param/menu");
  EXPECT_EQ(merged->family.entry_operation, "GET /shops/:param/menu");
  EXPECT_EQ(shop("waa"), merged);
  for (const FlowIdentity* flow : flows) EXPECT_EQ(workspace.catalog.resolve(flow).flow, merged);
}

TEST(Tries, AParameterLearnedWithinOneTraceHoldsForAllOfIt) {
  Trace t;
  auto& entry = t.server("gateway", "GET", "/");
  for (char c = 'a'; c <= 'z'; ++c)
    for (char d = 'a'; d <= 'c'; ++d)
      t.span("shop", kServer, "GET")
          .with("http.request.method", "GET")
          .with("url.path", std::string("/shops/") + c + d)
          .under(entry);
  EXPECT_EQ(t.path(), "api_endpoint:GET /->api_endpoint:GET /shops/:param");
}

TEST(Describe, ReadsAModelSpan) {
  auto resource = std::make_shared<model::Resource>();
  resource->attributes = {{"service.name", {"shop"}}, {"deployment.environment", {"old"}}};
  model::Span span;
  span.name = "GET";
  span.kind = kServer;
  span.resource = resource;
  span.attributes = {{"http.request.method", {"GET"}},  {"http.route", {""}},
                     {"db.namespace", {int64_t{7}}},    {"server.address", {true}},
                     {"http.request.method", {"POST"}}, {"testmesh.execution.id", {}}};
  std::vector<std::string> scratch;
  const SpanDescription description = describe(span, scratch);
  EXPECT_EQ(description.service, "shop");
  EXPECT_EQ(description.environment, "old");
  EXPECT_EQ(description.name, "GET");
  EXPECT_EQ(description.kind, kServer);
  EXPECT_EQ(description[Slot::kHttpRequestMethod], "GET");
  EXPECT_EQ(description[Slot::kHttpRoute], "");
  EXPECT_EQ(description[Slot::kDbNamespace], "7");
  EXPECT_EQ(description[Slot::kServerAddress], "");
  EXPECT_EQ(description[Slot::kTestmeshExecutionId], "1");
}

TEST(Describe, AServiceNameIsReadAsAnyOtherAttribute) {
  const auto service_of = [](model::Value value) {
    auto resource = std::make_shared<model::Resource>();
    resource->attributes = {{"service.name", std::move(value)}};
    model::Span span;
    span.resource = resource;
    std::vector<std::string> scratch;
    return std::string(describe(span, scratch).service);
  };
  EXPECT_EQ(service_of({int64_t{7}}), "7");  // integers are written in decimal
  EXPECT_EQ(service_of({true}), "");         // other types are no names
}

}  // namespace
}  // namespace testmesh::discovery
