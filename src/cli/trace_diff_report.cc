#include "cli/trace_diff_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ostream>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/table.h"
#include "cli/text.h"

namespace testmesh::cli {
namespace {

constexpr size_t kDeepestIndent = 12;  // deeper calls show their depth as a number
constexpr size_t kShownContributions = 12;
// Calls that do not differ are folded, from so many in a row on, unless they
// make up that share of the longer trace's duration.
constexpr size_t kLeastFolded = 3;
constexpr double kShareWorthShowing = 0.05;

// Empty when it is absent, null or something else.
Json object_at(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_object() ? *found : Json::object();
}
Json list_at(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_array() ? *found : Json::array();
}
bool present(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_object();
}
bool has_reason(const Json& json, std::string_view reason) {
  const Json reasons = list_at(json, "differs_in");
  return std::ranges::any_of(reasons, [&](const Json& one) { return one.is_string() && one == reason; });
}

std::string signed_duration(double milliseconds) {
  if (milliseconds == 0) return "0";
  return (milliseconds < 0 ? "-" : "+") + duration_text(std::fabs(milliseconds));
}

struct Mark {
  char sign;
  Style style;
};
Mark mark_of(const std::string& change) {
  if (change == "added" || change == "unexpected") return {'+', Style::kGood};
  if (change == "removed" || change == "missing") return {'-', Style::kBad};
  if (change == "moved") return {'>', Style::kWarning};
  if (change == "changed") return {'~', Style::kWarning};
  return {' ', Style::kPlain};
}

std::string indent(uint64_t depth) {
  if (depth <= kDeepestIndent) return std::string(depth * 2, ' ');
  return fmt::format("{:>{}} ", fmt::format("[{}]", depth), kDeepestIndent * 2 - 1);
}

// A sentence on as many lines as it takes.
void say(std::ostream& out, const std::string& sentence, const DiffLook& look) {
  out << wrap(sentence, " ", look.width, 0) << '\n';
}

void print_trace_line(std::ostream& out, const char* name, const Json& trace, const DiffLook& look) {
  const std::string line = fmt::format(
      "{:<6}{}  {}  {}  {}, {}, {}{}{}", name, printable(text_at(trace, "trace_id")),
      printable(text_at(trace, "root_service")), printable(text_at(trace, "root_operation")),
      duration_text(number_at(trace, "duration_ms")), counted(number_at(trace, "span_count"), "span"),
      counted(number_at(trace, "error_count"), "error"), trace.value("complete", false) ? "" : ", still open",
      trace.value("partial", false) ? ", partial" : "");
  out << (look.width == 0 ? line : cut(line, look.width)) << '\n';
}

// "2 added, 1 removed"; empty when nothing differs.
std::string summary_text(const Json& summary, std::initializer_list<const char*> changes) {
  std::string text;
  for (const char* change : changes)
    if (number_at(summary, change) > 0)
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count_at(summary, change), change);
  return text;
}

// ---- The calls of two traces -------------------------------------------------

std::string label_of(const Json& span) {
  const Json left = object_at(span, "left"), right = object_at(span, "right");
  const bool has_left = present(span, "left"), has_right = present(span, "right");
  const bool failed = text_at(has_right ? right : left, "status") == "error";
  std::string label = indent(static_cast<uint64_t>(number_at(span, "depth"))) + (failed ? "! " : "") +
                      printable(text_at(span, "service")) + "  " + printable(text_at(span, "operation"));
  const std::string left_count = count_at(left, "count"), right_count = count_at(right, "count");
  if (has_left && has_right && left_count != right_count)
    label += fmt::format("  ×{} → ×{}", left_count, right_count);
  else if (number_at(has_right ? right : left, "count") > 1)
    label += fmt::format("  ×{}", has_right ? right_count : left_count);
  if (has_reason(span, "status")) {
    if (text_at(left, "status") != text_at(right, "status"))
      label +=
          fmt::format("  {} → {}", printable(text_at(left, "status")), printable(text_at(right, "status")));
    else
      label += fmt::format("  {} → {}", counted(number_at(left, "error_count"), "error"),
                           counted(number_at(right, "error_count"), "error"));
  }
  if (has_reason(span, "parent")) {
    const Json from = object_at(span, "moved_from");
    label += present(span, "moved_from")
                 ? fmt::format("  (was below {}  {})", printable(text_at(from, "service")),
                               printable(text_at(from, "operation")))
                 : "  (had no parent)";
  } else if (has_reason(span, "order")) {
    label += "  (other order)";
  }
  return label;
}

// Which rows are worth a line: those that differ, where much of the difference
// in time is, and what they hang below.
std::vector<bool> rows_to_show(const Json& diff, const Json& spans, const DiffLook& look) {
  std::vector<bool> show(spans.size(), look.full);
  if (look.full) return show;
  const double worth = kShareWorthShowing * std::max(number_at(object_at(diff, "left"), "duration_ms"),
                                                     number_at(object_at(diff, "right"), "duration_ms"));
  std::vector<size_t> above;  // the row of each depth
  size_t row = 0;
  for (const Json& span : spans) {
    above.resize(std::min(above.size(), static_cast<size_t>(number_at(span, "depth"))));
    const double delta = std::fabs(number_at(span, "critical_delta_ms"));
    if (text_at(span, "change") != "same" || (delta > 0 && delta >= worth)) {
      // Those above a shown row are shown already: no row is walked up twice.
      for (size_t i = above.size(); i-- > 0 && !show[above[i]];) show[above[i]] = true;
      show[row] = true;
    }
    above.push_back(row++);
  }
  if (!show.empty()) show[0] = true;
  return show;
}

void print_calls(std::ostream& out, const Json& diff, const DiffLook& look) {
  const Json spans = list_at(diff, "spans");
  const std::vector<bool> show = rows_to_show(diff, spans, look);
  struct Row {
    Mark mark;
    std::string label, left, right, delta;
  };
  std::vector<Row> rows{{{' ', Style::kBold}, "", "LEFT", "RIGHT", "DIFFERENCE"}};
  for (size_t i = 0; i < spans.size(); ++i) {
    size_t end = i;
    while (end < spans.size() && !show[end]) ++end;
    if (end - i >= kLeastFolded) {
      rows.push_back({{' ', Style::kDim},
                      indent(static_cast<uint64_t>(number_at(spans[i], "depth"))) +
                          fmt::format("… {} calls that do not differ", end - i),
                      "",
                      "",
                      ""});
      i = end - 1;
      continue;
    }
    const Json& span = spans[i];
    const auto side = [&](const char* name) {
      return present(span, name) ? duration_text(number_at(span[name], "duration_ms")) : std::string();
    };
    rows.push_back({mark_of(text_at(span, "change")), label_of(span), side("left"), side("right"),
                    signed_duration(number_at(span, "delta_ms"))});
  }
  size_t labels = 0, lefts = 0, rights = 0, deltas = 0;
  for (const Row& row : rows) {
    labels = std::max(labels, width_of(row.label));
    lefts = std::max(lefts, width_of(row.left));
    rights = std::max(rights, width_of(row.right));
    deltas = std::max(deltas, width_of(row.delta));
  }
  constexpr size_t kMarkColumns = 2, kLeastLabel = 12;
  const size_t figures = lefts + rights + deltas + 6;
  // Too narrow for all figures: the difference stays.
  const bool narrow = look.width != 0 && look.width < kMarkColumns + kLeastLabel + figures;
  if (look.width != 0) {
    const size_t taken = kMarkColumns + (narrow ? deltas + 2 : figures);
    labels = std::min(labels, look.width > taken + 1 ? look.width - taken : 1);
  }
  for (const Row& row : rows) {
    std::string line = fmt::format("{} {}", row.mark.sign, pad_right(cut(row.label, labels), labels));
    if (!narrow) line += "  " + pad_left(row.left, lefts) + "  " + pad_left(row.right, rights);
    line += "  " + pad_left(row.delta, deltas);
    while (!line.empty() && line.back() == ' ') line.pop_back();
    out << painted(std::move(line), row.mark.style, look.colour) << '\n';
  }
}

void print_contributions(std::ostream& out, const Json& diff, const DiffLook& look) {
  const Json parts = list_at(diff, "contributions");
  const double whole = number_at(diff, "duration_delta_ms");
  if (parts.empty()) return;
  out << '\n';
  say(out,
      fmt::format("Where the time went (on the critical path; the differences sum to {})",
                  signed_duration(whole)),
      look);
  Table table({{"DIFFERENCE", Align::kRight, 8},
               {"LEFT", Align::kRight, 7, 2},
               {"RIGHT", Align::kRight, 7, 3},
               {"", Align::kLeft, 1},
               {"SERVICE", Align::kLeft, 8, 1},
               {"OPERATION", Align::kLeft, 12}});
  double others_left = 0, others_right = 0, others = 0;
  size_t shown = 0;
  for (const Json& part : parts) {
    const double delta = number_at(part, "delta_ms"), left = number_at(part, "left_critical_ms"),
                 right = number_at(part, "right_critical_ms");
    if (shown == kShownContributions && parts.size() > kShownContributions + 1 && !look.full) {
      others += delta, others_left += left, others_right += right;
      continue;
    }
    ++shown;
    const Mark mark = mark_of(text_at(part, "change"));
    table.add({signed_duration(delta), duration_text(left), duration_text(right), std::string(1, mark.sign),
               text_at(part, "service"), text_at(part, "operation")},
              mark.style);
  }
  if (shown < parts.size())
    table.add({signed_duration(others), duration_text(others_left), duration_text(others_right), "", "",
               fmt::format("{} others", parts.size() - shown)});
  table.print(out, look.width, look.colour);
}

void print_paths(std::ostream& out, const Json& diff, const DiffLook& look) {
  if (diff.value("same_path", false)) return;
  out << "\nPath\n";
  for (const Json& node : list_at(diff, "path")) {
    const Mark mark = mark_of(text_at(node, "change"));
    std::string line =
        fmt::format("{} {}:{}  {}", mark.sign, printable(text_at(node, "type")),
                    printable(text_at(node, "identifier")), printable(text_at(node, "service")));
    if (text_at(node, "change") == "changed")
      line += fmt::format("  (was {})", printable(text_at(node, "left_service")));
    out << painted(look.width == 0 ? line : cut(line, look.width), mark.style, look.colour) << '\n';
  }
}

// ---- The nodes of a flow -------------------------------------------------------

std::string finding_text(const Json& node) {
  const Json trace = object_at(node, "trace"), flow = object_at(node, "flow");
  const Json calls = object_at(flow, "calls_per_trace"), self = object_at(flow, "self_ms");
  std::string text;
  const auto say = [&](const std::string& what) { text += (text.empty() ? "" : "; ") + what; };
  const std::string change = text_at(node, "change");
  if (change == "missing") say("not in this trace");
  if (change == "unexpected") say("not in the flow");
  if (has_reason(node, "order")) say("other order");
  if (has_reason(node, "service")) say("other service");
  if (has_reason(node, "slower"))
    say(fmt::format("{} above p95", duration_text(number_at(node, "over_p95_ms"))));
  if (has_reason(node, "self_slower"))
    say(fmt::format("worked {} itself, p95 {}", duration_text(number_at(trace, "max_self_ms")),
                    duration_text(number_at(self, "p95"))));
  if (has_reason(node, "more_calls"))
    say(fmt::format("{}, never more than {}", counted(number_at(trace, "calls"), "call"),
                    count_at(calls, "max")));
  if (has_reason(node, "failed"))
    say(fmt::format("failed, usually {} do", percent_text(number_at(flow, "error_rate"))));
  return text;
}

}  // namespace

bool differs(const Json& diff) {
  const Json summary = object_at(diff, "summary");
  return std::ranges::any_of(summary.items(), [](const auto& entry) {
    return entry.key() != "same" && entry.value().is_number() && entry.value() > 0;
  });
}

void print_trace_diff(std::ostream& out, const Json& diff, const DiffLook& look) {
  print_trace_line(out, "left", object_at(diff, "left"), look);
  print_trace_line(out, "right", object_at(diff, "right"), look);
  const std::string summary =
      summary_text(object_at(diff, "summary"), {"added", "removed", "moved", "changed"});
  say(out,
      fmt::format("{}; {} in time; {}", summary.empty() ? "The same calls" : "Calls: " + summary,
                  signed_duration(number_at(diff, "duration_delta_ms")),
                  diff.value("same_path", false) ? "one path" : "other paths"),
      look);
  print_paths(out, diff, look);
  out << '\n';
  print_calls(out, diff, look);
  out << '\n';
  say(out, "+ only right   - only left   > moved   ~ other count or status   ! status error", look);
  if (diff.value("truncated", false))
    say(out, "Too large to compare every pair of calls: some were matched as they come.", look);
  print_contributions(out, diff, look);
}

void print_flow_diff(std::ostream& out, const Json& diff, const DiffLook& look) {
  const Json trace = object_at(diff, "left"), flow = object_at(diff, "flow");
  print_trace_line(out, "trace", trace, look);
  const std::string line =
      fmt::format("{:<6}{}  {}  {} on average, p95 {}, {}", "flow", printable(text_at(flow, "id")),
                  printable(text_at(flow, "name")), duration_text(number_at(flow, "avg_duration_ms")),
                  duration_text(number_at(flow, "p95_duration_ms")),
                  counted(number_at(flow, "occurrence_count"), "trace"));
  out << (look.width == 0 ? line : cut(line, look.width)) << '\n';
  const std::string summary =
      summary_text(object_at(diff, "summary"), {"missing", "unexpected", "moved", "changed"});
  say(out,
      fmt::format("{}; {} against the average{}.",
                  summary.empty() ? "The trace is as the flow" : "Nodes: " + summary,
                  signed_duration(number_at(diff, "duration_delta_ms")),
                  diff.value("slower", false) ? ", longer than 95 %" : ""),
      look);
  out << '\n';
  Table table({{"", Align::kLeft, 1},
               {"TYPE", Align::kLeft, 12, 6},
               {"IDENTIFIER", Align::kLeft, 16},
               {"SERVICE", Align::kLeft, 8, 3},
               {"CALLS", Align::kRight, 5, 4},
               {"USUAL", Align::kRight, 5, 7},
               {"SLOWEST", Align::kRight, 7, 2},
               {"P95", Align::kRight, 7, 5},
               {"FINDING", Align::kLeft, 16, 1}});
  for (const Json& node : list_at(diff, "nodes")) {
    const Mark mark = mark_of(text_at(node, "change"));
    const bool in_trace = present(node, "trace"), in_flow = present(node, "flow");
    const Json seen = object_at(node, "trace"), usual = object_at(node, "flow");
    table.add({std::string(1, mark.sign), text_at(node, "type"), text_at(node, "identifier"),
               text_at(node, "service"), in_trace ? count_at(seen, "calls") : "",
               in_flow ? fmt::format("{:.2f}", number_at(object_at(usual, "calls_per_trace"), "mean")) : "",
               in_trace ? duration_text(number_at(seen, "max_ms")) : "",
               in_flow ? duration_text(number_at(usual, "p95_ms")) : "", finding_text(node)},
              mark.style);
  }
  table.print(out, look.width, look.colour);
  if (diff.value("truncated", false)) say(out, "Paths too long to compare: matched as they come.", look);
}

}  // namespace testmesh::cli
