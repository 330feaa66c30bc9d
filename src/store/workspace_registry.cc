#include "store/workspace_registry.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <unordered_map>

#include "base/utf8.h"
#include "store/registry_documents.h"

namespace testmesh::store {
namespace {

using base::ErrorCode;
using base::Result;

constexpr size_t kMaxNameBytes = 200;
constexpr size_t kMaxKeysPerWorkspace = 1000;

// Immutable; readers hold it as long as they like.
struct Snapshot {
  struct Entry {
    model::Workspace workspace;
    std::optional<model::TelemetrySettings> settings;  // none of its own: the defaults
  };
  std::unordered_map<model::WorkspaceId, Entry> workspaces;
  // By the first eight bytes of the hash: which secret is close to an existing
  // one cannot be learned from the time a look-up takes, as its SHA-256 is not
  // under the caller's control; whole hashes are compared in constant time.
  std::unordered_multimap<uint64_t, StoredKey> keys;
};

uint64_t key_bucket(const SecretHash& hash) {
  uint64_t bucket;
  std::memcpy(&bucket, hash.data(), sizeof bucket);
  return bucket;
}

SecretHash hash_of(std::string_view secret) {
  SecretHash hash;
  SHA256(reinterpret_cast<const unsigned char*>(secret.data()), secret.size(), hash.data());
  return hash;
}

Result<void> fill_random(std::span<uint8_t> bytes) {
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1)
    return base::fail(ErrorCode::kUnavailable, "The system's random source gives nothing");
  return {};
}

template <typename Id>
Result<Id> random_uuid() {
  Id id;
  TRY(fill_random(id.bytes));
  id.bytes[6] = static_cast<uint8_t>((id.bytes[6] & 0x0f) | 0x40);  // version 4
  id.bytes[8] = static_cast<uint8_t>((id.bytes[8] & 0x3f) | 0x80);
  return id;
}

std::string base64url(std::span<const uint8_t> bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  uint32_t bits = 0;
  int count = 0;
  for (const uint8_t byte : bytes) {
    bits = bits << 8 | byte;
    count += 8;
    while (count >= 6) {
      count -= 6;
      text += kDigits[bits >> count & 63];
    }
  }
  if (count > 0) text += kDigits[bits << (6 - count) & 63];
  return text;
}

Result<void> check_name(std::string_view what, std::string_view name) {
  if (name.find_first_not_of(" \t\r\n") == std::string_view::npos)
    return base::fail(ErrorCode::kInvalidArgument, fmt::format("The name of {} must not be empty", what));
  if (name.size() > kMaxNameBytes)
    return base::fail(
        ErrorCode::kInvalidArgument,
        fmt::format("The name of {} has {} bytes; at most {} are allowed", what, name.size(), kMaxNameBytes));
  if (!base::valid_utf8(name) ||
      std::ranges::any_of(name, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }))
    return base::fail(ErrorCode::kInvalidArgument,
                      fmt::format("The name of {} must be UTF-8 text without control characters", what));
  return {};
}

base::Error unknown_workspace(const model::WorkspaceId& id) {
  return {ErrorCode::kNotFound, fmt::format("There is no workspace {}", id.to_string())};
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// The secret of "Bearer tm_…"; empty when it is another scheme (a proxy's
// Basic credentials are none of ours).
std::string_view bearer_secret(std::string_view authorization) {
  authorization = trim(authorization);
  constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() < kScheme.size()) return {};
  for (size_t i = 0; i < kScheme.size(); ++i) {
    const char c = authorization[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c) != kScheme[i]) return {};
  }
  return trim(authorization.substr(kScheme.size()));
}

}  // namespace

struct WorkspaceRegistry::Impl {
  Impl(DocumentStore& store, const base::Clock& time, const model::TelemetrySettings& default_settings)
      : documents(store), clock(time), defaults(default_settings) {}

  std::shared_ptr<const Snapshot> snapshot() const {
    const std::scoped_lock lock(snapshot_mutex);
    return current;
  }
  // Writes, then shows: what a reader sees is on disk.
  Result<void> publish(const std::vector<DocumentWrite>& batch, std::shared_ptr<const Snapshot> next) {
    TRY(documents.write(batch));
    const std::scoped_lock lock(snapshot_mutex);
    current.swap(next);
    return {};
  }

  DocumentStore& documents;
  const base::Clock& clock;
  const model::TelemetrySettings defaults;
  std::mutex change_mutex;            // one change at a time, disk included
  mutable std::mutex snapshot_mutex;  // guards the pointer only
  std::shared_ptr<const Snapshot> current = std::make_shared<Snapshot>();
};

WorkspaceRegistry::WorkspaceRegistry(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
WorkspaceRegistry::~WorkspaceRegistry() = default;

Result<std::unique_ptr<WorkspaceRegistry>> WorkspaceRegistry::open(DocumentStore& documents,
                                                                   const base::Clock& clock,
                                                                   model::TelemetrySettings defaults) {
  auto impl = std::make_unique<Impl>(documents, clock, defaults);
  auto loaded = std::make_shared<Snapshot>();
  base::Error error;
  bool failed = false;
  const auto load = [&](std::string_view prefix, auto&& one) -> Result<void> {
    TRY(documents.scan(prefix, [&](std::string_view key, std::string_view value) {
      if (auto done = one(key, value); !done) {
        error = std::move(done).error();
        failed = true;
      }
      return !failed;
    }));
    if (failed) return std::unexpected(error);
    return {};
  };
  TRY(load(kWorkspacePrefix, [&](std::string_view key, std::string_view value) -> Result<void> {
    TRY_ASSIGN(model::Workspace workspace, decode_workspace(key, value));
    const model::WorkspaceId id = workspace.id;
    loaded->workspaces[id].workspace = std::move(workspace);
    return {};
  }));
  TRY(load(kSettingsPrefix, [&](std::string_view key, std::string_view value) -> Result<void> {
    TRY_ASSIGN(const StoredSettings stored, decode_settings(key, value));
    if (const auto found = loaded->workspaces.find(stored.workspace); found != loaded->workspaces.end())
      found->second.settings = stored.settings;
    return {};
  }));
  TRY(load(kApiKeyPrefix, [&](std::string_view key, std::string_view value) -> Result<void> {
    TRY_ASSIGN(StoredKey stored, decode_api_key(key, value));
    if (loaded->workspaces.contains(stored.key.workspace))
      loaded->keys.emplace(key_bucket(stored.hash), std::move(stored));
    return {};
  }));
  std::vector<DocumentWrite> first_documents;
  if (!loaded->workspaces.contains(model::kDefaultWorkspace)) {
    model::Workspace workspace{.id = model::kDefaultWorkspace, .name = "default", .created_at = clock.now()};
    first_documents.push_back({workspace_document_key(workspace.id), encode(workspace)});
    loaded->workspaces[workspace.id].workspace = std::move(workspace);
  }
  if (first_documents.empty())
    impl->current = std::move(loaded);
  else
    TRY(impl->publish(first_documents, std::move(loaded)));
  return std::unique_ptr<WorkspaceRegistry>(new WorkspaceRegistry(std::move(impl)));
}

std::vector<model::Workspace> WorkspaceRegistry::list() const {
  const auto snapshot = impl_->snapshot();
  std::vector<model::Workspace> workspaces;
  workspaces.reserve(snapshot->workspaces.size());
  for (const auto& [id, entry] : snapshot->workspaces) workspaces.push_back(entry.workspace);
  std::ranges::sort(workspaces, [](const model::Workspace& a, const model::Workspace& b) {
    return std::tie(a.created_at, a.id) < std::tie(b.created_at, b.id);
  });
  return workspaces;
}

std::optional<model::Workspace> WorkspaceRegistry::find(const model::WorkspaceId& id) const {
  const auto snapshot = impl_->snapshot();
  const auto found = snapshot->workspaces.find(id);
  if (found == snapshot->workspaces.end()) return std::nullopt;
  return found->second.workspace;
}

Result<model::Workspace> WorkspaceRegistry::create(std::optional<model::WorkspaceId> wanted,
                                                   std::string name) {
  TRY(check_name("a workspace", name));
  const std::scoped_lock lock(impl_->change_mutex);
  const auto snapshot = impl_->snapshot();
  model::Workspace workspace{.id = {}, .name = std::move(name), .created_at = impl_->clock.now()};
  if (wanted) {
    workspace.id = *wanted;
    if (snapshot->workspaces.contains(workspace.id))
      return base::fail(ErrorCode::kAlreadyExists,
                        fmt::format("A workspace {} exists already", workspace.id.to_string()));
  } else {
    TRY_ASSIGN(workspace.id, random_uuid<model::WorkspaceId>());
  }
  auto next = std::make_shared<Snapshot>(*snapshot);
  next->workspaces[workspace.id].workspace = workspace;
  TRY(impl_->publish({{workspace_document_key(workspace.id), encode(workspace)}}, std::move(next)));
  return workspace;
}

Result<model::Workspace> WorkspaceRegistry::rename(const model::WorkspaceId& id, std::string name) {
  TRY(check_name("a workspace", name));
  const std::scoped_lock lock(impl_->change_mutex);
  auto next = std::make_shared<Snapshot>(*impl_->snapshot());
  const auto found = next->workspaces.find(id);
  if (found == next->workspaces.end()) return std::unexpected(unknown_workspace(id));
  found->second.workspace.name = std::move(name);
  model::Workspace workspace = found->second.workspace;
  TRY(impl_->publish({{workspace_document_key(id), encode(workspace)}}, std::move(next)));
  return workspace;
}

Result<void> WorkspaceRegistry::remove(const model::WorkspaceId& id) {
  if (id == model::kDefaultWorkspace)
    return base::fail(ErrorCode::kPermissionDenied,
                      "The default workspace always exists and cannot be removed");
  const std::scoped_lock lock(impl_->change_mutex);
  auto next = std::make_shared<Snapshot>(*impl_->snapshot());
  if (next->workspaces.erase(id) == 0) return std::unexpected(unknown_workspace(id));
  std::vector<DocumentWrite> batch{{workspace_document_key(id), std::nullopt},
                                   {settings_document_key(id), std::nullopt}};
  std::erase_if(next->keys, [&](const auto& entry) {
    const ApiKey& key = entry.second.key;
    if (key.workspace != id) return false;
    batch.push_back({api_key_document_key(id, key.id), std::nullopt});
    return true;
  });
  return impl_->publish(batch, std::move(next));
}

model::TelemetrySettings WorkspaceRegistry::settings(const model::WorkspaceId& id) const {
  const auto snapshot = impl_->snapshot();
  const auto found = snapshot->workspaces.find(id);
  return found == snapshot->workspaces.end() ? impl_->defaults
                                             : found->second.settings.value_or(impl_->defaults);
}

Result<void> WorkspaceRegistry::put_settings(const model::WorkspaceId& id,
                                             const model::TelemetrySettings& settings) {
  const std::scoped_lock lock(impl_->change_mutex);
  auto next = std::make_shared<Snapshot>(*impl_->snapshot());
  const auto found = next->workspaces.find(id);
  if (found == next->workspaces.end()) return std::unexpected(unknown_workspace(id));
  found->second.settings = settings;
  return impl_->publish({{settings_document_key(id), encode(settings)}}, std::move(next));
}

Result<CreatedKey> WorkspaceRegistry::create_key(const model::WorkspaceId& workspace, std::string name) {
  TRY(check_name("a key", name));
  std::array<uint8_t, 32> random;
  TRY(fill_random(random));
  CreatedKey created{
      .key = {.id = {}, .workspace = workspace, .name = std::move(name), .created_at = impl_->clock.now()},
      .secret = "tm_" + base64url(random)};
  TRY_ASSIGN(created.key.id, random_uuid<model::KeyId>());
  const std::scoped_lock lock(impl_->change_mutex);
  auto next = std::make_shared<Snapshot>(*impl_->snapshot());
  if (!next->workspaces.contains(workspace)) return std::unexpected(unknown_workspace(workspace));
  const auto owned = std::ranges::count_if(
      next->keys, [&](const auto& entry) { return entry.second.key.workspace == workspace; });
  if (static_cast<size_t>(owned) >= kMaxKeysPerWorkspace)
    return base::fail(ErrorCode::kUnprocessable,
                      fmt::format("A workspace has at most {} keys; remove one first", kMaxKeysPerWorkspace));
  const StoredKey stored{.key = created.key, .hash = hash_of(created.secret)};
  next->keys.emplace(key_bucket(stored.hash), stored);
  TRY(impl_->publish({{api_key_document_key(workspace, stored.key.id), encode(stored)}}, std::move(next)));
  return created;
}

std::vector<ApiKey> WorkspaceRegistry::keys(const model::WorkspaceId& workspace) const {
  const auto snapshot = impl_->snapshot();
  std::vector<ApiKey> keys;
  for (const auto& [bucket, stored] : snapshot->keys)
    if (stored.key.workspace == workspace) keys.push_back(stored.key);
  std::ranges::sort(keys, [](const ApiKey& a, const ApiKey& b) {
    return std::tie(a.created_at, a.id) < std::tie(b.created_at, b.id);
  });
  return keys;
}

Result<void> WorkspaceRegistry::remove_key(const model::WorkspaceId& workspace, const model::KeyId& id) {
  const std::scoped_lock lock(impl_->change_mutex);
  auto next = std::make_shared<Snapshot>(*impl_->snapshot());
  if (!next->workspaces.contains(workspace)) return std::unexpected(unknown_workspace(workspace));
  const auto removed = std::erase_if(next->keys, [&](const auto& entry) {
    return entry.second.key.workspace == workspace && entry.second.key.id == id;
  });
  if (removed == 0)
    return base::fail(ErrorCode::kNotFound, fmt::format("The workspace has no key {}", id.to_string()));
  return impl_->publish({{api_key_document_key(workspace, id), std::nullopt}}, std::move(next));
}

std::optional<ApiKey> WorkspaceRegistry::authenticate(std::string_view secret) const {
  if (!secret.starts_with("tm_")) return std::nullopt;
  const SecretHash hash = hash_of(secret);
  const auto snapshot = impl_->snapshot();
  std::optional<ApiKey> match;
  const auto [first, last] = snapshot->keys.equal_range(key_bucket(hash));
  for (auto entry = first; entry != last; ++entry)
    if (CRYPTO_memcmp(entry->second.hash.data(), hash.data(), hash.size()) == 0) match = entry->second.key;
  return match;
}

Result<model::WorkspaceId> WorkspaceRegistry::resolve_ingest(std::string_view header,
                                                             std::string_view authorization,
                                                             bool require_workspace) const {
  header = trim(header);
  std::optional<model::WorkspaceId> named;
  if (!header.empty()) {
    named = model::WorkspaceId::parse(header);
    if (!named)
      return base::fail(
          ErrorCode::kInvalidArgument,
          "X-Workspace-ID is not a UUID; expected the form 00000000-0000-4000-8000-000000000001");
  }
  std::optional<model::WorkspaceId> of_key;
  if (const std::string_view secret = bearer_secret(authorization); !secret.empty()) {
    const auto key = authenticate(secret);
    if (!key) return base::fail(ErrorCode::kUnauthenticated, "The API key is not known");
    of_key = key->workspace;
  }
  if (named && of_key && *named != *of_key)
    return base::fail(ErrorCode::kPermissionDenied,
                      "X-Workspace-ID names another workspace than that of the API key");
  if (!named && !of_key && require_workspace)
    return base::fail(
        ErrorCode::kInvalidArgument,
        "No workspace: send X-Workspace-ID or an API key (the server runs with --require-workspace)");
  const model::WorkspaceId id = named ? *named : of_key ? *of_key : model::kDefaultWorkspace;
  const auto snapshot = impl_->snapshot();
  const auto found = snapshot->workspaces.find(id);
  if (found == snapshot->workspaces.end()) return std::unexpected(unknown_workspace(id));
  if (!found->second.settings.value_or(impl_->defaults).enabled)
    return base::fail(
        ErrorCode::kPermissionDenied,
        fmt::format("Telemetry is switched off for workspace {} (its setting `enabled`)", id.to_string()));
  return id;
}

}  // namespace testmesh::store
