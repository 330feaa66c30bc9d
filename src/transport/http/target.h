// Request targets: percent-decoding of path and query.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace testmesh::http {

struct Target {
  std::string path;                                        // decoded; "*" of OPTIONS stays
  std::vector<std::pair<std::string, std::string>> query;  // decoded, in order; "+" is a space
};

// Origin form ("/a?b"), absolute form ("http://host/a?b") and "*"; a fragment
// is ignored. nullopt: no such form, or a path with a broken or zero escape. A
// broken escape in the query stays as it was sent.
std::optional<Target> parse_target(std::string_view target);

}  // namespace testmesh::http
