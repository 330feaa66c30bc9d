// What judging the trace of an execution needs of its flow: kept with the
// execution, so that it can be judged again, whenever. Secrets are masked.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "executions/execution_service.h"
#include "expr/value.h"
#include "flow_file/flow_file.h"
#include "runner/run.h"
#include "validation/trace_validation.h"

namespace testmesh::executions {

struct JudgedStep {
  std::string id;
  model::SpanId span_id;
  bool reaches_out = false;
  bool passed = true;
  std::vector<flow_file::Assertion> trace_assert;
};

struct Expectations {
  bool is_run = false;
  std::optional<model::SpanId> parent_span_id;
  // Name, `trace`, `trace_assert`, `discovered_from`; no steps. None: a bare
  // trace id.
  std::optional<flow_file::FlowFile> flow;
  expr::Map variables;
  std::vector<JudgedStep> steps;
};

// Before anything ran. `flow` null: none. Of someone else's trace the flow's
// steps are those with a trace_assert; of a run they come with set_steps().
Expectations expectations_of(bool is_run, const flow_file::FlowFile* flow,
                             const std::vector<std::pair<std::string, expr::Value>>& variables,
                             std::optional<model::SpanId> parent_span_id);
// The steps of a run that have a span.
void set_steps(Expectations&, const flow_file::FlowFile&, const std::vector<runner::StepResult>&);

std::string encode(const Expectations&);
// kCorrupt, or kUnsupported for what a newer version wrote.
base::Result<Expectations> decode_expectations(std::string_view text);

// The subject with everything it points to. Does not move.
class OwnedSubject {
 public:
  // `results`: as far as the run came; what assertions may name of them.
  OwnedSubject(const Execution&, const model::WorkspaceId&, Expectations,
               const std::vector<runner::StepResult>& results);
  OwnedSubject(const OwnedSubject&) = delete;
  OwnedSubject& operator=(const OwnedSubject&) = delete;
  const validation::Subject& subject() const { return subject_; }

 private:
  const Expectations expectations_;
  expr::Map names_;
  std::deque<expr::Map> step_names_;
  validation::Subject subject_;
};

}  // namespace testmesh::executions
