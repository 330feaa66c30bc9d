#include "discovery/extremes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <set>

namespace testmesh::discovery {
namespace {

TracePoint point(uint64_t value, uint8_t trace) {
  TracePoint point{.value = value, .trace = {}};
  point.trace.bytes[15] = trace;
  return point;
}

TEST(Extremes, EqualValuesRankByTrace) {
  LargestTraces<2> largest;
  largest.add(point(5, 3));
  largest.add(point(5, 1));
  largest.add(point(5, 2));
  EXPECT_EQ(*largest.best(), point(5, 1));
  EXPECT_EQ(largest.items()[1], point(5, 2));
}

TEST(Extremes, AValueBehindAForgottenOneIsNotTakenForTheBest) {
  LargestValues<2> largest;
  for (const uint64_t value : {1, 9, 8, 7}) largest.add(value);  // keeps 9, 8; forgets 7, 1
  largest.remove(9);
  largest.remove(8);
  EXPECT_TRUE(largest.exhausted());
  EXPECT_EQ(*largest.best(), 7);
  largest.add(5);  // behind the forgotten 7
  EXPECT_EQ(*largest.best(), 7);
  largest.add(10);
  EXPECT_EQ(*largest.best(), 10);
}

TEST(Extremes, KeepsTheBestWhileLessThanKOfThemLeave) {
  for (unsigned seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    SmallestTraces<8> parts[2];
    std::set<std::pair<uint64_t, model::TraceId>> truth;
    std::deque<TracePoint> removable;
    for (int i = 0; i < 250; ++i) {
      const TracePoint added = point(random() % 50, static_cast<uint8_t>(i));
      parts[i % 2].add(added);
      truth.insert({added.value, added.trace});
      if (i % 40 == 0) removable.push_back(added);  // at most 7 leave
    }
    for (const TracePoint& leaving : removable) {
      for (auto& part : parts) part.remove(leaving);
      truth.erase({leaving.value, leaving.trace});
    }
    SmallestTraces<8> merged = parts[0];
    merged.merge(parts[1]);
    ASSERT_FALSE(merged.exhausted());
    auto expected = truth.begin();
    for (const TracePoint& kept : merged.items()) {
      EXPECT_EQ(kept.value, expected->first);
      EXPECT_EQ(kept.trace, expected->second);
      ++expected;
    }
    std::string bytes;
    merged.encode(bytes);
    ByteReaderView in(bytes);
    SmallestTraces<8> back;
    back.decode(in);
    EXPECT_TRUE(in.ok() && in.at_end());
    std::string again;
    back.encode(again);
    EXPECT_EQ(again, bytes);
    for (size_t cut = 0; cut < bytes.size(); ++cut) {
      ByteReaderView shorter(std::string_view(bytes).substr(0, cut));
      back.decode(shorter);
      EXPECT_FALSE(shorter.ok());
    }
  }
}

TEST(Extremes, RefusesBytesOutOfOrder) {
  for (const std::string_view bad : {std::string_view("\x04\x01\x02", 3),  // 1 before 2, largest first
                                     std::string_view("\x03\x01\x02", 3),  // forgotten before kept
                                     std::string_view("\x0a\x05\x04\x03\x02\x01", 6)}) {  // five of three
    ByteReaderView in(bad);
    LargestValues<3> back;
    back.decode(in);
    EXPECT_FALSE(in.ok());
  }
}

}  // namespace
}  // namespace testmesh::discovery
