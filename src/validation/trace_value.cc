#include "validation/trace_value.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>

#include "base/hex.h"
#include "discovery/flow_catalog.h"
#include "model/sibling_order.h"
#include "validation/attribute_names.h"
#include "validation/span_value.h"

namespace testmesh::validation {
namespace {

using expr::List;
using expr::Map;
using expr::Record;
using expr::Value;

constexpr uint32_t kNoPosition = UINT32_MAX;
// Selectors within loops may cost the trace's length each: some seconds in all.
constexpr uint64_t kMostLookedAt = 1'000'000'000;

const std::vector<std::string_view> kTraceMembers = {"id",          "spans",     "services",    "span_count",
                                                     "error_count", "has_error", "duration_ms", "path",
                                                     "fingerprint", "complete"};
const std::vector<std::string_view> kTraceMethods = {"span", "spans_of", "calls", "reaches", "before"};

std::string wrong_selector(const Value& selector) {
  return "expected a service name, \"service/operation\" or a map of attributes, found " +
         expr::describe(selector);
}

}  // namespace

// ---- The index ----------------------------------------------------------------

// Positions are those of detail.spans unless said otherwise.
struct TraceIndex::Impl : std::enable_shared_from_this<TraceIndex::Impl> {
  std::shared_ptr<const store::TraceDetail> detail;
  std::vector<uint32_t> order;                  // all spans in path order
  std::vector<uint32_t> place;                  // position -> index into `order`
  std::vector<uint32_t> subtree_end;            // by place: behind the last of its subtree
  std::vector<bool> runner;                     // by position: the runner's own
  std::vector<Value> services, operations;      // by position; equal ones share their text
  std::vector<std::vector<uint32_t>> children;  // by position, in path order

  void build();
  bool is_descendant(uint32_t position, uint32_t ancestor) const {
    return place[position] > place[ancestor] && place[position] < subtree_end[place[ancestor]];
  }
};

namespace {

using Impl = TraceIndex::Impl;

class SpanRecord;

// What one scope sees.
struct View : std::enable_shared_from_this<View> {
  std::shared_ptr<const Impl> index;
  TraceScope scope;
  std::vector<uint32_t> spans;                                   // positions, in path order
  std::vector<bool> visible;                                     // by position
  std::vector<uint32_t> depth;                                   // by position
  mutable std::atomic<uint64_t> looked_at{0};                    // spans, by all selectors so far
  std::map<std::string_view, std::vector<uint32_t>> by_service;  // positions, in path order
  std::vector<SpanRecord> records;                               // by position; shared by address
  base::UnixNanos zero = 0;

  const store::TraceDetail& detail() const { return *index->detail; }
  Value record(uint32_t position) const;
  Value span_list() const;
  // The parent among `spans`; kNoPosition: none.
  uint32_t parent(uint32_t position) const {
    const int64_t up = detail().parent_positions[position];
    return up >= 0 && visible[static_cast<size_t>(up)] ? static_cast<uint32_t>(up) : kNoPosition;
  }
  base::Result<void> charge(size_t count) const;
  base::Result<std::vector<uint32_t>> select(const Value& selector, bool first_only = false) const;
  std::vector<model::PathNode> path() const;
};

class SpanRecord final : public Record {
 public:
  SpanRecord(const View* view, uint32_t position) : view_(view), position_(position) {}

  std::string_view type_name() const override { return "span"; }
  std::vector<std::string_view> members() const override { return span_members(); }
  bool member(std::string_view name, Value& out) const override;
  bool same_as(const Record& other) const override {
    const auto* span = dynamic_cast<const SpanRecord*>(&other);
    return span && span->position_ == position_ && span->view_->index == view_->index;
  }

 private:
  const View* view_;
  uint32_t position_;
};

bool SpanRecord::member(std::string_view name, Value& out) const {
  const store::TraceDetail& detail = view_->detail();
  if (name == "service") {
    out = view_->index->services[position_];
  } else if (name == "operation") {
    out = view_->index->operations[position_];
  } else if (name == "self_ms") {
    out = milliseconds(detail.self_ns[position_]);
  } else if (name == "parent") {
    const uint32_t parent = view_->parent(position_);
    out = parent == kNoPosition ? Value::absent_record() : view_->record(parent);
  } else if (name == "children") {
    List list;
    for (const uint32_t child : view_->index->children[position_])
      if (view_->visible[child]) list.push_back(view_->record(child));
    out = std::move(list);
  } else if (name == "child_count") {
    out = static_cast<int64_t>(std::ranges::count_if(view_->index->children[position_],
                                                     [&](uint32_t child) { return view_->visible[child]; }));
  } else if (name == "depth") {
    out = int64_t{view_->depth[position_]};
  } else {
    return own_member(detail.spans[position_], name, view_->shared_from_this(), view_->zero, out);
  }
  return true;
}

Value View::record(uint32_t position) const {
  return std::shared_ptr<const Record>(shared_from_this(), &records[position]);
}

Value View::span_list() const {
  List all;
  all.reserve(spans.size());
  for (const uint32_t position : spans) all.push_back(record(position));
  return all;
}

base::Result<void> View::charge(size_t count) const {
  if (looked_at.fetch_add(count, std::memory_order_relaxed) <= kMostLookedAt) return {};
  return base::fail(base::ErrorCode::kTooLarge,
                    "too many selectors over a trace of " + std::to_string(spans.size()) +
                        " spans: select once, with `let`, what is asked for again and again");
}

// "service", "service/operation" (also by the span's name), or a map whose
// entries are attributes, else members of a span.
base::Result<std::vector<uint32_t>> View::select(const Value& selector, bool first_only) const {
  const store::TraceDetail& trace = detail();
  std::vector<uint32_t> found;
  if (selector.kind() == expr::Kind::kString) {
    const std::string_view text = selector.as_string();
    size_t services = 0;
    for (const auto& [service, positions] : by_service) {
      if (!text.starts_with(service)) continue;
      const bool whole = text.size() == service.size();
      if (!whole && text[service.size()] != '/') continue;
      const std::string_view operation = whole ? std::string_view() : text.substr(service.size() + 1);
      TRY(charge(positions.size()));
      ++services;
      for (const uint32_t position : positions)
        if (whole || operation == trace.operations[position] || operation == trace.spans[position].name)
          found.push_back(position);
    }
    if (services > 1)  // a name with a slash, and what stands before it
      std::ranges::sort(found, {}, [&](uint32_t position) { return index->place[position]; });
    if (first_only && found.size() > 1) found.resize(1);
    return found;
  }
  if (selector.kind() != expr::Kind::kMap)
    return base::fail(base::ErrorCode::kInvalidArgument, wrong_selector(selector));
  for (const auto& [key, wanted] : selector.as_map())
    if (key.kind() != expr::Kind::kString)
      return base::fail(base::ErrorCode::kInvalidArgument, wrong_selector(selector));
  TRY(charge(spans.size()));
  for (const uint32_t position : spans) {
    const model::Span& span = trace.spans[position];
    const bool fits = std::ranges::all_of(selector.as_map(), [&](const auto& entry) {
      const std::string_view key = entry.first.as_string();
      if (const model::Value* value = find_by_any_name(span.attributes, key))
        return value_of(*value) == entry.second;
      Value member;
      const bool comparable = key == "service" || key == "operation" || key == "name" || key == "kind" ||
                              key == "status" || key == "status_code";
      if (comparable && records[position].member(key, member)) return member == entry.second;
      return entry.second.is_nil();
    });
    if (!fits) continue;
    found.push_back(position);
    if (first_only) break;
  }
  return found;
}

std::vector<model::PathNode> View::path() const {
  const store::TraceDetail& trace = detail();
  if (!scope.under) return trace.path;
  std::vector<model::PathNode> nodes;
  for (const store::PathPart& part : trace.parts) {
    if (std::ranges::none_of(part.entries, [&](uint32_t entry) { return visible[entry]; })) continue;
    nodes.insert(nodes.end(), trace.path.begin() + part.first_node,
                 trace.path.begin() + part.first_node + part.nodes);
  }
  return nodes;
}

class TraceRecord final : public Record {
 public:
  explicit TraceRecord(std::shared_ptr<const View> view) : view_(std::move(view)) {}

  std::string_view type_name() const override { return "trace"; }
  std::vector<std::string_view> members() const override { return kTraceMembers; }
  std::vector<std::string_view> methods() const override { return kTraceMethods; }
  bool member(std::string_view name, Value& out) const override;
  bool call(std::string_view name, const List& args, base::Result<Value>& out) const override;
  bool same_as(const Record& other) const override {
    const auto* trace = dynamic_cast<const TraceRecord*>(&other);
    return trace && trace->view_->index == view_->index && trace->view_->scope.under == view_->scope.under;
  }

 private:
  int64_t errors() const {
    return std::ranges::count_if(view_->spans, [&](uint32_t position) {
      return view_->detail().spans[position].status == model::StatusCode::kError;
    });
  }
  Value duration() const;
  bool calls(const std::vector<uint32_t>& from, const std::vector<uint32_t>& to) const;
  base::Result<Value> relation(std::string_view name, const List& args) const;

  std::shared_ptr<const View> view_;
  mutable std::once_flag listed_;
  mutable Value list_;
};

Value TraceRecord::duration() const {
  const store::TraceDetail& trace = view_->detail();
  const bool whole = !view_->scope.is_run && !view_->scope.under && !trace.summary.is_test_generated;
  if (whole) return milliseconds(trace.summary.duration_ns);
  base::UnixNanos first = UINT64_MAX, last = 0;
  for (const uint32_t position : view_->spans) {
    first = std::min(first, trace.spans[position].start);
    last = std::max(last, trace.spans[position].end);
  }
  return milliseconds(last > first ? last - first : 0);
}

bool TraceRecord::member(std::string_view name, Value& out) const {
  const store::TraceDetail& trace = view_->detail();
  if (name == "spans") {
    std::call_once(listed_, [&] { list_ = view_->span_list(); });
    out = list_;
  } else if (name == "id") {
    out = trace.summary.trace_id.to_hex();
  } else if (name == "span_count") {
    out = static_cast<int64_t>(view_->spans.size());
  } else if (name == "error_count") {
    out = errors();
  } else if (name == "has_error") {
    out = errors() > 0;
  } else if (name == "services") {
    std::set<std::string_view> names;
    for (const uint32_t position : view_->spans)
      names.insert(model::service_name(*trace.spans[position].resource));
    out = List(names.begin(), names.end());
  } else if (name == "duration_ms") {
    out = duration();
  } else if (name == "path") {
    out = discovery::path_string(view_->path());
  } else if (name == "fingerprint") {
    out = base::to_hex(discovery::fingerprint_of(discovery::path_string(view_->path())));
  } else if (name == "complete") {
    out = view_->scope.complete;
  } else {
    return false;
  }
  return true;
}

bool TraceRecord::call(std::string_view name, const List& args, base::Result<Value>& out) const {
  if (std::ranges::find(kTraceMethods, name) == kTraceMethods.end()) return false;
  const size_t wanted = name == "span" || name == "spans_of" ? 1 : 2;
  if (args.size() != wanted) {
    out = base::fail(base::ErrorCode::kInvalidArgument,
                     "trace." + std::string(name) +
                         (wanted == 1 ? " takes one selector" : " takes two selectors") + ", found " +
                         std::to_string(args.size()));
    return true;
  }
  if (wanted == 2) {
    out = relation(name, args);
    return true;
  }
  const auto found = view_->select(args[0], name == "span");
  if (!found) {
    out = std::unexpected(found.error());
  } else if (name == "span") {
    out = found->empty() ? Value::absent_record() : view_->record(found->front());
  } else {
    List list;
    list.reserve(found->size());
    for (const uint32_t position : *found) list.push_back(view_->record(position));
    out = Value(std::move(list));
  }
  return true;
}

// Some of `to` hangs below some of `from` with nobody else's span in between: up
// from each callee, first through its own spans, then through one caller's, in
// which the callee's may lie.
bool TraceRecord::calls(const std::vector<uint32_t>& from, const std::vector<uint32_t>& to) const {
  const store::TraceDetail& trace = view_->detail();
  std::vector<bool> is_from(trace.spans.size(), false);
  for (const uint32_t a : from) is_from[a] = true;
  // From here, in this state and for this callee, the search was in vain.
  std::set<std::tuple<uint32_t, std::string_view, bool>> tried;
  for (const uint32_t b : to) {
    const std::string_view callee = model::service_name(*trace.spans[b].resource);
    std::string_view caller = callee;
    for (int64_t at = trace.parent_positions[b]; at >= 0;
         at = trace.parent_positions[static_cast<size_t>(at)]) {
      const auto up = static_cast<uint32_t>(at);
      const std::string_view service = model::service_name(*trace.spans[up].resource);
      if (service != callee) {
        if (caller != callee && service != caller) break;
        caller = service;
      }
      if (is_from[up] && service == caller) return true;
      if (!tried.emplace(up, callee, caller == callee).second) break;
    }
  }
  return false;
}

base::Result<Value> TraceRecord::relation(std::string_view name, const List& args) const {
  TRY_ASSIGN(const std::vector<uint32_t> from, view_->select(args[0]));
  TRY_ASSIGN(const std::vector<uint32_t> to, view_->select(args[1]));
  if (from.empty() || to.empty()) return Value(false);
  const Impl& index = *view_->index;
  const store::TraceDetail& trace = view_->detail();
  if (name == "before") {
    // The first of each to start; one had ended, or led to the other.
    const auto by_start = [&](uint32_t a, uint32_t b) { return trace.spans[a].start < trace.spans[b].start; };
    const uint32_t a = *std::ranges::min_element(from, by_start), b = *std::ranges::min_element(to, by_start);
    if (a == b) return Value(false);
    return Value(index.is_descendant(b, a) ||
                 trace.spans[a].end <= model::counted_start(trace.spans[b].start));
  }
  if (name == "reaches") {
    // By place: some of `to` within the subtree of some of `from`.
    for (const uint32_t a : from) {
      const auto next = std::ranges::upper_bound(to, index.place[a], {},
                                                 [&](uint32_t position) { return index.place[position]; });
      if (next != to.end() && index.place[*next] < index.subtree_end[index.place[a]]) return Value(true);
    }
    return Value(false);
  }
  return Value(calls(from, to));
}

}  // namespace

// Path order: as detail.spans stand, but siblings that have nodes below them in
// the order of these nodes (concurrent ones stand by their start there).
void TraceIndex::Impl::build() {
  const size_t count = detail->spans.size();
  std::unordered_map<const model::Resource*, Value> service_of;
  std::unordered_map<std::string_view, Value> text_of;
  services.reserve(count);
  operations.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    const model::Resource* resource = detail->spans[i].resource.get();
    const auto [service, is_new] = service_of.try_emplace(resource);
    if (is_new) service->second = model::service_name(*resource);
    services.push_back(service->second);
    const std::string_view name = detail->operations[i];
    const auto [operation, is_new_name] = text_of.try_emplace(name);
    if (is_new_name) operation->second = name;
    operations.push_back(operation->second);
  }
  constexpr uint32_t kNoNode = UINT32_MAX;
  std::vector<uint32_t> node(count, kNoNode);  // the first of the subtree
  for (const store::PathVisit& visit : detail->visits)
    node[visit.span] = std::min(node[visit.span], visit.node);
  for (size_t i = count; i-- > 0;)
    if (const int64_t parent = detail->parent_positions[i]; parent >= 0)
      node[static_cast<size_t>(parent)] = std::min(node[static_cast<size_t>(parent)], node[i]);
  children.resize(count);
  std::vector<uint32_t> tops;
  for (uint32_t i = 0; i < count; ++i) {
    const int64_t parent = detail->parent_positions[i];
    (parent >= 0 ? children[static_cast<size_t>(parent)] : tops).push_back(i);
  }
  const auto sort_siblings = [&](std::vector<uint32_t>& siblings) {
    std::vector<uint32_t> with_nodes;
    for (const uint32_t sibling : siblings)
      if (node[sibling] != kNoNode) with_nodes.push_back(sibling);
    std::ranges::stable_sort(with_nodes, {}, [&](uint32_t sibling) { return node[sibling]; });
    auto next = with_nodes.begin();
    for (uint32_t& sibling : siblings)
      if (node[sibling] != kNoNode) sibling = *next++;
  };
  sort_siblings(tops);
  for (std::vector<uint32_t>& siblings : children) sort_siblings(siblings);

  place.resize(count);
  subtree_end.resize(count);
  order.reserve(count);
  std::vector<std::pair<uint32_t, uint32_t>> open;  // a span, how many of its children are done
  const auto enter = [&](uint32_t position) {
    place[position] = static_cast<uint32_t>(order.size());
    order.push_back(position);
    open.emplace_back(position, 0);
  };
  for (const uint32_t top : tops) {
    enter(top);
    while (!open.empty()) {
      auto& [position, done] = open.back();
      if (done < children[position].size()) {
        enter(children[position][done++]);
      } else {
        subtree_end[place[position]] = static_cast<uint32_t>(order.size());
        open.pop_back();
      }
    }
  }

  // The runner's: test spans of the entry's service, from the top down.
  runner.assign(count, false);
  if (count == 0 || !detail->summary.is_test_generated) return;
  const std::string_view service = model::service_name(*detail->spans[order[0]].resource);
  for (uint32_t at = 0; at < count;) {
    const model::Span& span = detail->spans[order[at]];
    if (model::is_test_generated(span) && model::service_name(*span.resource) == service) {
      runner[order[at]] = true;
      ++at;
    } else {
      at = subtree_end[at];
    }
  }
}

namespace {

std::shared_ptr<const View> make_view(std::shared_ptr<const Impl> index, const TraceScope& scope) {
  auto view = std::make_shared<View>();
  view->scope = scope;
  const store::TraceDetail& detail = *index->detail;
  const auto count = static_cast<uint32_t>(detail.spans.size());
  uint32_t begin = 0, end = count;
  if (scope.under) {
    const auto found = std::ranges::find(detail.spans, *scope.under, &model::Span::span_id);
    if (found == detail.spans.end()) {
      begin = end = 0;
    } else {
      begin = index->place[static_cast<size_t>(found - detail.spans.begin())];
      end = index->subtree_end[begin];
    }
  }
  view->visible.assign(count, false);
  for (uint32_t at = begin; at < end; ++at) {
    const uint32_t position = index->order[at];
    if (index->runner[position]) continue;
    view->spans.push_back(position);
    view->visible[position] = true;
    view->by_service[model::service_name(*detail.spans[position].resource)].push_back(position);
  }
  if (!view->spans.empty()) view->zero = detail.spans[view->spans.front()].start;
  view->depth.assign(count, 0);
  for (const uint32_t position : view->spans)
    if (const int64_t up = detail.parent_positions[position];
        up >= 0 && view->visible[static_cast<size_t>(up)])
      view->depth[position] = view->depth[static_cast<size_t>(up)] + 1;
  view->records.reserve(count);
  for (uint32_t i = 0; i < count; ++i) view->records.emplace_back(view.get(), i);
  view->index = std::move(index);
  return view;
}

}  // namespace

TraceIndex::TraceIndex(std::shared_ptr<const store::TraceDetail> detail) {
  auto impl = std::make_shared<Impl>();
  impl->detail = std::move(detail);
  impl->build();
  impl_ = std::move(impl);
}

TraceIndex::~TraceIndex() = default;

const store::TraceDetail& TraceIndex::detail() const { return *impl_->detail; }

Value TraceIndex::trace(const TraceScope& scope) const {
  return std::shared_ptr<const Record>(std::make_shared<TraceRecord>(make_view(impl_, scope)));
}

base::Result<std::vector<uint32_t>> TraceIndex::select(const Value& selector, const TraceScope& scope) const {
  return make_view(impl_, scope)->select(selector);
}

Value TraceIndex::span(uint32_t position) const { return make_view(impl_, {})->record(position); }

}  // namespace testmesh::validation
