// Spans of other tools' JSON as model spans. Heavy: include in sources only.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "model/span.h"

namespace testmesh::otlp {

struct ForeignSpans {
  std::vector<model::Span> spans;
  uint64_t rejected = 0;  // ids that are none, times out of range
};

// One trace of Jaeger's UI and query API.
//
// Process and its tags are the resource. The first CHILD_OF inside the trace is
// the parent; any other reference, FOLLOWS_FROM among them, is a link. The tags
// span.kind, error, otel.status_*, otel.scope.* and w3c.tracestate become what
// they mean; logs become events, named by their field `event`.
base::Result<void> read_jaeger_trace(simdjson::dom::element trace, ForeignSpans& out);

// Spans of Zipkin's v2 API, all that may belong together at once.
//
// localEndpoint is the resource, remoteEndpoint the peer, a tag `error` the
// status. Zipkin lets caller and callee share a span id: where a SERVER span
// has the id of a CLIENT span, the server half gets an id of its own, derived
// from both ids, and the client half becomes its parent; spans below that id
// go with the server half unless they are of the client's service alone.
base::Result<void> read_zipkin_spans(const std::vector<simdjson::dom::element>& spans, ForeignSpans& out);

}  // namespace testmesh::otlp
