// The actions a flow file may name and the keys of their `config`, in one
// table: the reader checks by it, the JSON Schema and the reference are written
// from it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace testmesh::flow_file {

enum class ConfigType : uint8_t {
  kText,  // a text, or a number or boolean meant as one
  kInteger,
  kBoolean,
  kDuration,  // "500ms"
  kMap,
  kList,
  kTextOrList,
  kTextOrMap,
  kAny,
  kExpression,   // one expression
  kExpressions,  // one or a list
  kSteps,        // a list of steps
  kBranches,     // a list of lists of steps
};

struct ConfigKey {
  std::string_view name;
  ConfigType type = ConfigType::kAny;
  bool required = false;
  std::string_view description;
  std::vector<std::string_view> choices = {};  // of a text; empty: any
};

struct ActionSchema {
  std::string_view name;
  std::string_view description;
  std::vector<ConfigKey> config;
  std::vector<ConfigKey> result;  // keys the step's assertions may use
};

std::span<const ActionSchema> action_schemas();
const ActionSchema* find_action_schema(std::string_view name);  // null: none

}  // namespace testmesh::flow_file
