// Systems as a person writes them. The keys: schema.cc, docs/simulate.md.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "simulate/system.h"
#include "simulate/yaml_tree.h"

namespace testmesh::simulate {

// Every problem of the file at once, in order of lines. What comes back has
// passed check().
std::expected<System, std::vector<Problem>> read_system(std::string_view yaml);

// "FILE:LINE:COLUMN: message", a line each.
std::string to_text(const std::vector<Problem>&, std::string_view file);

// A small shop that shows most of what can be described; examples/shop.yaml.
std::string_view example_system();

}  // namespace testmesh::simulate
