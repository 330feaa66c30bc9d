// Discovered flows as flow files.
#include "api/exported_flow.h"
#include "api/json_body.h"
#include "api/routes.h"

namespace testmesh::api {
namespace {

std::expected<flow_export::Mode, Failure> mode_in(const Call& call) {
  if (call.request.body.empty()) return flow_export::Mode::kSteps;
  TRY_ASSIGN(const nlohmann::json body, json_object_of(call));
  const auto given = body.find("mode");
  if (given == body.end() || given->is_null()) return flow_export::Mode::kSteps;
  const auto mode = given->is_string() ? flow_export::mode_of(given->get<std::string>()) : std::nullopt;
  if (!mode)
    return std::unexpected(
        Failure(400, "invalid_argument", "`mode` must be steps or trace", R"({"field":"mode"})"));
  return *mode;
}

}  // namespace

std::expected<std::string, Failure> exported_flow(Context& context, const model::WorkspaceId& workspace,
                                                  const model::FlowId& id, flow_export::Mode mode) {
  const auto flow = context.store.flow(workspace, id);
  if (!flow) return std::unexpected(not_found("There is no such flow in this workspace"));
  std::optional<store::TraceDetail> sample;
  for (const model::TraceId& trace : flow_export::samples_of(*flow)) {
    TRY_ASSIGN(auto detail, context.store.trace(workspace, trace));
    if (!detail || !flow_export::is_fit(*detail)) continue;
    sample = std::move(detail);
    break;
  }
  return flow_export::export_flow(*flow, sample ? &*sample : nullptr, mode);
}

Answer export_flow(Context& context, const Call& call) {
  TRY_ASSIGN(const model::FlowId id, flow_id_of(call.path_values[1]));
  TRY_ASSIGN(const flow_export::Mode mode, mode_in(call));
  TRY_ASSIGN(const std::string yaml, exported_flow(context, call.workspace->id, id, mode));
  Reply reply;
  JsonWriter(reply.body).begin_object().field("yaml", yaml).end_object();
  return reply;
}

}  // namespace testmesh::api
