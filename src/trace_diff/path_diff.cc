#include "trace_diff/path_diff.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace testmesh::trace_diff {
namespace {

constexpr uint32_t kAbsent = UINT32_MAX;
constexpr double kSketchError = 0.01;
constexpr double kRareError = 0.05;
constexpr double kNanosPerMilli = 1e6;

using Nodes = std::span<const model::PathNode>;

bool equal(const model::PathNode& a, const model::PathNode& b) {
  return a.type == b.type && a.identifier == b.identifier;
}

// of_left[i]: the right node matched with left node i.
class Matching {
 public:
  Matching(Nodes left, Nodes right) : left_(left), right_(right), of_left(left.size(), kAbsent) {}

  void in_order(uint64_t budget) {
    size_t begin = 0, left_end = left_.size(), right_end = right_.size();
    while (begin < std::min(left_end, right_end) && equal(left_[begin], right_[begin]))
      match(begin, begin), ++begin;
    while (std::min(left_end, right_end) > begin && equal(left_[left_end - 1], right_[right_end - 1]))
      match(--left_end, --right_end);
    const size_t rows = left_end - begin, columns = right_end - begin;
    if (rows == 0 || columns == 0) return;
    if (uint64_t{rows} * columns > budget) {
      truncated = true;
      return as_they_come(begin, left_end, right_end);
    }
    // longest[i][j]: of the parts from i and j on.
    const size_t width = columns + 1;
    std::vector<uint32_t> longest((rows + 1) * width, 0);
    for (size_t i = rows; i-- > 0;)
      for (size_t j = columns; j-- > 0;)
        longest[i * width + j] = equal(left_[begin + i], right_[begin + j])
                                     ? longest[(i + 1) * width + j + 1] + 1
                                     : std::max(longest[(i + 1) * width + j], longest[i * width + j + 1]);
    for (size_t i = 0, j = 0; i < rows && j < columns;) {
      if (equal(left_[begin + i], right_[begin + j]))
        match(begin + i++, begin + j++);
      else if (longest[(i + 1) * width + j] >= longest[i * width + j + 1])
        ++i;
      else
        ++j;
    }
  }

 private:
  void match(size_t left, size_t right) { of_left[left] = static_cast<uint32_t>(right); }

  // Each left node with the next equal right one, if there is one.
  void as_they_come(size_t begin, size_t left_end, size_t right_end) {
    std::map<std::pair<model::NodeType, std::string_view>, std::vector<size_t>> places;  // ascending
    for (size_t j = begin; j < right_end; ++j) places[{right_[j].type, right_[j].identifier}].push_back(j);
    size_t next = begin;
    for (size_t i = begin; i < left_end; ++i) {
      const auto found = places.find({left_[i].type, left_[i].identifier});
      if (found == places.end()) continue;
      const auto at = std::ranges::lower_bound(found->second, next);
      if (at == found->second.end()) continue;
      match(i, *at);
      next = *at + 1;
    }
  }

  Nodes left_, right_;

 public:
  std::vector<uint32_t> of_left;
  bool truncated = false;
};

}  // namespace

PathDiff diff_paths(Nodes left, Nodes right, const DiffLimits& limits) {
  // As of trace_diff::diff: the same whichever is the left one.
  const bool swapped = std::ranges::lexicographical_compare(right, left);
  Matching matching(swapped ? right : left, swapped ? left : right);
  matching.in_order(limits.comparisons);
  std::vector<uint32_t> of_left(left.size(), kAbsent), of_right(right.size(), kAbsent);
  for (uint32_t i = 0; i < matching.of_left.size(); ++i) {
    const uint32_t other = matching.of_left[i];
    if (other == kAbsent) continue;
    (swapped ? of_right[i] : of_left[i]) = other;
    (swapped ? of_left[other] : of_right[other]) = i;
  }
  // Left over on both sides: first those of one service.
  std::vector<bool> moved(right.size());
  for (const bool of_one_service : {true, false}) {
    std::map<std::tuple<model::NodeType, std::string_view, std::string_view>, std::vector<uint32_t>> over;
    const auto name = [&](const model::PathNode& node) {
      return std::tuple(node.type, std::string_view(node.identifier),
                        of_one_service ? std::string_view(node.service) : std::string_view());
    };
    for (uint32_t i = 0; i < left.size(); ++i)
      if (of_left[i] == kAbsent) over[name(left[i])].push_back(i);
    for (auto& [key, places] : over) std::ranges::reverse(places);
    for (uint32_t j = 0; j < right.size(); ++j) {
      if (of_right[j] != kAbsent) continue;
      const auto found = over.find(name(right[j]));
      if (found == over.end() || found->second.empty()) continue;
      of_right[j] = found->second.back();
      of_left[of_right[j]] = j;
      moved[j] = true;
      found->second.pop_back();
    }
  }

  PathDiff diff;
  diff.truncated = matching.truncated;
  uint32_t next = 0;
  const auto removed_up_to = [&](uint32_t end) {
    for (; next < end; ++next)
      if (of_left[next] == kAbsent) diff.nodes.push_back({Change::kRemoved, next, kAbsent});
  };
  removed_up_to(static_cast<uint32_t>(
      std::ranges::find_if(of_left, [&](uint32_t j) { return j != kAbsent && !moved[j]; }) -
      of_left.begin()));
  for (uint32_t j = 0; j < right.size(); ++j) {
    const uint32_t i = of_right[j];
    const Change change = i == kAbsent                          ? Change::kAdded
                          : moved[j]                            ? Change::kMoved
                          : left[i].service != right[j].service ? Change::kChanged
                                                                : Change::kSame;
    diff.nodes.push_back({change, i, j});
    if (i == kAbsent || moved[j]) continue;
    // Those behind it in the left path, up to the next that both have in order.
    uint32_t end = i + 1;
    while (end < left.size() && (of_left[end] == kAbsent || moved[of_left[end]])) ++end;
    next = i + 1;
    removed_up_to(end);
  }
  removed_up_to(static_cast<uint32_t>(left.size()));
  return diff;
}

void NodeVisits::add(uint32_t span, uint64_t duration_ns, uint64_t self_ns, bool error) {
  if (calls == 0 || duration_ns > longest_ns) longest = span;
  ++calls;
  errors += error;
  longest_ns = std::max(longest_ns, duration_ns);
  longest_self_ns = std::max(longest_self_ns, self_ns);
}

bool slower_than(double p95_ms, uint64_t nanos) {
  return static_cast<double>(nanos) / kNanosPerMilli > p95_ms / (1 - kSketchError);
}

NodeFinding judge(const NodeVisits& visits, const NodeExpectation& expected) {
  return {.slower = slower_than(expected.p95_ms, visits.longest_ns),
          .self_slower = slower_than(expected.self_p95_ms, visits.longest_self_ns),
          .more_calls = visits.calls > expected.calls_max,
          .failed = visits.errors > 0 && expected.error_rate <= kRareError};
}

}  // namespace testmesh::trace_diff
