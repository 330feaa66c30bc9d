#include "server/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>

namespace testmesh::server {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

class Families {
 public:
  void counter(const char* name, const char* help, double value) {
    add(name, help, value, MetricType::Counter);
  }
  void gauge(const char* name, const char* help, double value) { add(name, help, value, MetricType::Gauge); }
  // A counter split by one label.
  void counter(const char* name, const char* help, const char* label,
               const std::vector<std::pair<const char*, uint64_t>>& values) {
    MetricFamily family{.name = name, .help = help, .type = MetricType::Counter, .metric = {}};
    for (const auto& [text, value] : values) {
      ClientMetric metric;
      metric.label.push_back({label, text});
      metric.counter.value = static_cast<double>(value);
      family.metric.push_back(std::move(metric));
    }
    families_.push_back(std::move(family));
  }
  std::string text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  void add(const char* name, const char* help, double value, MetricType type) {
    MetricFamily family{.name = name, .help = help, .type = type, .metric = {}};
    ClientMetric metric;
    (type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
    family.metric.push_back(std::move(metric));
    families_.push_back(std::move(family));
  }
  std::vector<MetricFamily> families_;
};

}  // namespace

std::string metrics_text(const engine::Engine& engine, const ingest::IngestCounters& ingest,
                         const http::ServerStats& server, const executions::ExecutionCounts& runs) {
  const engine::Counters& c = engine.counters();
  const auto value = [](const std::atomic<uint64_t>& counter) {
    return static_cast<double>(counter.load(std::memory_order_relaxed));
  };
  const auto count = [](const std::atomic<uint64_t>& counter) {
    return counter.load(std::memory_order_relaxed);
  };
  Families f;
  f.counter("testmesh_received_spans_total", "Spans accepted and durable, repeats included",
            value(c.received_spans));
  f.counter("testmesh_received_batches_total", "Requests with spans, durable", value(c.received_batches));
  f.counter("testmesh_stored_spans_total", "Distinct spans written to segments", value(c.stored_spans));
  f.counter("testmesh_duplicate_spans_total", "Spans dropped: same trace and span id as a stored one",
            value(c.duplicate_spans));
  f.counter("testmesh_rejected_spans_total", "Spans refused: bad ids, or end before start",
            value(c.rejected_spans));
  f.counter("testmesh_repaired_ids_total", "Parent and link ids of a wrong length, cleared",
            value(c.repaired_ids));
  f.counter("testmesh_generic_rows_total", "Spans spelled out because a dictionary table was full",
            value(c.generic_rows));
  f.counter("testmesh_lost_rows_total", "Rows that did not read back; anything but 0 is a bug",
            value(c.lost_rows));
  f.counter("testmesh_closed_traces_total", "Traces completed for the first time", value(c.closed_traces));
  f.counter("testmesh_reopened_traces_total", "Traces completed again because of late spans",
            value(c.reopened_traces));
  f.counter("testmesh_early_parts_total",
            "Traces closed early: memory cap, too long open, or a partition ended", value(c.early_parts));
  f.counter("testmesh_uncounted_traces_total", "Traces completed while auto_discovery was off",
            value(c.uncounted_traces));
  f.counter("testmesh_graph_not_counted_total", "Spans left out of the System Graph because it was full",
            value(c.graph_not_counted));
  f.counter("testmesh_graph_mismatches_total",
            "Spans taken back from the System Graph that were not in it; anything but 0 is a bug",
            value(c.graph_mismatches));
  f.counter("testmesh_clock_suspect_traces_total",
            "Traces counted at their arrival: they start before 2000, or more than a day after they arrived",
            value(c.clock_suspect_traces));
  f.counter("testmesh_dropped_flows_total", "Flows that gave way: their workspace had as many as it may",
            value(c.dropped_flows));
  f.counter("testmesh_dropped_traces_total", "Traces that counted in flows that gave way",
            value(c.dropped_traces));
  f.counter("testmesh_cycles_cut_total", "Cycles of parents cut", value(c.cycles_cut));
  f.counter("testmesh_commits_total", "Journal writes", value(c.commits));
  f.counter("testmesh_journal_written_bytes_total", "Bytes written to the journal", value(c.journal_bytes));
  f.counter("testmesh_checkpoints_total", "Checkpoints saved", value(c.checkpoints));
  f.counter("testmesh_store_failures_total", "Writes that failed and are tried again",
            value(c.store_failures));
  f.gauge("testmesh_open_traces", "Traces that may still grow", value(c.open_traces));
  f.gauge("testmesh_open_spans", "Their spans", value(c.open_spans));
  f.gauge("testmesh_open_bytes", "Memory of open traces", value(c.open_bytes));
  f.gauge("testmesh_queued_bytes", "Rows between receipt and assembly", value(c.queued_bytes));
  f.gauge("testmesh_journal_bytes", "Journal files on disk",
          static_cast<double>(engine.journal_bytes_on_disk()));
  f.counter("testmesh_otlp_requests_total", "OTLP trace requests", value(ingest.requests));
  f.counter("testmesh_otlp_request_bytes_total", "Bytes of OTLP trace requests as sent",
            value(ingest.received_bytes));
  f.counter("testmesh_otlp_decoded_bytes_total", "The same as protobuf", value(ingest.decoded_bytes));
  f.gauge("testmesh_otlp_in_flight_bytes", "Requests handed over and not yet answered",
          value(ingest.in_flight_bytes));
  f.counter("testmesh_otlp_refused_total", "OTLP requests not answered 200", "reason",
            {{"wrong_method", count(ingest.wrong_method)},
             {"unsupported_type", count(ingest.unsupported_type)},
             {"unsupported_encoding", count(ingest.unsupported_encoding)},
             {"too_large", count(ingest.too_large)},
             {"undecompressable", count(ingest.undecompressable)},
             {"bad_json", count(ingest.bad_json)},
             {"undecodable", count(ingest.undecodable)},
             {"bad_workspace", count(ingest.bad_workspace)},
             {"overloaded", count(ingest.overloaded)},
             {"unavailable", count(ingest.unavailable)},
             {"failed", count(ingest.failed)}});
  f.counter("testmesh_other_signal_requests_total", "Metrics and logs requests, answered and kept nowhere",
            "signal", {{"metrics", count(ingest.metrics_requests)}, {"logs", count(ingest.logs_requests)}});
  f.counter("testmesh_http_connections_total", "Connections taken", static_cast<double>(server.accepted));
  f.counter("testmesh_http_connections_refused_total", "Connections turned away: too many",
            static_cast<double>(server.refused));
  f.gauge("testmesh_http_connections", "Connections open", static_cast<double>(server.open));
  f.counter("testmesh_http_requests_total", "HTTP requests", static_cast<double>(server.requests));
  f.counter("testmesh_http_bad_requests_total", "Malformed HTTP requests",
            static_cast<double>(server.bad_requests));
  f.counter("testmesh_http_timeouts_total", "Connections cut for slowness",
            static_cast<double>(server.timeouts));
  f.gauge("testmesh_http_buffered_bytes", "Request bodies in memory",
          static_cast<double>(server.buffered_bytes));
  f.gauge("testmesh_http_streams", "Answers that are being streamed", static_cast<double>(server.streams));
  f.gauge("testmesh_executions_queued", "Executions that wait for a thread",
          static_cast<double>(runs.queued));
  f.gauge("testmesh_executions_running", "Executions whose steps run", static_cast<double>(runs.running));
  f.gauge("testmesh_executions_validating", "Executions whose trace is waited for",
          static_cast<double>(runs.validating));
  f.counter("testmesh_executions_total", "Executions that ended", "status",
            {{"passed", runs.passed},
             {"failed", runs.failed},
             {"error", runs.error},
             {"cancelled", runs.cancelled}});
  f.counter("testmesh_executions_refused_total", "Executions refused for want of room",
            static_cast<double>(runs.refused));
  f.counter("testmesh_executions_lost_spans_total", "Spans of runs that the store did not take in time",
            static_cast<double>(runs.lost_spans));
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  f.counter("process_cpu_seconds_total", "User and system CPU time",
            static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
  f.gauge("process_resident_memory_peak_bytes", "Most memory ever resident",
          static_cast<double>(usage.ru_maxrss) * 1024);
  return f.text();
}

}  // namespace testmesh::server
