#include "executions/span_emitter.h"

#include <fmt/format.h>

#include <mutex>

#include "otlp/convert.h"

namespace testmesh::executions {
namespace {

constexpr std::chrono::milliseconds kPause{200};
constexpr unsigned kMaxAttempts = 50;
constexpr size_t kMaxWaitingBytes = 64u << 20;

}  // namespace

struct SpanEmitter::State {
  store::SpanSink& sink;
  std::function<void(const std::string&)> warn;
  std::atomic<uint64_t> lost{0};
  std::atomic<bool> told{false};
  std::atomic<size_t> waiting_bytes{0};
  std::mutex mutex;
  DelayedTasks* tasks;  // guarded by mutex; null once stopped

  void lose(const Request& request, const std::string& why) {
    lost += request.spans;
    if (warn && !told.exchange(true))
      warn(fmt::format("spans of a run were not stored, so its trace will miss them: {}", why));
  }
};

SpanEmitter::SpanEmitter(store::SpanSink& sink, DelayedTasks& tasks,
                         std::function<void(const std::string&)> warn)
    : state_(new State{.sink = sink, .warn = std::move(warn), .mutex = {}, .tasks = &tasks}) {}

void SpanEmitter::emit(const model::WorkspaceId& workspace, const std::vector<model::Span>& spans) {
  if (spans.empty()) return;
  auto request = std::make_shared<Request>();
  request->workspace = workspace;
  request->bytes = otlp::encode_protobuf(spans);
  request->spans = spans.size();
  submit(state_, std::move(request));
}

void SpanEmitter::submit(const std::shared_ptr<State>& state, std::shared_ptr<Request> request) {
  const Request& view = *request;
  state->sink.submit(
      view.workspace, view.bytes,
      [state, request = std::move(request)](base::Result<store::IngestOutcome> outcome) mutable {
        if (outcome) {
          if (outcome->rejected_spans > 0) {
            request->spans = outcome->rejected_spans;
            state->lose(*request, outcome->message);
          }
          return;
        }
        const bool busy = outcome.error().code == base::ErrorCode::kOverloaded ||
                          outcome.error().code == base::ErrorCode::kUnavailable;
        const std::scoped_lock lock(state->mutex);
        if (!busy || !state->tasks || ++request->attempts >= kMaxAttempts ||
            state->waiting_bytes > kMaxWaitingBytes)
          return state->lose(*request, outcome.error().message);
        state->waiting_bytes += request->bytes.size();
        state->tasks->after(kPause, [state, again = std::move(request)]() mutable {
          state->waiting_bytes -= again->bytes.size();
          submit(state, std::move(again));
        });
      });
}

uint64_t SpanEmitter::lost_spans() const { return state_->lost; }

void SpanEmitter::stop() {
  const std::scoped_lock lock(state_->mutex);
  state_->tasks = nullptr;
}

}  // namespace testmesh::executions
