// Words for the types of the table, for messages. Private to the module.
#pragma once

#include <string>
#include <string_view>

#include "flow_file/action_schema.h"

namespace testmesh::flow_file {

std::string_view expectation_of(ConfigType);   // "a whole number"
std::string expectation_of(const ConfigKey&);  // with its choices and bounds

}  // namespace testmesh::flow_file
