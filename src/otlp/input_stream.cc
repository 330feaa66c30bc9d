#include "otlp/input_stream.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

namespace testmesh::otlp {
namespace {

using base::ErrorCode;
using base::Result;

constexpr size_t kChunk = 128 << 10;

class FileStream final : public InputStream {
 public:
  FileStream(int file, uint64_t size) : file_(file), size_(size) {}
  ~FileStream() override { ::close(file_); }
  FileStream(const FileStream&) = delete;
  FileStream& operator=(const FileStream&) = delete;

  Result<size_t> read(char* out, size_t size) override {
    while (true) {
      const ssize_t got = ::read(file_, out, size);
      if (got >= 0) {
        consumed_ += static_cast<uint64_t>(got);
        return static_cast<size_t>(got);
      }
      if (errno != EINTR)
        return base::fail(ErrorCode::kUnavailable, fmt::format("cannot read: {}", std::strerror(errno)));
    }
  }
  uint64_t consumed() const override { return consumed_; }
  uint64_t size() const override { return std::max(size_, consumed_); }  // a pipe says 0

 private:
  const int file_;
  const uint64_t size_;
  uint64_t consumed_ = 0;
};

class BytesStream final : public InputStream {
 public:
  explicit BytesStream(std::string_view bytes) : bytes_(bytes) {}
  Result<size_t> read(char* out, size_t size) override {
    const size_t got = bytes_.copy(out, size, at_);
    at_ += got;
    return got;
  }
  uint64_t consumed() const override { return at_; }
  uint64_t size() const override { return bytes_.size(); }

 private:
  const std::string_view bytes_;
  size_t at_ = 0;
};

// A stream with a window of stored bytes that can be looked at first.
class Buffered {
 public:
  explicit Buffered(std::unique_ptr<InputStream> stored) : stored_(std::move(stored)), buffer_(kChunk) {}

  // Makes at least `size` bytes visible, or all that are left.
  Result<void> fill(size_t size) {
    while (end_ - start_ < size) {
      if (start_ > 0) {
        std::memmove(buffer_.data(), buffer_.data() + start_, end_ - start_);
        end_ -= start_;
        start_ = 0;
      }
      TRY_ASSIGN(const size_t got, stored_->read(buffer_.data() + end_, buffer_.size() - end_));
      if (got == 0) break;
      end_ += got;
    }
    return {};
  }
  std::string_view window() const { return {buffer_.data() + start_, end_ - start_}; }
  void drop(size_t size) { start_ += size; }
  uint64_t consumed() const { return stored_->consumed() - window().size(); }
  uint64_t size() const { return stored_->size(); }

 private:
  std::unique_ptr<InputStream> stored_;
  std::vector<char> buffer_;
  size_t start_ = 0;
  size_t end_ = 0;
};

class PlainStream final : public InputStream {
 public:
  explicit PlainStream(Buffered stored) : stored_(std::move(stored)) {}
  Result<size_t> read(char* out, size_t size) override {
    TRY(stored_.fill(1));
    const size_t got = stored_.window().copy(out, size);
    stored_.drop(got);
    return got;
  }
  uint64_t consumed() const override { return stored_.consumed(); }
  uint64_t size() const override { return stored_.size(); }

 private:
  Buffered stored_;
};

constexpr std::string_view kGzipMagic = "\x1f\x8b";
constexpr std::string_view kZstdMagic = "\x28\xb5\x2f\xfd";

class GzipStream final : public InputStream {
 public:
  explicit GzipStream(Buffered stored) : stored_(std::move(stored)) {
    CHECK(inflateInit2(&zlib_, 15 + 16) == Z_OK);  // +16: gzip's frame
  }
  ~GzipStream() override { inflateEnd(&zlib_); }
  GzipStream(const GzipStream&) = delete;
  GzipStream& operator=(const GzipStream&) = delete;

  Result<size_t> read(char* out, size_t size) override {
    while (true) {
      TRY(stored_.fill(1));
      const std::string_view window = stored_.window();
      if (window.empty()) {
        if (!inside_) return 0;
        return base::fail(ErrorCode::kInvalidArgument, "gzip data cut off");
      }
      if (!inside_) {
        // Members may follow one another; padding of zeros may end them.
        if (window.front() == 0) {
          stored_.drop(1);
          continue;
        }
        CHECK(inflateReset(&zlib_) == Z_OK);
        inside_ = true;
      }
      zlib_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(window.data()));
      zlib_.avail_in = static_cast<uInt>(window.size());
      zlib_.next_out = reinterpret_cast<Bytef*>(out);
      zlib_.avail_out = static_cast<uInt>(std::min<size_t>(size, 1 << 30));
      const uInt room = zlib_.avail_out;
      const int code = inflate(&zlib_, Z_NO_FLUSH);
      stored_.drop(window.size() - zlib_.avail_in);
      if (code == Z_STREAM_END) {
        inside_ = false;
      } else if (code != Z_OK && code != Z_BUF_ERROR) {
        return base::fail(ErrorCode::kInvalidArgument,
                          fmt::format("broken gzip data near byte {}", stored_.consumed()));
      }
      if (const size_t got = room - zlib_.avail_out; got > 0) return got;
    }
  }
  uint64_t consumed() const override { return stored_.consumed(); }
  uint64_t size() const override { return stored_.size(); }

 private:
  Buffered stored_;
  z_stream zlib_{};
  bool inside_ = false;  // a member
};

class ZstdStream final : public InputStream {
 public:
  explicit ZstdStream(Buffered stored)
      : stored_(std::move(stored)), zstd_(ZSTD_createDStream(), ZSTD_freeDStream) {
    CHECK(zstd_ != nullptr);
  }

  Result<size_t> read(char* out, size_t size) override {
    while (true) {
      TRY(stored_.fill(1));
      const std::string_view window = stored_.window();
      ZSTD_inBuffer in{window.data(), window.size(), 0};
      ZSTD_outBuffer room{out, size, 0};
      // At the end of the bytes it may still hold decompressed ones.
      if (window.empty() && !inside_) return 0;
      const size_t code = ZSTD_decompressStream(zstd_.get(), &room, &in);
      stored_.drop(in.pos);
      if (ZSTD_isError(code))
        return base::fail(
            ErrorCode::kInvalidArgument,
            fmt::format("broken zstd data near byte {}: {}", stored_.consumed(), ZSTD_getErrorName(code)));
      inside_ = code != 0;
      if (room.pos > 0) return room.pos;
      if (window.empty() && inside_) return base::fail(ErrorCode::kInvalidArgument, "zstd data cut off");
    }
  }
  uint64_t consumed() const override { return stored_.consumed(); }
  uint64_t size() const override { return stored_.size(); }

 private:
  Buffered stored_;
  std::unique_ptr<ZSTD_DStream, size_t (*)(ZSTD_DStream*)> zstd_;
  bool inside_ = false;  // a frame
};

}  // namespace

Result<std::unique_ptr<InputStream>> open_file(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    return base::fail(errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kUnavailable,
                      fmt::format("cannot open: {}", std::strerror(errno)));
  }
  struct stat status{};
  const bool known = ::fstat(file, &status) == 0;
  auto stream = std::make_unique<FileStream>(file, known ? static_cast<uint64_t>(status.st_size) : 0);
  if (known && S_ISDIR(status.st_mode)) return base::fail(ErrorCode::kInvalidArgument, "is a directory");
  return stream;
}

std::unique_ptr<InputStream> view_bytes(std::string_view bytes) {
  return std::make_unique<BytesStream>(bytes);
}

Result<std::unique_ptr<InputStream>> decompressed(std::unique_ptr<InputStream> stored) {
  Buffered buffered(std::move(stored));
  TRY(buffered.fill(kZstdMagic.size()));
  std::unique_ptr<InputStream> stream;
  if (buffered.window().starts_with(kGzipMagic)) {
    stream = std::make_unique<GzipStream>(std::move(buffered));
  } else if (buffered.window().starts_with(kZstdMagic)) {
    stream = std::make_unique<ZstdStream>(std::move(buffered));
  } else {
    stream = std::make_unique<PlainStream>(std::move(buffered));
  }
  return stream;
}

}  // namespace testmesh::otlp
