#include "runner/spans.h"

#include <fmt/format.h>

#include <algorithm>

#include "runner/built_ins.h"

namespace testmesh::runner {
namespace {

std::shared_ptr<const model::Resource> run_resource() {
  static const auto resource = std::make_shared<const model::Resource>(
      model::Resource{.attributes = {attribute("service.name", "testmesh")}, .schema_url = {}});
  return resource;
}

std::shared_ptr<const model::Scope> run_scope() {
  static const auto scope = std::make_shared<const model::Scope>(
      model::Scope{.name = "testmesh.runner", .version = {}, .attributes = {}, .schema_url = {}});
  return scope;
}

constexpr uint32_t kSampled = 1;

}  // namespace

model::KeyValue attribute(std::string_view key, std::string text) {
  return {std::string(key), {std::move(text)}};
}
model::KeyValue attribute(std::string_view key, int64_t number) { return {std::string(key), {number}}; }

SpanMaker::SpanMaker(model::ExecutionId execution, model::WorkspaceId workspace, model::TraceId trace_id,
                     std::string flow_name)
    : execution_(execution.to_string()),
      workspace_(workspace),
      trace_id_(trace_id),
      flow_name_(std::move(flow_name)),
      root_id_(random_span_id()),
      trace_state_(fmt::format("testmesh={}", execution_)),
      baggage_(fmt::format("testmesh.execution.id={}", execution_)) {}

actions::TraceContext SpanMaker::context(const model::SpanId& span) const {
  return {.trace_id = trace_id_, .span_id = span, .trace_state = trace_state_, .baggage = baggage_};
}

model::Span SpanMaker::blank(std::string name, model::SpanKind kind, const model::SpanId& id,
                             const model::SpanId& parent, SpanTime time) const {
  model::Span span;
  span.trace_id = trace_id_;
  span.span_id = id;
  span.parent_span_id = parent;
  span.trace_state = trace_state_;
  span.flags = kSampled;
  span.name = std::move(name);
  span.kind = kind;
  span.start = time.start;
  span.end = std::max(time.start, time.end);
  span.attributes.push_back(attribute("testmesh.execution.id", execution_));
  span.resource = run_resource();
  span.scope = run_scope();
  return span;
}

model::Span SpanMaker::root(SpanTime time) const {
  model::Span span = blank("testmesh.execution", model::SpanKind::kInternal, root_id_, {}, time);
  span.attributes.push_back(attribute("testmesh.flow.name", flow_name_));
  span.attributes.push_back(attribute("testmesh.workspace.id", workspace_.to_string()));
  return span;
}

model::Span SpanMaker::step(std::string_view action, const model::SpanId& id, const model::SpanId& parent,
                            SpanTime time) const {
  return blank(fmt::format("testmesh.step.{}", action), model::SpanKind::kInternal, id, parent, time);
}

model::Span SpanMaker::protocol(const actions::ActionOutcome& outcome, std::string_view action,
                                const model::SpanId& id, const model::SpanId& parent, SpanTime time) const {
  model::Span span = blank(outcome.span_name.empty() ? std::string(action) : outcome.span_name,
                           outcome.span_kind, id, parent, time);
  span.attributes.insert(span.attributes.end(), outcome.span_attributes.begin(),
                         outcome.span_attributes.end());
  span.links = outcome.span_links;
  if (outcome.span_failed || outcome.error) {
    span.status = model::StatusCode::kError;
    if (outcome.error) span.status_message = outcome.error->message;
  }
  return span;
}

}  // namespace testmesh::runner
