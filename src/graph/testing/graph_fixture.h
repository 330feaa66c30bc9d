// A GraphBook fed with traces written as a person would tell them, its answers
// as lines of text, and a document store for it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <string>
#include <vector>

#include "discovery/analyzer_fixture.h"
#include "graph/graph_book.h"

namespace testmesh::graph::testing {

using discovery::kClient;
using discovery::kConsumer;
using discovery::kInternal;
using discovery::kProducer;
using discovery::kServer;
using discovery::TestSpan;
using discovery::Trace;

inline std::string line_of(const RuntimeNode& node) {
  std::string line = std::string(to_string(node.key.type)) + " " + node.key.name;
  if (node.key.type == NodeType::kApiEndpoint) line += " of " + node.key.service;
  if (node.properties.contains("system")) line += " " + node.properties.at("system");
  return line;
}

inline std::string line_of(const RuntimeGraph& graph, const RuntimeEdge& edge) {
  return graph.nodes[edge.source].key.name + " " + std::string(to_string(edge.type)) + " " +
         graph.nodes[edge.target].key.name;
}

inline std::string figures_of(const Traffic& traffic) {
  return std::to_string(traffic.call_count) + " " + std::to_string(traffic.error_count) + " " +
         std::to_string(traffic.avg_duration_ms) + " " + std::to_string(traffic.p95_duration_ms);
}

class GraphFixture {
 public:
  void add(const Trace& trace) {
    const auto& analysis = workspace.analyze(trace.spans);
    book.add(workspace.inputs, analysis);
  }
  void remove(const Trace& trace) {
    const auto& analysis = workspace.analyze(trace.spans);
    book.remove(workspace.inputs, analysis);
  }

  static RuntimeGraph graph_of(const GraphBook& some) {
    return runtime_graph(std::array{GraphSnapshot(some)});
  }
  RuntimeGraph graph() const { return graph_of(book); }
  // "type name count", in the answer's order.
  std::vector<std::string> nodes() const {
    std::vector<std::string> lines;
    for (const RuntimeNode& node : graph().nodes)
      lines.push_back(line_of(node) + " " + std::to_string(node.traffic.call_count));
    return lines;
  }
  std::vector<std::string> edges() const {
    const RuntimeGraph now = graph();
    std::vector<std::string> lines;
    for (const RuntimeEdge& edge : now.edges)
      lines.push_back(line_of(now, edge) + " " + std::to_string(edge.traffic.call_count));
    return lines;
  }
  // Everything but when it was seen.
  static std::vector<std::string> all_of(const GraphBook& some) {
    const RuntimeGraph now = graph_of(some);
    std::vector<std::string> lines{std::to_string(now.not_counted)};
    for (const RuntimeNode& node : now.nodes) lines.push_back(line_of(node) + " " + figures_of(node.traffic));
    for (const RuntimeEdge& edge : now.edges)
      lines.push_back(line_of(now, edge) + " " + figures_of(edge.traffic));
    return lines;
  }
  std::vector<std::string> all() const { return all_of(book); }
  RuntimeNode node(NodeType type, const std::string& name) const {
    for (const RuntimeNode& node : graph().nodes)
      if (node.key.type == type && node.key.name == name) return node;
    ADD_FAILURE() << "no " << to_string(type) << " " << name;
    return {};
  }
  RuntimeEdge edge(const std::string& line) const {
    const RuntimeGraph now = graph();
    for (const RuntimeEdge& edge : now.edges)
      if (line_of(now, edge) == line) return edge;
    ADD_FAILURE() << "no edge " << line;
    return {};
  }

  void save() {
    book.take_dirty([&](std::string_view key, std::optional<std::string_view> value) {
      if (value) {
        documents_[std::string(key)] = *value;
      } else {
        documents_.erase(std::string(key));
      }
    });
  }
  const std::map<std::string, std::string>& stored() const { return documents_; }
  void expect_same_after_reload() {
    save();
    GraphBook again(workspace.analyzer, workspace.tries);
    for (const auto& [key, value] : documents_) {
      const auto loaded = again.load(key, value);
      ASSERT_TRUE(loaded) << loaded.error().message;
    }
    EXPECT_EQ(all_of(again), all());
    size_t dirty = 0;
    again.take_dirty([&](std::string_view, std::optional<std::string_view>) { ++dirty; });
    EXPECT_EQ(dirty, 0u);
  }

  discovery::Workspace workspace;
  GraphBook book{workspace.analyzer, workspace.tries};

 private:
  std::map<std::string, std::string> documents_;
};

}  // namespace testmesh::graph::testing
