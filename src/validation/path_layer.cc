#include "validation/path_layer.h"

#include <algorithm>
#include <map>
#include <string>

#include "base/hex.h"
#include "discovery/flow_catalog.h"
#include "model/sibling_order.h"
#include "validation/path_alignment.h"

namespace testmesh::validation {
namespace {

using Flow = discovery::FlowSummary;

// Nodes of one meaning and one service.
std::string identity(const model::PathNode& node) { return node_key(node) + '\0' + node.service; }

std::map<std::string, uint32_t> count_identities(std::span<const model::PathNode> nodes) {
  std::map<std::string, uint32_t> counts;
  for (const model::PathNode& node : nodes) ++counts[identity(node)];
  return counts;
}

// Siblings that overlapped when the flow was seen: which came first was chance (2.4).
bool concurrent(const std::vector<discovery::TreeNode>& tree, uint32_t a, uint32_t b) {
  const auto at = [&](int64_t i) -> const discovery::TreeNode& { return tree[static_cast<size_t>(i)]; };
  int64_t left = a, right = b;
  // Parents stand before children: the later one cannot be above the other.
  while (left != right && at(left).parent != at(right).parent) {
    if (left > right)
      left = at(left).parent;
    else
      right = at(right).parent;
    if (left < 0 || right < 0) return false;
  }
  return left != right && at(left).run == at(right).run;
}

// Whether the spans of two nodes were at work at the same time.
class Overlaps {
 public:
  explicit Overlaps(const store::TraceDetail& trace) : trace_(trace) {}

  bool operator()(const ActualNode& a, const ActualNode& b) const {
    const std::vector<uint32_t> left = by_start(a), right = by_start(b);
    // Two sorted lists: whichever starts first must have ended before the next
    // of the other starts; earlier ends are remembered in `latest`.
    size_t i = 0, j = 0;
    base::UnixNanos left_end = 0, right_end = 0, left_start = 0, right_start = 0;
    bool left_any = false, right_any = false;
    while (i < left.size() || j < right.size()) {
      const bool take_left =
          j == right.size() || (i < left.size() && span(left[i]).start <= span(right[j]).start);
      const model::Span& next = span(take_left ? left[i++] : right[j++]);
      const base::UnixNanos other_end = take_left ? right_end : left_end;
      const base::UnixNanos other_start = take_left ? right_start : left_start;
      const bool other_any = take_left ? right_any : left_any;
      if (other_any && (model::counted_start(next.start) < other_end || next.start == other_start))
        return true;
      (take_left ? left_end : right_end) = std::max(take_left ? left_end : right_end, next.end);
      (take_left ? left_start : right_start) = next.start;
      (take_left ? left_any : right_any) = true;
    }
    return false;
  }

 private:
  const model::Span& span(uint32_t i) const { return trace_.spans[i]; }
  std::vector<uint32_t> by_start(const ActualNode& node) const {
    std::vector<uint32_t> spans = node.spans;
    std::ranges::sort(spans, {}, [&](uint32_t i) { return span(i).start; });
    return spans;
  }
  const store::TraceDetail& trace_;
};

class Comparer {
 public:
  Comparer(const Subject& subject, store::TelemetryStore& store, const store::TraceDetail& trace,
           const TraceReading& reading, Baselines& baselines)
      : subject_(subject), store_(store), trace_(trace), reading_(reading), baselines_(baselines) {}

  base::Result<PathComparison> compare() {
    TRY_ASSIGN(const bool whole, expect_whole());
    if (whole) {
      TRY(compare_part(0, flow_, all_entries()));
    } else {
      TRY(compare_with_baselines());
    }
    return std::move(result_);
  }

 private:
  const model::Family& family_of(const Entry& entry) const { return trace_.parts[entry.part].family; }
  std::span<const model::PathNode> nodes_of(const Entry& entry) const {
    const store::PathPart& part = trace_.parts[entry.part];
    return std::span(trace_.path).subspan(part.first_node, part.nodes);
  }
  std::vector<uint32_t> all_entries() const {
    std::vector<uint32_t> all;
    for (uint32_t i = 0; i < reading_.entries.size(); ++i)
      if (reading_.entries[i].nodes > 0) all.push_back(i);
    return all;
  }

  // One expectation for the whole path.
  base::Result<bool> expect_whole() {
    const flow_file::FlowFile* file = subject_.flow;
    if (file != nullptr && file->trace && file->trace->expected_path) {
      result_.from = ExpectedFrom::kYaml;
      result_.expected = *file->trace->expected_path;
      return true;
    }
    model::Fingerprint fingerprint;
    if (file == nullptr || !file->discovered_from ||
        !base::from_hex(file->discovered_from->fingerprint, fingerprint))
      return false;
    TRY_ASSIGN(const std::vector<Flow>* flows,
               baselines_.with_fingerprint(store_, subject_.workspace, subject_.trace_id, fingerprint));
    if (flows->empty()) return false;
    const auto own = std::ranges::find_if(*flows, [&](const Flow& flow) {
      return std::ranges::any_of(reading_.entries,
                                 [&](const Entry& e) { return family_of(e) == flow.flow->family; });
    });
    flow_ = own == flows->end() ? &flows->front() : &*own;
    result_.from = ExpectedFrom::kDiscoveredFrom;
    result_.expected = flow_->nodes;
    result_.flow_family = flow_->flow->family;
    return true;
  }

  // Each entry beside what its own family does most often. Of an entry that has
  // none nothing is said.
  base::Result<void> compare_with_baselines() {
    for (const uint32_t index : all_entries()) {
      const Entry& entry = reading_.entries[index];
      TRY_ASSIGN(FamilyBaseline * baseline,
                 baselines_.family(store_, subject_.workspace, subject_.trace_id, family_of(entry), trace_));
      if (baseline->flows.empty()) continue;
      const Flow& flow = baseline->flows.front();
      result_.from = ExpectedFrom::kBaseline;
      const size_t first = result_.expected.size();
      result_.expected.insert(result_.expected.end(), flow.nodes.begin(), flow.nodes.end());
      TRY(compare_part(first, &flow, {index}));
    }
    return {};
  }

  // What is expected from `first` on beside the paths of some entries.
  base::Result<void> compare_part(size_t first, const Flow* flow, const std::vector<uint32_t>& entries) {
    const auto expected = std::span(result_.expected).subspan(first);
    std::vector<uint32_t> positions;  // in the path
    std::vector<model::PathNode> actual;
    for (const uint32_t entry : entries) {
      const Entry& e = reading_.entries[entry];
      for (uint32_t i = 0; i < e.nodes; ++i) positions.push_back(e.first_node + i);
      std::ranges::copy(nodes_of(e), std::back_inserter(actual));
    }
    // The same flow, wherever its services run.
    if (flow != nullptr && discovery::path_string(expected) == discovery::path_string(actual)) return {};

    const Alignment alignment = align(expected, actual);
    for (const uint32_t i : alignment.missing) result_.missing.push_back(static_cast<uint32_t>(first + i));
    TRY(add_unexpected(alignment, flow, expected, entries, positions, actual));
    const Overlaps overlap(trace_);
    for (const auto& [before, after] : alignment.inversions) {
      if (flow != nullptr && flow->flow->tree.size() == expected.size() &&
          concurrent(flow->flow->tree, before, after))
        continue;
      const auto node = [&](uint32_t i) -> const ActualNode& {
        return reading_.path[positions[static_cast<size_t>(alignment.partner[i])]];
      };
      if (overlap(node(before), node(after))) continue;
      result_.out_of_order.emplace_back(first + before, first + after);
    }
    return {};
  }

  // How often an entry's accepted variants have each node at most.
  using Counts = std::map<std::string, uint32_t>;
  base::Result<const Counts*> accepted(const model::Family& family) {
    if (const auto known = accepted_.find(family); known != accepted_.end()) return &known->second;
    TRY_ASSIGN(const FamilyBaseline* baseline,
               baselines_.family(store_, subject_.workspace, subject_.trace_id, family, trace_));
    Counts counts;
    for (const Flow& flow : baseline->flows) {
      for (const auto& [node, count] : count_identities(flow.nodes)) {
        uint32_t& most = counts[node];
        most = std::max(most, count);
      }
    }
    return &accepted_.emplace(family, std::move(counts)).first->second;
  }

  base::Result<void> add_unexpected(const Alignment& alignment, const Flow* flow,
                                    std::span<const model::PathNode> expected,
                                    const std::vector<uint32_t>& entries,
                                    const std::vector<uint32_t>& positions,
                                    std::span<const model::PathNode> actual) {
    if (alignment.surplus.empty()) return {};
    const Counts* of_flow = nullptr;
    if (flow != nullptr) {
      TRY_ASSIGN(of_flow, accepted(flow->flow->family));
    }
    // Of each node, how many of it nothing accounts for.
    Counts excess;
    for (const uint32_t index : entries) {
      const Entry& entry = reading_.entries[index];
      if (entry.again && entries.size() > 1) continue;  // how often a flow is taken is not part of a path
      TRY_ASSIGN(const Counts* of_family, accepted(family_of(entry)));
      for (const auto& [node, count] : count_identities(nodes_of(entry))) {
        uint32_t fine = most_of(*of_family, node);
        if (of_flow != nullptr) fine = std::max(fine, most_of(*of_flow, node));
        if (count > fine) excess[node] += count - fine;
      }
    }
    for (const uint32_t at : alignment.surplus) {
      uint32_t& left = excess[identity(actual[at])];
      if (left == 0) continue;
      --left;
      result_.unexpected.push_back(positions[at]);
      // A dependency without spans of its own is a node only until they come.
      const auto means_the_same = [&](const model::PathNode& node) {
        return node_key(node) == node_key(actual[at]);
      };
      result_.unexpected_for_sure |=
          actual[at].type != model::NodeType::kService && std::ranges::none_of(expected, means_the_same);
    }
    return {};
  }
  static uint32_t most_of(const Counts& counts, const std::string& node) {
    const auto found = counts.find(node);
    return found == counts.end() ? 0 : found->second;
  }

  const Subject& subject_;
  store::TelemetryStore& store_;
  const store::TraceDetail& trace_;
  const TraceReading& reading_;
  Baselines& baselines_;
  const Flow* flow_ = nullptr;  // of `discovered_from`
  std::map<model::Family, Counts> accepted_;
  PathComparison result_;
};

}  // namespace

base::Result<PathComparison> compare_path(const Subject& subject, store::TelemetryStore& store,
                                          const store::TraceDetail& trace, const TraceReading& reading,
                                          Baselines& baselines) {
  return Comparer(subject, store, trace, reading, baselines).compare();
}

}  // namespace testmesh::validation
