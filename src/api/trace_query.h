// Searching traces: shared by the traces of a workspace and of a flow.
#pragma once

#include "api/call.h"

namespace testmesh::api {

std::expected<store::TraceQuery, Failure> trace_query_of(const Call&);  // without flow_id
Answer trace_page_reply(base::Result<store::TracePage>);

}  // namespace testmesh::api
