// Traces for tests, written as what calls what.
#pragma once

#include <deque>
#include <random>
#include <string>
#include <vector>

#include "trace_diff/trace_diff.h"

namespace testmesh::trace_diff {

inline constexpr int64_t kBehind = -1, kBeside = -2;

// A span with what it calls. A call starts when the one before it has ended,
// unless it is `at` a time of its own, counted from its parent's start, or
// `kBeside` the one before it. Calls are listed by start.
struct Node {
  std::string name;  // "service operation"
  uint64_t work = 10;
  std::vector<Node> calls = {};
  int64_t at = kBehind;
  model::StatusCode status = model::StatusCode::kUnset;
  model::SpanKind kind = model::SpanKind::kInternal;

  size_t size() const {
    size_t sum = 1;
    for (const Node& call : calls) sum += call.size();
    return sum;
  }
};

inline Node call(std::string name, std::vector<Node> calls = {}) {
  return {.name = std::move(name), .calls = std::move(calls)};
}
inline Node at(int64_t time, Node node) {
  node.at = time;
  return node;
}
inline Node failed(Node node) {
  node.status = model::StatusCode::kError;
  return node;
}
inline Node lasting(uint64_t work, Node node) {
  node.work = work;
  return node;
}

// A trace that owns its texts. `work` is spent before the calls. Start times
// are no whole milliseconds.
class Trace {
 public:
  explicit Trace(const Node& root, base::UnixNanos start = 1001) {
    add(root, -1, start);
    view_.entry = 0;
  }
  Trace(Trace&&) = default;
  Trace(const Trace&) = delete;

  const TraceView& view() const { return view_; }
  TraceView& view() { return view_; }
  std::string name(uint32_t span) const {
    return std::string(view_.spans[span].service) + " " + std::string(view_.spans[span].operation);
  }

 private:
  // Test trees are small: recursion will do. Returns the end.
  base::UnixNanos add(const Node& node, int64_t parent, base::UnixNanos start) {
    const size_t position = view_.spans.size();
    const std::string& name = names_.emplace_back(node.name);
    const std::string_view text = name;
    const size_t blank = text.find(' ');
    view_.spans.push_back(
        {text.substr(0, blank), text.substr(blank + 1), node.kind, node.status, start, 0, parent});
    base::UnixNanos next = start + node.work, last = next - 1, end = next;
    for (const Node& child : node.calls) {
      last = child.at == kBehind   ? next
             : child.at == kBeside ? last + 1
                                   : start + static_cast<uint64_t>(child.at);
      next = add(child, static_cast<int64_t>(position), last);
      end = std::max(end, next);
    }
    view_.spans[position].end = end;
    return end;
  }

  std::deque<std::string> names_;
  TraceView view_;
};

}  // namespace testmesh::trace_diff
