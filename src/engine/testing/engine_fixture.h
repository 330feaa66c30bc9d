// An engine on a directory of its own whose clock, settings and document store
// belong to the test.
//
// A crash is made in the process: from one moment on the document store refuses
// every write, so that the disk is left as it stood at the last checkpoint, with
// all that was acknowledged in the journal and whatever was written since behind
// the lengths the checkpoint knows.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "model/span.h"
#include "otlp/convert.h"
#include "store/documents/document_store.h"

namespace testmesh::engine::testing {

inline constexpr base::UnixNanos kMs = 1'000'000, kSecond = 1'000 * kMs, kHour = 3'600 * kSecond,
                                 kDay = 24 * kHour;

class FakeClock final : public base::Clock {
 public:
  base::UnixNanos now() const override { return now_; }
  void advance(base::UnixNanos by) { now_ += by; }
  void go_back(base::UnixNanos by) { now_ -= by; }

 private:
  std::atomic<base::UnixNanos> now_{1'790'000'000 * kSecond};
};

class BreakableDocuments final : public store::DocumentStore {
 public:
  explicit BreakableDocuments(std::unique_ptr<store::DocumentStore> whole) : whole_(std::move(whole)) {}
  std::atomic<bool> broken{false};

  base::Result<std::optional<std::string>> get(std::string_view key) const override {
    return whole_->get(key);
  }
  base::Result<void> scan(
      std::string_view prefix,
      const std::function<bool(std::string_view, std::string_view)>& visit) const override {
    return whole_->scan(prefix, visit);
  }
  base::Result<void> write(const std::vector<store::DocumentWrite>& batch) override {
    if (broken) return base::fail(base::ErrorCode::kUnavailable, "the disk of the test is full");
    return whole_->write(batch);
  }
  base::Result<void> remove_prefix(std::string_view prefix) override {
    if (broken) return base::fail(base::ErrorCode::kUnavailable, "the disk of the test is full");
    return whole_->remove_prefix(prefix);
  }

 private:
  std::unique_ptr<store::DocumentStore> whole_;
};

inline model::WorkspaceId workspace_id(uint8_t number) {
  model::WorkspaceId id = model::kDefaultWorkspace;
  id.bytes[15] = number;
  return id;
}

inline model::TraceId trace_id(uint64_t number) {
  model::TraceId id;
  for (size_t i = 0; i < 8; ++i) {
    id.bytes[i] = static_cast<uint8_t>(number * 0x9e3779b97f4a7c15ULL >> 8 * i);  // in any shard
    id.bytes[8 + i] = static_cast<uint8_t>(number >> 8 * i);
  }
  id.bytes[15] = 1;
  return id;
}

inline model::SpanId span_id(uint64_t number) {
  model::SpanId id;
  for (size_t i = 0; i < 8; ++i) id.bytes[i] = static_cast<uint8_t>(number >> 8 * i);
  return id;
}

inline std::shared_ptr<const model::Resource> resource_of(const std::string& service) {
  model::Resource resource;
  resource.attributes.push_back({"service.name", {service}});
  return std::make_shared<model::Resource>(std::move(resource));
}

// Span `number` of the trace, a child of `parent` (0: none).
inline model::Span span_of(uint64_t trace, uint64_t number, uint64_t parent, const std::string& service,
                           const std::string& name, model::SpanKind kind,
                           std::vector<model::KeyValue> attributes) {
  static const auto scope = std::make_shared<const model::Scope>();
  model::Span span;
  span.trace_id = trace_id(trace);
  span.span_id = span_id(number);
  if (parent != 0) span.parent_span_id = span_id(parent);
  span.name = name;
  span.kind = kind;
  span.start = 1'789'999'000 * kSecond + trace * kMs + number * kMs;
  span.end = span.start + 100 * kMs - number * kMs;
  span.attributes = std::move(attributes);
  span.resource = resource_of(service);
  span.scope = scope;
  return span;
}

inline model::Span endpoint(uint64_t trace, uint64_t number, uint64_t parent, const std::string& service,
                            const std::string& route) {
  return span_of(trace, number, parent, service, "GET " + route, model::SpanKind::kServer,
                 {{"http.request.method", {std::string("GET")}}, {"http.route", {route}}});
}

inline model::Span query(uint64_t trace, uint64_t number, uint64_t parent, const std::string& service,
                         const std::string& database) {
  return span_of(trace, number, parent, service, "SELECT", model::SpanKind::kClient,
                 {{"db.system.name", {std::string("postgresql")}}, {"db.namespace", {database}}});
}

class EngineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "testmesh-engine-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
    options_.data_directory = name;
    options_.checkpoint_interval = std::chrono::hours(1);  // only when a test wants one
  }
  void TearDown() override {
    engine_.reset();
    documents_.reset();
    std::error_code error;
    std::filesystem::remove_all(directory_, error);
  }

  void open() {
    engine_.reset();
    documents_.reset();
    auto documents = store::open_document_store(directory_ / "documents");
    ASSERT_TRUE(documents) << documents.error().message;
    documents_ = std::make_unique<BreakableDocuments>(std::move(*documents));
    auto engine = Engine::open(options_, *documents_, clock_,
                               [this](const model::WorkspaceId& id) { return settings(id); });
    ASSERT_TRUE(engine) << engine.error().message;
    engine_ = std::move(*engine);
  }
  void stop() {
    engine_.reset();
    documents_.reset();
  }
  void crash() {
    documents_->broken = true;
    stop();
  }

  model::TelemetrySettings settings(const model::WorkspaceId& id) {
    const std::scoped_lock lock(settings_mutex_);
    return settings_[id];
  }
  void change(const model::WorkspaceId& id, const std::function<void(model::TelemetrySettings&)>& how) {
    const std::scoped_lock lock(settings_mutex_);
    how(settings_[id]);
  }

  base::Result<store::IngestOutcome> try_send(const std::vector<model::Span>& spans,
                                              const model::WorkspaceId& to = model::kDefaultWorkspace) {
    std::promise<base::Result<store::IngestOutcome>> promise;
    auto outcome = promise.get_future();
    engine_->submit(to, otlp::encode_protobuf(spans),
                    [&](base::Result<store::IngestOutcome> result) { promise.set_value(std::move(result)); });
    return outcome.get();
  }
  void send(const std::vector<model::Span>& spans, const model::WorkspaceId& to = model::kDefaultWorkspace) {
    const auto outcome = try_send(spans, to);
    ASSERT_TRUE(outcome) << outcome.error().message;
    EXPECT_EQ(outcome->accepted_spans, spans.size());
  }

  // Waits for what the engine's threads are about to do.
  bool eventually(const std::function<bool()>& true_now) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!true_now()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      engine_->wait_until_taken();
    }
    return true;
  }
  bool all_closed() {
    engine_->wait_until_taken();
    return eventually([&] { return open_traces() == 0; });
  }
  uint64_t open_traces() {
    // The gauge follows the traces by one turn of the worker; ask for them.
    uint64_t open = 0;
    store::TraceQuery query;
    query.limit = 1000;
    for (const model::WorkspaceId& workspace : {model::kDefaultWorkspace, workspace_id(2), workspace_id(3)}) {
      const auto page = engine_->search_traces(workspace, query);
      EXPECT_TRUE(page);
      for (const store::TraceSummary& trace : page->traces) open += !trace.complete;
    }
    return open;
  }
  // Time passes, for what was sent before: rows on their way are taken in first.
  void wait(base::UnixNanos by) {
    engine_->wait_until_taken();
    clock_.advance(by);
  }
  // Long enough that every open trace is idle, and waits until all are closed.
  void close_all() {
    wait(11 * kSecond);
    ASSERT_TRUE(all_closed()) << open_traces() << " traces are still open ("
                              << engine_->counters().open_traces << " by the gauge); "
                              << (engine_->ready() ? "no trouble" : engine_->ready().error().message);
  }
  // After this something that changed before it is saved: call it when
  // something has, and with a short checkpoint_interval.
  bool checkpointed(const std::vector<model::Span>& change_again) {
    engine_->wait_until_taken();
    const uint64_t before = engine_->counters().checkpoints;
    send(change_again);
    return eventually([&] { return engine_->counters().checkpoints > before; });
  }

  std::vector<model::Span> stored(uint64_t trace,
                                  const model::WorkspaceId& workspace = model::kDefaultWorkspace) {
    const auto detail = engine_->trace(workspace, trace_id(trace));
    EXPECT_TRUE(detail) << detail.error().message;
    return detail && *detail ? (*detail)->spans : std::vector<model::Span>();
  }
  std::map<std::string, uint64_t> counts(const model::WorkspaceId& workspace = model::kDefaultWorkspace) {
    std::map<std::string, uint64_t> found;
    discovery::FlowQuery query;
    query.limit = 1000;
    const auto page = engine_->flows(workspace, query);
    EXPECT_TRUE(page);
    for (const discovery::FlowSummary& flow : page->flows) found[flow.flow->path] = flow.occurrence_count;
    return found;
  }
  // "source type target" -> spans; and "type name" of nodes.
  std::map<std::string, uint64_t> graph(const model::WorkspaceId& workspace = model::kDefaultWorkspace) {
    std::map<std::string, uint64_t> found;
    const auto answer = engine_->graph(workspace);
    EXPECT_TRUE(answer);
    for (const graph::RuntimeNode& node : answer->nodes)
      found[std::string(to_string(node.key.type)) + " " + node.key.name] += node.traffic.call_count;
    for (const graph::RuntimeEdge& edge : answer->edges)
      found[answer->nodes[edge.source].key.name + " " + std::string(to_string(edge.type)) + " " +
            answer->nodes[edge.target].key.name] += edge.traffic.call_count;
    return found;
  }
  discovery::BookTotals totals(const model::WorkspaceId& workspace = model::kDefaultWorkspace) {
    return engine_->totals(workspace);
  }

  std::filesystem::path directory_;
  EngineOptions options_;
  FakeClock clock_;
  std::mutex settings_mutex_;
  std::map<model::WorkspaceId, model::TelemetrySettings> settings_;
  std::unique_ptr<BreakableDocuments> documents_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace testmesh::engine::testing
