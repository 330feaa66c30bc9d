// For tests: one action, its context, and words for what came of it.
#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <string_view>

#include "actions/action.h"
#include "actions/host_policy.h"
#include "expr/value.h"

namespace testmesh::actions {

struct ActionFixture {
  std::atomic<bool> cancelled = false;
  HostPolicy hosts;
  ConnectionPool pool;
  base::UnixNanos run_started_at = 0;
  std::chrono::milliseconds timeout = std::chrono::seconds(60);
  TraceContext trace = *parse_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");

  ActionOutcome run(const Action& action, expr::Map config) {
    ActionContext context{.trace = trace,
                          .deadline = std::chrono::steady_clock::now() + timeout,
                          .cancelled = cancelled,
                          .hosts = hosts,
                          .connections = pool,
                          .run_started_at = run_started_at};
    return action.run(expr::Value(std::move(config)), context);
  }
};

// "code: message", or "" when it went well.
inline std::string error_of(const ActionOutcome& outcome) {
  return outcome.error ? outcome.error->code + ": " + outcome.error->message : std::string();
}

// The result without what differs each time.
inline std::string result_of(const ActionOutcome& outcome) {
  expr::Map result = outcome.result.as_map();
  result.erase("duration_ms");
  return expr::to_json(expr::Value(std::move(result)));
}

inline expr::Value json(std::string_view text) { return expr::parse_json(text).value(); }

// One attribute of the span as text, "" when it is not there.
inline std::string span_attribute(const ActionOutcome& outcome, std::string_view key) {
  const model::Value* found = model::find_attribute(outcome.span_attributes, key);
  if (found == nullptr) return "";
  if (const auto* text = std::get_if<std::string>(&found->data)) return *text;
  if (const auto* number = std::get_if<int64_t>(&found->data)) return std::to_string(*number);
  return "?";
}

}  // namespace testmesh::actions
