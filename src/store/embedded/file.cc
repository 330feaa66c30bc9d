#include "store/embedded/file.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

namespace testmesh::store {
namespace {

std::unexpected<base::Error> io_error(const std::string& what, const std::string& path) {
  const int code = errno;
  std::string message = "cannot " + what + " " + path + ": " + std::strerror(code);
  if (code == ENOSPC || code == EDQUOT)
    message += " (free some space or lower retention_days; nothing acknowledged is lost)";
  if (code == EACCES || code == EROFS) message += " (is the data directory writable by this user?)";
  return base::fail(base::ErrorCode::kUnavailable, std::move(message));
}

}  // namespace

base::Result<File> File::open(const std::string& path, Mode mode) {
  const int flags = mode == Mode::kRead        ? O_RDONLY
                    : mode == Mode::kReadWrite ? O_RDWR | O_CREAT
                                               : O_RDWR | O_CREAT | O_TRUNC;
  File file;
  file.path_ = path;
  file.descriptor_ = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
  if (file.descriptor_ < 0) return io_error("open", path);
  return file;
}

File::File(File&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), path_(std::move(other.path_)) {}

File& File::operator=(File&& other) noexcept {
  if (this != &other) {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = std::exchange(other.descriptor_, -1);
    path_ = std::move(other.path_);
  }
  return *this;
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

base::Result<void> File::write_at(uint64_t offset, std::string_view bytes) const {
  return write_all_at(offset, {iovec{const_cast<char*>(bytes.data()), bytes.size()}});
}

base::Result<void> File::write_all_at(uint64_t offset, std::vector<iovec> pieces) const {
  size_t first = 0;
  while (first < pieces.size()) {
    if (pieces[first].iov_len == 0) {
      ++first;
      continue;
    }
    const auto count = static_cast<int>(std::min<size_t>(pieces.size() - first, IOV_MAX));
    ssize_t written = ::pwritev(descriptor_, &pieces[first], count, static_cast<off_t>(offset));
    if (written < 0) {
      if (errno == EINTR) continue;
      return io_error("write", path_);
    }
    offset += static_cast<uint64_t>(written);
    while (written > 0) {
      const size_t step = std::min(static_cast<size_t>(written), pieces[first].iov_len);
      pieces[first].iov_base = static_cast<char*>(pieces[first].iov_base) + step;
      pieces[first].iov_len -= step;
      written -= static_cast<ssize_t>(step);
      if (pieces[first].iov_len == 0) ++first;
    }
  }
  return {};
}

base::Result<void> File::read_into(uint64_t offset, std::span<char> out) const {
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t got =
        ::pread(descriptor_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return io_error("read", path_);
    if (got == 0) return base::fail(base::ErrorCode::kCorrupt, path_ + " ends before what it should hold");
    done += static_cast<size_t>(got);
  }
  return {};
}

base::Result<std::string> File::read_at(uint64_t offset, size_t size) const {
  std::string bytes(size, '\0');
  TRY(read_into(offset, bytes));
  return bytes;
}

base::Result<uint64_t> File::size() const {
  struct stat status{};
  if (::fstat(descriptor_, &status) != 0) return io_error("look at", path_);
  return static_cast<uint64_t>(status.st_size);
}

base::Result<void> File::truncate(uint64_t size) const {
  if (::ftruncate(descriptor_, static_cast<off_t>(size)) != 0) return io_error("shorten", path_);
  return {};
}

base::Result<void> File::reserve(uint64_t size) const {
  const int code = ::posix_fallocate(descriptor_, 0, static_cast<off_t>(size));
  if (code == 0) return {};
  errno = code;
  return io_error("reserve space for", path_);
}

base::Result<void> File::sync() const {
  if (::fdatasync(descriptor_) != 0) return io_error("sync", path_);
  return {};
}

base::Result<void> make_directories(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (!error) return {};
  errno = error.value();
  return io_error("create the directory", path);
}

base::Result<void> sync_directory(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return io_error("open", path);
  const int code = ::fsync(descriptor);
  const int saved = errno;
  ::close(descriptor);
  errno = saved;
  if (code != 0) return io_error("sync", path);
  return {};
}

base::Result<std::string> read_whole_file(const std::string& path) {
  TRY_ASSIGN(File file, File::open(path, File::Mode::kRead));
  TRY_ASSIGN(const uint64_t size, file.size());
  return file.read_at(0, size);
}

base::Result<void> write_whole_file(const std::string& path, std::string_view bytes) {
  TRY_ASSIGN(File file, File::open(path, File::Mode::kCreate));
  TRY(file.write_at(0, bytes));
  return file.sync();
}

void remove_file(const std::string& path) { ::unlink(path.c_str()); }

std::vector<std::string> list_directory(const std::string& path) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(path, error))
    names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

}  // namespace testmesh::store
