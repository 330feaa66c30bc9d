// The nodes a flow shows: its latest trace's (discovery.md 2.2).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "discovery/analyzer_fixture.h"
#include "discovery/document_bytes.h"
#include "discovery/flow_book.h"

namespace testmesh::discovery {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr uint64_t kNoon = 1'728'043'200'000'000'000;

// A queue anyone may read from: the path names the topic and the database, the
// services of their nodes are free.
class Books : public testing::Test {
 protected:
  static std::vector<model::PathNode> nodes(const std::string& service) {
    return {{model::NodeType::kApiEndpoint, "GET /", "shop"},
            {model::NodeType::kDatabase, "orders", service}};
  }

  FlowMatch match(uint64_t start, const std::string& service) const {
    FlowMatch match;
    match.flow = flow;
    if (service != "first") {
      std::vector<model::PathNode> own = flow->nodes;
      own.back().service = service;
      match.nodes = std::make_shared<const std::vector<model::PathNode>>(std::move(own));
    }
    match.start = start;
    match.duration_ns = 1000;
    match.visits = {{.span = 0, .node = 0, .duration_ns = 1000, .self_ns = 1},
                    {.span = 1, .node = 1, .duration_ns = 500, .self_ns = 500}};
    match.retries = {0, 0};
    return match;
  }
  model::TraceId add(uint64_t start, const std::string& service, TraceClass kind = TraceClass::kWhole) {
    return add_to(book, start, service, kind);
  }
  model::TraceId add_to(FlowBook& to, uint64_t start, const std::string& service,
                        TraceClass kind = TraceClass::kWhole) {
    model::TraceId id;
    id.bytes[15] = ++next_id;
    to.add(id, kind, match(start, service));
    return id;
  }

  // The service of the database's node, wherever it can be asked.
  std::string shown() const { return shown(catalog, {&book, &other}); }
  std::string shown(const FlowCatalog& in, const std::vector<const FlowBook*>& books) const {
    const auto detail = flow_detail(books, in, flow->id);
    if (!detail) return "(no flow)";
    EXPECT_EQ(detail->nodes.size(), detail->summary.nodes.size());
    EXPECT_EQ(path_string(detail->summary.nodes), detail->summary.flow->path);
    const auto page = list_flows(books, in, {});
    EXPECT_TRUE(page && page->flows.size() == 1);
    for (const FlowSummary& listed : page ? page->flows : std::vector<FlowSummary>())
      EXPECT_EQ(listed.nodes, detail->summary.nodes);
    for (const FlowSummary& variant : flow_variants(books, in, flow->id))
      EXPECT_EQ(variant.nodes, detail->summary.nodes);
    return detail->summary.nodes.back().service;
  }
  size_t listed_with(const std::string& service) const {
    const FlowBook* books[] = {&book, &other};
    FlowQuery query;
    query.service = service;
    const auto page = list_flows(books, catalog, query);
    return page ? page->flows.size() : SIZE_MAX;
  }
  std::map<std::string, std::string> documents() {
    std::map<std::string, std::string> saved;
    book.take_dirty(kNoon, 0, [&](std::string_view key, std::optional<std::string_view> value) {
      if (value) saved[std::string(key)] = *value;
    });
    return saved;
  }

  FlowCatalog catalog;
  FlowBook book{catalog}, other{catalog};
  const FlowIdentity* flow = catalog.intern({"", "shop", "GET /"}, nodes("first"), {{}, {0, 0, false}});
  uint8_t next_id = 0;
};

TEST_F(Books, TheTraceWithTheGreatestStartShowsItsNodes) {
  add(kNoon, "first");
  EXPECT_EQ(shown(), "first");
  add(kNoon + 2, "second");
  EXPECT_EQ(shown(), "second");
  add(kNoon + 1, "between");
  EXPECT_EQ(shown(), "second");
  add(kNoon + 2, "counted later");
  EXPECT_EQ(shown(), "counted later");
  add(kNoon + 3, "first");
  EXPECT_EQ(shown(), "first");
}

TEST_F(Books, PartialTracesShowThemTestsDoNot) {
  add(kNoon, "whole");
  add(kNoon + 2, "test", TraceClass::kTest);
  EXPECT_EQ(shown(), "whole");
  add(kNoon + 1, "partial", TraceClass::kPartial);
  EXPECT_EQ(shown(), "partial");
}

TEST_F(Books, TheLatestOfAllBooksCounts) {
  add(kNoon, "one");
  add_to(other, kNoon + 1, "another");
  EXPECT_EQ(shown(), "another");
  add(kNoon + 2, "first");
  EXPECT_EQ(shown(), "first");
}

TEST_F(Books, WhatMovedAwayStaysOnlyUntilALaterOneThanTheRest) {
  add(kNoon, "first");
  const auto moved = add(kNoon + 100, "moved");
  add(kNoon + 10, "rest");
  book.remove(moved, TraceClass::kWhole, match(kNoon + 100, "moved"));
  EXPECT_EQ(shown(), "moved");
  add(kNoon + 9, "older than the rest");
  EXPECT_EQ(shown(), "moved");
  add(kNoon + 10, "next");
  EXPECT_EQ(shown(), "next");
}

TEST_F(Books, ATraceThatIsCountedAgainShowsWhatItIsNow) {
  add(kNoon, "first");
  const auto late = add(kNoon + 1, "before");
  book.remove(late, TraceClass::kWhole, match(kNoon + 1, "before"));
  book.add(late, TraceClass::kWhole, match(kNoon + 1, "now"));
  EXPECT_EQ(shown(), "now");
}

TEST_F(Books, NothingStaysOfAFlowThatWent) {
  const auto only = add(kNoon + 1, "gone");
  book.remove(only, TraceClass::kWhole, match(kNoon + 1, "gone"));
  EXPECT_EQ(shown(), "(no flow)");
  add(kNoon, "first");
  EXPECT_EQ(shown(), "first");
}

TEST_F(Books, TheServiceFilterAsksWhatIsShown) {
  add(kNoon, "first");
  EXPECT_EQ(listed_with("first"), 1u);
  EXPECT_EQ(listed_with("second"), 0u);
  add(kNoon + 1, "second");
  EXPECT_EQ(listed_with("first"), 0u);
  EXPECT_EQ(listed_with("second"), 1u);
  EXPECT_EQ(listed_with("shop"), 1u);
}

TEST_F(Books, DocumentsKeepThem) {
  add(kNoon, "first");
  add(kNoon + 1, "second");
  FlowCatalog again_catalog;
  FlowBook again(again_catalog);
  for (const auto& [key, value] : documents()) ASSERT_TRUE(again.load(again_catalog, key, value));
  EXPECT_EQ(shown(again_catalog, {&again}), "second");
}

TEST_F(Books, DocumentsOfEarlierVersionsReadBack) {
  add(kNoon, "first");
  const auto saved = documents();
  for (const char version : {1, 2}) {
    FlowCatalog again_catalog;
    FlowBook again(again_catalog);
    for (auto [key, value] : saved) {
      if (key.starts_with("flow/")) {
        // 1 ended behind the statistics, 2 behind the services.
        ASSERT_EQ(value[0], 3);
        ASSERT_EQ(value.substr(value.size() - 2), std::string(2, '\0'));
        value[0] = version;
        value.resize(value.size() - 3 + static_cast<size_t>(version));
      }
      ASSERT_TRUE(again.load(again_catalog, key, value)) << key;
    }
    EXPECT_EQ(shown(again_catalog, {&again}), "first");
    EXPECT_EQ(
        flow_detail(std::vector<const FlowBook*>{&again}, again_catalog, flow->id)->summary.occurrence_count,
        1u);
  }
}

TEST_F(Books, DocumentsThatNameNodesThereAreNotAreRefused) {
  add(kNoon, "first");
  const auto saved = documents();
  const auto& [key, value] = *saved.begin();
  const auto with = [&](std::string_view services) {
    return value.substr(0, value.size() - 2).append(services) + '\0';  // and no tests
  };
  using namespace std::string_view_literals;
  for (const std::string_view bad :
       {"\1\2\1x"sv, "\3\0\1x\0\1x\0\1x"sv, "\1\0\2x"sv, "\2\1\1x\0\1x"sv, "\1"sv}) {
    FlowCatalog again_catalog;
    FlowBook again(again_catalog);
    EXPECT_FALSE(again.load(again_catalog, key, with(bad))) << testing::PrintToString(bad);
  }
  FlowCatalog again_catalog;
  FlowBook again(again_catalog);
  EXPECT_TRUE(again.load(again_catalog, key, with("\2\0\1y\0\1x"sv)));
  EXPECT_EQ(shown(again_catalog, {&again}), "x");
}

TEST_F(Books, AliasesShowTheSurvivorsNames) {
  const auto path_nodes = [](const std::string& item, const std::string& service) {
    return std::vector<model::PathNode>{{model::NodeType::kApiEndpoint, "GET /" + item, "shop"},
                                        {model::NodeType::kDatabase, "orders", service}};
  };
  const std::vector<TreeNode> tree{{-1, 0, true}, {0, 0, false}};
  const FlowIdentity* a = catalog.intern({"", "shop", "GET /a"}, path_nodes("a", "one"), tree);
  const FlowIdentity* b = catalog.intern({"", "shop", "GET /b"}, path_nodes("b", "two"), tree);
  flow = a;
  add(kNoon, "first");
  flow = b;
  add_to(other, kNoon + 1, "first");
  catalog.rename("shop", [](const model::PathNode&) { return std::string("GET /:param"); });
  flow = catalog.resolve(a).flow;
  ASSERT_EQ(catalog.resolve(b).flow, flow);
  const std::vector<model::PathNode> expected = path_nodes(":param", "two");
  for (const bool folded : {false, true}) {
    if (folded) book.fold_aliases(), other.fold_aliases();
    EXPECT_EQ(shown(), "two") << folded;
    const FlowBook* books[] = {&book, &other};
    EXPECT_EQ(flow_detail(books, catalog, a->id)->summary.nodes, expected);
  }
  add(kNoon + 2, "three");
  EXPECT_EQ(shown(), "three");
}

TEST_F(Books, AliasesWhoseNodesBecameFewerAreNotAsked) {
  const auto two = [](const std::string& x, const std::string& y) {
    return std::vector<model::PathNode>{{model::NodeType::kService, "shop", "shop"},
                                        {model::NodeType::kApiEndpoint, "GET /" + x, "store"},
                                        {model::NodeType::kApiEndpoint, "GET /" + y, "store"}};
  };
  const FlowIdentity* alias =
      catalog.intern({"", "shop", "GET"}, two("x", "y"), {{}, {0, 0, true}, {0, 0, true}});
  flow = alias;
  add(kNoon, "first");
  catalog.rename("store", [](const model::PathNode&) { return std::string("GET /:param"); });
  flow = catalog.resolve(alias).flow;
  ASSERT_EQ(flow->nodes.size(), 2u);
  EXPECT_EQ(shown(), "store");
  book.fold_aliases();
  EXPECT_EQ(shown(), "store");
}

TEST(NodesOfATrace, AreItsOwn) {
  Workspace workspace;
  const auto trace = [](const std::string& reader) {
    Trace t;
    auto& entry = t.server("shop", "GET", "/cart");
    auto& called = t.span(reader, kServer, "GET /stock").route("GET", "/stock").under(entry);
    t.query(reader, "stock").under(called);
    return t.spans;
  };
  const auto services = [](const FlowMatch& match) {
    std::vector<std::string> list;
    for (const model::PathNode& node : match.nodes ? *match.nodes : std::vector<model::PathNode>())
      list.push_back(node.service);
    return list;
  };
  const auto first = trace("blue"), second = trace("green");
  const FlowIdentity* const flow = workspace.analyze(first).flows[0].flow;
  EXPECT_THAT(services(workspace.analyze(first).flows[0]), IsEmpty());  // as the flow's
  const FlowMatch green = workspace.analyze(second).flows[0];
  EXPECT_EQ(green.flow, flow);
  EXPECT_THAT(services(green), ElementsAre("shop", "green", "green"));
  // One list for all traces of the structure.
  EXPECT_EQ(workspace.analyze(second).flows[0].nodes, green.nodes);
  EXPECT_THAT(services(workspace.analyze(first).flows[0]), IsEmpty());
}

TEST(FactsOfPaths, ParametersOfTheTrieAreNotToldApart) {
  Workspace workspace;
  const auto facts = [&](const std::string& path) {
    SpanDescription span;
    span.kind = kServer;
    span.name = "GET";
    span.service = "shop";
    span.values[static_cast<size_t>(Slot::kHttpRequestMethod)] = "GET";
    span.values[static_cast<size_t>(Slot::kUrlPath)] = path;
    return workspace.analyzer.facts(span);
  };
  const auto see = [&](const std::string& path) {
    Trace t;
    t.span("shop", kServer, "GET").with("http.request.method", "GET").with("url.path", path);
    return workspace.analyze(t.spans).flows[0].flow->path;
  };
  EXPECT_NE(facts("/item/early-bird"), facts("/item/late-bird"));
  std::string path;
  for (int i = 0; i < 60; ++i)
    path = see("/item/slug-" + std::string(1, static_cast<char>('a' + i % 26)) + "x" +
               std::string(static_cast<size_t>(i / 26), 'y'));
  EXPECT_EQ(path, "api_endpoint:GET /item/:param");
  const FactsId parameter = facts("/item/early-bird");
  EXPECT_EQ(facts("/item/late-bird"), parameter);
  EXPECT_EQ(facts("//item/late-bird/?x=1"), parameter);
  EXPECT_EQ(facts("/item/:param"), parameter);
  EXPECT_NE(facts("/item"), parameter);
  EXPECT_NE(facts("/other/late-bird"), parameter);
  EXPECT_NE(facts("/item/late-bird/a"), facts("/item/late-bird/b"));
  EXPECT_EQ(facts("/item/late-bird/a"), facts("/item/early-bird/a"));
  EXPECT_EQ(see("/item/never-seen/a"), "api_endpoint:GET /item/:param/a");
}

}  // namespace
}  // namespace testmesh::discovery
