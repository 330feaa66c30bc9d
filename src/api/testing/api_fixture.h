// The REST API over the stores' stand-ins. Every answer is compared with the
// OpenAPI document: an undocumented status or shape fails the test.
#pragma once

#include <gtest/gtest.h>

#include <future>
#include <nlohmann/json.hpp>

#include "api/openapi_schemas.h"
#include "api/rest_api.h"
#include "api/routes.h"
#include "api/testing/fake_executions.h"
#include "api/testing/fake_store.h"
#include "api/testing/schema_check.h"

namespace testmesh::api {

using nlohmann::json;

struct Got {
  http::Response response;
  int status = 0;
  json body;
  std::string header(std::string_view name) const {
    for (const auto& [key, value] : response.headers)
      if (key == name) return value;
    return {};
  }
};

class ApiFixture : public ::testing::Test {
 protected:
  static constexpr const char* kWorkspace = "/api/v1/workspaces/00000000-0000-4000-8000-000000000001";

  ApiFixture() {
    registry = std::move(store::WorkspaceRegistry::open(documents, base::system_clock()).value());
    runs = std::make_unique<FakeExecutions>(documents, store, *registry);
    api = make_api();
  }

  std::unique_ptr<RestApi> make_api(RestApiOptions options = {}) {
    return std::make_unique<RestApi>(
        *registry, store, layers, *runs->service, runs->events, [] { return std::string("up 1\n"); },
        std::move(options));
  }

  static http::Request request(std::string method, const std::string& target, std::string body = {},
                               http::Headers headers = {}) {
    http::Request made;
    made.method = std::move(method);
    made.target = target;
    const size_t mark = target.find('?');
    made.path = target.substr(0, mark);
    // Values in these tests are plain, except for the spaces of expressions.
    if (mark != std::string::npos) {
      std::string query = target.substr(mark + 1);
      for (size_t begin = 0; begin <= query.size();) {
        const size_t end = std::min(query.find('&', begin), query.size());
        const std::string pair = query.substr(begin, end - begin);
        const size_t equals = std::min(pair.find('='), pair.size());
        made.query.emplace_back(pair.substr(0, equals), equals < pair.size() ? pair.substr(equals + 1) : "");
        begin = end + 1;
      }
    }
    made.body = std::move(body);
    made.headers = std::move(headers);
    return made;
  }

  Got send(http::Request made) {
    const std::string method = made.method;
    const std::string path = made.path;
    auto promise = std::make_shared<std::promise<http::Response>>();
    auto answer = promise->get_future();
    api->handle(std::move(made),
                [promise](http::Response response) { promise->set_value(std::move(response)); });
    Got got;
    got.response = answer.get();
    got.status = got.response.status;
    if (got.response.content_type == "application/json" && got.header("Content-Encoding").empty()) {
      got.body = json::parse(got.response.body, nullptr, false);
      EXPECT_FALSE(got.body.is_discarded()) << got.response.body;
    }
    check_documented(method, path, got);
    return got;
  }
  Got get(const std::string& target, http::Headers headers = {}) {
    return send(request("GET", target, {}, std::move(headers)));
  }
  Got send_json(const std::string& method, const std::string& target, const std::string& body) {
    return send(request(method, target, body, {{"content-type", "application/json"}}));
  }

  // What every refusal looks like.
  static void expect_error(const Got& got, int status, const std::string& code) {
    EXPECT_EQ(got.status, status) << got.response.body;
    EXPECT_EQ(got.body.value("code", ""), code) << got.response.body;
    EXPECT_FALSE(got.body.value("error", "").empty());
    EXPECT_TRUE(got.body["details"].is_object());
  }

  void check_documented(const std::string& method, const std::string& path, const Got& got) {
    const Match found = match(path);
    for (const Route* route : found.routes) {
      if (route->method != method) continue;
      std::string lower = method;
      for (char& c : lower) c = static_cast<char>(std::tolower(c));
      const json& responses = document()["paths"][std::string(route->path)][lower]["responses"];
      const std::string status = std::to_string(got.status);
      ASSERT_TRUE(responses.contains(status)) << method << ' ' << path << " answered undocumented " << status;
      if (got.body.is_null() || !responses[status].contains("content")) return;
      const json& schema = responses[status]["content"]["application/json"]["schema"];
      const std::string problem = schema_problem(document(), schema, got.body);
      EXPECT_EQ(problem, "") << method << ' ' << path << "\n" << got.response.body.substr(0, 2000);
    }
  }
  static json& document() {
    static json parsed = json::parse(openapi_document("test"));
    return parsed;
  }

  FakeTelemetryStore store;
  MapDocumentStore documents;
  store::GraphLayers layers{documents};
  std::unique_ptr<store::WorkspaceRegistry> registry;
  std::unique_ptr<FakeExecutions> runs;
  std::unique_ptr<RestApi> api;
};

}  // namespace testmesh::api
