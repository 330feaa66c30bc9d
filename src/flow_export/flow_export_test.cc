#include "flow_export/flow_export.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <random>

#include "base/utf8.h"
#include "discovery/flow_catalog.h"
#include "expr/value.h"
#include "flow_file/flow_file.h"
#include "flow_file/variables.h"

namespace testmesh::flow_export {
namespace {

using model::NodeType;
using model::PathNode;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;

// A flow, and a trace of it with one span a node.
class Exported : public ::testing::Test {
 protected:
  void node(NodeType type, std::string identifier, std::string service,
            std::vector<model::KeyValue> attributes = {}) {
    nodes.push_back({type, identifier, service});
    auto resource = std::make_shared<model::Resource>();
    resource->attributes = {{"service.name", {service}}};
    model::Span span;
    span.name = identifier;
    span.kind = type == NodeType::kApiEndpoint ? model::SpanKind::kServer : model::SpanKind::kClient;
    span.attributes = std::move(attributes);
    span.resource = std::move(resource);
    detail.visits.push_back(
        {static_cast<uint32_t>(detail.spans.size()), static_cast<uint32_t>(nodes.size() - 1)});
    detail.parent_positions.push_back(static_cast<int64_t>(detail.spans.size()) - 1);
    detail.operations.push_back(identifier);
    detail.spans.push_back(std::move(span));
  }
  void endpoint(std::string identifier, std::string service = "cart",
                std::vector<model::KeyValue> attributes = {}) {
    node(NodeType::kApiEndpoint, std::move(identifier), std::move(service), std::move(attributes));
  }

  const discovery::FlowDetail& flow() {
    std::vector<discovery::TreeNode> tree(nodes.size());
    for (size_t i = 1; i < tree.size(); ++i) tree[i].parent = static_cast<int32_t>(i) - 1;
    made.summary.flow = catalog.intern(
        {"", nodes.empty() ? "cart" : nodes[0].service, nodes.empty() ? "x" : nodes[0].identifier}, nodes,
        tree);
    made.summary.name = nodes.empty() ? "x" : nodes[0].service + " -> " + nodes[0].identifier;
    made.summary.nodes = nodes;
    made.summary.occurrence_count = 1234;
    made.summary.risk_score = 0.4567;
    made.summary.p95_duration_ms = p95;
    made.nodes.resize(nodes.size());
    detail.path = nodes;
    detail.summary.trace_id.bytes[15] = 7;
    return made;
  }

  std::string text(Mode mode, bool with_sample = true) {
    return export_flow(flow(), with_sample ? &detail : nullptr, mode);
  }
  // Read back; that it reads without problems is part of every test.
  flow_file::FlowFile read(Mode mode, bool with_sample = true) {
    const std::string yaml = text(mode, with_sample);
    flow_file::Reading reading = flow_file::read_flow(yaml);
    for (const auto& problem : reading.problems)
      ADD_FAILURE() << problem.at.line << ':' << problem.at.column << ": " << problem.message << "\n" << yaml;
    return std::move(reading.flow);
  }
  static std::vector<std::pair<std::string, std::string>> env_of(const flow_file::FlowFile& file) {
    std::vector<std::pair<std::string, std::string>> env;
    for (const auto& [name, value] : file.env) env.emplace_back(name, expr::to_text(value));
    return env;
  }
  static std::string config_of(const flow_file::Step& step) { return expr::to_json(step.config); }
  static std::vector<std::string> sources(const std::vector<flow_file::Assertion>& assertions) {
    std::vector<std::string> texts;
    for (const auto& assertion : assertions) texts.push_back(assertion.source);
    return texts;
  }

  discovery::FlowCatalog catalog;
  discovery::FlowDetail made;
  std::vector<PathNode> nodes;
  store::TraceDetail detail;
  double p95 = 42;
};

model::KeyValue text_attribute(std::string key, std::string value) {
  return {std::move(key), {std::move(value)}};
}
model::KeyValue number_attribute(std::string key, int64_t value) { return {std::move(key), {value}}; }

TEST_F(Exported, HasAStepForEachEndpointTopicAndDatabase) {
  endpoint("POST /orders", "order",
           {text_attribute("url.scheme", "http"), text_attribute("server.address", "shop.test"),
            number_attribute("server.port", 8081), number_attribute("http.response.status_code", 201)});
  endpoint("GET /users/:id", "user", {text_attribute("url.path", "/users/42")});
  node(NodeType::kDatabase, "shop", "user",
       {text_attribute("db.system", "postgresql"),
        text_attribute("db.statement", "SELECT * FROM users WHERE id = $1"),
        text_attribute("net.peer.name", "db.test"), number_attribute("net.peer.port", 5433)});
  node(NodeType::kService, "stripe.test", "order");
  node(NodeType::kTopic, "orders", "order",
       {text_attribute("server.address", "kafka.test"), number_attribute("server.port", 9093)});
  const flow_file::FlowFile file = read(Mode::kSteps);
  EXPECT_EQ(file.name, "order -> POST /orders");
  EXPECT_EQ(file.description, "Auto-discovered flow (seen 1234 times, risk score 0.46)");
  EXPECT_THAT(env_of(file), ElementsAre(Pair("base_url", "http://shop.test:8081"), Pair("id", "42"),
                                        Pair("db_connection", "postgres://db.test:5433/shop"),
                                        Pair("kafka_brokers", "kafka.test:9093")));
  ASSERT_THAT(file.steps, SizeIs(4));
  EXPECT_EQ(file.steps[0].id, "step_1");
  EXPECT_EQ(file.steps[0].name, "Call POST /orders");
  EXPECT_EQ(file.steps[0].action, "http_request");
  EXPECT_EQ(config_of(file.steps[0]), R"({"method":"POST","url":"{{base_url}}/orders"})");
  EXPECT_EQ(config_of(file.steps[1]), R"({"method":"GET","url":"{{base_url}}/users/{{id}}"})");
  EXPECT_EQ(file.steps[2].name, "Call shop");
  EXPECT_EQ(config_of(file.steps[2]),
            R"({"connection":"{{db_connection}}","query":"SELECT * FROM users WHERE id = $1"})");
  EXPECT_EQ(file.steps[3].id, "step_4");
  EXPECT_EQ(config_of(file.steps[3]), R"({"topic":"orders","brokers":"{{kafka_brokers}}","payload":{}})");
  ASSERT_TRUE(file.discovered_from);
  EXPECT_EQ(file.discovered_from->fingerprint, base::to_hex(made.summary.flow->fingerprint));
  EXPECT_EQ(file.discovered_from->sample_trace_id, "00000000000000000000000000000007");
  EXPECT_EQ(file.discovered_from->occurrence_count, 1234u);
  EXPECT_FALSE(file.trace);
}

TEST_F(Exported, HasTheEntryAloneAndThePathInModeTrace) {
  endpoint("GET /orders/:id/items", "order",
           {text_attribute("http.target", "/api/orders/17/items?page=2&page=3&api_key=abc&q=a%20b"),
            number_attribute("http.status_code", 404)});
  node(NodeType::kService, "stripe.test", "order");
  endpoint("GET /users/:id", "user");
  node(NodeType::kDatabase, "shop", "user");
  const flow_file::FlowFile file = read(Mode::kTrace);
  ASSERT_THAT(file.steps, SizeIs(1));
  EXPECT_EQ(
      config_of(file.steps[0]),
      R"({"method":"GET","url":"{{base_url}}/orders/{{id}}/items","params":{"page":["2","3"],"api_key":"***","q":"a b"}})");
  EXPECT_THAT(env_of(file), ElementsAre(Pair("base_url", "http://localhost:8080"), Pair("id", "17")));
  EXPECT_THAT(sources(file.steps[0].assertions), ElementsAre("status == 404"));
  ASSERT_TRUE(file.trace && file.trace->expected_path);
  EXPECT_EQ(*file.trace->expected_path, nodes);
  EXPECT_EQ(file.trace->performance, flow_file::TraceExpectations::Performance::kWarn);
  EXPECT_THAT(sources(file.trace_assert),
              ElementsAre("trace.spans_of('order') | len >= 1", "trace.spans_of('user') | len >= 1",
                          "trace.duration_ms < 1000"));
  EXPECT_TRUE(file.discovered_from);
}

TEST_F(Exported, KnowsNothingOfTheStatusWithoutASample) {
  endpoint("POST /orders");
  const flow_file::FlowFile file = read(Mode::kTrace, false);
  EXPECT_EQ(config_of(file.steps[0]), R"({"method":"POST","url":"{{base_url}}/orders"})");
  EXPECT_THAT(file.steps[0].assertions, IsEmpty());
}

TEST_F(Exported, LimitsTheDurationByTheBaseline) {
  endpoint("GET /a");
  p95 = 250.4;
  EXPECT_THAT(sources(read(Mode::kTrace).trace_assert), Contains("trace.duration_ms < 2504"));
  // What hangs behind a topic ends when it likes.
  node(NodeType::kTopic, "orders", "cart");
  EXPECT_THAT(sources(read(Mode::kTrace).trace_assert), Contains("trace.span('cart').duration_ms < 2504"));
  EXPECT_THAT(*read(Mode::kTrace).trace->expected_path,
              ElementsAre(nodes[0], PathNode{NodeType::kTopic, "orders", ""}));
}

TEST_F(Exported, AllowsTheErrorsThatAreOrdinary) {
  endpoint("GET /a");
  endpoint("GET /b", "user");
  detail.spans[1].status = model::StatusCode::kError;
  flow();
  made.nodes[0].error_rate = 0.04;
  EXPECT_EQ(expr::to_json(expr::Value(read(Mode::kTrace).trace->allow_errors)), R"(["user/GET /b"])");
  made.nodes[0].error_rate = 0.06;
  const std::string yaml = export_flow(made, nullptr, Mode::kTrace);
  const auto reading = flow_file::read_flow(yaml);
  EXPECT_EQ(expr::to_json(expr::Value(reading.flow.trace->allow_errors)), R"(["cart"])");
}

TEST_F(Exported, NamesEachValueOfAParameterOnce) {
  endpoint("GET /users/:id", "a", {text_attribute("url.path", "/users/42")});
  endpoint("GET /orders/:id", "b", {text_attribute("url.path", "/orders/7")});
  endpoint("GET /users/:id/cart", "c", {text_attribute("url.path", "/users/42/cart")});
  endpoint("GET /items/:id", "d", {text_attribute("url.full", "http://h:1/v1/items/9?x=1")});
  const flow_file::FlowFile file = read(Mode::kSteps);
  EXPECT_THAT(env_of(file), ElementsAre(Pair("base_url", "http://localhost:8080"), Pair("id", "42"),
                                        Pair("id_2", "7"), Pair("id_3", "9")));
  EXPECT_THAT(config_of(file.steps[1]), HasSubstr("/orders/{{id_2}}"));
  EXPECT_THAT(config_of(file.steps[2]), HasSubstr("/users/{{id}}/cart"));
  EXPECT_THAT(config_of(file.steps[3]), HasSubstr("/items/{{id_3}}"));
}

TEST_F(Exported, KeepsParametersApartWhoseValuesAreUnknown) {
  endpoint("GET /users/:id/x/:id", "a");
  endpoint("GET /orders/:id", "b");
  endpoint("GET /users/:id", "c");
  const flow_file::FlowFile file = read(Mode::kSteps, false);
  EXPECT_THAT(config_of(file.steps[0]), HasSubstr("/users/{{id}}/x/{{id_2}}"));
  EXPECT_THAT(config_of(file.steps[1]), HasSubstr("/orders/{{id_3}}"));
  EXPECT_THAT(config_of(file.steps[2]), HasSubstr("/users/{{id}}\""));
}

TEST_F(Exported, KeepsNamesApartThatMeanSomethingElse) {
  endpoint("GET /:base_url/:UUID/:kafka_brokers/:step_1/:9/:a-b", "a",
           {text_attribute("url.path", "/p/q/r/s/t/u")});
  node(NodeType::kTopic, "t", "a");
  const flow_file::FlowFile file = read(Mode::kSteps);
  EXPECT_THAT(
      config_of(file.steps[0]),
      HasSubstr("{{base_url}}/{{base_url_2}}/{{UUID_2}}/{{kafka_brokers_2}}/{{step_1_2}}/{{_9}}/{{a_b}}"));
  EXPECT_THAT(config_of(file.steps[1]), HasSubstr("\"{{kafka_brokers}}\""));
}

TEST_F(Exported, MasksSecrets) {
  endpoint("GET /reset/:reset_token/:Password", "a", {text_attribute("url.path", "/reset/s3cret/hunter2")});
  endpoint("GET /reset/:reset_token", "a", {text_attribute("url.path", "/reset/other")});
  const flow_file::FlowFile file = read(Mode::kSteps);
  EXPECT_THAT(env_of(file), ElementsAre(Pair("base_url", "http://localhost:8080"), Pair("reset_token", "***"),
                                        Pair("Password", "***"), Pair("reset_token_2", "***")));
  EXPECT_THAT(text(Mode::kSteps), Not(HasSubstr("s3cret")));
  EXPECT_THAT(text(Mode::kTrace), Not(HasSubstr("hunter2")));
}

TEST_F(Exported, LeavesPasswordsOfAddressesOut) {
  endpoint("GET /a", "a", {text_attribute("http.url", "https://ada:hunter2@shop.test/a")});
  EXPECT_THAT(env_of(read(Mode::kSteps)), ElementsAre(Pair("base_url", "https://shop.test")));
}

TEST_F(Exported, TakesNoReferenceFromATrace) {
  endpoint("GET /a/:id/${x}", "a",
           {text_attribute("url.path", "/a/{{other}}/${x}"), text_attribute("url.query", "q={{y}}")});
  node(NodeType::kDatabase, "shop", "a", {text_attribute("db.statement", "SELECT '{{z}}'")});
  for (const Mode mode : {Mode::kSteps, Mode::kTrace}) {
    const flow_file::FlowFile file = read(mode);
    std::vector<std::string> names;
    for (const auto& [name, value] : file.env)
      for (std::string& reference : flow_file::references(value)) names.push_back(std::move(reference));
    for (const auto& step : file.steps)
      for (std::string& reference : flow_file::references(step.config)) names.push_back(std::move(reference));
    EXPECT_THAT(names, Not(Contains("other")));
    EXPECT_THAT(names, Not(Contains("x")));
    EXPECT_THAT(names, Not(Contains("y")));
    EXPECT_THAT(names, Not(Contains("z")));
    EXPECT_THAT(names, Contains("id"));
  }
}

TEST_F(Exported, CallsOtherEntriesToo) {
  endpoint("shop.Cart/AddItem", "cart");
  EXPECT_EQ(config_of(read(Mode::kTrace).steps[0]),
            R"({"address":"{{grpc_address}}","method":"shop.Cart/AddItem","message":{}})");
  nodes.clear();
  detail = {};
  node(NodeType::kTopic, "orders", "mail");
  node(NodeType::kService, "mail", "mail");
  EXPECT_EQ(read(Mode::kTrace).steps[0].action, "kafka_producer");
  EXPECT_THAT(sources(read(Mode::kTrace).trace_assert), Contains("trace.span('mail').duration_ms < 1000"));
  nodes.clear();
  detail = {};
  node(NodeType::kService, "cron", "cron");
  EXPECT_EQ(read(Mode::kTrace).steps[0].action, "log");
  EXPECT_EQ(read(Mode::kSteps).steps[0].action, "log");
  nodes.clear();
  detail = {};
  EXPECT_THAT(read(Mode::kTrace).steps, SizeIs(1));
}

TEST_F(Exported, TakesTheMethodThatWasSent) {
  endpoint("_OTHER /dav", "a", {text_attribute("http.request.method_original", "PROPFIND")});
  EXPECT_THAT(config_of(read(Mode::kSteps).steps[0]), HasSubstr("PROPFIND"));
  EXPECT_THAT(config_of(read(Mode::kSteps, false).steps[0]), HasSubstr("\"GET\""));
}

TEST_F(Exported, TakesTheBodyWhereATraceShowsIt) {
  endpoint("POST /a", "a", {text_attribute("http.request.body.content", R"({"n": 1})")});
  EXPECT_EQ(
      config_of(read(Mode::kTrace).steps[0]),
      R"({"method":"POST","url":"{{base_url}}/a","body":"{\"n\": 1}","headers":{"Content-Type":"application/json"}})");
}

TEST_F(Exported, ReadsWhateverTheNamesAre) {
  const std::vector<std::string> kHostile = {"a\nb: c",
                                             "{{x}}",
                                             "${y:z}",
                                             "'\"\\",
                                             ": - #",
                                             "\x01\x7f",
                                             "null",
                                             "42",
                                             "- x",
                                             "&a *b !c",
                                             "x\r\ny",
                                             "\xff\xfe",
                                             "\u2028\u202e\ufeff",
                                             "%",
                                             "@",
                                             "`",
                                             "|",
                                             "> x",
                                             "a: b",
                                             "a #b",
                                             "",
                                             " ",
                                             " x ",
                                             "{{'",
                                             "}}",
                                             std::string(10'000, 'x'),
                                             "é😀",
                                             "yes",
                                             "1e3",
                                             "0x1",
                                             "~",
                                             "<<",
                                             "=",
                                             "---",
                                             "...",
                                             "?",
                                             "[",
                                             "{",
                                             "a\tb"};
  for (const std::string& name : kHostile) {
    nodes.clear();
    detail = {};
    endpoint("GET /" + name + "/:" + name, name,
             {text_attribute("url.path", "/" + name + "/" + name), text_attribute("server.address", name)});
    endpoint(name, name);
    node(NodeType::kDatabase, name, name,
         {text_attribute("db.statement", name), text_attribute("db.user", name)});
    node(NodeType::kTopic, name, name);
    node(NodeType::kService, name, name);
    detail.spans[1].status = model::StatusCode::kError;
    SCOPED_TRACE(name.substr(0, 40));
    read(Mode::kSteps);
    read(Mode::kSteps, false);
    read(Mode::kTrace, false);
    const flow_file::FlowFile file = read(Mode::kTrace);
    if (!base::valid_utf8(name) || name.empty()) continue;
    for (size_t i = 0; i < nodes.size(); ++i)
      EXPECT_EQ((*file.trace->expected_path)[i].identifier, nodes[i].identifier);
  }
}

TEST_F(Exported, FitsIntoAFileHoweverLongTheFlowIs) {
  for (int i = 0; i < 6000; ++i) endpoint(fmt::format("GET /{}/{}", std::string(300, 'x'), i), "cart");
  EXPECT_THAT(text(Mode::kSteps), HasSubstr("more nodes than fit"));
  EXPECT_GT(read(Mode::kSteps).steps.size(), 500u);
  EXPECT_FALSE(read(Mode::kTrace).trace->expected_path);
}

TEST_F(Exported, ReadsWhateverIsDrawn) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random(seed);
  const auto draw = [&](size_t most) {
    static constexpr std::string_view kPieces[] = {
        "a", "/", ":",    ":id", " ", "{", "}", "{{",   "}}", "$",  "\n", "\"", "'", "\\", "#",
        "-", "é", "\xff", "%41", "?", "=", "&", "GET ", "*",  "\t", ",",  "[",  "]", "0"};
    std::string text;
    for (size_t i = random() % (most + 1); i > 0; --i) text += kPieces[random() % std::size(kPieces)];
    return text;
  };
  for (int round = 0; round < 300; ++round) {
    nodes.clear();
    detail = {};
    for (size_t i = random() % 6; i > 0; --i)
      node(static_cast<NodeType>(random() % 4), (random() % 2 ? "GET /" : "") + draw(8), draw(3),
           {text_attribute("url.path", "/" + draw(8)), text_attribute("db.statement", draw(10)),
            text_attribute("url.query", draw(10)), text_attribute("http.request.body.content", draw(6)),
            number_attribute("http.status_code", static_cast<int64_t>(random() % 1000))});
    read(Mode::kSteps);
    read(Mode::kTrace);
    if (HasFailure()) break;
  }
}

TEST(Samples, OrdinaryOnesComeFirst) {
  discovery::FlowDetail flow;
  const auto id = [](uint8_t n) {
    model::TraceId made;
    made.bytes[0] = n;
    return made;
  };
  flow.samples = {{id(1), "latest, latest with error"}, {id(2), "slowest"}, {id(3), "recent"}};
  EXPECT_THAT(samples_of(flow), ElementsAre(id(2), id(3), id(1)));
  store::TraceDetail detail;
  EXPECT_FALSE(is_fit(detail));
  detail.summary.complete = true;
  EXPECT_TRUE(is_fit(detail));
  detail.summary.is_test_generated = true;
  EXPECT_FALSE(is_fit(detail));
}

TEST(Modes, HaveNames) {
  EXPECT_EQ(mode_of("steps"), Mode::kSteps);
  EXPECT_EQ(mode_of("trace"), Mode::kTrace);
  EXPECT_EQ(mode_of("Trace"), std::nullopt);
}

}  // namespace
}  // namespace testmesh::flow_export
