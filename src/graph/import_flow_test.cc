#include <gmock/gmock.h>

#include "graph/import_testing.h"

namespace testmesh::graph {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr auto kFlow = ImportKind::kFlow;

TEST(ImportFlow, TheNodesOfItsExpectedPath) {
  const Import import = imported(kFlow, R"(
flow:
  name: place an order
  steps: [{id: a, action: log, config: {message: hi}}]
  trace:
    expected_path:
      - service:api-gateway
      - "api_endpoint:POST /api/v1/orders"
      - {type: api_endpoint, identifier: "GET /users/{id}", service: user-service}
      - {type: database, identifier: orders, service: order-service}
      - topic:order.created
      - {type: service, identifier: mailer, service: mailer}
)");
  EXPECT_EQ(import.service, "place an order");
  EXPECT_THAT(import.warnings, IsEmpty());
  EXPECT_THAT(nodes_of(import.content),
              ElementsAre("service api-gateway", "service mailer", "service user-service",
                          "api_endpoint GET /users/:id of user-service", "api_endpoint POST /api/v1/orders",
                          "database orders", "topic order.created"));
  EXPECT_THAT(edges_of(import.content),
              ElementsAre("service user-service exposes api_endpoint GET /users/:id of user-service"));
}

TEST(ImportFlow, AServiceOfAnotherServiceIsAnUninstrumentedPeer) {
  const Import import = imported(
      kFlow, "name: f\ntrace: {expected_path: [{type: service, identifier: stripe.com, service: pay}]}");
  EXPECT_THAT(nodes_of(import.content), ElementsAre("external stripe.com"));
}

TEST(ImportFlow, IdentifiersMayHoldColons) {
  const Import import = imported(kFlow, "name: f\ntrace: {expected_path: ['topic:a:b']}");
  EXPECT_THAT(nodes_of(import.content), ElementsAre("topic a:b"));
}

TEST(ImportFlow, ANodeThatIsVisitedTwiceIsOne) {
  const Import import =
      imported(kFlow, "name: f\ntrace: {expected_path: ['service:a', 'topic:t', 'service:a']}");
  EXPECT_THAT(nodes_of(import.content), ElementsAre("service a", "topic t"));
}

TEST(ImportFlow, AFlowWithoutExpectedPathDeclaresNothingAndSaysSo) {
  const Import import = imported(kFlow, "flow: {name: f, steps: [{id: a}]}");
  EXPECT_THAT(nodes_of(import.content), IsEmpty());
  EXPECT_THAT(import.warnings, ElementsAre(HasSubstr("no `trace.expected_path`")));
}

TEST(ImportFlow, SaysWhatIsWrongAndWhere) {
  EXPECT_THAT(refusal(kFlow, "[]"), HasSubstr("expected a flow, found a list"));
  EXPECT_THAT(refusal(kFlow, "flow: {steps: []}"), HasSubstr("no `name`"));
  EXPECT_THAT(refusal(kFlow, "name: shop\nservices: {}"), HasSubstr("no flow file"));
  EXPECT_THAT(refusal(kFlow, "name: f\ntrace:\n  expected_path: x"),
              HasSubstr("line 3: expected `expected_path`"));
  EXPECT_THAT(refusal(kFlow, "name: f\ntrace:\n  expected_path:\n    - x"),
              HasSubstr("line 4: expected `type:identifier`"));
  EXPECT_THAT(refusal(kFlow, "name: f\ntrace:\n  expected_path:\n    - queue:x"),
              HasSubstr("`queue` is no type"));
  EXPECT_THAT(refusal(kFlow, "name: f\ntrace:\n  expected_path:\n    - 'topic:'"),
              HasSubstr("must not be empty"));
  EXPECT_THAT(refusal(kFlow, "name: f\ntrace:\n  expected_path:\n    - {type: topic}"),
              HasSubstr("must not be empty"));
}

}  // namespace
}  // namespace testmesh::graph
