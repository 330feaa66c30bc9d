// For tests: the writing side of the content codings.
#pragma once

#include <libdeflate.h>
#include <zstd.h>

#include <memory>
#include <string>
#include <string_view>

namespace testmesh::ingest::testing {

namespace detail {
struct Free {
  void operator()(libdeflate_compressor* c) const { libdeflate_free_compressor(c); }
};
inline std::string deflate(std::string_view text,
                           size_t (*compress)(libdeflate_compressor*, const void*, size_t, void*, size_t),
                           size_t (*bound)(libdeflate_compressor*, size_t)) {
  const std::unique_ptr<libdeflate_compressor, Free> compressor(libdeflate_alloc_compressor(6));
  std::string out(bound(compressor.get(), text.size()), '\0');
  out.resize(compress(compressor.get(), text.data(), text.size(), out.data(), out.size()));
  return out;
}
}  // namespace detail

inline std::string gzip(std::string_view text) {
  return detail::deflate(text, libdeflate_gzip_compress, libdeflate_gzip_compress_bound);
}
inline std::string zlib(std::string_view text) {
  return detail::deflate(text, libdeflate_zlib_compress, libdeflate_zlib_compress_bound);
}

// With the content's size in the frame's header.
inline std::string zstd(std::string_view text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

// As a streaming writer does it: the size is not known at the beginning.
inline std::string zstd_stream(std::string_view text) {
  const std::unique_ptr<ZSTD_CCtx, size_t (*)(ZSTD_CCtx*)> context(ZSTD_createCCtx(), ZSTD_freeCCtx);
  std::string out(ZSTD_compressBound(text.size()) + 64, '\0');
  ZSTD_outBuffer to{out.data(), out.size(), 0};
  ZSTD_inBuffer from{text.data(), text.size(), 0};
  ZSTD_compressStream2(context.get(), &to, &from, ZSTD_e_flush);
  while (ZSTD_compressStream2(context.get(), &to, &from, ZSTD_e_end) != 0) {
  }
  out.resize(to.pos);
  return out;
}

}  // namespace testmesh::ingest::testing
