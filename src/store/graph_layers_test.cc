#include "store/graph_layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "store/map_store.h"

namespace testmesh::store {
namespace {

using base::ErrorCode;
using graph::Import;
using graph::ImportKind;
using graph::Layer;
using graph::LayerContent;
using graph::LayerName;
using graph::NodeKey;
using graph::NodeType;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

NodeKey service(std::string name) { return {NodeType::kService, name, name}; }

LayerContent content(std::initializer_list<std::string> services, graph::Properties properties = {}) {
  LayerContent content;
  for (const std::string& name : services) content.nodes.push_back({service(name), properties});
  return content;
}

class GraphLayersTest : public ::testing::Test {
 protected:
  GraphLayersTest() {
    workspace.bytes[0] = 1;
    other.bytes[0] = 2;
  }
  void restart() { layers.emplace(documents); }

  void put(LayerName layer, const LayerContent& what) {
    ASSERT_TRUE(layers->replace(workspace, layer, what));
  }
  std::vector<std::string> import(ImportKind kind, std::string of, const LayerContent& what) {
    auto warnings = layers->replace_import(workspace, kind, Import{std::move(of), what, {}});
    EXPECT_TRUE(warnings) << warnings.error().message;
    return warnings ? *std::move(warnings) : std::vector<std::string>{};
  }
  std::vector<Layer> all(const model::WorkspaceId& of) {
    const auto read = layers->layers(of);
    EXPECT_TRUE(read) << read.error().message;
    return read ? **read : std::vector<Layer>{};
  }
  std::vector<std::string> names(LayerName layer) {
    std::vector<std::string> names;
    for (const Layer& one : all(workspace))
      if (one.name == layer)
        for (const auto& node : one.content.nodes) names.push_back(node.key.name);
    return names;
  }

  MapStore documents;
  std::optional<GraphLayers> layers{documents};
  model::WorkspaceId workspace{}, other{};
};

TEST_F(GraphLayersTest, AWorkspaceBeginsWithoutLayers) { EXPECT_THAT(all(workspace), IsEmpty()); }

TEST_F(GraphLayersTest, APutReplacesTheWholeLayer) {
  put(LayerName::kCode, content({"a", "b"}));
  import(ImportKind::kCompose, "shop", content({"x"}));
  import(ImportKind::kOpenApi, "a", content({"s"}));
  put(LayerName::kInfra, content({"c"}));
  EXPECT_THAT(names(LayerName::kCode), ElementsAre("a", "b"));
  EXPECT_THAT(names(LayerName::kInfra), ElementsAre("c"));
  EXPECT_THAT(names(LayerName::kSpec), ElementsAre("s"));
  put(LayerName::kInfra, {});
  EXPECT_THAT(names(LayerName::kInfra), IsEmpty());
  EXPECT_EQ(all(workspace).size(), 2);
}

TEST_F(GraphLayersTest, AnImportReplacesWhatThatKindImportedForThatService) {
  put(LayerName::kSpec, content({"put"}));
  import(ImportKind::kOpenApi, "a", content({"a1", "a2"}));
  import(ImportKind::kOpenApi, "b", content({"b1"}));
  import(ImportKind::kFlow, "a", content({"f"}));
  import(ImportKind::kOpenApi, "a", content({"a3"}));
  EXPECT_THAT(names(LayerName::kSpec), ElementsAre("a3", "b1", "put"));
  EXPECT_THAT(names(LayerName::kFlow), ElementsAre("f"));
  import(ImportKind::kOpenApi, "b", {});
  EXPECT_THAT(names(LayerName::kSpec), ElementsAre("a3", "put"));
}

TEST_F(GraphLayersTest, ServicesMayBeCalledAnything) {
  import(ImportKind::kCompose, "a/b", content({"1"}));
  import(ImportKind::kCompose, "", content({"2"}));
  import(ImportKind::kCompose, "put", content({"3"}));
  import(ImportKind::kCompose, "a", content({"4"}));
  restart();
  EXPECT_THAT(names(LayerName::kInfra), ElementsAre("1", "2", "3", "4"));
}

TEST_F(GraphLayersTest, EverythingIsThereAfterARestart) {
  LayerContent all_of_it = content({"a", "b"}, {{"team", "\"x\\n\xc3\xa9\""}, {"n", "1.5"}});
  all_of_it.nodes.push_back({{NodeType::kApiEndpoint, "GET /x", "a"}, {}});
  all_of_it.edges.push_back({service("a"), service("b"), graph::EdgeType::kDependsOn, {{"w", "[1,{}]"}}});
  all_of_it.edges.push_back({service("b"), service("b"), graph::EdgeType::kCalls, {}});
  normalise(all_of_it);
  put(LayerName::kHistory, all_of_it);
  restart();
  ASSERT_EQ(all(workspace).size(), 1);
  EXPECT_EQ(all(workspace)[0].content, all_of_it);
}

TEST_F(GraphLayersTest, ThePartsOfALayerAreOne) {
  put(LayerName::kSpec, content({"a"}, {{"team", "\"put\""}, {"only", "1"}}));
  EXPECT_THAT(
      import(ImportKind::kOpenApi, "z", content({"a"}, {{"team", "\"z\""}})),
      ElementsAre("service a: `team` differs between what was PUT and the openapi import of z; the latter "
                  "counts"));
  EXPECT_THAT(import(ImportKind::kOpenApi, "b", content({"a"}, {{"team", "\"b\""}})),
              ElementsAre(HasSubstr("between what was PUT and the openapi import of b"),
                          HasSubstr("between the openapi import of b and the openapi import of z")));
  EXPECT_THAT(import(ImportKind::kOpenApi, "y", content({"a"}, {{"other", "\"y\""}})).size(), 2);
  ASSERT_EQ(all(workspace).size(), 1);
  ASSERT_EQ(all(workspace)[0].content.nodes.size(), 1);
  EXPECT_THAT(all(workspace)[0].content.nodes[0].properties,
              ElementsAre(Pair("only", "1"), Pair("other", "\"y\""), Pair("team", "\"z\"")));
}

TEST_F(GraphLayersTest, EdgesBringTheirEndsAlong) {
  LayerContent edges;
  edges.edges.push_back({service("a"), service("b"), graph::EdgeType::kCalls, {}});
  put(LayerName::kCode, edges);
  EXPECT_THAT(names(LayerName::kCode), ElementsAre("a", "b"));
}

TEST_F(GraphLayersTest, RuntimeIsRefused) {
  const auto refused = layers->replace(workspace, LayerName::kRuntime, content({"a"}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(documents.documents, IsEmpty());
}

TEST_F(GraphLayersTest, MoreThanALayerHoldsIsRefusedAndTheOldOneKept) {
  put(LayerName::kSpec, content({"old"}));
  LayerContent big;
  for (size_t i = 0; i < graph::kMaxLayerNodes; ++i) big.nodes.push_back({service(std::to_string(i)), {}});
  const auto import = layers->replace_import(workspace, ImportKind::kOpenApi, Import{"big", big, {}});
  ASSERT_FALSE(import);
  EXPECT_EQ(import.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(import.error().message, HasSubstr("50001 nodes; at most 50000"));
  big.nodes.push_back({service("one more"), {}});
  const auto put = layers->replace(workspace, LayerName::kSpec, big);
  ASSERT_FALSE(put);
  EXPECT_EQ(put.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(names(LayerName::kSpec), ElementsAre("old"));
  restart();
  EXPECT_THAT(names(LayerName::kSpec), ElementsAre("old"));
}

TEST_F(GraphLayersTest, AChangeThatTheDiskRefusesChangesNothing) {
  put(LayerName::kSpec, content({"old"}));
  documents.broken = true;
  EXPECT_FALSE(layers->replace(workspace, LayerName::kSpec, content({"new"})));
  EXPECT_FALSE(layers->replace_import(workspace, ImportKind::kOpenApi, Import{"a", content({"new"}), {}}));
  EXPECT_FALSE(layers->drop_workspace(workspace));
  EXPECT_THAT(names(LayerName::kSpec), ElementsAre("old"));
}

TEST_F(GraphLayersTest, WorkspacesDoNotSeeEachOther) {
  put(LayerName::kSpec, content({"mine"}));
  ASSERT_TRUE(layers->replace(other, LayerName::kSpec, content({"theirs"})));
  ASSERT_TRUE(layers->drop_workspace(workspace));
  EXPECT_THAT(all(workspace), IsEmpty());
  ASSERT_EQ(all(other).size(), 1);
  EXPECT_EQ(all(other)[0].content.nodes[0].key.name, "theirs");
  EXPECT_EQ(documents.documents.size(), 1);
}

TEST_F(GraphLayersTest, ReadsCostTheStoreNothing) {
  put(LayerName::kSpec, content({"a"}));
  const auto first = layers->layers(workspace);
  const size_t scans = documents.scans;
  const auto second = layers->layers(workspace);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(*first, *second);
  EXPECT_EQ(documents.scans, scans);
}

TEST_F(GraphLayersTest, AReaderKeepsWhatItHas) {
  put(LayerName::kSpec, content({"a"}));
  const auto before = layers->layers(workspace);
  put(LayerName::kSpec, content({"b"}));
  ASSERT_TRUE(before);
  EXPECT_EQ((**before)[0].content.nodes[0].key.name, "a");
  EXPECT_THAT(names(LayerName::kSpec), ElementsAre("b"));
}

TEST_F(GraphLayersTest, DocumentsOfANewerVersionAreNotGuessedAt) {
  put(LayerName::kSpec, content({"a"}));
  auto& document = documents.documents.begin()->second;
  document.replace(document.find("\"schema\":1"), 10, "\"schema\":2");
  restart();
  const auto read = layers->layers(workspace);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(read.error().message, HasSubstr("written by a newer testmesh"));
}

TEST_F(GraphLayersTest, ADamagedDocumentIsSaidAndCanBePutAnew) {
  put(LayerName::kSpec, content({"a"}));
  const std::string whole = documents.documents.begin()->second;
  for (size_t size = 0; size < whole.size(); ++size) {
    documents.documents.begin()->second = whole.substr(0, size);
    restart();
    const auto read = layers->layers(workspace);
    ASSERT_FALSE(read) << size;
    EXPECT_EQ(read.error().code, ErrorCode::kCorrupt);
  }
  put(LayerName::kSpec, content({"b"}));
  EXPECT_THAT(names(LayerName::kSpec), ElementsAre("b"));
}

TEST_F(GraphLayersTest, RowsThatMakeNoSenseAreDamage) {
  put(LayerName::kSpec, content({"a"}));
  for (const char* text :
       {R"([])", R"({})", R"({"schema":1})", R"({"schema":1,"nodes":[],"edges":[[0,0,"calls",{}]]})",
        R"({"schema":1,"nodes":[["service","a","a"]],"edges":[]})",
        R"({"schema":1,"nodes":[["servise","a","a",{}]],"edges":[]})",
        R"({"schema":1,"nodes":[["service","a","a",{"p":1}]],"edges":[]})",
        R"({"schema":1,"nodes":[["service","a","a",{}]],"edges":[[0,-1,"calls",{}]]})",
        R"({"schema":1,"nodes":[["service","a","a",{}]],"edges":[[0,0,"cals",{}]]})"}) {
    documents.documents.begin()->second = text;
    restart();
    EXPECT_FALSE(layers->layers(workspace)) << text;
  }
}

TEST_F(GraphLayersTest, ReadersAndWritersMayMeet) {
  std::atomic<bool> done = false;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i)
    readers.emplace_back([&] {
      while (!done) {
        const auto read = layers->layers(workspace);
        // A layer is there as one of its whole versions.
        if (!read || ((*read)->size() == 1 && (**read)[0].content.nodes.size() % 2 != 0)) ++wrong;
      }
    });
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(layers->replace(workspace, LayerName::kSpec,
                                i % 2 == 0 ? content({"a", "b"}) : content({"a", "b", "c", "d"})));
    if (i % 10 == 0) {
      ASSERT_TRUE(layers->drop_workspace(workspace));
    }
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(names(LayerName::kSpec).size(), 4);
}

}  // namespace
}  // namespace testmesh::store
