#include "cli/times.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace testmesh::cli {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

TEST(Times, ReadsDurationsAsPeopleTypeThem) {
  EXPECT_EQ(duration_of("500ms"), 500ms);
  EXPECT_EQ(duration_of("2s"), 2s);
  EXPECT_EQ(duration_of("15m"), 15min);
  EXPECT_EQ(duration_of("2h"), 2h);
  EXPECT_EQ(duration_of("7d"), 168h);
  EXPECT_EQ(duration_of("0s"), 0s);
  for (const char* wrong :
       {"", "s", "2", "2 s", "-2s", "1.5h", "2x", "2sx", "99999999999999999999s", "40000d"})
    EXPECT_EQ(duration_of(wrong), std::nullopt) << wrong;
}

TEST(Times, CountsSinceFromNow) {
  const base::UnixNanos now = base::from_rfc3339("2026-11-26T18:16:16Z").value();
  EXPECT_EQ(since_of("15m", now), "2026-11-26T18:01:16.000000000Z");
  EXPECT_EQ(since_of("2026-11-26T18:00:00+01:00", now), "2026-11-26T18:00:00+01:00") << "the server reads it";
  EXPECT_EQ(since_of("", now), "");
  EXPECT_EQ(since_of("36500d", now), "1970-01-01T00:00:00.000000000Z");
  EXPECT_THAT(since_of("yesterday", now).error().message, HasSubstr("15m"));
}

}  // namespace
}  // namespace testmesh::cli
