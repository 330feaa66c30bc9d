#include "model/critical_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace testmesh::model {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Segment = CriticalSegment;

TEST(CriticalPath, OfASingleSpanIsItself) {
  const std::vector<TimedSpan> spans{{10, 20, -1}};
  EXPECT_THAT(critical_path(spans, 0), ElementsAre(Segment{0, 10, 20}));
  EXPECT_THAT(critical_path(spans, 1), IsEmpty());
  const std::vector<TimedSpan> instant{{10, 10, -1}};
  EXPECT_THAT(critical_path(instant, 0), IsEmpty());
}

TEST(CriticalPath, GoesThroughSequentialChildren) {
  const std::vector<TimedSpan> spans{{0, 100, -1}, {10, 40, 0}, {20, 30, 1}, {50, 90, 0}};
  EXPECT_THAT(critical_path(spans, 0),
              ElementsAre(Segment{0, 0, 10}, Segment{1, 10, 20}, Segment{2, 20, 30}, Segment{1, 30, 40},
                          Segment{0, 40, 50}, Segment{3, 50, 90}, Segment{0, 90, 100}));
}

TEST(CriticalPath, OfConcurrentChildrenTakesTheLastToFinish) {
  const std::vector<TimedSpan> spans{{0, 100, -1}, {10, 60, 0}, {10, 90, 0}, {20, 50, 0}};
  EXPECT_THAT(critical_path(spans, 0),
              ElementsAre(Segment{0, 0, 10}, Segment{2, 10, 90}, Segment{0, 90, 100}));
}

TEST(CriticalPath, LeavesOutAChildThatWasStillRunningWhenTheNextBegan) {
  const std::vector<TimedSpan> spans{{0, 20, -1}, {0, 10, 0}, {8, 20, 0}};
  EXPECT_THAT(critical_path(spans, 0), ElementsAre(Segment{0, 0, 8}, Segment{2, 8, 20}));
}

TEST(CriticalPath, ClipsChildrenThatLeaveTheirParentsTime) {
  const std::vector<TimedSpan> spans{{10, 20, -1}, {5, 12, 0}, {18, 30, 0}, {30, 40, 0}, {0, 9, 0}};
  EXPECT_THAT(critical_path(spans, 0),
              ElementsAre(Segment{1, 10, 12}, Segment{0, 12, 18}, Segment{2, 18, 20}));
}

TEST(CriticalPath, OnlyLooksBelowTheRoot) {
  const std::vector<TimedSpan> spans{{0, 50, -1}, {60, 90, -1}, {70, 80, 1}};
  EXPECT_THAT(critical_path(spans, 1),
              ElementsAre(Segment{1, 60, 70}, Segment{2, 70, 80}, Segment{1, 80, 90}));
}

TEST(CriticalPath, EqualEndsGoToTheLongerChild) {
  const std::vector<TimedSpan> spans{{0, 10, -1}, {4, 10, 0}, {2, 10, 0}, {2, 10, 0}};
  EXPECT_THAT(critical_path(spans, 0), ElementsAre(Segment{0, 0, 2}, Segment{2, 2, 10}));
}

TEST(CriticalPath, CopesWithAVeryDeepTrace) {
  std::vector<TimedSpan> spans;
  constexpr int64_t kDepth = 100'000;
  for (int64_t i = 0; i < kDepth; ++i)
    spans.push_back({static_cast<uint64_t>(i), static_cast<uint64_t>(2 * kDepth - i), i - 1});
  const auto segments = critical_path(spans, 0);
  EXPECT_EQ(segments.size(), static_cast<size_t>(2 * kDepth - 1));
}

TEST(CriticalPath, AlwaysCoversTheRootWithoutOverlap) {
  const unsigned seed = 20261126;
  std::mt19937_64 random(seed);
  for (int round = 0; round < 2000; ++round) {
    SCOPED_TRACE(testing::Message() << "seed " << seed << " round " << round);
    std::vector<TimedSpan> spans;
    const size_t count = 1 + random() % 30;
    for (size_t i = 0; i < count; ++i) {
      const uint64_t start = random() % 100;
      spans.push_back({start, start + random() % 60, i == 0 ? -1 : static_cast<int64_t>(random() % i)});
    }
    uint64_t at = spans[0].start;
    for (const Segment& segment : critical_path(spans, 0)) {
      EXPECT_EQ(segment.start, at);
      EXPECT_LT(segment.start, segment.end);
      EXPECT_GE(segment.start, spans[segment.span].start);
      EXPECT_LE(segment.end, spans[segment.span].end);
      at = segment.end;
    }
    EXPECT_EQ(at, spans[0].end);
  }
}

}  // namespace
}  // namespace testmesh::model
