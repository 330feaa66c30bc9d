#include "discovery/names.h"

#include <gtest/gtest.h>

namespace testmesh::discovery {
namespace {

TEST(Routes, ParametersAreEqualHoweverSpelled) {
  for (const char* id :
       {":id", "{id}", "<id>", "[id]", "{id:int}", "<int:id>", ":id(\\d+)", ":id?", "{*id}", "*"})
    EXPECT_EQ(template_route(std::string("/users/") + id), "/users/:id") << id;
}

}  // namespace
}  // namespace testmesh::discovery
