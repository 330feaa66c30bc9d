#include "validation/validation_summary.h"

#include <fmt/format.h>

#include <algorithm>

namespace testmesh::validation {
namespace {

constexpr size_t kMaxNamed = 4;

// "product-service's GET /products/:id", "the database shop", "the service x".
std::string name_of(const model::PathNode& node) {
  switch (node.type) {
    case model::NodeType::kApiEndpoint:
      return node.service.empty() ? node.identifier : node.service + "'s " + node.identifier;
    case model::NodeType::kDatabase:
      return "the database " + node.identifier +
             (node.service.empty() ? std::string() : " (by " + node.service + ")");
    case model::NodeType::kTopic:
      return "the topic " + node.identifier +
             (node.service.empty() ? std::string() : " (by " + node.service + ")");
    case model::NodeType::kService:
      break;
  }
  return node.identifier;
}

std::string milliseconds(double value) {
  return value < 10 ? fmt::format("{:.2f} ms", value) : fmt::format("{:.0f} ms", value);
}

std::string in_one_line(std::string_view text, size_t max_bytes = 160) {
  std::string line;
  for (const char c : text.substr(0, max_bytes)) line += c == '\n' || c == '\r' || c == '\t' ? ' ' : c;
  // No half of a character at the end.
  if (text.size() > max_bytes) {
    while (!line.empty() && (static_cast<unsigned char>(line.back()) & 0xC0) == 0x80) line.pop_back();
    if (!line.empty() && static_cast<unsigned char>(line.back()) >= 0xC0) line.pop_back();
    line += "…";
  }
  return line;
}

class Sentence {
 public:
  void add(std::string clause) {
    if (clauses_.size() < kMaxNamed)
      clauses_.push_back(std::move(clause));
    else
      ++more_;
  }
  bool empty() const { return clauses_.empty(); }
  std::string finish() const {
    std::string text;
    for (const std::string& clause : clauses_) text += (text.empty() ? "" : "; ") + clause;
    if (more_ > 0) text += fmt::format("; and {} more", more_);
    if (!text.empty()) text += '.';
    return text;
  }

 private:
  std::vector<std::string> clauses_;
  size_t more_ = 0;
};

class Summary {
 public:
  Summary(const Subject& subject, const store::TraceDetail& trace, const PathComparison& comparison,
          const TraceReading& reading, const TraceValidation& result)
      : subject_(subject), trace_(trace), comparison_(comparison), reading_(reading), result_(result) {}

  std::string write() {
    switch (result_.status) {
      case ValidationStatus::kPassed:
        return passed();
      case ValidationStatus::kFailed:
        return failed();
      case ValidationStatus::kPending:
        return "Waiting: " + waiting_for();
      case ValidationStatus::kPartial:
        break;
    }
    std::string text = "Undecided: " + waiting_for();
    Sentence open;
    for (const AssertionFinding& finding : result_.inconclusive_assertions)
      open.add("`" + in_one_line(finding.expression) + "` could still go either way");
    return open.empty() ? text : text + " " + open.finish();
  }

 private:
  std::string passed() const {
    if (result_.path_status == PathStatus::kNoBaseline)
      return result_.actual_path.empty() ? "Nothing is expected of the trace."
                                         : "All that is expected holds; no path is known to compare with.";
    return fmt::format("The trace took the expected path ({} nodes), and all that is expected of it holds.",
                       result_.expected_path.size());
  }

  std::string failed() const {
    Sentence sentence;
    if (!result_.missing_nodes.empty())
      for (const uint32_t node : comparison_.missing) sentence.add(absent(node) + " and did not come");
    for (const uint32_t node : comparison_.unexpected)
      if (!result_.unexpected_nodes.empty()) sentence.add(unexpected(node));
    for (const OrderViolation& order : result_.order_violations)
      sentence.add(name_of(order.before) + " was expected before " + name_of(order.after) +
                   " and came after it");
    if (result_.performance == flow_file::TraceExpectations::Performance::kFail)
      for (const SlowSpan& span : result_.slow_spans)
        sentence.add(fmt::format("{} {} took {}, more than {} (1.5 × the p95 of {} calls)", span.service,
                                 span.operation, milliseconds(span.duration_ms),
                                 milliseconds(span.threshold_ms), span.samples));
    for (const ErrorSpan& span : result_.error_spans)
      if (!span.allowed) sentence.add(error(span));
    for (const AssertionFinding& finding : result_.failed_assertions) sentence.add(assertion(finding));
    return sentence.finish();
  }

  std::string absent(uint32_t node) const {
    std::string text = name_of(comparison_.expected[node]) + " was expected";
    if (node > 0) text += " after " + name_of(comparison_.expected[node - 1]);
    return text;
  }
  std::string unexpected(uint32_t node) const {
    const auto at = [&](uint32_t i) { return name_of(trace_.path[reading_.path[i].node]); };
    std::string text = at(node) + " was not expected and came";
    if (node > 0) text += " after " + at(node - 1);
    return text;
  }
  static std::string error(const ErrorSpan& span) {
    std::string text = span.service + " " + span.operation + " failed";
    if (!span.error_type.empty()) text += " with " + in_one_line(span.error_type);
    if (!span.status_message.empty()) text += ": " + in_one_line(span.status_message);
    return text;
  }
  static std::string assertion(const AssertionFinding& finding) {
    std::string text = "`" + in_one_line(finding.expression) + "`";
    if (finding.error) return text + " could not be evaluated: " + in_one_line(*finding.error);
    text += " does not hold";
    if (finding.expected)
      text += ": " + expr::describe(finding.actual, 80) + " against " + expr::describe(*finding.expected, 80);
    return text;
  }

  std::string waiting_for() const {
    Sentence sentence;
    for (const Signal signal : result_.unmet) {
      switch (signal) {
        case Signal::kSpans:
          sentence.add("no span of the application has arrived");
          break;
        case Signal::kParents:
          sentence.add(fmt::format("{} {} a parent that has not arrived", reading_.orphans,
                                   reading_.orphans == 1 ? "span has" : "spans have"));
          break;
        case Signal::kSteps:
          for (size_t i = 0; i < subject_.steps.size(); ++i)
            if (subject_.steps[i].reaches_out && subject_.steps[i].passed && !reading_.step_seen[i])
              sentence.add("no span has arrived of what step " + subject_.steps[i].step_id + " called");
          break;
        case Signal::kExpectedNodes:
          for (const uint32_t node : comparison_.missing)
            sentence.add(absent(node) + " and has not been seen");
          break;
        case Signal::kQuiet:
          sentence.add("spans were still arriving");
          break;
      }
    }
    return sentence.finish();
  }

  const Subject& subject_;
  const store::TraceDetail& trace_;
  const PathComparison& comparison_;
  const TraceReading& reading_;
  const TraceValidation& result_;
};

}  // namespace

std::string summary_of(const Subject& subject, const store::TraceDetail& trace,
                       const PathComparison& comparison, const TraceReading& reading,
                       const TraceValidation& result) {
  return Summary(subject, trace, comparison, reading, result).write();
}

}  // namespace testmesh::validation
