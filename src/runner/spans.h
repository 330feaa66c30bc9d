// The spans that a run makes of itself (flow-yaml.md 3).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "actions/action.h"
#include "model/ids.h"
#include "model/span.h"

namespace testmesh::runner {

struct SpanTime {
  base::UnixNanos start = 0, end = 0;
};

// Immutable; thread-safe.
class SpanMaker {
 public:
  SpanMaker(model::ExecutionId, model::WorkspaceId, model::TraceId, std::string flow_name);

  const model::SpanId& root_id() const { return root_id_; }
  // What an action hands on: the ids, `testmesh` as tracestate, the execution as
  // baggage.
  actions::TraceContext context(const model::SpanId&) const;

  model::Span root(SpanTime) const;
  model::Span step(std::string_view action, const model::SpanId&, const model::SpanId& parent,
                   SpanTime) const;
  // Of one attempt; texts in it are not masked yet.
  model::Span protocol(const actions::ActionOutcome&, std::string_view action, const model::SpanId&,
                       const model::SpanId& parent, SpanTime) const;

 private:
  model::Span blank(std::string name, model::SpanKind, const model::SpanId&, const model::SpanId& parent,
                    SpanTime) const;

  const std::string execution_;
  const model::WorkspaceId workspace_;
  const model::TraceId trace_id_;
  const std::string flow_name_;
  const model::SpanId root_id_;
  const std::string trace_state_, baggage_;
};

model::KeyValue attribute(std::string_view key, std::string text);
model::KeyValue attribute(std::string_view key, int64_t number);

}  // namespace testmesh::runner
