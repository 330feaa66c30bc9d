// A telemetry store over plain vectors, for tests of the answers' shapes: what
// was asked is recorded, what is answered was put in by the test.
#pragma once

#include <deque>
#include <map>
#include <mutex>

#include "store/map_store.h"
#include "store/telemetry_store.h"

namespace testmesh::api {

class FakeTelemetryStore final : public store::TelemetryStore {
 public:
  base::Result<std::optional<store::TraceDetail>> trace(const model::WorkspaceId& workspace,
                                                        const model::TraceId& id) override {
    const auto found = traces.find({workspace, id});
    if (found == traces.end()) return std::nullopt;
    return found->second;
  }
  base::Result<store::TracePage> search_traces(const model::WorkspaceId& workspace,
                                               const store::TraceQuery& query) override {
    trace_query = query;
    if (failure) return std::unexpected(*failure);
    store::TracePage page;
    for (const auto& [key, detail] : traces)
      if (key.first == workspace) page.traces.push_back(detail.summary);
    page.total = page.traces.size();
    return page;
  }
  base::Result<store::SpanPage> search_spans(const model::WorkspaceId& workspace,
                                             const store::SpanQuery& query) override {
    span_query = query;
    if (failure) return std::unexpected(*failure);
    store::SpanPage page;
    for (const auto& [key, detail] : traces)
      if (key.first == workspace)
        page.spans.insert(page.spans.end(), detail.spans.begin(), detail.spans.end());
    page.total = page.spans.size();
    return page;
  }
  base::Result<discovery::FlowPage> flows(const model::WorkspaceId&,
                                          const discovery::FlowQuery& query) override {
    flow_query = query;
    if (failure) return std::unexpected(*failure);
    discovery::FlowPage page{.flows = {},
                             .total = details.size(),
                             .partial_traces = 3,
                             .dropped_flows = 2,
                             .dropped_traces = 5,
                             .next_cursor = {}};
    for (const auto& detail : details) page.uncovered += detail.summary.test_count == 0 ? 1 : 0;
    for (const auto& detail : details) page.all_traces += detail.summary.occurrence_count;
    for (const auto& detail : details)
      if (page.flows.size() < query.limit) page.flows.push_back(detail.summary);
    if (page.flows.size() < details.size()) page.next_cursor = "more";
    return page;
  }
  std::optional<discovery::FlowDetail> flow(const model::WorkspaceId&, const model::FlowId& id) override {
    for (const auto& detail : details)
      if (detail.summary.flow->id == id) return detail;
    return std::nullopt;
  }
  std::vector<discovery::FlowSummary> flow_variants(const model::WorkspaceId& workspace,
                                                    const model::FlowId& id) override {
    std::vector<discovery::FlowSummary> variants;
    if (flow(workspace, id))
      for (const auto& detail : details) variants.push_back(detail.summary);
    return variants;
  }
  std::optional<discovery::FlowHistogram> flow_histogram(const model::WorkspaceId& workspace,
                                                         const model::FlowId& id) override {
    if (!flow(workspace, id)) return std::nullopt;
    return histogram;
  }
  base::Result<graph::RuntimeGraph> graph(const model::WorkspaceId&) override {
    if (failure) return std::unexpected(*failure);
    return runtime_graph;
  }
  base::Result<void> drop_workspace(const model::WorkspaceId& id) override {
    std::erase_if(traces, [&](const auto& entry) { return entry.first.first == id; });
    return {};
  }
  base::Result<void> ready() const override {
    // A worker that waits here keeps the workers busy for as long as a test likes.
    const std::scoped_lock lock(gate);
    if (failure) return std::unexpected(*failure);
    return {};
  }

  std::map<std::pair<model::WorkspaceId, model::TraceId>, store::TraceDetail> traces;
  std::deque<discovery::FlowIdentity> identities;
  std::vector<discovery::FlowDetail> details;
  graph::RuntimeGraph runtime_graph;
  discovery::FlowHistogram histogram;
  std::optional<base::Error> failure;

  store::TraceQuery trace_query;
  store::SpanQuery span_query;
  discovery::FlowQuery flow_query;
  mutable std::mutex gate;
};

using MapDocumentStore = store::MapStore;

}  // namespace testmesh::api
