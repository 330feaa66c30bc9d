#include "base/time.h"
#include "validation/trace_validation.h"

namespace testmesh::validation {
namespace {

// A value that a failed assertion shows: lists of spans may be of any length.
constexpr size_t kMaxShownBytes = 16 << 10;

expr::Value shown(const expr::Value& value) {
  std::string json = expr::to_json(value);
  if (json.size() > kMaxShownBytes) return expr::describe(value, 1000);
  // Records become plain values, so that the whole is one.
  auto plain = expr::parse_json(json);
  return plain ? std::move(*plain) : expr::Value(expr::describe(value, 1000));
}

expr::Value text_or_nil(const std::string& text) { return text.empty() ? expr::Value() : expr::Value(text); }

expr::Value node_value(const model::PathNode& node) {
  return expr::Map{{"type", to_string(node.type)},
                   {"identifier", node.identifier},
                   {"service", text_or_nil(node.service)}};
}

template <typename Item, typename Make>
expr::Value list_of(const std::vector<Item>& items, Make&& make) {
  expr::List list;
  list.reserve(items.size());
  for (const Item& item : items) list.push_back(make(item));
  return list;
}

expr::Value slow_value(const SlowSpan& span) {
  return expr::Map{{"service", span.service},           {"operation", span.operation},
                   {"duration_ms", span.duration_ms},   {"p95_ms", span.p95_ms},
                   {"threshold_ms", span.threshold_ms}, {"samples", static_cast<int64_t>(span.samples)},
                   {"span_id", span.span_id.to_hex()}};
}

expr::Value error_value(const ErrorSpan& span) {
  return expr::Map{{"service", span.service},
                   {"operation", span.operation},
                   {"status_message", span.status_message},
                   {"duration_ms", span.duration_ms},
                   {"span_id", span.span_id.to_hex()},
                   {"error_type", text_or_nil(span.error_type)},
                   {"allowed", span.allowed}};
}

expr::Value finding_value(const AssertionFinding& finding) {
  expr::Map map;
  map.set("expression", finding.expression);
  if (!finding.step_id.empty()) map.set("step_id", finding.step_id);
  map.set("actual", shown(finding.actual));
  if (finding.expected) map.set("expected", shown(*finding.expected));
  if (finding.error) map.set("error", *finding.error);
  map.set("span_ids",
          list_of(finding.span_ids, [](const model::SpanId& id) { return expr::Value(id.to_hex()); }));
  map.set("line", int64_t{finding.at.line});
  map.set("column", int64_t{finding.at.column});
  return map;
}

std::string_view performance_name(flow_file::TraceExpectations::Performance performance) {
  switch (performance) {
    case flow_file::TraceExpectations::Performance::kFail:
      return "fail";
    case flow_file::TraceExpectations::Performance::kWarn:
      return "warn";
    case flow_file::TraceExpectations::Performance::kOff:
      return "off";
  }
  return "";
}

}  // namespace

std::string_view to_string(ValidationStatus status) {
  switch (status) {
    case ValidationStatus::kPending:
      return "pending";
    case ValidationStatus::kPassed:
      return "passed";
    case ValidationStatus::kFailed:
      return "failed";
    case ValidationStatus::kPartial:
      return "partial";
  }
  return "";
}

std::string_view to_string(PathStatus status) {
  switch (status) {
    case PathStatus::kMatch:
      return "match";
    case PathStatus::kMismatch:
      return "mismatch";
    case PathStatus::kInconclusive:
      return "inconclusive";
    case PathStatus::kNoBaseline:
      return "no_baseline";
  }
  return "";
}

std::string_view to_string(ExpectedFrom from) {
  switch (from) {
    case ExpectedFrom::kYaml:
      return "yaml";
    case ExpectedFrom::kDiscoveredFrom:
      return "discovered_from";
    case ExpectedFrom::kBaseline:
      return "baseline";
    case ExpectedFrom::kNone:
      return "none";
  }
  return "";
}

std::string_view to_string(Signal signal) {
  switch (signal) {
    case Signal::kSpans:
      return "spans";
    case Signal::kParents:
      return "parents";
    case Signal::kSteps:
      return "steps";
    case Signal::kExpectedNodes:
      return "expected_nodes";
    case Signal::kQuiet:
      return "quiet";
  }
  return "";
}

std::string to_json(const Subject& subject, const TraceValidation& validation) {
  expr::Map map;
  map.set("execution_id", subject.execution.to_string());
  map.set("trace_id", subject.trace_id.to_hex());
  map.set("status", to_string(validation.status));
  map.set("summary", validation.summary);
  map.set("path_status", to_string(validation.path_status));
  map.set("path_match", validation.path_match ? expr::Value(*validation.path_match) : expr::Value());
  map.set("expected_from", to_string(validation.expected_from));
  map.set("expected_path", list_of(validation.expected_path, node_value));
  map.set("actual_path", list_of(validation.actual_path, node_value));
  map.set("missing_nodes", list_of(validation.missing_nodes, node_value));
  map.set("unexpected_nodes", list_of(validation.unexpected_nodes, node_value));
  map.set("order_violations", list_of(validation.order_violations, [](const OrderViolation& violation) {
            return expr::Value(
                expr::Map{{"before", node_value(violation.before)}, {"after", node_value(violation.after)}});
          }));
  map.set("performance", performance_name(validation.performance));
  map.set("slow_spans", list_of(validation.slow_spans, slow_value));
  map.set("error_spans", list_of(validation.error_spans, error_value));
  map.set("failed_assertions", list_of(validation.failed_assertions, finding_value));
  map.set("inconclusive_assertions", list_of(validation.inconclusive_assertions, finding_value));
  map.set(
      "completeness",
      expr::Map{{"complete", validation.unmet.empty()},
                {"unmet", list_of(validation.unmet, [](Signal s) { return expr::Value(to_string(s)); })}});
  map.set("validated_at", validation.status == ValidationStatus::kPending
                              ? expr::Value()
                              : expr::Value(base::to_rfc3339(validation.validated_at)));
  return expr::to_json(map);
}

}  // namespace testmesh::validation
