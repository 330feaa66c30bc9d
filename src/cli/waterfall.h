// A trace as a tree with bars of time.
#pragma once

#include <iosfwd>
#include <nlohmann/json.hpp>

namespace testmesh::cli {

// `trace` is the REST API's answer. `width` 0: 100 columns. Bars: `█` where
// the span is on the critical path, `░` where it is not; `!` marks errors.
void print_waterfall(std::ostream&, const nlohmann::ordered_json& trace, unsigned width);

}  // namespace testmesh::cli
