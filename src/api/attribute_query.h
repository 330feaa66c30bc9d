// The filter `q` of traces and spans: an expression over a span. What is
// understood so far is the equality of one attribute.
#pragma once

#include <string_view>

#include "base/result.h"
#include "store/telemetry_store.h"

namespace testmesh::api {

// `attributes['key'] == 'text'` or `resource['key'] == 200`: strings in single
// or double quotes (with \\ \' \" \n \r \t \uXXXX) or backquotes (as they are),
// numbers, true, false. kInvalidArgument says what is supported, for anything
// else.
base::Result<store::AttributeEquals> parse_attribute_query(std::string_view text);

}  // namespace testmesh::api
