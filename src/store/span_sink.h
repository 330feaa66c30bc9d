// Where ingest hands over what it received: one OTLP protobuf
// ExportTraceServiceRequest, whole or not at all.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/ids.h"

namespace testmesh::store {

struct IngestOutcome {
  uint64_t accepted_spans = 0;
  uint64_t rejected_spans = 0;
  std::string message;  // why, or what was repaired (cleared parent ids); empty: nothing to say
};

class SpanSink {
 public:
  virtual ~SpanSink() = default;
  using Done = std::move_only_function<void(base::Result<IngestOutcome>)>;

  // `request` is read before submit returns. `done` is called once, from any
  // thread, perhaps before submit returns: with the outcome when every
  // accepted span is durable and readable; kInvalidArgument (undecodable;
  // nothing kept), kOverloaded or kUnavailable (nothing kept, retry soon).
  virtual void submit(const model::WorkspaceId&, std::string_view request, Done done) = 0;
};

}  // namespace testmesh::store
