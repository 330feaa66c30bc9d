// The YAML of systems: a file of plain maps and lists. Private to the module.
#pragma once

#include "yaml/tree.h"

namespace testmesh::simulate {

using Problem = yaml::Problem;
using YamlNode = yaml::Node;
using YamlType = yaml::Type;

// Nothing here needs anchors or tags.
inline constexpr yaml::Rules kYamlRules{
    .anchors = false, .tags = false, .one_document = "one file describes one system"};

}  // namespace testmesh::simulate
