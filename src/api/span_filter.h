// The filter `q` of traces and spans: an expression over a span.
#pragma once

#include "api/call.h"
#include "store/telemetry_store.h"

namespace testmesh::api {

// A span matches when it has the attribute, if any, and `matches` says so, if any.
struct SpanFilter {
  std::optional<store::AttributeEquals> attribute;
  store::SpanPredicate matches;
};

// Names are the members of a span: `service == 'cart' and duration_ms > 5`. What
// is not true is no match; neither is what cannot be evaluated, such as the
// comparison of an attribute that a span does not have. A part that asks for the
// equality of one attribute is asked of the store, which knows that without
// looking into every span; the rest may take three seconds in all.
//
// The Failure names `q` and shows the place.
std::expected<SpanFilter, Failure> span_filter_of(const Call&);

}  // namespace testmesh::api
