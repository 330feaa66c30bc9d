// The actions a flow file may name and the keys of their `config`, in one
// table: the reader checks by it, the JSON Schema and the reference are written
// from it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "expr/value.h"

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
  kListOrMap,
  kBooleanOrMap,
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
  int64_t least = 0;                           // of an integer
};

struct ActionSchema {
  std::string_view name;
  std::string_view description;
  std::vector<ConfigKey> config = {};
  // Of these keys one at least must be there; empty: no such rule.
  std::vector<std::string_view> one_of = {};
  std::vector<ConfigKey> result = {};  // keys the step's assertions may use
};

std::span<const ActionSchema> action_schemas();
const ActionSchema* find_action_schema(std::string_view name);  // null: none

// A config whose references were expanded: what the reader left to the run is
// checked now, and texts that stand for a number or a boolean (from the
// environment, say) become one, as numbers become texts where a text is meant.
// kInvalidArgument: which key, what was found and what is expected.
base::Result<expr::Value> conform(const ActionSchema&, const expr::Value& config);

}  // namespace testmesh::flow_file
