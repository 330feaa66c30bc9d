// Blocks of bytes, checksummed and compressed with zstd.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace testmesh::store {

uint64_t checksum(std::string_view bytes);  // XXH3-64

// Each thread keeps one compressor and one decompressor.
std::string compress(std::string_view bytes, int level);
base::Result<std::string> decompress(std::string_view bytes, size_t size);  // kCorrupt unless exactly `size`

}  // namespace testmesh::store
