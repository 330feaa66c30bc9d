#include "store/embedded/journal.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include "base/varint.h"

namespace testmesh::store {
namespace {

constexpr uint32_t kMagic = 0x314a4d54;  // "TMJ1"
constexpr size_t kHeader = 24;
constexpr size_t kMaxSpare = 2;
constexpr std::string_view kPrefix = "journal-";

struct Hasher {
  Hasher(uint64_t file, uint64_t offset) {
    XXH3_64bits_reset(&state);
    add({reinterpret_cast<const char*>(&file), 8});
    add({reinterpret_cast<const char*>(&offset), 8});
  }
  void add(std::string_view bytes) { XXH3_64bits_update(&state, bytes.data(), bytes.size()); }
  uint64_t value() const { return XXH3_64bits_digest(&state); }
  XXH3_state_t state;
};

// The content of the entry at `offset`; nullopt when there is no whole one.
std::optional<std::string_view> entry_at(std::string_view file, uint64_t number, uint64_t offset) {
  if (offset + kHeader > file.size()) return std::nullopt;
  const char* head = file.data() + offset;
  const auto size = base::load_fixed<uint32_t>(head + 4);
  if (base::load_fixed<uint32_t>(head) != kMagic || base::load_fixed<uint64_t>(head + 8) != number)
    return std::nullopt;
  if (size > file.size() - offset - kHeader) return std::nullopt;
  const std::string_view content = file.substr(offset + kHeader, size);
  Hasher hasher(number, offset);
  hasher.add(content);
  if (hasher.value() != base::load_fixed<uint64_t>(head + 16)) return std::nullopt;
  return content;
}

// Whether a whole entry of this file stands anywhere behind `offset`.
bool entry_behind(std::string_view file, uint64_t number, uint64_t offset) {
  std::string magic;
  base::append_fixed(magic, kMagic);
  for (size_t at = file.find(magic, offset + 1); at != std::string_view::npos; at = file.find(magic, at + 1))
    if (entry_at(file, number, at)) return true;
  return false;
}

}  // namespace

std::string Journal::path_of(uint64_t number) const {
  std::string digits = std::to_string(number);
  if (digits.size() < 12) digits.insert(0, 12 - digits.size(), '0');
  return directory_ + "/" + std::string(kPrefix) + digits;
}

base::Result<std::unique_ptr<Journal>> Journal::open(std::string directory) {
  TRY(make_directories(directory));
  std::unique_ptr<Journal> journal(new Journal(std::move(directory)));
  for (const std::string& name : list_directory(journal->directory_)) {
    const std::string path = journal->directory_ + "/" + name;
    uint64_t number = 0;
    if (name.starts_with(kPrefix) &&
        std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), number).ec == std::errc{}) {
      TRY_ASSIGN(File file, File::open(path, File::Mode::kRead));
      TRY_ASSIGN(journal->files_[number], file.size());
    } else if (name.starts_with("spare-")) {
      remove_file(path);
    }
  }
  return journal;
}

base::Result<void> Journal::visit_file(uint64_t number, uint64_t from,
                                       const std::function<base::Result<void>(const JournalEntry&)>& visit) {
  TRY_ASSIGN(const std::string bytes, read_whole_file(path_of(number)));
  uint64_t offset = 0;
  while (const auto content = entry_at(bytes, number, offset)) {
    const uint64_t next = offset + kHeader + content->size();
    if (offset >= from) TRY(visit(JournalEntry{{number, offset}, {number, next}, *content}));
    offset = next;
  }
  if (entry_behind(bytes, number, offset))
    return base::fail(
        base::ErrorCode::kCorrupt,
        path_of(number) + " is damaged at byte " + std::to_string(offset) +
            " and has good entries behind it. Restore the data directory from a backup, or move this "
            "file away to go on without what it holds.");
  end_ = {number, offset};
  return {};
}

base::Result<void> Journal::replay(JournalPosition from,
                                   const std::function<base::Result<void>(const JournalEntry&)>& visit) {
  uint64_t expected = 0;
  std::vector<uint64_t> numbers;
  for (const auto& [number, size] : files_)
    if (number >= from.file) numbers.push_back(number);
  for (size_t i = 0; i < numbers.size(); ++i) {
    const uint64_t number = numbers[i];
    if (i > 0 && number != expected)
      return base::fail(base::ErrorCode::kCorrupt,
                        path_of(expected) +
                            " is missing, but later journal files are there. Restore the "
                            "data directory from a backup.");
    expected = number + 1;
    TRY(visit_file(number, number == from.file ? from.offset : 0, visit));
  }
  // Always write into a new file: what is behind the last good entry of the
  // old one need not be looked at again.
  const uint64_t last = std::max(from.file, numbers.empty() ? 0 : numbers.back());
  return start_file(last + 1);
}

base::Result<void> Journal::start_file(uint64_t number) {
  const std::string path = path_of(number);
  std::string reused;
  {
    const std::scoped_lock lock(mutex_);
    if (!spare_.empty()) {
      reused = spare_.back();
      spare_.pop_back();
    }
  }
  if (!reused.empty() && std::rename(reused.c_str(), path.c_str()) != 0) remove_file(reused);
  TRY_ASSIGN(file_, File::open(path, File::Mode::kReadWrite));
  if (auto reserved = file_.reserve(file_size_); !reserved) {
    file_ = {};
    remove_file(path);
    return reserved;
  }
  TRY(file_.sync());
  TRY(sync_directory(directory_));
  end_ = {number, 0};
  const std::scoped_lock lock(mutex_);
  files_[number] = file_size_;
  return {};
}

base::Result<Journal::Appended> Journal::append(const std::vector<std::string_view>& pieces) {
  size_t size = 0;
  for (const std::string_view piece : pieces) size += piece.size();
  if (!file_.is_open() || end_.offset + kHeader + size > kFileBytes) {
    file_size_ = std::max(kFileBytes, kHeader + size);
    const auto started = start_file(end_.file + 1);
    file_size_ = kFileBytes;
    if (!started) {
      file_ = {};  // it may be half made: the next append makes it again
      return std::unexpected(started.error());
    }
  }
  Hasher hasher(end_.file, end_.offset);
  for (const std::string_view piece : pieces) hasher.add(piece);
  std::string head;
  base::append_fixed(head, kMagic);
  base::append_fixed(head, static_cast<uint32_t>(size));
  base::append_fixed(head, end_.file);
  base::append_fixed(head, hasher.value());
  std::vector<iovec> vectors{{head.data(), head.size()}};
  for (const std::string_view piece : pieces)
    vectors.push_back({const_cast<char*>(piece.data()), piece.size()});
  auto written = file_.write_all_at(end_.offset, std::move(vectors));
  if (written) written = file_.sync();
  if (!written) {
    // What reached the disk is unknown: never write behind it in this file.
    file_ = {};
    return std::unexpected(written.error());
  }
  const Appended appended{end_, {end_.file, end_.offset + kHeader + size}};
  end_ = appended.end;
  return appended;
}

void Journal::drop_before(JournalPosition position) {
  const std::scoped_lock lock(mutex_);
  while (!files_.empty() && files_.begin()->first < position.file) {
    const auto [number, size] = *files_.begin();
    files_.erase(files_.begin());
    if (size == kFileBytes && spare_.size() < kMaxSpare) {
      std::string spare = directory_ + "/spare-" + std::to_string(number);
      if (std::rename(path_of(number).c_str(), spare.c_str()) == 0) {
        spare_.push_back(std::move(spare));
        continue;
      }
    }
    remove_file(path_of(number));
  }
  // Nothing came since the last call: an idle server keeps no spare files.
  if (position == last_needed_) {
    for (const std::string& spare : spare_) remove_file(spare);
    spare_.clear();
  }
  last_needed_ = position;
}

uint64_t Journal::bytes_on_disk() const {
  const std::scoped_lock lock(mutex_);
  uint64_t bytes = spare_.size() * kFileBytes;
  for (const auto& [number, size] : files_) bytes += size;
  return bytes;
}

}  // namespace testmesh::store
