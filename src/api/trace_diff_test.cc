// The difference of two traces, and of a trace and a flow, as REST answers it.
#include <gmock/gmock.h>

#include "api/testing/api_fixture.h"
#include "model/self_time.h"

namespace testmesh::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kMilli = 1'000'000;

class Diff : public ApiFixture {
 protected:
  struct Spec {
    uint8_t id, parent;
    const char* service;
    const char* operation;
    uint64_t start_ms, end_ms;
    bool error = false;
  };

  // Spans in the order of a trace, the entry first.
  store::TraceDetail& add(const std::string& hex, const std::vector<Spec>& specs) {
    store::TraceDetail detail;
    detail.summary.trace_id = model::TraceId::parse(hex).value();
    std::vector<model::TimedSpan> times;
    for (const Spec& spec : specs) {
      model::Span& span = detail.spans.emplace_back();
      span.trace_id = detail.summary.trace_id;
      span.span_id.bytes[7] = spec.id;
      span.parent_span_id.bytes[7] = spec.parent;
      span.name = "a name that is not shown";
      span.kind = spec.parent == 0 ? model::SpanKind::kServer : model::SpanKind::kInternal;
      span.start = 1'700'000'000'000'000'123 + spec.start_ms * kMilli;
      span.end = 1'700'000'000'000'000'123 + spec.end_ms * kMilli;
      if (spec.error) span.status = model::StatusCode::kError;
      auto resource = std::make_shared<model::Resource>();
      resource->attributes = {{"service.name", {std::string(spec.service)}}};
      span.resource = resource;
      span.scope = std::make_shared<model::Scope>();
      int64_t position = -1;
      for (size_t i = 0; i < specs.size(); ++i)
        if (spec.parent != 0 && specs[i].id == spec.parent) position = static_cast<int64_t>(i);
      detail.parent_positions.push_back(position);
      detail.operations.push_back(spec.operation);
      detail.path.push_back({model::NodeType::kService, spec.operation, spec.service});
      detail.visits.push_back(
          {static_cast<uint32_t>(detail.spans.size() - 1), static_cast<uint32_t>(detail.path.size() - 1)});
      times.push_back({span.start, span.end, position});
    }
    detail.self_ns = model::self_times(times);
    detail.summary.duration_ns = (specs[0].end_ms - specs[0].start_ms) * kMilli;
    detail.summary.root_service = specs[0].service;
    detail.summary.root_operation = specs[0].operation;
    detail.summary.span_count = static_cast<uint32_t>(specs.size());
    return store.traces[{model::kDefaultWorkspace, detail.summary.trace_id}] = std::move(detail);
  }

  discovery::FlowDetail& add_flow(const std::vector<std::pair<const char*, discovery::NodeSummary>>& nodes) {
    auto& identity = store.identities.emplace_back();
    identity.id.bytes[15] = 7;
    for (const auto& [name, figures] : nodes)
      identity.nodes.push_back({model::NodeType::kService, name, "shop"});
    discovery::FlowDetail& detail = store.details.emplace_back();
    detail.summary.flow = &identity;
    detail.summary.name = "shop -> order";
    detail.summary.nodes = identity.nodes;
    detail.summary.avg_duration_ms = 60;
    detail.summary.p95_duration_ms = 90;
    for (const auto& [name, figures] : nodes) detail.nodes.push_back(figures);
    return detail;
  }

  static std::string at(const std::string& left, const std::string& query) {
    return std::string(kWorkspace) + "/telemetry/traces/" + left + "/diff" + query;
  }

  const std::string a = std::string(31, '0') + "a", b = std::string(31, '0') + "b";
};

TEST_F(Diff, ShowsTwoTracesSideBySide) {
  add(a, {{1, 0, "shop", "order", 0, 100}, {2, 1, "cart", "get", 10, 30}, {3, 1, "bank", "pay", 40, 60}});
  add(b, {{1, 0, "shop", "order", 0, 180, true},
          {4, 1, "bank", "pay", 20, 40},
          {5, 1, "bank", "pay", 50, 130, true},
          {6, 1, "mail", "send", 140, 160}});
  const Got got = get(at(a, "?with=" + b));
  ASSERT_EQ(got.status, 200) << got.response.body;
  const json& diff = got.body;
  EXPECT_EQ(diff["kind"], "trace");
  EXPECT_EQ(diff["left"]["trace_id"], a);
  EXPECT_EQ(diff["right"]["trace_id"], b);
  EXPECT_EQ(diff["left"]["path_string"], "service:order->service:get->service:pay");
  EXPECT_EQ(diff["same_path"], false);
  EXPECT_EQ(diff["duration_delta_ms"], 80.0);
  EXPECT_EQ(diff["truncated"], false);
  EXPECT_EQ(diff["summary"], json::parse(R"({"same":0,"added":1,"removed":1,"moved":0,"changed":2})"));
  std::vector<std::string> rows;
  for (const json& span : diff["spans"])
    rows.push_back(span["change"].get<std::string>() + " " + span["service"].get<std::string>() +
                   span["differs_in"].dump());
  EXPECT_THAT(rows, ElementsAre("changed shop[\"status\"]", "removed cart[]",
                                "changed bank[\"count\",\"status\"]", "added mail[]"));
  EXPECT_EQ(diff["spans"][2], json::parse(R"({"change":"changed","differs_in":["count","status"],"depth":1,
      "service":"bank","operation":"pay","kind":"internal",
      "left":{"span_id":"0000000000000003","count":1,"error_count":0,"status":"unset","start_ms":40.0,"duration_ms":20.0,
              "self_ms":20.0,"critical_ms":20.0},
      "right":{"span_id":"0000000000000004","count":2,"error_count":1,"status":"error","start_ms":20.0,"duration_ms":100.0,
               "self_ms":100.0,"critical_ms":100.0},
      "delta_ms":80.0,"self_delta_ms":80.0,"critical_delta_ms":80.0,"moved_from":null})"));
  EXPECT_EQ(diff["spans"][1]["right"], nullptr);
  EXPECT_EQ(diff["spans"][1]["delta_ms"], -20.0);
  EXPECT_EQ(diff["path"][1],
            json::parse(R"({"change":"removed","type":"service","identifier":"get","service":"cart",
      "left_service":"cart"})"));
  double sum = 0;
  for (const json& part : diff["contributions"]) sum += part["delta_ms"].get<double>();
  EXPECT_NEAR(sum, 80, 1e-9);
  EXPECT_EQ(diff["contributions"][0],
            json::parse(R"({"span":2,"change":"changed","service":"bank","operation":"pay",
      "kind":"internal","left_critical_ms":20.0,"right_critical_ms":100.0,"delta_ms":80.0})"));
  EXPECT_EQ(diff["critical_path"]["left"][1], json::parse(R"({"span_id":"0000000000000002","service":"cart",
      "operation":"get","start_ms":10.0,"duration_ms":20.0})"));
}

TEST_F(Diff, SaysWhereACallMovedFrom) {
  add(a, {{1, 0, "shop", "order", 0, 100}, {2, 1, "cart", "get", 10, 30}, {3, 2, "bank", "pay", 15, 20}});
  add(b, {{1, 0, "shop", "order", 0, 100}, {2, 1, "cart", "get", 10, 30}, {3, 1, "bank", "pay", 40, 60}});
  const json diff = get(at(a, "?with=" + b)).body;
  EXPECT_EQ(diff["spans"][2]["change"], "moved");
  EXPECT_EQ(diff["spans"][2]["moved_from"],
            json::parse(R"({"span_id":"0000000000000002","service":"cart","operation":"get"})"));
}

TEST_F(Diff, OfATraceWithItselfIsAllTheSame) {
  add(a, {{1, 0, "shop", "order", 0, 100}, {2, 1, "cart", "get", 10, 30}, {3, 1, "cart", "get", 40, 60}});
  std::string upper = a;
  upper.back() = 'A';
  const json diff = get(at(a, "?with=" + upper)).body;
  EXPECT_EQ(diff["summary"], json::parse(R"({"same":2,"added":0,"removed":0,"moved":0,"changed":0})"));
  EXPECT_EQ(diff["same_path"], true);
  EXPECT_EQ(diff["duration_delta_ms"], 0.0);
  EXPECT_THAT(diff["contributions"], IsEmpty());
}

TEST_F(Diff, RefusesWhatIsNotThereAndWhatIsNoId) {
  add(a, {{1, 0, "shop", "order", 0, 100}});
  for (const std::string& bad : {std::string(), std::string("?with="), "?with=" + b + "0",
                                 std::string("?with=x"), std::string("?without=") + b}) {
    const Got refused = get(at(a, bad));
    expect_error(refused, 400, "invalid_argument");
    EXPECT_EQ(refused.body["details"]["parameter"], "with") << bad;
  }
  expect_error(get(at("x", "?with=" + a)), 400, "invalid_argument");
  const Got missing = get(at(a, "?with=" + b));
  expect_error(missing, 404, "not_found");
  EXPECT_THAT(missing.body["error"].get<std::string>(), HasSubstr("`with`"));
  expect_error(get(at(b, "?with=" + a)), 404, "not_found");
  expect_error(get(at(a, "?with=11111111-1111-4111-8111-111111111111")), 404, "not_found");
}

TEST_F(Diff, ShowsATraceAgainstAFlow) {
  discovery::NodeSummary usual{.calls_mean = 1.5,
                               .calls_p50 = 1,
                               .calls_max = 2,
                               .self_ms_p50 = 10,
                               .self_ms_p95 = 100,
                               .p50_ms = 20,
                               .p95_ms = 100,
                               .error_rate = 0.01};
  discovery::NodeSummary quick = usual;
  quick.p95_ms = 8;
  add_flow({{"order", usual}, {"audit", usual}, {"get", usual}, {"pay", quick}});
  store::TraceDetail& trace = add(a, {{1, 0, "shop", "order", 0, 100},
                                      {2, 1, "shop", "get", 10, 30},
                                      {3, 1, "shop", "pay", 40, 60},
                                      {4, 1, "shop", "pay", 61, 63, true},
                                      {5, 1, "shop", "pay", 64, 66},
                                      {6, 1, "shop", "extra", 70, 80}});
  trace.path.erase(trace.path.begin() + 3, trace.path.begin() + 5);
  trace.visits = {{0, 0}, {1, 1}, {2, 2}, {3, 2}, {4, 2}, {5, 3}};
  const Got got = get(at(a, "?with=00000000-0000-0000-0000-000000000007"));
  ASSERT_EQ(got.status, 200) << got.response.body;
  const json& diff = got.body;
  EXPECT_EQ(diff["kind"], "flow");
  EXPECT_EQ(diff["flow"]["name"], "shop -> order");
  EXPECT_EQ(diff["same_path"], false);
  EXPECT_EQ(diff["duration_delta_ms"], 40.0);
  EXPECT_EQ(diff["slower"], true);
  EXPECT_EQ(diff["summary"], json::parse(R"({"same":2,"missing":1,"unexpected":1,"moved":0,"changed":1})"));
  std::vector<std::string> rows;
  for (const json& node : diff["nodes"])
    rows.push_back(node["change"].get<std::string>() + " " + node["identifier"].get<std::string>());
  EXPECT_THAT(rows,
              ElementsAre("same order", "missing audit", "same get", "changed pay", "unexpected extra"));
  const json& pay = diff["nodes"][3];
  EXPECT_EQ(pay["differs_in"], json::parse(R"(["slower","more_calls","failed"])"));
  EXPECT_EQ(pay["trace"], json::parse(R"({"calls":3,"error_count":1,"max_ms":20.0,"max_self_ms":20.0,
      "slowest_span_id":"0000000000000003"})"));
  EXPECT_EQ(pay["over_p95_ms"], 12.0);
  EXPECT_EQ(pay["flow"]["calls_per_trace"]["max"], 2);
  EXPECT_EQ(diff["nodes"][1]["trace"], nullptr);
  EXPECT_EQ(diff["nodes"][4]["flow"], nullptr);
  EXPECT_EQ(diff["critical_path"]["left"].size(), 11u);
}

}  // namespace
}  // namespace testmesh::api
