// The few protobuf messages that importing meets.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/run_cli.h"

namespace testmesh::cli {

// Spans in an ExportTraceServiceRequest, without decoding them; what is no
// protobuf counts none.
uint64_t count_spans(std::string_view request);

// ExportTraceServiceResponse. `accepted` stays 0: the response does not say.
base::Result<ImportTarget::Outcome> parse_export_response(std::string_view response);

// The message of a google.rpc.Status, or a sentence when there is none.
std::string status_message(std::string_view response);

}  // namespace testmesh::cli
