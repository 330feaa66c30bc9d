// `GET …/telemetry/coverage`: the shape of the answer, and what is asked of the
// store for it.
#include <gmock/gmock.h>

#include "api/testing/api_fixture.h"

namespace testmesh::api {
namespace {

using ::testing::HasSubstr;

class CoverageAnswer : public ApiFixture {
 protected:
  discovery::FlowSummary& add(uint8_t number, uint64_t test_count) {
    auto& identity = store.identities.emplace_back();
    identity.id.bytes[15] = number;
    identity.family = {"prod", "shop", "GET /cart"};
    identity.fingerprint[0] = number;
    discovery::FlowSummary summary{};
    summary.flow = &identity;
    summary.name = "shop -> GET /cart";
    summary.occurrence_count = 25;
    summary.test_count = test_count;
    summary.avg_duration_ms = 12;
    summary.error_rate = 0.2;
    summary.risk_score = 0.25;
    store.details.push_back({.summary = std::move(summary), .nodes = {}, .samples = {}});
    return store.details.back().summary;
  }
  Got coverage(const std::string& query = "") {
    return get(std::string(kWorkspace) + "/telemetry/coverage" + query);
  }
};

TEST_F(CoverageAnswer, SaysOfEachFlowWhetherATestRunsItAndWhy) {
  add(1, 0);
  auto& covered = add(2, 7);
  covered.last_tested = 1'700'000'000'000'000'001;
  covered.tests = {"checkout", "refund"};
  const json body = coverage().body;
  EXPECT_EQ(body["total"], 2);
  EXPECT_EQ(body["uncovered"], 1);
  EXPECT_FALSE(body.contains("next_cursor"));
  const json& first = body["coverage"][0];
  EXPECT_EQ(first["flow_id"], "00000000-0000-0000-0000-000000000001");
  EXPECT_EQ(first["name"], "shop -> GET /cart");
  EXPECT_EQ(first["environment"], "prod");
  EXPECT_EQ(first["fingerprint"], "01" + std::string(62, '0'));
  EXPECT_EQ(first["covered"], false);
  EXPECT_EQ(first["test_count"], 0);
  EXPECT_TRUE(first["last_tested_at"].is_null());
  EXPECT_EQ(first["tests"], json::array());
  EXPECT_EQ(first["risk_score"], 0.25);
  EXPECT_EQ(first["why"], "No test runs it: 25 traces (50 % of all), 20 % with an error, 12 ms on average.");
  const json& second = body["coverage"][1];
  EXPECT_EQ(second["covered"], true);
  EXPECT_EQ(second["test_count"], 7);
  EXPECT_EQ(second["last_tested_at"], "2023-11-14T22:13:20.000000001Z");
  EXPECT_EQ(second["tests"], (json{"checkout", "refund"}));
  EXPECT_THAT(second["why"].get<std::string>(), HasSubstr("Covered by 2 tests, last run "));
}

TEST_F(CoverageAnswer, AsksForUncoveredFlowsFirstWithTheFiltersOfTheFlowsList) {
  coverage(
      "?covered=false&service=cart&entry_service=shop&environment=&min_occurrences=3&min_risk=0.25&q=order"
      "&limit=7&cursor=abc");
  EXPECT_EQ(store.flow_query.sort, discovery::FlowSort::kCoverage);
  EXPECT_TRUE(store.flow_query.descending);
  EXPECT_EQ(store.flow_query.covered, false);
  EXPECT_EQ(store.flow_query.service, "cart");
  EXPECT_EQ(store.flow_query.entry_service, "shop");
  EXPECT_EQ(store.flow_query.environment, "");
  EXPECT_EQ(store.flow_query.min_occurrences, 3u);
  EXPECT_EQ(store.flow_query.min_risk, 0.25);
  EXPECT_EQ(store.flow_query.name_part, "order");
  EXPECT_EQ(store.flow_query.limit, 7u);
  EXPECT_EQ(store.flow_query.cursor, "abc");
  coverage();
  EXPECT_FALSE(store.flow_query.covered);
  EXPECT_EQ(store.flow_query.min_risk, 0);
}

TEST_F(CoverageAnswer, PagesAsEveryList) {
  for (uint8_t i = 1; i <= 3; ++i) add(i, 0);
  const json page = coverage("?limit=2").body;
  EXPECT_EQ(page["coverage"].size(), 2u);
  EXPECT_EQ(page["total"], 3);
  EXPECT_EQ(page["uncovered"], 3);
  EXPECT_EQ(page["next_cursor"], "more");
}

TEST_F(CoverageAnswer, RefusesUnknownValues) {
  for (const char* bad : {"covered=perhaps", "min_occurrences=-1", "min_risk=2", "min_risk=-0.1",
                          "min_risk=nan", "min_risk=", "limit=0", "limit=1001"})
    expect_error(coverage(std::string("?") + bad), 400, "invalid_argument");
  store.failure = base::Error{base::ErrorCode::kInvalidArgument, "The cursor is none of this list"};
  expect_error(coverage("?cursor=x"), 400, "invalid_argument");
  expect_error(get("/api/v1/workspaces/11111111-1111-4111-8111-111111111111/telemetry/coverage"), 404,
               "not_found");
}

}  // namespace
}  // namespace testmesh::api
