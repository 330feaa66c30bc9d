// Traces told as who calls whom, a store in memory that discovers their flows as
// the engine does, and a run to validate against it.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "discovery/flow_book.h"
#include "discovery/flow_catalog.h"
#include "discovery/trace_analyzer.h"
#include "model/self_time.h"
#include "store/telemetry_store.h"
#include "validation/trace_validation.h"

namespace testmesh::validation::testing {

inline constexpr uint64_t kMs = 1'000'000, kSecond = 1000 * kMs;
inline constexpr base::UnixNanos kNoon = 1'790'000'000 * kSecond + 1;  // no whole millisecond

inline model::SpanId span_id(uint64_t number) {
  model::SpanId id;
  for (size_t i = 0; i < 8; ++i) id.bytes[7 - i] = static_cast<uint8_t>(number >> 8 * i);
  return id;
}
inline model::TraceId trace_id(uint64_t number) {
  model::TraceId id;
  for (size_t i = 0; i < 8; ++i) id.bytes[15 - i] = static_cast<uint8_t>(number >> 8 * i);
  id.bytes[0] = 1;
  return id;
}

// A span and how to change it.
struct SpanOf {
  model::Span span;

  SpanOf& under(const SpanOf& parent) { return span.parent_span_id = parent.span.span_id, *this; }
  SpanOf& under(const model::SpanId& parent) { return span.parent_span_id = parent, *this; }
  SpanOf& ms(uint64_t from, uint64_t to) {
    span.start = kNoon + from * kMs;
    span.end = kNoon + to * kMs;
    return *this;
  }
  SpanOf& with(std::string key, std::string value) {
    span.attributes.push_back({std::move(key), {std::move(value)}});
    return *this;
  }
  SpanOf& failing(std::string message = "") {
    span.status = model::StatusCode::kError;
    span.status_message = std::move(message);
    return *this;
  }
};

// Spans of one trace. Each starts 1 ms after the one told before and takes half
// a millisecond; parents are not made to last as long as their children.
class TraceOf {
 public:
  explicit TraceOf(uint64_t trace, uint64_t first_span = 1) : trace_(trace), next_(first_span) {}

  SpanOf& span(const std::string& service, model::SpanKind kind, std::string name) {
    static const auto scope = std::make_shared<const model::Scope>();
    SpanOf& added = spans_.emplace_back();
    added.span.trace_id = trace_id(trace_);
    added.span.span_id = span_id(trace_ << 20 | next_);
    added.span.name = std::move(name);
    added.span.kind = kind;
    added.span.start = kNoon + next_ * kMs;
    added.span.end = added.span.start + kMs / 2;
    auto resource = std::make_shared<model::Resource>();
    resource->attributes.push_back({"service.name", {service}});
    added.span.resource = resource;
    added.span.scope = scope;
    ++next_;
    return added;
  }
  SpanOf& server(const std::string& service, const std::string& method, const std::string& route) {
    return span(service, model::SpanKind::kServer, method + " " + route)
        .with("http.request.method", method)
        .with("http.route", route);
  }
  SpanOf& client(const std::string& service, const std::string& method) {
    return span(service, model::SpanKind::kClient, method).with("http.request.method", method);
  }
  SpanOf& query(const std::string& service, const std::string& database) {
    return span(service, model::SpanKind::kClient, "SELECT")
        .with("db.system.name", "postgresql")
        .with("db.namespace", database);
  }
  SpanOf& send(const std::string& service, const std::string& topic) {
    return span(service, model::SpanKind::kProducer, topic + " send")
        .with("messaging.system", "kafka")
        .with("messaging.operation.type", "send")
        .with("messaging.destination.name", topic);
  }
  SpanOf& process(const std::string& service, const std::string& topic) {
    return span(service, model::SpanKind::kConsumer, topic + " process")
        .with("messaging.system", "kafka")
        .with("messaging.operation.type", "process")
        .with("messaging.destination.name", topic);
  }
  SpanOf& execution() {
    return span("testmesh", model::SpanKind::kInternal, "testmesh.execution")
        .with("testmesh.execution.id", "7")
        .ms(0, 100'000);
  }
  SpanOf& step(const SpanOf& execution, const std::string& action = "http_request") {
    return span("testmesh", model::SpanKind::kInternal, "testmesh.step." + action)
        .with("testmesh.execution.id", "7")
        .under(execution);
  }
  SpanOf& call_of_step(const SpanOf& step, const std::string& method = "GET") {
    return client("testmesh", method).with("testmesh.execution.id", "7").under(step);
  }

  std::vector<model::Span> spans() const {
    std::vector<model::Span> all;
    for (const SpanOf& one : spans_) all.push_back(one.span);
    return all;
  }

 private:
  const uint64_t trace_;
  uint64_t next_;
  std::deque<SpanOf> spans_;
};

class MemoryStore final : public store::TelemetryStore {
 public:
  // As it comes over the wire: in any order, and again.
  void receive(const std::vector<model::Span>& spans) {
    for (const model::Span& span : spans)
      if (known_[span.trace_id].insert(span.span_id).second) traces_[span.trace_id].push_back(span);
  }
  // The same, complete, and counted in its flow.
  void learn(const std::vector<model::Span>& spans) {
    receive(spans);
    const model::TraceId& id = spans.front().trace_id;
    complete_[id] = true;
    std::vector<discovery::SpanInput> inputs;
    for (const discovery::FlowMatch& match : analyze(traces_[id], inputs).flows)
      book_.add(id, discovery::TraceClass::kWhole, match);
  }

  void forget(const model::TraceId& id) {
    traces_.erase(id);
    known_.erase(id);
  }

  mutable size_t reads = 0;      // of whole traces
  mutable size_t summaries = 0;  // of traces without their spans
  size_t flow_questions = 0;

  base::Result<std::optional<store::TraceDetail>> trace(const model::WorkspaceId&,
                                                        const model::TraceId& id) override {
    ++reads;
    return detail(id);
  }
  base::Result<std::optional<store::TraceSummary>> trace_summary(const model::WorkspaceId&,
                                                                 const model::TraceId& id) override {
    ++summaries;
    std::optional<store::TraceDetail> found = detail(id);
    if (!found) return std::nullopt;
    return std::move(found->summary);
  }
  base::Result<discovery::FlowPage> flows(const model::WorkspaceId&,
                                          const discovery::FlowQuery& query) override {
    ++flow_questions;
    const discovery::FlowBook* books[] = {&book_};
    return discovery::list_flows(books, catalog_, query);
  }
  std::optional<discovery::FlowDetail> flow(const model::WorkspaceId&, const model::FlowId& id) override {
    ++flow_questions;
    const discovery::FlowBook* books[] = {&book_};
    return discovery::flow_detail(books, catalog_, id);
  }
  std::vector<discovery::FlowSummary> flow_variants(const model::WorkspaceId&,
                                                    const model::FlowId& id) override {
    const discovery::FlowBook* books[] = {&book_};
    return discovery::flow_variants(books, catalog_, id);
  }
  std::optional<discovery::FlowHistogram> flow_histogram(const model::WorkspaceId&,
                                                         const model::FlowId&) override {
    return std::nullopt;
  }
  base::Result<store::TracePage> search_traces(const model::WorkspaceId&, const store::TraceQuery&) override {
    return store::TracePage{};
  }
  base::Result<store::SpanPage> search_spans(const model::WorkspaceId&, const store::SpanQuery&) override {
    return store::SpanPage{};
  }
  base::Result<graph::RuntimeGraph> graph(const model::WorkspaceId&) override {
    return graph::RuntimeGraph{};
  }
  base::Result<void> drop_workspace(const model::WorkspaceId&) override { return {}; }
  base::Result<void> ready() const override { return {}; }

 private:
  const discovery::TraceAnalysis& analyze(const std::vector<model::Span>& spans,
                                          std::vector<discovery::SpanInput>& inputs) {
    std::vector<std::string> scratch;
    for (const model::Span& span : spans)
      inputs.push_back({.id = span.span_id,
                        .parent = span.parent_span_id,
                        .start = span.start,
                        .end = span.end,
                        .facts = analyzer_.facts(discovery::describe(span, scratch)),
                        .error = span.status == model::StatusCode::kError});
    return analyzer_.analyze(inputs, [](uint32_t) { return std::string_view(); });
  }

  std::optional<store::TraceDetail> detail(const model::TraceId& id) {
    const auto found = traces_.find(id);
    if (found == traces_.end()) return std::nullopt;
    std::vector<discovery::SpanInput> inputs;
    const discovery::TraceAnalysis& analysis = analyze(found->second, inputs);
    store::TraceDetail detail;
    detail.summary.trace_id = id;
    detail.summary.span_count = static_cast<uint32_t>(analysis.order.size());
    detail.summary.is_test_generated = analysis.test;
    detail.summary.partial = analysis.partial;
    detail.summary.complete = complete_[id];
    detail.summary.start = inputs[analysis.root].start;
    std::vector<uint32_t> position_of(inputs.size());
    std::vector<model::TimedSpan> times;
    for (const discovery::OrderedSpan& ordered : analysis.order) {
      position_of[ordered.span] = static_cast<uint32_t>(detail.spans.size());
      const int64_t parent = ordered.parent == discovery::kNoSpan ? -1 : int64_t{ordered.parent};
      const model::Span& span = found->second[ordered.span];
      times.push_back({span.start, span.end, parent});
      detail.spans.push_back(span);
      detail.parent_positions.push_back(parent);
      detail.operations.emplace_back(analyzer_.operation(inputs[ordered.span].facts));
    }
    detail.self_ns = model::self_times(times);
    for (const discovery::FlowMatch& match : analysis.flows) {
      store::PathPart& part = detail.parts.emplace_back();
      part.family = match.flow->family;
      part.fingerprint = match.flow->fingerprint;
      part.entries.push_back(position_of[match.entry]);
      for (const uint32_t entry : match.further_entries) part.entries.push_back(position_of[entry]);
      part.first_node = static_cast<uint32_t>(detail.path.size());
      const std::vector<model::PathNode>& nodes = match.nodes ? *match.nodes : match.flow->nodes;
      part.nodes = static_cast<uint32_t>(nodes.size());
      for (const discovery::Visit& visit : match.visits)
        detail.visits.push_back({position_of[visit.span], part.first_node + visit.node});
      detail.path.insert(detail.path.end(), nodes.begin(), nodes.end());
      if (complete_[id] && !analysis.test) {
        detail.summary.flow_id = match.flow->id;
        detail.summary.fingerprint = match.flow->fingerprint;
      }
    }
    std::ranges::sort(detail.visits);
    return detail;
  }

  discovery::NameTries tries_;
  discovery::FlowCatalog catalog_;
  discovery::TraceAnalyzer analyzer_{tries_, catalog_};
  discovery::FlowBook book_{catalog_};
  std::unordered_map<model::TraceId, std::vector<model::Span>> traces_;
  std::unordered_map<model::TraceId, std::unordered_set<model::SpanId>> known_;
  std::unordered_map<model::TraceId, bool> complete_;
};

class FakeClock final : public base::Clock {
 public:
  base::UnixNanos now() const override { return time; }
  base::UnixNanos time = kNoon;
};

// What a node is called in the tests: "GET /orders", "shop".
inline std::vector<std::string> names(const std::vector<model::PathNode>& nodes) {
  std::vector<std::string> all;
  for (const model::PathNode& node : nodes) all.push_back(node.identifier);
  return all;
}
inline std::vector<std::string> names(const std::vector<Signal>& signals) {
  std::vector<std::string> all;
  for (const Signal signal : signals) all.emplace_back(to_string(signal));
  return all;
}
inline std::vector<std::string> names(const std::vector<OrderViolation>& orders) {
  std::vector<std::string> all;
  for (const OrderViolation& order : orders)
    all.push_back(order.before.identifier + " < " + order.after.identifier);
  return all;
}

}  // namespace testmesh::validation::testing
