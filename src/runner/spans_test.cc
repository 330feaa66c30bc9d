// The run's own spans.
#include "runner/testing/flow_run.h"

namespace testmesh::runner {
namespace {

using actions::ActionContext;
using actions::ActionOutcome;
using expr::Value;
using model::Span;
using model::SpanKind;
using model::StatusCode;
using testing::HasSubstr;

std::string attribute_of(const Span& span, std::string_view key) {
  const model::Value* value = model::find_attribute(span.attributes, key);
  if (!value) return "(none)";
  if (const auto* text = std::get_if<std::string>(&value->data)) return *text;
  return std::to_string(std::get<int64_t>(value->data));
}

class Spans : public FlowRun, public testing::Test {
 protected:
  Spans() {
    on("http_request", [this](const Value&, ActionContext&, int call) {
      time.pass(std::chrono::milliseconds(5));
      ActionOutcome outcome = call < 3 ? fails("connection", "nobody there") : answers({{"status", 200}});
      outcome.span_name = "GET";
      outcome.span_attributes = {{"http.request.method", {std::string("GET")}}};
      outcome.span_failed = call < 3;
      outcome.span_links = {{.trace_id = {{9}}, .span_id = {{8}}, .trace_state = {}, .attributes = {}}};
      return outcome;
    });
  }
};

constexpr const char* kFlow = R"(
  steps:
    - {id: a, name: First, action: http_request, config: {url: u}, retry: {max_attempts: 3}}
    - id: loop
      action: for_each
      config: {items: [1], steps: [{id: in, action: http_request, config: {url: u}}]}
    - {id: skipped, action: log, config: {message: x}, disabled: true}
    - {id: bad, action: assert, config: {assert: 1 == 2}}
)";

TEST_F(Spans, FormOneTreeUnderTheRoot) {
  run(kFlow);
  ASSERT_EQ(spans_named("testmesh.execution").size(), 1u);
  const Span& root = *spans_named("testmesh.execution")[0];
  EXPECT_TRUE(root.parent_span_id.is_zero());
  EXPECT_EQ(attribute_of(root, "testmesh.execution.id"), "01020304-0506-4708-890a-0b0c0d0e0f10");
  EXPECT_EQ(attribute_of(root, "testmesh.flow.name"), "test flow");
  EXPECT_EQ(attribute_of(root, "testmesh.workspace.id"), model::kDefaultWorkspace.to_string());
  EXPECT_EQ(root.status, StatusCode::kError);

  const auto steps = spans_named("testmesh.step.http_request");
  ASSERT_EQ(steps.size(), 2u);
  EXPECT_EQ(steps[0]->parent_span_id, root.span_id);
  EXPECT_EQ(steps[0]->span_id, step("a").span_id);
  EXPECT_EQ(attribute_of(*steps[0], "testmesh.step.id"), "a");
  EXPECT_EQ(attribute_of(*steps[0], "testmesh.step.name"), "First");
  EXPECT_EQ(attribute_of(*steps[0], "testmesh.step.status"), "passed");
  EXPECT_EQ(attribute_of(*steps[0], "testmesh.step.attempts"), "3");
  EXPECT_NE(steps[0]->status, StatusCode::kError);

  const Span& loop = *spans_named("testmesh.step.for_each").at(0);
  EXPECT_EQ(loop.parent_span_id, root.span_id);
  EXPECT_EQ(steps[1]->parent_span_id, loop.span_id) << "a nested step's span is under the outer step's";

  const Span& bad = *spans_named("testmesh.step.assert").at(0);
  EXPECT_EQ(bad.status, StatusCode::kError);
  EXPECT_THAT(bad.status_message, HasSubstr("1 == 2"));
  EXPECT_TRUE(spans_named("testmesh.step.log").empty());
}

TEST_F(Spans, OneProtocolSpanForEachAttempt) {
  run(kFlow);
  const auto sent = spans_named("GET");
  ASSERT_EQ(sent.size(), 4u);
  const auto contexts = actions.at("http_request")->contexts();
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(sent[i]->parent_span_id, step("a").span_id);
    EXPECT_EQ(sent[i]->span_id, contexts[i].trace.span_id)
        << "what the action hands on is the span that is emitted";
    EXPECT_EQ(sent[i]->trace_id, contexts[i].trace.trace_id);
    EXPECT_EQ(sent[i]->kind, SpanKind::kClient);
    EXPECT_EQ(sent[i]->status == StatusCode::kError, i < 2);
    EXPECT_EQ(attribute_of(*sent[i], "http.request.method"), "GET");
    EXPECT_EQ(attribute_of(*sent[i], "testmesh.attempt"), std::to_string(i + 1));
    ASSERT_EQ(sent[i]->links.size(), 1u);
    EXPECT_EQ(sent[i]->links[0].trace_id, (model::TraceId{{9}}));
    EXPECT_EQ(sent[i]->end - sent[i]->start, 5'000'000u);
  }
  EXPECT_EQ(sent[0]->status_message, "nobody there");
  EXPECT_THAT(contexts[0].trace.baggage, HasSubstr("testmesh.execution.id="));
}

TEST_F(Spans, AreTestGeneratedAndOfOneService) {
  run(kFlow);
  for (const Span& span : spans) {
    EXPECT_TRUE(model::is_test_generated(span)) << span.name;
    EXPECT_EQ(attribute_of(span, "testmesh.execution.id"), "01020304-0506-4708-890a-0b0c0d0e0f10");
    EXPECT_EQ(model::service_name(*span.resource), "testmesh");
    EXPECT_EQ(span.scope->name, "testmesh.runner");
    EXPECT_EQ(span.trace_id, (model::TraceId{{0xaa, 0xbb, 1}}));
    EXPECT_GE(span.end, span.start);
  }
}

TEST_F(Spans, AreEmittedAtEachStepsEndTheRootLast) {
  run(kFlow);
  ASSERT_EQ(batches.size(), 5u);
  EXPECT_EQ(batches[0].size(), 4u);
  EXPECT_EQ(batches[0][0].name, "GET");
  EXPECT_EQ(batches[0][3].name, "testmesh.step.http_request");
  EXPECT_EQ(batches[1].back().name, "testmesh.step.http_request") << "the nested one";
  EXPECT_EQ(batches[2].back().name, "testmesh.step.for_each");
  EXPECT_EQ(batches[4].back().name, "testmesh.execution");
}

}  // namespace
}  // namespace testmesh::runner
