// Parts of layers as stored documents: JSON with `schema`. Private to store.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "graph/layers.h"

namespace testmesh::store {

// `content` is normal (graph/layers.h).
std::string encode_layer_part(const graph::LayerContent& content);
// The key is for the sentence of the error: kCorrupt, or kUnsupported for what
// a newer version wrote.
base::Result<graph::LayerContent> decode_layer_part(std::string_view key, std::string_view value);

}  // namespace testmesh::store
