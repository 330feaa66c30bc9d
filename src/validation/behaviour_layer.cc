#include "validation/behaviour_layer.h"

#include <algorithm>
#include <set>

#include "validation/verdict.h"

namespace testmesh::validation {
namespace {

constexpr double kSlowFactor = 1.5;

double milliseconds(const model::Span& span) {
  return span.end > span.start ? static_cast<double>(span.end - span.start) / 1e6 : 0;
}

std::string text_of(const model::Value* value) {
  if (value == nullptr) return {};
  if (const auto* text = std::get_if<std::string>(&value->data)) return *text;
  if (const auto* number = std::get_if<int64_t>(&value->data)) return std::to_string(*number);
  return {};
}

// What went wrong, in a word: `error.type`, the exception, the protocol's code.
std::string error_type_of(const model::Span& span) {
  if (std::string type = text_of(model::find_attribute(span.attributes, "error.type")); !type.empty())
    return type;
  for (auto event = span.events.rbegin(); event != span.events.rend(); ++event)
    if (std::string type = text_of(model::find_attribute(event->attributes, "exception.type")); !type.empty())
      return type;
  for (const char* key : {"http.response.status_code", "http.status_code", "rpc.response.status_code",
                          "rpc.grpc.status_code", "db.response.status_code"})
    if (std::string code = text_of(model::find_attribute(span.attributes, key)); !code.empty()) return code;
  return {};
}

// What assertions may name.
class Names final : public expr::Environment {
 public:
  Names(expr::Value trace, const expr::Map* own, const expr::Map* variables)
      : trace_(std::move(trace)), own_(own), variables_(variables) {}

  bool find(std::string_view name, expr::Value& out) const override {
    if (name == "trace") {
      out = trace_;
      return true;
    }
    for (const expr::Map* map : {own_, variables_}) {
      if (map == nullptr) continue;
      if (const expr::Value* value = map->find(name)) {
        out = *value;
        return true;
      }
    }
    return false;
  }
  std::vector<std::string> names() const override {
    std::vector<std::string> all{"trace"};
    for (const expr::Map* map : {own_, variables_}) {
      if (map == nullptr) continue;
      for (const auto& [key, value] : *map)
        if (key.kind() == expr::Kind::kString) all.emplace_back(key.as_string());
    }
    return all;
  }

 private:
  const expr::Value trace_;
  const expr::Map* const own_;
  const expr::Map* const variables_;
};

void judge_each(const std::vector<flow_file::Assertion>& assertions, const std::string& step_id,
                const Names& names, bool complete, TraceValidation& result) {
  for (const flow_file::Assertion& assertion : assertions) {
    AssertionOutcome outcome = judge(assertion.program, names, complete);
    if (outcome.settled == Truth::kTrue) continue;
    if (complete && outcome.passed) continue;
    AssertionFinding finding;
    finding.expression = assertion.source;
    finding.step_id = step_id;
    finding.actual = std::move(outcome.actual);
    finding.expected = std::move(outcome.expected);
    finding.error = std::move(outcome.error);
    finding.span_ids = std::move(outcome.span_ids);
    finding.at = assertion.at;
    const bool failed = complete || outcome.settled == Truth::kFalse;
    (failed ? result.failed_assertions : result.inconclusive_assertions).push_back(std::move(finding));
  }
}

}  // namespace

base::Result<std::vector<SlowSpan>> slow_spans(const Subject& subject, store::TelemetryStore& store,
                                               const store::TraceDetail& trace, const TraceReading& reading,
                                               const PathComparison& comparison, Baselines& baselines) {
  std::vector<SlowSpan> slow;
  std::set<uint32_t> seen;  // a span may be two nodes
  for (const Entry& entry : reading.entries) {
    std::vector<model::Family> families{trace.parts[entry.part].family};
    if (comparison.flow_family && *comparison.flow_family != families.front())
      families.push_back(*comparison.flow_family);
    auto visit = std::ranges::lower_bound(trace.visits, store::PathVisit{entry.span, 0});
    for (; visit != trace.visits.end() && visit->span < entry.end; ++visit) {
      if (reading.runners[visit->span] || seen.contains(visit->span)) continue;
      const NodeTimes* usual = nullptr;
      for (const model::Family& family : families) {
        TRY_ASSIGN(FamilyBaseline * baseline,
                   baselines.family(store, subject.workspace, subject.trace_id, family, trace));
        usual = baseline->durations.find(trace.path[visit->node]);
        if (usual != nullptr && usual->samples >= kMinSamples) break;
      }
      if (usual == nullptr || usual->samples < kMinSamples) continue;
      const model::Span& span = trace.spans[visit->span];
      const double duration = milliseconds(span), threshold = kSlowFactor * usual->p95_ms;
      if (duration <= threshold) continue;
      seen.insert(visit->span);
      slow.push_back({.service = std::string(model::service_name(*span.resource)),
                      .operation = trace.operations[visit->span],
                      .duration_ms = duration,
                      .p95_ms = usual->p95_ms,
                      .threshold_ms = threshold,
                      .samples = usual->samples,
                      .span_id = span.span_id});
    }
  }
  return slow;
}

base::Result<std::vector<ErrorSpan>> error_spans(const Subject& subject, const TraceIndex& index,
                                                 const TraceReading& reading, const TraceScope& scope) {
  const store::TraceDetail& trace = index.detail();
  std::vector<ErrorSpan> errors;
  std::set<uint32_t> allowed;
  if (subject.flow != nullptr && subject.flow->trace) {
    for (const expr::Value& selector : subject.flow->trace->allow_errors) {
      TRY_ASSIGN(const std::vector<uint32_t> matching, index.select(selector, scope));
      allowed.insert(matching.begin(), matching.end());
    }
  }
  for (uint32_t i = 0; i < trace.spans.size(); ++i) {
    const model::Span& span = trace.spans[i];
    if (span.status != model::StatusCode::kError || reading.runners[i]) continue;
    errors.push_back({.service = std::string(model::service_name(*span.resource)),
                      .operation = trace.operations[i],
                      .status_message = span.status_message,
                      .error_type = error_type_of(span),
                      .duration_ms = milliseconds(span),
                      .span_id = span.span_id,
                      .allowed = allowed.contains(i)});
  }
  return errors;
}

void judge_assertions(const Subject& subject, const TraceIndex& index, const TraceScope& whole,
                      TraceValidation& result) {
  if (subject.flow != nullptr && !subject.flow->trace_assert.empty())
    judge_each(subject.flow->trace_assert, {}, Names(index.trace(whole), nullptr, subject.variables),
               whole.complete, result);
  for (const StepSpan& step : subject.steps) {
    if (step.trace_assert == nullptr || step.trace_assert->empty()) continue;
    TraceScope scope = whole;
    if (subject.is_run && !step.span_id.is_zero()) scope.under = step.span_id;
    judge_each(*step.trace_assert, step.step_id, Names(index.trace(scope), step.names, subject.variables),
               whole.complete, result);
  }
}

}  // namespace testmesh::validation
