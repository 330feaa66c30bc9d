#include "discovery/name_tries.h"

#include <gtest/gtest.h>

namespace testmesh::discovery {
namespace {

TEST(NameTries, MoreThanFiftyValuesBehindTheSameSegmentsAreAParameter) {
  NameTries tries;
  bool changed = false;
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(tries.observe("shop", "/users/u" + std::to_string(i), changed), "/users/u" + std::to_string(i));
    EXPECT_FALSE(changed);
  }
  EXPECT_EQ(tries.observe("shop", "/users/u50", changed), "/users/:param");
  EXPECT_TRUE(changed);
  EXPECT_EQ(tries.apply("shop", "/users/u0"), "/users/:param");
}

}  // namespace
}  // namespace testmesh::discovery
