#include "cli/waterfall.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "base/time.h"
#include "cli/commands.h"
#include "cli/text.h"

namespace testmesh::cli {
namespace {

constexpr unsigned kDefaultWidth = 100;
constexpr size_t kDurationColumns = 9;
constexpr size_t kDeepestIndent = 12;  // deeper spans show their depth as a number

struct Row {
  std::string label;
  std::string duration;
  base::UnixNanos start = 0, end = 0;
  std::vector<std::pair<base::UnixNanos, base::UnixNanos>> critical;
};

base::UnixNanos time_at(const Json& json, const char* name) {
  return base::from_rfc3339(text_at(json, name)).value_or(0);
}

std::string indent(uint64_t depth) {
  if (depth <= kDeepestIndent) return std::string(depth * 2, ' ');
  return fmt::format("{:>{}} ", fmt::format("[{}]", depth), kDeepestIndent * 2 - 1);
}

std::vector<Row> rows_of(const Json& trace) {
  std::map<std::string, std::vector<std::pair<base::UnixNanos, base::UnixNanos>>> critical;
  for (const Json& segment : trace.value("critical_path", Json::array()))
    critical[text_at(segment, "span_id")].emplace_back(time_at(segment, "start_time"),
                                                       time_at(segment, "end_time"));
  const Json tree = trace.value("tree", Json::array());
  std::vector<Row> rows;
  std::string above;
  size_t position = 0;
  for (const Json& span : trace.value("spans", Json::array())) {
    const auto depth = position < tree.size() ? static_cast<uint64_t>(number_at(tree[position], "depth")) : 0;
    ++position;
    Row row;
    row.label = indent(depth) + (text_at(span, "status") == "error" ? "! " : "") +
                printable(text_at(span, "service")) + "  " + printable(text_at(span, "name"));
    row.duration = duration_text(number_at(span, "duration_ms"));
    row.start = time_at(span, "start_time");
    row.end = time_at(span, "end_time");
    if (const auto found = critical.find(text_at(span, "span_id")); found != critical.end())
      row.critical = found->second;
    rows.push_back(std::move(row));
  }
  return rows;
}

// One cell of the bar stands for a share of the trace's time.
std::string bar_of(const Row& row, base::UnixNanos begin, base::UnixNanos end, size_t columns) {
  const double whole = std::max(1.0, static_cast<double>(end - begin));
  const auto column = [&](base::UnixNanos time) {
    return static_cast<double>(std::clamp(time, begin, end) - begin) / whole * static_cast<double>(columns);
  };
  const auto first = std::min(static_cast<size_t>(column(row.start)), columns - 1);
  const auto last = std::min(std::max(first + 1, static_cast<size_t>(column(row.end) + 0.5)), columns);
  std::string bar(first, ' ');
  for (size_t i = first; i < last; ++i) {
    const bool on_path = std::ranges::any_of(row.critical, [&](const auto& segment) {
      return column(segment.first) < static_cast<double>(i + 1) &&
             column(segment.second) > static_cast<double>(i);
    });
    bar += on_path ? "█" : "░";
  }
  return bar;
}

}  // namespace

void print_waterfall(std::ostream& out, const Json& trace, unsigned width) {
  const std::vector<Row> rows = rows_of(trace);
  if (rows.empty()) return;
  const size_t columns = std::max(width == 0 ? kDefaultWidth : width, 40u);
  base::UnixNanos begin = rows.front().start, end = rows.front().end;
  size_t labels = 0;
  for (const Row& row : rows) {
    begin = std::min(begin, row.start);
    end = std::max(end, row.end);
    labels = std::max(labels, width_of(row.label));
  }
  labels = std::min(labels, columns / 2);
  const size_t bars = columns - labels - kDurationColumns - 2;
  for (const Row& row : rows)
    out << pad_right(cut(row.label, labels), labels) << ' ' << pad_left(row.duration, kDurationColumns) << ' '
        << bar_of(row, begin, end, bars) << '\n';
  out << "\n█ on the critical path: what the trace waited for   ░ beside it   ! status error\n";
}

}  // namespace testmesh::cli
