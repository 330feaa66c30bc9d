#include <gmock/gmock.h>

#include "api/testing/api_fixture.h"
#include "discovery/flow_catalog.h"
#include "flow_file/flow_file.h"

namespace testmesh::api {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class Export : public ApiFixture {
 protected:
  Export() {
    identity = catalog.intern({"", "cart", "GET /users/:id"},
                              {{model::NodeType::kApiEndpoint, "GET /users/:id", "cart"}}, {{}});
    discovery::FlowDetail detail;
    detail.summary.flow = identity;
    detail.summary.name = "cart -> GET /users/:id";
    detail.summary.nodes = identity->nodes;
    detail.summary.occurrence_count = 3;
    detail.nodes.resize(1);
    detail.samples = {{model::TraceId::parse(kTrace).value(), "latest"}};
    store.details.push_back(std::move(detail));

    store::TraceDetail trace;
    trace.summary.trace_id = model::TraceId::parse(kTrace).value();
    trace.summary.complete = true;
    trace.path = identity->nodes;
    trace.visits = {{0, 0}};
    trace.operations = {"GET /users/:id"};
    trace.parent_positions = {-1};
    model::Span& span = trace.spans.emplace_back();
    span.attributes = {{"url.path", {std::string("/users/42")}},
                       {"http.response.status_code", {int64_t{200}}}};
    auto resource = std::make_shared<model::Resource>();
    resource->attributes = {{"service.name", {std::string("cart")}}};
    span.resource = resource;
    store.traces[{model::kDefaultWorkspace, trace.summary.trace_id}] = std::move(trace);
  }

  std::string target() const {
    return std::string(kWorkspace) + "/telemetry/flows/" + identity->id.to_string() + "/export";
  }
  static flow_file::FlowFile read(const Got& got) {
    EXPECT_EQ(got.status, 200) << got.body.dump();
    flow_file::Reading reading = flow_file::read_flow(got.body.at("yaml").get<std::string>());
    EXPECT_THAT(reading.problems, IsEmpty());
    return std::move(reading.flow);
  }

  static constexpr const char* kTrace = "4bf92f3577b34da6a3ce929d0e0e4736";
  discovery::FlowCatalog catalog;
  const discovery::FlowIdentity* identity = nullptr;
};

TEST_F(Export, GivesStepsUnlessAskedForTheTrace) {
  for (const char* body : {"{}", R"({"mode":"steps"})", R"({"mode":null})"}) {
    const flow_file::FlowFile file = read(send_json("POST", target(), body));
    EXPECT_FALSE(file.trace);
    ASSERT_THAT(file.env, SizeIs(2));
    EXPECT_EQ(expr::to_text(file.env[1].second), "42");
  }
  EXPECT_FALSE(read(send(request("POST", target()))).trace) << "no body at all";
  const flow_file::FlowFile file = read(send_json("POST", target(), R"({"mode":"trace"})"));
  ASSERT_TRUE(file.trace);
  EXPECT_EQ(file.steps[0].assertions.at(0).source, "status == 200");
  EXPECT_EQ(file.discovered_from->sample_trace_id, kTrace);
}

TEST_F(Export, DoesWithoutATraceThatIsGone) {
  store.traces.clear();
  const flow_file::FlowFile file = read(send_json("POST", target(), R"({"mode":"trace"})"));
  EXPECT_THAT(file.steps[0].assertions, IsEmpty());
}

TEST_F(Export, RefusesWhatItDoesNotKnow) {
  for (const char* body : {R"({"mode":"all"})", R"({"mode":1})", "[]", "{", "x"}) {
    const Got got = send_json("POST", target(), body);
    EXPECT_EQ(got.status, 400) << body;
    EXPECT_EQ(got.body["code"], "invalid_argument");
  }
  const std::string flows = std::string(kWorkspace) + "/telemetry/flows/";
  EXPECT_EQ(send_json("POST", flows + "00000000-0000-8000-8000-000000000000/export", "{}").status, 404);
  EXPECT_EQ(send_json("POST", flows + "x/export", "{}").status, 400);
  EXPECT_EQ(send_json("GET", target(), "").status, 405);
}

TEST_F(Export, IsWhatRunsWhenAnExecutionNamesTheFlow) {
  std::promise<std::string> ran;
  runs->run = [&](const runner::RunRequest& request, const runner::RunServices&) {
    ran.set_value(request.flow.steps.front().action + " " + std::to_string(request.flow.trace.has_value()));
    return runner::RunResult{};
  };
  const Got got = send_json(
      "POST", std::string(kWorkspace) + "/executions",
      json({{"flow_id", identity->id.to_string()}, {"variables", {{"base_url", "http://x"}}}}).dump());
  ASSERT_EQ(got.status, 202) << got.response.body;
  EXPECT_EQ(ran.get_future().get(), "http_request 1");
}

}  // namespace
}  // namespace testmesh::api
