#include "executions/execution_service.h"

#include <fmt/format.h>
#include <openssl/rand.h>
#include <pthread.h>

#include <algorithm>

#include "executions/execution_json.h"
#include "executions/execution_service_impl.h"

namespace testmesh::executions {
namespace {

using base::ErrorCode;

// Threads that look at traces and save; what they wait for is the disk.
constexpr unsigned kTaskThreads = 2;
constexpr size_t kMaxFiles = 100;

template <typename Id>
Id random_id() {
  Id id;
  CHECK(RAND_bytes(id.bytes.data(), static_cast<int>(id.bytes.size())) == 1);
  return id;
}

model::ExecutionId random_execution_id() {
  auto id = random_id<model::ExecutionId>();
  id.bytes[6] = static_cast<uint8_t>((id.bytes[6] & 0x0f) | 0x40);  // version 4
  id.bytes[8] = static_cast<uint8_t>((id.bytes[8] & 0x3f) | 0x80);
  return id;
}

base::Error not_found() { return {ErrorCode::kNotFound, "There is no such execution in this workspace"}; }

Refusal refusal(ErrorCode code, std::string message) { return {{code, std::move(message)}, {}}; }

}  // namespace

ExecutionService::Impl::Impl(store::DocumentStore& documents, store::TelemetryStore& telemetry_store,
                             store::SpanSink& sink, store::WorkspaceRegistry& workspaces,
                             ExecutionServiceOptions settings, Listener told)
    : options(std::move(settings)),
      listener(std::move(told)),
      telemetry(telemetry_store),
      registry(workspaces),
      archive(documents, options.max_kept),
      tasks(kTaskThreads),
      emitter(sink, tasks, options.warn) {}

ExecutionService::ExecutionService(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

ExecutionService::~ExecutionService() { stop(); }

base::Result<std::unique_ptr<ExecutionService>> ExecutionService::open(
    store::DocumentStore& documents, store::TelemetryStore& telemetry, store::SpanSink& sink,
    store::WorkspaceRegistry& registry, ExecutionServiceOptions options, Listener listener) {
  auto impl =
      std::make_unique<Impl>(documents, telemetry, sink, registry, std::move(options), std::move(listener));
  TRY(impl->end_interrupted());
  for (unsigned i = 0; i < std::max(1u, impl->options.concurrency); ++i)
    impl->runners.emplace_back([view = impl.get()] {
      pthread_setname_np(pthread_self(), "run");
      view->work();
    });
  return std::unique_ptr<ExecutionService>(new ExecutionService(std::move(impl)));
}

void ExecutionService::stop() {
  Impl& impl = *impl_;
  {
    const std::scoped_lock lock(impl.mutex);
    if (std::exchange(impl.stopping, true)) return;
    impl.queue.clear();
    for (const auto& [id, one] : impl.live) one->cancelled = true;
  }
  impl.wake.notify_all();
  for (std::thread& runner : impl.runners) runner.join();
  impl.emitter.stop();
  impl.tasks.stop();
  std::vector<LivePtr> left;
  {
    const std::scoped_lock lock(impl.mutex);
    for (const auto& [id, one] : impl.live) left.push_back(one);
  }
  for (const LivePtr& one : left) {
    if (one->again || one->dropped) continue;
    if (has_ended(one->record.execution.status))
      impl.save(one, false);
    else
      impl.end(one, ExecutionStatus::kError,
               runner::RunError{"interrupted", "The server stopped before the execution ended"});
  }
}

std::expected<Execution, Refusal> ExecutionService::start(const model::WorkspaceId& workspace,
                                                          NewExecution request) {
  const bool is_run = !request.trace_id;
  if (is_run && request.flow.empty())
    return std::unexpected(refusal(ErrorCode::kInvalidArgument, "A run needs a flow"));
  if (request.files.size() > kMaxFiles)
    return std::unexpected(
        refusal(ErrorCode::kUnprocessable, fmt::format("A run takes at most {} files", kMaxFiles)));
  flow_file::Reading reading;
  std::vector<flow_file::Problem> problems;
  if (!request.flow.empty()) {
    reading = flow_file::read_flow(request.flow);
    problems = reading.problems;
  }
  size_t bytes = request.flow.size();
  for (const auto& [name, text] : request.files) {
    bytes += name.size() + text.size();
    for (flow_file::Problem& problem : flow_file::read_flow(text).problems) {
      problem.message = name + ": " + problem.message;
      problems.push_back(std::move(problem));
    }
  }
  if (!problems.empty())
    return std::unexpected(Refusal{
        {ErrorCode::kUnprocessable, problems.size() == 1
                                        ? "The flow is not valid: " + problems.front().message
                                        : fmt::format("The flow is not valid: {} problems", problems.size())},
        std::move(problems)});

  const auto one = std::make_shared<Live>();
  one->workspace = workspace;
  one->bytes = bytes;
  Execution& execution = one->record.execution;
  execution.id = random_execution_id();
  execution.kind = is_run ? ExecutionKind::kRun : ExecutionKind::kTrace;
  execution.trace_id = is_run ? random_id<model::TraceId>() : *request.trace_id;
  execution.flow_name = reading.flow.name;
  if (is_run) execution.total_steps = step_count(reading.flow);
  {
    // Distinct, so that the newest is first.
    const std::scoped_lock lock(impl_->mutex);
    execution.created_at = impl_->last_created = std::max(impl_->now(), impl_->last_created + 1);
  }
  one->expectations = expectations_of(is_run, request.flow.empty() ? nullptr : &reading.flow,
                                      request.variables, request.parent_span_id);
  if (is_run) {
    one->request = std::move(request);
  } else {
    execution.started_at = execution.created_at;
  }
  if (auto taken = impl_->take_in(one); !taken) return std::unexpected(Refusal{taken.error(), {}});
  if (auto saved = impl_->archive.save(workspace, one->record,
                                       {.expectations = encode(*one->expectations), .unless = &one->dropped});
      !saved) {
    impl_->let_go(one);
    return std::unexpected(Refusal{saved.error(), {}});
  }
  const Execution answer = execution;
  impl_->publish(one);
  if (is_run) {
    {
      const std::scoped_lock lock(impl_->mutex);
      if (!impl_->stopping) impl_->queue.push_back(one);
    }
    impl_->wake.notify_one();
  } else if (impl_->registry.settings(workspace).auto_validation) {
    impl_->judge(one, 0);
  } else {
    // Nothing was judged, which is not the same as passed.
    impl_->end(
        one, ExecutionStatus::kError,
        runner::RunError{"not_validated",
                         "auto_validation is off; POST to the execution's trace-validation judges it"});
  }
  return answer;
}

std::optional<Execution> ExecutionService::find(const model::WorkspaceId& workspace,
                                                const model::ExecutionId& id) {
  {
    const std::scoped_lock lock(impl_->mutex);
    if (const LivePtr one = impl_->find_live(workspace, id)) return one->record.execution;
  }
  const auto record = impl_->archive.find(workspace, id);
  if (!record || !*record) return std::nullopt;
  return (*record)->execution;
}

base::Result<ExecutionPage> ExecutionService::list(const model::WorkspaceId& workspace, size_t limit,
                                                   const std::string& cursor,
                                                   std::optional<ExecutionStatus> status,
                                                   const std::string& flow_name) {
  TRY_ASSIGN(const ExecutionArchive::Page chosen,
             impl_->archive.list(workspace, limit, cursor, status, flow_name));
  ExecutionPage page{.executions = {}, .total = chosen.total, .next_cursor = chosen.next_cursor};
  for (const model::ExecutionId& id : chosen.ids)
    if (auto execution = find(workspace, id)) page.executions.push_back(*std::move(execution));
  return page;
}

base::Result<std::vector<runner::StepResult>> ExecutionService::steps(const model::WorkspaceId& workspace,
                                                                      const model::ExecutionId& id) {
  {
    const std::scoped_lock lock(impl_->mutex);
    if (const LivePtr one = impl_->find_live(workspace, id); one && !one->again) return one->steps;
  }
  TRY_ASSIGN(const auto text, impl_->archive.steps(workspace, id));
  if (text) return decode_steps(*text);
  TRY_ASSIGN(const auto record, impl_->archive.find(workspace, id));
  if (!record) return std::unexpected(not_found());
  return std::vector<runner::StepResult>{};
}

base::Result<Execution> ExecutionService::cancel(const model::WorkspaceId& workspace,
                                                 const model::ExecutionId& id) {
  LivePtr one;
  bool queued = false;
  {
    const std::scoped_lock lock(impl_->mutex);
    one = impl_->find_live(workspace, id);
    if (one && !has_ended(one->record.execution.status)) {
      one->cancel_asked = true;
      one->cancelled = true;
      queued = impl_->remove_from_queue(one);
    }
  }
  if (queued) impl_->end(one, ExecutionStatus::kCancelled, std::nullopt);
  auto execution = find(workspace, id);
  if (!execution) return std::unexpected(not_found());
  return *std::move(execution);
}

base::Result<ExecutionService::StoredValidation> ExecutionService::validation(
    const model::WorkspaceId& workspace, const model::ExecutionId& id) {
  {
    const std::scoped_lock lock(impl_->mutex);
    if (const LivePtr one = impl_->find_live(workspace, id)) {
      if (one->change.validation && one->stage == Stage::kSaving)
        return StoredValidation{ValidationState::kDone, *one->change.validation};
      if (one->again || one->stage == Stage::kJudging || one->validation_asked)
        return StoredValidation{ValidationState::kPending, {}};
      const bool coming = one->stage != Stage::kSaving && impl_->registry.settings(workspace).auto_validation;
      return StoredValidation{coming ? ValidationState::kPending : ValidationState::kNone, {}};
    }
  }
  TRY_ASSIGN(auto text, impl_->archive.validation(workspace, id));
  if (text) return StoredValidation{ValidationState::kDone, *std::move(text)};
  TRY_ASSIGN(const auto record, impl_->archive.find(workspace, id));
  if (!record) return std::unexpected(not_found());
  return StoredValidation{};
}

base::Result<ExecutionService::StoredValidation> ExecutionService::validate_again(
    const model::WorkspaceId& workspace, const model::ExecutionId& id) {
  const StoredValidation pending{ValidationState::kPending, {}};
  {
    const std::scoped_lock lock(impl_->mutex);
    if (const LivePtr one = impl_->find_live(workspace, id); one && one->stage != Stage::kSaving) {
      one->validation_asked = true;
      return pending;
    }
  }
  TRY_ASSIGN(auto record, impl_->archive.find(workspace, id));
  if (!record) return std::unexpected(not_found());
  TRY_ASSIGN(const auto text, impl_->archive.expectations(workspace, id));
  if (!text)
    return base::fail(ErrorCode::kCorrupt, "What this execution expects of its trace was not stored");
  const auto one = std::make_shared<Live>();
  one->workspace = workspace;
  one->again = true;
  TRY_ASSIGN(one->expectations, decode_expectations(*text));
  TRY_ASSIGN(one->steps, steps(workspace, id));
  const base::UnixNanos finished = record->execution.finished_at;
  one->record = *std::move(record);
  TRY(impl_->take_in(one));
  impl_->judge(one, std::max<base::UnixNanos>(finished, 1));
  return pending;
}

base::Result<void> ExecutionService::drop_workspace(const model::WorkspaceId& workspace) {
  std::vector<LivePtr> queued;
  {
    const std::scoped_lock lock(impl_->mutex);
    for (const auto& [id, one] : impl_->live) {
      if (one->workspace != workspace) continue;
      one->dropped = true;
      one->cancelled = true;
      if (impl_->remove_from_queue(one)) queued.push_back(one);
    }
  }
  for (const LivePtr& one : queued) impl_->let_go(one);
  return impl_->archive.drop_workspace(workspace);
}

ExecutionCounts ExecutionService::counts() const {
  const std::scoped_lock lock(impl_->mutex);
  ExecutionCounts counts = impl_->counts;
  counts.queued = impl_->queue.size();
  for (const auto& [id, one] : impl_->live) counts.validating += one->stage == Stage::kJudging ? 1 : 0;
  counts.lost_spans = impl_->emitter.lost_spans();
  return counts;
}

}  // namespace testmesh::executions
