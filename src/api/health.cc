// What operators and their tools ask.
#include "api/routes.h"

namespace testmesh::api {

Answer show_openapi(Context& context, const Call&) { return Reply{.body = context.openapi}; }

Answer show_health(Context&, const Call&) { return Reply{.body = R"({"status":"ok"})"}; }

Answer show_readiness(Context& context, const Call&) {
  TRY(context.store.ready());
  return Reply{.body = R"({"status":"ready"})"};
}

Answer show_metrics(Context& context, const Call&) {
  return Reply{.body = context.metrics ? context.metrics() : std::string(),
               .content_type = "text/plain; version=0.0.4; charset=utf-8"};
}

}  // namespace testmesh::api
