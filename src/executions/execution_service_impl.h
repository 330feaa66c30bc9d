// Private to this module: executions that have not ended, and who works on them.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "executions/delayed_tasks.h"
#include "executions/execution_archive.h"
#include "executions/execution_documents.h"
#include "executions/execution_service.h"
#include "executions/span_emitter.h"
#include "executions/subject.h"

namespace testmesh::executions {

enum class Stage : uint8_t {
  kWaiting,  // for a thread, or to be saved for the first time
  kRunning,
  kJudging,  // its trace is waited for
  kSaving,   // it has ended; in memory until the disk has it
};

struct Live {
  // Fixed.
  model::WorkspaceId workspace;
  bool again = false;  // an execution that has ended, judged once more
  size_t bytes = 0;    // of its request

  // Any thread.
  std::atomic<bool> cancelled{false};  // by whom, the next two say
  std::atomic<bool> dropped{false};    // its workspace is gone

  // Guarded by the service's mutex.
  Stage stage = Stage::kWaiting;
  Record record;
  std::vector<runner::StepResult> steps;
  bool cancel_asked = false;
  bool validation_asked = false;

  // Of whoever works on it.
  NewExecution request;
  std::optional<Expectations> expectations;
  std::unique_ptr<OwnedSubject> subject;
  validation::ValidationMemoryPtr memory;
  base::UnixNanos judging_since = 0, last_arrival = 0;
  std::chrono::milliseconds timeout{0};
  size_t seen_spans = 0;
  ExecutionArchive::Change change;  // of kSaving
};
using LivePtr = std::shared_ptr<Live>;

struct ExecutionService::Impl {
  Impl(store::DocumentStore&, store::TelemetryStore&, store::SpanSink&, store::WorkspaceRegistry&,
       ExecutionServiceOptions, Listener);

  base::Result<void> end_interrupted();
  base::Result<void> take_in(const LivePtr&);  // kOverloaded, kUnavailable
  void let_go(const LivePtr&);
  LivePtr find_live(const model::WorkspaceId&, const model::ExecutionId&);  // under mutex
  bool remove_from_queue(const LivePtr&);                                   // under mutex

  void work();
  void run(const LivePtr&);
  void run_ended(const LivePtr&, const flow_file::FlowFile&, runner::RunResult);
  void judge(const LivePtr&, base::UnixNanos last_arrival);
  void look_at_trace(const LivePtr&);
  void look_again(const LivePtr&, std::chrono::milliseconds delay);
  void judged(const LivePtr&, const validation::TraceValidation&);
  void end(const LivePtr&, ExecutionStatus, std::optional<runner::RunError>);
  void save(const LivePtr&, bool may_retry);
  void publish(const LivePtr&);
  void step_ended(const LivePtr&, const runner::StepResult&);
  base::UnixNanos now() const { return options.clock->now(); }

  const ExecutionServiceOptions options;
  const Listener listener;
  store::TelemetryStore& telemetry;
  store::WorkspaceRegistry& registry;
  ExecutionArchive archive;
  DelayedTasks tasks;
  SpanEmitter emitter;

  std::mutex mutex;  // guards what follows
  std::condition_variable wake;
  std::unordered_map<model::ExecutionId, LivePtr> live;
  std::deque<LivePtr> queue;
  size_t live_bytes = 0;
  base::UnixNanos last_created = 0;
  ExecutionCounts counts;  // but for what is counted by looking
  bool stopping = false;
  bool told_trouble = false;
  std::vector<std::thread> runners;
};

uint32_t step_count(const flow_file::FlowFile&);

}  // namespace testmesh::executions
