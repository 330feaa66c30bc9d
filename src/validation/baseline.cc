#include "validation/baseline.h"

#include <algorithm>

namespace testmesh::validation {
namespace {

// Of a family with more variants the rare ones teach nothing.
constexpr size_t kMaxVariants = 100;

// Whether the trace is all there is to the flow.
bool is_only_trace(const discovery::FlowDetail& flow, const model::TraceId& id) {
  return flow.summary.occurrence_count <= 1 &&
         std::ranges::any_of(flow.samples, [&](const auto& sample) { return sample.trace_id == id; });
}

}  // namespace

void NodeDurations::add(const discovery::FlowDetail& flow, const store::TraceDetail* own) {
  if (!flow.durations) return;
  for (size_t i = 0; i < flow.durations->size() && i < flow.summary.nodes.size(); ++i)
    nodes_[flow.summary.nodes[i]].durations.merge((*flow.durations)[i]);
  if (own == nullptr) return;
  for (const store::PathVisit& visit : own->visits) {
    const auto node = nodes_.find(own->path[visit.node]);
    if (node == nodes_.end()) continue;
    const model::Span& span = own->spans[visit.span];
    node->second.durations.remove(span.end > span.start ? span.end - span.start : 0);
  }
}

const NodeTimes* NodeDurations::find(const model::PathNode& node) {
  const auto found = nodes_.find(node);
  if (found == nodes_.end()) return nullptr;
  Node& known = found->second;
  if (!known.summed) {
    const discovery::BucketCounts* const counts[] = {&known.durations.counts()};
    known.times.samples = known.durations.total();
    known.times.p95_ms = static_cast<double>(discovery::DurationSketch::percentile(counts, 95)) / 1e6;
    known.summed = true;
  }
  return &known.times;
}

base::Result<FamilyBaseline*> Baselines::family(store::TelemetryStore& store,
                                                const model::WorkspaceId& workspace,
                                                const model::TraceId& trace, const model::Family& family,
                                                const store::TraceDetail& own) {
  if (const auto known = families_.find(family); known != families_.end()) return &known->second;
  discovery::FlowQuery query;
  query.sort = discovery::FlowSort::kOccurrenceCount;
  query.environment = family.environment;
  query.entry_service = family.entry_service;
  query.entry_operation = family.entry_operation;
  query.limit = kMaxVariants;
  TRY_ASSIGN(discovery::FlowPage page, store.flows(workspace, query));
  FamilyBaseline baseline;
  for (discovery::FlowSummary& flow : page.flows) {
    const std::optional<discovery::FlowDetail> detail = store.flow(workspace, flow.flow->id);
    if (!detail) continue;
    // Also of a run, whose trace may have closed before its runner's spans came.
    if (is_only_trace(*detail, trace)) continue;
    const bool counted = !own.summary.is_test_generated && own.summary.flow_id == flow.flow->id;
    baseline.durations.add(*detail, counted ? &own : nullptr);
    if (counted && flow.occurrence_count > 0) --flow.occurrence_count;
    baseline.flows.push_back(std::move(flow));
  }
  std::ranges::stable_sort(baseline.flows, std::greater(), &discovery::FlowSummary::occurrence_count);
  return &families_.emplace(family, std::move(baseline)).first->second;
}

base::Result<const std::vector<discovery::FlowSummary>*> Baselines::with_fingerprint(
    store::TelemetryStore& store, const model::WorkspaceId& workspace, const model::TraceId& trace,
    const model::Fingerprint& fingerprint) {
  if (const auto known = by_fingerprint_.find(fingerprint); known != by_fingerprint_.end())
    return &known->second;
  discovery::FlowQuery query;
  query.sort = discovery::FlowSort::kOccurrenceCount;
  query.fingerprint = fingerprint;
  query.limit = kMaxVariants;
  TRY_ASSIGN(discovery::FlowPage page, store.flows(workspace, query));
  std::erase_if(page.flows, [&](const discovery::FlowSummary& flow) {
    if (flow.occurrence_count > 1) return false;
    const std::optional<discovery::FlowDetail> detail = store.flow(workspace, flow.flow->id);
    return !detail || is_only_trace(*detail, trace);
  });
  return &by_fingerprint_.emplace(fingerprint, std::move(page.flows)).first->second;
}

}  // namespace testmesh::validation
