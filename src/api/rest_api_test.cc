#include "api/rest_api.h"

#include <gmock/gmock.h>
#include <libdeflate.h>

#include <random>

#include "api/testing/api_fixture.h"

namespace testmesh::api {
namespace {

using ::testing::HasSubstr;

TEST_F(ApiFixture, AnswersHealthReadinessAndMetrics) {
  EXPECT_EQ(get("/healthz").body["status"], "ok");
  EXPECT_EQ(get("/readyz").body["status"], "ready");
  const Got metrics = get("/metrics");
  EXPECT_EQ(metrics.response.body, "up 1\n");
  EXPECT_THAT(metrics.response.content_type, HasSubstr("text/plain"));
  store.failure = base::Error{base::ErrorCode::kUnavailable, "The disk is full"};
  const Got unready = get("/readyz");
  expect_error(unready, 503, "unavailable");
  EXPECT_EQ(unready.header("Retry-After"), "1");
  EXPECT_EQ(get("/healthz").status, 200);
}

TEST_F(ApiFixture, KnowsWhatItHandles) {
  for (const char* path :
       {"/api", "/api/", "/api/v1/workspaces", "/api/nonsense", "/healthz", "/readyz", "/metrics"})
    EXPECT_TRUE(RestApi::handles(path)) << path;
  for (const char* path : {"", "/", "/v1/traces", "/apis", "/index.html", "/healthz/x"})
    EXPECT_FALSE(RestApi::handles(path)) << path;
}

TEST_F(ApiFixture, NamesTheMethodsOfAPath) {
  const Got refused = send(request("DELETE", "/api/v1/workspaces"));
  expect_error(refused, 405, "method_not_allowed");
  EXPECT_EQ(refused.header("Allow"), "GET, HEAD, POST");
  expect_error(send(request("OPTIONS", "/healthz")), 405, "method_not_allowed");
  expect_error(send(request("", "/healthz")), 405, "method_not_allowed");
  EXPECT_EQ(send(request("HEAD", "/healthz")).status, 200);
}

TEST_F(ApiFixture, WhatDoesNotExistIsNotFound) {
  for (const char* path : {"/api", "/api/v2/workspaces", "/api/v1", "/api/v1/workspaces//",
                           "/api/v1/openapi.json/x", "/api/services"})
    expect_error(get(path), 404, "not_found");
  for (const char* below :
       {"/telemetry", "/telemetry/drift", "/executions/1/2", "/graph/nodes", "/graph/layers", "/settings"})
    expect_error(get(kWorkspace + std::string(below)), 404, "not_found");
  EXPECT_EQ(get("/api/v1/workspaces/").status, 200) << "a slash at the end does no harm";
}

TEST_F(ApiFixture, DocumentsExactlyItsRoutes) {
  const json document = get("/api/v1/openapi.json").body;
  EXPECT_EQ(document["openapi"], "3.1.0");
  std::set<std::string> documented, served;
  for (const auto& [path, operations] : document["paths"].items())
    for (const auto& [method, operation] : operations.items()) {
      documented.insert(method + " " + path);
      size_t path_parameters = 0;
      if (operation.contains("parameters"))
        for (const auto& parameter : operation["parameters"]) path_parameters += parameter["in"] == "path";
      EXPECT_EQ(path_parameters, static_cast<size_t>(std::count(path.begin(), path.end(), '{'))) << path;
    }
  std::set<std::string> operation_ids;
  for (const Route& route : routes()) {
    std::string method(route.method);
    for (char& c : method) c = static_cast<char>(std::tolower(c));
    served.insert(method + " " + std::string(route.path));
    EXPECT_TRUE(operation_ids.insert(std::string(route.operation_id)).second) << route.operation_id;
  }
  EXPECT_EQ(documented, served);
  EXPECT_EQ(served.size(), 38u);
  // Every reference leads somewhere, and every schema is used.
  const json& schemas = document["components"]["schemas"];
  const std::string text = document.dump();
  const std::string prefix = "#/components/schemas/";
  std::set<std::string> used;
  for (size_t at = text.find(prefix); at != std::string::npos; at = text.find(prefix, at + 1)) {
    const size_t begin = at + prefix.size();
    used.insert(text.substr(begin, text.find('"', begin) - begin));
  }
  for (const std::string& name : used) EXPECT_TRUE(schemas.contains(name)) << name;
  for (const auto& [name, schema] : schemas.items()) EXPECT_TRUE(used.contains(name)) << name;
}

TEST_F(ApiFixture, CompressesLargeAnswersForThoseWhoCanRead) {
  const std::string plain = get("/api/v1/openapi.json").response.body;
  ASSERT_GT(plain.size(), 1024u);
  for (const char* accept : {"gzip", "deflate, GZIP;q=0.5", "*", "br, gzip ; q=1.0"}) {
    const Got packed = get("/api/v1/openapi.json", {{"accept-encoding", accept}});
    ASSERT_EQ(packed.header("Content-Encoding"), "gzip") << accept;
    EXPECT_EQ(packed.header("Vary"), "Accept-Encoding");
    EXPECT_LT(packed.response.body.size(), plain.size() / 3);
    std::string unpacked(plain.size(), '\0');
    libdeflate_decompressor* decompressor = libdeflate_alloc_decompressor();
    EXPECT_EQ(
        libdeflate_gzip_decompress(decompressor, packed.response.body.data(), packed.response.body.size(),
                                   unpacked.data(), unpacked.size(), nullptr),
        LIBDEFLATE_SUCCESS);
    libdeflate_free_decompressor(decompressor);
    EXPECT_EQ(unpacked, plain);
  }
  for (const char* accept : {"", "identity", "gzip;q=0", "gzip;q=0.000", "br"})
    EXPECT_EQ(get("/api/v1/openapi.json", {{"accept-encoding", accept}}).header("Content-Encoding"), "")
        << accept;
  EXPECT_EQ(get("/healthz", {{"accept-encoding", "gzip"}}).header("Content-Encoding"), "")
      << "too small to gain";
}

TEST_F(ApiFixture, RefusesWhenTooManyWaitAndStillAnswersHealth) {
  api = make_api({.workers = 1, .max_queued = 2});
  std::vector<std::future<http::Response>> answers;
  {
    const std::scoped_lock busy(store.gate);
    size_t refused = 0;
    for (int i = 0; i < 10; ++i) {
      auto promise = std::make_shared<std::promise<http::Response>>();
      answers.push_back(promise->get_future());
      api->handle(request("GET", "/readyz"),
                  [promise](http::Response response) { promise->set_value(std::move(response)); });
    }
    EXPECT_EQ(get("/healthz").status, 200);
    for (auto& answer : answers)
      refused += answer.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    EXPECT_GE(refused, 7u);
    EXPECT_EQ(api->refused(), refused);
  }
  size_t ready = 0, busy = 0;
  for (auto& answer : answers) {
    const http::Response response = answer.get();
    ready += response.status == 200;
    busy += response.status == 503;
  }
  EXPECT_GE(ready, 2u) << "what was queued is answered";
  EXPECT_EQ(ready + busy, 10u);
  api->stop();
  expect_error(get("/readyz"), 503, "unavailable");
}

TEST_F(ApiFixture, GarbageNeverCrashes) {
  const unsigned seed = 4711;
  std::mt19937 random(seed);
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  const auto bytes = [&](size_t most) {
    std::string text(random() % (most + 1), '\0');
    for (char& c : text) c = static_cast<char>(random());
    return text;
  };
  static constexpr const char* kMethods[] = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "\xff"};
  static constexpr const char* kNames[] = {
      "limit",   "cursor",          "sort",     "order",   "q",     "since", "min_duration_ms", "status",
      "drifted", "min_occurrences", "trace_id", "flow_id", "format"};
  for (int i = 0; i < 4000; ++i) {
    const Route& route = routes()[random() % routes().size()];
    std::string path(route.path);
    while (path.find('{') != std::string::npos) {
      const size_t begin = path.find('{');
      const std::string value = path[begin + 1] == 'w' && random() % 4
                                    ? std::string("00000000-0000-4000-8000-000000000001")
                                    : bytes(40);
      path.replace(begin, path.find('}', begin) - begin + 1, value);
      if (value.find('{') != std::string::npos) break;
    }
    auto made = request(
        kMethods[random() % std::size(kMethods)], "/", bytes(200),
        {{"content-type", random() % 2 ? "application/json" : bytes(20)}, {"accept-encoding", bytes(10)}});
    made.path = path;
    made.query = {{kNames[random() % std::size(kNames)], bytes(30)}, {bytes(5), bytes(5)}};
    std::promise<http::Response> promise;
    api->handle(std::move(made), [&](http::Response response) { promise.set_value(std::move(response)); });
    const http::Response response = promise.get_future().get();
    EXPECT_LT(response.status, 500) << path;
    if (response.status >= 400) {
      EXPECT_TRUE(json::parse(response.body).contains("code"));
    }
    if (!registry->find(model::kDefaultWorkspace)) FAIL() << "the default workspace is gone";
  }
}

}  // namespace
}  // namespace testmesh::api
