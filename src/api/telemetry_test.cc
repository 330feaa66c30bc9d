// Flows, traces and spans: what is asked of the store, and the shapes of the
// answers.
#include <gmock/gmock.h>

#include "api/testing/api_fixture.h"

namespace testmesh::api {
namespace {

using discovery::FlowSort;
using model::Value;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Telemetry : public ApiFixture {
 protected:
  static std::string at(const std::string& below) { return std::string(kWorkspace) + "/telemetry/" + below; }

  model::FlowId add_flow(uint8_t number) {
    auto& identity = store.identities.emplace_back();
    identity.id.bytes[15] = number;
    identity.family = {"", "shop", "GET /cart"};
    identity.nodes = nodes;
    identity.path = path_text;
    identity.fingerprint[0] = number;
    discovery::FlowDetail detail;
    detail.summary = {.flow = &identity,
                      .name = "shop -> GET /cart",
                      .nodes = latest_nodes.empty() ? nodes : latest_nodes,
                      .occurrence_count = 12,
                      .test_count = 1,
                      .avg_duration_ms = 1.0 / 3.0,
                      .p95_duration_ms = 2,
                      .error_rate = 0.25,
                      .risk_score = 0.161,
                      .risk_factors = {0.036, 0.125, 0},
                      .drifted = false,
                      .first_seen = 1'700'000'000'000'000'001,
                      .last_seen = 1'700'000'000'999'999'999,
                      .last_tested = {}};
    detail.nodes.resize(identity.nodes.size());
    if (!detail.nodes.empty()) detail.nodes[0] = {1.5, 1, 4, 2, 0.1, 0.2, 0.3, 0.4, 0.5};
    detail.samples = {{model::TraceId::parse("4bf92f3577b34da6a3ce929d0e0e4736").value(), "latest"}};
    store.details.push_back(std::move(detail));
    return identity.id;
  }

  // A server span with two children, the second of which has a child.
  store::TraceDetail& add_trace() {
    const auto id = model::TraceId::parse("4bf92f3577b34da6a3ce929d0e0e4736").value();
    store::TraceDetail detail;
    auto resource = std::make_shared<model::Resource>();
    resource->attributes = {{"service.name", {std::string("shop")}},
                            {"service.name", {std::string("second")}}};
    auto scope = std::make_shared<model::Scope>();
    scope->name = "lib";
    scope->version = "1";
    const auto add = [&](uint8_t number, uint8_t parent, int64_t position, uint64_t start,
                         uint64_t end) -> model::Span& {
      model::Span& span = detail.spans.emplace_back();
      span.trace_id = id;
      span.span_id.bytes[7] = number;
      span.parent_span_id.bytes[7] = parent;
      span.name = "span " + std::to_string(number);
      span.start = 1'700'000'000'000'000'000 + start;
      span.end = 1'700'000'000'000'000'000 + end;
      span.resource = resource;
      span.scope = scope;
      detail.parent_positions.push_back(position);
      detail.self_ns.push_back(end - start);
      return span;
    };
    detail.spans.reserve(4);  // `root` is used while the others are added
    model::Span& root = add(1, 0, -1, 0, 1'000'001);
    root.kind = model::SpanKind::kServer;
    root.status = model::StatusCode::kError;
    root.status_message = "broken";
    root.attributes = {{"text", {std::string("ä\n")}},
                       {"true", {true}},
                       {"int", {int64_t{42}}},
                       {"exact", {int64_t{9007199254740992}}},
                       {"large", {int64_t{9007199254740993}}},
                       {"least", {INT64_MIN}},
                       {"half", {0.5}},
                       {"nan", {std::nan("")}},
                       {"inf", {-INFINITY}},
                       {"none", {}},
                       {"empty", {std::string()}},
                       {"bytes", {model::Bytes{std::string("\0\xff", 2)}}},
                       {"list", {model::Array{{{int64_t{1}}, {std::string("b")}, {}}}}},
                       {"map", {model::KeyValueList{{{"k", {false}}, {"k", {true}}}}}},
                       {"int", {std::string("twice")}}};
    root.events.push_back(
        {1'700'000'000'000'000'007, "exception", {{"exception.type", {std::string("E")}}}, 0});
    model::Link link;
    link.trace_id = id;
    link.span_id.bytes[0] = 9;
    root.links.push_back(link);
    add(2, 1, 0, 100'000, 300'000).kind = model::SpanKind::kClient;
    add(3, 1, 0, 400'000, 900'000).kind = static_cast<model::SpanKind>(77);
    add(4, 3, 2, 500'000, 600'000).name = "testmesh.step";
    detail.summary = {.trace_id = id,
                      .root_service = "shop",
                      .root_operation = "GET /cart",
                      .start = root.start,
                      .duration_ns = 1'000'001,
                      .span_count = 4,
                      .error_count = 1,
                      .services = {"shop"},
                      .flow_id = {},
                      .fingerprint = {},
                      .complete = false,
                      .partial = false,
                      .is_test_generated = false};
    detail.path = {{model::NodeType::kApiEndpoint, "GET /a->b\\", "shop"},
                   {model::NodeType::kDatabase, "pg", "shop"}};
    return store.traces[{model::kDefaultWorkspace, id}] = std::move(detail);
  }

  std::string path_text = "api_endpoint:GET /cart->database:pg";
  std::vector<model::PathNode> latest_nodes;  // none: as `nodes`
  const std::vector<model::PathNode> nodes = {{model::NodeType::kApiEndpoint, "GET /cart", "shop"},
                                              {model::NodeType::kDatabase, "pg", "shop"}};
};

TEST_F(Telemetry, AFlowShowsTheNodesOfItsLatestTrace) {
  latest_nodes = nodes;
  latest_nodes.back().service = "reader";
  const json flow = get(at("flows/") + add_flow(1).to_string()).body;
  EXPECT_EQ(flow["graph_path"][1],
            json::parse(R"({"type":"database","identifier":"pg","service":"reader"})"));
  EXPECT_EQ(flow["nodes"][1]["service"], "reader");
  EXPECT_EQ(get(at("flows")).body["flows"][0]["graph_path"], flow["graph_path"]);
}

TEST_F(Telemetry, AFlowHasEveryFieldAndNoFigureIsRounded) {
  const auto id = add_flow(1);
  const json flow = get(at("flows/") + id.to_string()).body;
  EXPECT_EQ(flow["id"], "00000000-0000-0000-0000-000000000001");
  EXPECT_EQ(flow["name"], "shop -> GET /cart");
  EXPECT_EQ(flow["environment"], "");
  EXPECT_EQ(flow["fingerprint"], "01" + std::string(62, '0'));
  EXPECT_EQ(flow["graph_path"],
            json::parse(R"([{"type":"api_endpoint","identifier":"GET /cart","service":"shop"},
                                                {"type":"database","identifier":"pg","service":"shop"}])"));
  EXPECT_EQ(flow["avg_duration_ms"].get<double>(), 1.0 / 3.0);
  EXPECT_EQ(flow["risk_factors"], json::parse(R"({"frequency":0.036,"errors":0.125,"latency":0.0})"));
  EXPECT_EQ(flow["first_seen_at"], "2023-11-14T22:13:20.000000001Z");
  EXPECT_EQ(flow["last_seen_at"], "2023-11-14T22:13:20.999999999Z");
  EXPECT_EQ(flow["nodes"][0], json::parse(R"({"type":"api_endpoint","identifier":"GET /cart","service":"shop",
      "calls_per_trace":{"mean":1.5,"p50":1,"max":4},"retries":2,"self_ms":{"p50":0.1,"p95":0.2},"p50_ms":0.3,"p95_ms":0.4,
      "error_rate":0.5})"));
  EXPECT_EQ(flow["sample_trace_ids"],
            json::parse(R"([{"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","why":"latest"}])"));
  std::string upper = id.to_string();
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  EXPECT_EQ(get(at("flows/") + upper).status, 200);
  for (const char* below : {"", "/variants", "/traces", "/histogram"}) {
    expect_error(get(at("flows/11111111-1111-4111-8111-111111111111") + below), 404, "not_found");
    expect_error(get(at("flows/1") + below), 400, "invalid_argument");
  }
}

TEST_F(Telemetry, TheListOfFlowsPassesEveryFilterOn) {
  for (uint8_t i = 0; i < 3; ++i) add_flow(i);
  const Got list =
      get(at("flows?sort=p95_duration_ms&order=asc&drifted=false&covered=true&service=cart&entry_service=shop"
             "&environment=&min_occurrences=3&q=CART&limit=2&cursor=abc&other=1"));
  EXPECT_EQ(list.body["total"], 3);
  EXPECT_EQ(list.body["partial_traces"], 3);
  EXPECT_EQ(list.body["dropped_flows"], 2);
  EXPECT_EQ(list.body["dropped_traces"], 5);
  EXPECT_EQ(list.body["next_cursor"], "more");
  EXPECT_EQ(list.body["flows"].size(), 2u);
  const auto& query = store.flow_query;
  EXPECT_EQ(query.sort, FlowSort::kP95DurationMs);
  EXPECT_FALSE(query.descending);
  EXPECT_EQ(query.drifted, false);
  EXPECT_EQ(query.covered, true);
  EXPECT_EQ(query.service, "cart");
  EXPECT_EQ(query.entry_service, "shop");
  EXPECT_EQ(query.environment, "");
  EXPECT_EQ(query.min_occurrences, 3u);
  EXPECT_EQ(query.name_part, "CART");
  EXPECT_EQ(query.limit, 2u);
  EXPECT_EQ(query.cursor, "abc");
  get(at("flows"));
  EXPECT_EQ(store.flow_query.sort, FlowSort::kRiskScore);
  EXPECT_TRUE(store.flow_query.descending);
  EXPECT_EQ(store.flow_query.limit, 50u);
  EXPECT_FALSE(store.flow_query.environment);
  for (const char* sort : {"risk_score", "occurrence_count", "error_rate", "last_seen_at", "avg_duration_ms"})
    EXPECT_EQ(get(at("flows?sort=") + sort).status, 200);
  for (const char* bad : {"sort=name", "sort=", "order=up", "drifted=1", "covered=yes", "min_occurrences=-1",
                          "min_occurrences=1.5", "limit=1001"})
    expect_error(get(at("flows?") + bad), 400, "invalid_argument");
  store.failure = base::Error{base::ErrorCode::kInvalidArgument, "bad cursor"};
  expect_error(get(at("flows?cursor=x")), 400, "invalid_argument");
}

TEST_F(Telemetry, AFlowHasVariantsTracesAndAHistogram) {
  const auto id = add_flow(1);
  for (uint8_t i = 2; i < 6; ++i) add_flow(i);
  add_trace();
  const std::string one = at("flows/") + id.to_string();
  const Got first = get(one + "/variants?limit=3");
  EXPECT_EQ(first.body["total"], 5);
  EXPECT_EQ(first.body["variants"].size(), 3u);
  const Got second = get(one + "/variants?limit=3&cursor=" + first.body["next_cursor"].get<std::string>());
  EXPECT_EQ(second.body["variants"].size(), 2u);
  EXPECT_FALSE(second.body.contains("next_cursor"));
  expect_error(get(one + "/variants?cursor=x"), 400, "invalid_argument");
  EXPECT_EQ(get(one + "/traces?status=error").body["traces"].size(), 1u);
  EXPECT_EQ(store.trace_query.flow, id);
  EXPECT_EQ(store.trace_query.status, store::StatusFilter::kError);
  store.histogram.minutes = {{1'700'000'040'000'000'000, 3, 1, 0.5, 1.5}};
  EXPECT_EQ(get(one + "/histogram").body,
            json::parse(R"({"minutes":[{"start":"2023-11-14T22:14:00.000000000Z","count":3,
      "errors":1,"avg_duration_ms":0.5,"max_duration_ms":1.5}],"hours":[]})"));
}

TEST_F(Telemetry, ASpanIsShownWithItsTypedValues) {
  add_trace();
  const json span = get(at("traces/4BF92F3577B34DA6A3CE929D0E0E4736")).body["spans"][0];
  EXPECT_EQ(span["attributes"], json::parse(R"({"text":"ä\n","true":true,"int":42,"exact":9007199254740992,
      "large":"9007199254740993","least":"-9223372036854775808","half":0.5,"nan":"NaN","inf":"-Infinity","none":null,
      "empty":"","bytes":"AP8=","list":[1,"b",null],"map":{"k":false}})"));
  EXPECT_EQ(span["resource"], json::parse(R"({"service.name":"shop"})"));
  EXPECT_EQ(span["scope"], json::parse(R"({"name":"lib","version":"1"})"));
  EXPECT_EQ(span["parent_span_id"], nullptr);
  EXPECT_EQ(span["kind"], "server");
  EXPECT_EQ(span["status"], "error");
  EXPECT_EQ(span["status_message"], "broken");
  EXPECT_EQ(span["start_time"], "2023-11-14T22:13:20.000000000Z");
  EXPECT_EQ(span["end_time"], "2023-11-14T22:13:20.001000001Z");
  EXPECT_EQ(span["duration_ms"].get<double>(), 1.000001);
  EXPECT_EQ(span["events"][0]["name"], "exception");
  EXPECT_EQ(span["events"][0]["time"], "2023-11-14T22:13:20.000000007Z");
  EXPECT_EQ(span["links"][0]["span_id"], "0900000000000000");
  EXPECT_EQ(span["is_test_generated"], false);
}

TEST_F(Telemetry, ATraceHasItsTreePathFlowAndCriticalPath) {
  store::TraceDetail& detail = add_trace();
  json trace = get(at("traces/4bf92f3577b34da6a3ce929d0e0e4736")).body;
  EXPECT_EQ(trace["flow"], nullptr);
  EXPECT_EQ(trace["flow_id"], nullptr);
  EXPECT_EQ(trace["complete"], false);
  EXPECT_EQ(trace["spans"][2]["kind"], "unspecified") << "a kind that OTLP does not know";
  EXPECT_EQ(trace["spans"][3]["is_test_generated"], true);
  EXPECT_EQ(trace["spans"][3]["parent_position"], 2);
  EXPECT_EQ(trace["tree"], json::parse(R"([
      {"span_id":"0000000000000001","depth":0,"children":["0000000000000002","0000000000000003"]},
      {"span_id":"0000000000000002","depth":1,"children":[]},
      {"span_id":"0000000000000003","depth":1,"children":["0000000000000004"]},
      {"span_id":"0000000000000004","depth":2,"children":[]}])"));
  EXPECT_EQ(trace["path_string"], "api_endpoint:GET /a-\\>b\\\\->database:pg");
  std::vector<std::string> ids;
  double sum = 0;
  for (const auto& segment : trace["critical_path"]) {
    ids.push_back(segment["span_id"].get<std::string>().substr(15));
    sum += segment["duration_ms"].get<double>();
  }
  EXPECT_THAT(ids, ElementsAre("1", "2", "1", "3", "4", "3", "1"));
  EXPECT_NEAR(sum, trace["duration_ms"].get<double>(), 1e-9);
  detail.summary.flow_id = add_flow(7);
  detail.summary.fingerprint = model::Fingerprint{7};
  trace = get(at("traces/4bf92f3577b34da6a3ce929d0e0e4736")).body;
  EXPECT_EQ(trace["flow"]["id"], trace["flow_id"]);
  EXPECT_EQ(trace["flow"]["occurrence_count"], 12);
}

TEST_F(Telemetry, TheCriticalPathStartsAtTheEarliestSpanWithoutAParentId) {
  store::TraceDetail& detail = add_trace();
  // An orphan in front of the real entry: earlier, but its parent is missing.
  model::Span orphan = detail.spans[1];
  orphan.span_id.bytes[7] = 8;
  orphan.parent_span_id.bytes[7] = 99;
  orphan.start -= 1'000'000;
  detail.spans.push_back(orphan);
  detail.parent_positions.push_back(-1);
  detail.self_ns.push_back(1);
  const json trace = get(at("traces/4bf92f3577b34da6a3ce929d0e0e4736")).body;
  EXPECT_EQ(trace["critical_path"][0]["span_id"], "0000000000000001");
  EXPECT_EQ(trace["spans"][4]["parent_span_id"], "0000000000000063");
  EXPECT_EQ(trace["spans"][4]["parent_position"], nullptr);
}

TEST_F(Telemetry, ATraceIsAlsoGivenAsOtlp) {
  add_trace();
  const Got otlp = get(at("traces/4bf92f3577b34da6a3ce929d0e0e4736?format=otlp"));
  EXPECT_EQ(otlp.status, 200);
  EXPECT_TRUE(otlp.body.contains("resourceSpans"));
  expect_error(get(at("traces/4bf92f3577b34da6a3ce929d0e0e4736?format=xml")), 400, "invalid_argument");
  expect_error(get(at("traces/4bf92f3577b34da6a3ce929d0e0e4737")), 404, "not_found");
  for (const char* bad : {"1", "4bf92f3577b34da6a3ce929d0e0e473g", "4bf92f3577b34da6a3ce929d0e0e47361"})
    expect_error(get(at("traces/") + bad), 400, "invalid_argument");
  ASSERT_TRUE(registry->create(model::WorkspaceId{}, "other"));
  expect_error(get("/api/v1/workspaces/00000000-0000-0000-0000-000000000000/telemetry/traces/"
                   "4bf92f3577b34da6a3ce929d0e0e4736"),
               404, "not_found");
}

TEST_F(Telemetry, TheSearchOfTracesPassesEveryFilterOn) {
  add_trace();
  const auto id = add_flow(5);
  const Got page =
      get(at("traces?service=shop&operation=GET "
             "/cart&status=ok&min_duration_ms=0.5&max_duration_ms=1e3&test=false"
             "&since=2023-11-14T22:13:20.000000001Z&until=2023-11-14T23:13:20+01:00&limit=1000&cursor=c"
             "&q=attributes['items'] == 500&flow_id=") +
          id.to_string());
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.body["total"], 1);
  const auto& query = store.trace_query;
  EXPECT_EQ(query.service, "shop");
  EXPECT_EQ(query.operation, "GET /cart");
  EXPECT_EQ(query.status, store::StatusFilter::kOk);
  EXPECT_EQ(query.min_duration_ns, 500'000u);
  EXPECT_EQ(query.max_duration_ns, 1'000'000'000u);
  EXPECT_EQ(query.test, false);
  EXPECT_EQ(query.since, 1'700'000'000'000'000'001u);
  EXPECT_EQ(query.until, 1'700'000'000'000'000'000u);
  EXPECT_EQ(query.flow, id);
  EXPECT_EQ(query.limit, 1000u);
  EXPECT_EQ(query.cursor, "c");
  ASSERT_TRUE(query.attribute);
  EXPECT_EQ(query.attribute->key, "items");
  EXPECT_EQ(query.attribute->value, Value{int64_t{500}});
  get(at("traces?min_duration_ms=1e300"));
  EXPECT_GT(*store.trace_query.min_duration_ns, 10'000'000'000'000'000'000u);
  for (const char* bad : {"status=failed", "status=", "min_duration_ms=-1", "max_duration_ms=nan",
                          "max_duration_ms=inf", "min_duration_ms=1ms", "test=maybe", "since=yesterday",
                          "until=2023", "flow_id=7", "q=servcie == 'cart'", "limit=0"}) {
    const Got refused = get(at("traces?") + bad);
    expect_error(refused, 400, "invalid_argument");
    EXPECT_THAT(bad, HasSubstr(refused.body["details"].value("parameter", "none")));
  }
}

TEST_F(Telemetry, TheSearchOfSpansPassesEveryFilterOn) {
  add_trace();
  const Got page =
      get(at("spans?trace_id=4BF92f3577b34da6a3ce929d0e0e4736&service=shop&operation=x&status=unset&limit=3"
             "&since=2023-11-14T22:13:20Z&q=resource[\"a\"]=='b'"));
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.body["spans"].size(), 4u);
  EXPECT_EQ(page.body["spans"][0]["self_ms"], nullptr);
  EXPECT_FALSE(page.body["spans"][0].contains("parent_position"));
  EXPECT_EQ(store.span_query.trace_id->to_hex(), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(store.span_query.status, store::StatusFilter::kUnset);
  EXPECT_TRUE(store.span_query.attribute->resource);
  expect_error(get(at("spans?trace_id=7")), 400, "invalid_argument");
}

TEST_F(Telemetry, AManyAttributedSpanStillShowsTheFirstOfEachKey) {
  store::TraceDetail& detail = add_trace();
  for (int i = 0; i < 500; ++i)
    detail.spans[1].attributes.push_back({"k" + std::to_string(i % 250), {int64_t{i}}});
  const json span = get(at("traces/4bf92f3577b34da6a3ce929d0e0e4736")).body["spans"][1];
  EXPECT_EQ(span["attributes"].size(), 250u);
  EXPECT_EQ(span["attributes"]["k249"], 249);
}

}  // namespace
}  // namespace testmesh::api
