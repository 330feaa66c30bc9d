#include "server/storage.h"

#include <spdlog/spdlog.h>

#include "store/documents/document_store.h"

namespace testmesh::server {

base::Result<Storage> open_storage(const ServeOptions& options) {
  Storage storage;
  TRY_ASSIGN(storage.documents, store::open_document_store(options.data_dir + "/documents"));
  model::TelemetrySettings defaults;
  defaults.trace_idle_timeout_ms = options.trace_idle_timeout.count();
  TRY_ASSIGN(storage.registry,
             store::WorkspaceRegistry::open(*storage.documents, base::system_clock(), defaults));
  TRY_ASSIGN(storage.engine,
             engine::Engine::open({.data_directory = options.data_dir,
                                   .shards = options.shards,
                                   .max_open_bytes = options.max_open_mib << 20,
                                   .graph = options.graph,
                                   .max_flows = options.max_flows,
                                   .warn = [](const std::string& text) { spdlog::warn(text); }},
                                  *storage.documents, base::system_clock(),
                                  [registry = storage.registry.get()](const model::WorkspaceId& id) {
                                    return registry->settings(id);
                                  }));
  if (const uint32_t shards = storage.engine->shard_count(); options.shards_given && shards != options.shards)
    spdlog::warn("{} was made with {} shards and keeps them: --shards {} is for new directories",
                 options.data_dir, shards, options.shards);
  return storage;
}

}  // namespace testmesh::server
