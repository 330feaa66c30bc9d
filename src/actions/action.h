// What a step does to the outside world (flow-yaml.md 2). Control actions
// (condition, for_each, …) are the runner's; the actions here act on a system:
// http_request, kafka_producer, kafka_consumer, database_query, grpc_call, redis.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "expr/value.h"
#include "model/ids.h"
#include "model/span.h"

namespace testmesh::actions {

using SteadyTime = std::chrono::steady_clock::time_point;

// W3C trace context that the action hands on: of the protocol span.
struct TraceContext {
  model::TraceId trace_id;
  model::SpanId span_id;
  std::string trace_state = {};
  std::string baggage = {};
};

// "00-<trace id>-<span id>-01"
std::string traceparent(const TraceContext&);
std::optional<TraceContext> parse_traceparent(std::string_view);

// Why an action could not be done, or did not give what it must.
struct ActionError {
  // "timeout", "connection", "tls", "address_refused", "invalid_config",
  // "too_large", "too_many_redirects", "query", "broker", "not_enough_messages",
  // "rpc", "cancelled", …
  std::string code;
  std::string message;  // a sentence: what was tried, what happened, what may help
};

struct ActionOutcome {
  expr::Value result = expr::Map{};   // keys as flow-yaml.md 2 names them; also with an error as far as known
  expr::Value request = expr::Map{};  // what was sent, for the history; the caller masks secrets
  std::optional<ActionError> error = {};

  // Of the protocol span. Attributes by today's semantic conventions. A span
  // failed when there is an error, or as those conventions say (a 5xx of HTTP).
  std::string span_name = {};
  model::SpanKind span_kind = model::SpanKind::kClient;
  std::vector<model::KeyValue> span_attributes = {};
  bool span_failed = false;
  std::vector<model::Link> span_links = {};  // to the author's own trace context
};

class HostPolicy;  // host_policy.h

// Connections of one run, by action; each action keeps what it needs here.
// Thread-safe; closed when the run ends.
class ConnectionPool {
 public:
  ConnectionPool();
  ~ConnectionPool();
  // The action's own pool object, made at the first call.
  template <typename T>
  T& get() {
    return *static_cast<T*>(slot(&kTag<T>, [] { return std::shared_ptr<void>(std::make_shared<T>()); }));
  }

 private:
  template <typename T>
  static constexpr char kTag = 0;
  void* slot(const void* tag, const std::function<std::shared_ptr<void>()>& make);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct ActionContext {
  TraceContext trace;
  SteadyTime deadline;                 // of this attempt: the step's timeout; the config's own may be sooner
  const std::atomic<bool>& cancelled;  // looked at at least every 100 ms while waiting
  const HostPolicy& hosts;
  ConnectionPool& connections;
  // kafka_consumer without a position of its own reads what came since then;
  // 0: since the step began.
  base::UnixNanos run_started_at = 0;
};

// Stateless, thread-safe.
class Action {
 public:
  virtual ~Action() = default;
  virtual std::string_view name() const = 0;
  // `config` is a map without references. Blocks. Never throws; bounded memory.
  virtual ActionOutcome run(const expr::Value& config, ActionContext&) const = 0;
};

// Null: no such action.
const Action* find_action(std::string_view name);
std::vector<const Action*> all_actions();

}  // namespace testmesh::actions
