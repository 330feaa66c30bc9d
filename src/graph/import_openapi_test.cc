#include <gmock/gmock.h>

#include "graph/import_testing.h"

namespace testmesh::graph {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

constexpr auto kOpenApi = ImportKind::kOpenApi;

TEST(ImportOpenApi, AnEndpointAndExposesForEachOperation) {
  const Import import = imported(kOpenApi, R"(
openapi: 3.1.0
info: {title: order-service, version: "2.0"}
paths:
  /orders:
    get: {operationId: listOrders, summary: All orders, tags: [orders, read]}
    post: {deprecated: true}
  /orders/{orderId}:
    parameters: [{name: orderId, in: path}]
    get: {}
)");
  EXPECT_EQ(import.service, "order-service");
  EXPECT_THAT(import.warnings, IsEmpty());
  EXPECT_THAT(nodes_of(import.content),
              ElementsAre("service order-service", "api_endpoint GET /orders of order-service",
                          "api_endpoint GET /orders/:orderId of order-service",
                          "api_endpoint POST /orders of order-service"));
  EXPECT_THAT(import.content.edges, SizeIs(3));
  EXPECT_EQ(edges_of(import.content)[0],
            "service order-service exposes api_endpoint GET /orders of order-service");
  EXPECT_THAT(properties_of(import.content, "GET /orders"),
              ElementsAre(Pair("operation_id", "\"listOrders\""), Pair("summary", "\"All orders\""),
                          Pair("tags", "[\"orders\",\"read\"]")));
  EXPECT_THAT(properties_of(import.content, "POST /orders"), ElementsAre(Pair("deprecated", "true")));
  EXPECT_THAT(properties_of(import.content, "order-service"),
              ElementsAre(Pair("api_title", "\"order-service\""), Pair("api_version", "\"2.0\"")));
}

TEST(ImportOpenApi, JsonIsReadAsWell) {
  const Import import = imported(
      kOpenApi, R"({"openapi":"3.0.2","info":{"title":"T","version":"1"},"paths":{"/a/{b}":{"put":{}}}})",
      "users");
  EXPECT_EQ(import.service, "users");
  EXPECT_THAT(nodes_of(import.content), ElementsAre("service users", "api_endpoint PUT /a/:b of users"));
}

TEST(ImportOpenApi, SwaggerTwoIsReadWithItsBasePath) {
  const Import import = imported(
      kOpenApi, "swagger: '2.0'\ninfo: {title: pets}\nbasePath: /v2/\npaths: {'/pet/{id}': {delete: {}}}\n");
  EXPECT_THAT(nodes_of(import.content),
              ElementsAre("service pets", "api_endpoint DELETE /v2/pet/:id of pets"));
}

TEST(ImportOpenApi, RoutesAreBehindThePathOfTheFirstServer) {
  const auto route = [](const std::string& servers) {
    const Import import = imported(
        kOpenApi, "openapi: 3.0.0\ninfo: {title: t}\nservers: " + servers + "\npaths: {/a: {get: {}}}\n");
    return import.content.nodes.size() == 2 ? import.content.nodes[1].key.name : "";
  };
  EXPECT_EQ(route("[]"), "GET /a");
  EXPECT_EQ(route("[{url: /}]"), "GET /a");
  EXPECT_EQ(route("[{url: /api/v1/}]"), "GET /api/v1/a");
  EXPECT_EQ(route("[{url: 'https://shop.example:8443/api?x=/y'}]"), "GET /api/a");
  EXPECT_EQ(route("[{url: 'https://shop.example'}]"), "GET /a");
  EXPECT_EQ(route("[{url: '//shop.example/api'}]"), "GET /api/a");
  EXPECT_EQ(route("[{url: 'https://{host}/{base}', variables: {host: {default: h/x}, base: {default: v3}}}]"),
            "GET /x/v3/a");
  EXPECT_EQ(route("[{url: '/{tenant}'}]"), "GET /:tenant/a");
}

TEST(ImportOpenApi, ServersOfAPathOrAnOperationComeBeforeTheDocuments) {
  const Import import = imported(kOpenApi, R"(
openapi: 3.0.0
info: {title: t}
servers: [{url: /root}, {url: /other}]
paths:
  /a:
    servers: [{url: /path}]
    get: {}
    put: {servers: [{url: /operation}]}
  /b: {get: {}}
)");
  EXPECT_THAT(nodes_of(import.content),
              ElementsAre("service t", "api_endpoint GET /path/a of t", "api_endpoint GET /root/b of t",
                          "api_endpoint PUT /operation/a of t"));
  EXPECT_THAT(import.warnings, ElementsAre(HasSubstr("line 4: the servers have different paths")));
}

TEST(ImportOpenApi, ALocalReferenceToAPathItemIsFollowedOnce) {
  const Import import = imported(kOpenApi, R"(
openapi: 3.1.0
info: {title: t}
paths:
  /a: {$ref: '#/components/pathItems/~1x%7By~0'}
  /loop: {$ref: '#/paths/~1loop'}
  /nowhere: {$ref: '#/components/pathItems/None'}
components:
  pathItems:
    /x{y~: {get: {}}
)");
  EXPECT_THAT(nodes_of(import.content), ElementsAre("service t", "api_endpoint GET /a of t"));
  EXPECT_THAT(import.warnings, ElementsAre(HasSubstr("line 6"), HasSubstr("line 7")));
}

TEST(ImportOpenApi, WhatIsElsewhereIsNeverFetched) {
  const Import import = imported(kOpenApi, R"(
openapi: 3.0.0
info: {title: t}
paths:
  /a: {$ref: 'http://127.0.0.1:1/path.yaml'}
  /b: {$ref: 'file:///etc/passwd'}
  /c: {get: {requestBody: {$ref: 'https://schemas.example/big.json'}}}
)");
  EXPECT_THAT(nodes_of(import.content), ElementsAre("service t", "api_endpoint GET /c of t"));
  EXPECT_THAT(import.warnings, ElementsAre(HasSubstr("nothing is fetched"), HasSubstr("nothing is fetched")));
}

TEST(ImportOpenApi, RecursiveSchemasDoNotMatter) {
  const Import import = imported(kOpenApi, R"(
openapi: 3.0.0
info: {title: t}
paths: {/a: {get: {responses: {"200": {content: {application/json: {schema: {$ref: '#/components/schemas/Tree'}}}}}}}}
components:
  schemas:
    Tree: &tree {properties: {left: {$ref: '#/components/schemas/Tree'}, right: *tree}}
)");
  EXPECT_THAT(nodes_of(import.content), ElementsAre("service t", "api_endpoint GET /a of t"));
}

TEST(ImportOpenApi, ExtensionsAndOtherKeysAreNoOperations) {
  const Import import = imported(kOpenApi, R"(
openapi: 3.0.0
info: {title: t}
paths:
  x-internal: {get: {}}
  /a: {x-get: {}, summary: s, description: d, head: {}}
  b: {get: {}}
)");
  EXPECT_THAT(nodes_of(import.content), ElementsAre("service t", "api_endpoint HEAD /a of t"));
  EXPECT_THAT(import.warnings, ElementsAre(HasSubstr("`b` does not begin with `/`")));
}

TEST(ImportOpenApi, ADocumentWithoutOperationsSaysSo) {
  const Import import = imported(kOpenApi, "openapi: 3.1.0\ninfo: {title: t}\nwebhooks: {x: {post: {}}}\n");
  EXPECT_THAT(nodes_of(import.content), ElementsAre("service t"));
  EXPECT_THAT(import.warnings, ElementsAre(HasSubstr("no operations"), HasSubstr("`webhooks`")));
}

TEST(ImportOpenApi, LongTextsAreCut) {
  const Import import = imported(kOpenApi, "openapi: 3.1.0\ninfo: {title: t}\npaths: {/a: {get: {summary: '" +
                                               std::string(5000, 'x') + "'}}}\n");
  EXPECT_EQ(properties_of(import.content, "GET /a").at("summary").size(), 302);
}

TEST(ImportOpenApi, SaysWhatIsWrongAndWhere) {
  EXPECT_THAT(refusal(kOpenApi, ""), HasSubstr("found nothing"));
  EXPECT_THAT(refusal(kOpenApi, "services: {}"), HasSubstr("no OpenAPI document"));
  EXPECT_THAT(refusal(kOpenApi, "openapi: 4.0.0"), HasSubstr("line 1: expected OpenAPI 3 or Swagger 2"));
  EXPECT_THAT(refusal(kOpenApi, "openapi: 3.0.0\npaths: {}"), HasSubstr("`info.title`"));
  EXPECT_THAT(refusal(kOpenApi, "openapi: 3.0.0\ninfo: {title: t}\npaths: [1]"),
              HasSubstr("line 3: expected `paths`"));
  EXPECT_THAT(refusal(kOpenApi, "openapi: 3.0.0\ninfo: {title: t}\npaths:\n  /a: x"), HasSubstr("line 4"));
  EXPECT_THAT(refusal(kOpenApi, "openapi: 3.0.0\ninfo: {title: t}\npaths:\n  /a: {get: []}"),
              HasSubstr("found a list"));
  EXPECT_THAT(refusal(kOpenApi, "openapi: 3.0.0\ninfo: {title: t}\npaths:\n  /a: {}\n  /a: {}"),
              HasSubstr("line 5: the key `/a` comes twice"));
  EXPECT_THAT(refusal(kOpenApi, "{\"openapi\": \"3.0.0\",\n \"info\" {}}"), HasSubstr("line 2"));
  EXPECT_THAT(refusal(kOpenApi, "a: b: c"), HasSubstr("line 1"));
  EXPECT_THAT(refusal(kOpenApi, "openapi: 3.0.0\ninfo: {title: \"\xff\"}"), HasSubstr("UTF-8"));
  EXPECT_THAT(refusal(kOpenApi, "openapi: 3.0.0\ninfo: {title: \"a\\u0007\"}"),
              HasSubstr("control characters"));
}

TEST(ImportOpenApi, TheServicesNameIsChecked) {
  const auto import = import_document(kOpenApi, "a\nb", "openapi: 3.0.0");
  ASSERT_FALSE(import);
  EXPECT_THAT(import.error().message, HasSubstr("control characters"));
}

TEST(ImportOpenApi, MoreOperationsThanALayerHoldsAreRefused) {
  std::string text = "openapi: 3.0.0\ninfo: {title: t}\npaths:\n";
  for (size_t i = 0; i <= kMaxLayerNodes; ++i) text += "  /a" + std::to_string(i) + ": {get: {}}\n";
  EXPECT_THAT(refusal(kOpenApi, text), HasSubstr("more than 50000 nodes"));
}

}  // namespace
}  // namespace testmesh::graph
