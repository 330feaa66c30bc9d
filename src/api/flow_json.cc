#include "api/flow_json.h"

#include "base/hex.h"
#include "base/time.h"

namespace testmesh::api {
namespace {

void write_node_fields(JsonWriter& json, const model::PathNode& node) {
  json.field("type", model::to_string(node.type))
      .field("identifier", node.identifier)
      .field("service", node.service);
}

// The fields of a flow, inside an object that the caller opened.
void write_flow_fields(JsonWriter& json, const discovery::FlowSummary& summary) {
  const discovery::FlowIdentity& flow = *summary.flow;
  json.field("id", flow.id.to_string()).field("name", summary.name);
  json.field("environment", flow.family.environment).field("fingerprint", base::to_hex(flow.fingerprint));
  json.field("entry_service", flow.family.entry_service)
      .field("entry_operation", flow.family.entry_operation);
  json.key("graph_path");
  write_path(json, summary.nodes);
  json.field("path_string", flow.path);
  json.field("occurrence_count", summary.occurrence_count).field("test_count", summary.test_count);
  json.field("avg_duration_ms", summary.avg_duration_ms).field("p95_duration_ms", summary.p95_duration_ms);
  json.field("error_rate", summary.error_rate).field("risk_score", summary.risk_score);
  json.key("risk_factors").begin_object();
  json.field("frequency", summary.risk_factors.frequency).field("errors", summary.risk_factors.errors);
  json.field("latency", summary.risk_factors.latency).end_object();
  json.field("drifted", summary.drifted);
  json.field("first_seen_at", base::to_rfc3339(summary.first_seen));
  json.field("last_seen_at", base::to_rfc3339(summary.last_seen));
}

void write_buckets(JsonWriter& json, const std::vector<discovery::HistogramBucket>& buckets) {
  json.begin_array();
  for (const discovery::HistogramBucket& bucket : buckets) {
    json.begin_object().field("start", base::to_rfc3339(bucket.start));
    json.field("count", bucket.count).field("errors", bucket.errors);
    json.field("avg_duration_ms", bucket.avg_duration_ms).field("max_duration_ms", bucket.max_duration_ms);
    json.end_object();
  }
  json.end_array();
}

}  // namespace

void write_path(JsonWriter& json, const std::vector<model::PathNode>& nodes) {
  json.begin_array();
  for (const model::PathNode& node : nodes) {
    json.begin_object();
    write_node_fields(json, node);
    json.end_object();
  }
  json.end_array();
}

void write_flow_node(JsonWriter& json, const model::PathNode& node, const discovery::NodeSummary& figures) {
  json.begin_object();
  write_node_fields(json, node);
  json.key("calls_per_trace").begin_object();
  json.field("mean", figures.calls_mean)
      .field("p50", figures.calls_p50)
      .field("max", figures.calls_max)
      .end_object();
  json.field("retries", figures.retries);
  json.key("self_ms").begin_object();
  json.field("p50", figures.self_ms_p50).field("p95", figures.self_ms_p95).end_object();
  json.field("p50_ms", figures.p50_ms).field("p95_ms", figures.p95_ms);
  json.field("error_rate", figures.error_rate).end_object();
}

void write_flow(JsonWriter& json, const discovery::FlowSummary& summary) {
  json.begin_object();
  write_flow_fields(json, summary);
  json.end_object();
}

void write_flow_detail(JsonWriter& json, const discovery::FlowDetail& detail) {
  json.begin_object();
  write_flow_fields(json, detail.summary);
  json.key("nodes").begin_array();
  const auto& nodes = detail.summary.nodes;
  for (size_t i = 0; i < nodes.size() && i < detail.nodes.size(); ++i)
    write_flow_node(json, nodes[i], detail.nodes[i]);
  json.end_array();
  json.key("sample_trace_ids").begin_array();
  for (const discovery::SampleTrace& sample : detail.samples) {
    json.begin_object().field("trace_id", sample.trace_id.to_hex()).field("why", sample.why).end_object();
  }
  json.end_array().end_object();
}

void write_histogram(JsonWriter& json, const discovery::FlowHistogram& histogram) {
  json.begin_object().key("minutes");
  write_buckets(json, histogram.minutes);
  json.key("hours");
  write_buckets(json, histogram.hours);
  json.end_object();
}

}  // namespace testmesh::api
