#include "discovery/coverage.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>

#include "discovery/flow_stats.h"

namespace testmesh::discovery {
namespace {

constexpr uint64_t kUncovered = uint64_t{1} << 63;  // above every risk: no risk is negative

std::string grouped(uint64_t number) {
  std::string digits = std::to_string(number);
  for (size_t at = digits.size(); at > 3;) digits.insert(at -= 3, 1, ',');
  return digits;
}

std::string counted(uint64_t number, const char* one, const char* many) {
  return grouped(number) + " " + (number == 1 ? one : many);
}

std::string fixed(double value, int decimals) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

// Two digits that say something: 4.2, 12, 100. What is not all, or not nothing,
// is never rounded to it.
std::string percent(double share) {
  const double value = 100 * share;
  if (value < 0.1) return "less than 0.1 %";
  if (share < 1 && value > 99.9) return "more than 99.9 %";
  const bool whole = value >= 9.95 && (value <= 99 || share >= 1);
  return fixed(value, whole ? 0 : 1) + " %";
}

std::string duration(double ms) {
  if (ms < 0.1) return "less than 0.1 ms";
  if (ms < 9.95) return fixed(ms, 1) + " ms";
  if (ms < 999.5) return fixed(ms, 0) + " ms";
  if (ms < 119'950) return fixed(ms / 1000, 1) + " s";
  return grouped(static_cast<uint64_t>(std::min(std::llround(ms / 60'000), 1'000'000'000LL))) + " min";
}

std::string ago(base::UnixNanos then, base::UnixNanos now) {
  const uint64_t minutes = then < now ? (now - then) / 60'000'000'000 : 0;
  if (minutes == 0) return "just now";
  if (minutes < 60) return counted(minutes, "minute ago", "minutes ago");
  if (minutes < 48 * 60) return counted(minutes / 60, "hour ago", "hours ago");
  return counted(minutes / (24 * 60), "day ago", "days ago");
}

std::string evidence(const FlowSummary& flow, uint64_t all_traces) {
  std::string text = counted(flow.occurrence_count, "trace", "traces");
  if (all_traces > 0) {
    // A trace may be counted between the two figures.
    const double share =
        std::min(static_cast<double>(flow.occurrence_count) / static_cast<double>(all_traces), 1.0);
    text += " (" + percent(share) + " of all)";
  }
  text += ", " + (flow.error_rate > 0 ? percent(flow.error_rate) : "none") + " with an error, ";
  return text + duration(flow.avg_duration_ms) + " on average.";
}

}  // namespace

uint64_t coverage_rank(const FlowSummary& flow) {
  // A double that is not negative has its bits in its own order.
  return std::bit_cast<uint64_t>(std::max(flow.risk_score, 0.0)) | (is_covered(flow) ? 0 : kUncovered);
}

std::string coverage_reason(const FlowSummary& flow, uint64_t all_traces, base::UnixNanos now) {
  if (!is_covered(flow)) return "No test runs it: " + evidence(flow, all_traces);
  std::string text = "Covered by ";
  // Runs that do not say which test they are of are counted all the same; of
  // many names the last few are known.
  if (flow.tests.size() >= TestNames::kMax) text += "at least ";
  text += flow.tests.empty() ? counted(flow.test_count, "test run", "test runs")
                             : counted(flow.tests.size(), "test", "tests");
  if (flow.last_tested) text += ", last run " + ago(*flow.last_tested, now);
  return text + "; " + evidence(flow, all_traces);
}

}  // namespace testmesh::discovery
