#include "flow_file/flow_file.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "flow_file/action_schema.h"

namespace testmesh::flow_file {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

std::vector<std::string> problems_of(std::string_view yaml) {
  std::vector<std::string> lines;
  for (const Problem& problem : read_flow(yaml).problems)
    lines.push_back(fmt::format("{}:{}: {}", problem.at.line, problem.at.column, problem.message));
  return lines;
}

FlowFile flow_of(std::string_view yaml) {
  Reading reading = read_flow(yaml);
  EXPECT_THAT(problems_of(yaml), IsEmpty());
  return std::move(reading.flow);
}

// A flow with these lines as its only step's, each indented by four blanks.
std::string with_step(std::string_view lines) { return fmt::format("name: x\nsteps:\n  - {}\n", lines); }

constexpr std::string_view kOrderFlow = R"(flow:
  name: Order Flow
  description: Places an order
  version: 1.10
  author: ada
  suite: orders
  tags: [smoke, 1]
  env_file: .env
  env: {base_url: "http://localhost:8080", retries: 3, list: [1, two], API_TOKEN: abc}
  setup:
    - {id: login, action: http_request, config: {method: POST, url: "{{base_url}}/login", body: {user: ada, n: 1, ok: true, nothing: null}}}
  steps:
    - id: create
      name: Create the order
      action: http_request
      config:
        url: "{{base_url}}/orders"
        timeout: "{{t}}"
        follow_redirects: false
        auth: {bearer: "{{API_TOKEN}}"}
      when: retries > 1
      assert:
        - status == 201
        - "body.id exists"
      output: {order_id: $.body.id, all: response.body.items}
      retry: {max_attempts: 3, delay: 500ms, backoff: exponential, retry_on: [timeout, assertion]}
      timeout: 1m30s
      on_error: continue
      error_steps:
        - {action: log, config: {message: failed}}
      trace_assert: trace.error_count == 0
    - action: for_each
      config:
        items: "{{create.body.items}}"
        as: item
        steps:
          - {action: delay, config: {duration: 10ms}}
          - id: check
            action: condition
            config:
              if: item.id > 0
              then: [{action: assert, config: {assert: [item.ok, item.id < 10]}}]
              else: [{action: log, config: {message: "no"}}]
    - action: parallel
      config:
        branches:
          - [{action: delay, config: {duration: 1s}}]
          - [{action: delay, config: {duration: 1s}}, {action: delay, config: {duration: 2s}}]
    - id: wait
      action: kafka_consumer
      disabled: true
      config: {brokers: [a:1, b:2], topic: orders, count: 2, match: json.id == 1}
  teardown:
    - {action: database_query, config: {connection_string: "sqlite::memory:", query: select 1, params: [1, "2"]}}
  trace:
    expected_path:
      - api_endpoint:POST /orders
      - {type: service, identifier: stripe, service: payment}
      - "database:orders"
    performance: warn
    allow_errors: [payment, payment/charge, {http.response.status_code: 500}]
  trace_assert:
    - trace.calls('order', 'payment')
  discovered_from: {fingerprint: 0000000000000000000000000000000000000000000000000000000000000abc, sample_trace_id: "0123456789abcdef0123456789abcdef", occurrence_count: 12}
)";

TEST(FlowFile, IsReadWhole) {
  const FlowFile flow = flow_of(kOrderFlow);
  EXPECT_EQ(flow.name, "Order Flow");
  EXPECT_EQ(flow.description, "Places an order");
  EXPECT_EQ(flow.version, "1.10");
  EXPECT_EQ(flow.author, "ada");
  EXPECT_EQ(flow.suite, "orders");
  EXPECT_THAT(flow.tags, ElementsAre("smoke", "1"));
  EXPECT_EQ(flow.env_file, ".env");
  ASSERT_THAT(flow.env, SizeIs(4));
  EXPECT_EQ(expr::to_json(flow.env[1].second), "3");
  EXPECT_EQ(expr::to_json(flow.env[2].second), R"([1,"two"])");
  ASSERT_THAT(flow.setup, SizeIs(1));
  EXPECT_EQ(expr::to_json(*flow.setup[0].config.find("body")),
            R"({"user":"ada","n":1,"ok":true,"nothing":null})");

  ASSERT_THAT(flow.steps, SizeIs(4));
  const Step& create = flow.steps[0];
  EXPECT_EQ(create.id, "create");
  EXPECT_EQ(create.name, "Create the order");
  EXPECT_EQ(create.at, (Position{13, 7}));
  EXPECT_EQ(
      expr::to_json(create.config),
      R"({"url":"{{base_url}}/orders","timeout":"{{t}}","follow_redirects":false,"auth":{"bearer":"{{API_TOKEN}}"}})");
  EXPECT_EQ(create.config_at.at("timeout"), (Position{18, 18}));
  EXPECT_EQ(create.when->source, "retries > 1");
  EXPECT_EQ(create.when->at, (Position{21, 13}));
  ASSERT_THAT(create.assertions, SizeIs(2));
  EXPECT_EQ(create.assertions[0].source, "status == 201");
  EXPECT_EQ(create.assertions[0].at, (Position{23, 11}));
  EXPECT_EQ(create.assertions[1].at, (Position{24, 12})) << "behind the quote";
  ASSERT_THAT(create.outputs, SizeIs(2));
  EXPECT_EQ(create.outputs[0].name, "order_id");
  EXPECT_EQ(create.outputs[0].path.source(), "$.body.id");
  EXPECT_EQ(create.retry.max_attempts, 3u);
  EXPECT_EQ(create.retry.delay, Milliseconds(500));
  EXPECT_EQ(create.retry.backoff, Retry::Backoff::kExponential);
  EXPECT_THAT(create.retry.retry_on, ElementsAre("timeout", "assertion"));
  EXPECT_EQ(create.timeout, Milliseconds(90'000));
  EXPECT_TRUE(create.continue_on_error);
  ASSERT_THAT(create.error_steps, SizeIs(1));
  ASSERT_THAT(create.trace_assert, SizeIs(1));

  const Step& each = flow.steps[1];
  EXPECT_EQ(each.id, "step_2") << "numbered through the file, the error step is the first";
  EXPECT_EQ(expr::to_json(each.config), R"({"items":"{{create.body.items}}","as":"item"})");
  ASSERT_THAT(each.nested, SizeIs(1));
  EXPECT_EQ(each.nested[0].first, "steps");
  const Step& check = each.nested[0].second.at(1);
  ASSERT_THAT(check.nested, SizeIs(2));
  EXPECT_EQ(check.nested[0].first, "then");
  ASSERT_THAT(check.config_assertions, SizeIs(1));
  EXPECT_EQ(check.config_assertions[0].first, "if");
  EXPECT_EQ(check.config_assertions[0].second[0].source, "item.id > 0");
  EXPECT_THAT(check.nested[0].second[0].config_assertions[0].second, SizeIs(2));
  ASSERT_THAT(flow.steps[2].nested, SizeIs(2));
  EXPECT_EQ(flow.steps[2].nested[1].first, "1");
  EXPECT_THAT(flow.steps[2].nested[1].second, SizeIs(2));
  EXPECT_TRUE(flow.steps[3].disabled);
  EXPECT_EQ(expr::to_json(flow.steps[3].config),
            R"({"brokers":["a:1","b:2"],"topic":"orders","count":2,"match":"json.id == 1"})");

  ASSERT_TRUE(flow.trace && flow.trace->expected_path);
  EXPECT_THAT(*flow.trace->expected_path,
              ElementsAre(model::PathNode{model::NodeType::kApiEndpoint, "POST /orders", ""},
                          model::PathNode{model::NodeType::kService, "stripe", "payment"},
                          model::PathNode{model::NodeType::kDatabase, "orders", ""}));
  EXPECT_EQ(flow.trace->performance, TraceExpectations::Performance::kWarn);
  ASSERT_THAT(flow.trace->allow_errors, SizeIs(3));
  EXPECT_EQ(expr::to_json(flow.trace->allow_errors[2]), R"({"http.response.status_code":500})");
  ASSERT_TRUE(flow.discovered_from);
  EXPECT_EQ(flow.discovered_from->occurrence_count, 12u);
  EXPECT_EQ(flow.discovered_from->sample_trace_id, "0123456789abcdef0123456789abcdef");
  EXPECT_TRUE(flow.expects_of_trace);
}

TEST(FlowFile, MayBeUnwrapped) {
  const FlowFile flow = flow_of("name: x\nsteps:\n  - {action: delay, config: {duration: 1s}}\n");
  EXPECT_EQ(flow.name, "x");
  EXPECT_FALSE(flow.expects_of_trace);
  EXPECT_EQ(flow.steps[0].id, "step_1");
}

TEST(FlowFile, ExpectsOfTheTraceWhenAnyStepDoes) {
  EXPECT_TRUE(
      flow_of(with_step("{action: for_each, config: {items: [1], steps: [{action: delay, config: {duration: "
                        "1s}, trace_assert: trace.complete}]}}"))
          .expects_of_trace);
}

TEST(FlowFile, TellsEverythingThatIsWrongAtOnce) {
  EXPECT_THAT(
      problems_of(R"(flow:
  nmae: x
  tags: {a: 1}
  env: [1]
  steps:
    - id: A
      action: http_reqest
      config: {url: x}
    - id: one
      action: http_request
      config: {url: [x], metod: GET, timeout: 30, verify_ssl: yes, headers: x, assert: 1}
      assert: (status == 200
      output: {x: "$.body["}
      retry: {max_attempts: 0, backoff: linar, dely: 1s}
      on_error: contine
      url: x
    - id: one
      action: delay
  trace: {expected_path: [nope, foo:bar, {type: service}, {topic: x}], performance: slow}
  discovered_from: {fingerprint: abc}
  env: {a: 1}
)"),
      ElementsAre(
          "2:3: There is no key `nmae` in a flow; did you mean `name`?", "2:3: `name` is missing in a flow",
          "3:9: `tags` is a map; expected a list of texts",
          "4:8: `env` is a list; expected a map of names to values",
          HasSubstr("6:11: `A` is no id of a step; expected a small letter"),
          "7:15: There is no action `http_reqest`; did you mean `http_request`?",
          "11:21: `url` is a list; expected a text",
          "11:26: There is no key `metod` in the config of http_request; did you mean `method`?",
          "11:47: `timeout` is the number 30; expected a duration such as 500ms, 30s, 5m or 2h",
          "11:63: `verify_ssl` is the text `yes`; expected true or false",
          "11:77: `headers` is the text `x`; expected a map",
          "11:80: There is no key `assert` in the config of http_request; it belongs into the step, beside "
          "`config`",
          HasSubstr("12:29: `assert` is no valid expression: "), HasSubstr("13:19: `$.body[` is no JSONPath"),
          "14:29: `max_attempts` is the number 0; expected a whole number from 1 to 1000",
          "14:41: `backoff` is the text `linar`; expected one of constant, linear, exponential; did you mean "
          "`linear`?",
          "14:48: There is no key `dely` in `retry`; did you mean `delay`?",
          "15:17: `on_error` is the text `contine`; expected one of fail, continue; did you mean `continue`?",
          "16:7: There is no key `url` in a step; it belongs into `config`",
          "17:7: `duration` is missing in the config of delay",
          "17:11: The id `one` is taken by the step in line 9; ids are unique in the file",
          HasSubstr("19:27: `expected_path` is the text `nope`; expected `type:identifier`"),
          HasSubstr("19:33: `foo` is no type of a node"),
          "19:42: `identifier` is missing in a node of `expected_path`",
          HasSubstr("19:59: `topic: …` is a map; write `topic:…`"),
          "19:85: `performance` is the text `slow`; expected one of fail, warn, off",
          "20:34: `fingerprint` is the text `abc`; expected 64 hexadecimal digits",
          "21:3: 'env' stands here twice; the first is in line 4"));
}

TEST(FlowFile, ProblemsSayWhatWasFoundAndExpected) {
  const auto problems = read_flow(with_step("{action: delay, config: {duration: 5}}")).problems;
  ASSERT_THAT(problems, SizeIs(1));
  EXPECT_EQ(problems[0].found, "the number 5");
  EXPECT_EQ(problems[0].expected, "a duration such as 500ms, 30s, 5m or 2h");
}

TEST(FlowFile, NeedsANameAndSteps) {
  EXPECT_THAT(problems_of(""), ElementsAre("1:1: the file is empty"));
  EXPECT_THAT(problems_of("{}"),
              ElementsAre("1:1: `name` is missing in a flow", "1:1: `steps` is missing in a flow"));
  EXPECT_THAT(problems_of("x"), ElementsAre("1:1: Found the text `x` where a flow is expected: a map"));
  EXPECT_THAT(problems_of("flow: [1]"), ElementsAre("1:7: Found a list where a flow is expected: a map"));
  EXPECT_THAT(problems_of("flow:\n"), ElementsAre(HasSubstr("Found nothing where a flow is expected")));
  EXPECT_THAT(problems_of("name: x\nsteps: []\n"),
              ElementsAre("2:8: `steps` is empty; expected one step at least"));
  EXPECT_THAT(problems_of("name: ''\nsteps: x\n"),
              ElementsAre("1:7: `name` is the text ``; expected a text that is not empty",
                          "2:8: `steps` is the text `x`; expected a list of steps"));
  EXPECT_THAT(problems_of("flwo: {name: x, steps: [{action: delay, config: {duration: 1s}}]}"),
              ElementsAre("1:1: There is no key `flwo` in the file; did you mean `flow`?"));
  EXPECT_THAT(
      problems_of("flow: {name: x, steps: [{action: delay, config: {duration: 1s}}]}\nname: y\n"),
      ElementsAre("2:1: There is no key `name` in the file beside `flow`; everything belongs into `flow`"));
}

TEST(FlowFile, IdsAreUniqueThroughTheWholeFile) {
  EXPECT_THAT(problems_of(R"(name: x
setup: [{id: a, action: delay, config: {duration: 1s}}]
steps:
  - {id: b, action: for_each, config: {items: [1], steps: [{id: a, action: delay, config: {duration: 1s}}]}}
  - {id: c, action: delay, config: {duration: 1s}, error_steps: [{id: b, action: delay, config: {duration: 1s}}]}
teardown: [{id: c, action: delay, config: {duration: 1s}}]
)"),
              ElementsAre(HasSubstr("4:65: The id `a` is taken by the step in line 2"),
                          HasSubstr("5:71: The id `b` is taken by the step in line 4"),
                          HasSubstr("6:17: The id `c` is taken by the step in line 5")));
  const FlowFile flow = flow_of(
      "name: x\nsteps:\n  - {id: step_1, action: log, config: {message: a}}\n  - {action: log, "
      "config: {message: b}}\n");
  EXPECT_EQ(flow.steps[1].id, "step_2");
}

TEST(FlowFile, ReferencesPutTypeChecksOff) {
  EXPECT_THAT(problems_of(with_step(
                  "{action: kafka_consumer, config: {brokers: '{{b}}', topic: t, count: '{{n}}', timeout: "
                  "'${t:5s}', from_beginning: '{{f}}', sasl: '{{s}}'}}")),
              IsEmpty());
  EXPECT_THAT(problems_of(with_step("{action: kafka_consumer, config: {brokers: b, topic: t, count: '5'}}")),
              ElementsAre(HasSubstr("`count` is the text `5`; expected a whole number of 1 or more")));
}

TEST(FlowFile, PlacesErrorsWithinExpressions) {
  EXPECT_THAT(problems_of("name: x\nsteps:\n  - action: assert\n    config:\n      assert:\n        - |\n    "
                          "      a == 1\n         "
                          " and b)\n"),
              ElementsAre(StartsWith("8:16: `assert` is no valid expression: ")));
  EXPECT_THAT(problems_of(with_step("{action: assert, assert: 'é == \"it''s\")'}")),
              ElementsAre(StartsWith("3:43: `assert` is no valid expression: ")));
  EXPECT_THAT(problems_of(with_step("{action: log, config: {message: x}, when: '{{a}} == 1'}")),
              ElementsAre(HasSubstr("by its name, without braces")));
  EXPECT_THAT(problems_of(with_step("action: log\n    config: {message: x}\n    when: all(list, # > 1)")),
              ElementsAre(HasSubstr("begins a comment, so put the expression in quotes")));
  EXPECT_THAT(problems_of(with_step("{action: log, config: {message: x}, assert: [[], {a: 1}, null, '']}")),
              SizeIs(4));
}

TEST(FlowFile, ChecksWhatAnActionNeeds) {
  const auto problem = [](std::string_view step) {
    const auto problems = problems_of(with_step(step));
    return problems.empty() ? std::string("none") : problems[0];
  };
  EXPECT_THAT(problem("{action: database_query, config: {query: x}}"),
              HasSubstr("One of `connection`, `connection_string`"));
  EXPECT_THAT(problem("{action: assert}"), HasSubstr("The step checks nothing"));
  EXPECT_EQ(problem("{action: assert, assert: a == 1}"), "none");
  EXPECT_EQ(problem("{action: otel.inject}"), "none");
  EXPECT_EQ(problem("{action: otel.inject, config: }"), "none");
  EXPECT_THAT(problem("{action: otel.inject, config: {a: 1}}"),
              HasSubstr("There is no key `a` in the config of otel.inject; it has none"));
  EXPECT_THAT(problem("{action: otel.assert, config: {within: 5s}}"),
              HasSubstr("One of `trace_id`, `service`"));
  EXPECT_THAT(problem("{action: condition, config: {if: a == 1}}"), HasSubstr("One of `then`, `else`"));
  EXPECT_THAT(problem("{action: for_each, config: {items: a, steps: []}}"), HasSubstr("`steps` is empty"));
  EXPECT_THAT(problem("{action: parallel, config: {branches: [x]}}"),
              HasSubstr("`branches[0]` is the text `x`"));
  EXPECT_THAT(problem("{action: parallel, config: {steps: [x]}}"), HasSubstr("where a step is expected"));
  EXPECT_THAT(problem("{action: kafka_producer, config: {brokers: a, topic: t, compression: gzp}}"),
              HasSubstr("did you mean `gzip`?"));
  EXPECT_THAT(problem("{action: http_request, config: {url: x, auth: {user: a}}}"),
              HasSubstr("`auth` says no kind"));
  EXPECT_THAT(problem("{action: http_request, config: {url: x, auth: {type: digest}}}"),
              HasSubstr("one of basic, bearer, api_key"));
  EXPECT_EQ(problem("{action: http_request, config: {url: x, auth: {type: basic, username: a}}}"), "none");
  EXPECT_EQ(problem("{action: kafka_producer, config: {brokers: a, topic: t, payload: null}}"), "none");
  EXPECT_THAT(problem("{config: {}}"), HasSubstr("`action` is missing in a step"));
  EXPECT_THAT(problem("text"), HasSubstr("Found the text `text` where a step is expected"));
}

TEST(FlowFile, ResolvesAnchors) {
  const FlowFile flow = flow_of(R"(name: x
env: &env {a: 1}
steps:
  - &call {action: http_request, config: &config {url: x, timeout: 1s}}
  - {<<: *call, config: {<<: *config, method: POST}}
)");
  EXPECT_EQ(expr::to_json(flow.steps[1].config), R"({"method":"POST","url":"x","timeout":"1s"})");
}

TEST(FlowFile, IsBounded) {
  EXPECT_THAT(problems_of(std::string(2 << 20, 'a')), ElementsAre(HasSubstr("larger than 1 MiB")));
  std::string many = "name: x\nsteps:\n";
  for (int i = 0; i < 3000; ++i) many += "  - x\n";
  EXPECT_THAT(problems_of(many), SizeIs(1001));
}

TEST(FlowFile, EndsAtEveryCut) {
  for (size_t size = 0; size <= kOrderFlow.size(); ++size) {
    const Reading reading = read_flow(kOrderFlow.substr(0, size));
    for (size_t i = 1; i < reading.problems.size(); ++i)
      EXPECT_LE(reading.problems[i - 1].at, reading.problems[i].at);
  }
}

TEST(Conform, ChecksWhatTheReaderPutOff) {
  const ActionSchema& consumer = *find_action_schema("kafka_consumer");
  const auto conformed = [&](std::string_view config) {
    const auto result = conform(consumer, *expr::parse_json(config));
    return result ? expr::to_json(*result) : result.error().message;
  };
  EXPECT_EQ(conformed(R"({"brokers":"b","topic":5,"count":"7","from_beginning":"true","timeout":"5s"})"),
            R"({"brokers":"b","topic":"5","count":7,"from_beginning":true,"timeout":"5s"})");
  EXPECT_EQ(conformed(R"({"brokers":["b"],"topic":"t","count":2.0})"),
            R"({"brokers":["b"],"topic":"t","count":2})");
  EXPECT_THAT(conformed(R"({"brokers":"b","topic":"t","count":"x"})"),
              HasSubstr("`count` of kafka_consumer is \"x\"; expected a whole number of 1 or more"));
  EXPECT_THAT(conformed(R"({"brokers":"b","topic":"t","count":0})"), HasSubstr("expected a whole number"));
  EXPECT_THAT(conformed(R"({"brokers":"b","topic":"t","timeout":"soon"})"), HasSubstr("expected a duration"));
  EXPECT_THAT(conformed(R"({"brokers":"b","topic":{}})"), HasSubstr("expected a text"));
  EXPECT_THAT(conformed(R"({"brokers":"b"})"), HasSubstr("`topic` of kafka_consumer is missing"));
}

}  // namespace
}  // namespace testmesh::flow_file
