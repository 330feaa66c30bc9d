// The actions of this module, each defined in its own source.
#pragma once

#include "actions/action.h"

namespace testmesh::actions {

const Action& database_query_action();
const Action& grpc_call_action();
const Action& http_request_action();
const Action& kafka_consumer_action();
const Action& kafka_producer_action();
const Action& redis_action();

}  // namespace testmesh::actions
