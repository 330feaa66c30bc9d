// The parts that a data directory needs.
#pragma once

#include <memory>

#include "base/result.h"
#include "engine/engine.h"
#include "server/options.h"
#include "store/document_store.h"
#include "store/workspace_registry.h"

namespace testmesh::server {

// In the order they depend on each other.
struct Storage {
  std::unique_ptr<store::DocumentStore> documents;
  std::unique_ptr<store::WorkspaceRegistry> registry;
  std::unique_ptr<engine::Engine> engine;
};

base::Result<Storage> open_storage(const ServeOptions&);

}  // namespace testmesh::server
