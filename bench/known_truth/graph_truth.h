// The System Graph of traces, counted span by span from what each is meant to be.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <tuple>

#include "bench/known_truth/truth.h"

namespace testmesh::known_truth {

struct GraphKey {
  std::string_view type;  // "service", "api_endpoint", "database", "topic", "external"
  std::string name;
  std::string service;  // of services and endpoints
  std::string system;   // of databases
  friend auto operator<=>(const GraphKey&, const GraphKey&) = default;
};

struct Calls {
  uint64_t calls = 0, errors = 0;
};

class GraphTruth {
 public:
  // `test`: the trace starts with what a tester did.
  void add(std::span<const SeenSpan> trace, bool test);

  using Edge = std::tuple<GraphKey, std::string_view, GraphKey>;
  const std::map<GraphKey, Calls>& nodes() const { return nodes_; }
  const std::map<Edge, Calls>& edges() const { return edges_; }

 private:
  void count(const GraphKey& node, bool error);
  void count(const GraphKey& from, std::string_view type, const GraphKey& to, bool error);

  std::map<GraphKey, Calls> nodes_;
  std::map<Edge, Calls> edges_;
};

}  // namespace testmesh::known_truth
