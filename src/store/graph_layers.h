// The layers of a workspace's System Graph that documents declare, kept in the
// document store and answered from memory. Thread-safe; a change waits for the
// disk, a read only for the first one of a workspace.
//
// Keys: "graph-layers/<workspace>/<layer>/put" and
// "graph-layers/<workspace>/<layer>/import/<kind>/<service>".
#pragma once

#include <memory>
#include <string>
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

  // Replaces what that kind imported for that service; what was PUT stays, and
  // so do its other imports. Errors as above, for what the layer would hold in
  // all. Gives sentences: where the parts of the layer contradict each other.
  base::Result<std::vector<std::string>> replace_import(const model::WorkspaceId&, graph::ImportKind,
                                                        const graph::Import&);

  // Each layer that has something, whole: what was PUT, over it the imports by
  // service and kind (of a property with several values that of the last
  // counts). kCorrupt: a stored document does not read back; kUnsupported: a
  // newer version wrote it.
  base::Result<std::shared_ptr<const std::vector<graph::Layer>>> layers(const model::WorkspaceId&) const;

  base::Result<void> drop_workspace(const model::WorkspaceId&);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace testmesh::store
