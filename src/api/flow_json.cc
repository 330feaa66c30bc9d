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
  for (size_t i = 0; i < nodes.size() && i < detail.nodes.size(); ++i) {
    const discovery::NodeSummary& node = detail.nodes[i];
    json.begin_object();
    write_node_fields(json, nodes[i]);
    json.key("calls_per_trace").begin_object();
    json.field("mean", node.calls_mean)
        .field("p50", node.calls_p50)
        .field("max", node.calls_max)
        .end_object();
    json.field("retries", node.retries);
    json.key("self_ms").begin_object();
    json.field("p50", node.self_ms_p50).field("p95", node.self_ms_p95).end_object();
    json.field("p50_ms", node.p50_ms).field("p95_ms", node.p95_ms).field("error_rate", node.error_rate);
    json.end_object();
  }
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
