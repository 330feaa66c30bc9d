#include <gmock/gmock.h>

#include "cli/remote.h"
#include "cli/testing/cli_fixture.h"

namespace testmesh::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kGood = "name: x\nsteps:\n  - {action: delay, config: {duration: 1s}}\n";
constexpr const char* kBad =
    "name: x\nsteps:\n  - {action: delay, config: {duration: 1}}\n  - {action: dely}\n";

using Validate = Cli;

TEST_F(Validate, PassesWhatIsValid) {
  const Outcome outcome = run({"validate", file("a.yaml", kGood)});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("a.yaml is valid"));
  EXPECT_EQ(run({"validate", file("a.yaml", kGood), file("b.yaml", kGood)}).out, "All 2 files are valid\n");
}

TEST_F(Validate, PrintsEveryProblemWithItsPlace) {
  const std::string bad = file("b.yaml", kBad);
  const Outcome outcome = run({"validate", file("a.yaml", kGood), bad});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.out,
            bad + ":3:40: `duration` is the number 1; expected a duration such as 500ms, 30s, 5m or 2h\n" +
                bad + ":4:14: There is no action `dely`; did you mean `delay`?\n");
}

TEST_F(Validate, GoesOnBehindWhatItCannotRead) {
  const std::string bad = file("b.yaml", kBad);
  const Outcome outcome = run({"validate", (directory / "none.yaml").string(), directory.string(), bad});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("none.yaml: No such file"));
  EXPECT_THAT(outcome.err, HasSubstr("is a directory"));
  EXPECT_THAT(outcome.out, HasSubstr("b.yaml:3:40: "));
}

TEST_F(Validate, AnswersInJson) {
  const Outcome outcome = run({"validate", "--output", "json", file("a.yaml", kGood), file("b.yaml", kBad),
                               (directory / "none").string()});
  EXPECT_EQ(outcome.code, 2);
  const Json json = Json::parse(outcome.out);
  ASSERT_EQ(json["files"].size(), 3u);
  EXPECT_EQ(json["files"][0],
            (Json{{"file", (directory / "a.yaml").string()}, {"valid", true}, {"errors", Json::array()}}));
  const Json& bad = json["files"][1];
  EXPECT_EQ(bad["valid"], false);
  EXPECT_EQ(bad["errors"][0], (Json{{"line", 3},
                                    {"column", 40},
                                    {"message",
                                     "`duration` is the number 1; expected a duration such as 500ms, 30s, "
                                     "5m or 2h"},
                                    {"found", "the number 1"},
                                    {"expected", "a duration such as 500ms, 30s, 5m or 2h"}}));
  EXPECT_EQ(json["files"][2]["valid"], false);
  EXPECT_THAT(json["files"][2]["errors"], IsEmpty());
  EXPECT_THAT(json["files"][2]["unreadable"].get<std::string>(), HasSubstr("none"));
}

TEST_F(Validate, ReadsStandardInput) {
  input = kBad;
  const Outcome outcome = run({"validate", "-"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.out, HasSubstr("-:3:40: "));
}

TEST_F(Validate, PrintsTheSchema) {
  const Outcome outcome = run({"validate", "--schema"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(Json::parse(outcome.out)["title"], "TestMesh flow file");
}

TEST_F(Validate, NeedsAFileAndExplainsItself) {
  EXPECT_EQ(run({"validate"}).code, 2);
  EXPECT_EQ(run({"validate", "--nope"}).code, 2);
  const Outcome help = run({"validate", "--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_THAT(help.out, HasSubstr("testmesh validate flows/*.yaml"));
}

TEST_F(Validate, ShowsNothingATerminalWouldObey) {
  const Outcome outcome = run({"validate", file("a.yaml", "name: x\nsteps: \"\\e[2Jx\"\n")});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.out, ::testing::Not(HasSubstr("\x1b")));
}

TEST_F(Validate, PassesWhatFlowsExportWrites) {
  auto& identity = store.identities.emplace_back();
  identity.id.bytes[0] = 7;
  identity.family = {"", "shop", "GET /items/:id"};
  identity.nodes = {{model::NodeType::kApiEndpoint, "GET /items/:id", "shop"}};
  discovery::FlowDetail detail;
  detail.summary.flow = &identity;
  detail.summary.name = "shop -> GET /items/:id";
  detail.summary.nodes = identity.nodes;
  detail.nodes.resize(1);
  store.details.push_back(detail);
  const std::string id = identity.id.to_string();

  const Outcome steps = run_here({"flows", "export", id});
  EXPECT_EQ(steps.code, 0) << steps.err;
  EXPECT_THAT(steps.out, HasSubstr("url: \"{{base_url}}/items/{{id}}\""));
  input = steps.out;
  EXPECT_EQ(run({"validate", "-"}).out, "- is valid\n");

  const std::string path = (directory / "flow.yaml").string();
  const Outcome trace = run_here({"flows", "export", id, "--mode", "trace", "--output-file", path});
  EXPECT_EQ(trace.code, 0) << trace.err;
  EXPECT_EQ(trace.out, "");
  EXPECT_EQ(run({"validate", path}).code, 0);
  EXPECT_EQ(Json::parse(run_here({"flows", "export", id, "--output", "json"}).out)["yaml"], steps.out);
  EXPECT_EQ(run_here({"flows", "export", id, "--mode", "all"}).code, 2);
  EXPECT_EQ(run_here({"flows", "export", "00000000-0000-8000-8000-000000000000"}).code, 1);
}

}  // namespace
}  // namespace testmesh::cli
