// Traces for tests, written as who calls whom.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "discovery/flow_catalog.h"
#include "model/self_time.h"
#include "model/span.h"
#include "store/telemetry_store.h"

namespace testmesh::validation::testing {

inline constexpr uint64_t kMs = 1'000'000;
inline constexpr base::UnixNanos kStart = 1'790'000'000'000'000'500;

inline model::SpanId span_id(uint8_t number) {
  model::SpanId id;
  id.bytes[7] = number;
  return id;
}

struct SpanOf {
  uint8_t number = 1;
  uint8_t parent = 0;  // 0: none
  std::string service;
  std::string operation;
  uint64_t start_ms = 0, duration_ms = 10;
  model::SpanKind kind = model::SpanKind::kServer;
  model::StatusCode status = model::StatusCode::kUnset;
  std::vector<model::KeyValue> attributes = {};
  std::string name = {};  // empty: the operation
};

inline model::Span make_span(const SpanOf& of) {
  model::Span span;
  span.trace_id.bytes[0] = 7;
  span.span_id = span_id(of.number);
  if (of.parent) span.parent_span_id = span_id(of.parent);
  span.name = of.name.empty() ? of.operation : of.name;
  span.kind = of.kind;
  span.start = kStart + of.start_ms * kMs;
  span.end = span.start + of.duration_ms * kMs;
  span.status = of.status;
  span.attributes = of.attributes;
  auto resource = std::make_shared<model::Resource>();
  resource->attributes.push_back({"service.name", {of.service}});
  span.resource = std::move(resource);
  span.scope = std::make_shared<model::Scope>();
  return span;
}

// Parents in front of their children, as the store gives them. A path node
// {"span number", type, identifier} each.
struct NodeOf {
  uint8_t span = 0;
  model::NodeType type = model::NodeType::kApiEndpoint;
  std::string identifier;
};

inline std::shared_ptr<store::TraceDetail> make_detail(const std::vector<SpanOf>& spans,
                                                       const std::vector<NodeOf>& nodes = {}) {
  auto detail = std::make_shared<store::TraceDetail>();
  std::map<uint8_t, int64_t> position;
  std::vector<model::TimedSpan> times;
  for (const SpanOf& of : spans) {
    const auto parent = position.find(of.parent);
    const int64_t up = parent == position.end() ? -1 : parent->second;
    position[of.number] = static_cast<int64_t>(detail->spans.size());
    detail->spans.push_back(make_span(of));
    detail->parent_positions.push_back(up);
    detail->operations.push_back(of.operation);
    times.push_back({detail->spans.back().start, detail->spans.back().end, up});
    detail->summary.error_count += of.status == model::StatusCode::kError;
  }
  detail->self_ns = model::self_times(times);
  for (const NodeOf& node : nodes) {
    const auto at = static_cast<uint32_t>(position.at(node.span));
    detail->visits.push_back({at, static_cast<uint32_t>(detail->path.size())});
    detail->path.push_back(
        {node.type, node.identifier, std::string(model::service_name(*detail->spans[at].resource))});
  }
  detail->summary.trace_id.bytes[0] = 7;
  detail->summary.span_count = static_cast<uint32_t>(detail->spans.size());
  detail->summary.is_test_generated = !spans.empty() && model::is_test_generated(detail->spans[0]);
  if (!spans.empty()) detail->summary.duration_ns = detail->spans[0].end - detail->spans[0].start;
  return detail;
}

}  // namespace testmesh::validation::testing
