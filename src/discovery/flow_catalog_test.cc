#include "discovery/flow_catalog.h"

#include <gtest/gtest.h>

namespace testmesh::discovery {
namespace {

using model::NodeType;

TEST(PathString, JoinsTypeAndIdentifier) {
  const std::vector<model::PathNode> nodes{{NodeType::kService, "api-gateway", "api-gateway"},
                                           {NodeType::kTopic, "order.created", "orders"}};
  EXPECT_EQ(path_string(nodes), "service:api-gateway->topic:order.created");
}

TEST(FlowCatalog, RenamedFlowsThatBecomeEqualMerge) {
  FlowCatalog catalog;
  const auto flow = [&](const char* name) {
    return catalog.intern({"", "shop", std::string("GET /") + name},
                          {{NodeType::kApiEndpoint, std::string("GET /") + name, "shop"}}, {{-1, 0, true}});
  };
  const auto* a = flow("a");
  const auto* b = flow("b");
  catalog.rename("shop", [](const model::PathNode&) { return "GET /:param"; });
  EXPECT_EQ(catalog.resolve(a).flow, catalog.resolve(b).flow);
  EXPECT_EQ(catalog.resolve(a).flow->family.entry_operation, "GET /:param");
}

}  // namespace
}  // namespace testmesh::discovery
