// How errors look on the wire to OTLP clients: status numbers and
// google.rpc.Status, ExportTraceServiceResponse in both encodings.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace testmesh::ingest {

// The table of statuses. Clients drop a batch on any code but 429, 502, 503
// and 504, so whatever may pass by itself is 429 or 503.
int http_status(base::ErrorCode code);
int grpc_code(base::ErrorCode code);

// What a message may carry: printable ASCII, at most 1 KiB; other bytes become
// "?", so that nothing a client sent comes back as it was.
std::string clean_message(std::string_view message);

// google.rpc.Status {code, message}.
std::string status_protobuf(int grpc_code, std::string_view message);
std::string status_json(int grpc_code, std::string_view message);

// ExportTraceServiceResponse. Nothing rejected and no message: no
// partial_success, which is an empty body in protobuf and {} in JSON.
std::string export_response_protobuf(uint64_t rejected_spans, std::string_view message);
std::string export_response_json(uint64_t rejected_spans, std::string_view message);

}  // namespace testmesh::ingest
