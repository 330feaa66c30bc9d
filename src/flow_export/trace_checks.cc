#include "flow_export/trace_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "flow_export/yaml_text.h"

namespace testmesh::flow_export {
namespace {

constexpr double kDurationFactor = 10, kLeastDurationMs = 1000;
constexpr double kOrdinaryErrorRate = 0.05;
constexpr size_t kMostServices = 50;

using model::NodeType;

// Services that send spans: an uninstrumented peer is a node of who calls it.
std::vector<std::string> services_of(const discovery::FlowDetail& flow) {
  std::vector<std::string> services;
  for (const model::PathNode& node : flow.summary.nodes)
    if (!node.service.empty() && std::ranges::find(services, node.service) == services.end())
      services.push_back(node.service);
  return services;
}

// A selector takes what is behind a slash for an operation.
bool is_selector(std::string_view service) { return service.find('/') == std::string_view::npos; }

std::string duration_check(const discovery::FlowDetail& flow) {
  const auto limit = static_cast<int64_t>(
      std::ceil(std::max(kDurationFactor * flow.summary.p95_duration_ms, kLeastDurationMs)));
  // Of a run, `trace.duration_ms` ends with the last span of all; what is behind a
  // topic takes its time.
  const bool later =
      std::ranges::any_of(flow.summary.nodes, [](const auto& node) { return node.type == NodeType::kTopic; });
  const std::string& entry = flow.summary.flow->family.entry_service;
  if (later && is_selector(entry) && !entry.empty())
    return fmt::format("trace.span({}).duration_ms < {}", literal(entry), limit);
  return fmt::format("trace.{} < {}", later ? "spans[0].duration_ms" : "duration_ms", limit);
}

}  // namespace

std::vector<std::string> trace_assertions(const discovery::FlowDetail& flow) {
  std::vector<std::string> checks;
  for (const std::string& service : services_of(flow)) {
    if (checks.size() == kMostServices) break;
    checks.push_back(is_selector(service) ? fmt::format("trace.spans_of({}) | len >= 1", literal(service))
                                          : fmt::format("{} in trace.services", literal(service)));
  }
  checks.push_back(duration_check(flow));
  return checks;
}

std::vector<std::string> allowed_errors(const discovery::FlowDetail& flow, const SampleView& sample) {
  std::vector<std::string> selectors = sample.failed_operations();
  for (size_t i = 0; i < flow.nodes.size() && i < flow.summary.nodes.size(); ++i) {
    if (flow.nodes[i].error_rate < kOrdinaryErrorRate) continue;
    std::string selector = sample.operation(i);
    if (selector.empty()) selector = flow.summary.nodes[i].service;
    if (!selector.empty() && std::ranges::find(selectors, selector) == selectors.end())
      selectors.push_back(std::move(selector));
  }
  return selectors;
}

}  // namespace testmesh::flow_export
