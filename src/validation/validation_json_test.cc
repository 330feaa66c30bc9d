#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "validation/testing/validation_fixture.h"

namespace testmesh::validation {
namespace {

using expr::Value;
using model::NodeType;

const std::vector<std::string_view> kLists{
    "expected_path", "actual_path", "missing_nodes",     "unexpected_nodes",       "order_violations",
    "slow_spans",    "error_spans", "failed_assertions", "inconclusive_assertions"};

Value json_of(const TraceValidation& validation) {
  Subject subject;
  subject.execution = *model::ExecutionId::parse("00000000-0000-4000-8000-000000000007");
  subject.trace_id = testing::trace_id(5);
  auto value = expr::parse_json(to_json(subject, validation));
  EXPECT_TRUE(value) << value.error().message;
  return value ? *value : Value();
}

TEST(ValidationJson, EveryListIsThereWhenThereIsNothing) {
  TraceValidation validation;
  validation.status = ValidationStatus::kPassed;
  validation.validated_at = testing::kNoon;
  const Value json = json_of(validation);
  for (const std::string_view list : kLists) {
    const Value* value = json.find(list);
    ASSERT_TRUE(value) << list;
    ASSERT_EQ(value->kind(), expr::Kind::kList) << list;
    EXPECT_TRUE(value->as_list().empty()) << list;
  }
  EXPECT_EQ(expr::to_json(*json.find("completeness")), R"({"complete":true,"unmet":[]})");
  EXPECT_EQ(json.find("status")->as_string(), "passed");
  EXPECT_EQ(json.find("path_status")->as_string(), "no_baseline");
  EXPECT_TRUE(json.find("path_match")->is_nil());
  EXPECT_EQ(json.find("expected_from")->as_string(), "none");
  EXPECT_EQ(json.find("execution_id")->as_string(), "00000000-0000-4000-8000-000000000007");
  EXPECT_EQ(json.find("trace_id")->as_string(), "01000000000000000000000000000005");
  EXPECT_EQ(json.find("validated_at")->as_string(), base::to_rfc3339(testing::kNoon));
}

TEST(ValidationJson, FindingsHaveTheFieldsThatArePromised) {
  TraceValidation validation;
  validation.status = ValidationStatus::kFailed;
  validation.path_status = PathStatus::kMismatch;
  validation.path_match = false;
  validation.expected_from = ExpectedFrom::kYaml;
  validation.missing_nodes = {{NodeType::kApiEndpoint, "GET /a", ""}};
  validation.unexpected_nodes = {{NodeType::kTopic, "t", "shop"}};
  validation.order_violations = {{{NodeType::kDatabase, "d", "x"}, {NodeType::kService, "s", "s"}}};
  validation.slow_spans = {{.service = "shop",
                            .operation = "GET /",
                            .duration_ms = 9,
                            .p95_ms = 4,
                            .threshold_ms = 6,
                            .samples = 20,
                            .span_id = testing::span_id(3)}};
  validation.error_spans = {{.service = "shop",
                             .operation = "GET /",
                             .status_message = "no",
                             .error_type = "E",
                             .duration_ms = 1.5,
                             .span_id = testing::span_id(4),
                             .allowed = true}};
  validation.failed_assertions = {{.expression = "1 == 2",
                                   .step_id = "step_1",
                                   .actual = Value(1),
                                   .expected = Value(2),
                                   .error = std::nullopt,
                                   .span_ids = {testing::span_id(3)},
                                   .at = {7, 9}}};
  validation.inconclusive_assertions = {{.expression = "x",
                                         .step_id = "",
                                         .actual = {},
                                         .expected = {},
                                         .error = "no x",
                                         .span_ids = {},
                                         .at = {8, 1}}};
  validation.unmet = {Signal::kSpans, Signal::kParents, Signal::kSteps, Signal::kExpectedNodes,
                      Signal::kQuiet};
  const Value json = json_of(validation);
  const auto shown = [&](std::string_view key) { return expr::to_json(*json.find(key)); };
  EXPECT_EQ(shown("path_match"), "false");
  EXPECT_EQ(shown("missing_nodes"), R"([{"type":"api_endpoint","identifier":"GET /a","service":null}])");
  EXPECT_EQ(shown("unexpected_nodes"), R"([{"type":"topic","identifier":"t","service":"shop"}])");
  EXPECT_EQ(shown("order_violations"), R"([{"before":{"type":"database","identifier":"d","service":"x"},)"
                                       R"("after":{"type":"service","identifier":"s","service":"s"}}])");
  EXPECT_EQ(expr::to_json(Value(json.find("slow_spans")->as_list()[0])),
            expr::to_json(
                *expr::parse_json(R"({"service":"shop","operation":"GET /","duration_ms":9.0,"p95_ms":4.0,)"
                                  R"("threshold_ms":6.0,"samples":20,"span_id":"0000000000000003"})")));
  EXPECT_EQ(shown("error_spans"),
            R"([{"service":"shop","operation":"GET /","status_message":"no","duration_ms":1.5,)"
            R"("span_id":"0000000000000004","error_type":"E","allowed":true}])");
  EXPECT_EQ(shown("failed_assertions"),
            R"([{"expression":"1 == 2","step_id":"step_1","actual":1,"expected":2,)"
            R"("span_ids":["0000000000000003"],"line":7,"column":9}])");
  EXPECT_EQ(shown("inconclusive_assertions"),
            R"([{"expression":"x","actual":null,"error":"no x","span_ids":[],"line":8,"column":1}])");
  EXPECT_EQ(shown("completeness"),
            R"({"complete":false,"unmet":["spans","parents","steps","expected_nodes","quiet"]})");
}

TEST(ValidationJson, AValueOfAnyLengthIsCut) {
  TraceValidation validation;
  validation.failed_assertions = {{.expression = "x",
                                   .step_id = "",
                                   .actual = expr::List(100'000, Value("a long list")),
                                   .expected = {},
                                   .error = {},
                                   .span_ids = {},
                                   .at = {}}};
  Subject subject;
  EXPECT_LT(to_json(subject, validation).size(), 5000u);
}

TEST(ValidationJson, TextsOfAnyBytesGiveValidJson) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    std::string text(random() % 40, '\0');
    for (char& c : text) c = static_cast<char>(random());
    TraceValidation validation;
    validation.summary = text;
    validation.missing_nodes = {{NodeType::kTopic, text, text}};
    validation.error_spans.emplace_back().status_message = text;
    validation.failed_assertions.emplace_back().actual = Value(text);
    json_of(validation);
  }
}

}  // namespace
}  // namespace testmesh::validation
