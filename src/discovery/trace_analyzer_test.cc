#include "discovery/analyzer_fixture.h"

namespace testmesh::discovery {
namespace {

using ::testing::ElementsAre;

TEST(FirstExample, APathFromTheGatewayToTheTopicWhateverTheNumberOfProducts) {
  std::string fingerprint;
  for (int products = 1; products <= 4; ++products) {
    Trace t;
    auto& gateway = t.span("api-gateway", kServer, "request").us(1, 900);
    auto& call =
        t.client("api-gateway", "POST").under(gateway).us(10, 890).with("server.address", "order-service");
    auto& order = t.server("order-service", "POST", "/api/v1/orders").under(call).us(20, 880);
    auto& user_call =
        t.client("order-service").under(order).us(30, 100).with("server.address", "user-service");
    t.server("user-service", "GET", "/api/v1/users/:id").under(user_call).us(40, 90);
    for (int i = 0; i < products; ++i) {
      auto& call_i =
          t.client("order-service").under(order).us(110 + i, 300).with("server.address", "product-service");
      t.server("product-service", "GET", "/api/v1/products/{id}").under(call_i).us(120, 290);
    }
    t.send("order-service", "order.created").under(order).us(310, 320);
    const auto flow = t.flow();
    EXPECT_EQ(flow.path,
              "service:api-gateway->api_endpoint:POST /api/v1/orders->api_endpoint:GET /api/v1/users/:id->"
              "api_endpoint:GET /api/v1/products/:id->topic:order.created");
    EXPECT_THAT(flow.calls, ElementsAre(1, 1, 1, products, 1));
    EXPECT_EQ(flow.family.entry_service, "api-gateway");
    EXPECT_EQ(flow.family.entry_operation, "request");
    EXPECT_EQ(flow.family.environment, "");
  }
}

}  // namespace
}  // namespace testmesh::discovery
