#include <gmock/gmock.h>

#include <set>

#include "api/testing/api_fixture.h"

namespace testmesh::api {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr const char* kTrace = "0123456789abcdef0123456789abcdef";

class ExecutionsApi : public ApiFixture {
 protected:
  static json flow() {
    return {{"flow", "name: Checkout\nsteps:\n  - id: one\n    action: log\n    config: {message: hi}\n"}};
  }
  static std::string executions() { return std::string(kWorkspace) + "/executions"; }
  Got post(const json& body) { return send_json("POST", executions(), body.dump()); }

  json wait_until_ended(const std::string& id) {
    const auto until = std::chrono::steady_clock::now() + 20s;
    for (;;) {
      const Got got = get(executions() + "/" + id);
      EXPECT_EQ(got.status, 200) << got.response.body;
      const std::string status = got.body.value("status", "");
      if (status != "pending" && status != "running") return got.body;
      if (std::chrono::steady_clock::now() > until) {
        ADD_FAILURE() << "still " << status;
        return got.body;
      }
      std::this_thread::yield();
    }
  }
  json ended(const json& body) {
    const Got got = post(body);
    EXPECT_EQ(got.status, 202) << got.response.body;
    return wait_until_ended(got.body.value("id", ""));
  }
};

TEST_F(ExecutionsApi, ARunFromRequestToVerdict) {
  runs->run = [](const runner::RunRequest& request, const runner::RunServices&) {
    EXPECT_EQ(request.flow.name, "Checkout");
    EXPECT_EQ(request.variables.size(), 5u);
    EXPECT_TRUE(request.flows->contains("sub.yaml"));
    runner::RunResult result;
    runner::StepResult step;
    step.id = "one";
    step.action = "log";
    step.attempts = 2;
    step.duration_ns = 1'500'000;
    step.started_at = 1'700'000'000'000'000'000;
    step.result = expr::Map{{"message", "hi"}};
    step.request = step.output = expr::Map{};
    step.span_id.bytes[0] = 1;
    step.status = runner::StepStatus::kFailed;
    step.error = runner::RunError{"assertion", "1 of 1 assertions failed"};
    step.failed_assertions.push_back({"status == 200", expr::Value(500), expr::Value(200), {}, {5, 9}});
    result.steps = {step};
    result.status = runner::RunStatus::kFailed;
    result.error = step.error;
    return result;
  };
  json body = flow();
  body["variables"] = {{"text", "a"}, {"whole", 3}, {"part", 1.5}, {"truth", true}, {"nothing", nullptr}};
  body["files"] = {
      {"sub.yaml", "name: Sub\nsteps:\n  - id: a\n    action: log\n    config: {message: hi}\n"}};
  const Got taken = post(body);
  ASSERT_EQ(taken.status, 202) << taken.response.body;
  EXPECT_EQ(taken.body["status"], "pending");
  EXPECT_EQ(taken.body["kind"], "run");
  EXPECT_TRUE(taken.body["started_at"].is_null());
  const std::string path = executions() + "/" + taken.body["id"].get<std::string>();
  EXPECT_EQ(taken.header("Location"), path);
  const json ended = wait_until_ended(taken.body["id"]);
  EXPECT_EQ(ended["status"], "failed");
  EXPECT_EQ(ended["flow_name"], "Checkout");
  EXPECT_EQ(ended["total_steps"], 1);
  EXPECT_EQ(ended["failed_steps"], 1);
  EXPECT_EQ(ended["error"]["code"], "assertion");
  const Got steps = get(path + "/steps");
  ASSERT_EQ(steps.status, 200);
  EXPECT_EQ(steps.body["total"], 1);
  const json& step = steps.body["steps"][0];
  EXPECT_EQ(step["id"], "one");
  EXPECT_EQ(step["phase"], "main");
  EXPECT_EQ(step["attempts"], 2);
  EXPECT_EQ(step["duration_ms"], 1.5);
  EXPECT_EQ(step["started_at"], "2023-11-14T22:13:20.000000000Z");
  EXPECT_EQ(step["result"]["message"], "hi");
  EXPECT_EQ(
      step["failed_assertions"][0],
      json(
          {{"expression", "status == 200"}, {"actual", 500}, {"expected", 200}, {"line", 5}, {"column", 9}}));
  EXPECT_EQ(get(path + "/trace-validation").status, 200);
  EXPECT_EQ(get(path + "/trace-validation").body["status"], "passed");
}

TEST_F(ExecutionsApi, AVerdictThatIsNotThereYetIsPending) {
  std::atomic<bool> complete{false};
  runs->judge = [&](const validation::Subject&, base::UnixNanos now, bool) {
    validation::TraceValidation verdict;
    verdict.status =
        complete ? validation::ValidationStatus::kFailed : validation::ValidationStatus::kPending;
    verdict.validated_at = now;
    verdict.summary = "the call of stock is missing";
    return verdict;
  };
  const Got taken = post({{"trace_id", kTrace}, {"parent_span_id", "0123456789abcdef"}});
  ASSERT_EQ(taken.status, 202) << taken.response.body;
  EXPECT_EQ(taken.body["kind"], "trace");
  EXPECT_EQ(taken.body["trace_id"], kTrace);
  const std::string path = executions() + "/" + taken.body["id"].get<std::string>() + "/trace-validation";
  const Got pending = get(path);
  EXPECT_EQ(pending.status, 202);
  EXPECT_EQ(pending.body, json({{"status", "pending"}}));
  complete = true;
  const json ended = wait_until_ended(taken.body["id"]);
  EXPECT_EQ(ended["status"], "failed");
  EXPECT_EQ(ended["error"]["code"], "trace_validation");
  const Got again = send_json("POST", path, "");
  EXPECT_EQ(again.status, 202);
  EXPECT_EQ(again.body, json({{"status", "pending"}}));
}

TEST_F(ExecutionsApi, WithoutAutoValidationThereIsNoVerdictUntilAskedFor) {
  ASSERT_EQ(send_json("PUT", std::string(kWorkspace) + "/settings/telemetry", R"({"auto_validation":false})")
                .status,
            200);
  const json done = ended(flow());
  EXPECT_EQ(done["status"], "passed");
  const std::string path = executions() + "/" + done["id"].get<std::string>() + "/trace-validation";
  expect_error(get(path), 404, "not_found");
  EXPECT_EQ(send_json("POST", path, "").status, 202);
  const auto until = std::chrono::steady_clock::now() + 20s;
  Got got = get(path);
  while (got.status == 202 && std::chrono::steady_clock::now() < until) got = get(path);
  EXPECT_EQ(got.status, 200);
}

TEST_F(ExecutionsApi, EveryProblemOfAFlowIsListed) {
  const Got got = post({{"flow", "name: x\nsteps: []\nBAD: 1\n"}});
  expect_error(got, 422, "invalid_flow");
  ASSERT_GE(got.body["details"]["errors"].size(), 2u) << got.response.body;
  for (const json& error : got.body["details"]["errors"]) {
    EXPECT_TRUE(error["line"].is_number_unsigned());
    EXPECT_TRUE(error["column"].is_number_unsigned());
    EXPECT_FALSE(error.value("message", "").empty());
  }
}

TEST_F(ExecutionsApi, RefusesBodiesThatAreNone) {
  const char* const kBodies[] = {
      "",
      "[]",
      "nonsense",
      "{}",
      R"({"flow":""})",
      R"({"flow":5})",
      R"({"flow":{"name":"x"}})",
      R"({"flow":"name: x","flow_id":"00000000-0000-0000-0000-000000000001"})",
      R"({"flow_id":"00000000-0000-0000-0000-000000000001","trace_id":"0123456789abcdef0123456789abcdef"})",
      R"({"flow_id":"7"})",
      R"({"trace_id":"7"})",
      R"({"trace_id":"00000000000000000000000000000000"})",
      R"({"trace_id":"0123456789abcdef0123456789abcdef","parent_span_id":"0"})",
      R"({"flow":"name: x","parent_span_id":"0123456789abcdef"})",
      R"({"flow":"name: x","variables":[]})",
      R"({"flow":"name: x","variables":{"a":{}}})",
      R"({"flow":"name: x","variables":{"a":[1]}})",
      R"({"flow":"name: x","files":{"a":1}})",
      R"({"flow":"name: x","files":"a"})",
  };
  for (const char* body : kBodies) {
    const Got got = send_json("POST", executions(), body);
    expect_error(got, 400, "invalid_argument");
    EXPECT_EQ(got.status, 400) << body;
  }
  expect_error(send(request("POST", executions(), "{}", {{"content-type", "text/plain"}})), 415,
               "unsupported_media_type");
  expect_error(send_json("POST", executions(), "{\"flow\":\"" + std::string(17 << 20, 'x') + "\"}"), 413,
               "too_large");
  expect_error(post({{"flow_id", "00000000-0000-0000-0000-000000000001"}}), 404, "not_found");
  EXPECT_EQ(get(executions()).body["total"], 0);
}

TEST_F(ExecutionsApi, ListsNewestFirstByStatusAndName) {
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) {
    json body = flow();
    if (i == 2) body["flow"] = "name: Other" + body["flow"].get<std::string>().substr(14);
    ids.push_back(ended(body)["id"]);
  }
  const Got first = get(executions() + "?limit=2");
  EXPECT_EQ(first.body["total"], 5);
  EXPECT_EQ(first.body["executions"][0]["id"], ids[4]);
  const Got second = get(executions() + "?limit=2&cursor=" + first.body["next_cursor"].get<std::string>());
  EXPECT_EQ(second.body["executions"][0]["id"], ids[2]);
  EXPECT_EQ(get(executions() + "?flow_name=Other").body["executions"][0]["id"], ids[2]);
  EXPECT_EQ(get(executions() + "?status=passed").body["total"], 5);
  EXPECT_EQ(get(executions() + "?status=failed").body["total"], 0);
  expect_error(get(executions() + "?status=green"), 400, "invalid_argument");
  expect_error(get(executions() + "?cursor=nonsense"), 400, "invalid_argument");
}

TEST_F(ExecutionsApi, CancelsAndSaysSo) {
  runs->run = [](const runner::RunRequest&, const runner::RunServices& services) {
    while (!services.cancelled) std::this_thread::yield();
    runner::RunResult result;
    result.status = runner::RunStatus::kCancelled;
    return result;
  };
  const Got taken = post(flow());
  const std::string path = executions() + "/" + taken.body["id"].get<std::string>();
  const Got cancelled = send_json("POST", path + "/cancel", "");
  EXPECT_EQ(cancelled.status, 200);
  EXPECT_EQ(cancelled.body["id"], taken.body["id"]);
  EXPECT_EQ(wait_until_ended(taken.body["id"])["status"], "cancelled");
  EXPECT_EQ(send_json("POST", path + "/cancel", "").body["status"], "cancelled");
}

TEST_F(ExecutionsApi, WhatIsNotThereIs404AlsoInAnotherWorkspace) {
  const std::string id = ended(flow())["id"];
  const Got made = send_json("POST", "/api/v1/workspaces", R"({"name":"other"})");
  const std::string other = "/api/v1/workspaces/" + made.body["id"].get<std::string>() + "/executions/" + id;
  const std::string unknown = executions() + "/00000000-0000-4000-8000-000000000099";
  for (const std::string& path : {other, unknown}) {
    for (const char* part : {"", "/steps", "/trace-validation"})
      expect_error(get(path + part), 404, "not_found");
    for (const char* part : {"/cancel", "/trace-validation"})
      expect_error(send_json("POST", path + part, ""), 404, "not_found");
  }
  expect_error(get(executions() + "/7"), 400, "invalid_argument");
  EXPECT_EQ(get(other.substr(0, other.size() - id.size() - 1)).body["total"], 0);
}

TEST_F(ExecutionsApi, GoWithTheirWorkspace) {
  const Got made = send_json("POST", "/api/v1/workspaces", R"({"name":"other"})");
  const std::string id = made.body["id"], path = "/api/v1/workspaces/" + id;
  ASSERT_EQ(send_json("POST", path + "/executions", flow().dump()).status, 202);
  EXPECT_EQ(send(request("DELETE", path)).status, 204);
  ASSERT_EQ(send_json("POST", "/api/v1/workspaces", json({{"name", "again"}, {"id", id}}).dump()).status,
            201);
  EXPECT_EQ(get(path + "/executions").body["total"], 0);
}

TEST_F(ExecutionsApi, ServesTheSchemaOfFlows) {
  const Got got = get("/api/v1/flow.schema.json");
  EXPECT_EQ(got.status, 200);
  EXPECT_TRUE(got.body.is_object());
}

}  // namespace
}  // namespace testmesh::api
