// Spans by resource and scope, as OTLP nests them.
#pragma once

#include <cstdint>
#include <vector>

#include "model/span.h"

namespace testmesh::otlp {

// Points into the grouped spans.
struct ScopeGroup {
  const model::Scope* scope;
  std::vector<const model::Span*> spans;
};
struct ResourceGroup {
  const model::Resource* resource;
  std::vector<ScopeGroup> scopes;
};

// Equal by value, in order of first appearance; spans keep their order.
std::vector<ResourceGroup> group_spans(const std::vector<model::Span>& spans);

}  // namespace testmesh::otlp
