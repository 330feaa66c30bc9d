// What a plan says it did is what discovery finds in its spans.
#include <random>

#include "simulate/simulate_fixture.h"

namespace testmesh::simulate {
namespace {

// Plans `traces` of the system; each must be found as it was told.
void expect_found_as_told(const System& system, uint64_t seed, uint64_t traces) {
  const Planner planner(system, seed);
  Discovery discovery;
  TracePlan plan;
  for (uint64_t i = 0; i < traces; ++i) {
    planner.plan(i, plan);
    const std::string told = behaviour_path(system, plan);
    ASSERT_EQ(discovery.path_of(spans_of(system, plan, seed)), told) << "seed " << seed << ", trace " << i;
    ASSERT_FALSE(discovery.partial());
  }
}

TEST(Behaviour, OfTheExampleIsFound) { expect_found_as_told(described(example_system()), 7, 3000); }

}  // namespace
}  // namespace testmesh::simulate
