// The REST API behind the real HTTP server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "api/rest_api.h"
#include "api/testing/fake_executions.h"
#include "api/testing/fake_store.h"
#include "transport/http/client.h"

namespace testmesh::api {
namespace {

using nlohmann::json;

class OverHttp : public ::testing::Test {
 protected:
  OverHttp()
      : registry(store::WorkspaceRegistry::open(documents, base::system_clock()).value()),
        runs(documents, store, *registry),
        api(*registry, store, layers, *runs.service, runs.events, [] { return std::string("up 1\n"); }),
        server({}, [this](http::Request request, http::Responder respond) {
          api.handle(std::move(request), std::move(respond));
        }) {
    const auto endpoint = server.listen("127.0.0.1:0").value();
    url = "http://127.0.0.1:" + std::to_string(endpoint.port);
    server.start();
  }
  ~OverHttp() override { server.stop(); }

  FakeTelemetryStore store;
  MapDocumentStore documents;
  store::GraphLayers layers{documents};
  std::unique_ptr<store::WorkspaceRegistry> registry;
  FakeExecutions runs;
  RestApi api;
  http::Server server;
  std::string url;
};

TEST_F(OverHttp, OneConnectionServesRequestsOfEveryKind) {
  auto client = http::Client::open(url).value();
  EXPECT_EQ(client.send("GET", "/healthz").value().body, R"({"status":"ok"})");
  const auto created =
      client.send("POST", "/api/v1/workspaces", R"({"name":"w"})", {{"Content-Type", "application/json"}})
          .value();
  ASSERT_EQ(created.status, 201);
  const std::string path = "/api/v1/workspaces/" + json::parse(created.body)["id"].get<std::string>();
  const auto head = client.send("HEAD", path).value();
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.body, "");
  const auto removed = client.send("DELETE", path).value();
  EXPECT_EQ(removed.status, 204);
  EXPECT_EQ(removed.body, "");
  EXPECT_EQ(client.send("GET", path).value().status, 404);
  const auto found = client.send("GET",
                                 "/api/v1/workspaces/00000000-0000-4000-8000-000000000001/telemetry/traces"
                                 "?service=caf%C3%A9&q=attributes%5B%27a%20b%27%5D+%3D%3D+%27c%26d%27");
  EXPECT_EQ(found.value().status, 200) << found.value().body;
  EXPECT_EQ(store.trace_query.service, "café");
  EXPECT_EQ(store.trace_query.attribute->key, "a b");
  EXPECT_EQ(store.trace_query.attribute->value, model::Value{std::string("c&d")});
}

TEST_F(OverHttp, AnswersManyClientsAtOnce) {
  std::vector<std::thread> clients;
  std::atomic<int> answered{0};
  for (int i = 0; i < 4; ++i)
    clients.emplace_back([&] {
      auto client = http::Client::open(url).value();
      for (int k = 0; k < 50; ++k)
        if (client.send("GET", "/api/v1/workspaces").value().status == 200) ++answered;
    });
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(answered, 200);
}

}  // namespace
}  // namespace testmesh::api
