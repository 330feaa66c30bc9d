// What changes, as it changes; and the schema of flow files.
#include "api/routes.h"
#include "flow_file/flow_file.h"

namespace testmesh::api {

Answer stream_events(Context& context, const Call& call) {
  Reply reply;
  reply.content_type = "text/event-stream";
  reply.stream = context.events.listen(call.workspace->id, call.header("last-event-id"));
  if (!reply.stream)
    return std::unexpected(Failure(
        base::Error{base::ErrorCode::kUnavailable, "As many listen to events as may; try again later"}));
  // Proxies that collect answers before they hand them on would hold events back.
  reply.headers.emplace_back("X-Accel-Buffering", "no");
  return reply;
}

Answer show_flow_schema(Context&, const Call&) { return Reply{.body = flow_file::json_schema()}; }

}  // namespace testmesh::api
