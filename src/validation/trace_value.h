// A stored trace as expressions see it (flow-yaml.md 4, `trace` and spans).
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "expr/value.h"
#include "model/ids.h"
#include "store/telemetry_store.h"

namespace testmesh::validation {

// What `trace` is about.
struct TraceScope {
  // Only the subtree under this span, itself left out if it is the runner's (a
  // step's trace_assert); none: the whole trace.
  std::optional<model::SpanId> under = std::nullopt;
  bool is_run = false;    // duration_ms is from the first to the last application span
  bool complete = false;  // what `trace.complete` says
};

// Indexes of one trace, made once and shared by every `trace` value of it.
// Immutable, thread-safe; keeps the detail alive.
class TraceIndex {
 public:
  explicit TraceIndex(std::shared_ptr<const store::TraceDetail>);
  ~TraceIndex();
  const store::TraceDetail& detail() const;

  // The record `trace`, for expressions.
  expr::Value trace(const TraceScope&) const;
  // Positions in detail().spans that a selector matches, in path order.
  // kInvalidArgument: no selector.
  base::Result<std::vector<uint32_t>> select(const expr::Value& selector, const TraceScope&) const;
  // Of one span: the record.
  expr::Value span(uint32_t position) const;

  struct Impl;

 private:
  std::shared_ptr<const Impl> impl_;
};

// A span outside its trace (the search `q`): members that need the others are
// nil (parent) or of the span alone.
expr::Value lone_span(std::shared_ptr<const model::Span>);

}  // namespace testmesh::validation
