#include "cli/analysis_report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <ostream>

#include "base/hex.h"
#include "cli/table.h"
#include "cli/text.h"

namespace testmesh::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string sentence_of(const AnalysisCounts& counts, uint64_t partial_traces, size_t flows) {
  std::string text = fmt::format("{} flows in {} traces ({} whole, {} partial, {} of tests), {} spans", flows,
                                 counts.traces, counts.whole, counts.partial, counts.test, counts.spans);
  if (partial_traces > 0) text += fmt::format("; {} partial traces count in no flow", partial_traces);
  if (counts.rejected_spans > 0) text += fmt::format("; {} spans rejected", counts.rejected_spans);
  if (counts.duplicate_spans > 0) text += fmt::format("; {} spans there twice", counts.duplicate_spans);
  if (counts.cycles_cut > 0) text += fmt::format("; {} cycles cut", counts.cycles_cut);
  if (counts.skipped_documents > 0)
    text += fmt::format("; {} documents of other signals skipped", counts.skipped_documents);
  return text;
}

Json to_json(const discovery::FlowDetail& detail) {
  const discovery::FlowSummary& summary = detail.summary;
  const discovery::FlowIdentity& flow = *summary.flow;
  Json path = Json::array(), nodes = Json::array(), samples = Json::array();
  for (size_t i = 0; i < summary.nodes.size(); ++i) {
    const model::PathNode& node = summary.nodes[i];
    Json fields{
        {"type", model::to_string(node.type)}, {"identifier", node.identifier}, {"service", node.service}};
    path.push_back(fields);
    if (i >= detail.nodes.size()) continue;
    const discovery::NodeSummary& figures = detail.nodes[i];
    fields["calls_per_trace"] = {
        {"mean", figures.calls_mean}, {"p50", figures.calls_p50}, {"max", figures.calls_max}};
    fields["retries"] = figures.retries;
    fields["self_ms"] = {{"p50", figures.self_ms_p50}, {"p95", figures.self_ms_p95}};
    fields["p50_ms"] = figures.p50_ms;
    fields["p95_ms"] = figures.p95_ms;
    fields["error_rate"] = figures.error_rate;
    nodes.push_back(std::move(fields));
  }
  for (const auto& sample : detail.samples)
    samples.push_back({{"trace_id", sample.trace_id.to_hex()}, {"why", sample.why}});
  return {{"id", flow.id.to_string()},
          {"name", summary.name},
          {"environment", flow.family.environment},
          {"fingerprint", base::to_hex(flow.fingerprint)},
          {"entry_service", flow.family.entry_service},
          {"entry_operation", flow.family.entry_operation},
          {"graph_path", std::move(path)},
          {"path_string", flow.path},
          {"occurrence_count", summary.occurrence_count},
          {"test_count", summary.test_count},
          {"avg_duration_ms", summary.avg_duration_ms},
          {"p95_duration_ms", summary.p95_duration_ms},
          {"error_rate", summary.error_rate},
          {"risk_score", summary.risk_score},
          {"risk_factors",
           {{"frequency", summary.risk_factors.frequency},
            {"errors", summary.risk_factors.errors},
            {"latency", summary.risk_factors.latency}}},
          {"drifted", summary.drifted},
          {"first_seen_at", base::to_rfc3339(summary.first_seen)},
          {"last_seen_at", base::to_rfc3339(summary.last_seen)},
          {"nodes", std::move(nodes)},
          {"sample_trace_ids", std::move(samples)}};
}

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : printable(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

constexpr std::string_view kHtmlHead = R"(<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>TestMesh: flows</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root{color-scheme:light dark;--line:#8884;--soft:#8882}
body{font:15px/1.5 system-ui,sans-serif;max-width:76rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
code{font:13px ui-monospace,monospace;overflow-wrap:anywhere}
details{margin:.2rem 0}summary{cursor:pointer}
details table{background:var(--soft);margin:.4rem 0}
meter{width:5rem}
</style></head><body>
)";

void html_nodes(std::ostream& out, const discovery::FlowDetail& detail) {
  out << "<details><summary><code>" << escape(detail.summary.flow->path)
      << "</code></summary><table><tr><th>Node</th><th>Service</th><th class=n>Calls</th><th "
         "class=n>Retries</th>"
         "<th class=n>Self p50</th><th class=n>p50</th><th class=n>p95</th><th class=n>Errors</th></tr>\n";
  for (size_t i = 0; i < detail.nodes.size() && i < detail.summary.nodes.size(); ++i) {
    const model::PathNode& node = detail.summary.nodes[i];
    const discovery::NodeSummary& figures = detail.nodes[i];
    out << fmt::format(
        "<tr><td>{}: <code>{}</code></td><td>{}</td><td class=n>{:.2f}</td><td class=n>{}</td><td "
        "class=n>{}</td>"
        "<td class=n>{}</td><td class=n>{}</td><td class=n>{}</td></tr>\n",
        model::to_string(node.type), escape(node.identifier), escape(node.service), figures.calls_mean,
        figures.retries, duration_text(figures.self_ms_p50), duration_text(figures.p50_ms),
        duration_text(figures.p95_ms), percent_text(figures.error_rate));
  }
  out << "</table></details>";
}

}  // namespace

void print_analysis_table(std::ostream& out, const Analysis& analysis, unsigned width) {
  const auto flows = analysis.flows();
  Table table({{"NAME", Align::kLeft, 24},
               {"ENV", Align::kLeft, 6, 4},
               {"TRACES", Align::kRight, 6},
               {"TESTS", Align::kRight, 5, 6},
               {"ERRORS", Align::kRight, 6, 1},
               {"AVG", Align::kRight, 7, 5},
               {"P95", Align::kRight, 7, 2},
               {"RISK", Align::kRight, 5, 3},
               {"PATH", Align::kLeft, 24, 7}});
  for (const discovery::FlowDetail& detail : flows) {
    const discovery::FlowSummary& flow = detail.summary;
    table.add({flow.name, flow.flow->family.environment, std::to_string(flow.occurrence_count),
               std::to_string(flow.test_count), percent_text(flow.error_rate),
               duration_text(flow.avg_duration_ms), duration_text(flow.p95_duration_ms),
               fmt::format("{:.3f}", flow.risk_score), flow.flow->path});
  }
  if (!flows.empty()) {
    table.print(out, width);
    out << '\n';
  }
  out << sentence_of(analysis.counts(), analysis.partial_traces(), flows.size()) << '\n';
}

void print_analysis_json(std::ostream& out, const Analysis& analysis) {
  const AnalysisCounts& counts = analysis.counts();
  Json flows = Json::array();
  for (const discovery::FlowDetail& detail : analysis.flows()) flows.push_back(to_json(detail));
  const size_t total = flows.size();
  const Json report{{"files", counts.files},
                    {"spans", counts.spans},
                    {"rejected_spans", counts.rejected_spans},
                    {"duplicate_spans", counts.duplicate_spans},
                    {"skipped_documents", counts.skipped_documents},
                    {"cycles_cut", counts.cycles_cut},
                    {"traces",
                     {{"total", counts.traces},
                      {"whole", counts.whole},
                      {"partial", counts.partial},
                      {"test", counts.test}}},
                    {"flows", std::move(flows)},
                    {"total", total},
                    {"partial_traces", analysis.partial_traces()}};
  out << report.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
}

void print_analysis_html(std::ostream& out, const Analysis& analysis) {
  const auto flows = analysis.flows();
  out << kHtmlHead << "<h1>Flows</h1>\n<p>"
      << escape(sentence_of(analysis.counts(), analysis.partial_traces(), flows.size()))
      << ".</p>\n<table><thead><tr><th>Flow</th><th>Environment</th><th class=n>Traces</th><th "
         "class=n>Tests</th>"
         "<th class=n>Errors</th><th class=n>Average</th><th class=n>p95</th><th "
         "class=n>Risk</th></tr></thead><tbody>\n";
  for (const discovery::FlowDetail& detail : flows) {
    const discovery::FlowSummary& flow = detail.summary;
    out << "<tr><td><strong>" << escape(flow.name) << "</strong>";
    html_nodes(out, detail);
    out << fmt::format(
        "</td><td>{}</td><td class=n>{}</td><td class=n>{}</td><td class=n>{}</td><td class=n>{}</td><td "
        "class=n>{}</td>"
        "<td class=n>{:.3f} <meter min=0 max=1 value={:.3f}></meter></td></tr>\n",
        escape(flow.flow->family.environment), flow.occurrence_count, flow.test_count,
        percent_text(flow.error_rate), duration_text(flow.avg_duration_ms),
        duration_text(flow.p95_duration_ms), flow.risk_score, flow.risk_score);
  }
  out << "</tbody></table>\n</body></html>\n";
}

}  // namespace testmesh::cli
