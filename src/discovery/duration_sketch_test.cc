#include "discovery/duration_sketch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>
#include <vector>

namespace testmesh::discovery {
namespace {

using DurationScale = LogScale<6, UINT64_MAX>;
using CallScale = LogScale<11, UINT32_MAX>;

uint64_t percentile(std::initializer_list<const DurationSketch*> sketches, unsigned percent) {
  std::vector<const BucketCounts*> counts;
  for (const DurationSketch* sketch : sketches) counts.push_back(&sketch->counts());
  return DurationSketch::percentile(counts, percent);
}

template <typename S>
std::string bytes_of(const S& sketch) {
  std::string bytes;
  sketch.encode(bytes);
  return bytes;
}

TEST(LogScale, AnswersWithinOnePercentFromOneNanosecondToCenturies) {
  uint16_t previous = 0;
  for (long double v = 1; v < 1.8e19L; v *= 1.003L) {
    const auto value = static_cast<uint64_t>(v);
    const uint16_t bucket = DurationScale::bucket(value);
    ASSERT_GE(bucket, previous) << value;
    previous = bucket;
    const auto answer = static_cast<long double>(DurationScale::value(bucket));
    ASSERT_LE(std::abs(answer - static_cast<long double>(value)) / static_cast<long double>(value), 0.01L)
        << value;
  }
  EXPECT_EQ(DurationScale::bucket(UINT64_MAX), 3775);
  EXPECT_GT(DurationScale::value(3775), UINT64_MAX / 100 * 99);
}

TEST(LogScale, SmallValuesAreExact) {
  for (uint64_t value = 0; value < 128; ++value)
    EXPECT_EQ(DurationScale::value(DurationScale::bucket(value)), value);
  for (uint64_t value = 0; value < 4096; ++value)
    EXPECT_EQ(CallScale::value(CallScale::bucket(value)), value);
  EXPECT_EQ(CallScale::bucket(UINT64_MAX), CallScale::bucket(UINT32_MAX));
}

TEST(DurationSketch, TakesTheRankThatTheDefinitionNames) {
  DurationSketch sketch;
  for (uint64_t value = 1; value <= 20; ++value) sketch.add(value);
  EXPECT_EQ(percentile({&sketch}, 95), 19);  // ceil(0.95 * 20) = 19, not 20
  sketch.add(21);
  EXPECT_EQ(percentile({&sketch}, 95), 20);  // ceil(19.95) = 20
  DurationSketch one;
  one.add(7);
  EXPECT_EQ(percentile({&one}, 95), 7);
  EXPECT_EQ(percentile({&one}, 50), 7);
  DurationSketch none;
  EXPECT_EQ(percentile({&none}, 95), 0);
  EXPECT_EQ(percentile({}, 95), 0);
}

TEST(DurationSketch, RefusesToTakeAwayWhatIsNotThere) {
  DurationSketch sketch;
  EXPECT_FALSE(sketch.remove(5));
  sketch.add(5);
  EXPECT_FALSE(sketch.remove(6));
  EXPECT_TRUE(sketch.remove(5));
  EXPECT_FALSE(sketch.remove(5));
  EXPECT_EQ(sketch.total(), 0);
  EXPECT_EQ(sketch.heap_bytes(), 0);
}

// The list becomes a window when there are many buckets or a large count, and
// the window's counters widen: all of it is compared with a plain map.
TEST(DurationSketch, CountsLikeAMapWhateverItsForm) {
  for (const unsigned seed : {1u, 2u, 3u, 4u, 5u, 6u}) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    std::lognormal_distribution<double> spread(14, seed * 0.5);
    DurationSketch sketch;
    std::map<uint64_t, uint64_t> truth;  // by bucket
    std::vector<uint64_t> values;
    for (int i = 0; i < 200'000; ++i) {
      if (!values.empty() && random() % 4 == 0) {
        const size_t at = random() % values.size();
        ASSERT_TRUE(sketch.remove(values[at]));
        if (--truth[DurationScale::bucket(values[at])] == 0) truth.erase(DurationScale::bucket(values[at]));
        values[at] = values.back();
        values.pop_back();
      } else {
        // One very frequent value, so that its counter passes one and two bytes.
        const uint64_t value = random() % 2 ? 1'000'000 : static_cast<uint64_t>(spread(random));
        sketch.add(value);
        ++truth[DurationScale::bucket(value)];
        values.push_back(value);
      }
    }
    std::map<uint64_t, uint64_t> counted;
    sketch.counts().for_each([&](uint16_t bucket, uint64_t count) { counted[bucket] = count; });
    EXPECT_EQ(counted, truth);
    EXPECT_EQ(sketch.total(), values.size());
    std::ranges::sort(values);
    for (const unsigned percent : {50u, 95u}) {
      const uint64_t exact = values[(values.size() * percent + 99) / 100 - 1];
      EXPECT_NEAR(static_cast<double>(percentile({&sketch}, percent)), static_cast<double>(exact),
                  0.01 * static_cast<double>(exact));
    }

    DurationSketch back;
    const std::string bytes = bytes_of(sketch);
    ByteReaderView in(bytes);
    back.decode(in);
    EXPECT_TRUE(in.ok() && in.at_end());
    EXPECT_EQ(bytes_of(back), bytes);
    for (const uint64_t value : values) ASSERT_TRUE(back.remove(value));
    EXPECT_EQ(back.total(), 0);
  }
}

TEST(DurationSketch, SplitOverBooksAnswersAsOne) {
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> spread(16, 1);
  DurationSketch whole, parts[3], merged;
  for (int i = 0; i < 10'000; ++i) {
    const auto value = static_cast<uint64_t>(spread(random));
    whole.add(value);
    parts[random() % 3].add(value);
  }
  for (const DurationSketch& part : parts) merged.merge(part);
  EXPECT_EQ(bytes_of(merged), bytes_of(whole));
  EXPECT_EQ(percentile({&parts[0], &parts[1], &parts[2]}, 95), percentile({&whole}, 95));
  EXPECT_EQ(percentile({&parts[0], &parts[1], &parts[2]}, 50), percentile({&whole}, 50));
}

TEST(DurationSketch, ReadsNothingIntoBytesThatAreNone) {
  DurationSketch sketch;
  for (uint64_t value = 1; value < 1'000'000; value *= 2) sketch.add(value);
  const std::string bytes = bytes_of(sketch);
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    ByteReaderView in(std::string_view(bytes).substr(0, cut));
    DurationSketch back;
    back.decode(in);
    EXPECT_FALSE(in.ok()) << cut;
  }
  // One bucket, beyond the last; a count of zero; the same bucket twice.
  for (const std::string_view bad :
       {std::string_view("\x01\xff\x7f\x01", 4), std::string_view("\x01\x05\x00", 3),
        std::string_view("\x02\x05\x01\x00\x01", 5)}) {
    ByteReaderView in(bad);
    DurationSketch back;
    back.decode(in);
    EXPECT_FALSE(in.ok());
  }
}

}  // namespace
}  // namespace testmesh::discovery
