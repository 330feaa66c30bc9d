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
// protobuf. Hex ids in any case, enums as integers (their names are forgiven),
// 64-bit integers as numbers or strings, null = absent, unknown fields ignored
// at any depth; of a name that comes twice the last counts. An id of the wrong
// length is carried over as it is, one that is no hex as some wrong length: the
// decoder rejects that span alone. The result is canonical: fields in ascending
// order, defaults left out. Values may nest as deep as decode_protobuf() lets
// them. kInvalidArgument says where, and quotes no raw bytes.
base::Result<std::string> json_to_protobuf(std::string_view json);

// The reference reader, for import, analyze and tests (ingest has a faster one
// that must agree with it). Accepts exactly the bytes libprotobuf accepts for
// these messages; rejects span by span what ingest rejects.
struct DecodedSpans {
  std::vector<model::Span> spans;
  uint64_t rejected = 0;
  uint64_t repaired = 0;  // parent or link ids of a wrong length, cleared; an absent one is none
};
base::Result<DecodedSpans> decode_protobuf(std::string_view protobuf);

// Groups by resource, then scope, in order of first appearance. Equal spans in
// the same order give equal bytes; what decode_protobuf() reads is the same.
// A link id of zeros is written as absent.
std::string encode_protobuf(const std::vector<model::Span>& spans);
// {"resourceSpans": […]}: ids in hex, 64-bit integers as strings, enums as
// integers. json_to_protobuf() makes the bytes of encode_protobuf() of it: nothing
// is lost but the payload of a NaN, which JSON cannot hold. Text must be UTF-8.
std::string encode_json(const std::vector<model::Span>& spans);

}  // namespace testmesh::otlp
