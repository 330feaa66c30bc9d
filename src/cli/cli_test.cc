// Whole commands, as a user types them, against the real REST API.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/testing/cli_fixture.h"

namespace testmesh::cli {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(Cli, EveryCommandHasHelpWithAnExample) {
  const std::vector<std::vector<std::string>> commands = {{"import"},
                                                          {"analyze"},
                                                          {"flows"},
                                                          {"flows", "list"},
                                                          {"flows", "show"},
                                                          {"flows", "traces"},
                                                          {"flows", "histogram"},
                                                          {"flows", "export"},
                                                          {"validate"},
                                                          {"traces"},
                                                          {"traces", "search"},
                                                          {"traces", "show"},
                                                          {"settings"},
                                                          {"settings", "get"},
                                                          {"settings", "set"},
                                                          {"workspaces"},
                                                          {"workspaces", "list"},
                                                          {"workspaces", "create"},
                                                          {"workspaces", "rename"},
                                                          {"workspaces", "delete"},
                                                          {"keys"},
                                                          {"keys", "create"}};
  for (auto command : commands) {
    command.push_back("--help");
    const Outcome help = run(command);
    EXPECT_EQ(help.code, 0) << command[0];
    EXPECT_THAT(help.out, HasSubstr("Example")) << command[0] << help.out;
    EXPECT_EQ(help.err, "");
  }
  EXPECT_THAT(run({"--help"}).out, AllOf(HasSubstr("serve"), HasSubstr("import"), HasSubstr("analyze")));
  EXPECT_THAT(run({"--version"}).out, HasSubstr("testmesh"));
}

TEST_F(Cli, WrongUsageIsTwo) {
  for (const std::vector<std::string>& wrong : {std::vector<std::string>{},
                                                {"nonsense"},
                                                {"flows"},
                                                {"flows", "list", "--sort", "name"},
                                                {"flows", "show"},
                                                {"flows", "list", "--output", "xml"},
                                                {"traces", "search", "--limit", "0"},
                                                {"import"},
                                                {"--nonsense"}}) {
    const Outcome result = run(wrong);
    EXPECT_EQ(result.code, 2) << result.out << result.err;
    EXPECT_NE(result.err, "");
  }
}

TEST_F(Cli, SaysWhichCommandsThereAre) {
  EXPECT_EQ(run({"flows", "lst"}).err,
            "testmesh flows: there is no command 'lst'. There is: list show traces histogram export\n");
  EXPECT_THAT(run({"flow"}).err, AllOf(HasSubstr("no command 'flow'"), HasSubstr(" flows ")));
  EXPECT_THAT(run({}).err, HasSubstr("Usage: testmesh"));
  EXPECT_THAT(run({"flows"}).err, HasSubstr("histogram"));
}

TEST_F(Cli, AFlagSaysMoreThanTheEnvironment) {
  ASSERT_EQ(setenv("TESTMESH_SERVER", "http://127.0.0.1:1", 1), 0);
  ASSERT_EQ(setenv("TESTMESH_WORKSPACE", "00000000-0000-4000-8000-0000000000ff", 1), 0);
  const Outcome flag = run_here({"flows", "list", "--workspace", "00000000-0000-4000-8000-000000000001"});
  const Outcome workspace = run_here({"flows", "list"});
  const Outcome environment = run({"flows", "list"});
  unsetenv("TESTMESH_SERVER");
  unsetenv("TESTMESH_WORKSPACE");
  EXPECT_EQ(flag.code, 0) << flag.err;
  EXPECT_THAT(workspace.err, HasSubstr("There is no workspace 00000000-0000-4000-8000-0000000000ff"));
  EXPECT_THAT(environment.err, HasSubstr("Cannot reach http://127.0.0.1:1"));
}

TEST_F(Cli, SaysWhatToDoWhenThereIsNoServer) {
  server.stop();
  const Outcome result = run_here({"flows", "list"});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, AllOf(HasSubstr("Cannot reach " + url + ": Connection refused. Is the server"),
                                HasSubstr("testmesh serve")));
}

TEST_F(Cli, ManagesWorkspacesKeysAndSettings) {
  const Outcome made = run_here({"workspaces", "create", "staging", "--output", "json"});
  ASSERT_EQ(made.code, 0) << made.err;
  const std::string id = json::parse(made.out)["id"];
  EXPECT_THAT(run_here({"workspaces", "list"}).out,
              AllOf(HasSubstr(id), HasSubstr("staging"), HasSubstr("default")));
  EXPECT_THAT(run_here({"workspaces", "rename", id, "production"}).out, HasSubstr("production"));
  const Outcome settings =
      run_here({"settings", "set", "retention_days=0", "enabled=false", "--workspace", id});
  EXPECT_EQ(settings.code, 0) << settings.err;
  EXPECT_EQ(registry->settings(*model::WorkspaceId::parse(id)).retention_days, 0);
  EXPECT_FALSE(registry->settings(*model::WorkspaceId::parse(id)).enabled);
  EXPECT_EQ(json::parse(run_here({"settings", "get", "--workspace", id, "--output", "json"}).out)["enabled"],
            false);
  const Outcome refused = run_here({"settings", "set", "retention_days=x", "nonsense=1", "--workspace", id});
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err,
              AllOf(HasSubstr("`retention_days` must be"), HasSubstr("`nonsense` is not a setting")));
  EXPECT_EQ(run_here({"settings", "set", "retention_days"}).code, 1);
  const Outcome key = run_here({"keys", "create", "ci", "--workspace", id});
  EXPECT_THAT(key.out, HasSubstr("tm_"));
  EXPECT_TRUE(registry->authenticate(key.out.substr(0, key.out.find('\n'))));
  EXPECT_EQ(run_here({"workspaces", "delete", id}).code, 0);
  const Outcome again = run_here({"workspaces", "delete", id});
  EXPECT_EQ(again.code, 1);
  EXPECT_THAT(again.err, HasSubstr("There is no workspace"));
  EXPECT_THAT(run_here({"flows", "list", "--workspace", "x"}).err, HasSubstr("not a UUID"));
}

TEST_F(Cli, ListsFlowsAndTraces) {
  auto& identity = store.identities.emplace_back();
  identity.family = {"", "shop", "GET /items"};
  identity.nodes = {{model::NodeType::kApiEndpoint, "GET /items", "shop"}};
  identity.path = "api_endpoint:GET /items";
  discovery::FlowDetail detail;
  detail.summary.flow = &identity;
  detail.summary.name = "shop -> GET /items";
  detail.summary.occurrence_count = 7;
  detail.summary.error_rate = 0.5;
  detail.nodes.resize(1);
  detail.samples = {{model::TraceId{}, "slowest"}};
  store.details.push_back(detail);
  const Outcome list = run_here({"flows", "list"});
  EXPECT_EQ(list.code, 0) << list.err;
  EXPECT_THAT(list.out, AllOf(HasSubstr("shop -> GET /items"), HasSubstr("50.0 %"), HasSubstr("1 of 1 flow;"),
                              Not(HasSubstr("\x1b"))));
  std::istringstream narrow(run_here({"flows", "list"}, 120).out);
  EXPECT_EQ(json::parse(run_here({"flows", "list", "--output", "json"}).out)["total"], 1);
  const Outcome show = run_here({"flows", "show", identity.id.to_string()});
  EXPECT_THAT(show.out, AllOf(HasSubstr("api_endpoint:GET /items"), HasSubstr("slowest"),
                              HasSubstr("7 (and 0 of tests)")));
  EXPECT_EQ(run_here({"flows", "histogram", identity.id.to_string()}).code, 0);
  EXPECT_EQ(run_here({"flows", "show", "no-uuid"}).code, 1);

  const auto root = span(1, 1, 0, 0, 10'000'000, "shop\x1b[31m");
  store::TraceDetail trace;
  trace.spans = {root, span(1, 2, 1, 2'000'000, 8'000'000, "shop")};
  trace.spans[1].status = model::StatusCode::kError;
  trace.parent_positions = {-1, 0};
  trace.self_ns = {4'000'000, 6'000'000};
  trace.summary = {.trace_id = root.trace_id,
                   .root_service = "shop",
                   .root_operation = "GET /items",
                   .start = root.start,
                   .duration_ns = 10'000'000,
                   .span_count = 2,
                   .error_count = 1,
                   .services = {"shop"},
                   .flow_id = {},
                   .fingerprint = {},
                   .complete = true};
  store.traces[{model::kDefaultWorkspace, root.trace_id}] = trace;
  EXPECT_THAT(run_here({"traces", "search", "--status", "error", "--where", "attributes['a'] == 'b c'"}).out,
              AllOf(HasSubstr(root.trace_id.to_hex()), HasSubstr("complete"), HasSubstr("1 of 1 trace\n")));
  EXPECT_EQ(store.trace_query.attribute->value, model::Value{std::string("b c")});
  EXPECT_THAT(run_here({"flows", "traces", identity.id.to_string()}).out, HasSubstr(root.trace_id.to_hex()));
  const Outcome shown = run_here({"traces", "show", root.trace_id.to_hex()}, 60);
  EXPECT_THAT(shown.out,
              AllOf(Not(HasSubstr("\x1b")), HasSubstr("shop\uFFFD[31m  GET /items   10.0 ms ████")));
  EXPECT_THAT(shown.out, HasSubstr("  ! shop  GET /items"));
  EXPECT_TRUE(json::parse(run_here({"traces", "show", root.trace_id.to_hex(), "--otlp"}).out)
                  .contains("resourceSpans"));
  EXPECT_EQ(run_here({"traces", "show", std::string(32, 'a')}).code, 1);
}

TEST_F(Cli, ImportsFilesAndWaitsWhenTheServerIsBusy) {
  const std::string good =
      file("good.pb", otlp::encode_protobuf({span(1, 1, 0, 0, 5, "a"), span(1, 2, 1, 1, 2, "a")}));
  const std::string other = file("other.json", otlp::encode_json({span(2, 1, 0, 0, 5, "b")}));
  refusals = 2;
  const Outcome result = run_here({"import", good, other, "--output", "json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const json report = json::parse(result.out);
  EXPECT_EQ(report["total"]["spans_sent"], 3);
  EXPECT_EQ(report["total"]["spans_accepted"], 3);
  EXPECT_EQ(report["files"].size(), 2u);
  EXPECT_EQ(posts, 4);
  ASSERT_EQ(received.size(), 2u);
  EXPECT_EQ(received[0].header("x-workspace-id"), "00000000-0000-4000-8000-000000000001");
  EXPECT_EQ(otlp::decode_protobuf(received[0].body).value().spans.size(), 2u);

  reject = true;
  EXPECT_THAT(run_here({"import", good}).out,
              AllOf(HasSubstr("2 spans sent, 1 accepted, 1 rejected"), HasSubstr("bad")));
  fatal = true;
  const Outcome refused = run_here({"import", good});
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("answered 403: off"));
  EXPECT_EQ(run_here({"import", (directory / "missing").string()}).code, 1);
}

TEST_F(Cli, ImportsIntoADataDirectoryThroughItsHook) {
  struct Target final : ImportTarget {
    explicit Target(int& finished) : finished_(finished) {}
    base::Result<ImportTarget::Outcome> send(std::string_view request) override {
      return ImportTarget::Outcome{
          .accepted = otlp::decode_protobuf(request)->spans.size(), .rejected = 0, .message = {}};
    }
    base::Result<void> finish() override {
      ++finished_;
      return {};
    }
    int& finished_;
  };
  int finished = 0;
  std::string opened;
  hooks.open_data_dir = [&](const std::string& name,
                            const model::WorkspaceId&) -> base::Result<std::unique_ptr<ImportTarget>> {
    opened = name;
    return std::make_unique<Target>(finished);
  };
  const std::string good = file("good.pb", otlp::encode_protobuf({span(1, 1, 0, 0, 5, "a")}));
  const Outcome result = run({"import", "--data-dir", "d", good});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(opened, "d");
  EXPECT_EQ(finished, 1);
  EXPECT_THAT(result.out, HasSubstr("1 spans sent, 1 accepted"));
  EXPECT_EQ(run({"import", "--data-dir", "d", good, (directory / "missing").string()}).code, 1);
  EXPECT_EQ(finished, 2) << "what was sent is finished also when a later file fails";
}

TEST_F(Cli, HandsServeItsArguments) {
  std::vector<std::string> given;
  hooks.serve = [&](int argc, const char* const* argv) {
    given.assign(argv, argv + argc);
    return 7;
  };
  EXPECT_EQ(run({"serve", "--listen", "127.0.0.1:0"}).code, 7);
  EXPECT_EQ(given, (std::vector<std::string>{"testmesh serve", "--listen", "127.0.0.1:0"}));
}

TEST_F(Cli, AnalysesFilesTheSameWayEveryTime) {
  std::vector<model::Span> first, second;
  for (uint8_t i = 1; i <= 20; ++i) {
    auto& half = i % 2 ? first : second;
    half.push_back(span(i, 1, 0, i * 100u, i * 100u + 50, "shop"));
    half.push_back(span(i, 2, 1, i * 100u + 10, i * 100u + 40, i % 3 ? "cart" : "stock"));
  }
  const std::string a = file("a.pb", otlp::encode_protobuf(first)),
                    b = file("b.json", otlp::encode_json(second));
  for (const char* output : {"table", "json", "html"}) {
    const Outcome one = run({"analyze", a, b, "--output", output});
    ASSERT_EQ(one.code, 0) << one.err;
    EXPECT_EQ(one.out, run({"analyze", a, b, "--output", output}).out);
    EXPECT_EQ(one.out, run({"analyze", b, a, "--output", output}).out) << "whatever the order of files";
  }
  const json report = json::parse(run({"analyze", a, b, "--output", "json"}).out);
  EXPECT_EQ(report["traces"]["whole"], 20);
  EXPECT_EQ(report["spans"], 40);
  ASSERT_EQ(report["flows"].size(), 2u);
  EXPECT_EQ(report["flows"][0]["occurrence_count"], 14);
  EXPECT_EQ(report["flows"][0]["path_string"], "service:shop->service:cart");
  EXPECT_EQ(report["flows"][0]["nodes"].size(), 2u);
  const std::string again = file("again.pb", otlp::encode_protobuf({span(1, 1, 0, 0, 5, "late")}));
  const json repeated = json::parse(run({"analyze", a, b, again, "--output", "json"}).out);
  EXPECT_EQ(repeated["flows"], report["flows"]) << "of several spans with one id the first counts";
  EXPECT_EQ(repeated["duplicate_spans"], 1);
  EXPECT_EQ(run({"analyze", (directory / "missing").string()}).code, 1);
  const std::string evil =
      file("evil.pb", otlp::encode_protobuf({span(1, 1, 0, 0, 5, "<script>alert(1)</script>")}));
  EXPECT_THAT(run({"analyze", evil, "--output", "html"}).out,
              AllOf(Not(HasSubstr("<script>")), HasSubstr("&lt;script&gt;"), Not(HasSubstr("http"))));
}

}  // namespace
}  // namespace testmesh::cli
