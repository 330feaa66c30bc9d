// The actions of this module, each defined in its own source.
#pragma once

#include "actions/action.h"

namespace testmesh::actions {

const Action& http_request_action();

}  // namespace testmesh::actions
