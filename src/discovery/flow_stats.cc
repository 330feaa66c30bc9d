#include "discovery/flow_stats.h"

#include <algorithm>

#include "discovery/names.h"

namespace testmesh::discovery {
namespace {

// Takes `value` away as far as there is anything; false when there was less.
template <typename Number>
bool subtract(Number& from, Number value) {
  const bool enough = from >= value;
  from = enough ? from - value : 0;
  return enough;
}

uint32_t mapped(const std::vector<uint32_t>& node_map, uint32_t node) {
  if (node_map.empty()) return node;
  return node < node_map.size() ? node_map[node] : UINT32_MAX;
}

}  // namespace

void TestNames::add(std::string_view name, base::UnixNanos start) {
  if (!name.empty()) add(name, 1, start);
}

void TestNames::add(std::string_view name, uint64_t traces, base::UnixNanos last) {
  const auto place = std::ranges::lower_bound(tests_, name, {}, &Test::name);
  if (place != tests_.end() && place->name == name) {
    place->traces += traces;
    place->last = std::max(place->last, last);
    return;
  }
  tests_.insert(place, Test{std::string(name), traces, last});
  if (tests_.size() <= kMax) return;
  tests_.erase(std::ranges::min_element(tests_, {}, &Test::last));
}

void TestNames::remove(std::string_view name) {
  const auto place = std::ranges::lower_bound(tests_, name, {}, &Test::name);
  if (place != tests_.end() && place->name == name && --place->traces == 0) tests_.erase(place);
}

void TestNames::merge(const TestNames& other) {
  for (const Test& test : other.tests_) add(test.name, test.traces, test.last);
}

void TestNames::encode(std::string& out) const {
  put_varint(out, tests_.size());
  for (const Test& test : tests_) {
    put_bytes(out, test.name);
    put_varint(out, test.traces);
    put_varint(out, test.last);
  }
}

void TestNames::decode(ByteReaderView& in) {
  tests_.clear();
  const uint64_t count = in.varint();
  if (count > kMax) return in.fail();
  for (uint64_t i = 0; i < count && in.ok(); ++i) {
    Test test{.name = std::string(in.bytes()), .traces = in.varint(), .last = in.varint()};
    if (test.name.empty() || test.name.size() > kMaxTestNameBytes || test.traces == 0 ||
        test.traces > 1ULL << 62 || (i > 0 && test.name <= tests_.back().name)) {
      return in.fail();
    }
    tests_.push_back(std::move(test));
  }
}

size_t TestNames::heap_bytes() const {
  size_t bytes = tests_.capacity() * sizeof(Test);
  for (const Test& test : tests_) bytes += test.name.capacity();
  return bytes;
}

bool FlowStats::count_calls(const FlowMatch& match, const std::vector<uint32_t>& node_map,
                            std::vector<uint32_t>& calls) const {
  calls.assign(nodes.size(), 0);
  bool known = true;
  for (const Visit& visit : match.visits) {
    const uint32_t node = mapped(node_map, visit.node);
    if (node < nodes.size()) {
      ++calls[node];
    } else {
      known = false;
    }
  }
  return known;
}

void FlowStats::add(const model::TraceId& trace, TraceClass trace_class, const FlowMatch& match,
                    std::vector<uint32_t>& calls) {
  ++count_of(trace_class);
  if (trace_class == TraceClass::kTest) {
    latest_tests.add({match.start, trace});
    tests.add(match.test_name, match.start);
    return;
  }
  // With many flows every sketch lies in a line of its own that no cache holds:
  // ask for all of them before waiting for the first.
  durations.prefetch(match.duration_ns);
  for (const Visit& visit : match.visits) {
    if (visit.node >= nodes.size()) continue;
    nodes[visit.node].duration.prefetch(visit.duration_ns);
    nodes[visit.node].self.prefetch(visit.self_ns);
    nodes[visit.node].calls.prefetch(1);
  }
  duration_sum += match.duration_ns;
  durations.add(match.duration_ns);
  if (const TracePoint* last = latest.best(); last == nullptr || match.start >= last->value) {
    if (shown != match.nodes) shown = match.nodes;
  }
  latest.add({match.start, trace});
  earliest.add({match.start, trace});
  slowest.add({match.duration_ns, trace});
  if (match.error) {
    ++errors;
    latest_errors.add({match.start, trace});
  }
  CHECK(count_calls(match, {}, calls));
  for (const Visit& visit : match.visits) {
    NodeStats& node = nodes[visit.node];
    ++node.visits;
    node.errors += visit.error ? 1 : 0;
    node.duration.add(visit.duration_ns);
    node.self.add(visit.self_ns);
  }
  for (size_t i = 0; i < nodes.size(); ++i) nodes[i].calls.add(calls[i]);
  for (size_t i = 0; i < match.retries.size() && i < nodes.size(); ++i) nodes[i].retries += match.retries[i];
}

bool FlowStats::remove(const model::TraceId& trace, TraceClass trace_class, const FlowMatch& match,
                       const std::vector<uint32_t>& node_map, std::vector<uint32_t>& calls) {
  bool held = subtract(count_of(trace_class), uint64_t{1});
  if (trace_class == TraceClass::kTest) {
    latest_tests.remove({match.start, trace});
    tests.remove(match.test_name);
    if (test == 0) {
      latest_tests.clear();
      tests = {};
    }
    return held;
  }
  held &= subtract(duration_sum, Uint128{match.duration_ns});
  held &= durations.remove(match.duration_ns);
  latest.remove({match.start, trace});
  earliest.remove({match.start, trace});
  slowest.remove({match.duration_ns, trace});
  if (match.error) {
    held &= subtract(errors, uint64_t{1});
    latest_errors.remove({match.start, trace});
  }
  held &= count_calls(match, node_map, calls);
  for (const Visit& visit : match.visits) {
    const uint32_t index = mapped(node_map, visit.node);
    if (index >= nodes.size()) continue;
    NodeStats& node = nodes[index];
    held &= subtract(node.visits, uint64_t{1});
    if (visit.error) held &= subtract(node.errors, uint64_t{1});
    held &= node.duration.remove(visit.duration_ns);
    held &= node.self.remove(visit.self_ns);
  }
  for (size_t i = 0; i < nodes.size(); ++i) held &= nodes[i].calls.remove(calls[i]);
  for (size_t i = 0; i < match.retries.size(); ++i) {
    const uint32_t index = mapped(node_map, static_cast<uint32_t>(i));
    if (index < nodes.size()) held &= subtract(nodes[index].retries, uint64_t{match.retries[i]});
  }
  if (errors == 0) latest_errors.clear();
  if (traces() == 0) {
    latest.clear();
    earliest.clear();
    slowest.clear();
    shown = nullptr;
  }
  return held;
}

void FlowStats::merge(const FlowStats& other, const std::vector<uint32_t>& node_map) {
  whole += other.whole;
  partial += other.partial;
  test += other.test;
  errors += other.errors;
  duration_sum += other.duration_sum;
  durations.merge(other.durations);
  if (node_map.empty() && other.is_later_than(*this)) shown = other.shown;
  latest.merge(other.latest);
  earliest.merge(other.earliest);
  slowest.merge(other.slowest);
  latest_errors.merge(other.latest_errors);
  latest_tests.merge(other.latest_tests);
  tests.merge(other.tests);
  for (size_t i = 0; i < other.nodes.size(); ++i) {
    const uint32_t index = mapped(node_map, static_cast<uint32_t>(i));
    if (index >= nodes.size()) continue;
    NodeStats& node = nodes[index];
    const NodeStats& more = other.nodes[i];
    node.duration.merge(more.duration);
    node.self.merge(more.self);
    node.calls.merge(more.calls);
    node.visits += more.visits;
    node.errors += more.errors;
    node.retries += more.retries;
  }
}

bool FlowStats::is_later_than(const FlowStats& other) const {
  const TracePoint* const mine = latest.best();
  const TracePoint* const theirs = other.latest.best();
  return mine != nullptr && (theirs == nullptr || LargestFirst::better(*mine, *theirs));
}

void FlowStats::encode(std::string& out) const {
  put_varint(out, whole);
  put_varint(out, partial);
  put_varint(out, test);
  put_varint(out, errors);
  put_uint128(out, duration_sum);
  durations.encode(out);
  latest.encode(out);
  earliest.encode(out);
  slowest.encode(out);
  latest_errors.encode(out);
  latest_tests.encode(out);
  put_varint(out, nodes.size());
  for (const NodeStats& node : nodes) {
    node.duration.encode(out);
    node.self.encode(out);
    node.calls.encode(out);
    put_varint(out, node.visits);
    put_varint(out, node.errors);
    put_varint(out, node.retries);
  }
}

void FlowStats::decode(ByteReaderView& in) {
  whole = in.varint();
  partial = in.varint();
  test = in.varint();
  errors = in.varint();
  duration_sum = in.uint128();
  durations.decode(in);
  latest.decode(in);
  earliest.decode(in);
  slowest.decode(in);
  latest_errors.decode(in);
  latest_tests.decode(in);
  if (in.varint() != nodes.size()) in.fail();
  for (NodeStats& node : nodes) {
    node.duration.decode(in);
    node.self.decode(in);
    node.calls.decode(in);
    node.visits = in.varint();
    node.errors = in.varint();
    node.retries = in.varint();
    if (node.errors > node.visits) in.fail();
  }
  constexpr uint64_t kMostTraces = 1ULL << 62;
  if (whole > kMostTraces || partial > kMostTraces || test > kMostTraces || durations.total() != traces() ||
      errors > traces() || (latest.best() == nullptr) != (traces() == 0) ||
      (earliest.best() == nullptr) != (traces() == 0) || (slowest.best() == nullptr) != (traces() == 0)) {
    in.fail();
  }
}

size_t FlowStats::heap_bytes() const {
  size_t bytes = tests.heap_bytes() + durations.heap_bytes() + nodes.capacity() * sizeof(NodeStats) + 16;
  if (shown) bytes += shown->size() * sizeof(model::PathNode);
  for (const NodeStats& node : nodes) {
    bytes += node.duration.heap_bytes() + node.self.heap_bytes() + node.calls.heap_bytes();
  }
  return bytes;
}

}  // namespace testmesh::discovery
