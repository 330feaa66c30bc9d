#include "graph/merge.h"

#include <gtest/gtest.h>
namespace testmesh::graph {
namespace {
TEST(Merge, NothingOfNothing) { EXPECT_TRUE(merge({}, {}).nodes.empty()); }
}  // namespace
}  // namespace testmesh::graph
