// Files by descriptor, with errors as sentences.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace testmesh::store {

class File {
 public:
  enum class Mode { kRead, kReadWrite, kCreate };  // kCreate: new or emptied
  static base::Result<File> open(const std::string& path, Mode mode);

  File() = default;
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  base::Result<void> write_at(uint64_t offset, std::string_view bytes) const;
  // Gathers; advances nothing on failure that a reader could take for whole.
  base::Result<void> write_all_at(uint64_t offset, std::vector<iovec> pieces) const;
  base::Result<std::string> read_at(uint64_t offset,
                                    size_t size) const;  // kCorrupt when the file ends before
  base::Result<void> read_into(uint64_t offset, std::span<char> out) const;
  base::Result<uint64_t> size() const;
  base::Result<void> truncate(uint64_t size) const;
  base::Result<void> reserve(uint64_t size) const;  // disk space from the start to `size`, now
  base::Result<void> sync() const;                  // fdatasync

  bool is_open() const { return descriptor_ >= 0; }
  const std::string& path() const { return path_; }

 private:
  int descriptor_ = -1;
  std::string path_;
};

base::Result<void> make_directories(const std::string& path);
base::Result<void> sync_directory(const std::string& path);
base::Result<std::string> read_whole_file(const std::string& path);
base::Result<void> write_whole_file(const std::string& path, std::string_view bytes);  // synced
void remove_file(const std::string& path);                                             // gone or not: fine
std::vector<std::string> list_directory(const std::string& path);                      // names, sorted

}  // namespace testmesh::store
