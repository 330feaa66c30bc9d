#include <gmock/gmock.h>

#include "api/testing/api_fixture.h"

namespace testmesh::api {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

TEST_F(ApiFixture, CreatesShowsRenamesAndRemovesWorkspaces) {
  const Got made = send_json("POST", "/api/v1/workspaces",
                             R"({"id":"AAAAAAAA-0000-4000-8000-00000000000B","name":"łódź"})");
  ASSERT_EQ(made.status, 201);
  EXPECT_EQ(made.body["id"], "aaaaaaaa-0000-4000-8000-00000000000b");
  EXPECT_EQ(made.header("Location"), "/api/v1/workspaces/aaaaaaaa-0000-4000-8000-00000000000b");
  EXPECT_THAT(made.body["created_at"].get<std::string>(), MatchesRegex("....-..-..T..:..:..[.][0-9]{9}Z"));
  const std::string path = "/api/v1/workspaces/AAAAAAAA-0000-4000-8000-00000000000B";
  EXPECT_EQ(get(path).body, made.body);
  EXPECT_EQ(send_json("PATCH", path, R"({"name":"new"})").body["name"], "new");
  const Got list = get("/api/v1/workspaces");
  EXPECT_EQ(list.body["total"], 2);
  EXPECT_EQ(list.body["workspaces"][1]["name"], "new");
  store.traces[{model::WorkspaceId::parse("aaaaaaaa-0000-4000-8000-00000000000b").value(), {}}] = {};
  const Got removed = send(request("DELETE", path));
  EXPECT_EQ(removed.status, 204);
  EXPECT_EQ(removed.response.body, "");
  EXPECT_TRUE(store.traces.empty()) << "its telemetry went with it";
  expect_error(get(path), 404, "not_found");
  expect_error(send(request("DELETE", path)), 404, "not_found");
}

TEST_F(ApiFixture, RefusesWhatIsNoWorkspace) {
  const auto post = [&](const std::string& body) { return send_json("POST", "/api/v1/workspaces", body); };
  expect_error(post(""), 400, "invalid_argument");
  expect_error(post("nonsense"), 400, "invalid_argument");
  expect_error(post("[]"), 400, "invalid_argument");
  expect_error(post(std::string(100'000, '[')), 400, "invalid_argument");
  expect_error(post("{}"), 400, "invalid_argument");
  expect_error(post(R"({"name":""})"), 400, "invalid_argument");
  expect_error(post(R"({"name":7})"), 400, "invalid_argument");
  expect_error(post(R"({"name":"x","id":"no uuid"})"), 400, "invalid_argument");
  expect_error(post(R"({"name":"x","id":5})"), 400, "invalid_argument");
  expect_error(post(R"({"name":"x","id":"00000000-0000-4000-8000-000000000001"})"), 409, "already_exists");
  expect_error(send(request("DELETE", kWorkspace)), 403, "permission_denied");
  expect_error(send(request("POST", "/api/v1/workspaces", "{}", {{"content-type", "text/plain"}})), 415,
               "unsupported_media_type");
  expect_error(send(request("POST", "/api/v1/workspaces", "{}",
                            {{"content-type", "application/json"}, {"content-encoding", "gzip"}})),
               415, "unsupported_media_type");
  auto large = request("POST", "/api/v1/workspaces", "", {{"content-type", "application/json"}});
  large.body_too_large = true;
  expect_error(send(std::move(large)), 413, "too_large");
  EXPECT_EQ(send(request("POST", "/api/v1/workspaces", R"({"name":"x"})",
                         {{"content-type", "Application/JSON ; charset=utf-8"}}))
                .status,
            201);
  expect_error(get("/api/v1/workspaces/1"), 400, "invalid_argument");
  expect_error(get("/api/v1/workspaces/11111111-1111-4111-8111-111111111111"), 404, "not_found");
}

TEST_F(ApiFixture, PagesNeitherOverlapNorSkip) {
  for (int i = 0; i < 25; ++i) ASSERT_TRUE(registry->create(std::nullopt, "w" + std::to_string(i)));
  std::vector<std::string> seen;
  std::string cursor;
  do {
    const Got page = get("/api/v1/workspaces?limit=7" + (cursor.empty() ? "" : "&cursor=" + cursor));
    EXPECT_EQ(page.body["total"], 26);
    for (const auto& workspace : page.body["workspaces"]) seen.push_back(workspace["id"]);
    cursor = page.body.value("next_cursor", "");
  } while (!cursor.empty());
  ASSERT_EQ(seen.size(), 26u);
  EXPECT_EQ(std::set(seen.begin(), seen.end()).size(), 26u);
  for (const char* bad : {"limit=0", "limit=1001", "limit=-1", "limit=x",
                          "limit=", "limit=99999999999999999999", "limit=1e2", "cursor=nonsense"}) {
    const Got refused = get(std::string("/api/v1/workspaces?") + bad);
    expect_error(refused, 400, "invalid_argument");
    EXPECT_THAT(bad, HasSubstr(refused.body["details"]["parameter"].get<std::string>()));
  }
  EXPECT_EQ(get("/api/v1/workspaces?limit=1000&unknown=1").status, 200);
}

TEST_F(ApiFixture, ShowsAKeysSecretOnce) {
  const std::string path = std::string(kWorkspace) + "/keys";
  const Got made = send_json("POST", path, R"({"name":"ci"})");
  ASSERT_EQ(made.status, 201);
  EXPECT_TRUE(registry->authenticate(made.body["secret"].get<std::string>()));
  const Got list = get(path);
  EXPECT_EQ(list.body["keys"].size(), 1u);
  EXPECT_FALSE(list.body["keys"][0].contains("secret"));
  EXPECT_EQ(send(request("POST", path)).body["name"], "key");
  const std::string one = path + "/" + made.body["id"].get<std::string>();
  EXPECT_EQ(send(request("DELETE", one)).status, 204);
  expect_error(send(request("DELETE", one)), 404, "not_found");
  expect_error(send(request("DELETE", path + "/x")), 400, "invalid_argument");
  expect_error(send_json("POST", path, R"({"name":null})"), 400, "invalid_argument");
}

TEST_F(ApiFixture, ChangesOnlyTheGivenSettings) {
  const std::string path = std::string(kWorkspace) + "/settings/telemetry";
  const json before = get(path).body;
  EXPECT_EQ(before,
            json::parse(R"({"enabled":true,"auto_discovery":true,"auto_validation":true,"retention_days":30,
      "default_timeout_ms":30000,"drift_min_baseline":10,"trace_idle_timeout_ms":10000})"));
  json expected = before;
  expected["enabled"] = false;
  expected["retention_days"] = 0;
  EXPECT_EQ(send_json("PUT", path, R"({"enabled":false,"retention_days":0})").body, expected);
  EXPECT_EQ(get(path).body, expected);
  EXPECT_EQ(send_json("PUT", path, "{}").body, expected);
  expected["trace_idle_timeout_ms"] = 100;
  EXPECT_EQ(send_json("PUT", path, R"({"trace_idle_timeout_ms":100.0})").body, expected);
}

TEST_F(ApiFixture, ListsEverySettingThatIsNotAcceptable) {
  const std::string path = std::string(kWorkspace) + "/settings/telemetry";
  const Got refused =
      send_json("PUT", path,
                R"({"enabled":"yes","retention_days":3651,"default_timeout_ms":999,"drift_min_baseline":0,
                                    "trace_idle_timeout_ms":1.5,"auto_discovery":null,"nonsense":1,"auto_validation":false})");
  expect_error(refused, 422, "unprocessable");
  std::set<std::string> names;
  for (const auto& [name, sentence] : refused.body["details"]["fields"].items()) {
    names.insert(name);
    EXPECT_TRUE(sentence.is_string());
  }
  EXPECT_EQ(names,
            (std::set<std::string>{"enabled", "retention_days", "default_timeout_ms", "drift_min_baseline",
                                   "trace_idle_timeout_ms", "auto_discovery", "nonsense"}));
  EXPECT_EQ(registry->settings(model::kDefaultWorkspace), model::TelemetrySettings{}) << "all or nothing";
  for (const char* value : {"-1", "1e300", "-1e300", "99999999999999999999", "\"5\"", "[]", "{}", "true"})
    expect_error(send_json("PUT", path, std::string("{\"retention_days\":") + value + "}"), 422,
                 "unprocessable");
  for (const char* body : {"", "no json", "[]", "5", "null", "{\"retention_days\":1e999}"})
    expect_error(send_json("PUT", path, body), 400, "invalid_argument");
}

}  // namespace
}  // namespace testmesh::api
