#include "ingest/decompress.h"

#include <libdeflate.h>
#include <zstd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>

namespace testmesh::ingest {
namespace {

using base::ErrorCode;

// A body may be many empty members or frames, each of which costs time and
// brings nothing; writers that split at 64 KiB stay far below.
constexpr size_t kMaxMembers = 10'000;
// Nothing within the usual limit of 64 MiB needs a larger window.
constexpr int kMaxWindowLog = 26;
// What a thread keeps of zstd between requests.
constexpr size_t kKeptContext = 4 << 20;
constexpr size_t kGrowth = 4;

std::unexpected<base::Error> broken(const char* coding) {
  return base::fail(ErrorCode::kInvalidArgument, std::string("The body is no valid ") + coding +
                                                     " data, though Content-Encoding says so.");
}

std::unexpected<base::Error> too_large(size_t limit) {
  return base::fail(ErrorCode::kTooLarge,
                    "The body is larger than " + std::to_string(limit) + " bytes once decompressed.");
}

std::unexpected<base::Error> too_many_members() {
  return base::fail(ErrorCode::kInvalidArgument, "The body has too many compressed members.");
}

struct DeflateFree {
  void operator()(libdeflate_decompressor* d) const { libdeflate_free_decompressor(d); }
};

libdeflate_decompressor* deflate_decompressor() {
  thread_local std::unique_ptr<libdeflate_decompressor, DeflateFree> decompressor(
      libdeflate_alloc_decompressor());
  return decompressor.get();
}

using DeflateFunction = libdeflate_result (*)(libdeflate_decompressor*, const void*, size_t, void*, size_t,
                                              size_t*, size_t*);

// Appends one member and takes it off `input`. libdeflate decodes into memory
// of a size that has to be guessed; a wrong guess costs at most a third more
// work in all, as each is four times the last.
base::Result<void> append_member(DeflateFunction decode, const char* name, std::string_view& input,
                                 size_t guess, size_t limit, std::string& out) {
  libdeflate_decompressor* decompressor = deflate_decompressor();
  if (decompressor == nullptr) return base::fail(ErrorCode::kUnavailable, "Out of memory.");
  const size_t had = out.size();
  size_t space = std::min(guess, limit - had);
  while (true) {
    size_t used = 0;
    libdeflate_result result = LIBDEFLATE_BAD_DATA;
    out.resize_and_overwrite(had + space, [&](char* data, size_t) {
      size_t made = 0;
      result = decode(decompressor, input.data(), input.size(), data + had, space, &used, &made);
      return had + (result == LIBDEFLATE_SUCCESS ? made : 0);
    });
    if (result == LIBDEFLATE_SUCCESS) {
      input.remove_prefix(used);
      return {};
    }
    if (result != LIBDEFLATE_INSUFFICIENT_SPACE) return broken(name);
    if (had + space == limit) return too_large(limit);
    space = std::min(space * kGrowth, limit - had);
  }
}

base::Result<void> gunzip(std::string_view input, size_t limit, std::string& out) {
  for (size_t members = 0; !input.empty(); ++members) {
    if (members == kMaxMembers) return too_many_members();
    // The last four bytes say the length of the last member: usually the only
    // one, and honest. Deflate cannot expand more than 1,032 times.
    uint32_t announced = 0;
    if (input.size() >= sizeof announced) {
      std::memcpy(&announced, input.data() + input.size() - sizeof announced, sizeof announced);
    }
    const size_t guess =
        std::max<size_t>(std::min<size_t>(announced, std::min(input.size(), limit) * 1032), 4096);
    TRY(append_member(libdeflate_gzip_decompress_ex, "gzip", input, guess, limit, out));
  }
  return {};
}

base::Result<void> inflate_zlib(std::string_view input, size_t limit, std::string& out) {
  const size_t guess = std::max<size_t>(std::min(input.size(), limit) * kGrowth, 4096);
  TRY(append_member(libdeflate_zlib_decompress_ex, "deflate (zlib)", input, guess, limit, out));
  if (!input.empty()) return broken("deflate (zlib)");
  return {};
}

struct ZstdFree {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

using ZstdContext = std::unique_ptr<ZSTD_DCtx, ZstdFree>;

// A frame that does not say its size (streaming writers, such as the
// Collector's): decoded piece by piece, so that a bomb stops at the limit.
base::Result<void> append_streamed_frame(ZSTD_DCtx* context, std::string_view frame, size_t limit,
                                         std::string& out) {
  ZSTD_DCtx_reset(context, ZSTD_reset_session_only);
  ZSTD_inBuffer in{frame.data(), frame.size(), 0};
  size_t space = std::max<size_t>(std::min(frame.size(), limit) * kGrowth, 4096);
  while (true) {
    const size_t had = out.size();
    // One byte beyond the limit tells "exactly full" from "more to come".
    const size_t room = std::min(space, limit + 1 - had);
    size_t result = 0;
    out.resize_and_overwrite(had + room, [&](char* data, size_t) {
      ZSTD_outBuffer piece{data + had, room, 0};
      result = ZSTD_decompressStream(context, &piece, &in);
      return had + piece.pos;
    });
    if (ZSTD_isError(result) != 0) return broken("zstd");
    if (out.size() > limit) return too_large(limit);
    if (result == 0) return {};
    if (in.pos == in.size && out.size() < had + room) return broken("zstd");  // cut
    if (out.size() == had + room) space *= 2;
  }
}

base::Result<void> unzstd(std::string_view input, size_t limit, std::string& out) {
  thread_local ZstdContext context;
  if (!context) {
    context.reset(ZSTD_createDCtx());
    if (!context) return base::fail(ErrorCode::kUnavailable, "Out of memory.");
    ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, kMaxWindowLog);
  }
  const auto decode_frames = [&]() -> base::Result<void> {
    for (size_t frames = 0; !input.empty(); ++frames) {
      if (frames == kMaxMembers) return too_many_members();
      const size_t length = ZSTD_findFrameCompressedSize(input.data(), input.size());
      if (ZSTD_isError(length) != 0) return broken("zstd");
      const unsigned long long size = ZSTD_getFrameContentSize(input.data(), length);
      if (size == ZSTD_CONTENTSIZE_ERROR) return broken("zstd");
      const std::string_view frame = input.substr(0, length);
      input.remove_prefix(length);
      if (size == ZSTD_CONTENTSIZE_UNKNOWN) {
        TRY(append_streamed_frame(context.get(), frame, limit, out));
        continue;
      }
      const size_t had = out.size();
      if (size > limit - had) return too_large(limit);
      size_t made = 0;
      out.resize_and_overwrite(had + static_cast<size_t>(size), [&](char* data, size_t) {
        made = ZSTD_decompressDCtx(context.get(), data + had, static_cast<size_t>(size), frame.data(),
                                   frame.size());
        return had + (ZSTD_isError(made) != 0 ? 0 : made);
      });
      if (ZSTD_isError(made) != 0) return broken("zstd");
    }
    return {};
  };
  auto result = decode_frames();
  if (ZSTD_sizeof_DCtx(context.get()) > kKeptContext) context.reset();
  return result;
}

}  // namespace

std::optional<ContentCoding> parse_content_coding(std::string_view value) {
  std::string name(value);
  std::ranges::transform(name, name.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
  if (name.empty() || name == "identity") return ContentCoding::kIdentity;
  if (name == "gzip" || name == "x-gzip") return ContentCoding::kGzip;
  if (name == "zstd") return ContentCoding::kZstd;
  if (name == "deflate") return ContentCoding::kDeflate;
  return std::nullopt;
}

base::Result<void> decompress(ContentCoding coding, std::string_view input, size_t limit, std::string& out) {
  out.clear();
  switch (coding) {
    case ContentCoding::kIdentity:
      if (input.size() > limit) return too_large(limit);
      out.assign(input);
      return {};
    case ContentCoding::kGzip:
      return gunzip(input, limit, out);
    case ContentCoding::kZstd:
      return unzstd(input, limit, out);
    case ContentCoding::kDeflate:
      return inflate_zlib(input, limit, out);
  }
  return {};
}

}  // namespace testmesh::ingest
