// The JSON Schema of flow files, from the tables that the reader checks by.
#include <fmt/format.h>

#include <algorithm>

#include "base/result.h"
#include "flow_file/file_keys.h"
#include "flow_file/flow_file.h"

namespace testmesh::flow_file {
namespace {

using enum ConfigType;
using expr::List;
using expr::Map;
using expr::Value;

Value parsed(std::string_view json) {
  auto value = expr::parse_json(json);
  CHECK(value.has_value());
  return std::move(*value);
}

Value def(std::string_view name) { return Map{{"$ref", "#/$defs/" + std::string(name)}}; }
Value any_of(List options) { return Map{{"anyOf", Value(std::move(options))}}; }
Value type(std::string_view name) { return Map{{"type", name}}; }

// In `config` a reference may stand for any value.
Value type_schema(ConfigType kind, const std::vector<std::string_view>& choices, int64_t least,
                  bool references) {
  const auto or_reference = [&](Value schema) {
    return references ? any_of({std::move(schema), def("reference")}) : schema;
  };
  if (!choices.empty()) {
    List values;
    for (const std::string_view choice : choices) values.emplace_back(choice);
    return or_reference(Map{{"enum", Value(std::move(values))}});
  }
  switch (kind) {
    case kText:
      return def("text");
    case kInteger:
      return or_reference(Map{{"type", "integer"}, {"minimum", least}});
    case kBoolean:
      return or_reference(type("boolean"));
    case kDuration:
      return or_reference(def("duration"));
    case kMap:
      return or_reference(type("object"));
    case kList:
      return or_reference(type("array"));
    case kTextOrList:
      return any_of({def("text"), type("array")});
    case kTextOrMap:
      return any_of({def("text"), type("object")});
    case kListOrMap:
      return or_reference(Map{{"type", parsed(R"(["array","object"])")}});
    case kBooleanOrMap:
      return or_reference(Map{{"type", parsed(R"(["boolean","object"])")}});
    case kAny:
      return Map{};
    case kExpression:
      return def("expression");
    case kExpressions:
      return def("expressions");
    case kSteps:
      return def("steps");
    case kBranches:
      return Map{{"type", "array"}, {"minItems", 1}, {"items", def("steps")}};
  }
  return {};
}

Value with_description(const Value& schema, std::string_view description) {
  Map result{{"description", description}};
  for (const auto& [key, value] : schema.as_map()) result.set(key, value);
  return Value(std::move(result));
}

Value object(Map properties, List required) {
  Map result{{"type", "object"}, {"properties", Value(std::move(properties))}};
  if (!required.empty()) result.set("required", Value(std::move(required)));
  result.set("additionalProperties", false);
  return Value(std::move(result));
}

Value place_schema(Place place) {
  Map properties;
  List required;
  for (const FileKey& key : file_keys()) {
    if (key.place != place) continue;
    Value schema =
        key.schema.empty() ? type_schema(key.type, key.choices, key.least, false) : parsed(key.schema);
    if (place == Place::kStep && key.name == "id")
      schema = Map{{"type", "string"}, {"pattern", kStepIdPattern}};
    if (place == Place::kFlow && key.name == "steps")
      schema = Map{{"allOf", Value(List{def("steps"), Map{{"minItems", 1}}})}};
    properties.set(key.name, with_description(schema, key.description));
    if (key.required) required.emplace_back(key.name);
  }
  return object(std::move(properties), std::move(required));
}

Value config_schema(const ActionSchema& action) {
  Map properties;
  List required, one_of;
  for (const ConfigKey& key : action.config) {
    properties.set(key.name,
                   with_description(type_schema(key.type, key.choices, key.least, true), key.description));
    if (key.required) required.emplace_back(key.name);
  }
  for (const std::string_view key : action.one_of)
    one_of.push_back(Map{{"required", Value(List{Value(key)})}});
  Value schema = object(std::move(properties), std::move(required));
  if (one_of.empty()) return schema;
  Map with_choice = schema.as_map();
  with_choice.set("anyOf", Value(std::move(one_of)));
  return Value(std::move(with_choice));
}

std::string config_name(std::string_view action) {
  std::string name = fmt::format("config_{}", action);
  std::ranges::replace(name, '.', '_');
  return name;
}

Value step_schema() {
  Map schema = place_schema(Place::kStep).as_map();
  List actions, rules;
  for (const ActionSchema& action : action_schemas()) {
    actions.push_back(Map{{"const", action.name}, {"description", action.description}});
    Map then{{"properties", Map{{"config", def(config_name(action.name))}}}};
    if (!action.one_of.empty() || std::ranges::any_of(action.config, &ConfigKey::required))
      then.set("required", Value(List{Value("config")}));
    rules.push_back(Map{{"if", Map{{"properties", Map{{"action", Map{{"const", action.name}}}}},
                                   {"required", Value(List{Value("action")})}}},
                        {"then", Value(std::move(then))}});
  }
  Map properties = schema.find("properties")->as_map();
  properties.set("action", Map{{"description", "What it does."}, {"oneOf", Value(std::move(actions))}});
  schema.set("properties", Value(std::move(properties)));
  schema.set("allOf", Value(std::move(rules)));
  return Value(std::move(schema));
}

Value whole_schema() {
  Map defs{
      {"flow", place_schema(Place::kFlow)},
      {"steps", Map{{"type", "array"}, {"items", def("step")}}},
      {"step", step_schema()},
      {"retry", place_schema(Place::kRetry)},
      {"trace", place_schema(Place::kTrace)},
      {"path_node", place_schema(Place::kPathNode)},
      {"discovered_from", place_schema(Place::kDiscoveredFrom)},
      {"text", parsed(R"({"type":["string","number","boolean"]})")},
      {"duration", Map{{"type", "string"}, {"minLength", 2}, {"pattern", kDurationPattern}}},
      {"expression", Map{{"type", parsed(R"(["string","number","boolean"])")},
                         {"description", "An expression: `status == 200 and body.id exists`"}}},
      {"expressions", any_of({def("expression"), Map{{"type", "array"}, {"items", def("expression")}}})},
      {"reference", Map{{"type", "string"}, {"pattern", R"(\{\{.+\}\}|\$\{.+\})"}}},
  };
  for (const ActionSchema& action : action_schemas())
    defs.set(config_name(action.name), config_schema(action));
  return Map{
      {"$schema", "https://json-schema.org/draft/2020-12/schema"},
      {"title", "TestMesh flow file"},
      {"anyOf", Value(List{object(Map{{"flow", def("flow")}}, List{Value("flow")}), def("flow")})},
      {"$defs", Value(std::move(defs))},
  };
}

// For people: two blanks a level, short lists on one line.
void append_pretty(std::string& out, const Value& value, size_t indent) {
  constexpr size_t kLineLength = 110;
  const std::string compact = expr::to_json(value);
  if (compact.size() + indent <= kLineLength || value.kind() == expr::Kind::kString) {
    out += compact;
    return;
  }
  const std::string inner(indent + 2, ' ');
  const bool is_map = value.kind() == expr::Kind::kMap;
  out += is_map ? "{\n" : "[\n";
  bool first = true;
  const auto separate = [&] {
    if (!first) out += ",\n";
    first = false;
    out += inner;
  };
  if (is_map) {
    for (const auto& [key, item] : value.as_map()) {
      separate();
      out += expr::to_json(key) + ": ";
      append_pretty(out, item, indent + 2);
    }
  } else {
    for (const Value& item : value.as_list()) {
      separate();
      append_pretty(out, item, indent + 2);
    }
  }
  out += '\n' + std::string(indent, ' ') + (is_map ? '}' : ']');
}

}  // namespace

const std::string& json_schema() {
  static const std::string schema = [] {
    std::string text;
    append_pretty(text, whole_schema(), 0);
    return text + '\n';
  }();
  return schema;
}

}  // namespace testmesh::flow_file
