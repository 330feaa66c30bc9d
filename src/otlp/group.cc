#include "otlp/group.h"

#include <string>
#include <unordered_map>
#include <utility>

#include "base/result.h"
#include "otlp/encode_protobuf.h"

namespace testmesh::otlp {
namespace {

// Places of values in order of first appearance. Their encoding is canonical:
// equal bytes are equal values. The pointer is asked first, spans share them.
template <typename T>
class Places {
 public:
  size_t of(const T* value) {
    const auto [known, added] = by_pointer_.try_emplace(value, 0);
    if (added) known->second = by_bytes_.try_emplace(encode(*value), by_bytes_.size()).first->second;
    return known->second;
  }

 private:
  std::unordered_map<const T*, size_t> by_pointer_;
  std::unordered_map<std::string, size_t> by_bytes_;
};

}  // namespace

std::vector<ResourceGroup> group_spans(const std::vector<model::Span>& spans) {
  std::vector<ResourceGroup> groups;
  std::vector<std::unordered_map<size_t, size_t>> scope_places;  // per group: scope → place in `scopes`
  Places<model::Resource> resources;
  Places<model::Scope> scopes;
  for (const model::Span& span : spans) {
    CHECK(span.resource && span.scope);
    const size_t place = resources.of(span.resource.get());
    if (place == groups.size()) {
      groups.push_back({span.resource.get(), {}});
      scope_places.emplace_back();
    }
    std::vector<ScopeGroup>& inside = groups[place].scopes;
    const auto [scope, added] = scope_places[place].try_emplace(scopes.of(span.scope.get()), inside.size());
    if (added) inside.push_back({span.scope.get(), {}});
    inside[scope->second].spans.push_back(&span);
  }
  return groups;
}

}  // namespace testmesh::otlp
