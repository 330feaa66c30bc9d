// The spans of runs, on their way into the store the system's spans go to.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "executions/delayed_tasks.h"
#include "model/ids.h"
#include "model/span.h"
#include "store/span_sink.h"

namespace testmesh::executions {

// A store that is busy is asked again for about ten seconds, as a run without its
// spans is a trace that never becomes complete; then they are counted as lost,
// which is said once and fails no run.
//
// Thread-safe. `tasks` ends before the emitter does; answers of the store may come
// after both.
class SpanEmitter {
 public:
  SpanEmitter(store::SpanSink&, DelayedTasks& tasks, std::function<void(const std::string&)> warn);

  void emit(const model::WorkspaceId&, const std::vector<model::Span>&);
  uint64_t lost_spans() const;
  // From here on a refusal is not followed by another try.
  void stop();

 private:
  struct State;
  struct Request {
    model::WorkspaceId workspace;
    std::string bytes;
    size_t spans = 0;
    unsigned attempts = 0;
  };
  static void submit(const std::shared_ptr<State>&, std::shared_ptr<Request>);

  const std::shared_ptr<State> state_;
};

}  // namespace testmesh::executions
