#include "store/graph_layers.h"

#include <gtest/gtest.h>
namespace testmesh::store {}  // namespace testmesh::store
