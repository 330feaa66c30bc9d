// testmesh graph, coverage, check and --watch against the real REST API.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/interrupt.h"
#include "cli/testing/cli_fixture.h"

namespace testmesh::cli {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

class SettableClock final : public base::Clock {
 public:
  base::UnixNanos now() const override { return time; }
  base::UnixNanos time = base::from_rfc3339("2026-11-26T22:10:00Z").value();
};

class Reports : public Cli {
 protected:
  Reports() { hooks.clock = &clock; }

  void see_traffic() {
    graph::RuntimeGraph& seen = store.runtime_graph;
    const graph::Traffic traffic{.call_count = 40,
                                 .error_count = 2,
                                 .avg_duration_ms = 12,
                                 .p95_duration_ms = 30,
                                 .first_seen = clock.time - 3'600'000'000'000,
                                 .last_seen = clock.time - 60'000'000'000};
    seen.nodes = {{{graph::NodeType::kService, "cart", "cart"}, {}, traffic},
                  {{graph::NodeType::kService, "shop", "shop"}, {}, traffic},
                  {{graph::NodeType::kApiEndpoint, "GET /carts/:id", "cart"}, {}, traffic}};
    seen.edges = {{0, 2, graph::EdgeType::kExposes, traffic}, {1, 0, graph::EdgeType::kCalls, traffic}};
  }
  void add_flow(const std::string& operation, uint64_t traces, uint64_t tests, double risk) {
    auto& identity = store.identities.emplace_back();
    identity.family = {"", "shop", operation};
    identity.id = model::FlowId::parse("3f0c7e1a-9a1b-8c2d-8e3f-0000000000" +
                                       std::to_string(10 + store.identities.size()))
                      .value();
    identity.fingerprint.fill(static_cast<uint8_t>(store.identities.size()));
    discovery::FlowDetail detail;
    detail.summary.flow = &identity;
    detail.summary.name = "shop -> " + operation;
    detail.summary.occurrence_count = traces;
    detail.summary.test_count = tests;
    detail.summary.risk_score = risk;
    store.details.push_back(detail);
  }
  // Every pause runs the next of these; after the last one the user stops.
  void between_rounds(std::vector<std::function<void()>> changes) {
    hooks.pause = [this, changes = std::move(changes),
                   next = size_t{0}](std::chrono::milliseconds time) mutable {
      paused.push_back(time);
      clock.time += static_cast<base::UnixNanos>(std::chrono::nanoseconds(time).count());
      if (next == changes.size()) return false;
      changes[next++]();
      return true;
    };
  }
  std::string content_of(const std::string& name) {
    std::ifstream in(directory / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  SettableClock clock;
  std::vector<std::chrono::milliseconds> paused;
};

TEST_F(Reports, HaveHelpWithAnExample) {
  for (std::vector<std::string> command : {std::vector<std::string>{"graph"},
                                           {"graph", "list"},
                                           {"graph", "show"},
                                           {"graph", "conflicts"},
                                           {"graph", "export"},
                                           {"graph", "import"},
                                           {"graph", "put"},
                                           {"coverage"},
                                           {"check"}}) {
    command.push_back("--help");
    const Outcome help = run(command);
    EXPECT_EQ(help.code, 0) << command[0];
    EXPECT_THAT(help.out, AllOf(HasSubstr("Example"), HasSubstr("--server"))) << help.out;
  }
}

TEST_F(Reports, AreCalledWronglyWithTwo) {
  for (const std::vector<std::string>& wrong :
       {std::vector<std::string>{"graph", "lst"},
        {"graph", "--layer", "docker"},
        {"graph", "--since", "yesterday"},
        {"graph", "--declared-never-seen", "--seen-never-declared"},
        {"graph", "export", "--format", "svg"},
        {"graph", "import", "x.json"},
        {"graph", "import", "--kind", "openapi", "http://host/openapi.json"},
        {"graph", "put", "runtime", "x.json"},
        {"graph", "--watch", "--interval", "1ms"},
        {"coverage", "--covered", "maybe"},
        {"coverage", "--min-risk", "2"},
        {"check", "--rule", "nonsense"},
        {"check", "--report", "junit"},
        {"check", "--report", "junit="},
        {"check", "--report", "html=x"},
        {"check", "--watch", "--write-baseline", "x"},
        {"check", "--nonsense"}}) {
    const Outcome result = run_here(wrong);
    EXPECT_EQ(result.code, 2) << wrong[0] << ' ' << wrong[1] << result.out << result.err;
    EXPECT_NE(result.err, "");
  }
  EXPECT_THAT(run({"graph", "lst"}).err, HasSubstr("There is: list show conflicts"));
  EXPECT_THAT(run_here({"check", "--rule", "nonsense"}).err, HasSubstr("There is: uncovered-flow"));
  EXPECT_THAT(run_here({"graph", "import", "--kind", "openapi", "http://host/x"}).err,
              AllOf(HasSubstr("Nothing is fetched"), HasSubstr("curl -fsS http://host/x | testmesh")));
}

TEST_F(Reports, SayWhatToDoWhereThereIsNothing) {
  for (const char* command : {"coverage", "check", "graph"}) {
    const Outcome result = run_here({command});
    EXPECT_EQ(result.code, std::string(command) == "check" ? 2 : 0) << command;
    EXPECT_THAT(result.out, ::testing::AnyOf(HasSubstr("send traces to " + url),
                                             HasSubstr("no flows in this workspace")));
  }
  EXPECT_THAT(run_here({"flows", "list"}).out,
              HasSubstr("No flows yet: send traces to " + url + "/v1/traces"));
  EXPECT_THAT(run_here({"coverage", "--service", "x"}).out, HasSubstr("No flow fits these filters"));
  EXPECT_THAT(run_here({"graph", "--since", "5m"}).out, HasSubstr("Nothing in the graph fits"));
}

TEST_F(Reports, ShowTheGraph) {
  see_traffic();
  const Outcome list = run_here({"graph"});
  EXPECT_EQ(list.code, 0) << list.err;
  EXPECT_EQ(list.out, run_here({"graph", "list"}).out);
  EXPECT_THAT(list.out, AllOf(HasSubstr("shop    calls    cart"), HasSubstr("5.0 %"),
                              HasSubstr("3 nodes, 2 edges"), Not(HasSubstr("\x1b"))));
  EXPECT_EQ(json::parse(run_here({"graph", "--output", "json"}).out)["nodes"].size(), 3u);
  EXPECT_THAT(run_here({"graph", "--no-endpoints"}).out, HasSubstr("2 nodes, 1 edge\n"));
  EXPECT_THAT(run_here({"graph", "--since", "30s"}).out, HasSubstr("Nothing in the graph fits"))
      << "by the clock";
  EXPECT_THAT(run_here({"graph", "--since", "2m"}).out, HasSubstr("3 nodes"));
  EXPECT_THAT(run_here({"graph", "--declared-never-seen"}).out,
              HasSubstr("Everything that is declared was seen"));
  const Outcome show = run_here({"graph", "show", "cart"});
  EXPECT_THAT(show.out,
              AllOf(HasSubstr("What uses it"), HasSubstr("shop"), HasSubstr("seen, never declared")));
  const json node = json::parse(run_here({"graph", "show", "GET /carts/:id", "--output", "json"}).out);
  EXPECT_EQ(node["node"]["type"], "api_endpoint");
  EXPECT_EQ(node["edges"].size(), 1u);
  EXPECT_EQ(run_here({"graph", "show", "zebra"}).code, 1);
  EXPECT_THAT(run_here({"graph", "conflicts"}).out, HasSubstr("No conflicts"));
}

TEST_F(Reports, ExportTheGraph) {
  see_traffic();
  EXPECT_THAT(run_here({"graph", "export", "--format", "dot"}).out,
              AllOf(HasSubstr("digraph"), HasSubstr("GET /carts/:id")));
  EXPECT_THAT(run_here({"graph", "export", "--format", "dot", "--no-endpoints"}).out,
              AllOf(HasSubstr("digraph"), Not(HasSubstr("GET /carts/:id"))));
  EXPECT_THAT(run_here({"graph", "export", "--format", "mermaid"}).out, HasSubstr("flowchart"));
  const std::string path = (directory / "graph.json").string();
  const Outcome written = run_here({"graph", "export", "-o", path});
  EXPECT_EQ(written.code, 0) << written.err;
  EXPECT_EQ(written.out, "");
  EXPECT_EQ(json::parse(content_of("graph.json"))["edges"].size(), 2u);
  EXPECT_EQ(run_here({"graph", "export", "-o", (directory / "no" / "such").string()}).code, 1);
}

TEST_F(Reports, LoadDocumentsIntoTheGraph) {
  const std::string document =
      R"({"openapi": "3.0.0", "info": {"title": "cart", "version": "1"},
          "paths": {"/carts/{cartId}": {"get": {}, "delete": {}}}})";
  const Outcome imported = run_here({"graph", "import", "--kind", "openapi", file("openapi.json", document)});
  EXPECT_EQ(imported.code, 0) << imported.err;
  EXPECT_THAT(imported.out, HasSubstr("Layer spec: 3 nodes, 2 edges\n"));
  input = document;
  const Outcome piped =
      run_here({"graph", "import", "--kind", "openapi", "--service", "basket", "-", "--output", "json"});
  EXPECT_EQ(json::parse(piped.out)["layer"], "spec");
  EXPECT_THAT(run_here({"graph", "--layer", "spec"}).out, AllOf(HasSubstr("cart"), HasSubstr("basket")));
  EXPECT_EQ(run_here({"graph", "import", "--kind", "openapi", (directory / "missing").string()}).code, 1);
  EXPECT_THAT(run_here({"graph", "import", "--kind", "openapi", directory.string()}).err,
              HasSubstr("directory"));
  EXPECT_THAT(run_here({"graph", "import", "--kind", "openapi", file("empty", "")}).err,
              HasSubstr("is empty"));
  EXPECT_EQ(run_here({"graph", "import", "--kind", "openapi", file("bad", "\xff{")}).code, 1);

  input = R"({"nodes": [{"type": "service", "name": "batch"}], "edges": []})";
  EXPECT_THAT(run_here({"graph", "put", "code", "-"}).out, HasSubstr("Layer code: 1 node, 0 edges"));
  EXPECT_THAT(run_here({"graph", "put", "code", file("no.json", "nodes")}).err, HasSubstr("is not JSON"));
  EXPECT_EQ(run_here({"graph", "put", "code", file("no.json", R"({"nodes": 1})")}).code, 1);
}

TEST_F(Reports, ShowCoverage) {
  add_flow("POST /orders", 300, 0, 0.4);
  add_flow("GET /items", 100, 3, 0.3);
  const Outcome result = run_here({"coverage"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("1 of 2 flows are exercised by tests (50 %)\n"),
                                HasSubstr("shop -> POST /orders"), HasSubstr("0.400")));
  EXPECT_EQ(json::parse(run_here({"coverage", "--output", "json"}).out)["uncovered"], 1);
  EXPECT_THAT(run_here({"coverage", "--limit", "1"}).out, HasSubstr("1 of 2 flows shown"));
  run_here({"coverage", "--service", "cart", "--min-occurrences", "7"});
  EXPECT_EQ(store.flow_query.service, "cart");
  EXPECT_EQ(store.flow_query.min_occurrences, 7u);
}

TEST_F(Reports, CheckFindsAndAccepts) {
  add_flow("POST /orders", 300, 0, 0.4);
  add_flow("GET /items", 100, 3, 0.3);
  const std::string junit = (directory / "c.xml").string(), sarif = (directory / "c.sarif").string(),
                    report = (directory / "c.json").string(),
                    baseline = (directory / "baseline.json").string();
  const Outcome found = run_here(
      {"check", "--report", "junit=" + junit, "--report", "sarif=" + sarif, "--report", "json=" + report});
  EXPECT_EQ(found.code, 1) << found.err;
  EXPECT_THAT(found.out, AllOf(HasSubstr("shop -> POST /orders"), Not(HasSubstr("GET /items")),
                               HasSubstr("FAILED: 1 finding\n")));
  EXPECT_THAT(content_of("c.xml"),
              AllOf(HasSubstr("tests=\"2\" failures=\"1\""), HasSubstr("timestamp=\"2026-11-26T22:10:00\"")));
  EXPECT_EQ(json::parse(content_of("c.sarif"))["runs"][0]["results"].size(), 1u);
  EXPECT_EQ(json::parse(content_of("c.json")), json::parse(run_here({"check", "--output", "json"}).out));

  EXPECT_EQ(run_here({"check", "--max-uncovered", "1"}).code, 0);
  EXPECT_EQ(run_here({"check", "--risk", "0.5"}).code, 0);
  EXPECT_EQ(run_here({"check", "--min-occurrences", "301"}).code, 0);

  const Outcome written = run_here({"check", "--write-baseline", baseline});
  EXPECT_EQ(written.code, 0) << written.err;
  EXPECT_THAT(written.out, HasSubstr("1 finding accepted in " + baseline));
  EXPECT_EQ(run_here({"check", "--baseline", baseline}).code, 0);
  add_flow("DELETE /orders/:id", 100, 0, 0.35);
  const Outcome more = run_here({"check", "--baseline", baseline});
  EXPECT_EQ(more.code, 1);
  EXPECT_THAT(more.out, AllOf(HasSubstr("1 new finding; 1 accepted by"), HasSubstr("DELETE /orders/:id")));
  EXPECT_EQ(run_here({"check", "--baseline", (directory / "missing").string()}).code, 2);
  EXPECT_EQ(run_here({"check", "--baseline", sarif}).code, 2) << "no baseline";
  EXPECT_EQ(run_here({"check", "--report", "junit=" + (directory / "no" / "x.xml").string()}).code, 2);
  EXPECT_THAT(run_here({"check", "--list-rules"}).out, HasSubstr("uncovered-flow"));
}

TEST_F(Reports, CheckSaysWhenItCouldNot) {
  server.stop();
  const std::string junit = (directory / "c.xml").string(), sarif = (directory / "c.sarif").string();
  const Outcome away = run_here({"check", "--report", "junit=" + junit, "--report", "sarif=" + sarif});
  EXPECT_EQ(away.code, 2);
  EXPECT_THAT(away.err, HasSubstr("Cannot reach " + url));
  EXPECT_THAT(content_of("c.xml"), HasSubstr("failures=\"0\" errors=\"1\""));
  EXPECT_EQ(json::parse(content_of("c.sarif"))["runs"][0]["invocations"][0]["executionSuccessful"], false);
  EXPECT_EQ(json::parse(run_here({"check", "--output", "json"}).out)["verdict"], "not_checked");
}

TEST_F(Reports, WatchPrintsWhatChanged) {
  see_traffic();
  between_rounds({[] {}, [&] { store.runtime_graph.edges.pop_back(); }, [] {}});
  const Outcome result = run_here({"graph", "--watch", "--interval", "5s"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("--- 2026-11-26 22:10:00 UTC\n"), HasSubstr("--- 2026-11-26 22:10:10 UTC\n"),
                    Not(HasSubstr("22:10:05")), Not(HasSubstr("22:10:15")), Not(HasSubstr("\x1b"))));
  EXPECT_EQ(paused, std::vector<std::chrono::milliseconds>(4, 5s));
}

TEST_F(Reports, WatchPrintsJsonALineEach) {
  add_flow("GET /items", 100, 0, 0.3);
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"flows", "list"}, {"coverage"}, {"check"}, {"graph"}}) {
    see_traffic();
    between_rounds({[&] {
      add_flow("POST /orders", 100, 0, 0.3);
      store.runtime_graph.edges.clear();
    }});
    auto arguments = command;
    arguments.insert(arguments.end(), {"--watch", "--output", "json"});
    std::istringstream lines(run_here(arguments).out);
    int blocks = 0;
    for (std::string line; std::getline(lines, line); ++blocks) EXPECT_TRUE(json::parse(line).is_object());
    EXPECT_EQ(blocks, 2) << command[0];
  }
}

TEST_F(Reports, WatchDrawsInPlaceOnATerminal) {
  see_traffic();
  between_rounds({[] {}});
  height = 6;
  const std::string out = run_here({"graph", "--watch"}, 100).out;
  const size_t second = out.find("\x1b[H", out.find("\x1b[H") + 1);
  ASSERT_NE(second, std::string::npos) << "every round is drawn";
  EXPECT_THAT(
      out, ::testing::StartsWith("\x1b[?7l\x1b[2J\x1b[H2026-11-26 22:10:00 UTC, every 2.0 s; Ctrl-C ends"));
  const std::string frame = out.substr(second);
  EXPECT_EQ(std::ranges::count(frame, '\n'), 5) << "one line less than the terminal has, or it scrolls";
  EXPECT_THAT(frame, AllOf(HasSubstr("more lines\x1b[K\n"), ::testing::EndsWith("\x1b[J\x1b[?7h")));
}

TEST_F(Reports, WatchWaitsForAServerThatIsAway) {
  add_flow("GET /items", 100, 0, 0.3);
  between_rounds({[&] { store.failure = base::Error{base::ErrorCode::kUnavailable, "The disk is full"}; },
                  [] {}, [&] { store.failure.reset(); }});
  const Outcome result = run_here({"coverage", "--watch"});
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.err, AllOf(HasSubstr("22:10:02 UTC, trying again: "), Not(HasSubstr("22:10:04"))))
      << "said once";
  EXPECT_EQ(paused.size(), 4u);

  between_rounds({[&] { server.stop(); }});
  const Outcome gone = run_here({"coverage", "--watch"}, 90);
  EXPECT_EQ(gone.code, 0);
  EXPECT_THAT(gone.out, AllOf(HasSubstr("Cannot reach " + url), HasSubstr("Below is what it was at")));
}

TEST_F(Reports, WatchedCheckEndsWithTheLastVerdict) {
  add_flow("GET /items", 100, 0, 0.3);
  between_rounds({[&] { store.details[0].summary.test_count = 1; }});
  EXPECT_EQ(run_here({"check", "--watch"}).code, 0);
  between_rounds({[&] { store.details[0].summary.test_count = 0; },
                  [&] { store.failure = base::Error{base::ErrorCode::kUnavailable, "away"}; }});
  EXPECT_EQ(run_here({"check", "--watch"}).code, 1) << "what was last known";
  between_rounds({});
  EXPECT_EQ(run_here({"check", "--watch"}).code, 2) << "there never was one";
  store.failure.reset();
  between_rounds({[] {}});
  const Outcome wrong = run_here({"check", "--watch", "--workspace", "00000000-0000-4000-8000-0000000000ff"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("There is no workspace"));
  EXPECT_EQ(paused.size(), 2u + 3u + 1u) << "waiting does not help there";
}

TEST(Interrupt, EndsTheWait) {
  {
    Interrupt interrupt;
    EXPECT_TRUE(interrupt.wait(0ms));
    raise(SIGINT);
    EXPECT_FALSE(interrupt.wait(1h)) << "it came before the wait";
    EXPECT_FALSE(interrupt.wait(1h));
  }
  Interrupt again;
  EXPECT_TRUE(again.wait(0ms));
  raise(SIGTERM);
  EXPECT_FALSE(again.wait(1h));
}

}  // namespace
}  // namespace testmesh::cli
