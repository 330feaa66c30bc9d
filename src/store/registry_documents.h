// The stored form of workspaces, settings and keys: JSON documents with a
// schema version.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/settings.h"
#include "store/workspace_registry.h"

namespace testmesh::store {

using SecretHash = std::array<uint8_t, 32>;  // SHA-256

struct StoredKey {
  ApiKey key;
  SecretHash hash{};
};

// Keys: "workspace/<id>", "settings/<workspace>", "apikey/<workspace>/<id>".
inline constexpr std::string_view kWorkspacePrefix = "workspace/";
inline constexpr std::string_view kSettingsPrefix = "settings/";
inline constexpr std::string_view kApiKeyPrefix = "apikey/";
std::string workspace_document_key(const model::WorkspaceId&);
std::string settings_document_key(const model::WorkspaceId&);
std::string api_key_prefix(const model::WorkspaceId&);
std::string api_key_document_key(const model::WorkspaceId&, const model::KeyId&);

std::string encode(const model::Workspace&);
std::string encode(const model::TelemetrySettings&);
std::string encode(const StoredKey&);

// The ids come from the document's key. kCorrupt: not what encode() writes;
// kUnsupported: a newer version wrote it.
base::Result<model::Workspace> decode_workspace(std::string_view key, std::string_view value);
struct StoredSettings {
  model::WorkspaceId workspace;
  model::TelemetrySettings settings;
};
base::Result<StoredSettings> decode_settings(std::string_view key, std::string_view value);
base::Result<StoredKey> decode_api_key(std::string_view key, std::string_view value);

}  // namespace testmesh::store
