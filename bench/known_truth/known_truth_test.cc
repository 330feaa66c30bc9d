#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "bench/known_truth/expectation.h"
#include "bench/known_truth/random_system.h"

namespace testmesh::known_truth {
namespace {

constexpr base::UnixNanos kStart = 1'790'000'000'000'000'000;

SeenSpan served(uint64_t id, uint64_t parent, std::string_view endpoint, int64_t start, int64_t end) {
  SeenSpan span{.id = id, .parent = parent, .kind = Kind::kServer, .role = Role::kServes};
  span.service = "shop";
  span.subject = endpoint;
  span.start = start;
  span.end = end;
  return span;
}

SeenSpan query(uint64_t id, uint64_t parent, std::string_view database, int64_t start, int64_t end) {
  SeenSpan span{.id = id, .parent = parent, .kind = Kind::kClient, .role = Role::kQueries};
  span.service = "shop";
  span.subject = database;
  span.start = start;
  span.end = end;
  return span;
}

std::string path_of(const std::vector<SeenSpan>& spans) { return true_trace(spans).paths.at(0).path; }

TEST(KnownTruth, StepsComeInOrderAndConcurrentOnesByName) {
  EXPECT_EQ(path_of({served(1, 0, "GET /", 1, 99), query(2, 1, "b", 10, 20), query(3, 1, "a", 30, 40)}),
            "api_endpoint:GET /->database:b->database:a");
  EXPECT_EQ(path_of({served(1, 0, "GET /", 1, 99), query(2, 1, "b", 10, 35), query(3, 1, "a", 30, 40)}),
            "api_endpoint:GET /->database:a->database:b");
}

TEST(KnownTruth, ALoopIsToldOnce) {
  EXPECT_EQ(path_of({served(1, 0, "GET /", 1, 99), query(2, 1, "a", 10, 20), query(3, 1, "b", 30, 40),
                     query(4, 1, "a", 50, 60)}),
            "api_endpoint:GET /->database:a->database:b");
}

TEST(KnownTruth, ATraceWithoutAParentInsideIsPartial) {
  EXPECT_TRUE(true_trace(std::vector{served(1, 0, "GET /", 1, 99), query(3, 2, "a", 10, 20)}).partial);
  EXPECT_FALSE(true_trace(std::vector{served(1, 7, "GET /", 1, 99), query(3, 1, "a", 10, 20)}).partial);
}

// Two statements of the same thing: the path that a plan tells without looking
// at times or losses, and that of the spans an undamaged trace sends.
TEST(KnownTruth, PlansAndRulesTellTheSamePaths) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    const simulate::System system = random_system(seed);
    const simulate::Planner planner(system, seed);
    Expectation expectation(system, seed, kStart);
    for (uint64_t index = 0; index < 300; ++index) expectation.add(planner.plan(index));
    const auto told = nlohmann::json::parse(expectation.json({}));
    EXPECT_EQ(told["problems"].size(), 0) << "seed " << seed << "\n" << told["problems"].dump(1);
    EXPECT_GT(told["true_flows"], 0) << "seed " << seed;
  }
}

}  // namespace
}  // namespace testmesh::known_truth
