#include "bench/known_truth/graph_truth.h"

#include <algorithm>
#include <unordered_map>
#include <vector>

namespace testmesh::known_truth {
namespace {

constexpr uint32_t kNobody = UINT32_MAX;

GraphKey service_node(std::string_view name) { return {"service", std::string(name), std::string(name), {}}; }

}  // namespace

void GraphTruth::count(const GraphKey& node, bool error) {
  Calls& calls = nodes_[node];
  ++calls.calls;
  calls.errors += error;
}

void GraphTruth::count(const GraphKey& from, std::string_view type, const GraphKey& to, bool error) {
  nodes_[from];  // both ends are nodes, even of a service nobody was seen entering
  Calls& calls = edges_[{from, type, to}];
  ++calls.calls;
  calls.errors += error;
}

void GraphTruth::add(std::span<const SeenSpan> spans, bool test) {
  std::unordered_map<uint64_t, uint32_t> by_id;
  for (uint32_t i = 0; i < spans.size(); ++i) by_id.emplace(spans[i].id, i);
  const auto parent_of = [&](uint32_t i) {
    const auto found = by_id.find(spans[i].parent);
    return found == by_id.end() ? kNobody : found->second;
  };
  // What has another service, a resource or a peer of its own below is no call to a peer.
  std::vector<bool> leads_on(spans.size());
  for (uint32_t i = 0; i < spans.size(); ++i) {
    const Role role = spans[i].role;
    uint32_t above = parent_of(i);
    const bool adds =
        above != kNobody &&
        (spans[i].service != spans[above].service || role == Role::kQueries || role == Role::kSends ||
         role == Role::kConsumes || role == Role::kServes || role == Role::kCalls);
    if (!adds) continue;
    for (; above != kNobody; above = parent_of(above)) leads_on[above] = true;
  }
  for (uint32_t i = 0; i < spans.size(); ++i) {
    const SeenSpan& span = spans[i];
    if (test && span.test) continue;  // the tester is no part of the system
    const GraphKey own = service_node(span.service);
    uint32_t above = parent_of(i);
    if (test && above != kNobody && spans[above].test) above = kNobody;
    const bool enters = above == kNobody || span.service != spans[above].service;
    if (enters) count(own, span.error);
    if (enters && above != kNobody && span.role != Role::kConsumes)
      count(service_node(spans[above].service), "calls", own, span.error);
    switch (span.role) {
      case Role::kServes:
        if (!span.subject.empty()) {
          const GraphKey endpoint{"api_endpoint", std::string(span.subject), std::string(span.service), {}};
          count(endpoint, span.error);
          count(own, "exposes", endpoint, span.error);
        }
        break;
      case Role::kQueries: {
        const GraphKey database{"database", std::string(span.subject), {}, std::string(span.system)};
        count(database, span.error);
        count(own, span.writes ? "writes" : "reads", database, span.error);
        break;
      }
      case Role::kSends:
      case Role::kConsumes: {
        const GraphKey topic{"topic", std::string(span.subject), {}, {}};
        count(topic, span.error);
        if (span.role == Role::kSends)
          count(own, "publishes", topic, span.error);
        else
          count(topic, "consumes", own, span.error);
        break;
      }
      case Role::kCalls:
        if (!span.subject.empty() && !leads_on[i]) {
          const GraphKey peer{"external", std::string(span.subject), {}, {}};
          count(peer, span.error);
          count(own, "calls", peer, span.error);
        }
        break;
      case Role::kInside:
        break;
    }
  }
}

}  // namespace testmesh::known_truth
