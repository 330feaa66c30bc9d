// What happens to an execution between its request and its end.
#include <fmt/format.h>

#include <algorithm>

#include "executions/execution_json.h"
#include "executions/execution_service_impl.h"
#include "executions/trace_question.h"

namespace testmesh::executions {
namespace {

using std::chrono::milliseconds;
using validation::ValidationStatus;

// How often a trace is looked at: soon while spans are expected any moment, and
// never so often that looking is all that is done.
constexpr milliseconds kLook{100};
constexpr milliseconds kLookLater{250};
constexpr milliseconds kSoon{3'000};
constexpr unsigned kCostFactor = 5;
constexpr milliseconds kSaveAgain{2'000};

runner::RunError interrupted() { return {"interrupted", "The server stopped before the execution ended"}; }

class Observer final : public runner::RunObserver {
 public:
  explicit Observer(std::function<void(const runner::StepResult&)> tell) : tell_(std::move(tell)) {}
  void step_finished(const runner::StepResult& step) override { tell_(step); }

 private:
  const std::function<void(const runner::StepResult&)> tell_;
};

void count_steps(Execution& execution, const std::vector<runner::StepResult>& steps) {
  execution.passed_steps = execution.failed_steps = 0;
  for (const runner::StepResult& step : steps) {
    if (step.depth > 0) continue;
    execution.passed_steps += step.status == runner::StepStatus::kPassed ? 1 : 0;
    execution.failed_steps += step.status == runner::StepStatus::kFailed ? 1 : 0;
  }
}

// What the verdict makes of an execution. Of a run that was cancelled or could
// not run it changes nothing.
void apply(Record& record, const validation::TraceValidation& verdict) {
  Execution& execution = record.execution;
  if (execution.kind == ExecutionKind::kRun) {
    if (record.run_status == runner::RunStatus::kFailed) {
      execution.status = ExecutionStatus::kFailed;
      execution.error = record.run_error;
      return;
    }
    if (record.run_status != runner::RunStatus::kPassed) return;
  } else if (execution.status == ExecutionStatus::kCancelled) {
    return;
  }
  execution.error = std::nullopt;
  switch (verdict.status) {
    case ValidationStatus::kPassed:
      execution.status = ExecutionStatus::kPassed;
      return;
    case ValidationStatus::kFailed:
      execution.status = ExecutionStatus::kFailed;
      execution.error = {"trace_validation", verdict.summary};
      return;
    case ValidationStatus::kPending:
    case ValidationStatus::kPartial:
      execution.status = ExecutionStatus::kError;
      execution.error = {"inconclusive", verdict.summary};
      return;
  }
}

}  // namespace

uint32_t step_count(const flow_file::FlowFile& flow) {
  return static_cast<uint32_t>(flow.setup.size() + flow.steps.size() + flow.teardown.size());
}

base::Result<void> ExecutionService::Impl::end_interrupted() {
  TRY_ASSIGN(auto unfinished, archive.unfinished());
  for (auto& [workspace, record] : unfinished) {
    Execution& execution = record.execution;
    if (!has_ended(execution.status)) {
      execution.status = ExecutionStatus::kError;
      execution.error = interrupted();
      execution.finished_at = std::max(now(), execution.started_at);
    }
    TRY(archive.save(workspace, record, {}));
  }
  return {};
}

base::Result<void> ExecutionService::Impl::take_in(const LivePtr& made) {
  const std::scoped_lock lock(mutex);
  if (stopping) return base::fail(base::ErrorCode::kUnavailable, "The server is stopping");
  if (live.size() >= options.max_queued || live_bytes + made->bytes > options.max_bytes) {
    ++counts.refused;
    return base::fail(base::ErrorCode::kOverloaded,
                      fmt::format("{} executions have not ended yet; try again when some have", live.size()));
  }
  live[made->record.execution.id] = made;
  live_bytes += made->bytes;
  return {};
}

void ExecutionService::Impl::let_go(const LivePtr& one) {
  const std::scoped_lock lock(mutex);
  if (live.erase(one->record.execution.id) > 0) live_bytes -= one->bytes;
}

LivePtr ExecutionService::Impl::find_live(const model::WorkspaceId& workspace, const model::ExecutionId& id) {
  const auto found = live.find(id);
  return found == live.end() || found->second->workspace != workspace ? nullptr : found->second;
}

bool ExecutionService::Impl::remove_from_queue(const LivePtr& one) {
  const auto place = std::ranges::find(queue, one);
  if (place == queue.end()) return false;
  queue.erase(place);
  return true;
}

void ExecutionService::Impl::publish(const LivePtr& one) {
  if (!listener || one->dropped) return;
  std::string json;
  {
    const std::scoped_lock lock(mutex);
    json = to_json(one->record.execution);
  }
  listener(one->workspace, "execution", json);
}

// ---- Running

void ExecutionService::Impl::work() {
  for (;;) {
    LivePtr next;
    {
      std::unique_lock lock(mutex);
      wake.wait(lock, [this] { return stopping || !queue.empty(); });
      if (stopping) return;
      next = std::move(queue.front());
      queue.pop_front();
      next->stage = Stage::kRunning;
      next->record.execution.status = ExecutionStatus::kRunning;
      next->record.execution.started_at = std::max(now(), next->record.execution.created_at);
      archive.note_status(next->workspace, next->record.execution);
      ++counts.running;
    }
    run(next);
    const std::scoped_lock lock(mutex);
    --counts.running;
  }
}

void ExecutionService::Impl::run(const LivePtr& one) {
  if (one->cancelled) return end(one, ExecutionStatus::kCancelled, std::nullopt);
  publish(one);
  // Checked when it was taken; kept as text until now, as texts are small.
  const NewExecution request = std::move(one->request);
  const flow_file::FlowFile flow = flow_file::read_flow(request.flow).flow;
  std::map<std::string, flow_file::FlowFile, std::less<>> files;
  for (const auto& [name, text] : request.files) files[name] = flow_file::read_flow(text).flow;
  Observer observer([&](const runner::StepResult& step) { step_ended(one, step); });
  runner::RunResult result;
  try {
    result = options.run({.execution = one->record.execution.id,
                          .workspace = one->workspace,
                          .trace_id = one->record.execution.trace_id,
                          .flow = flow,
                          .variables = request.variables,
                          .flows = &files},
                         {.clock = *options.clock,
                          .hosts = options.hosts,
                          .emit = [this](const model::WorkspaceId& workspace,
                                         std::vector<model::Span> spans) { emitter.emit(workspace, spans); },
                          .telemetry = &telemetry,
                          .cancelled = one->cancelled,
                          .observer = &observer,
                          .otel_assert =
                              [this](const runner::TraceQuestionView& question) {
                                return answer(question, telemetry);
                              }});
  } catch (const std::exception& error) {
    // Libraries below throw when memory is short.
    result.status = runner::RunStatus::kError;
    result.error = {"internal", fmt::format("The run could not go on: {}", error.what())};
  }
  run_ended(one, flow, std::move(result));
}

void ExecutionService::Impl::step_ended(const LivePtr& one, const runner::StepResult& step) {
  {
    const std::scoped_lock lock(mutex);
    one->steps.push_back(bounded(step));
    count_steps(one->record.execution, one->steps);
  }
  publish(one);
}

void ExecutionService::Impl::run_ended(const LivePtr& one, const flow_file::FlowFile& flow,
                                       runner::RunResult result) {
  for (runner::StepResult& step : result.steps) step = bounded(std::move(step));
  set_steps(*one->expectations, flow, result.steps);
  one->change.expectations = encode(*one->expectations);
  bool cancelled = result.status == runner::RunStatus::kCancelled;
  bool validate = registry.settings(one->workspace).auto_validation;
  {
    const std::scoped_lock lock(mutex);
    if (!result.steps.empty() || one->steps.empty()) one->steps = std::move(result.steps);
    count_steps(one->record.execution, one->steps);
    one->record.run_status = result.status;
    one->record.run_error = result.error;
    cancelled |= one->cancel_asked;
    validate |= one->validation_asked;
    if (stopping && !one->cancel_asked) {
      // What had ended by itself is judged never; say so.
      one->record.run_status = std::nullopt;
    }
  }
  if (cancelled && one->record.run_status) return end(one, ExecutionStatus::kCancelled, std::nullopt);
  if (!one->record.run_status) return end(one, ExecutionStatus::kError, interrupted());
  if (result.status == runner::RunStatus::kError) return end(one, ExecutionStatus::kError, result.error);
  if (validate) return judge(one, 0);
  const bool passed = result.status == runner::RunStatus::kPassed;
  end(one, passed ? ExecutionStatus::kPassed : ExecutionStatus::kFailed, result.error);
}

// ---- Judging the trace

void ExecutionService::Impl::judge(const LivePtr& one, base::UnixNanos last_arrival) {
  one->judging_since = now();
  one->last_arrival = last_arrival;
  one->timeout = milliseconds(registry.settings(one->workspace).default_timeout_ms);
  one->memory = validation::make_validation_memory();
  {
    const std::scoped_lock lock(mutex);
    one->stage = Stage::kJudging;
    one->subject = std::make_unique<OwnedSubject>(one->record.execution, one->workspace,
                                                  *std::move(one->expectations), one->steps);
    if (!one->again && one->record.execution.status != ExecutionStatus::kRunning) {
      one->record.execution.status = ExecutionStatus::kRunning;
      archive.note_status(one->workspace, one->record.execution);
    }
  }
  one->expectations = std::nullopt;
  look_again(one, milliseconds(0));
}

void ExecutionService::Impl::look_again(const LivePtr& one, milliseconds delay) {
  tasks.after(delay, [this, one] { look_at_trace(one); });
}

void ExecutionService::Impl::look_at_trace(const LivePtr& one) {
  if (one->dropped) return let_go(one);
  if (one->cancelled && !one->again) {
    {
      const std::scoped_lock lock(mutex);
      if (stopping && !one->cancel_asked) return;  // stop() ends it
    }
    return end(one, ExecutionStatus::kCancelled, std::nullopt);
  }
  const auto began = std::chrono::steady_clock::now();
  const auto failed = [&](const base::Error& error, bool time_is_up) {
    const bool busy =
        error.code == base::ErrorCode::kOverloaded || error.code == base::ErrorCode::kUnavailable;
    if (busy && !time_is_up) return look_again(one, kLookLater);
    if (one->again) return save(one, false);
    end(one, ExecutionStatus::kError,
        runner::RunError{"validation", "The trace could not be judged: " + error.message});
  };
  base::UnixNanos time = now();
  bool time_is_up = time >= one->judging_since + static_cast<uint64_t>(one->timeout.count()) * 1'000'000;
  auto trace = telemetry.trace(one->workspace, one->subject->subject().trace_id);
  if (!trace) return failed(trace.error(), time_is_up);
  std::shared_ptr<const store::TraceDetail> detail;
  if (*trace) detail = std::make_shared<const store::TraceDetail>(**std::move(trace));
  if (const size_t spans = detail ? detail->spans.size() : 0; spans != one->seen_spans) {
    // What was there before anybody looked may have come long ago.
    if (one->seen_spans > 0 || one->last_arrival == 0) one->last_arrival = time;
    one->seen_spans = spans;
  }
  auto verdict = options.validate_once(one->subject->subject(), telemetry, std::move(detail), time,
                                       one->last_arrival, time_is_up, *one->memory);
  if (!verdict) return failed(verdict.error(), time_is_up);
  if (verdict->status != ValidationStatus::kPending || time_is_up) return judged(one, *verdict);
  const auto cost =
      std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - began) * kCostFactor;
  const bool soon = time - one->judging_since < static_cast<uint64_t>(kSoon.count()) * 1'000'000;
  look_again(one, std::max(soon ? kLook : kLookLater, cost));
}

void ExecutionService::Impl::judged(const LivePtr& one, const validation::TraceValidation& verdict) {
  one->change.validation = validation::to_json(one->subject->subject(), verdict);
  {
    const std::scoped_lock lock(mutex);
    apply(one->record, verdict);
  }
  if (one->again) return save(one, true);
  end(one, one->record.execution.status, one->record.execution.error);
}

// ---- The end

void ExecutionService::Impl::end(const LivePtr& one, ExecutionStatus status,
                                 std::optional<runner::RunError> error) {
  {
    const std::scoped_lock lock(mutex);
    Execution& execution = one->record.execution;
    execution.status = status;
    execution.error = std::move(error);
    execution.finished_at = std::max(now(), execution.started_at);
    if (execution.kind == ExecutionKind::kRun) one->change.steps = encode_steps(one->steps);
    (status == ExecutionStatus::kPassed   ? counts.passed
     : status == ExecutionStatus::kFailed ? counts.failed
     : status == ExecutionStatus::kError  ? counts.error
                                          : counts.cancelled) += 1;
  }
  save(one, true);
}

// One that cannot be saved stays in memory, where it is found as well.
void ExecutionService::Impl::save(const LivePtr& one, bool may_retry) {
  Record record;
  {
    const std::scoped_lock lock(mutex);
    one->stage = Stage::kSaving;
    record = one->record;
  }
  one->change.unless = &one->dropped;
  const auto saved = archive.save(one->workspace, record, one->change);
  if (saved || !may_retry) {
    publish(one);
    return let_go(one);
  }
  {
    const std::scoped_lock lock(mutex);
    if (!std::exchange(told_trouble, true) && options.warn)
      options.warn("an execution could not be saved and stays in memory: " + saved.error().message);
    if (stopping) return;
  }
  tasks.after(kSaveAgain, [this, one] { save(one, true); });
}

}  // namespace testmesh::executions
