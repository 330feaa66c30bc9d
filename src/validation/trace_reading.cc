#include "validation/trace_reading.h"

#include <algorithm>
#include <map>
#include <unordered_map>

namespace testmesh::validation {
namespace {

// One behind the last span below each: parents stand before children, depth first.
std::vector<uint32_t> subtree_ends(const store::TraceDetail& trace) {
  std::vector<uint32_t> ends(trace.spans.size());
  for (size_t i = trace.spans.size(); i-- > 0;) {
    ends[i] = std::max(ends[i], static_cast<uint32_t>(i + 1));
    if (const int64_t parent = trace.parent_positions[i]; parent >= 0)
      ends[static_cast<size_t>(parent)] = std::max(ends[static_cast<size_t>(parent)], ends[i]);
  }
  return ends;
}

// Test spans of the entry's service, from the top down.
std::vector<bool> runner_spans(const store::TraceDetail& trace) {
  std::vector<bool> runners(trace.spans.size(), false);
  if (!trace.summary.is_test_generated || trace.spans.empty()) return runners;
  const std::string_view service = model::service_name(*trace.spans.front().resource);
  for (size_t i = 0; i < trace.spans.size(); ++i) {
    const int64_t parent = trace.parent_positions[i];
    runners[i] = (parent < 0 || runners[static_cast<size_t>(parent)]) &&
                 model::is_test_generated(trace.spans[i]) &&
                 model::service_name(*trace.spans[i].resource) == service;
  }
  return runners;
}

// `loop[3].call` -> `loop.call`: turns of a loop are one step.
std::string without_turns(std::string_view id) {
  std::string base;
  bool inside = false;
  for (const char c : id) {
    if (c == '[') inside = true;
    if (!inside) base += c;
    if (c == ']') inside = false;
  }
  return base;
}

class Reader {
 public:
  Reader(const Subject& subject, const store::TraceDetail& trace) : subject_(subject), trace_(trace) {}

  TraceReading read() {
    reading_.runners = runner_spans(trace_);
    reading_.application_spans = static_cast<uint32_t>(std::ranges::count(reading_.runners, false));
    read_parents();
    find_steps();
    find_entries();
    build_path();
    return std::move(reading_);
  }

 private:
  void read_parents() {
    size_t roots = 0;
    const model::Span* orphan = nullptr;
    for (size_t i = 0; i < trace_.spans.size(); ++i) {
      if (trace_.parent_positions[i] >= 0) continue;
      const model::Span& span = trace_.spans[i];
      if (span.parent_span_id.is_zero()) {
        ++roots;
      } else if (subject_.is_run || span.parent_span_id != subject_.parent_span_id) {
        ++reading_.orphans;
        orphan = &span;
      }
    }
    reading_.orphan_is_entry =
        !subject_.is_run && reading_.orphans == 1 && roots == 0 &&
        (orphan->kind == model::SpanKind::kServer || orphan->kind == model::SpanKind::kConsumer);
  }

  void find_steps() {
    const auto none = static_cast<uint32_t>(subject_.steps.size());
    reading_.step_seen.assign(subject_.steps.size(), false);
    std::unordered_map<model::SpanId, uint32_t> by_id;
    for (uint32_t step = 0; step < none; ++step)
      if (!subject_.steps[step].span_id.is_zero()) by_id.emplace(subject_.steps[step].span_id, step);
    step_of_.assign(trace_.spans.size(), none);
    for (size_t i = 0; i < trace_.spans.size(); ++i) {
      if (const int64_t parent = trace_.parent_positions[i]; parent >= 0)
        step_of_[i] = step_of_[static_cast<size_t>(parent)];
      if (const auto found = by_id.find(trace_.spans[i].span_id); found != by_id.end()) {
        step_of_[i] = found->second;
        positions_.emplace_back(static_cast<uint32_t>(i), found->second);
      }
    }
  }

  void find_entries() {
    const std::vector<uint32_t> ends = subtree_ends(trace_);
    const auto none = static_cast<uint32_t>(subject_.steps.size());
    const auto add = [&](uint32_t span, uint32_t end, uint32_t part) {
      Entry& entry = reading_.entries.emplace_back();
      entry.span = span;
      entry.end = end;
      entry.part = part;
      entry.step = step_of_[span];
      if (entry.step != none) {
        reading_.step_seen[entry.step] = true;
        return;
      }
      // An attempt before the last one has no step of its own: it belongs to
      // the step that comes next.
      if (trace_.parent_positions[span] < 0) return;
      const auto next = std::ranges::lower_bound(positions_, std::pair(span, 0u));
      if (next == positions_.end()) return;
      entry.step = next->second;
      entry.earlier_attempt = true;
    };
    if (!trace_.summary.is_test_generated) {
      if (!trace_.parts.empty() && !trace_.spans.empty())
        add(0, static_cast<uint32_t>(trace_.spans.size()), 0);
    } else {
      for (uint32_t part = 0; part < trace_.parts.size(); ++part)
        for (const uint32_t span : trace_.parts[part].entries) add(span, ends[span], part);
    }
    std::ranges::sort(reading_.entries, {}, [](const Entry& e) { return std::pair(e.step, e.span); });
  }

  // What an earlier attempt did and a later one did too counts there (2.4).
  bool done_later(size_t index) const {
    const Entry& entry = reading_.entries[index];
    if (!entry.earlier_attempt) return false;
    const auto nodes_of = [&](const Entry& e) {
      const store::PathPart& part = trace_.parts[e.part];
      return std::span(trace_.path).subspan(part.first_node, part.nodes);
    };
    for (size_t later = index + 1; later < reading_.entries.size(); ++later) {
      if (reading_.entries[later].step != entry.step) break;
      const auto wanted = nodes_of(entry);
      size_t met = 0;
      for (const model::PathNode& node : nodes_of(reading_.entries[later]))
        if (met < wanted.size() && node == wanted[met]) ++met;
      if (met == wanted.size()) return true;
    }
    return false;
  }

  void build_path() {
    std::map<std::pair<std::string, uint32_t>, size_t> kept;  // step and part -> entry
    std::vector<bool> part_met(trace_.parts.size(), false);
    for (size_t index = 0; index < reading_.entries.size(); ++index) {
      Entry& entry = reading_.entries[index];
      if (done_later(index)) continue;
      const std::string step =
          entry.step < subject_.steps.size() ? without_turns(subject_.steps[entry.step].step_id) : "";
      const auto [first, is_new] = kept.try_emplace({step, entry.part}, index);
      if (is_new) {
        entry.again = part_met[entry.part];
        part_met[entry.part] = true;
        const store::PathPart& part = trace_.parts[entry.part];
        entry.first_node = static_cast<uint32_t>(reading_.path.size());
        entry.nodes = part.nodes;
        for (uint32_t node = 0; node < part.nodes; ++node)
          reading_.path.push_back({part.first_node + node, static_cast<uint32_t>(index), {}});
      }
      add_spans(entry, reading_.entries[first->second]);
    }
  }

  void add_spans(const Entry& entry, const Entry& where) {
    const store::PathPart& part = trace_.parts[entry.part];
    auto visit = std::ranges::lower_bound(trace_.visits, store::PathVisit{entry.span, 0});
    for (; visit != trace_.visits.end() && visit->span < entry.end; ++visit) {
      if (visit->node < part.first_node || visit->node >= part.first_node + part.nodes) continue;
      reading_.path[where.first_node + visit->node - part.first_node].spans.push_back(visit->span);
    }
  }

  const Subject& subject_;
  const store::TraceDetail& trace_;
  TraceReading reading_;
  std::vector<uint32_t> step_of_;                         // parallel to the spans
  std::vector<std::pair<uint32_t, uint32_t>> positions_;  // of step spans, with the step; ascending
};

}  // namespace

TraceReading read_trace(const Subject& subject, const store::TraceDetail& trace) {
  return Reader(subject, trace).read();
}

}  // namespace testmesh::validation
