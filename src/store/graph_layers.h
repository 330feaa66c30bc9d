// The layers of a workspace's System Graph that documents declare, kept in the
// document store ("graph-layers/<workspace>/…"). Thread-safe.
#pragma once

#include <memory>
#include <vector>

#include "base/result.h"
#include "graph/import.h"
#include "graph/layers.h"
#include "model/ids.h"
#include "store/document_store.h"

namespace testmesh::store {

class GraphLayers {
 public:
  explicit GraphLayers(DocumentStore&);
  ~GraphLayers();

  // Replaces the layer, imports into it included. kInvalidArgument: `runtime`,
  // or more than a layer may hold; the old one is kept.
  base::Result<void> replace(const model::WorkspaceId&, graph::LayerName, const graph::LayerContent&);
  // Replaces what that kind imported for that service; what was PUT stays.
  base::Result<void> replace_import(const model::WorkspaceId&, graph::ImportKind, const graph::Import&);

  // Each layer that has something, whole.
  base::Result<std::shared_ptr<const std::vector<graph::Layer>>> layers(const model::WorkspaceId&) const;

  base::Result<void> drop_workspace(const model::WorkspaceId&);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace testmesh::store
