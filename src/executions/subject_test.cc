#include "executions/subject.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace testmesh::executions {
namespace {

using expr::Map;
using expr::Value;
using flow_file::Assertion;
using flow_file::FlowFile;
using flow_file::Step;
using ::testing::HasSubstr;
using ::testing::Not;

Assertion assertion(std::string source, uint32_t line) {
  auto program = expr::Program::compile(source);
  return {source, *program, {line, 3}};
}

Step step(std::string id, std::string action, uint32_t line) {
  Step made;
  made.id = std::move(id);
  made.action = std::move(action);
  made.at = {line, 5};
  return made;
}

FlowFile flow() {
  FlowFile made;
  made.name = "Checkout";
  made.env = {{"base_url", "http://shop"}, {"API_TOKEN", "s3cr3t-value"}};
  made.trace.emplace();
  made.trace->expected_path = {{model::NodeType::kApiEndpoint, "POST /orders", "orders"},
                               {model::NodeType::kDatabase, "orders", ""}};
  made.trace->performance = flow_file::TraceExpectations::Performance::kWarn;
  made.trace->allow_errors = {"stock", Map{{"http.route", "/x"}}};
  made.trace_assert = {assertion("trace.span_count > 3", 20)};
  made.discovered_from = {"abc", "def", 7};
  made.expects_of_trace = true;
  Step outer = step("outer", "for_each", 5);
  Step inner = step("inner", "http_request", 7);
  inner.trace_assert = {assertion("trace.has_error == false", 8)};
  outer.nested.emplace_back("steps", std::vector{inner});
  made.steps = {outer, step("last", "log", 12)};
  return made;
}

runner::StepResult result(std::string id, std::string action, uint32_t line, uint8_t span) {
  runner::StepResult made;
  made.id = std::move(id);
  made.action = std::move(action);
  made.at = {line, 5};
  made.span_id.bytes[7] = span;
  made.result = Map{{"status", 200 + span}};
  made.output = Map{{"user", Value("u")}};
  return made;
}

TEST(Expectations, ReadBackAsTheyWere) {
  const FlowFile whole = flow();
  Expectations made = expectations_of(true, &whole, {{"base_url", "http://other"}}, {});
  set_steps(made, whole,
            {result("outer", "for_each", 5, 1), result("outer[0].inner", "http_request", 7, 2),
             result("outer[1].inner", "http_request", 7, 3), result("last", "log", 12, 0)});
  const std::string text = encode(made);
  const auto read = decode_expectations(text);
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(encode(*read), text);
  EXPECT_TRUE(read->is_run);
  ASSERT_TRUE(read->flow.has_value());
  EXPECT_EQ(read->flow->trace->expected_path, whole.trace->expected_path);
  EXPECT_EQ(read->flow->trace->performance, whole.trace->performance);
  EXPECT_EQ(read->flow->trace->allow_errors, whole.trace->allow_errors);
  EXPECT_EQ(read->flow->trace_assert[0].source, "trace.span_count > 3");
  EXPECT_EQ(read->flow->trace_assert[0].at, (flow_file::Position{20, 3}));
  EXPECT_EQ(read->flow->discovered_from->occurrence_count, 7u);
  EXPECT_TRUE(read->flow->expects_of_trace);
  EXPECT_TRUE(read->flow->steps.empty());
  ASSERT_EQ(read->steps.size(), 3u) << "without a span there is nothing to look under";
  EXPECT_EQ(read->steps[2].id, "outer[1].inner");
  EXPECT_EQ(read->steps[2].span_id.bytes[7], 3);
  EXPECT_TRUE(read->steps[2].reaches_out);
  EXPECT_EQ(read->steps[2].trace_assert[0].source, "trace.has_error == false");
  EXPECT_FALSE(read->steps[0].reaches_out);
}

TEST(Expectations, KeepNoSecrets) {
  const FlowFile whole = flow();
  const Expectations made = expectations_of(
      true, &whole, {{"PASSWORD_DB", "hunter22"}, {"note", "uses hunter22 and s3cr3t-value"}}, {});
  const std::string text = encode(made);
  EXPECT_THAT(text, Not(HasSubstr("hunter22")));
  EXPECT_THAT(text, Not(HasSubstr("s3cr3t-value")));
  EXPECT_THAT(text, HasSubstr("uses *** and ***"));
  EXPECT_THAT(text, HasSubstr("http://shop"));
}

TEST(Expectations, OfSomeoneElsesTraceHaveTheFlowsAssertions) {
  const FlowFile whole = flow();
  const Expectations made = expectations_of(false, &whole, {}, model::SpanId{{1}});
  ASSERT_EQ(made.steps.size(), 1u);
  EXPECT_EQ(made.steps[0].id, "inner");
  EXPECT_TRUE(made.steps[0].span_id.is_zero());
  EXPECT_EQ(decode_expectations(encode(made))->parent_span_id, model::SpanId{{1}});
}

TEST(Expectations, WhatIsNoneIsRefused) {
  for (const char* text : {"", "{}", "[]", "{\"schema\":0}", "{\"schema\":\"1\"}", "null"})
    EXPECT_FALSE(decode_expectations(text).has_value()) << text;
  const auto newer = decode_expectations("{\"schema\":2}");
  ASSERT_FALSE(newer.has_value());
  EXPECT_EQ(newer.error().code, base::ErrorCode::kUnsupported);
}

TEST(OwnedSubject, AStepsAssertionsNameWhatWasKnownThen) {
  const FlowFile whole = flow();
  const std::vector results{result("outer", "for_each", 5, 1), result("outer[0].inner", "http_request", 7, 2),
                            result("last", "log", 12, 3)};
  Expectations made = expectations_of(true, &whole, {{"base_url", "http://other"}}, {});
  set_steps(made, whole, results);
  const OwnedSubject owned({}, model::kDefaultWorkspace, made, results);
  const validation::Subject& subject = owned.subject();
  ASSERT_EQ(subject.steps.size(), 3u);
  const expr::Map& inner = *subject.steps[1].names;
  EXPECT_EQ(*inner.find("status"), Value(202));
  EXPECT_EQ(*inner.find("response")->find("status"), Value(202));
  EXPECT_EQ(*inner.find("outer")->find("status"), Value(201));
  EXPECT_EQ(*inner.find("steps")->find("outer")->find("user"), Value("u"));
  EXPECT_EQ(inner.find("last"), nullptr) << "came later";
  EXPECT_EQ(*inner.find("base_url"), Value("http://other"));
  EXPECT_EQ(*subject.variables->find("last")->find("status"), Value(203));
  EXPECT_EQ(subject.variables->find("response"), nullptr);
}

}  // namespace
}  // namespace testmesh::executions
