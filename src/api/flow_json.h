// Flows as REST answers show them (api.md 2).
#pragma once

#include "api/json_writer.h"
#include "discovery/flow_book.h"

namespace testmesh::api {

void write_path(JsonWriter&, const std::vector<model::PathNode>&);

// A node of a flow with its figures, as an object.
void write_flow_node(JsonWriter&, const model::PathNode&, const discovery::NodeSummary&);
void write_flow(JsonWriter&, const discovery::FlowSummary&);
void write_flow_detail(JsonWriter&, const discovery::FlowDetail&);
void write_histogram(JsonWriter&, const discovery::FlowHistogram&);

}  // namespace testmesh::api
