// A discovered flow as a flow file: to be shown, or to be run.
#pragma once

#include <string>

#include "api/call.h"
#include "flow_export/flow_export.h"

namespace testmesh::api {

std::expected<std::string, Failure> exported_flow(Context&, const model::WorkspaceId&, const model::FlowId&,
                                                  flow_export::Mode);

}  // namespace testmesh::api
