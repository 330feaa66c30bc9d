#include "cli/sarif_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace testmesh::cli {
namespace {

using ::testing::HasSubstr;

SarifRun example() {
  SarifRun run{.version = "0.1.0", .ended_at = "2026-11-26T22:10:03.000000000Z"};
  run.rules = {{.id = "other", .title = "o", .description = "o", .help = "o", .level = SarifLevel::kNote},
               {.id = "uncovered-flow", .title = "t", .description = "d", .help = "h"}};
  SarifResult& result = run.results.emplace_back();
  result.rule = "uncovered-flow";
  result.message = "shop -> GET /items: no test exercises it";
  result.places = {
      {.name = "shop -> GET /items", .qualified_name = "shop -> GET /items [3f0c]", .kind = "flow"}};
  result.fingerprints = {{"flowFingerprint/v1", "3f0c"}, {"environment/v1", "staging"}};
  result.properties = {{"traces", "240"}};
  return run;
}

// What the standard requires of the objects used here (sections 3.13 to 3.60).
void expect_valid(const Json& log) {
  const auto text = [](const Json& object, const char* name) {
    EXPECT_TRUE(object.contains(name) && object[name].is_string()) << name << " of " << object;
  };
  EXPECT_EQ(log.at("version"), "2.1.0");
  text(log, "$schema");
  ASSERT_EQ(log.at("runs").size(), 1u);
  const Json& run = log["runs"][0];
  const Json& driver = run.at("tool").at("driver");
  text(driver, "name");
  for (const Json& rule : driver.at("rules")) {
    text(rule, "id");
    for (const char* part : {"shortDescription", "fullDescription", "help"}) text(rule.at(part), "text");
    EXPECT_THAT((std::vector<std::string>{"none", "note", "warning", "error"}),
                ::testing::Contains(rule.at("defaultConfiguration").at("level")));
  }
  for (const Json& invocation : run.at("invocations")) {
    EXPECT_TRUE(invocation.at("executionSuccessful").is_boolean());
    if (invocation.contains("toolExecutionNotifications"))
      for (const Json& one : invocation["toolExecutionNotifications"]) text(one.at("message"), "text");
  }
  ASSERT_TRUE(run.at("results").is_array());
  for (const Json& result : run["results"]) {
    text(result.at("message"), "text");
    EXPECT_THAT((std::vector<std::string>{"none", "note", "warning", "error"}),
                ::testing::Contains(result.at("level")));
    text(result, "ruleId");
    if (result.contains("ruleIndex")) {
      EXPECT_EQ(driver["rules"][result["ruleIndex"].get<size_t>()]["id"], result["ruleId"]);
    }
    const Json prints = result.value("partialFingerprints", Json::object());
    for (const auto& [name, value] : prints.items()) EXPECT_TRUE(value.is_string()) << name;
    for (const Json& location : result.value("locations", Json::array()))
      for (const Json& place : location.at("logicalLocations")) text(place, "name");
    for (const Json& suppression : result.value("suppressions", Json::array())) {
      EXPECT_THAT((std::vector<std::string>{"inSource", "external"}),
                  ::testing::Contains(suppression.at("kind")));
      EXPECT_THAT((std::vector<std::string>{"accepted", "underReview", "rejected"}),
                  ::testing::Contains(suppression.at("status")));
    }
    if (result.contains("baselineState")) {
      EXPECT_THAT((std::vector<std::string>{"new", "unchanged", "updated", "absent"}),
                  ::testing::Contains(result["baselineState"]));
    }
  }
}

TEST(Sarif, SaysWhatWasFoundWhereAndByWhichRule) {
  const Json log = to_sarif(example());
  expect_valid(log);
  const Json& run = log["runs"][0];
  EXPECT_EQ(run["tool"]["driver"]["name"], "testmesh");
  EXPECT_EQ(run["tool"]["driver"]["version"], "0.1.0");
  EXPECT_EQ(run["tool"]["driver"]["rules"][0]["defaultConfiguration"]["level"], "note");
  EXPECT_EQ(run["invocations"][0]["executionSuccessful"], true);
  const Json& result = run["results"][0];
  EXPECT_EQ(result["ruleId"], "uncovered-flow");
  EXPECT_EQ(result["ruleIndex"], 1);
  EXPECT_EQ(result["level"], "error");
  EXPECT_EQ(result["locations"][0]["logicalLocations"][0],
            (Json{{"name", "shop -> GET /items"},
                  {"fullyQualifiedName", "shop -> GET /items [3f0c]"},
                  {"kind", "flow"}}));
  EXPECT_EQ(result["partialFingerprints"]["flowFingerprint/v1"], "3f0c");
  EXPECT_EQ(result["properties"]["traces"], "240");
  EXPECT_FALSE(result.contains("suppressions"));
  EXPECT_FALSE(result.contains("baselineState"));
}

TEST(Sarif, SaysWhatIsAcceptedAndKnown) {
  SarifRun run = example();
  run.results.push_back(run.results[0]);
  run.results[0].known = false;
  run.results[1].known = true;
  run.results[1].accepted = "Accepted by baseline.json";
  run.results[1].level = SarifLevel::kWarning;
  const Json log = to_sarif(run);
  expect_valid(log);
  const Json& results = log["runs"][0]["results"];
  EXPECT_EQ(results[0]["baselineState"], "new");
  EXPECT_EQ(results[1]["baselineState"], "unchanged");
  EXPECT_EQ(results[1]["level"], "warning");
  EXPECT_EQ(results[1]["suppressions"][0]["justification"], "Accepted by baseline.json");
}

TEST(Sarif, ANoRunIsNoSuccess) {
  SarifRun run = example();
  run.results.clear();
  run.problems = {"Cannot reach http://127.0.0.1:1"};
  const Json log = to_sarif(run);
  expect_valid(log);
  EXPECT_EQ(log["runs"][0]["results"], Json::array()) << "the standard wants the list, also when it is empty";
  const Json& invocation = log["runs"][0]["invocations"][0];
  EXPECT_EQ(invocation["executionSuccessful"], false);
  EXPECT_THAT(invocation["toolExecutionNotifications"][0]["message"]["text"].get<std::string>(),
              HasSubstr("Cannot reach"));
}

TEST(Sarif, IsJsonWhateverTheNamesAre) {
  SarifRun run = example();
  const std::string hostile("\xff\"\\</script>\x00\x1b[31m\xed\xa0\x80 界", 25);
  run.results[0].message = run.results[0].places[0].name = run.results[0].fingerprints[0].second = hostile;
  run.results[0].properties[hostile] = hostile;
  run.problems = {hostile};
  const std::string text = sarif_text(run);
  const Json log = Json::parse(text);
  expect_valid(log);
  EXPECT_THAT(log["runs"][0]["results"][0]["message"]["text"].get<std::string>(),
              HasSubstr("\uFFFD\"\\</script>"));
  for (const char c : text) EXPECT_TRUE(static_cast<unsigned char>(c) >= 0x20 || c == '\n');
}

}  // namespace
}  // namespace testmesh::cli
