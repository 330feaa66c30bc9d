// The two messages that spans share, as canonical bytes: equal values, equal
// bytes, and the other way round.
#pragma once

#include <string>

#include "model/span.h"

namespace testmesh::otlp {

std::string encode(const model::Resource& resource);  // with the schema URL beside it
std::string encode(const model::Scope& scope);

}  // namespace testmesh::otlp
