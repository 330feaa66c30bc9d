#include "store/registry_documents.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace testmesh::store {
namespace {

using base::ErrorCode;
using base::Result;
using nlohmann::json;

constexpr int kSchema = 1;

base::Error damaged(std::string_view key) {
  return {ErrorCode::kCorrupt, fmt::format("The stored document {} does not read back", key)};
}

Result<json> parse(std::string_view key, std::string_view value) {
  json document = json::parse(value, nullptr, false);
  if (!document.is_object() || !document.contains("schema") || !document["schema"].is_number_integer())
    return std::unexpected(damaged(key));
  if (document["schema"].get<int64_t>() > kSchema)
    return base::fail(ErrorCode::kUnsupported,
                      fmt::format("The stored document {} has schema {}, written by a newer "
                                  "testmesh; this one reads up to {}",
                                  key, document["schema"].get<int64_t>(), kSchema));
  return document;
}

bool take(const json& document, const char* name, std::string& out) {
  const auto found = document.find(name);
  if (found == document.end() || !found->is_string()) return false;
  out = found->get<std::string>();
  return true;
}

bool take(const json& document, const char* name, uint64_t& out) {
  const auto found = document.find(name);
  if (found == document.end() || !found->is_number_unsigned()) return false;
  out = found->get<uint64_t>();
  return true;
}

// Settings that an older version did not know keep their default.
bool take_if_there(const json& document, const char* name, int64_t& out) {
  const auto found = document.find(name);
  if (found == document.end()) return true;
  if (!found->is_number_integer()) return false;
  out = found->get<int64_t>();
  return true;
}

bool take_if_there(const json& document, const char* name, bool& out) {
  const auto found = document.find(name);
  if (found == document.end()) return true;
  if (!found->is_boolean()) return false;
  out = found->get<bool>();
  return true;
}

// Names came through a UTF-8 check; `replace` keeps a dump from ever throwing.
std::string dump(const json& document) {
  return document.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

std::string workspace_document_key(const model::WorkspaceId& id) {
  return std::string(kWorkspacePrefix) + id.to_string();
}
std::string settings_document_key(const model::WorkspaceId& id) {
  return std::string(kSettingsPrefix) + id.to_string();
}
std::string api_key_prefix(const model::WorkspaceId& id) {
  return std::string(kApiKeyPrefix) + id.to_string() + "/";
}
std::string api_key_document_key(const model::WorkspaceId& workspace, const model::KeyId& id) {
  return api_key_prefix(workspace) + id.to_string();
}

std::string encode(const model::Workspace& workspace) {
  return dump({{"schema", kSchema}, {"name", workspace.name}, {"created_at", workspace.created_at}});
}

std::string encode(const model::TelemetrySettings& settings) {
  return dump({{"schema", kSchema},
               {"enabled", settings.enabled},
               {"auto_discovery", settings.auto_discovery},
               {"auto_validation", settings.auto_validation},
               {"retention_days", settings.retention_days},
               {"default_timeout_ms", settings.default_timeout_ms},
               {"drift_min_baseline", settings.drift_min_baseline},
               {"trace_idle_timeout_ms", settings.trace_idle_timeout_ms}});
}

std::string encode(const StoredKey& stored) {
  return dump({{"schema", kSchema},
               {"name", stored.key.name},
               {"created_at", stored.key.created_at},
               {"sha256", base::to_hex(stored.hash)}});
}

Result<model::Workspace> decode_workspace(std::string_view key, std::string_view value) {
  TRY_ASSIGN(const json document, parse(key, value));
  const auto id = model::WorkspaceId::parse(key.substr(kWorkspacePrefix.size()));
  model::Workspace workspace;
  if (!id || !take(document, "name", workspace.name) || !take(document, "created_at", workspace.created_at))
    return std::unexpected(damaged(key));
  workspace.id = *id;
  return workspace;
}

Result<StoredSettings> decode_settings(std::string_view key, std::string_view value) {
  TRY_ASSIGN(const json document, parse(key, value));
  const auto id = model::WorkspaceId::parse(key.substr(kSettingsPrefix.size()));
  StoredSettings stored;
  auto& settings = stored.settings;
  if (!id || !take_if_there(document, "enabled", settings.enabled) ||
      !take_if_there(document, "auto_discovery", settings.auto_discovery) ||
      !take_if_there(document, "auto_validation", settings.auto_validation) ||
      !take_if_there(document, "retention_days", settings.retention_days) ||
      !take_if_there(document, "default_timeout_ms", settings.default_timeout_ms) ||
      !take_if_there(document, "drift_min_baseline", settings.drift_min_baseline) ||
      !take_if_there(document, "trace_idle_timeout_ms", settings.trace_idle_timeout_ms))
    return std::unexpected(damaged(key));
  stored.workspace = *id;
  return stored;
}

Result<StoredKey> decode_api_key(std::string_view key, std::string_view value) {
  TRY_ASSIGN(const json document, parse(key, value));
  const std::string_view ids = key.substr(kApiKeyPrefix.size());
  StoredKey stored;
  std::string hash;
  const auto workspace = model::WorkspaceId::parse(ids.substr(0, 36));
  const auto id = ids.size() > 37 ? model::KeyId::parse(ids.substr(37)) : std::nullopt;
  if (!workspace || !id || !take(document, "name", stored.key.name) ||
      !take(document, "created_at", stored.key.created_at) || !take(document, "sha256", hash) ||
      !base::from_hex(hash, stored.hash))
    return std::unexpected(damaged(key));
  stored.key.workspace = *workspace;
  stored.key.id = *id;
  return stored;
}

}  // namespace testmesh::store
