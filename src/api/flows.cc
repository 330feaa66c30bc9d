// Discovered flows.
#include <algorithm>

#include "api/flow_json.h"
#include "api/flow_query.h"
#include "api/routes.h"
#include "api/trace_query.h"

namespace testmesh::api {
namespace {

using discovery::FlowSort;

constexpr std::pair<std::string_view, FlowSort> kSorts[] = {
    {"risk_score", FlowSort::kRiskScore},          {"occurrence_count", FlowSort::kOccurrenceCount},
    {"error_rate", FlowSort::kErrorRate},          {"last_seen_at", FlowSort::kLastSeenAt},
    {"avg_duration_ms", FlowSort::kAvgDurationMs}, {"p95_duration_ms", FlowSort::kP95DurationMs},
};

std::expected<discovery::FlowQuery, Failure> flow_query_of(const Call& call) {
  TRY_ASSIGN(discovery::FlowQuery query, flow_filters_of(call));
  if (const std::string* sort = call.query("sort")) {
    const auto* known =
        std::ranges::find(kSorts, std::string_view(*sort), [](const auto& entry) { return entry.first; });
    if (known == std::end(kSorts))
      return std::unexpected(
          bad_parameter("sort",
                        "`sort` must be risk_score, occurrence_count, error_rate, last_seen_at, "
                        "avg_duration_ms or p95_duration_ms"));
    query.sort = known->second;
  }
  if (const std::string* order = call.query("order")) {
    if (*order != "asc" && *order != "desc")
      return std::unexpected(bad_parameter("order", "`order` must be asc or desc"));
    query.descending = *order == "desc";
  }
  TRY_ASSIGN(query.drifted, bool_of(call, "drifted"));
  return query;
}

Failure no_flow() { return not_found("There is no such flow in this workspace"); }

}  // namespace

std::expected<discovery::FlowQuery, Failure> flow_filters_of(const Call& call) {
  discovery::FlowQuery query;
  TRY_ASSIGN(query.covered, bool_of(call, "covered"));
  query.service = text_of(call, "service");
  query.entry_service = text_of(call, "entry_service");
  if (const std::string* environment = call.query("environment")) query.environment = *environment;
  query.name_part = text_of(call, "q");
  TRY_ASSIGN(const auto min_occurrences, unsigned_of(call, "min_occurrences"));
  query.min_occurrences = min_occurrences.value_or(0);
  TRY_ASSIGN(const auto min_risk, share_of(call, "min_risk"));
  query.min_risk = min_risk.value_or(0);
  TRY_ASSIGN(query.limit, limit_of(call));
  query.cursor = cursor_of(call);
  return query;
}

Answer list_flows(Context& context, const Call& call) {
  TRY_ASSIGN(const discovery::FlowQuery query, flow_query_of(call));
  TRY_ASSIGN(const discovery::FlowPage page, context.store.flows(call.workspace->id, query));
  Reply reply;
  JsonWriter json(reply.body);
  json.begin_object().key("flows").begin_array();
  for (const auto& flow : page.flows) write_flow(json, flow);
  json.end_array();
  write_page_end(json, page.total, page.next_cursor);
  json.field("partial_traces", page.partial_traces).end_object();
  return reply;
}

Answer show_flow(Context& context, const Call& call) {
  TRY_ASSIGN(const model::FlowId id, flow_id_of(call.path_values[1]));
  const auto flow = context.store.flow(call.workspace->id, id);
  if (!flow) return std::unexpected(no_flow());
  Reply reply;
  JsonWriter json(reply.body);
  write_flow_detail(json, *flow);
  return reply;
}

Answer list_flow_variants(Context& context, const Call& call) {
  TRY_ASSIGN(const model::FlowId id, flow_id_of(call.path_values[1]));
  const auto variants = context.store.flow_variants(call.workspace->id, id);
  if (variants.empty()) return std::unexpected(no_flow());
  TRY_ASSIGN(const size_t limit, limit_of(call));
  // Most frequent first, and counts move: a page says where to go on by its
  // last flow's id.
  size_t begin = 0;
  if (const std::string cursor = cursor_of(call); !cursor.empty()) {
    const auto last =
        std::ranges::find(variants, cursor, [](const auto& flow) { return flow.flow->id.to_string(); });
    if (last == variants.end())
      return std::unexpected(bad_parameter("cursor", "`cursor` is none that this list gave as next_cursor"));
    begin = static_cast<size_t>(last - variants.begin()) + 1;
  }
  const size_t end = std::min(variants.size(), begin + limit);
  Reply reply;
  JsonWriter json(reply.body);
  json.begin_object().key("variants").begin_array();
  for (size_t i = begin; i < end; ++i) write_flow(json, variants[i]);
  json.end_array();
  write_page_end(
      json, variants.size(),
      end < variants.size() ? std::optional(variants[end - 1].flow->id.to_string()) : std::nullopt);
  json.end_object();
  return reply;
}

Answer list_flow_traces(Context& context, const Call& call) {
  TRY_ASSIGN(const model::FlowId id, flow_id_of(call.path_values[1]));
  const auto flow = context.store.flow(call.workspace->id, id);
  if (!flow) return std::unexpected(no_flow());
  TRY_ASSIGN(store::TraceQuery query, trace_query_of(call));
  query.flow = flow->summary.flow->id;
  return trace_page_reply(context.store.search_traces(call.workspace->id, query));
}

Answer show_flow_histogram(Context& context, const Call& call) {
  TRY_ASSIGN(const model::FlowId id, flow_id_of(call.path_values[1]));
  const auto histogram = context.store.flow_histogram(call.workspace->id, id);
  if (!histogram) return std::unexpected(no_flow());
  Reply reply;
  JsonWriter json(reply.body);
  write_histogram(json, *histogram);
  return reply;
}

}  // namespace testmesh::api
