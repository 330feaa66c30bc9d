// Workspaces and their API keys.
#include <fmt/format.h>

#include "api/json_body.h"
#include "api/routes.h"

namespace testmesh::api {
namespace {

void write_workspace(JsonWriter& json, const model::Workspace& workspace) {
  json.begin_object().field("id", workspace.id.to_string()).field("name", workspace.name);
  json.field("created_at", base::to_rfc3339(workspace.created_at)).end_object();
}

void write_key_fields(JsonWriter& json, const store::ApiKey& key) {
  json.field("id", key.id.to_string()).field("name", key.name);
  json.field("workspace_id", key.workspace.to_string()).field("created_at", base::to_rfc3339(key.created_at));
}

Reply workspace_reply(int status, const model::Workspace& workspace) {
  Reply reply{.status = status};
  JsonWriter json(reply.body);
  write_workspace(json, workspace);
  return reply;
}

// Sorts like (created_at, id), the order of the registry's lists.
template <typename Item>
std::vector<std::string> page_keys(const std::vector<Item>& items) {
  std::vector<std::string> keys;
  keys.reserve(items.size());
  for (const Item& item : items)
    keys.push_back(fmt::format("{:016x}-{}", item.created_at, item.id.to_string()));
  return keys;
}

std::expected<std::string, Failure> name_in(const nlohmann::json& body) {
  const auto name = body.find("name");
  if (name == body.end() || !name->is_string())
    return std::unexpected(Failure(400, "invalid_argument", "`name` must be a text", R"({"field":"name"})"));
  return name->get<std::string>();
}

}  // namespace

Answer list_workspaces(Context& context, const Call& call) {
  const auto workspaces = context.registry.list();
  TRY_ASSIGN(const Slice slice, slice_of(call, page_keys(workspaces)));
  Reply reply;
  JsonWriter json(reply.body);
  json.begin_object().key("workspaces").begin_array();
  for (size_t i = slice.begin; i < slice.end; ++i) write_workspace(json, workspaces[i]);
  json.end_array();
  write_page_end(json, workspaces.size(), slice.next_cursor);
  json.end_object();
  return reply;
}

Answer create_workspace(Context& context, const Call& call) {
  TRY_ASSIGN(const nlohmann::json body, json_object_of(call));
  std::optional<model::WorkspaceId> wanted;
  if (const auto id = body.find("id"); id != body.end() && !id->is_null()) {
    if (id->is_string()) wanted = model::WorkspaceId::parse(id->get<std::string>());
    if (!wanted)
      return std::unexpected(Failure(400, "invalid_argument", "`id` must be a UUID", R"({"field":"id"})"));
  }
  TRY_ASSIGN(std::string name, name_in(body));
  TRY_ASSIGN(const model::Workspace workspace, context.registry.create(wanted, std::move(name)));
  Reply reply = workspace_reply(201, workspace);
  reply.headers.emplace_back("Location", "/api/v1/workspaces/" + workspace.id.to_string());
  return reply;
}

Answer show_workspace(Context&, const Call& call) { return workspace_reply(200, *call.workspace); }

Answer rename_workspace(Context& context, const Call& call) {
  TRY_ASSIGN(const nlohmann::json body, json_object_of(call));
  TRY_ASSIGN(std::string name, name_in(body));
  TRY_ASSIGN(const model::Workspace workspace, context.registry.rename(call.workspace->id, std::move(name)));
  return workspace_reply(200, workspace);
}

Answer remove_workspace(Context& context, const Call& call) {
  const model::WorkspaceId id = call.workspace->id;
  const auto drop = [&]() -> base::Result<void> {
    TRY(context.store.drop_workspace(id));
    TRY(context.executions.drop_workspace(id));
    return context.graph_layers.drop_workspace(id);
  };
  if (id != model::kDefaultWorkspace) TRY(drop());
  TRY(context.registry.remove(id));
  // Once more: for what came in while the workspace was still known.
  TRY(drop());
  return Reply{.status = 204, .content_type = {}};
}

Answer list_keys(Context& context, const Call& call) {
  const auto keys = context.registry.keys(call.workspace->id);
  TRY_ASSIGN(const Slice slice, slice_of(call, page_keys(keys)));
  Reply reply;
  JsonWriter json(reply.body);
  json.begin_object().key("keys").begin_array();
  for (size_t i = slice.begin; i < slice.end; ++i) {
    json.begin_object();
    write_key_fields(json, keys[i]);
    json.end_object();
  }
  json.end_array();
  write_page_end(json, keys.size(), slice.next_cursor);
  json.end_object();
  return reply;
}

Answer create_key(Context& context, const Call& call) {
  std::string name = "key";
  if (!call.request.body.empty() || call.request.body_too_large) {
    TRY_ASSIGN(const nlohmann::json body, json_object_of(call));
    if (body.contains("name")) {
      TRY_ASSIGN(name, name_in(body));
    }
  }
  TRY_ASSIGN(const store::CreatedKey created,
             context.registry.create_key(call.workspace->id, std::move(name)));
  Reply reply{.status = 201};
  JsonWriter json(reply.body);
  json.begin_object();
  write_key_fields(json, created.key);
  json.field("secret", created.secret).end_object();
  return reply;
}

Answer remove_key(Context& context, const Call& call) {
  TRY_ASSIGN(const model::KeyId id, parse_id<model::KeyId>(call.path_values[1], "A key id is a UUID"));
  TRY(context.registry.remove_key(call.workspace->id, id));
  return Reply{.status = 204, .body = {}, .content_type = {}, .headers = {}};
}

}  // namespace testmesh::api
