#include "store/documents/document_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>
#include <utility>

namespace testmesh::store {
namespace {

using base::ErrorCode;
using base::Result;

// Written at the first opening; hidden from scans. Documents of other modules
// carry a version of their own, this one is about the layout of the keys.
constexpr std::string_view kFormatKey = "_format";
constexpr uint64_t kFormat = 1;

rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }
std::string_view view(const rocksdb::Slice& text) { return {text.data(), text.size()}; }

// The first key behind every key that starts with `prefix`; empty: there is none.
std::string prefix_end(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

base::Error explain(const rocksdb::Status& status, std::string_view what, const std::string& directory) {
  if (status.IsNoSpace() || (status.IsIOError() && status.subcode() == rocksdb::Status::kNoSpace))
    return {
        ErrorCode::kUnavailable,
        fmt::format("{} failed: the disk that holds {} is full. Free some space; writes resume by themselves",
                    what, directory)};
  if (status.IsCorruption())
    return {ErrorCode::kCorrupt, fmt::format("{} failed: the documents in {} are damaged ({})", what,
                                             directory, status.ToString())};
  if (status.IsIOError() || status.IsBusy() || status.IsTryAgain() || status.IsShutdownInProgress())
    return {ErrorCode::kUnavailable, fmt::format("{} failed in {}: {}", what, directory, status.ToString())};
  return {ErrorCode::kInternal, fmt::format("{} failed in {}: {}", what, directory, status.ToString())};
}

// The process that holds the lock file, as the kernel knows it; 0: nobody, or
// this process itself (locks of one process do not conflict).
pid_t lock_holder(const std::filesystem::path& lock_file) {
  const int file = ::open(lock_file.c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) return 0;
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  pid_t holder = 0;
  if (::fcntl(file, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK) holder = lock.l_pid;
  ::close(file);
  return holder;
}

rocksdb::Options small_options() {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.write_buffer_size = 8 << 20;
  options.max_write_buffer_number = 2;
  options.max_total_wal_size = 16 << 20;
  options.max_background_jobs = 2;
  options.max_open_files = 64;
  options.max_manifest_file_size = 4 << 20;
  options.info_log_level = rocksdb::WARN_LEVEL;
  options.keep_log_file_num = 2;
  options.max_log_file_size = 1 << 20;
  options.bytes_per_sync = 1 << 20;
  // A torn tail is a crash; damage further in front must not pass for one.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  const auto supported = rocksdb::GetSupportedCompressions();
  options.compression = std::ranges::find(supported, rocksdb::kZSTD) != supported.end()
                            ? rocksdb::kZSTD
                            : rocksdb::kNoCompression;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(8 << 20);
  table.cache_index_and_filter_blocks = true;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

class RocksDocumentStore final : public DocumentStore {
 public:
  RocksDocumentStore(std::unique_ptr<rocksdb::DB> database, std::string directory)
      : directory_(std::move(directory)), database_(std::move(database)) {}

  ~RocksDocumentStore() override {
    if (database_) database_->Close().PermitUncheckedError();
  }

  Result<std::optional<std::string>> get(std::string_view key) const override {
    std::string value;
    const rocksdb::Status status = database_->Get({}, slice(key), &value);
    if (status.IsNotFound()) return std::nullopt;
    if (!status.ok()) return std::unexpected(explain(status, "Reading a document", directory_));
    return value;
  }

  Result<void> scan(std::string_view prefix,
                    const std::function<bool(std::string_view, std::string_view)>& visit) const override {
    rocksdb::ReadOptions options;
    const std::string end = prefix_end(prefix);
    const rocksdb::Slice bound(end);
    if (!end.empty()) options.iterate_upper_bound = &bound;
    const std::unique_ptr<rocksdb::Iterator> cursor(database_->NewIterator(options));
    for (cursor->Seek(slice(prefix)); cursor->Valid(); cursor->Next()) {
      const std::string_view key = view(cursor->key());
      if (!key.starts_with(prefix)) break;
      if (key == kFormatKey) continue;
      if (!visit(key, view(cursor->value()))) break;
    }
    if (!cursor->status().ok())
      return std::unexpected(explain(cursor->status(), "Reading documents", directory_));
    return {};
  }

  Result<void> write(const std::vector<DocumentWrite>& batch) override {
    rocksdb::WriteBatch changes;
    for (const DocumentWrite& change : batch) {
      const rocksdb::Status status = change.value ? changes.Put(slice(change.key), slice(*change.value))
                                                  : changes.Delete(slice(change.key));
      if (!status.ok()) return std::unexpected(explain(status, "Preparing documents", directory_));
    }
    return commit(changes);
  }

  Result<void> remove_prefix(std::string_view prefix) override {
    rocksdb::WriteBatch changes;
    const std::string end = prefix_end(prefix);
    if (!end.empty()) {
      const rocksdb::Status status = changes.DeleteRange(slice(prefix), slice(end));
      if (!status.ok()) return std::unexpected(explain(status, "Removing documents", directory_));
      return commit(changes);
    }
    // No key lies behind the range (an empty prefix, or 0xff bytes only).
    rocksdb::Status status;
    TRY(scan(prefix, [&](std::string_view key, std::string_view) {
      status = changes.Delete(slice(key));
      return status.ok();
    }));
    if (!status.ok()) return std::unexpected(explain(status, "Removing documents", directory_));
    return commit(changes);
  }

 private:
  Result<void> commit(rocksdb::WriteBatch& changes) {
    // After a failed write RocksDB refuses further ones until told to resume.
    if (failed_.exchange(false)) database_->Resume().PermitUncheckedError();
    rocksdb::WriteOptions options;
    options.sync = true;
    const rocksdb::Status status = database_->Write(options, &changes);
    if (status.ok()) return {};
    failed_ = true;
    return std::unexpected(explain(status, "Writing documents", directory_));
  }

  const std::string directory_;
  const std::unique_ptr<rocksdb::DB> database_;
  std::atomic<bool> failed_{false};
};

Result<void> check_writable(const std::filesystem::path& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error)
    return base::fail(ErrorCode::kUnavailable, fmt::format("The data directory {} cannot be created: {}",
                                                           directory.string(), error.message()));
  if (!std::filesystem::is_directory(directory, error))
    return base::fail(ErrorCode::kUnavailable, fmt::format("{} is not a directory", directory.string()));
  if (::access(directory.c_str(), R_OK | W_OK | X_OK) != 0)
    return base::fail(ErrorCode::kUnavailable, fmt::format("The data directory {} cannot be written: {}",
                                                           directory.string(), std::strerror(errno)));
  return {};
}

Result<void> check_format(DocumentStore& documents, const std::filesystem::path& directory) {
  TRY_ASSIGN(const auto stored, documents.get(kFormatKey));
  if (!stored) return documents.write({{std::string(kFormatKey), std::to_string(kFormat)}});
  uint64_t format = 0;
  const auto [end, error] = std::from_chars(stored->data(), stored->data() + stored->size(), format);
  if (error != std::errc() || end != stored->data() + stored->size())
    return base::fail(ErrorCode::kCorrupt,
                      fmt::format("The documents in {} carry no readable format number", directory.string()));
  if (format > kFormat)
    return base::fail(
        ErrorCode::kUnsupported,
        fmt::format("The documents in {} have format {}, written by a newer testmesh; this one reads up "
                    "to format {}. Use the newer version, or another data directory",
                    directory.string(), format, kFormat));
  return {};
}

}  // namespace

Result<std::unique_ptr<DocumentStore>> open_document_store(const std::filesystem::path& directory) {
  TRY(check_writable(directory));
  rocksdb::DB* opened = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(small_options(), directory.string(), &opened);
  if (!status.ok()) {
    const bool locked = status.IsIOError() && status.ToString().find("lock") != std::string::npos;
    if (locked) {
      const pid_t holder = lock_holder(directory / "LOCK");
      return base::fail(ErrorCode::kUnavailable,
                        holder != 0 ? fmt::format("{} is in use by another testmesh server (pid {})",
                                                  directory.string(), holder)
                                    : fmt::format("{} is in use already", directory.string()));
    }
    return std::unexpected(explain(status, "Opening the documents", directory.string()));
  }
  auto documents =
      std::make_unique<RocksDocumentStore>(std::unique_ptr<rocksdb::DB>(opened), directory.string());
  TRY(check_format(*documents, directory));
  return documents;
}

}  // namespace testmesh::store
