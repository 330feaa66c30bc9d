// Runs of flows, verdicts on traces.
#include <fmt/format.h>

#include "api/exported_flow.h"
#include "api/json_body.h"
#include "api/routes.h"
#include "executions/execution_json.h"

namespace testmesh::api {
namespace {

using executions::Execution;
using executions::ExecutionService;
using executions::ExecutionStatus;
using executions::NewExecution;
using nlohmann::json;

// A flow is at most 1 MiB; with the files it runs, and as JSON text.
constexpr size_t kMaxBody = 16 << 20;

Failure bad_field(std::string_view field, std::string sentence) {
  std::string details;
  JsonWriter(details).begin_object().field("field", field).end_object();
  return {400, "invalid_argument", std::move(sentence), std::move(details)};
}

// Null stands for absent.
std::expected<std::optional<std::string>, Failure> text_in(const json& body, const char* name) {
  const auto found = body.find(name);
  if (found == body.end() || found->is_null()) return std::nullopt;
  if (!found->is_string()) return std::unexpected(bad_field(name, fmt::format("`{}` must be a text", name)));
  return found->get<std::string>();
}

std::expected<expr::Value, Failure> scalar_of(const std::string& name, const json& value) {
  switch (value.type()) {
    case json::value_t::null:
      return expr::Value();
    case json::value_t::boolean:
      return expr::Value(value.get<bool>());
    case json::value_t::number_integer:
      return expr::Value(value.get<int64_t>());
    case json::value_t::number_unsigned:
      if (const auto number = value.get<uint64_t>(); number <= INT64_MAX)
        return expr::Value(static_cast<int64_t>(number));
      return expr::Value(value.get<double>());
    case json::value_t::number_float:
      return expr::Value(value.get<double>());
    case json::value_t::string:
      return expr::Value(value.get<std::string>());
    default:
      return std::unexpected(bad_field(
          "variables", fmt::format("The variable `{}` must be a text, a number, true, false or null", name)));
  }
}

std::expected<NewExecution, Failure> new_execution_in(const json& body) {
  NewExecution made;
  TRY_ASSIGN(const auto flow, text_in(body, "flow"));
  made.flow = flow.value_or("");
  TRY_ASSIGN(const auto trace, text_in(body, "trace_id"));
  if (trace) {
    made.trace_id = model::TraceId::parse(*trace);
    if (!made.trace_id || made.trace_id->is_zero())
      return std::unexpected(
          bad_field("trace_id", "`trace_id` must be 32 hexadecimal digits that are not all zero"));
  }
  TRY_ASSIGN(const auto parent, text_in(body, "parent_span_id"));
  if (parent) {
    made.parent_span_id = model::SpanId::parse(*parent);
    if (!made.parent_span_id || made.parent_span_id->is_zero())
      return std::unexpected(bad_field(
          "parent_span_id", "`parent_span_id` must be 16 hexadecimal digits that are not all zero"));
    if (!trace)
      return std::unexpected(bad_field("parent_span_id", "`parent_span_id` goes with a `trace_id`"));
  }
  if (const auto variables = body.find("variables"); variables != body.end() && !variables->is_null()) {
    if (!variables->is_object())
      return std::unexpected(bad_field("variables", "`variables` must be an object"));
    for (const auto& [name, value] : variables->items()) {
      TRY_ASSIGN(expr::Value scalar, scalar_of(name, value));
      made.variables.emplace_back(name, std::move(scalar));
    }
  }
  if (const auto files = body.find("files"); files != body.end() && !files->is_null()) {
    if (!files->is_object()) return std::unexpected(bad_field("files", "`files` must be an object"));
    for (const auto& [name, text] : files->items()) {
      if (!text.is_string())
        return std::unexpected(
            bad_field("files", fmt::format("The file `{}` must be the text of a flow", name)));
      made.files[name] = text.get<std::string>();
    }
  }
  return made;
}

Failure failure_of(const executions::Refusal& refusal) {
  Failure failure(refusal.error);
  if (refusal.problems.empty()) return failure;
  failure.code = "invalid_flow";
  failure.details.clear();
  JsonWriter writer(failure.details);
  writer.begin_object().key("errors").begin_array();
  for (const flow_file::Problem& problem : refusal.problems) {
    writer.begin_object().field("line", problem.at.line).field("column", problem.at.column);
    writer.field("message", problem.message);
    if (!problem.found.empty()) writer.field("found", problem.found);
    if (!problem.expected.empty()) writer.field("expected", problem.expected);
    writer.end_object();
  }
  writer.end_array().end_object();
  return failure;
}

std::optional<ExecutionStatus> status_named(std::string_view name) {
  for (const auto status : {ExecutionStatus::kPending, ExecutionStatus::kRunning, ExecutionStatus::kPassed,
                            ExecutionStatus::kFailed, ExecutionStatus::kError, ExecutionStatus::kCancelled})
    if (executions::to_string(status) == name) return status;
  return std::nullopt;
}

Failure no_such_execution() { return not_found("There is no such execution in this workspace"); }

Reply pending() { return {.status = 202, .body = R"({"status":"pending"})"}; }

}  // namespace

Answer start_execution(Context& context, const Call& call) {
  TRY_ASSIGN(const json body, json_object_of(call, kMaxBody));
  TRY_ASSIGN(const auto flow_id, text_in(body, "flow_id"));
  TRY_ASSIGN(NewExecution wanted, new_execution_in(body));
  if (flow_id ? !wanted.flow.empty() || wanted.trace_id : wanted.flow.empty() && !wanted.trace_id)
    return std::unexpected(
        Failure(400, "invalid_argument",
                "Give one of `flow` (the text of a flow), `flow_id` (of a discovered flow) "
                "and `trace_id` (of someone else's run, with or without `flow`)"));
  if (flow_id) {
    TRY_ASSIGN(const model::FlowId id, flow_id_of(*flow_id));
    TRY_ASSIGN(wanted.flow, exported_flow(context, call.workspace->id, id, flow_export::Mode::kTrace));
  }
  auto started = context.executions.start(call.workspace->id, std::move(wanted));
  if (!started) return std::unexpected(failure_of(started.error()));
  Reply reply{.status = 202, .body = executions::to_json(*started)};
  reply.headers.emplace_back(
      "Location", fmt::format("/api/v1/workspaces/{}/executions/{}", call.workspace->id.to_string(),
                              started->id.to_string()));
  return reply;
}

Answer list_executions(Context& context, const Call& call) {
  TRY_ASSIGN(const size_t limit, limit_of(call));
  std::optional<ExecutionStatus> status;
  if (const auto name = text_of(call, "status")) {
    status = status_named(*name);
    if (!status)
      return std::unexpected(
          bad_parameter("status", "`status` must be pending, running, passed, failed, error or cancelled"));
  }
  TRY_ASSIGN(const auto page, context.executions.list(call.workspace->id, limit, cursor_of(call), status,
                                                      text_of(call, "flow_name").value_or("")));
  Reply reply;
  JsonWriter writer(reply.body);
  writer.begin_object().key("executions").begin_array();
  for (const Execution& execution : page.executions) writer.raw(executions::to_json(execution));
  writer.end_array();
  write_page_end(writer, page.total, page.next_cursor);
  writer.end_object();
  return reply;
}

Answer show_execution(Context& context, const Call& call) {
  TRY_ASSIGN(const model::ExecutionId id, execution_id_of(call.path_values[1]));
  const auto execution = context.executions.find(call.workspace->id, id);
  if (!execution) return std::unexpected(no_such_execution());
  return Reply{.body = executions::to_json(*execution)};
}

Answer list_steps(Context& context, const Call& call) {
  TRY_ASSIGN(const model::ExecutionId id, execution_id_of(call.path_values[1]));
  TRY_ASSIGN(const auto steps, context.executions.steps(call.workspace->id, id));
  Reply reply;
  JsonWriter writer(reply.body);
  writer.begin_object().key("steps").begin_array();
  for (const runner::StepResult& step : steps) writer.raw(executions::to_json(step));
  writer.end_array().field("total", steps.size()).end_object();
  return reply;
}

Answer cancel_execution(Context& context, const Call& call) {
  TRY_ASSIGN(const model::ExecutionId id, execution_id_of(call.path_values[1]));
  TRY_ASSIGN(const Execution execution, context.executions.cancel(call.workspace->id, id));
  return Reply{.body = executions::to_json(execution)};
}

Answer show_trace_validation(Context& context, const Call& call) {
  TRY_ASSIGN(const model::ExecutionId id, execution_id_of(call.path_values[1]));
  TRY_ASSIGN(auto validation, context.executions.validation(call.workspace->id, id));
  switch (validation.state) {
    case ExecutionService::ValidationState::kDone:
      return Reply{.body = std::move(validation.json)};
    case ExecutionService::ValidationState::kPending:
      return pending();
    case ExecutionService::ValidationState::kNone:
      break;
  }
  return std::unexpected(
      not_found("The trace of this execution was not judged; POST to this address judges it"));
}

Answer validate_trace(Context& context, const Call& call) {
  TRY_ASSIGN(const model::ExecutionId id, execution_id_of(call.path_values[1]));
  TRY(context.executions.validate_again(call.workspace->id, id));
  return pending();
}

}  // namespace testmesh::api
