// `testmesh traces diff`, as a user types it, against the real REST API.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "api/rest_api.h"
#include "api/testing/fake_executions.h"
#include "api/testing/fake_store.h"
#include "cli/run_cli.h"
#include "cli/text.h"
#include "transport/http/server.h"

namespace testmesh::cli {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr uint64_t kMilli = 1'000'000;

struct Outcome {
  int code = 0;
  std::string out, err;
};

class TracesDiff : public ::testing::Test {
 protected:
  TracesDiff()
      : registry(store::WorkspaceRegistry::open(documents, base::system_clock()).value()),
        runs(documents, store, *registry),
        api(*registry, store, layers, *runs.service, runs.events, nullptr),
        server({}, [this](http::Request request, http::Responder respond) {
          api.handle(std::move(request), std::move(respond));
        }) {
    url = "http://127.0.0.1:" + std::to_string(server.listen("127.0.0.1:0").value().port);
    server.start();
  }
  ~TracesDiff() override { server.stop(); }

  Outcome diff(std::vector<std::string> arguments, unsigned width = 0, bool colour = false) {
    arguments.insert(arguments.begin(), {"testmesh", "traces", "diff"});
    arguments.insert(arguments.end(), {"--server", url});
    std::vector<const char*> argv;
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    std::ostringstream out, err;
    Terminal terminal{.out = out, .err = err, .width = width, .colour = colour};
    Outcome result;
    result.code = run_cli(static_cast<int>(argv.size()), argv.data(), {}, terminal);
    result.out = out.str();
    result.err = err.str();
    return result;
  }

  struct Spec {
    int64_t parent;
    const char* service;
    const char* operation;
    uint64_t start_ms, end_ms;
    bool error = false;
  };
  // The first is the entry.
  store::TraceDetail& add(const std::string& hex, const std::vector<Spec>& specs) {
    store::TraceDetail detail;
    detail.summary.trace_id = model::TraceId::parse(hex).value();
    detail.summary.complete = true;
    for (const Spec& spec : specs) {
      model::Span& span = detail.spans.emplace_back();
      span.span_id.bytes[7] = static_cast<uint8_t>(detail.spans.size());
      if (spec.parent >= 0) span.parent_span_id = detail.spans[static_cast<size_t>(spec.parent)].span_id;
      span.start = 1'700'000'000'000'000'123 + spec.start_ms * kMilli;
      span.end = 1'700'000'000'000'000'123 + spec.end_ms * kMilli;
      if (spec.error) span.status = model::StatusCode::kError;
      auto resource = std::make_shared<model::Resource>();
      resource->attributes = {{"service.name", {std::string(spec.service)}}};
      span.resource = resource;
      span.scope = std::make_shared<model::Scope>();
      detail.parent_positions.push_back(spec.parent);
      detail.operations.push_back(spec.operation);
      detail.self_ns.push_back(0);
      detail.visits.push_back(
          {static_cast<uint32_t>(detail.path.size()), static_cast<uint32_t>(detail.path.size())});
      detail.path.push_back({model::NodeType::kService, spec.operation, spec.service});
    }
    detail.summary.duration_ns = (specs[0].end_ms - specs[0].start_ms) * kMilli;
    detail.summary.span_count = static_cast<uint32_t>(specs.size());
    detail.summary.root_service = specs[0].service;
    detail.summary.root_operation = specs[0].operation;
    return store.traces[{model::kDefaultWorkspace, detail.summary.trace_id}] = std::move(detail);
  }

  void add_two_traces() {
    add(a, {{-1, "shop", "POST /orders", 0, 100},
            {0, "cart", "GET /cart", 10, 30},
            {1, "bank", "charge", 12, 20},
            {0, "stock", "SELECT", 40, 45},
            {0, "old\x1b[31m", "check", 50, 60}});
    std::vector<Spec> right{{-1, "shop", "POST /orders", 0, 300},
                            {0, "cart", "GET /cart", 10, 30},
                            {0, "bank", "charge", 31, 39, true}};
    for (uint64_t i = 0; i < 25; ++i) right.push_back({0, "stock", "SELECT", 40 + 8 * i, 45 + 8 * i});
    right.push_back({0, "mail", "send", 260, 280});
    add(b, right);
  }

  const std::string a = std::string(31, '0') + "a", b = std::string(31, '0') + "b";
  const std::string flow_id = "00000000-0000-0000-0000-000000000007";
  api::FakeTelemetryStore store;
  api::MapDocumentStore documents;
  std::unique_ptr<store::WorkspaceRegistry> registry;
  store::GraphLayers layers{documents};
  api::FakeExecutions runs;
  api::RestApi api;
  http::Server server;
  std::string url;
};

TEST_F(TracesDiff, MarksWhatDiffersInTheTree) {
  add_two_traces();
  const Outcome result = diff({a, b});
  EXPECT_EQ(result.code, 1) << result.err;
  EXPECT_THAT(result.out,
              HasSubstr("Calls: 1 added, 1 removed, 1 moved, 1 changed; +200 ms in time; other paths\n"));
  EXPECT_THAT(result.out, HasSubstr("\n>   ! bank  charge  unset → error  (was below cart  GET /cart)  "));
  EXPECT_THAT(result.out, HasSubstr("\n~   stock  SELECT  ×1 → ×25  "));
  EXPECT_THAT(result.out, HasSubstr("\n-   old\uFFFD[31m  check  "));
  EXPECT_THAT(result.out, HasSubstr("\n+   mail  send  "));
  EXPECT_THAT(result.out,
              HasSubstr("Where the time went (on the critical path; the differences sum to +200 ms)\n"));
  EXPECT_THAT(result.out, HasSubstr("\n   +120 ms   5.0 ms   125 ms  ~  stock     SELECT\n"));
  EXPECT_THAT(result.out, Not(HasSubstr("\x1b")));
}

TEST_F(TracesDiff, ATraceAndItselfAreTheSame) {
  add_two_traces();
  const Outcome result = diff({b, b});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("The same calls; 0 in time; one path\n"),
                                HasSubstr("… 4 calls that do not differ"), Not(HasSubstr("SELECT")),
                                Not(HasSubstr("Where the time went"))));
  EXPECT_THAT(diff({b, b, "--full"}).out, HasSubstr("    stock  SELECT  ×25  "));
}

TEST_F(TracesDiff, FitsTheTerminal) {
  add_two_traces();
  for (const unsigned width : {30u, 60u, 80u, 120u}) {
    std::istringstream lines(diff({a, b}, width).out);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(width_of(line), width) << line;
  }
}

TEST_F(TracesDiff, HasColourOnlyWhereItIsWanted) {
  add_two_traces();
  EXPECT_THAT(diff({a, b}, 100, true).out,
              AllOf(HasSubstr("\x1b[32m+   mail  send"), HasSubstr("\x1b[31m-   old")));
}

TEST_F(TracesDiff, GivesTheAnswerAsJson) {
  add_two_traces();
  const Outcome result = diff({a, b, "--output", "json"});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(json::parse(result.out)["summary"]["added"], 1);
}

TEST_F(TracesDiff, ComparesATraceWithAFlow) {
  add_two_traces();
  auto& identity = store.identities.emplace_back();
  identity.id = model::FlowId::parse(flow_id).value();
  discovery::FlowDetail flow;
  flow.summary.flow = &identity;
  flow.summary.name = "shop -> POST /orders";
  flow.summary.avg_duration_ms = 80;
  flow.summary.p95_duration_ms = 90;
  const discovery::NodeSummary usual{.calls_mean = 1,
                                     .calls_p50 = 1,
                                     .calls_max = 1,
                                     .self_ms_p50 = 1,
                                     .self_ms_p95 = 1,
                                     .p50_ms = 50,
                                     .p95_ms = 110,
                                     .error_rate = 0};
  for (const char* name : {"POST /orders", "audit", "GET /cart", "SELECT", "check"}) {
    identity.nodes.push_back({model::NodeType::kService, name, "shop"});
    flow.nodes.push_back(usual);
  }
  flow.nodes[2].p95_ms = 5;
  flow.summary.nodes = identity.nodes;
  store.details.push_back(flow);
  const Outcome result = diff({a, flow_id});
  EXPECT_EQ(result.code, 1) << result.err;
  EXPECT_THAT(result.out, HasSubstr("+20.0 ms against the average, longer than 95 %.\n"));
  EXPECT_THAT(result.out, HasSubstr("-  service  audit"));
  EXPECT_THAT(result.out, HasSubstr("not in this trace"));
  EXPECT_THAT(result.out, HasSubstr("+  service  charge"));
  EXPECT_THAT(result.out, HasSubstr("15.0 ms above p95"));
  std::istringstream lines(diff({a, flow_id}, 70).out);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(width_of(line), 70u) << line;
}

TEST_F(TracesDiff, WhatCannotBeComparedIsTwo) {
  add_two_traces();
  for (const std::string& with : {std::string(31, '0') + "c", flow_id, std::string("nonsense")}) {
    const Outcome result = diff({a, with});
    EXPECT_EQ(result.code, 2);
    EXPECT_THAT(result.err, HasSubstr("`with`"));
    EXPECT_EQ(result.out, "");
  }
  EXPECT_EQ(diff({a}).code, 2);
  const Outcome help = diff({"--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_THAT(help.out, AllOf(HasSubstr("Example"), HasSubstr("Exit code: 0 the same, 1")));
}

}  // namespace
}  // namespace testmesh::cli
