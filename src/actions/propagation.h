// How the context of a run's trace travels with what an action sends.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "actions/action.h"

namespace testmesh::actions {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

struct Propagation {
  HeaderList headers;              // to send besides the author's
  std::vector<model::Link> links;  // for ActionOutcome::span_links
};

// `traceparent`, `tracestate` and `baggage`, but none that the author set (names
// in any case). A traceparent of the author also keeps our tracestate away, and
// gives the link to the author's trace when it can be read.
Propagation propagate(const TraceContext&, const HeaderList& author_headers);

}  // namespace testmesh::actions
