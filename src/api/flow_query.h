// Choosing flows: shared by their list and by coverage.
#pragma once

#include "api/call.h"

namespace testmesh::api {

// Which flows, and which page of them; not the order, and not `drifted`.
std::expected<discovery::FlowQuery, Failure> flow_filters_of(const Call&);

}  // namespace testmesh::api
