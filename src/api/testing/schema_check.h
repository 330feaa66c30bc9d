// As much of JSON Schema as the OpenAPI document uses.
#pragma once

#include <nlohmann/json.hpp>
#include <regex>
#include <string>

namespace testmesh::api {

inline bool has_type(const nlohmann::json& value, const std::string& type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  return type == "null" && value.is_null();
}

// Where and how `value` departs from `schema`; empty when it does not.
inline std::string schema_problem(const nlohmann::json& document, const nlohmann::json& schema,
                                  const nlohmann::json& value, const std::string& where = "$") {
  if (schema.contains("$ref")) {
    const std::string pointer = schema["$ref"].get<std::string>().substr(1);
    return schema_problem(document, document.at(nlohmann::json::json_pointer(pointer)), value, where);
  }
  if (schema.contains("allOf"))
    for (const auto& part : schema["allOf"])
      if (auto problem = schema_problem(document, part, value, where); !problem.empty()) return problem;
  if (schema.contains("anyOf")) {
    std::string problems;
    bool fits = false;
    for (const auto& part : schema["anyOf"]) {
      const auto problem = schema_problem(document, part, value, where);
      fits = fits || problem.empty();
      problems += problem + "; ";
    }
    if (!fits) return problems;
  }
  if (schema.contains("type")) {
    bool fits = false;
    if (schema["type"].is_array())
      for (const auto& type : schema["type"]) fits = fits || has_type(value, type);
    else
      fits = has_type(value, schema["type"]);
    if (!fits) return where + " has another type than " + schema["type"].dump() + ": " + value.dump();
  }
  if (schema.contains("enum") &&
      std::find(schema["enum"].begin(), schema["enum"].end(), value) == schema["enum"].end())
    return where + " is none of " + schema["enum"].dump();
  if (value.is_string() && schema.contains("pattern") &&
      !std::regex_search(value.get<std::string>(), std::regex(schema["pattern"].get<std::string>())))
    return where + " does not match " + schema["pattern"].dump();
  if (value.is_number() && schema.contains("minimum") && value < schema["minimum"])
    return where + " is too small";
  if (value.is_number() && schema.contains("maximum") && value > schema["maximum"])
    return where + " is too large";
  if (value.is_object()) {
    if (schema.contains("required"))
      for (const auto& name : schema["required"])
        if (!value.contains(name.get<std::string>())) return where + " lacks " + name.get<std::string>();
    const auto properties = schema.value("properties", nlohmann::json::object());
    for (const auto& [name, member] : value.items()) {
      if (properties.contains(name)) {
        if (auto problem = schema_problem(document, properties[name], member, where + "." + name);
            !problem.empty())
          return problem;
      } else if (schema.value("additionalProperties", true) == false) {
        return where + " has an unknown member " + name;
      }
    }
  }
  if (value.is_array() && schema.contains("items"))
    for (size_t i = 0; i < value.size(); ++i)
      if (auto problem =
              schema_problem(document, schema["items"], value[i], where + "[" + std::to_string(i) + "]");
          !problem.empty())
        return problem;
  return {};
}

}  // namespace testmesh::api
