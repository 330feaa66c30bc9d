// Attributes by their old and their present name: a test written for one reads
// the spans of an SDK that sends the other.
#pragma once

#include <string_view>
#include <vector>

#include "model/span.h"

namespace testmesh::validation {

// The attribute of that key; else that of another name for the same thing in
// the semantic conventions, the present one first; else null.
const model::Value* find_by_any_name(const std::vector<model::KeyValue>&, std::string_view key);
bool has_other_names(std::string_view key);

}  // namespace testmesh::validation
