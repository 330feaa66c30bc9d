#include "discovery/name_tries.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <thread>
#include <vector>

namespace testmesh::discovery {
namespace {

std::string see(NameTries& tries, const std::string& path, std::string_view service = "shop") {
  bool changed = false;
  return tries.observe(service, path, changed);
}

void see_values(NameTries& tries, const std::string& before, int count, const std::string& after = "") {
  for (int i = 0; i < count; ++i) see(tries, before + "v" + std::to_string(i) + after);
}

using Documents = std::map<std::string, std::string>;

void store_dirty(NameTries& tries, Documents& documents) {
  tries.take_dirty([&](std::string_view key, std::optional<std::string_view> value) {
    if (value) {
      documents[std::string(key)] = *value;
    } else {
      documents.erase(std::string(key));
    }
  });
}

TEST(NameTries, FiftyValuesAreNames) {
  NameTries tries;
  bool changed = true;
  see_values(tries, "/users/", 49);
  EXPECT_EQ(tries.observe("shop", "/users/v49", changed), "/users/v49");
  EXPECT_FALSE(changed);
  EXPECT_EQ(tries.version(), 0u);
}

TEST(NameTries, MoreThanFiftyValuesBehindTheSameSegmentsAreAParameter) {
  NameTries tries;
  see_values(tries, "/users/", 50);
  bool changed = false;
  EXPECT_EQ(tries.observe("shop", "/users/v50", changed), "/users/:param");
  EXPECT_TRUE(changed);
  EXPECT_GT(tries.version(), 0u);
  EXPECT_EQ(tries.apply("shop", "/users/v0"), "/users/:param");
  EXPECT_EQ(tries.observe("shop", "/users/new", changed), "/users/:param");
  EXPECT_FALSE(changed);
}

TEST(NameTries, ValuesSeenAgainDoNotCount) {
  NameTries tries;
  for (int i = 0; i < 3; ++i) see_values(tries, "/users/", 50);
  EXPECT_EQ(see(tries, "/users/v0"), "/users/v0");
}

TEST(NameTries, IdIsOneValueAmongOthers) {
  NameTries tries;
  see(tries, "/users/:id");
  see_values(tries, "/users/", 49);
  EXPECT_EQ(see(tries, "/users/:id"), "/users/:id");
  see(tries, "/users/x");
  EXPECT_EQ(see(tries, "/users/:id"), "/users/:param");
}

TEST(NameTries, OnlyTheSameSegmentsInFrontCountTogether) {
  NameTries tries;
  see_values(tries, "/a/", 30);
  see_values(tries, "/b/", 30);
  EXPECT_EQ(see(tries, "/a/v0"), "/a/v0");
}

TEST(NameTries, EveryServiceHasItsOwn) {
  NameTries tries;
  for (int i = 0; i < 60; ++i) see(tries, "/users/" + std::to_string(i), i % 2 == 0 ? "a" : "b");
  EXPECT_EQ(tries.apply("a", "/users/0"), "/users/0");
  EXPECT_EQ(tries.apply("c", "/users/0"), "/users/0");
}

TEST(NameTries, WhatLayBehindTheValuesIsMerged) {
  NameTries tries;
  see_values(tries, "/users/", 51, "/orders");
  EXPECT_EQ(tries.apply("shop", "/users/v3/orders"), "/users/:param/orders");
  EXPECT_EQ(see(tries, "/users/v3/carts"), "/users/:param/carts");
}

TEST(NameTries, MergingCanTurnPositionsBehindIntoParametersToo) {
  NameTries tries;
  // 17 values under each of three users, all different.
  for (int user = 0; user < 3; ++user)
    for (int i = 0; i < 17; ++i)
      see(tries, "/users/v" + std::to_string(user) + "/o" + std::to_string(user * 17 + i));
  EXPECT_EQ(tries.apply("shop", "/users/v0/o0"), "/users/v0/o0");
  see_values(tries, "/users/", 51);
  EXPECT_EQ(tries.apply("shop", "/users/v0/o0"), "/users/:param/:param");
}

TEST(NameTries, TheRootPathIsItself) {
  NameTries tries;
  EXPECT_EQ(see(tries, "/"), "/");
  see_values(tries, "/", 51);
  EXPECT_EQ(see(tries, "/"), "/");
  EXPECT_EQ(see(tries, "/x"), "/:param");
}

// What 2.3 says, computed from all paths at once.
std::string expected_form(std::vector<std::vector<std::string>> seen, const std::vector<std::string>& path) {
  std::string form;
  for (size_t depth = 0; depth < path.size(); ++depth) {
    std::set<std::string> values;
    for (const auto& other : seen)
      if (other.size() > depth) values.insert(other[depth]);
    const bool parameter = values.size() > kValuesBeforeParameter;
    form += "/" + (parameter ? std::string(":param") : path[depth]);
    std::erase_if(seen, [&](const auto& other) {
      return other.size() <= depth || (!parameter && other[depth] != path[depth]);
    });
  }
  return form;
}

TEST(NameTries, TheOrderOfPathsDoesNotMatter) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 20; ++round) {
    std::set<std::vector<std::string>> paths;
    const size_t wide[] = {1 + random() % 80, 1 + random() % 80, 1 + random() % 80};
    for (int i = 0; i < 400; ++i) {
      std::vector<std::string> path(1 + random() % 3);
      for (size_t depth = 0; depth < path.size(); ++depth)
        path[depth] = "s" + std::to_string(random() % wide[depth]);
      paths.insert(path);
    }
    std::vector<std::vector<std::string>> order(paths.begin(), paths.end());
    std::ranges::shuffle(order, random);
    const auto text = [](const std::vector<std::string>& path) {
      std::string joined;
      for (const auto& segment : path) joined += "/" + segment;
      return joined;
    };
    NameTries tries;
    for (const auto& path : order) see(tries, text(path));
    for (const auto& path : order)
      ASSERT_EQ(tries.apply("shop", text(path)), expected_form(order, path)) << text(path);
  }
}

TEST(NameTries, WithoutRoomNewValuesAreParameters) {
  NameTries tries;
  // 50 × 50 × 5 positions: no position has too many values.
  for (int a = 0; a < 50; ++a)
    for (int b = 0; b < 50; ++b)
      for (int c = 0; c < 5; ++c)
        see(tries, "/a" + std::to_string(a) + "/b" + std::to_string(b) + "/c" + std::to_string(c));
  Documents documents;
  store_dirty(tries, documents);
  EXPECT_EQ(documents.size(), kMaxTrieNodes);
  EXPECT_EQ(see(tries, "/a0/b0/c0"), "/a0/b0/c0");
  EXPECT_EQ(see(tries, "/a0/b0/new"), "/a0/b0/:param");
  EXPECT_EQ(see(tries, "/new/x"), "/:param/:param");
  EXPECT_EQ(tries.apply("shop", "/a0/new/c0"), "/a0/:param/:param");
  EXPECT_EQ(see(tries, "/new/x", "another service"), "/new/x");
}

TEST(NameTries, APathOfAnyDepthIsBounded) {
  NameTries tries;
  std::string path;
  for (int i = 0; i < 100'000; ++i) path += "/x";
  const std::string form = see(tries, path);
  EXPECT_TRUE(form.starts_with("/x/x/x"));
  EXPECT_TRUE(form.ends_with("/:param/:param"));
  Documents documents;
  store_dirty(tries, documents);
  EXPECT_EQ(documents.size(), kMaxTrieDepth);
}

// ---- Stored -----------------------------------------------------------------

TEST(NameTries, AreTheSameAfterLoading) {
  NameTries tries;
  Documents documents;
  for (int i = 0; i < 60; ++i) {
    see(tries, "/users/v" + std::to_string(i) + "/orders");
    see(tries, "/x/y" + std::to_string(i % 7), "a:b/c");
    if (i % 9 == 0) store_dirty(tries, documents);
  }
  store_dirty(tries, documents);
  std::vector<std::pair<std::string, std::string>> order(documents.begin(), documents.end());
  for (int round = 0; round < 3; ++round) {
    NameTries loaded;
    for (int repeat = 0; repeat < 2; ++repeat)
      for (const auto& [key, value] : order) ASSERT_TRUE(loaded.load(key, value));
    EXPECT_EQ(loaded.apply("shop", "/users/new/orders"), "/users/:param/orders");
    EXPECT_EQ(loaded.apply("a:b/c", "/x/y3"), "/x/y3");
    std::ranges::reverse(order);
    if (round == 1) std::ranges::rotate(order, order.begin() + 2);
  }
}

TEST(NameTries, LoadingWhatIsStoredIsNoChange) {
  NameTries tries;
  Documents documents;
  see_values(tries, "/users/", 60);
  store_dirty(tries, documents);
  EXPECT_EQ(documents.size(), 2u);  // /users and /users/:param
  NameTries loaded;
  for (const auto& [key, value] : documents) ASSERT_TRUE(loaded.load(key, value));
  Documents again;
  store_dirty(loaded, again);
  EXPECT_TRUE(again.empty());
}

TEST(NameTries, LeftOverValuesOfAParameterChangeNothing) {
  NameTries tries;
  Documents all;
  for (int i = 0; i < 60; ++i) {
    see(tries, "/users/v" + std::to_string(i));
    tries.take_dirty([&](std::string_view key, std::optional<std::string_view> value) {
      if (value) all[std::string(key)] = *value;
    });
  }
  NameTries loaded;
  for (const auto& [key, value] : all) ASSERT_TRUE(loaded.load(key, value));
  EXPECT_EQ(loaded.apply("shop", "/users/v1"), "/users/:param");
  EXPECT_EQ(loaded.apply("shop", "/users"), "/users");
}

TEST(NameTries, RefuseWhatTheyDidNotWrite) {
  NameTries tries;
  Documents documents;
  see(tries, "/users");
  store_dirty(tries, documents);
  const std::string key = documents.begin()->first;
  for (size_t end = 0; end < std::string_view("trie/4:shop").size(); ++end) {
    EXPECT_FALSE(tries.load(key.substr(0, end), "v")) << end;
  }
  for (const char* bad : {"trie/", "trie/:x", "trie/9:shop/a", "trie/04:shop/a", "trie/-1:shop",
                          "trie/99999999999999999999:x", "flow/4:shop/a", "trie/4:shopx"})
    EXPECT_FALSE(tries.load(bad, "v")) << bad;
  for (const char* bad : {"", "x", "vv"}) EXPECT_FALSE(tries.load(key, bad));
}

TEST(NameTries, ShardsMayObserveAtOnce) {
  NameTries tries;
  std::vector<std::thread> shards;
  for (int shard = 0; shard < 4; ++shard)
    shards.emplace_back([&, shard] {
      for (int i = 0; i < 400; ++i) {
        see(tries, "/users/v" + std::to_string((i * 7 + shard * 31) % 60) + "/o" + std::to_string(i % 60));
        tries.apply("shop", "/users/v1");
        if (i % 50 == 0) tries.take_dirty([](std::string_view, std::optional<std::string_view>) {});
      }
    });
  for (auto& shard : shards) shard.join();
  EXPECT_EQ(tries.apply("shop", "/users/v1/o1"), "/users/:param/:param");
}

}  // namespace
}  // namespace testmesh::discovery
