#include "store/embedded/zstd_block.h"

#include <zstd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace testmesh::store {
namespace {

struct Compressor {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ~Compressor() { ZSTD_freeCCtx(context); }
};
struct Decompressor {
  ZSTD_DCtx* context = ZSTD_createDCtx();
  ~Decompressor() { ZSTD_freeDCtx(context); }
};

}  // namespace

uint64_t checksum(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

std::string compress(std::string_view bytes, int level) {
  thread_local Compressor compressor;
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  const size_t size =
      ZSTD_compressCCtx(compressor.context, out.data(), out.size(), bytes.data(), bytes.size(), level);
  CHECK(!ZSTD_isError(size));
  out.resize(size);
  return out;
}

base::Result<std::string> decompress(std::string_view bytes, size_t size) {
  thread_local Decompressor decompressor;
  std::string out(size, '\0');
  const size_t got =
      ZSTD_decompressDCtx(decompressor.context, out.data(), out.size(), bytes.data(), bytes.size());
  if (ZSTD_isError(got) || got != size)
    return base::fail(base::ErrorCode::kCorrupt, "a compressed block of the span store does not read back");
  return out;
}

}  // namespace testmesh::store
