#include "executions/trace_question.h"

#include <memory>

#include "validation/trace_value.h"
#include "validation/verdict.h"

namespace testmesh::executions {
namespace {

// `trace`, and behind it what the step knows.
class TraceNames final : public expr::Environment {
 public:
  TraceNames(expr::Value trace, const expr::Environment& others)
      : trace_(std::move(trace)), others_(others) {}
  bool find(std::string_view name, expr::Value& out) const override {
    if (name != "trace") return others_.find(name, out);
    out = trace_;
    return true;
  }
  std::vector<std::string> names() const override {
    std::vector<std::string> all = others_.names();
    all.emplace_back("trace");
    return all;
  }

 private:
  const expr::Value trace_;
  const expr::Environment& others_;
};

std::string_view text_of(const expr::Value& span, std::string_view name, expr::Value& keep) {
  if (!span.as_record()->member(name, keep) || keep.kind() != expr::Kind::kString) return {};
  return keep.as_string();
}

bool holds(const expr::List& spans, const runner::TraceQuestionView& question) {
  for (const expr::Value& span : spans) {
    expr::Value service, operation, name;
    if (!question.service.empty() && text_of(span, "service", service) != question.service) continue;
    if (!question.operation.empty() && text_of(span, "operation", operation) != question.operation &&
        text_of(span, "name", name) != question.operation)
      continue;
    return true;
  }
  return false;
}

base::Result<runner::TraceLook> look_at(const model::TraceId& id, const runner::TraceQuestionView& question,
                                        store::TelemetryStore& store) {
  runner::TraceLook look{.trace_id = id};
  TRY_ASSIGN(std::optional<store::TraceDetail> stored, store.trace(question.workspace, id));
  if (!stored) return look;
  const auto detail = std::make_shared<const store::TraceDetail>(std::move(*stored));
  look.complete = detail->summary.complete;
  const validation::TraceIndex index(detail);
  const expr::Value trace = index.trace(
      {.is_run = detail->summary.is_test_generated, .complete = look.complete && !detail->summary.partial});
  expr::Value spans;
  trace.as_record()->member("spans", spans);
  look.span_count = spans.as_list().size();
  look.found = holds(spans.as_list(), question);
  if (!look.found) return look;
  const TraceNames names(trace, question.names);
  for (const flow_file::Assertion& assertion : question.assertions) {
    validation::AssertionOutcome outcome = validation::judge(assertion.program, names, look.complete);
    look.outcomes.push_back({.passed = outcome.passed,
                             .settled = outcome.settled != validation::Truth::kUnknown,
                             .actual = std::move(outcome.actual),
                             .expected = std::move(outcome.expected),
                             .error = std::move(outcome.error)});
  }
  return look;
}

}  // namespace

base::Result<runner::TraceLook> answer(const runner::TraceQuestionView& question,
                                       store::TelemetryStore& store) {
  if (question.trace_id) return look_at(*question.trace_id, question, store);
  store::TraceQuery query;
  query.since = question.since;
  query.limit = 20;
  if (!question.service.empty()) query.service = std::string(question.service);
  if (!question.operation.empty()) query.operation = std::string(question.operation);
  TRY_ASSIGN(const store::TracePage page, store.search_traces(question.workspace, query));
  for (const store::TraceSummary& summary : page.traces) {
    TRY_ASSIGN(runner::TraceLook look, look_at(summary.trace_id, question, store));
    if (look.found) return look;
  }
  return runner::TraceLook{};
}

}  // namespace testmesh::executions
