// A file's content, decompressed on the way when it is gzip or zstd.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace testmesh::otlp {

// Single-threaded. Errors say what is wrong with the bytes, not in which file.
class InputStream {
 public:
  virtual ~InputStream() = default;
  // Up to `size` bytes; 0 at the end only.
  virtual base::Result<size_t> read(char* out, size_t size) = 0;
  virtual uint64_t consumed() const = 0;  // of the stored bytes
  virtual uint64_t size() const = 0;      // all stored bytes
};

base::Result<std::unique_ptr<InputStream>> open_file(const std::string& path);
std::unique_ptr<InputStream> view_bytes(std::string_view bytes);  // keeps the view

// `stored`, or a stream that decompresses it, by its first bytes.
base::Result<std::unique_ptr<InputStream>> decompressed(std::unique_ptr<InputStream> stored);

}  // namespace testmesh::otlp
