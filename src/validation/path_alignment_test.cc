#include "validation/path_alignment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>

namespace testmesh::validation {
namespace {

using model::NodeType;
using model::PathNode;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

PathNode endpoint(std::string identifier, std::string service = "") {
  return {NodeType::kApiEndpoint, std::move(identifier), std::move(service)};
}
PathNode service(std::string name, std::string of = "") {
  return {NodeType::kService, std::move(name), std::move(of)};
}

std::vector<PathNode> services(std::string_view letters) {
  std::vector<PathNode> nodes;
  for (const char c : letters) nodes.push_back(service(std::string(1, c)));
  return nodes;
}

TEST(PathAlignment, EqualPathsHaveNothingToSay) {
  const Alignment alignment = align(services("abcb"), services("abcb"));
  EXPECT_THAT(alignment.missing, IsEmpty());
  EXPECT_THAT(alignment.surplus, IsEmpty());
  EXPECT_THAT(alignment.inversions, IsEmpty());
}

TEST(PathAlignment, ARemovedCallIsMissingAndAnAddedOneIsSurplus) {
  const Alignment alignment = align(services("abcd"), services("abxd"));
  EXPECT_THAT(alignment.missing, ElementsAre(2));
  EXPECT_THAT(alignment.surplus, ElementsAre(2));
  EXPECT_THAT(alignment.inversions, IsEmpty());
}

TEST(PathAlignment, AMovedNodeIsNeitherMissingNorSurplusButOutOfOrder) {
  const Alignment alignment = align(services("abcd"), services("acbd"));
  EXPECT_THAT(alignment.missing, IsEmpty());
  EXPECT_THAT(alignment.surplus, IsEmpty());
  EXPECT_THAT(alignment.inversions, ElementsAre(Pair(1, 2)));
}

TEST(PathAlignment, ANodeThatIsExpectedTwiceAndSeenOnceIsMissingOnce) {
  EXPECT_THAT(align(services("abab"), services("ab")).missing.size(), 2u);
  EXPECT_THAT(align(services("aba"), services("ab")).missing, ElementsAre(2));
  EXPECT_THAT(align(services("ab"), services("aba")).surplus.size(), 1u);
}

TEST(PathAlignment, ParametersAreEqualWhateverTheyAreCalled) {
  const Alignment alignment =
      align(std::vector{endpoint("get /users/{userId}/", "users"), endpoint("GET /items/<int:id>")},
            std::vector{endpoint("GET /users/:id", "users"), endpoint("GET /items/:param", "stock")});
  EXPECT_THAT(alignment.partner, ElementsAre(0, 1));
}

TEST(PathAlignment, AServiceCountsWhereItIsSaid) {
  EXPECT_THAT(align(std::vector{endpoint("GET /a", "x")}, std::vector{endpoint("GET /a", "y")}).missing,
              ElementsAre(0));
  // The node that says its service takes the partner that only it can have.
  const Alignment alignment = align(std::vector{endpoint("GET /a"), endpoint("GET /a", "x")},
                                    std::vector{endpoint("GET /a", "x"), endpoint("GET /a", "y")});
  EXPECT_THAT(alignment.partner, ElementsAre(1, 0));
}

TEST(PathAlignment, TypesAreNeverMixed) {
  EXPECT_THAT(align(std::vector{PathNode{NodeType::kTopic, "orders", ""}},
                    std::vector{PathNode{NodeType::kDatabase, "orders", ""}})
                  .missing,
              ElementsAre(0));
}

// ---- Against every way to pair the nodes.

bool may_pair(const PathNode& a, const PathNode& b) {
  return a.type == b.type && a.identifier == b.identifier &&
         (a.service == b.service || a.service.empty() || b.service.empty());
}

struct Best {
  size_t pairs = 0;
  bool in_order = false;  // some best pairing breaks no order
};

Best best_pairing(const std::vector<PathNode>& expected, const std::vector<PathNode>& actual) {
  Best best;
  std::vector<int> partner(expected.size(), -1);
  std::vector<bool> taken(actual.size(), false);
  const std::function<void(size_t, size_t)> go = [&](size_t i, size_t pairs) {
    if (i == expected.size()) {
      bool in_order = true;
      int last = -1;
      for (const int p : partner) {
        if (p < 0) continue;
        in_order &= p > last;
        last = std::max(last, p);
      }
      if (pairs > best.pairs) best = {pairs, in_order};
      if (pairs == best.pairs) best.in_order |= in_order;
      return;
    }
    go(i + 1, pairs);
    for (size_t j = 0; j < actual.size(); ++j) {
      if (taken[j] || !may_pair(expected[i], actual[j])) continue;
      taken[j] = true;
      partner[i] = static_cast<int>(j);
      go(i + 1, pairs + 1);
      taken[j] = false;
      partner[i] = -1;
    }
  };
  go(0, 0);
  return best;
}

TEST(PathAlignment, MakesAsManyPairsAsCanBeMadeAndBreaksNoOrderWithoutNeed) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const auto path = [&](bool services_may_be_open) {
    std::vector<PathNode> nodes(random() % 7);
    for (PathNode& node : nodes)
      node = service(std::string(1, static_cast<char>('a' + random() % 3)),
                     services_may_be_open && random() % 2 == 0 ? ""
                     : random() % 2 == 0                       ? "x"
                                                               : "y");
    return nodes;
  };
  for (int round = 0; round < 3000; ++round) {
    const std::vector<PathNode> expected = path(true), actual = path(false);
    const Alignment alignment = align(expected, actual);
    const Best best = best_pairing(expected, actual);
    size_t pairs = 0;
    std::vector<bool> taken(actual.size(), false);
    for (size_t i = 0; i < expected.size(); ++i) {
      if (alignment.partner[i] == kNoPartner) continue;
      const auto j = static_cast<size_t>(alignment.partner[i]);
      ASSERT_TRUE(may_pair(expected[i], actual[j]));
      ASSERT_FALSE(taken[j]);
      taken[j] = true;
      ++pairs;
    }
    ASSERT_EQ(pairs, best.pairs);
    ASSERT_EQ(alignment.missing.size(), expected.size() - pairs);
    ASSERT_EQ(alignment.surplus.size(), actual.size() - pairs);
    ASSERT_EQ(alignment.inversions.empty(), best.in_order);
    std::vector<std::pair<uint32_t, uint32_t>> inverted;
    for (uint32_t i = 0; i < expected.size(); ++i)
      for (uint32_t k = i + 1; k < expected.size(); ++k)
        if (alignment.partner[i] != kNoPartner && alignment.partner[k] != kNoPartner &&
            alignment.partner[i] > alignment.partner[k])
          inverted.emplace_back(i, k);
    ASSERT_EQ(alignment.inversions, inverted);
  }
}

TEST(PathAlignment, PathsOfThousandsOfNodesThatHaveLittleInCommon) {
  std::vector<PathNode> expected, actual;
  for (int i = 0; i < 9000; ++i) {
    expected.push_back(service("s" + std::to_string(i)));
    actual.push_back(service("s" + std::to_string(i % 3 == 0 ? 8999 - i : i + 20'000)));
  }
  const Alignment alignment = align(expected, actual);
  EXPECT_EQ(alignment.missing.size(), 6000u);
  EXPECT_EQ(alignment.surplus.size(), 6000u);
  EXPECT_EQ(alignment.inversions.size(), kMaxInversions);
}

}  // namespace
}  // namespace testmesh::validation
