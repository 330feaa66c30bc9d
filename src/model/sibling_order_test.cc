#include "model/sibling_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace testmesh::model {
namespace {

using ::testing::ElementsAre;

std::vector<uint32_t> runs_of(const std::vector<std::pair<uint64_t, uint64_t>>& siblings) {
  SiblingRuns runs;
  std::vector<uint32_t> numbers;
  for (const auto& [start, end] : siblings) numbers.push_back(runs.next(start, end));
  return numbers;
}

TEST(SiblingRuns, OneBehindTheOtherAreNotConcurrent) {
  EXPECT_THAT(runs_of({{1, 5}, {5, 9}, {12, 14}}), ElementsAre(0, 1, 2));
}

TEST(SiblingRuns, OverlappingOnesAreConcurrent) {
  EXPECT_THAT(runs_of({{1, 50}, {5, 9}, {12, 14}, {50, 60}}), ElementsAre(0, 0, 0, 1));
}

TEST(SiblingRuns, AChainOfOverlapsIsOneRun) {
  EXPECT_THAT(runs_of({{1, 6}, {5, 9}, {8, 14}}), ElementsAre(0, 0, 0));
}

TEST(SiblingRuns, OneThatStartsWithTheLastIsBesideIt) {
  EXPECT_THAT(runs_of({{5, 5}, {5, 5}, {6, 7}}), ElementsAre(0, 0, 1));
}

TEST(SiblingRuns, AStartOnAWholeMillisecondCountsOneLater) {
  EXPECT_THAT(runs_of({{1'500'000, 3'400'000}, {3'000'000, 4'000'000}}), ElementsAre(0, 1));
  EXPECT_THAT(runs_of({{1'500'000, 3'400'000}, {3'000'001, 4'000'000}}), ElementsAre(0, 0));
  EXPECT_EQ(counted_start(UINT64_MAX), UINT64_MAX);
}

}  // namespace
}  // namespace testmesh::model
