// The report of `testmesh run` as one HTML file: no script, no other file.
#include <fmt/format.h>

#include "cli/run_report.h"
#include "cli/text.h"

namespace testmesh::cli {
namespace {

constexpr std::string_view kStyle = R"(
:root{color-scheme:light dark;--fg:#1a1d21;--dim:#667;--bg:#f6f7f9;--card:#fff;--line:#dde1e6;--good:#12704a;--bad:#b3261e;
--goodbg:#e3f4ec;--badbg:#fdeceb;--mono:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
@media (prefers-color-scheme:dark){:root{--fg:#e6e8eb;--dim:#9aa3ad;--bg:#15181c;--card:#1d2126;--line:#333a42;--good:#5fd0a0;
--bad:#ff8a80;--goodbg:#16352a;--badbg:#43201e}}
body{margin:0;background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,sans-serif}
main{max-width:1000px;margin:0 auto;padding:24px 16px 64px}
h1{font-size:22px;margin:0 0 4px}h2{font-size:17px;margin:0}
.dim{color:var(--dim)}.mono,pre,code{font-family:var(--mono);font-size:13px}
.tiles{display:flex;gap:12px;margin:16px 0 24px;flex-wrap:wrap}
.tile{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px 18px;min-width:90px}
.tile b{display:block;font-size:24px;line-height:1.2}
.flow{background:var(--card);border:1px solid var(--line);border-left:5px solid var(--good);border-radius:8px;margin:0 0 16px;padding:14px 18px}
.flow.failed,.flow.error{border-left-color:var(--bad)}
.tag{display:inline-block;border-radius:4px;padding:0 8px;font-size:13px;background:var(--goodbg);color:var(--good)}
.tag.failed,.tag.error,.tag.partial,.tag.cancelled{background:var(--badbg);color:var(--bad)}.tag.skipped,.tag.none{background:var(--bg);color:var(--dim)}
table{border-collapse:collapse;width:100%;margin:10px 0 0}td{padding:5px 10px 5px 0;border-top:1px solid var(--line);vertical-align:top}td:first-child{width:80px}
td.num{text-align:right;white-space:nowrap}
ul.findings{margin:10px 0 0;padding:10px 10px 10px 28px;background:var(--badbg);border-radius:6px;overflow-wrap:anywhere}
details{margin-top:4px}summary{cursor:pointer;color:var(--dim);font-size:13px}
pre{background:var(--bg);border-radius:6px;padding:8px 10px;overflow:auto;max-height:320px;white-space:pre-wrap;overflow-wrap:anywhere;margin:6px 0}
.path{display:flex;flex-wrap:wrap;gap:6px;margin:6px 0}.node{border:1px solid var(--line);border-radius:5px;padding:1px 8px;font-size:13px}
)";

std::string escaped(std::string_view text) { return xml_escaped(text); }

std::string block(const char* title, const Json& value) {
  if (value.is_null() || value.empty()) return {};
  return fmt::format("<div class=dim>{}</div><pre>{}</pre>", title,
                     escaped(value.dump(2, ' ', false, Json::error_handler_t::replace)));
}

std::string step_row(const Json& step) {
  const std::string status = text_at(step, "status"), name = text_at(step, "name");
  std::string row =
      fmt::format("<tr><td><span class='tag {0}'>{0}</span><td><b>{1}</b>{2}<div class='dim mono'>{3}</div>",
                  escaped(status), escaped(text_at(step, "id")), name.empty() ? "" : " " + escaped(name),
                  escaped(text_at(step, "action")));
  const std::string inside =
      block("request", value_at(step, "request")) + block("result", value_at(step, "result")) +
      block("output", value_at(step, "output")) + block("error", value_at(step, "error"));
  if (!inside.empty()) row += "<details><summary>request and result</summary>" + inside + "</details>";
  row += "<td class=num>";
  if (status != "skipped") row += escaped(duration_text(number_at(step, "duration_ms")));
  if (number_at(step, "attempts") > 1)
    row += "<br>" + escaped(counted(number_at(step, "attempts"), "attempt"));
  return row + "</tr>\n";
}

std::string path_of(const char* title, const Json& nodes) {
  if (nodes.empty()) return {};
  std::string out = fmt::format("<div class=dim>{}</div><div class=path>", title);
  for (const Json& node : nodes)
    out += fmt::format("<span class=node title='{}'>{}</span>", escaped(text_at(node, "service")),
                       escaped(text_at(node, "identifier")));
  return out + "</div>";
}

std::string flow_card(const FlowRun& run) {
  const RunVerdict verdict = run.verdict();
  const char* word = verdict == RunVerdict::kPassed   ? "passed"
                     : verdict == RunVerdict::kFailed ? "failed"
                                                      : "error";
  std::string card = fmt::format(
      "<section class='flow {0}'><h2><span class='tag {0}'>{0}</span> {1}</h2><div class=dim>{2} · "
      "{3}{4}</div>",
      word, escaped(run.name()), escaped(run.input.file),
      escaped(duration_text(number_at(run.execution, "duration_ms"))),
      run.execution.is_object() ? " · trace <code>" + escaped(text_at(run.execution, "trace_id")) + "</code>"
                                : "");
  if (const auto findings = findings_of(run); !findings.empty()) {
    card += "<ul class=findings>";
    for (const RunFinding& finding : findings)
      card += fmt::format("<li><code>{}:{}</code> {}", finding.at.line, finding.at.column,
                          escaped(finding.message));
    card += "</ul>";
  }
  card += "<table>";
  for (const Json& step : run.steps) card += step_row(step);
  if (run.validation.is_object()) {
    const std::string status = text_at(run.validation, "status");
    card += fmt::format(
        "<tr><td><span class='tag {0}'>{0}</span><td><b>trace</b> {1}{2}{3}<details><summary>the whole "
        "verdict</summary>{4}</details><td></tr>",
        escaped(status), escaped(validation_sentence(run.validation)),
        path_of("seen", value_at(run.validation, "actual_path")),
        text_at(run.validation, "path_status") == "match"
            ? ""
            : path_of("expected", value_at(run.validation, "expected_path")),
        block("validation", run.validation));
  }
  return card + "</table></section>\n";
}

}  // namespace

std::string run_html(const RunReport& report) {
  std::string out = fmt::format(
      "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport "
      "content='width=device-width,initial-scale=1'><title>TestMesh: {} passed, {} "
      "failed</title><style>{}</style>"
      "<main><h1>TestMesh run</h1><div class=dim>{} · {} · version {}</div><div class=tiles>",
      report.count(RunVerdict::kPassed), report.count(RunVerdict::kFailed), kStyle,
      escaped(report.started_at), escaped(duration_text(report.seconds * 1000)), escaped(report.version));
  const auto tile = [&](size_t count, const char* label) {
    out += fmt::format("<div class=tile><b>{}</b><span class=dim>{}</span></div>", count, label);
  };
  tile(report.count(RunVerdict::kPassed), "passed");
  tile(report.count(RunVerdict::kFailed), "failed");
  tile(report.count(RunVerdict::kError), "undecided");
  out += "</div>\n";
  // What needs a look first.
  for (const RunVerdict verdict : {RunVerdict::kFailed, RunVerdict::kError, RunVerdict::kPassed})
    for (const FlowRun& run : report.runs)
      if (run.verdict() == verdict) out += flow_card(run);
  return out + "</main></html>\n";
}

}  // namespace testmesh::cli
