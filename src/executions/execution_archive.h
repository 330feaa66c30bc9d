// Where executions are kept: documents, and in memory a line for each, so that a
// list is cheap and 10,000 of them are small. Private to this module.
//
// Thread-safe; changes wait for the disk, and so does the first question about a
// workspace.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "executions/execution_documents.h"
#include "model/ids.h"
#include "store/document_store.h"

namespace testmesh::executions {

class ExecutionArchive {
 public:
  // Of those that ended the newest `max_kept` of a workspace are kept.
  ExecutionArchive(store::DocumentStore&, size_t max_kept);

  // What had not ended when the last process did.
  base::Result<std::vector<std::pair<model::WorkspaceId, Record>>> unfinished() const;

  // Whatever is absent stays as it is. One that has not ended is found by
  // unfinished() until a later save() says it has.
  struct Change {
    std::optional<std::string> steps = {}, expectations = {}, validation = {};
    const std::atomic<bool>* unless = nullptr;  // set: nothing is written
  };
  base::Result<void> save(const model::WorkspaceId&, const Record&, const Change&);
  // Of one that was saved: what a list selects by, without the disk.
  void note_status(const model::WorkspaceId&, const Execution&);

  base::Result<std::optional<Record>> find(const model::WorkspaceId&, const model::ExecutionId&) const;
  base::Result<std::optional<std::string>> steps(const model::WorkspaceId&, const model::ExecutionId&) const;
  base::Result<std::optional<std::string>> expectations(const model::WorkspaceId&,
                                                        const model::ExecutionId&) const;
  base::Result<std::optional<std::string>> validation(const model::WorkspaceId&,
                                                      const model::ExecutionId&) const;

  struct Page {
    std::vector<model::ExecutionId> ids;  // newest first
    uint64_t total = 0;
    std::optional<std::string> next_cursor;
  };
  // kInvalidArgument: no cursor of this list.
  base::Result<Page> list(const model::WorkspaceId&, size_t limit, const std::string& cursor,
                          std::optional<ExecutionStatus> status, const std::string& flow_name);

  // Waits for changes under way; the caller sees to it that none follows
  // (Change::unless).
  base::Result<void> drop_workspace(const model::WorkspaceId&);

 private:
  struct Place {
    base::UnixNanos created_at = 0;
    model::ExecutionId id;
    friend auto operator<=>(const Place& a, const Place& b) {
      return std::pair(b.created_at, b.id) <=> std::pair(a.created_at, a.id);  // newest first
    }
    friend bool operator==(const Place&, const Place&) = default;
  };
  struct Line {
    ExecutionStatus status = ExecutionStatus::kPending;
    std::string flow_name;
  };
  struct Index {
    std::map<Place, Line> lines;
    size_t ended = 0;
  };

  // Under mutex_.
  base::Result<Index*> index_of(const model::WorkspaceId&);
  static void put(Index&, const Execution&);
  base::Result<std::optional<std::string>> document(const model::WorkspaceId&, const model::ExecutionId&,
                                                    std::string_view kind) const;

  store::DocumentStore& documents_;
  const size_t max_kept_;
  std::shared_mutex writing_;  // shared: a change; alone: a workspace is dropped
  std::mutex mutex_;
  std::unordered_map<model::WorkspaceId, Index> indexes_;
};

}  // namespace testmesh::executions
