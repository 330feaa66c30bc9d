// Flows against tests: what to test next.
#include "discovery/coverage.h"

#include "api/flow_query.h"
#include "api/routes.h"
#include "base/hex.h"

namespace testmesh::api {
namespace {

void write_coverage(JsonWriter& json, const discovery::FlowSummary& flow, uint64_t all_traces,
                    base::UnixNanos now) {
  json.begin_object().field("flow_id", flow.flow->id.to_string()).field("name", flow.name);
  json.field("environment", flow.flow->family.environment);
  json.field("fingerprint", base::to_hex(flow.flow->fingerprint));
  json.field("covered", discovery::is_covered(flow)).field("test_count", flow.test_count);
  json.key("last_tested_at");
  flow.last_tested ? json.string(base::to_rfc3339(*flow.last_tested)) : json.null();
  json.key("tests").begin_array();
  for (const std::string& test : flow.tests) json.string(test);
  json.end_array().field("risk_score", flow.risk_score);
  json.field("why", discovery::coverage_reason(flow, all_traces, now)).end_object();
}

}  // namespace

Answer list_coverage(Context& context, const Call& call) {
  TRY_ASSIGN(discovery::FlowQuery query, flow_filters_of(call));
  query.sort = discovery::FlowSort::kCoverage;
  TRY_ASSIGN(const discovery::FlowPage page, context.store.flows(call.workspace->id, query));
  Reply reply;
  JsonWriter json(reply.body);
  json.begin_object().key("coverage").begin_array();
  const base::UnixNanos now = base::system_clock().now();
  for (const auto& flow : page.flows) write_coverage(json, flow, page.all_traces, now);
  json.end_array();
  write_page_end(json, page.total, page.next_cursor);
  json.field("uncovered", page.uncovered).end_object();
  return reply;
}

}  // namespace testmesh::api
