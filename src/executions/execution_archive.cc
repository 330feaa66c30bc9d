#include "executions/execution_archive.h"

#include <fmt/format.h>

#include <charconv>

namespace testmesh::executions {
namespace {

using base::ErrorCode;

constexpr std::string_view kRecord = "record";
constexpr std::string_view kSteps = "steps";
constexpr std::string_view kExpectations = "expectations";
constexpr std::string_view kValidation = "validation";
constexpr std::string_view kOpen = "executions-open/";

std::string prefix_of(const model::WorkspaceId& workspace) {
  return fmt::format("executions/{}/", workspace.to_string());
}
// Records lie together, so that the index is made from one scan of small documents.
std::string key_of(const model::WorkspaceId& workspace, std::string_view kind, const model::ExecutionId& id) {
  return fmt::format("{}{}/{}", prefix_of(workspace), kind, id.to_string());
}
std::string open_key(const model::WorkspaceId& workspace, const model::ExecutionId& id) {
  return fmt::format("{}{}/{}", kOpen, workspace.to_string(), id.to_string());
}

}  // namespace

ExecutionArchive::ExecutionArchive(store::DocumentStore& documents, size_t max_kept)
    : documents_(documents), max_kept_(max_kept) {}

base::Result<std::vector<std::pair<model::WorkspaceId, Record>>> ExecutionArchive::unfinished() const {
  std::vector<std::pair<model::WorkspaceId, model::ExecutionId>> open;
  TRY(documents_.scan(kOpen, [&](std::string_view key, std::string_view) {
    key.remove_prefix(kOpen.size());
    const size_t slash = key.find('/');
    if (slash == std::string_view::npos) return true;
    const auto workspace = model::WorkspaceId::parse(key.substr(0, slash));
    const auto id = model::ExecutionId::parse(key.substr(slash + 1));
    if (workspace && id) open.emplace_back(*workspace, *id);
    return true;
  }));
  std::vector<std::pair<model::WorkspaceId, Record>> found;
  for (const auto& [workspace, id] : open) {
    TRY_ASSIGN(auto record, find(workspace, id));
    if (record) found.emplace_back(workspace, *std::move(record));
  }
  return found;
}

void ExecutionArchive::put(Index& index, const Execution& execution) {
  Line& line = index.lines[{execution.created_at, execution.id}];
  index.ended -= has_ended(line.status) ? 1 : 0;
  line.status = execution.status;
  line.flow_name = execution.flow_name;
  index.ended += has_ended(line.status) ? 1 : 0;
}

base::Result<ExecutionArchive::Index*> ExecutionArchive::index_of(const model::WorkspaceId& workspace) {
  if (const auto found = indexes_.find(workspace); found != indexes_.end()) return &found->second;
  Index index;
  std::optional<base::Error> trouble;
  TRY(documents_.scan(prefix_of(workspace) + std::string(kRecord) + "/",
                      [&](std::string_view, std::string_view value) {
                        auto record = decode_record(value);
                        if (!record) {
                          trouble = std::move(record).error();
                          return false;
                        }
                        put(index, record->execution);
                        return true;
                      }));
  if (trouble) return std::unexpected(*std::move(trouble));
  return &indexes_.emplace(workspace, std::move(index)).first->second;
}

base::Result<void> ExecutionArchive::save(const model::WorkspaceId& workspace, const Record& record,
                                          const Change& change) {
  const std::shared_lock writing(writing_);
  if (change.unless && *change.unless) return {};
  const Execution& execution = record.execution;
  const bool ended = has_ended(execution.status);
  std::vector<Place> give_way;
  {
    const std::scoped_lock lock(mutex_);
    TRY_ASSIGN(Index * index, index_of(workspace));
    size_t after = index->ended;
    const auto known = index->lines.find({execution.created_at, execution.id});
    if (ended && (known == index->lines.end() || !has_ended(known->second.status))) ++after;
    for (auto at = index->lines.rbegin(); after > max_kept_ && at != index->lines.rend(); ++at) {
      if (!has_ended(at->second.status) || at->first.id == execution.id) continue;
      give_way.push_back(at->first);
      --after;
    }
  }
  std::vector<store::DocumentWrite> batch;
  batch.push_back({key_of(workspace, kRecord, execution.id), encode(record)});
  batch.push_back({open_key(workspace, execution.id), ended ? std::nullopt : std::optional(std::string())});
  const auto add = [&](std::string_view kind, const std::optional<std::string>& value) {
    if (value) batch.push_back({key_of(workspace, kind, execution.id), *value});
  };
  add(kSteps, change.steps);
  add(kExpectations, change.expectations);
  add(kValidation, change.validation);
  for (const Place& place : give_way)
    for (const std::string_view kind : {kRecord, kSteps, kExpectations, kValidation})
      batch.push_back({key_of(workspace, kind, place.id), std::nullopt});
  TRY(documents_.write(batch));
  const std::scoped_lock lock(mutex_);
  TRY_ASSIGN(Index * index, index_of(workspace));
  put(*index, execution);
  for (const Place& place : give_way) index->ended -= index->lines.erase(place);
  return {};
}

void ExecutionArchive::note_status(const model::WorkspaceId& workspace, const Execution& execution) {
  const std::scoped_lock lock(mutex_);
  const auto index = indexes_.find(workspace);
  if (index == indexes_.end()) return;
  if (index->second.lines.contains({execution.created_at, execution.id})) put(index->second, execution);
}

base::Result<std::optional<std::string>> ExecutionArchive::document(const model::WorkspaceId& workspace,
                                                                    const model::ExecutionId& id,
                                                                    std::string_view kind) const {
  return documents_.get(key_of(workspace, kind, id));
}

base::Result<std::optional<Record>> ExecutionArchive::find(const model::WorkspaceId& workspace,
                                                           const model::ExecutionId& id) const {
  TRY_ASSIGN(const auto text, document(workspace, id, kRecord));
  if (!text) return std::nullopt;
  return decode_record(*text);
}

base::Result<std::optional<std::string>> ExecutionArchive::steps(const model::WorkspaceId& workspace,
                                                                 const model::ExecutionId& id) const {
  return document(workspace, id, kSteps);
}
base::Result<std::optional<std::string>> ExecutionArchive::expectations(const model::WorkspaceId& workspace,
                                                                        const model::ExecutionId& id) const {
  return document(workspace, id, kExpectations);
}
base::Result<std::optional<std::string>> ExecutionArchive::validation(const model::WorkspaceId& workspace,
                                                                      const model::ExecutionId& id) const {
  return document(workspace, id, kValidation);
}

base::Result<ExecutionArchive::Page> ExecutionArchive::list(const model::WorkspaceId& workspace, size_t limit,
                                                            const std::string& cursor,
                                                            std::optional<ExecutionStatus> status,
                                                            const std::string& flow_name) {
  std::optional<Place> after;
  if (!cursor.empty()) {
    after.emplace();
    const auto [end, error] =
        std::from_chars(cursor.data(), cursor.data() + cursor.size(), after->created_at);
    const auto at = static_cast<size_t>(end - cursor.data());
    const auto id = error == std::errc() && at < cursor.size() && cursor[at] == '.'
                        ? model::ExecutionId::parse(cursor.substr(at + 1))
                        : std::nullopt;
    if (!id)
      return base::fail(ErrorCode::kInvalidArgument, "`cursor` is none that this list gave as next_cursor");
    after->id = *id;
  }
  Page page;
  const std::scoped_lock lock(mutex_);
  TRY_ASSIGN(const Index* index, index_of(workspace));
  const Place* last = nullptr;
  for (const auto& [place, line] : index->lines) {
    if (status && line.status != *status) continue;
    if (!flow_name.empty() && line.flow_name != flow_name) continue;
    ++page.total;
    if (after && !(*after < place)) continue;
    if (page.ids.size() < limit) {
      page.ids.push_back(place.id);
      last = &place;
    } else if (!page.next_cursor && last) {
      page.next_cursor = fmt::format("{}.{}", last->created_at, last->id.to_string());
    }
  }
  return page;
}

base::Result<void> ExecutionArchive::drop_workspace(const model::WorkspaceId& workspace) {
  const std::unique_lock writing(writing_);
  {
    const std::scoped_lock lock(mutex_);
    indexes_.erase(workspace);
  }
  TRY(documents_.remove_prefix(prefix_of(workspace)));
  return documents_.remove_prefix(fmt::format("{}{}/", kOpen, workspace.to_string()));
}

}  // namespace testmesh::executions
