// Spans and trace summaries as REST answers show them (api.md 2).
#pragma once

#include <optional>

#include "api/json_writer.h"
#include "model/span.h"
#include "store/telemetry_store.h"

namespace testmesh::api {

// Bytes in base64, 64-bit integers beyond 2^53 as strings, empty as null. Of a
// key that occurs twice the first counts.
void write_value(JsonWriter&, const model::Value&);
void write_attributes(JsonWriter&, const std::vector<model::KeyValue>&);

struct SpanExtras {
  std::optional<uint64_t> self_ns;         // known inside its trace only
  std::optional<int64_t> parent_position;  // -1: null
};
void write_span(JsonWriter&, const model::Span&, const SpanExtras&);

// The fields of a summary, inside an object that the caller opened.
void write_trace_fields(JsonWriter&, const store::TraceSummary&);
void write_trace_detail(JsonWriter&, const store::TraceDetail&,
                        const std::optional<discovery::FlowDetail>& flow);

// The span a trace starts with (discovery.md 1): the earliest without a parent
// id, else the earliest whose parent never arrived. Its position; of a trace
// without spans 0.
size_t entry_of(const store::TraceDetail&);

std::string_view kind_name(model::SpanKind);
std::string_view status_name(model::StatusCode);

}  // namespace testmesh::api
