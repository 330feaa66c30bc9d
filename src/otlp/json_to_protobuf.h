// The part of json_to_protobuf() behind the parser. Heavy: include in sources only.
#pragma once

#include <simdjson.h>

#include <string>

#include "base/result.h"

namespace testmesh::otlp {

base::Result<std::string> json_to_protobuf(simdjson::dom::element request);

}  // namespace testmesh::otlp
