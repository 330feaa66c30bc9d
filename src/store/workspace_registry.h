// Workspaces, their settings and API keys, kept in the document store and
// answered from memory (`resolve` is on the ingest path: no disk, no lock per
// request beyond a snapshot). Thread-safe. The default workspace always exists.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "model/ids.h"
#include "model/settings.h"
#include "store/document_store.h"

namespace testmesh::store {

struct ApiKey {
  model::KeyId id;
  model::WorkspaceId workspace;
  std::string name;
  base::UnixNanos created_at = 0;
};

struct CreatedKey {
  ApiKey key;
  std::string secret;  // "tm_…", shown once; only its SHA-256 is stored
};

class WorkspaceRegistry {
 public:
  // Loads what is stored; creates the default workspace when missing.
  // `defaults` are the settings of a workspace that has none of its own.
  static base::Result<std::unique_ptr<WorkspaceRegistry>> open(DocumentStore&, const base::Clock&,
                                                               model::TelemetrySettings defaults = {});
  ~WorkspaceRegistry();

  std::vector<model::Workspace> list() const;  // by creation, then id
  std::optional<model::Workspace> find(const model::WorkspaceId&) const;
  // A random id when none is given; kAlreadyExists when it is taken.
  base::Result<model::Workspace> create(std::optional<model::WorkspaceId>, std::string name);
  base::Result<model::Workspace> rename(const model::WorkspaceId&, std::string name);
  base::Result<void> remove(
      const model::WorkspaceId&);  // its keys and settings too; the default one is refused

  model::TelemetrySettings settings(const model::WorkspaceId&) const;  // defaults for unknown ids
  base::Result<void> put_settings(const model::WorkspaceId&, const model::TelemetrySettings&);

  base::Result<CreatedKey> create_key(const model::WorkspaceId&, std::string name);
  std::vector<ApiKey> keys(const model::WorkspaceId&) const;
  base::Result<void> remove_key(const model::WorkspaceId&, const model::KeyId&);
  // Constant-time comparison of hashes; null when no key matches.
  std::optional<ApiKey> authenticate(std::string_view secret) const;

  // The workspace an ingest request goes to (api.md 1): header, else key, else
  // default. `header` empty: none. `authorization` is the header's whole value.
  // kInvalidArgument malformed, kNotFound unknown, kPermissionDenied disabled
  // or header and key disagree, kUnauthenticated an unknown key.
  base::Result<model::WorkspaceId> resolve_ingest(std::string_view header, std::string_view authorization,
                                                  bool require_workspace) const;

 private:
  struct Impl;
  explicit WorkspaceRegistry(std::unique_ptr<Impl>);
  std::unique_ptr<Impl> impl_;
};

}  // namespace testmesh::store
