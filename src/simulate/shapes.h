// What all spans of one step or endpoint have in common, by the conventions of
// their service, encoded once. Private to the module.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "simulate/plan.h"
#include "simulate/system.h"

namespace testmesh::simulate {

// Which library made the span: a scope each.
enum class Instrumentation : uint8_t { kServer, kClient, kDatabase, kMessaging, kOwnCode };
inline constexpr size_t kInstrumentations = 5;

// A URL with holes for the values of the route's parameters.
struct UrlTemplate {
  std::vector<std::string> pieces;  // one more than there are holes; empty: no URL
  bool has_holes() const { return pieces.size() > 1; }
};

struct Shape {
  Instrumentation instrumentation = Instrumentation::kOwnCode;
  std::string name_and_kind;  // the Span's fields
  std::string attributes;     // those that never change
  UrlTemplate url;
  std::string_view url_key, path_key;  // where the URL goes, whole and from the path on; "": nowhere
  std::string_view status_key;         // of the HTTP or gRPC status; "": none
  bool rpc = false;
  bool counts_resends = false;
  bool query_in_path = false;  // old conventions: http.target
  std::string_view exception;  // type of what it throws when it fails itself
};

Shape shape_of(const Phase&, const Action&);
// For the CLIENT span of a test, which has no step.
Shape tester_shape(const Phase&, const Entry&, const Action&);

// Encoded `ResourceSpans.resource` and `ScopeSpans.scope` fields, with the field's tag.
std::string resource_of(const Service&, uint32_t instance, std::string_view instance_id,
                        std::string_view environment);
std::string tester_resource();
std::string scope_of(std::string_view language, Instrumentation);
std::string_view schema_url_of(Conventions);  // "": none

}  // namespace testmesh::simulate
