#include "cli/run_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>

#include "cli/text.h"

namespace testmesh::cli {
namespace {

std::string shown(const Json& value, size_t most = 200) {
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > most) {
    text.resize(most);
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xC0) == 0x80) text.pop_back();
    text += "…";
  }
  return text;
}

flow_file::Position position_of(const Json& item, flow_file::Position otherwise) {
  const uint32_t line = static_cast<uint32_t>(number_at(item, "line"));
  if (line == 0) return otherwise;
  return {line, std::max(1u, static_cast<uint32_t>(number_at(item, "column")))};
}

const flow_file::Step* find_step(const std::vector<flow_file::Step>& steps, std::string_view id) {
  for (const flow_file::Step& step : steps) {
    if (step.id == id) return &step;
    for (const auto& [key, nested] : step.nested)
      if (const flow_file::Step* found = find_step(nested, id)) return found;
    if (const flow_file::Step* found = find_step(step.error_steps, id)) return found;
  }
  return nullptr;
}

// Where a step stands; one inside a loop is called "<outer>[<n>].<id>".
flow_file::Position place_of(const flow_file::FlowFile& flow, std::string_view id) {
  if (const size_t dot = id.rfind('.'); dot != std::string_view::npos) id = id.substr(dot + 1);
  for (const auto* steps : {&flow.setup, &flow.steps, &flow.teardown})
    if (const flow_file::Step* step = find_step(*steps, id)) return step->at;
  return {};
}

std::string assertion_sentence(const Json& failed) {
  std::string text = text_at(failed, "expression");
  if (const std::string error = text_at(failed, "error"); !error.empty()) return text + ": " + error;
  const Json& expected = value_at(failed, "expected");
  text += ": actual " + shown(value_at(failed, "actual"));
  if (failed.contains("expected") && !expected.is_null()) text += ", expected " + shown(expected);
  return text;
}

std::string node_text(const Json& node) {
  const std::string service = text_at(node, "service"), identifier = text_at(node, "identifier");
  if (service.empty() || service == identifier) return text_at(node, "type") + " " + identifier;
  return fmt::format("{} {} ({})", text_at(node, "type"), identifier, service);
}

std::string span_text(const Json& span) {
  return text_at(span, "service") + " " + text_at(span, "operation");
}

void add_validation_findings(const Json& validation, std::vector<RunFinding>& findings) {
  const auto add = [&](std::string message, const Json& item = Json()) {
    findings.push_back({position_of(item, {}), "trace", "trace: " + std::move(message)});
  };
  for (const Json& node : value_at(validation, "missing_nodes")) add("did not come: " + node_text(node));
  for (const Json& node : value_at(validation, "unexpected_nodes"))
    add("was not expected: " + node_text(node));
  for (const Json& pair : value_at(validation, "order_violations"))
    add(fmt::format("{} came after {}, expected before it", node_text(value_at(pair, "before")),
                    node_text(value_at(pair, "after"))));
  for (const Json& span : value_at(validation, "slow_spans"))
    add(fmt::format("slow{}: {} took {}, more than {} (1.5 × the p95 of {} in {})",
                    text_at(validation, "performance") == "fail" ? "" : " (a warning)", span_text(span),
                    duration_text(number_at(span, "duration_ms")),
                    duration_text(number_at(span, "threshold_ms")), duration_text(number_at(span, "p95_ms")),
                    counted(number_at(span, "samples"), "sample")));
  for (const Json& span : value_at(validation, "error_spans")) {
    if (value_at(span, "allowed") == Json(true)) continue;
    std::string why = text_at(span, "status_message");
    if (why.empty()) why = text_at(span, "error_type");
    add("failed span: " + span_text(span) + (why.empty() ? "" : ": " + why));
  }
  for (const Json& failed : value_at(validation, "failed_assertions")) {
    const std::string step = text_at(failed, "step_id");
    add((step.empty() ? "" : "step " + step + ": ") + assertion_sentence(failed), failed);
  }
  const bool failed_anyway = text_at(validation, "status") == "failed";
  const Json& undecided = value_at(validation, "inconclusive_assertions");
  if (failed_anyway && !undecided.empty())
    add(counted(static_cast<double>(undecided.size()), "assertion") +
            " undecided: further spans could still have changed the answer",
        undecided.front());
  else
    for (const Json& open : undecided) add("undecided: " + text_at(open, "expression"), open);
  if (text_at(validation, "status") == "partial") {
    std::string unmet;
    for (const Json& signal : value_at(value_at(validation, "completeness"), "unmet"))
      unmet += (unmet.empty() ? "" : ", ") + (signal.is_string() ? signal.get<std::string>() : "");
    add("inconclusive: when time was up the trace still lacked: " + unmet);
  }
}

const char* word_of(RunVerdict verdict) {
  switch (verdict) {
    case RunVerdict::kPassed:
      return "passed";
    case RunVerdict::kFailed:
      return "failed";
    case RunVerdict::kError:
      return "error";
  }
  return "";
}

Style style_of(RunVerdict verdict) { return verdict == RunVerdict::kPassed ? Style::kGood : Style::kBad; }

}  // namespace

RunVerdict FlowRun::verdict() const {
  const std::string status = text_at(execution, "status");
  if (!problem.empty()) return RunVerdict::kError;
  if (status == "passed") return RunVerdict::kPassed;
  if (status == "failed") return RunVerdict::kFailed;
  return RunVerdict::kError;
}

std::string FlowRun::name() const { return input.flow.name.empty() ? input.file : input.flow.name; }

size_t RunReport::count(RunVerdict verdict) const {
  return static_cast<size_t>(
      std::ranges::count_if(runs, [&](const FlowRun& run) { return run.verdict() == verdict; }));
}

int RunReport::exit_code() const {
  if (runs.empty() || count(RunVerdict::kError) > 0) return 2;
  return count(RunVerdict::kFailed) > 0 ? 1 : 0;
}

std::vector<RunFinding> findings_of(const FlowRun& run) {
  std::vector<RunFinding> findings;
  for (const flow_file::Problem& problem : run.input.problems)
    findings.push_back({problem.at, "", problem.message});
  if (!run.problem.empty()) findings.push_back({{}, "", run.problem});
  for (const Json& step : run.steps) {
    const std::string id = text_at(step, "id");
    if (text_at(step, "status") != "failed") continue;
    const flow_file::Position place = place_of(run.input.flow, id);
    const Json& failed = value_at(step, "failed_assertions");
    for (const Json& assertion : failed)
      findings.push_back(
          {position_of(assertion, place), id, "step " + id + ": " + assertion_sentence(assertion)});
    if (failed.empty() || text_at(value_at(step, "error"), "code") != "assertion")
      findings.push_back({place, id, "step " + id + ": " + text_at(value_at(step, "error"), "message")});
  }
  if (run.validation.is_object()) add_validation_findings(run.validation, findings);
  const bool explained = !findings.empty();
  if (const Json& error = value_at(run.execution, "error");
      error.is_object() && (!explained || text_at(run.execution, "status") == "cancelled"))
    findings.push_back({{}, "", text_at(error, "message")});
  return findings;
}

std::string validation_sentence(const Json& validation) {
  const std::string status = text_at(validation, "status"), path = text_at(validation, "path_status");
  const auto nodes = [&](const char* list) {
    return counted(static_cast<double>(value_at(validation, list).size()), "node");
  };
  std::string text = path == "match"         ? nodes("expected_path") + " as expected"
                     : path == "mismatch"    ? "the path differs from what was expected"
                     : path == "no_baseline" ? nodes("actual_path") + ", no path to compare with"
                                             : "the path is undecided";
  const std::string from = text_at(validation, "expected_from");
  if (from == "yaml") text += " (by the flow file)";
  if (from == "discovered_from") text += " (by the flow it was exported from)";
  if (from == "baseline") text += " (by what its traffic does)";
  return text;
}

Json run_json(const RunReport& report) {
  Json executions = Json::array();
  for (const FlowRun& run : report.runs) {
    Json one = {{"file", run.input.file}};
    if (run.execution.is_object())
      one.update(run.execution);
    else
      one.update({{"flow_name", run.name()}, {"status", "error"}});
    if (run.execution.is_null()) {
      Json errors = Json::array();
      for (const flow_file::Problem& problem : run.input.problems)
        errors.push_back(
            {{"line", problem.at.line}, {"column", problem.at.column}, {"message", problem.message}});
      one["error"] = {{"code", run.input.problems.empty() ? "not_started" : "invalid_flow"},
                      {"message", run.problem.empty() ? "the file has errors" : run.problem}};
      if (!errors.empty()) one["errors"] = std::move(errors);
    }
    one["steps"] = run.steps.is_array() ? run.steps : Json::array();
    one["trace_validation"] = run.validation;
    executions.push_back(std::move(one));
  }
  return {{"executions", std::move(executions)},
          {"passed", report.count(RunVerdict::kPassed)},
          {"failed", report.count(RunVerdict::kFailed)},
          {"errors", report.count(RunVerdict::kError)}};
}

namespace {

// Message and text of a case: the findings of one step, or of all.
void tell(JUnitCase& one, const FlowRun& run, const std::vector<RunFinding>& findings,
          const std::string* step) {
  for (const RunFinding& finding : findings) {
    if (step && finding.step != *step) continue;
    if (one.message.empty()) one.message = finding.message;
    one.text +=
        fmt::format("{}:{}:{}: {}\n", run.input.file, finding.at.line, finding.at.column, finding.message);
  }
}

JUnitCase step_case(const FlowRun& run, const Json& step, const std::vector<RunFinding>& findings) {
  const std::string id = text_at(step, "id"), name = text_at(step, "name"), status = text_at(step, "status");
  JUnitCase one;
  one.classname = run.name();
  one.name = name.empty() || name == id ? id : id + ": " + name;
  one.seconds = number_at(step, "duration_ms") / 1000;
  one.properties = {{"action", text_at(step, "action")},
                    {"phase", text_at(step, "phase")},
                    {"attempts", count_at(step, "attempts")}};
  if (status == "skipped") {
    one.outcome = JUnitOutcome::kSkipped;
    one.message = text_at(value_at(step, "error"), "message");
    if (one.message.empty()) one.message = "skipped";
  } else if (status == "failed") {
    one.outcome = JUnitOutcome::kFailed;
    one.type = text_at(value_at(step, "error"), "code");
    tell(one, run, findings, &id);
  }
  return one;
}

JUnitCase trace_case(const FlowRun& run, const std::vector<RunFinding>& findings) {
  JUnitCase one;
  one.classname = run.name();
  one.name = "trace";
  const std::string status = text_at(run.validation, "status");
  if (!run.validation.is_object()) {
    one.outcome = JUnitOutcome::kSkipped;
    one.message = "the trace was not validated";
    return one;
  }
  one.properties = {{"trace_id", text_at(run.validation, "trace_id")},
                    {"path_status", text_at(run.validation, "path_status")}};
  if (status == "passed") return one;
  one.outcome = status == "failed" ? JUnitOutcome::kFailed : JUnitOutcome::kError;
  one.type = status == "failed" ? "trace" : "inconclusive";
  const std::string step = "trace";
  tell(one, run, findings, &step);
  if (one.message.empty()) one.message = "the trace's validation ended as " + status;
  return one;
}

}  // namespace

JUnitReport run_junit(const RunReport& report) {
  JUnitReport junit{.name = "testmesh run"};
  for (const FlowRun& run : report.runs) {
    const std::vector<RunFinding> findings = findings_of(run);
    JUnitSuite& suite = junit.suites.emplace_back();
    suite.name = run.name();
    suite.timestamp = text_at(run.execution, "started_at");
    suite.seconds = number_at(run.execution, "duration_ms") / 1000;
    suite.properties = {{"file", run.input.file}, {"trace_id", text_at(run.execution, "trace_id")}};
    bool told = false;
    for (const Json& step : run.steps) {
      suite.cases.push_back(step_case(run, step, findings));
      told |= suite.cases.back().outcome == JUnitOutcome::kFailed;
    }
    if (run.execution.is_object()) {
      suite.cases.push_back(trace_case(run, findings));
      told |= suite.cases.back().outcome == JUnitOutcome::kFailed ||
              suite.cases.back().outcome == JUnitOutcome::kError;
    }
    if (run.verdict() == RunVerdict::kPassed || told) continue;
    JUnitCase one{.classname = run.name(), .name = "run", .outcome = JUnitOutcome::kError, .type = "error"};
    tell(one, run, findings, nullptr);
    if (one.message.empty()) one.message = "it ended as " + text_at(run.execution, "status");
    suite.cases.push_back(std::move(one));
  }
  return junit;
}

void print_flow_run(std::ostream& out, const FlowRun& run, bool colour) {
  const RunVerdict verdict = run.verdict();
  std::string facts;
  if (run.execution.is_object())
    facts = fmt::format("  {}, {}", counted(static_cast<double>(run.steps.size()), "step"),
                        duration_text(number_at(run.execution, "duration_ms")));
  out << fmt::format("{} {}{}\n", painted(pad_right(word_of(verdict), 6), style_of(verdict), colour),
                     painted(printable(run.name()), Style::kBold, colour),
                     painted(printable(facts + "  " + run.input.file), Style::kDim, colour));
  size_t widest = 0;
  for (const Json& step : run.steps) widest = std::max(widest, width_of(printable(text_at(step, "id"))));
  widest = std::min<size_t>(widest, 40);
  for (const Json& step : run.steps) {
    const std::string status = text_at(step, "status");
    const std::string mark = status == "passed"   ? painted("ok     ", Style::kGood, colour)
                             : status == "failed" ? painted("failed ", Style::kBad, colour)
                                                  : painted("skipped", Style::kDim, colour);
    std::string more = status == "skipped" ? "" : duration_text(number_at(step, "duration_ms"));
    if (number_at(step, "attempts") > 1) more += ", " + counted(number_at(step, "attempts"), "attempt");
    if (const std::string phase = text_at(step, "phase"); phase != "main") more += "  " + phase;
    out << fmt::format("  {} {}  {} {}\n", mark, pad_right(printable(text_at(step, "id")), widest),
                       painted(pad_right(printable(text_at(step, "action")), 14), Style::kDim, colour), more);
  }
  if (run.validation.is_object()) {
    const std::string status = text_at(run.validation, "status");
    out << fmt::format("  {} {}  {}\n",
                       status == "passed" ? painted("ok     ", Style::kGood, colour)
                                          : painted(pad_right(printable(status), 7), Style::kBad, colour),
                       pad_right("trace", widest), printable(validation_sentence(run.validation)));
  }
  for (const RunFinding& finding : findings_of(run))
    out << fmt::format("{}:{}:{}: {}\n", printable(run.input.file), finding.at.line, finding.at.column,
                       printable(finding.message));
  if (verdict != RunVerdict::kPassed && run.execution.is_object())
    out << painted(fmt::format("  look at the trace: testmesh traces show {}\n",
                               printable(text_at(run.execution, "trace_id"))),
                   Style::kDim, colour);
}

void print_run_totals(std::ostream& out, const RunReport& report, bool colour) {
  const size_t passed = report.count(RunVerdict::kPassed), failed = report.count(RunVerdict::kFailed),
               errors = report.count(RunVerdict::kError);
  out << painted(fmt::format("{} passed", passed), passed > 0 ? Style::kGood : Style::kPlain, colour);
  out << ", " << painted(fmt::format("{} failed", failed), failed > 0 ? Style::kBad : Style::kPlain, colour);
  if (errors > 0) out << ", " << painted(fmt::format("{} could not be decided", errors), Style::kBad, colour);
  if (report.skipped > 0) out << fmt::format(", {} without the wanted tags", report.skipped);
  out << fmt::format(" in {}\n", duration_text(report.seconds * 1000));
}

}  // namespace testmesh::cli
