#include "model/self_time.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace testmesh::model {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<uint64_t> self(std::vector<TimedSpan> spans) { return self_times(spans); }

TEST(SelfTime, OfASpanWithoutChildrenIsItsDuration) {
  EXPECT_THAT(self({{10, 25, -1}}), ElementsAre(15));
  EXPECT_THAT(self({}), IsEmpty());
}

TEST(SelfTime, IsWhatChildrenLeave) {
  EXPECT_THAT(self({{0, 100, -1}, {10, 30, 0}, {50, 60, 0}}), ElementsAre(70, 20, 10));
}

TEST(SelfTime, CountsTheCommonTimeOfConcurrentChildrenOnce) {
  EXPECT_THAT(self({{0, 100, -1}, {10, 60, 0}, {20, 90, 0}, {30, 40, 0}}), ElementsAre(20, 50, 70, 10));
}

TEST(SelfTime, DoesNotCareInWhichOrderChildrenAreListed) {
  EXPECT_THAT(self({{0, 100, -1}, {50, 90, 0}, {10, 60, 0}}), ElementsAre(20, 40, 50));
}

TEST(SelfTime, ClipsChildrenThatLeaveTheirParentsTime) {
  EXPECT_THAT(self({{10, 20, -1}, {5, 12, 0}, {18, 30, 0}, {30, 40, 0}, {0, 9, 0}}),
              ElementsAre(6, 7, 12, 10, 9));
  EXPECT_THAT(self({{10, 20, -1}, {0, 40, 0}}), ElementsAre(0, 40));
}

TEST(SelfTime, LooksAtChildrenAlone) {
  // The grandchild is skewed out of its parent and covers nothing of the root.
  EXPECT_THAT(self({{0, 100, -1}, {10, 30, 0}, {40, 90, 1}}), ElementsAre(80, 20, 50));
}

TEST(SelfTime, OfWhatLastsNoTimeIsNone) {
  EXPECT_THAT(self({{10, 10, -1}, {5, 15, 0}}), ElementsAre(0, 10));
  EXPECT_THAT(self({{20, 10, -1}, {5, 30, 0}}), ElementsAre(0, 25)) << "ends before it starts";
  EXPECT_THAT(self({{0, 100, -1}, {60, 40, 0}, {50, 50, 0}}), ElementsAre(100, 0, 0));
}

TEST(SelfTime, KnowsTheWholeRangeOfTimes) {
  EXPECT_THAT(self({{0, UINT64_MAX, -1}, {1, UINT64_MAX - 1, 0}}), ElementsAre(2, UINT64_MAX - 2));
}

TEST(SelfTime, AParentBehindItsChildIsNone) {
  EXPECT_THAT(self({{0, 10, 1}, {0, 10, 1}, {0, 4, 7}}), ElementsAre(10, 10, 4));
}

// Children anywhere: skewed, overlapping, ending before they start.
TEST(SelfTime, LiesBetweenNothingAndTheDurationAndIsWhatNoChildCovers) {
  const unsigned seed = 20261127;
  std::mt19937_64 random(seed);
  for (int round = 0; round < 3000; ++round) {
    SCOPED_TRACE(testing::Message() << "seed " << seed << " round " << round);
    std::vector<TimedSpan> spans;
    const size_t count = 1 + random() % 25;
    for (size_t i = 0; i < count; ++i) {
      const uint64_t start = 20 + random() % 80;
      spans.push_back(
          {start, start + random() % 60 - random() % 20, i == 0 ? -1 : static_cast<int64_t>(random() % i)});
    }
    const std::vector<uint64_t> times = self_times(spans);
    for (size_t i = 0; i < count; ++i) {
      // Moment by moment.
      uint64_t uncovered = 0;
      bool children = false;
      for (uint64_t at = spans[i].start; at < spans[i].end; ++at) {
        bool covered = false;
        for (size_t child = i + 1; child < count; ++child)
          covered |= spans[child].parent == static_cast<int64_t>(i) && spans[child].start <= at &&
                     at < spans[child].end;
        uncovered += !covered;
      }
      for (size_t child = i + 1; child < count; ++child)
        children |= spans[child].parent == static_cast<int64_t>(i);
      EXPECT_EQ(times[i], uncovered);
      EXPECT_LE(times[i], duration_of(spans[i].start, spans[i].end));
      if (!children) {
        EXPECT_EQ(times[i], duration_of(spans[i].start, spans[i].end));
      }
    }
  }
}

TEST(SelfTime, AndSequentialChildrenWithinTheSpanMakeUpItsDuration) {
  const unsigned seed = 20261128;
  std::mt19937_64 random(seed);
  for (int round = 0; round < 1000; ++round) {
    SCOPED_TRACE(testing::Message() << "seed " << seed << " round " << round);
    std::vector<TimedSpan> spans{{1000, 1000, -1}};
    uint64_t at = 1000 + random() % 5, children = 0;
    for (size_t i = random() % 20; i > 0; --i) {
      const uint64_t length = random() % 9;
      spans.push_back({at, at + length, 0});
      children += length;
      at += length + random() % 5;
    }
    spans[0].end = at;
    EXPECT_EQ(spans[0].end - spans[0].start, self_times(spans)[0] + children);
  }
}

}  // namespace
}  // namespace testmesh::model
