// OTLP's three spellings: protobuf bytes, OTLP/JSON, model spans. Everything
// is brought to protobuf bytes first, so one decoder serves all of ingest.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/span.h"

namespace testmesh::otlp {

// OTLP/JSON ExportTraceServiceRequest (or TracesData, the same shape) ->
// protobuf. Hex ids in any case, enums as integers, 64-bit integers as numbers
// or strings, null = absent, unknown fields ignored at any depth. An id of the
// wrong length is carried over as it is: the decoder rejects that span alone.
// Bounded in depth; kInvalidArgument says where, and quotes no raw bytes.
base::Result<std::string> json_to_protobuf(std::string_view json);

// The reference reader, for import, analyze and tests (ingest has a faster one
// that must agree with it). Rejects what ingest rejects per span.
struct DecodedSpans {
  std::vector<model::Span> spans;
  uint64_t rejected = 0;
  uint64_t repaired = 0;  // parent or link ids of a wrong length, cleared
};
base::Result<DecodedSpans> decode_protobuf(std::string_view protobuf);

// Groups by resource, then scope, in order of first appearance.
std::string encode_protobuf(const std::vector<model::Span>& spans);
// {"resourceSpans": […]}: nothing lost, ids in hex, 64-bit integers as strings.
std::string encode_json(const std::vector<model::Span>& spans);

}  // namespace testmesh::otlp
