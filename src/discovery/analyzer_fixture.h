// For tests: traces written as a person would tell them.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "discovery/trace_analyzer.h"

namespace testmesh::discovery {

inline constexpr auto kInternal = model::SpanKind::kInternal;
inline constexpr auto kServer = model::SpanKind::kServer;
inline constexpr auto kClient = model::SpanKind::kClient;
inline constexpr auto kProducer = model::SpanKind::kProducer;
inline constexpr auto kConsumer = model::SpanKind::kConsumer;

inline model::SpanId span_id(uint64_t number) {
  model::SpanId id;
  for (size_t i = 0; i < 8; ++i) id.bytes[7 - i] = static_cast<uint8_t>(number >> (8 * i));
  return id;
}

struct TestSpan {
  uint64_t number = 0, parent_number = 0;
  std::string service_name, span_name, environment_name;
  model::SpanKind kind = kInternal;
  uint64_t start = 0, end = 0;  // ns
  std::map<std::string, std::string> attributes;
  bool failed = false;

  TestSpan& under(uint64_t parent) { return parent_number = parent, *this; }
  TestSpan& under(const TestSpan& parent) { return under(parent.number); }
  TestSpan& name(std::string text) { return span_name = std::move(text), *this; }
  TestSpan& us(uint64_t from, uint64_t to) { return start = from * 1000, end = to * 1000, *this; }
  TestSpan& ns(uint64_t from, uint64_t to) { return start = from, end = to, *this; }
  TestSpan& id(uint64_t value) { return number = value, *this; }
  TestSpan& with(std::string key, std::string value) {
    return attributes[std::move(key)] = std::move(value), *this;
  }
  TestSpan& environment(std::string value) { return environment_name = std::move(value), *this; }
  TestSpan& error() { return failed = true, *this; }
  TestSpan& route(const std::string& method, const std::string& path) {
    return with("http.request.method", method).with("http.route", path);
  }
};

// One workspace with one shard.
class Workspace {
 public:
  NameTries tries;
  FlowCatalog catalog;
  TraceAnalyzer analyzer{tries, catalog};
  std::vector<SpanInput> inputs;  // of the last analyze()

  const TraceAnalysis& analyze(const std::deque<TestSpan>& test_spans) {
    inputs.clear();
    std::vector<std::string> urls;
    for (const TestSpan& span : test_spans) {
      SpanDescription description;
      description.kind = span.kind;
      description.name = span.span_name;
      description.service = span.service_name;
      description.environment = span.environment_name;
      for (const auto& [key, value] : span.attributes) {
        const auto slot = slot_of(key);
        if (slot) description.values[static_cast<size_t>(*slot)] = value;
      }
      const auto url = [&](const char* key) {
        const auto found = span.attributes.find(key);
        return found == span.attributes.end() ? std::string() : found->second;
      };
      urls.push_back(url("url.full").empty() ? url("http.url") : url("url.full"));
      SpanInput& input = inputs.emplace_back();
      input.id = span_id(span.number);
      input.parent = span_id(span.parent_number);
      input.start = span.start;
      input.end = span.end;
      input.error = span.failed;
      input.facts = analyzer.facts(description);
    }
    return analyzer.analyze(inputs, [&](uint32_t i) -> std::string_view { return urls[i]; });
  }
};

// A trace, told span by span. Times default to one after the other: every
// span starts 10.5 us after the one written before and takes 10 us.
class Trace {
 public:
  std::deque<TestSpan> spans;

  TestSpan& span(std::string service, model::SpanKind kind, std::string name = "work") {
    TestSpan& added = spans.emplace_back();
    added.number = spans.size();
    added.service_name = std::move(service);
    added.span_name = std::move(name);
    added.kind = kind;
    added.ns(10'500 * spans.size() + 1, 10'500 * spans.size() + 10'001);
    return added;
  }
  TestSpan& server(std::string service, const std::string& method, const std::string& route) {
    return span(std::move(service), kServer, method + " " + route).route(method, route);
  }
  TestSpan& client(std::string service, const std::string& method = "GET") {
    return span(std::move(service), kClient, method).with("http.request.method", method);
  }
  TestSpan& query(std::string service, const std::string& database) {
    return span(std::move(service), kClient, "SELECT")
        .with("db.system.name", "postgresql")
        .with("db.namespace", database);
  }
  TestSpan& send(std::string service, const std::string& topic) {
    return span(std::move(service), kProducer, topic + " send")
        .with("messaging.system", "kafka")
        .with("messaging.operation.type", "send")
        .with("messaging.destination.name", topic);
  }
  TestSpan& process(std::string service, const std::string& topic) {
    return span(std::move(service), kConsumer, topic + " process")
        .with("messaging.system", "kafka")
        .with("messaging.operation.type", "process")
        .with("messaging.destination.name", topic);
  }

  const TraceAnalysis& analyze() { return workspace.analyze(spans); }
  std::string path() { return analyze().flows.empty() ? "(no flow)" : workspace.analyzer_path(); }
  // Calls of the node at `node`, and its retries, in the last analysis.
  struct Flow {
    std::string path;
    std::vector<size_t> calls;
    std::vector<uint32_t> retries;
    model::Family family;
  };
  std::vector<Flow> flows() {
    std::vector<Flow> result;
    for (const FlowMatch& match : analyze().flows) {
      Flow& flow = result.emplace_back();
      flow.path = match.flow->path;
      flow.family = match.flow->family;
      flow.calls.resize(match.flow->nodes.size());
      for (const Visit& visit : match.visits) ++flow.calls.at(visit.node);
      flow.retries = match.retries;
    }
    return result;
  }
  Flow flow() {
    auto all = flows();
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? Flow() : all.front();
  }

  struct OwnWorkspace : Workspace {
    std::string analyzer_path() const { return last->flows.front().flow->path; }
    const TraceAnalysis& analyze(const std::deque<TestSpan>& test_spans) {
      return *(last = &Workspace::analyze(test_spans));
    }
    const TraceAnalysis* last = nullptr;
  } workspace;
};

}  // namespace testmesh::discovery
