#include "trace_diff/path_diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace testmesh::trace_diff {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Path = std::vector<model::PathNode>;

// One letter a node, "a" to "z"; the service is its type's.
Path path(std::string_view letters, const std::string& service = "shop") {
  Path nodes;
  for (const char letter : letters)
    nodes.push_back({model::NodeType::kDatabase, std::string(1, letter), service});
  return nodes;
}

// " a+b-c>d~e"
std::string text_of(const Path& left, const Path& right, const DiffLimits& limits = {}) {
  std::string text;
  for (const NodeDiff& node : diff_paths(left, right, limits).nodes) {
    text += " +->~"[static_cast<size_t>(node.change)];
    text += node.in_right() ? right[node.right].identifier : left[node.left].identifier;
  }
  return text;
}

TEST(PathDiff, EqualPathsAreTheSame) {
  EXPECT_EQ(text_of(path("abc"), path("abc")), " a b c");
  EXPECT_EQ(text_of({}, {}), "");
}

TEST(PathDiff, ShowsWhatWasAddedAndRemovedInItsPlace) {
  EXPECT_EQ(text_of(path("abc"), path("abxc")), " a b+x c");
  EXPECT_EQ(text_of(path("abxc"), path("abc")), " a b-x c");
  EXPECT_EQ(text_of(path("ab"), path("cd")), "-a-b+c+d");
  EXPECT_EQ(text_of(path("xa"), path("a")), "-x a");
  EXPECT_EQ(text_of({}, path("a")), "+a");
}

TEST(PathDiff, ShowsWhatMoved) {
  EXPECT_EQ(text_of(path("axbc"), path("abcx")), " a b c>x");
  EXPECT_EQ(text_of(path("aax"), path("xaa")), ">x a a");
}

TEST(PathDiff, TheTypeCountsAndAnotherServiceIsAChange) {
  Path topic = path("a");
  topic[0].type = model::NodeType::kTopic;
  EXPECT_EQ(text_of(path("a"), topic), "-a+a");
  EXPECT_EQ(text_of(path("a"), path("a", "cart")), "~a");
}

TEST(PathDiff, PathsTooLongToCompareAreMatchedAsTheyCome) {
  const Path left = path("abcdx"), right = path("bcdey");
  EXPECT_EQ(text_of(left, right), "-a b c d-x+e+y");
  EXPECT_EQ(text_of(left, right, {.comparisons = 3}), "-a b c d-x+e+y");
  EXPECT_TRUE(diff_paths(left, right, {.comparisons = 3}).truncated);
  EXPECT_FALSE(diff_paths(left, right).truncated);
}

TEST(PathDiff, HasEveryNodeOnceAndIsItsMirror) {
  const unsigned seed = 20261129;
  std::mt19937_64 random(seed);
  const auto random_path = [&] {
    std::string letters(random() % 12, ' ');
    for (char& letter : letters) letter = static_cast<char>('a' + random() % 5);
    return path(letters, random() % 3 == 0 ? "cart" : "shop");
  };
  for (int round = 0; round < 3000; ++round) {
    SCOPED_TRACE(testing::Message() << "seed " << seed << " round " << round);
    const Path left = random_path(), right = random_path();
    const DiffLimits limits{.comparisons = random() % 2 ? 1000u : 5u};
    std::vector<int> lefts(left.size()), rights(right.size());
    std::vector<NodeDiff> here = diff_paths(left, right, limits).nodes,
                          mirrored = diff_paths(right, left, limits).nodes;
    for (const NodeDiff& node : here) {
      if (node.in_left()) ++lefts[node.left];
      if (node.in_right()) ++rights[node.right];
      EXPECT_EQ(node.change == Change::kAdded, !node.in_left());
      EXPECT_EQ(node.change == Change::kRemoved, !node.in_right());
      if (node.in_left() && node.in_right()) {
        EXPECT_EQ(left[node.left].identifier, right[node.right].identifier);
      }
    }
    EXPECT_THAT(lefts, testing::Each(1));
    EXPECT_THAT(rights, testing::Each(1));
    for (NodeDiff& node : mirrored) {
      std::swap(node.left, node.right);
      if (node.change == Change::kAdded)
        node.change = Change::kRemoved;
      else if (node.change == Change::kRemoved)
        node.change = Change::kAdded;
    }
    EXPECT_THAT(mirrored, testing::UnorderedElementsAreArray(here));
  }
}

constexpr NodeExpectation kExpected{.calls_max = 3, .p95_ms = 20, .self_p95_ms = 5, .error_rate = 0.01};

NodeVisits visits(std::vector<std::pair<uint64_t, uint64_t>> duration_and_self_ms) {
  NodeVisits made;
  for (const auto& [duration, self] : duration_and_self_ms)
    made.add(0, duration * 1'000'000, self * 1'000'000, false);
  return made;
}

TEST(FlowFinding, WhatIsAsUsualIsNotFound) {
  EXPECT_FALSE(judge(visits({{10, 5}, {20, 2}, {1, 1}}), kExpected).any());
  EXPECT_FALSE(judge({}, kExpected).any());
}

TEST(FlowFinding, ASpanSlowerThanMostIsFound) {
  const NodeFinding slow = judge(visits({{1, 1}, {30, 2}}), kExpected);
  EXPECT_TRUE(slow.slower);
  EXPECT_FALSE(slow.self_slower || slow.more_calls || slow.failed);
  EXPECT_TRUE(judge(visits({{12, 6}}), kExpected).self_slower);
  NodeVisits near;
  near.add(0, 20'199'000, 0, false);
  EXPECT_FALSE(judge(near, kExpected).slower) << "the percentile itself may be that much off";
}

TEST(FlowFinding, MoreCallsThanEverAreFound) {
  EXPECT_TRUE(judge(visits({{1, 1}, {1, 1}, {1, 1}, {1, 1}}), kExpected).more_calls);
  EXPECT_FALSE(judge(visits({{1, 1}, {1, 1}, {1, 1}}), kExpected).more_calls);
}

TEST(FlowFinding, AnErrorIsFoundWhereErrorsAreRare) {
  NodeVisits bad;
  bad.add(0, 1, 1, true);
  EXPECT_TRUE(judge(bad, kExpected).failed);
  NodeExpectation fails_often = kExpected;
  fails_often.error_rate = 0.2;
  EXPECT_FALSE(judge(bad, fails_often).failed);
}

}  // namespace
}  // namespace testmesh::trace_diff
