// Content codings of request bodies: gzip (also several members), zstd (also
// several frames), deflate in zlib's format.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace testmesh::ingest {

enum class ContentCoding { kIdentity, kGzip, kZstd, kDeflate };

// The value of a Content-Encoding header, in any case; empty is identity.
// nullopt: unknown, or a list.
std::optional<ContentCoding> parse_content_coding(std::string_view value);

// Replaces `out` by the decoded bytes. kTooLarge as soon as they are known to
// be more than `limit` (neither time nor memory goes on beyond it);
// kInvalidArgument when the input is broken, cut or followed by something else.
// Keeps one decompressor a thread.
base::Result<void> decompress(ContentCoding coding, std::string_view input, size_t limit, std::string& out);

}  // namespace testmesh::ingest
