// For tests: one run's worth of context, and shorthands to look at outcomes.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <string_view>

#include "actions/action.h"
#include "actions/host_policy.h"

namespace testmesh::actions::testing {

struct ActionRun {
  TraceContext trace{.trace_id = *model::TraceId::parse("0af7651916cd43dd8448eb211c80319c"),
                     .span_id = *model::SpanId::parse("b7ad6b7169203331")};
  HostPolicy hosts = {};
  std::atomic<bool> cancelled = false;
  std::chrono::nanoseconds time = std::chrono::hours(1);
  ConnectionPool connections = {};

  ActionOutcome operator()(std::string_view action, const expr::Map& config) {
    const Action* found = find_action(action);
    EXPECT_NE(found, nullptr) << action;
    ActionContext context{.trace = trace,
                          .deadline = std::chrono::steady_clock::now() + time,
                          .cancelled = cancelled,
                          .hosts = hosts,
                          .connections = connections};
    return found->run(expr::Value(config), context);
  }
};

inline std::string code(const ActionOutcome& outcome) { return outcome.error ? outcome.error->code : ""; }
inline std::string message(const ActionOutcome& outcome) {
  return outcome.error ? outcome.error->message : "";
}

// "headers/content-type" of a result or request, as JSON; "absent".
inline std::string at(const expr::Value& value, std::string_view path) {
  const expr::Value* found = &value;
  while (!path.empty() && found != nullptr) {
    const size_t slash = std::min(path.find('/'), path.size());
    found = found->find(path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return found == nullptr ? "absent" : expr::to_json(*found);
}

// Of the span, as text; "absent".
inline std::string span_attribute(const ActionOutcome& outcome, std::string_view key) {
  const model::Value* found = model::find_attribute(outcome.span_attributes, key);
  if (found == nullptr) return "absent";
  if (const auto* text = std::get_if<std::string>(&found->data)) return *text;
  if (const auto* number = std::get_if<int64_t>(&found->data)) return std::to_string(*number);
  return "of another type";
}

}  // namespace testmesh::actions::testing
