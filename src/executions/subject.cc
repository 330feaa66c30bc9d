#include "executions/subject.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "executions/map_reader.h"

namespace testmesh::executions {
namespace {

using base::ErrorCode;
using expr::Kind;
using expr::List;
using expr::Map;
using expr::Value;
using flow_file::Assertion;
using flow_file::FlowFile;
using flow_file::Step;
using flow_file::TraceExpectations;

constexpr int64_t kSchema = 1;
constexpr std::string_view kMask = "***";
// Shorter secrets would be found in texts that have nothing to do with them.
constexpr size_t kShortestMasked = 4;

constexpr std::array kReachingOut{std::string_view("http_request"), std::string_view("grpc_call"),
                                  std::string_view("kafka_producer")};

std::string masked(std::string text, const std::vector<std::string>& secrets) {
  for (const std::string& secret : secrets)
    for (size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at + kMask.size()))
      text.replace(at, secret.size(), kMask);
  return text;
}

// Of the flow's `env` and the request's variables, which win.
Map masked_variables(const FlowFile* flow, const std::vector<std::pair<std::string, Value>>& given) {
  Map all;
  if (flow)
    for (const auto& [name, value] : flow->env) all.set(name, value);
  for (const auto& [name, value] : given) all.set(name, value);
  std::vector<std::string> secrets;
  for (const auto& [name, value] : all)
    if (std::string text = expr::to_text(value);
        flow_file::is_secret_name(name.as_string()) && text.size() >= kShortestMasked)
      secrets.push_back(std::move(text));
  Map out;
  for (const auto& [name, value] : all) {
    if (flow_file::is_secret_name(name.as_string()))
      out.set(name.as_string(), kMask);
    else if (value.kind() == Kind::kString)
      out.set(name.as_string(), masked(std::string(value.as_string()), secrets));
    else
      out.set(name.as_string(), value);
  }
  return out;
}

void for_each_step(const std::vector<Step>& steps, const std::function<void(const Step&)>& visit) {
  for (const Step& step : steps) {
    visit(step);
    for_each_step(step.error_steps, visit);
    for (const auto& [key, nested] : step.nested) for_each_step(nested, visit);
  }
}

void for_each_step(const FlowFile& flow, const std::function<void(const Step&)>& visit) {
  for (const auto* steps : {&flow.setup, &flow.steps, &flow.teardown}) for_each_step(*steps, visit);
}

bool reaches_out(const std::string& action) {
  return std::ranges::find(kReachingOut, action) != kReachingOut.end();
}

FlowFile expectations_only(const FlowFile& flow) {
  FlowFile reduced;
  reduced.name = flow.name;
  reduced.trace = flow.trace;
  reduced.trace_assert = flow.trace_assert;
  reduced.discovered_from = flow.discovered_from;
  reduced.expects_of_trace = flow.expects_of_trace;
  return reduced;
}

// ---- documents

List to_list(const std::vector<Assertion>& assertions) {
  List list;
  for (const Assertion& assertion : assertions)
    list.push_back(Map{{"source", assertion.source},
                       {"line", static_cast<int64_t>(assertion.at.line)},
                       {"column", static_cast<int64_t>(assertion.at.column)}});
  return list;
}

base::Result<std::vector<Assertion>> assertions_from(const List& list) {
  std::vector<Assertion> assertions;
  for (const Value& item : list) {
    const MapReader map(item);
    Assertion assertion;
    assertion.source = map.text("source");
    auto program = expr::Program::compile(assertion.source);
    if (!program)
      return base::fail(ErrorCode::kCorrupt,
                        fmt::format("a stored assertion does not compile: {}", program.error().message));
    assertion.program = *std::move(program);
    assertion.at = {static_cast<uint32_t>(map.integer("line")), static_cast<uint32_t>(map.integer("column"))};
    assertions.push_back(std::move(assertion));
  }
  return assertions;
}

std::string_view to_string(TraceExpectations::Performance performance) {
  switch (performance) {
    case TraceExpectations::Performance::kFail:
      return "fail";
    case TraceExpectations::Performance::kWarn:
      return "warn";
    case TraceExpectations::Performance::kOff:
      return "off";
  }
  return "";
}

Map to_map(const TraceExpectations& trace) {
  Map map{{"performance", to_string(trace.performance)}, {"allow_errors", trace.allow_errors}};
  if (!trace.expected_path) return map;
  List path;
  for (const model::PathNode& node : *trace.expected_path)
    path.push_back(Map{
        {"type", model::to_string(node.type)}, {"identifier", node.identifier}, {"service", node.service}});
  map.set("expected_path", std::move(path));
  return map;
}

TraceExpectations trace_from(const MapReader& map) {
  TraceExpectations trace;
  const std::string performance = map.text("performance");
  for (const auto value : {TraceExpectations::Performance::kWarn, TraceExpectations::Performance::kOff})
    if (to_string(value) == performance) trace.performance = value;
  trace.allow_errors = map.list("allow_errors");
  if (!map.has("expected_path")) return trace;
  trace.expected_path.emplace();
  for (const Value& item : map.list("expected_path")) {
    const MapReader node(item);
    trace.expected_path->push_back(
        {node.one_of("type", {model::NodeType::kService, model::NodeType::kApiEndpoint,
                              model::NodeType::kDatabase, model::NodeType::kTopic}),
         node.text("identifier"), node.text("service")});
  }
  return trace;
}

Map to_map(const FlowFile& flow) {
  Map map{{"name", flow.name}, {"expects", flow.expects_of_trace}};
  map.set("trace_assert", to_list(flow.trace_assert));
  if (flow.trace) map.set("trace", to_map(*flow.trace));
  if (flow.discovered_from)
    map.set("discovered_from",
            Map{{"fingerprint", flow.discovered_from->fingerprint},
                {"sample_trace_id", flow.discovered_from->sample_trace_id},
                {"occurrence_count", static_cast<int64_t>(flow.discovered_from->occurrence_count)}});
  return map;
}

base::Result<FlowFile> flow_from(const MapReader& map) {
  FlowFile flow;
  flow.name = map.text("name");
  flow.expects_of_trace = map.truth("expects");
  TRY_ASSIGN(flow.trace_assert, assertions_from(map.list("trace_assert")));
  if (map.has("trace")) flow.trace = trace_from(MapReader(map.value("trace")));
  if (map.has("discovered_from")) {
    const MapReader from(map.value("discovered_from"));
    flow.discovered_from = {from.text("fingerprint"), from.text("sample_trace_id"),
                            static_cast<uint64_t>(from.integer("occurrence_count"))};
  }
  return flow;
}

void add_all(Map& to, const Value& from) {
  if (from.kind() != Kind::kMap) return;
  for (const auto& [name, value] : from.as_map()) to.set(name, value);
}

// What later assertions reach as `<id>.<key>`.
Value under_id(const runner::StepResult& step) {
  Map map;
  add_all(map, step.result);
  add_all(map, step.output);
  return map;
}

}  // namespace

Expectations expectations_of(bool is_run, const FlowFile* flow,
                             const std::vector<std::pair<std::string, Value>>& variables,
                             std::optional<model::SpanId> parent_span_id) {
  Expectations made;
  made.is_run = is_run;
  made.parent_span_id = parent_span_id;
  made.variables = masked_variables(flow, variables);
  if (!flow) return made;
  made.flow = expectations_only(*flow);
  if (!is_run)
    for_each_step(*flow, [&](const Step& step) {
      if (!step.trace_assert.empty() && !step.disabled)
        made.steps.push_back({step.id, {}, reaches_out(step.action), true, step.trace_assert});
    });
  return made;
}

void set_steps(Expectations& expectations, const FlowFile& flow,
               const std::vector<runner::StepResult>& results) {
  expectations.steps.clear();
  // By place as well: steps of a flow that was run by this one are not in it.
  std::map<std::pair<flow_file::Position, std::string_view>, const Step*> written;
  for_each_step(flow, [&](const Step& step) { written[{step.at, step.id}] = &step; });
  for (const runner::StepResult& result : results) {
    if (result.span_id.is_zero()) continue;
    const std::string_view own_id = std::string_view(result.id).substr(result.id.rfind('.') + 1);
    const auto found = written.find({result.at, own_id});
    JudgedStep& step = expectations.steps.emplace_back();
    step.id = result.id;
    step.span_id = result.span_id;
    step.reaches_out = reaches_out(result.action);
    step.passed = result.status == runner::StepStatus::kPassed;
    if (found != written.end()) step.trace_assert = found->second->trace_assert;
  }
}

std::string encode(const Expectations& expectations) {
  Map map{{"schema", kSchema}, {"is_run", expectations.is_run}};
  if (expectations.parent_span_id) map.set("parent_span_id", expectations.parent_span_id->to_hex());
  if (expectations.flow) map.set("flow", to_map(*expectations.flow));
  map.set("variables", expectations.variables);
  List steps;
  for (const JudgedStep& step : expectations.steps)
    steps.push_back(Map{{"id", step.id},
                        {"span_id", step.span_id.to_hex()},
                        {"reaches_out", step.reaches_out},
                        {"passed", step.passed},
                        {"trace_assert", to_list(step.trace_assert)}});
  map.set("steps", std::move(steps));
  return expr::to_json(map);
}

base::Result<Expectations> decode_expectations(std::string_view text) {
  TRY_ASSIGN(const Value value, expr::parse_json(text));
  const MapReader map(value);
  if (!map.ok() || map.integer("schema") < 1)
    return base::fail(ErrorCode::kCorrupt, "what an execution expects of its trace does not read back");
  if (map.integer("schema") > kSchema)
    return base::fail(ErrorCode::kUnsupported,
                      fmt::format("what an execution expects of its trace has schema {}, written by a newer "
                                  "testmesh; this one reads up to {}",
                                  map.integer("schema"), kSchema));
  Expectations made;
  made.is_run = map.truth("is_run");
  made.parent_span_id = model::SpanId::parse(map.text("parent_span_id"));
  if (map.has("flow")) {
    TRY_ASSIGN(made.flow, flow_from(MapReader(map.value("flow"))));
  }
  add_all(made.variables, map.value("variables"));
  for (const Value& item : map.list("steps")) {
    const MapReader step(item);
    JudgedStep& judged = made.steps.emplace_back();
    judged.id = step.text("id");
    judged.span_id = model::SpanId::parse(step.text("span_id")).value_or(model::SpanId{});
    judged.reaches_out = step.truth("reaches_out");
    judged.passed = step.truth("passed");
    TRY_ASSIGN(judged.trace_assert, assertions_from(step.list("trace_assert")));
  }
  return made;
}

OwnedSubject::OwnedSubject(const Execution& execution, const model::WorkspaceId& workspace,
                           Expectations expectations, const std::vector<runner::StepResult>& results)
    : expectations_(std::move(expectations)), names_(expectations_.variables) {
  // A step's assertions name what was known when it ended.
  std::map<std::string_view, const JudgedStep*> wanted;
  for (const JudgedStep& step : expectations_.steps)
    if (!step.trace_assert.empty()) wanted[step.id] = &step;
  std::map<const JudgedStep*, const Map*> names_of;
  Map steps;
  for (const runner::StepResult& result : results) {
    const Value known = under_id(result);
    steps.set(result.id, known);
    names_.set(result.id, known);
    add_all(names_, result.output);
    const auto found = wanted.find(result.id);
    if (found == wanted.end()) continue;
    Map& names = step_names_.emplace_back(names_);
    names.set("steps", steps);
    add_all(names, result.result);
    names.set("response", result.result);
    names_of[found->second] = &names;
  }
  names_.set("steps", steps);
  subject_.execution = execution.id;
  subject_.workspace = workspace;
  subject_.trace_id = execution.trace_id;
  subject_.flow = expectations_.flow ? &*expectations_.flow : nullptr;
  subject_.is_run = expectations_.is_run;
  for (const JudgedStep& step : expectations_.steps) {
    const auto found = names_of.find(&step);
    subject_.steps.push_back({.step_id = step.id,
                              .span_id = step.span_id,
                              .reaches_out = step.reaches_out,
                              .passed = step.passed,
                              .trace_assert = step.trace_assert.empty() ? nullptr : &step.trace_assert,
                              .names = found == names_of.end() ? &names_ : found->second});
  }
  subject_.parent_span_id = expectations_.parent_span_id;
  subject_.started_at = execution.started_at;
  subject_.variables = &names_;
}

}  // namespace testmesh::executions
