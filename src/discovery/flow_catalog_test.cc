#include "discovery/flow_catalog.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "base/hex.h"
#include "discovery/canonical_tree.h"

namespace testmesh::discovery {
namespace {

using model::NodeType;
using model::PathNode;

PathNode service(std::string name) { return {NodeType::kService, name, name}; }
PathNode endpoint(std::string name, std::string of = "shop") {
  return {NodeType::kApiEndpoint, std::move(name), std::move(of)};
}

constexpr bool kFromPath = true;

struct Path {
  std::vector<PathNode> nodes;
  std::vector<TreeNode> tree;

  // `parent` is the index of an earlier node, -1: top.
  Path& add(PathNode node, int32_t parent, uint32_t run = 0, bool from_path = false) {
    nodes.push_back(std::move(node));
    tree.push_back({parent, run, from_path});
    return *this;
  }
  const FlowIdentity* in(FlowCatalog& catalog, model::Family family = {"", "shop", "op"}) const {
    return catalog.intern(family, nodes, tree);
  }
};

std::string param_for_user(const PathNode& node) {
  return node.identifier.starts_with("GET /users/") ? "GET /users/:param" : node.identifier;
}

// ---- Path strings and fingerprints ------------------------------------------

TEST(PathString, JoinsTypeAndIdentifier) {
  const std::vector<PathNode> nodes{service("api-gateway"),
                                    endpoint("POST /api/v1/orders"),
                                    endpoint("GET /api/v1/users/:id"),
                                    {NodeType::kTopic, "order.created", "orders"}};
  EXPECT_EQ(path_string(nodes),
            "service:api-gateway->api_endpoint:POST /api/v1/orders->api_endpoint:GET "
            "/api/v1/users/:id->topic:order.created");
  EXPECT_EQ(path_string({}), "");
}

TEST(PathString, EscapesBackslashAndArrowInIdentifiers) {
  const std::vector<PathNode> nodes{service("a\\b"),  service("a->b"), service("a-\\>b"),
                                    service("a->->"), service("a-"),   service(">a")};
  EXPECT_EQ(path_string(nodes),
            "service:a\\\\b->service:a-\\>b->service:a-\\\\>b->service:a-\\>-\\>->service:a-->service:>a");
}

TEST(Fingerprint, IsSha256OfThePathString) {
  EXPECT_EQ(base::to_hex(fingerprint_of("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(base::to_hex(fingerprint_of("")),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

// ---- Identity ---------------------------------------------------------------

TEST(FlowCatalog, SameFamilyAndPathIsTheSameFlow) {
  FlowCatalog catalog;
  const Path path = Path{}.add(service("a"), -1).add(service("b"), 0);
  const auto* flow = path.in(catalog);
  EXPECT_EQ(path.in(catalog), flow);
  EXPECT_EQ(catalog.size(), 1u);
  EXPECT_EQ(catalog.find(flow->id), flow);
  EXPECT_EQ(flow->path, "service:a->service:b");
  EXPECT_EQ(flow->fingerprint, fingerprint_of(flow->path));
  EXPECT_EQ(catalog.find({}), nullptr);
}

TEST(FlowCatalog, AnotherEnvironmentServiceOrOperationIsAnotherFlow) {
  FlowCatalog catalog;
  const Path path = Path{}.add(service("a"), -1);
  std::set<model::FlowId> ids;
  for (const model::Family& family : std::vector<model::Family>{{"", "a", "op"},
                                                                {"e", "a", "op"},
                                                                {"", "b", "op"},
                                                                {"", "a", "o"},
                                                                {"ea", "", "op"},
                                                                {"", "ao", "p"}})
    ids.insert(path.in(catalog, family)->id);
  EXPECT_EQ(ids.size(), 6u);
}

TEST(FlowCatalog, IdsAreTheSameEverywhereAndUuidsOfVersion8) {
  FlowCatalog one, other;
  const Path path = Path{}.add(service("a"), -1);
  const std::string id = path.in(one)->id.to_string();
  EXPECT_EQ(id, path.in(other)->id.to_string());
  EXPECT_EQ(id[14], '8');
  EXPECT_NE(std::string("89ab").find(id[19]), std::string::npos);
}

TEST(FlowCatalog, AFlowExistsWhileWholeTracesCountInIt) {
  FlowCatalog catalog;
  const auto* flow = Path{}.add(service("a"), -1).in(catalog);
  EXPECT_FALSE(catalog.exists(flow));
  flow->whole_traces = 2;
  EXPECT_TRUE(catalog.exists(flow));
  flow->whole_traces = 0;
  EXPECT_FALSE(catalog.exists(flow));
}

// ---- Renaming ---------------------------------------------------------------

Path user_path(const std::string& user) {
  return Path{}
      .add(endpoint("GET /users/" + user), -1, 0, kFromPath)
      .add({NodeType::kDatabase, "db", "shop"}, 0);
}

const FlowIdentity* user_flow(FlowCatalog& catalog, const std::string& user) {
  return user_path(user).in(catalog, {"prod", "shop", "GET /users/" + user});
}

TEST(Rename, StoredFlowsAreRenamedAndEqualOnesMerge) {
  FlowCatalog catalog;
  const auto* first = user_flow(catalog, "u1");
  const auto* second = user_flow(catalog, "u2");
  catalog.rename("shop", param_for_user);
  const Resolved merged = catalog.resolve(first);
  EXPECT_EQ(merged.flow, catalog.resolve(second).flow);
  EXPECT_EQ(merged.flow->path, "api_endpoint:GET /users/:param->database:db");
  EXPECT_EQ(merged.flow->family, (model::Family{"prod", "shop", "GET /users/:param"}));
  EXPECT_EQ(merged.node_map, (std::vector<uint32_t>{0, 1}));
  EXPECT_EQ(user_flow(catalog, ":param"), merged.flow);
}

TEST(Rename, OldFlowsStayAsAliases) {
  FlowCatalog catalog;
  const auto* first = user_flow(catalog, "u1");
  const auto* second = user_flow(catalog, "u2");
  catalog.rename("shop", param_for_user);
  EXPECT_EQ(catalog.find(first->id), first);
  EXPECT_EQ(catalog.aliases(catalog.resolve(first).flow).size(), 2u);
  EXPECT_TRUE(catalog.aliases(first).empty());
  second->whole_traces = 1;
  EXPECT_TRUE(catalog.exists(first));
  EXPECT_TRUE(catalog.exists(catalog.resolve(first).flow));
}

TEST(Rename, LeavesOtherServicesAndOtherNamesAlone) {
  FlowCatalog catalog;
  const auto* named = Path{}.add(endpoint("GET /users/u1"), -1).in(catalog);
  const auto* other = Path{}.add(endpoint("GET /users/u1", "pay"), -1, 0, kFromPath).in(catalog);
  const auto* same = Path{}.add(endpoint("GET /carts/7x"), -1, 0, kFromPath).in(catalog);
  catalog.rename("shop", param_for_user);
  for (const auto* flow : {named, other, same}) {
    EXPECT_EQ(catalog.resolve(flow).flow, flow);
    EXPECT_TRUE(catalog.resolve(flow).node_map.empty());
  }
}

TEST(Rename, TheEntryOperationIsRenamedOnlyIfItIsTheEntrysEndpoint) {
  FlowCatalog catalog;
  const auto* flow = Path{}
                         .add(service("gateway"), -1)
                         .add(endpoint("GET /users/u1"), 0, 0, kFromPath)
                         .in(catalog, {"", "gateway", "GET /users/u1"});
  catalog.rename("shop", param_for_user);
  EXPECT_EQ(catalog.resolve(flow).flow->path, "service:gateway->api_endpoint:GET /users/:param");
  EXPECT_EQ(catalog.resolve(flow).flow->family.entry_operation, "GET /users/u1");
}

TEST(Rename, AConcurrentRunIsOrderedByItsNewNames) {
  FlowCatalog catalog;
  const auto* flow = Path{}
                         .add(service("gateway"), -1)
                         .add(endpoint("GET /m", "b"), 0, 3)
                         .add(endpoint("GET /users/u1"), 0, 3, kFromPath)
                         .add(service("below"), 2)
                         .in(catalog, {"", "gateway", "op"});
  catalog.rename("shop", [](const PathNode&) { return "GET /:param"; });
  const Resolved resolved = catalog.resolve(flow);
  EXPECT_EQ(resolved.flow->path,
            "service:gateway->api_endpoint:GET /:param->service:below->api_endpoint:GET /m");
  EXPECT_EQ(resolved.node_map, (std::vector<uint32_t>{0, 3, 1, 2}));
}

TEST(Rename, ASequenceKeepsItsOrder) {
  FlowCatalog catalog;
  const auto* flow = Path{}
                         .add(service("gateway"), -1)
                         .add(endpoint("GET /m", "b"), 0, 0)
                         .add(endpoint("GET /users/u1"), 0, 1, kFromPath)
                         .in(catalog);
  catalog.rename("shop", [](const PathNode&) { return "GET /:param"; });
  EXPECT_EQ(catalog.resolve(flow).flow->path,
            "service:gateway->api_endpoint:GET /m->api_endpoint:GET /:param");
}

TEST(Rename, EqualSubtreesUnderOneNodeCollapseIntoTheFirst) {
  FlowCatalog catalog;
  const auto* flow = Path{}
                         .add(service("gateway"), -1)
                         .add(endpoint("GET /users/u1"), 0, 0, kFromPath)
                         .add(service("audit"), 1)
                         .add(service("x"), 0, 1)
                         .add(endpoint("GET /users/u2"), 0, 2, kFromPath)
                         .add(service("audit"), 4)
                         .in(catalog);
  catalog.rename("shop", param_for_user);
  const Resolved resolved = catalog.resolve(flow);
  EXPECT_EQ(resolved.flow->path, "service:gateway->api_endpoint:GET /users/:param->service:audit->service:x");
  EXPECT_EQ(resolved.node_map, (std::vector<uint32_t>{0, 1, 2, 3, 1, 2}));
}

TEST(Rename, SubtreesOfOtherServicesDoNotCollapse) {
  FlowCatalog catalog;
  const auto* flow = Path{}
                         .add(service("gateway"), -1)
                         .add(endpoint("GET /users/u1"), 0, 0, kFromPath)
                         .add(service("audit"), 1)
                         .add(endpoint("GET /users/u2"), 0, 2, kFromPath)
                         .add({NodeType::kService, "audit", "audit-2"}, 3)
                         .in(catalog);
  catalog.rename("shop", param_for_user);
  EXPECT_EQ(catalog.resolve(flow).flow->nodes.size(), 5u);
}

TEST(Rename, TopsUnderTheVirtualRootCollapseToo) {
  FlowCatalog catalog;
  const auto* flow = Path{}
                         .add(service("gateway"), -1)
                         .add(endpoint("GET /users/u1"), -1, 1, kFromPath)
                         .add(endpoint("GET /users/u2"), -1, 1, kFromPath)
                         .in(catalog);
  catalog.rename("shop", param_for_user);
  EXPECT_EQ(catalog.resolve(flow).node_map, (std::vector<uint32_t>{0, 1, 1}));
}

TEST(Rename, ANodeThatRepeatsTheOneAboveGivesItsPlaceToWhatIsBelow) {
  FlowCatalog catalog;
  const auto* flow = Path{}
                         .add(endpoint("GET /users/u1"), -1, 0, kFromPath)
                         .add(endpoint("GET /users/u2"), 0, 0, kFromPath)
                         .add(endpoint("GET /users/u3"), 1, 0, kFromPath)
                         .add(service("audit"), 2)
                         .add(service("x"), 0, 1)
                         .in(catalog);
  catalog.rename("shop", param_for_user);
  const Resolved resolved = catalog.resolve(flow);
  EXPECT_EQ(resolved.flow->path, "api_endpoint:GET /users/:param->service:audit->service:x");
  EXPECT_EQ(resolved.node_map, (std::vector<uint32_t>{0, 0, 0, 1, 2}));
}

TEST(Rename, AliasesOfAliasesLeadToTheEnd) {
  FlowCatalog catalog;
  const auto* flow = Path{}
                         .add(service("gateway"), -1)
                         .add(endpoint("GET /z", "b"), 0, 3)
                         .add(endpoint("GET /users/u1"), 0, 3, kFromPath)
                         .in(catalog);
  ASSERT_EQ(flow->path, "service:gateway->api_endpoint:GET /z->api_endpoint:GET /users/u1");
  catalog.rename("shop", [](const PathNode&) { return "GET /users/:param"; });
  catalog.rename("shop", [](const PathNode&) { return "POST /"; });
  const Resolved resolved = catalog.resolve(flow);
  EXPECT_EQ(resolved.flow->path, "service:gateway->api_endpoint:GET /z->api_endpoint:POST /");
  EXPECT_EQ(resolved.node_map, (std::vector<uint32_t>{0, 1, 2}));
  EXPECT_EQ(catalog.aliases(resolved.flow).size(), 2u);
}

TEST(Rename, NeverMakesACircle) {
  FlowCatalog catalog;
  const auto* a = user_flow(catalog, "u1");
  catalog.rename("shop", [](const PathNode&) { return "GET /b"; });
  catalog.rename("shop", [](const PathNode&) { return "GET /users/u1"; });
  EXPECT_EQ(catalog.resolve(a).flow->nodes[0].identifier, "GET /b");
}

// Random trees: renaming gives a tree that renaming to the same names leaves
// alone, and whatever order a run's siblings are given in.
TEST(CanonicalTree, IsStableAndIndependentOfTheOrderInRuns) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 3000; ++round) {
    Path path;
    const std::function<void(int32_t, int)> grow = [&](int32_t parent, int depth) {
      uint32_t run = 0;
      const size_t children = depth == 0 ? 1 + random() % 3 : random() % (4 - static_cast<size_t>(depth));
      for (size_t i = 0; i < children; ++i) {
        run += random() % 2;
        const auto at = static_cast<int32_t>(path.nodes.size());
        // Services, as nodes that never repeat the one above: the depth is in the name.
        path.add(service("s" + std::to_string(depth) + std::to_string(random() % 3)), parent, run);
        grow(at, depth + 1);
      }
    };
    grow(-1, 0);
    const CanonicalTree once = canonical_tree(path.nodes, path.tree);
    const CanonicalTree twice = canonical_tree(once.nodes, once.tree);
    ASSERT_EQ(once.nodes, twice.nodes);
    for (size_t i = 0; i < twice.node_map.size(); ++i) ASSERT_EQ(twice.node_map[i], i);
    for (size_t i = 0; i < path.nodes.size(); ++i) ASSERT_EQ(path.nodes[i], once.nodes[once.node_map[i]]);
    for (size_t i = 0; i < once.tree.size(); ++i) ASSERT_LT(once.tree[i].parent, static_cast<int32_t>(i));

    // The same with the siblings of each run turned around.
    Path turned;
    const std::function<void(int32_t, int32_t)> copy = [&](int32_t parent, int32_t new_parent) {
      std::vector<int32_t> children;
      for (size_t i = 0; i < path.tree.size(); ++i)
        if (path.tree[i].parent == parent) children.push_back(static_cast<int32_t>(i));
      std::ranges::sort(children, [&](int32_t a, int32_t b) {
        const uint32_t run_a = path.tree[static_cast<size_t>(a)].run,
                       run_b = path.tree[static_cast<size_t>(b)].run;
        return run_a != run_b ? run_a < run_b : a > b;
      });
      for (const int32_t child : children) {
        const auto at = static_cast<int32_t>(turned.nodes.size());
        turned.add(path.nodes[static_cast<size_t>(child)], new_parent,
                   path.tree[static_cast<size_t>(child)].run);
        copy(child, at);
      }
    };
    copy(-1, -1);
    ASSERT_EQ(canonical_tree(turned.nodes, turned.tree).nodes, once.nodes);
  }
}

// ---- Stored -----------------------------------------------------------------

TEST(FlowCatalog, AnIdentityReadsBack) {
  FlowCatalog catalog, loaded;
  const auto* flow = Path{}
                         .add(endpoint("GET /users/u1"), -1, 0, kFromPath)
                         .add({NodeType::kTopic, std::string("a\0b", 3), "shop"}, 0, 7)
                         .in(catalog, {"prod", "shop", "op"});
  const std::string document = FlowCatalog::encode_identity(*flow);
  const auto read = loaded.intern_encoded(document);
  ASSERT_TRUE(read);
  EXPECT_EQ((*read)->id, flow->id);
  EXPECT_EQ((*read)->nodes, flow->nodes);
  EXPECT_EQ((*read)->family, flow->family);
  EXPECT_EQ((*read)->tree[1].run, 7u);
  EXPECT_TRUE((*read)->tree[0].from_path);
  EXPECT_EQ(FlowCatalog::encode_identity(**read), document);
}

TEST(FlowCatalog, ACutOrLongerIdentityIsRefused) {
  FlowCatalog catalog;
  const std::string document = FlowCatalog::encode_identity(*user_flow(catalog, "u1"));
  for (size_t end = 0; end < document.size(); ++end)
    EXPECT_FALSE(catalog.intern_encoded(document.substr(0, end))) << end;
  EXPECT_FALSE(catalog.intern_encoded(document + "x"));
  EXPECT_EQ(catalog.intern_encoded(document.substr(0, 3)).error().code, base::ErrorCode::kCorrupt);
  EXPECT_EQ(catalog.size(), 1u);
}

using Documents = std::map<std::string, std::string>;

Documents aliases_of(FlowCatalog& catalog) {
  Documents documents;
  catalog.take_dirty([&](std::string_view key, std::optional<std::string_view> value) {
    documents[std::string(key)] = value.value();
  });
  return documents;
}

TEST(FlowCatalog, AliasesReadBackAloneInAnyOrderAndTwice) {
  FlowCatalog catalog;
  const auto* a = user_flow(catalog, "u1");
  const auto* b = user_flow(catalog, "u2");
  catalog.rename("shop", param_for_user);
  catalog.rename("shop", [](const PathNode&) { return "GET /:param/:param"; });
  const Documents documents = aliases_of(catalog);
  EXPECT_EQ(documents.size(), 3u);
  EXPECT_TRUE(aliases_of(catalog).empty());
  for (const bool backwards : {false, true}) {
    FlowCatalog loaded;
    std::vector<std::pair<std::string, std::string>> order(documents.begin(), documents.end());
    if (backwards) std::ranges::reverse(order);
    for (int repeat = 0; repeat < 2; ++repeat)
      for (const auto& [key, value] : order) ASSERT_TRUE(loaded.load_alias(key, value));
    for (const auto* flow : {a, b}) {
      const Resolved resolved = loaded.resolve(loaded.find(flow->id));
      EXPECT_EQ(resolved.flow->id, catalog.resolve(flow).flow->id);
      EXPECT_EQ(resolved.node_map, catalog.resolve(flow).node_map);
    }
    EXPECT_TRUE(aliases_of(loaded).empty());
  }
}

TEST(FlowCatalog, ACutAliasOrOneUnderAnotherKeyIsRefused) {
  FlowCatalog catalog;
  user_flow(catalog, "u1");
  catalog.rename("shop", param_for_user);
  const auto [key, value] = *aliases_of(catalog).begin();
  FlowCatalog loaded;
  for (size_t end = 0; end < value.size(); ++end)
    EXPECT_FALSE(loaded.load_alias(key, value.substr(0, end))) << end;
  EXPECT_FALSE(loaded.load_alias(key, value + "x"));
  EXPECT_FALSE(loaded.load_alias("alias/00000000-0000-8000-8000-000000000000", value));
  EXPECT_EQ(loaded.size(), 0u);
}

TEST(FlowCatalog, ShardsMayInternAndRenameAtOnce) {
  FlowCatalog catalog;
  std::vector<std::thread> shards;
  for (int shard = 0; shard < 4; ++shard)
    shards.emplace_back([&catalog, shard] {
      for (int i = 0; i < 200; ++i) {
        const auto* flow = user_flow(catalog, "u" + std::to_string((i + shard * 50) % 120));
        flow->whole_traces.fetch_add(1);
        EXPECT_TRUE(catalog.exists(flow));
        if (i % 40 == 0) catalog.rename("shop", param_for_user);
      }
    });
  for (auto& shard : shards) shard.join();
  catalog.rename("shop", param_for_user);
  const auto* survivor = user_flow(catalog, ":param");
  EXPECT_EQ(catalog.aliases(survivor).size(), 120u);
  EXPECT_EQ(catalog.size(), 121u);
}

}  // namespace
}  // namespace testmesh::discovery
