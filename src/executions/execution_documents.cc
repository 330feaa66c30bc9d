#include "executions/execution_documents.h"

#include <fmt/format.h>

#include "base/utf8.h"
#include "executions/execution_json.h"
#include "executions/map_reader.h"

namespace testmesh::executions {
namespace {

using base::ErrorCode;
using expr::Kind;
using expr::List;
using expr::Map;
using expr::Value;

constexpr int64_t kSchema = 1;

// Of each of a step's values; a run of many steps is still a document.
constexpr size_t kMaxText = 16 << 10;
constexpr size_t kMaxBytes = 64 << 10;
constexpr size_t kMaxItems = 1000;
constexpr size_t kMaxDepth = 100;

class Bounds {
 public:
  Value operator()(const Value& value, size_t depth = 0) {
    if (left_ == 0 || depth > kMaxDepth) return value.is_nil() ? value : Value("… (cut)");
    switch (value.kind()) {
      case Kind::kString:
        return text(value);
      case Kind::kList: {
        List list;
        for (const Value& item : value.as_list()) {
          if (list.size() == kMaxItems || left_ == 0) {
            list.push_back(fmt::format("… (cut, {} items)", value.as_list().size()));
            break;
          }
          list.push_back((*this)(item, depth + 1));
        }
        return list;
      }
      case Kind::kMap: {
        Map map;
        for (const auto& [key, item] : value.as_map()) {
          if (map.size() == kMaxItems || left_ == 0) {
            map.set("…", fmt::format("(cut, {} keys)", value.as_map().size()));
            break;
          }
          Value kept = text(key);
          map.set(std::move(kept), (*this)(item, depth + 1));
        }
        return map;
      }
      default:
        take(8);
        return value;
    }
  }

 private:
  void take(size_t bytes) { left_ -= std::min(left_, bytes); }
  Value text(const Value& value) {
    if (value.kind() != Kind::kString) return value;
    const std::string_view whole = value.as_string();
    const size_t most = std::min(kMaxText, left_);
    take(std::min(whole.size(), most) + 8);
    if (whole.size() <= most) return value;
    return std::string(base::utf8_prefix(whole, most)) + fmt::format("… (cut, {} bytes)", whole.size());
  }

  size_t left_ = kMaxBytes;
};

base::Result<MapReader> read(std::string_view text, std::string_view what) {
  auto value = expr::parse_json(text);
  if (value && value->kind() == Kind::kMap) {
    MapReader map(*std::move(value));
    if (map.integer("schema") > kSchema)
      return base::fail(ErrorCode::kUnsupported,
                        fmt::format("{} has schema {}, written by a newer testmesh; this one reads up to {}",
                                    what, map.integer("schema"), kSchema));
    if (map.integer("schema") == kSchema) return map;
  }
  return base::fail(ErrorCode::kCorrupt, fmt::format("{} does not read back", what));
}

Map to_map(const runner::RunError& error) { return {{"code", error.code}, {"message", error.message}}; }

std::optional<runner::RunError> error_from(const MapReader& map, std::string_view name) {
  if (!map.has(name)) return std::nullopt;
  const MapReader error(map.value(name));
  return runner::RunError{error.text("code"), error.text("message")};
}

}  // namespace

bool has_ended(ExecutionStatus status) {
  return status != ExecutionStatus::kPending && status != ExecutionStatus::kRunning;
}

std::string encode(const Record& record) {
  Map map = to_map(record.execution);
  map.set("schema", kSchema);
  if (record.run_status) map.set("run_status", runner::to_string(*record.run_status));
  if (record.run_error) map.set("run_error", to_map(*record.run_error));
  return expr::to_json(map);
}

base::Result<Record> decode_record(std::string_view text) {
  TRY_ASSIGN(const MapReader map, read(text, "a stored execution"));
  Record record;
  Execution& execution = record.execution;
  const auto id = model::ExecutionId::parse(map.text("id"));
  const auto trace = model::TraceId::parse(map.text("trace_id"));
  execution.flow_name = map.text("flow_name");
  execution.kind = map.one_of("kind", {ExecutionKind::kRun, ExecutionKind::kTrace});
  execution.status =
      map.one_of("status", {ExecutionStatus::kPending, ExecutionStatus::kRunning, ExecutionStatus::kPassed,
                            ExecutionStatus::kFailed, ExecutionStatus::kError, ExecutionStatus::kCancelled});
  execution.created_at = map.time("created_at");
  execution.started_at = map.time("started_at");
  execution.finished_at = map.time("finished_at");
  execution.total_steps = static_cast<uint32_t>(map.integer("total_steps"));
  execution.passed_steps = static_cast<uint32_t>(map.integer("passed_steps"));
  execution.failed_steps = static_cast<uint32_t>(map.integer("failed_steps"));
  execution.error = error_from(map, "error");
  if (map.has("run_status"))
    record.run_status = map.one_of("run_status", {runner::RunStatus::kPassed, runner::RunStatus::kFailed,
                                                  runner::RunStatus::kError, runner::RunStatus::kCancelled});
  record.run_error = error_from(map, "run_error");
  if (!id || !trace || !map.ok())
    return base::fail(ErrorCode::kCorrupt, "a stored execution does not read back");
  execution.id = *id;
  execution.trace_id = *trace;
  return record;
}

runner::StepResult bounded(runner::StepResult step) {
  for (Value* value : {&step.request, &step.result, &step.output}) *value = Bounds()(*value);
  Bounds within;
  for (runner::FailedAssertion& failed : step.failed_assertions) {
    failed.actual = within(failed.actual);
    if (failed.expected) failed.expected = within(*failed.expected);
  }
  return step;
}

std::string encode_steps(const std::vector<runner::StepResult>& steps) {
  List list;
  for (const runner::StepResult& step : steps) list.push_back(to_map(step));
  return expr::to_json(Map{{"schema", kSchema}, {"steps", std::move(list)}});
}

base::Result<std::vector<runner::StepResult>> decode_steps(std::string_view text) {
  TRY_ASSIGN(const MapReader map, read(text, "the stored steps of an execution"));
  std::vector<runner::StepResult> steps;
  for (const Value& item : map.list("steps")) {
    TRY_ASSIGN(steps.emplace_back(), step_from(item));
  }
  return steps;
}

}  // namespace testmesh::executions
