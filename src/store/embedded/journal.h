// The write-ahead journal: what is in it and synced is acknowledged.
//
// Files `journal-<number>` of a fixed size, reserved when made, so that a full
// disk shows before anything is promised. An entry is
//   magic 4 · size 4 · file number 8 · XXH3 of (number, offset, content) 8 · content
// Files are reused: the number in each entry tells old content from new.
// A torn entry at the very end is what was not acknowledged; a damaged one
// with good ones behind it stops the start with a sentence.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/embedded/file.h"

namespace testmesh::store {

struct JournalPosition {
  uint64_t file = 0;
  uint64_t offset = 0;
  friend auto operator<=>(const JournalPosition&, const JournalPosition&) = default;
};

struct JournalEntry {
  JournalPosition start;
  JournalPosition end;
  std::string_view content;
};

// Written by one thread; replay before the first append; drop_before from any
// thread.
class Journal {
 public:
  static constexpr uint64_t kFileBytes = 64ull << 20;

  static base::Result<std::unique_ptr<Journal>> open(std::string directory);

  // Calls `visit` for every entry at or behind `from`, oldest first, and finds
  // the end. kCorrupt: see above, or files between are missing.
  base::Result<void> replay(JournalPosition from,
                            const std::function<base::Result<void>(const JournalEntry&)>& visit);

  // Writes the pieces as one entry and syncs. On failure nothing counts as
  // written and a later append starts anew.
  struct Appended {
    JournalPosition start, end;
  };
  base::Result<Appended> append(const std::vector<std::string_view>& pieces);

  JournalPosition end() const { return end_; }
  // Files wholly before `position` are no longer needed. Called again with the
  // same position, it gives the spare files back too.
  void drop_before(JournalPosition position);
  uint64_t bytes_on_disk() const;

 private:
  explicit Journal(std::string directory) : directory_(std::move(directory)) {}
  std::string path_of(uint64_t number) const;
  base::Result<void> start_file(uint64_t number);
  base::Result<void> visit_file(uint64_t number, uint64_t from,
                                const std::function<base::Result<void>(const JournalEntry&)>& visit);

  std::string directory_;
  File file_;            // being written
  JournalPosition end_;  // behind the last good entry
  uint64_t file_size_ = kFileBytes;

  mutable std::mutex mutex_;
  std::map<uint64_t, uint64_t> files_;  // number -> size on disk
  std::vector<std::string> spare_;      // files to reuse
  JournalPosition last_needed_;
};

}  // namespace testmesh::store
