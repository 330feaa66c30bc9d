// What differs between a trace and another, or a flow.
#include "trace_diff/trace_diff.h"

#include "api/flow_json.h"
#include "api/routes.h"
#include "api/span_json.h"
#include "discovery/flow_catalog.h"
#include "model/critical_path.h"
#include "model/self_time.h"
#include "trace_diff/path_diff.h"

namespace testmesh::api {
namespace {

using trace_diff::CallDiff;
using trace_diff::CallSide;
using trace_diff::Change;
using trace_diff::TraceView;

constexpr double kNanosPerMilli = 1e6;

double milliseconds(uint64_t nanos) { return static_cast<double>(nanos) / kNanosPerMilli; }
// Of two numbers that need not be in order, and may differ by more than an
// int64_t holds.
double milliseconds_between(uint64_t from, uint64_t to) {
  return to >= from ? milliseconds(to - from) : -milliseconds(from - to);
}

TraceView view_of(const store::TraceDetail& trace) {
  TraceView view;
  view.entry = entry_of(trace);
  view.spans.reserve(trace.spans.size());
  for (size_t i = 0; i < trace.spans.size(); ++i) {
    const model::Span& span = trace.spans[i];
    view.spans.push_back({model::service_name(*span.resource), trace.operations[i], span.kind, span.status,
                          span.start, span.end, trace.parent_positions[i]});
  }
  return view;
}

// A trace and how it is compared.
struct Side {
  explicit Side(const store::TraceDetail& detail) : trace(detail), view(view_of(detail)) {}
  const store::TraceDetail& trace;
  const TraceView view;

  std::string span_id(uint32_t span) const { return trace.spans[span].span_id.to_hex(); }
  double start_ms(base::UnixNanos time) const {
    return milliseconds_between(trace.spans[view.entry].start, time);
  }
};

void write_trace(JsonWriter& json, const store::TraceDetail& trace) {
  json.begin_object();
  write_trace_fields(json, trace.summary);
  json.field("path_string", discovery::path_string(trace.path)).end_object();
}

void write_side(JsonWriter& json, const Side& side, const std::optional<CallSide>& call) {
  if (!call) return json.null();
  json.begin_object();
  json.field("span_id", side.span_id(call->span))
      .field("count", call->count)
      .field("error_count", call->errors)
      .field("status", status_name(call->status));
  json.field("start_ms", side.start_ms(call->start))
      .field("duration_ms", milliseconds(call->duration_ns))
      .field("self_ms", milliseconds(call->self_ns))
      .field("critical_ms", milliseconds(call->critical_ns));
  json.end_object();
}

void write_names(JsonWriter& json, const trace_diff::SpanView& span) {
  json.field("service", span.service).field("operation", span.operation).field("kind", kind_name(span.kind));
}

void write_reasons(JsonWriter& json, std::initializer_list<std::pair<bool, std::string_view>> reasons) {
  json.key("differs_in").begin_array();
  for (const auto& [holds, name] : reasons)
    if (holds) json.string(name);
  json.end_array();
}

const trace_diff::SpanView& span_of(const CallDiff& call, const Side& left, const Side& right) {
  return call.right ? right.view.spans[call.right->span] : left.view.spans[call.left->span];
}

void write_call(JsonWriter& json, const CallDiff& call, const Side& left, const Side& right) {
  const auto delta = [&](uint64_t CallSide::* time) {
    return milliseconds_between(call.left ? *call.left.*time : 0, call.right ? *call.right.*time : 0);
  };
  json.begin_object().field("change", to_string(call.change));
  write_reasons(json, {{call.other_count, "count"},
                       {call.other_status, "status"},
                       {call.other_parent, "parent"},
                       {call.other_order, "order"}});
  json.field("depth", call.depth);
  write_names(json, span_of(call, left, right));
  json.key("left");
  write_side(json, left, call.left);
  json.key("right");
  write_side(json, right, call.right);
  json.field("delta_ms", delta(&CallSide::duration_ns))
      .field("self_delta_ms", delta(&CallSide::self_ns))
      .field("critical_delta_ms", delta(&CallSide::critical_ns));
  json.key("moved_from");
  if (call.left_parent) {
    const trace_diff::SpanView& parent = left.view.spans[*call.left_parent];
    json.begin_object().field("span_id", left.span_id(*call.left_parent));
    json.field("service", parent.service).field("operation", parent.operation).end_object();
  } else {
    json.null();
  }
  json.end_object();
}

void write_node_names(JsonWriter& json, const model::PathNode& node) {
  json.field("type", model::to_string(node.type)).field("identifier", node.identifier);
}

void write_path_diff(JsonWriter& json, const trace_diff::PathDiff& diff,
                     const std::vector<model::PathNode>& left, const std::vector<model::PathNode>& right) {
  json.key("path").begin_array();
  for (const trace_diff::NodeDiff& node : diff.nodes) {
    const model::PathNode& shown = node.in_right() ? right[node.right] : left[node.left];
    json.begin_object().field("change", to_string(node.change));
    write_node_names(json, shown);
    json.field("service", shown.service).key("left_service");
    if (node.in_left())
      json.string(left[node.left].service);
    else
      json.null();
    json.end_object();
  }
  json.end_array();
}

void write_contributions(JsonWriter& json, const trace_diff::TraceDiff& diff, const Side& left,
                         const Side& right) {
  json.key("contributions").begin_array();
  for (const uint32_t row : diff.contributions) {
    const CallDiff& call = diff.rows[row];
    json.begin_object().field("span", row).field("change", to_string(call.change));
    write_names(json, span_of(call, left, right));
    json.field("left_critical_ms", milliseconds(call.left_critical_ns()))
        .field("right_critical_ms", milliseconds(call.right_critical_ns()))
        .field("delta_ms", milliseconds_between(call.left_critical_ns(), call.right_critical_ns()));
    json.end_object();
  }
  json.end_array();
}

void write_segments(JsonWriter& json, const char* name, const std::vector<model::CriticalSegment>& segments,
                    const Side& side) {
  json.key(name).begin_array();
  for (const model::CriticalSegment& segment : segments) {
    const trace_diff::SpanView& span = side.view.spans[segment.span];
    json.begin_object().field("span_id", side.span_id(segment.span));
    json.field("service", span.service).field("operation", span.operation);
    json.field("start_ms", side.start_ms(segment.start))
        .field("duration_ms", milliseconds(segment.end - segment.start));
    json.end_object();
  }
  json.end_array();
}

std::string diff_with_trace(const store::TraceDetail& left_trace, const store::TraceDetail& right_trace) {
  const Side left(left_trace), right(right_trace);
  const trace_diff::TraceDiff diff = trace_diff::diff(left.view, right.view);
  const trace_diff::PathDiff path = trace_diff::diff_paths(left_trace.path, right_trace.path);
  std::string body;
  JsonWriter json(body);
  json.begin_object().field("kind", "trace").key("left");
  write_trace(json, left_trace);
  json.key("right");
  write_trace(json, right_trace);
  json.field("same_path",
             discovery::path_string(left_trace.path) == discovery::path_string(right_trace.path));
  json.field("duration_delta_ms", milliseconds_between(diff.left_duration_ns, diff.right_duration_ns));
  json.key("summary").begin_object();
  json.field("same", diff.summary.same).field("added", diff.summary.added);
  json.field("removed", diff.summary.removed).field("moved", diff.summary.moved);
  json.field("changed", diff.summary.changed).end_object();
  json.field("truncated", diff.truncated || path.truncated);
  json.key("spans").begin_array();
  for (const CallDiff& call : diff.rows) write_call(json, call, left, right);
  json.end_array();
  write_path_diff(json, path, left_trace.path, right_trace.path);
  write_contributions(json, diff, left, right);
  json.key("critical_path").begin_object();
  write_segments(json, "left", diff.left_critical_path, left);
  write_segments(json, "right", diff.right_critical_path, right);
  json.end_object().end_object();
  return body;
}

// ---- Against a flow ------------------------------------------------------------

std::vector<trace_diff::NodeVisits> visits_of(const store::TraceDetail& trace) {
  std::vector<trace_diff::NodeVisits> visits(trace.path.size());
  for (const store::PathVisit& visit : trace.visits) {
    const model::Span& span = trace.spans[visit.span];
    visits[visit.node].add(visit.span, model::duration_of(span.start, span.end), trace.self_ns[visit.span],
                           span.status == model::StatusCode::kError);
  }
  return visits;
}

struct FlowNode {
  trace_diff::NodeDiff place;  // left: the flow's, right: the trace's
  trace_diff::NodeFinding finding;
  std::string_view change;
};

std::string_view change_against_flow(const trace_diff::NodeDiff& place,
                                     const trace_diff::NodeFinding& finding) {
  switch (place.change) {
    case Change::kAdded:
      return "unexpected";
    case Change::kRemoved:
      return "missing";
    case Change::kMoved:
      return "moved";
    case Change::kChanged:
      return "changed";
    case Change::kSame:
      break;
  }
  return finding.any() ? "changed" : "same";
}

void write_flow_node_diff(JsonWriter& json, const FlowNode& node, const store::TraceDetail& trace,
                          const trace_diff::NodeVisits* visits, const discovery::FlowDetail& flow) {
  const std::vector<model::PathNode>& expected = flow.summary.nodes;
  const model::PathNode& shown = visits ? trace.path[node.place.right] : expected[node.place.left];
  const bool both = visits && node.place.in_left();
  json.begin_object().field("change", node.change);
  write_reasons(json, {{node.place.change == Change::kMoved, "order"},
                       {both && expected[node.place.left].service != shown.service, "service"},
                       {node.finding.slower, "slower"},
                       {node.finding.self_slower, "self_slower"},
                       {node.finding.more_calls, "more_calls"},
                       {node.finding.failed, "failed"}});
  write_node_names(json, shown);
  json.field("service", shown.service).key("trace");
  if (visits) {
    json.begin_object().field("calls", visits->calls).field("error_count", visits->errors);
    json.field("max_ms", milliseconds(visits->longest_ns))
        .field("max_self_ms", milliseconds(visits->longest_self_ns));
    json.key("slowest_span_id");
    if (visits->calls > 0)
      json.string(trace.spans[visits->longest].span_id.to_hex());
    else
      json.null();
    json.end_object();
  } else {
    json.null();
  }
  json.key("flow");
  if (node.place.in_left())
    write_flow_node(json, expected[node.place.left], flow.nodes[node.place.left]);
  else
    json.null();
  json.key("over_p95_ms");
  if (node.finding.slower)
    json.number(milliseconds(visits->longest_ns) - flow.nodes[node.place.left].p95_ms);
  else
    json.null();
  json.end_object();
}

std::string diff_with_flow(const store::TraceDetail& trace, const discovery::FlowDetail& flow) {
  const Side side(trace);
  const std::vector<trace_diff::NodeVisits> visits = visits_of(trace);
  const trace_diff::PathDiff path = trace_diff::diff_paths(flow.summary.nodes, trace.path);
  std::vector<FlowNode> nodes;
  std::map<std::string_view, uint64_t> count;
  for (const trace_diff::NodeDiff& place : path.nodes) {
    FlowNode& node = nodes.emplace_back();
    node.place = place;
    if (place.in_left() && place.in_right()) {
      const discovery::NodeSummary& usual = flow.nodes[place.left];
      node.finding = trace_diff::judge(visits[place.right], {.calls_max = usual.calls_max,
                                                             .p95_ms = usual.p95_ms,
                                                             .self_p95_ms = usual.self_ms_p95,
                                                             .error_rate = usual.error_rate});
    }
    node.change = change_against_flow(place, node.finding);
    ++count[node.change];
  }
  std::string body;
  JsonWriter json(body);
  json.begin_object().field("kind", "flow").key("left");
  write_trace(json, trace);
  json.key("flow");
  write_flow(json, flow.summary);
  json.field("same_path", discovery::path_string(trace.path) == discovery::path_string(flow.summary.nodes));
  json.field("duration_delta_ms", milliseconds(trace.summary.duration_ns) - flow.summary.avg_duration_ms);
  json.field("slower", trace_diff::slower_than(flow.summary.p95_duration_ms, trace.summary.duration_ns));
  json.key("summary").begin_object();
  for (const std::string_view change : {"same", "missing", "unexpected", "moved", "changed"})
    json.field(change, count[change]);
  json.end_object().field("truncated", path.truncated);
  json.key("nodes").begin_array();
  for (const FlowNode& node : nodes)
    write_flow_node_diff(json, node, trace, node.place.in_right() ? &visits[node.place.right] : nullptr,
                         flow);
  json.end_array();
  std::vector<model::TimedSpan> times;
  times.reserve(side.view.spans.size());
  for (const trace_diff::SpanView& span : side.view.spans)
    times.push_back({span.start, span.end, span.parent});
  json.key("critical_path").begin_object();
  write_segments(json, "left", model::critical_path(times, side.view.entry), side);
  json.end_object().end_object();
  return body;
}

}  // namespace

Answer diff_trace(Context& context, const Call& call) {
  TRY_ASSIGN(const model::TraceId id, trace_id_of(call.path_values[1]));
  const auto with = text_of(call, "with");
  const auto other = with ? model::TraceId::parse(*with) : std::nullopt;
  const auto flow_id = with ? model::FlowId::parse(*with) : std::nullopt;
  if (!other && !flow_id)
    return std::unexpected(bad_parameter(
        "with", "`with` must be the id of a trace (32 hexadecimal digits) or of a flow (a UUID)"));
  TRY_ASSIGN(const auto trace, context.store.trace(call.workspace->id, id));
  if (!trace) return std::unexpected(not_found("There is no such trace in this workspace"));
  Reply reply;
  if (flow_id) {
    const auto flow = context.store.flow(call.workspace->id, *flow_id);
    if (!flow) return std::unexpected(not_found("There is no flow of the id in `with` in this workspace"));
    reply.body = diff_with_flow(*trace, *flow);
    return reply;
  }
  TRY_ASSIGN(const auto right, context.store.trace(call.workspace->id, *other));
  if (!right) return std::unexpected(not_found("There is no trace of the id in `with` in this workspace"));
  reply.body = diff_with_trace(*trace, *right);
  return reply;
}

}  // namespace testmesh::api
