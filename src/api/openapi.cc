#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>

#include "api/openapi_schemas.h"
#include "api/routes.h"

namespace testmesh::api {
namespace {

using json = nlohmann::ordered_json;

const char* reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Taken; not done yet";
    case 204:
      return "Removed; no body";
    case 400:
      return "A parameter, an id or the body is malformed";
    case 403:
      return "Not permitted";
    case 404:
      return "There is no such thing";
    case 405:
      return "Another method is expected; see Allow";
    case 409:
      return "It exists already";
    case 413:
      return "The body is too large";
    case 415:
      return "The body is not sent as JSON";
    case 422:
      return "Understood, but not acceptable";
    case 429:
      return "Too many requests; try again as Retry-After says";
    case 500:
      return "A fault in the server";
    case 503:
      return "Not possible right now; try again as Retry-After says";
  }
  return "";
}

json schema_reference(std::string_view name) {
  return {{"$ref", fmt::format("#/components/schemas/{}", name)}};
}

json path_parameter(std::string_view name) {
  json schema = name == "trace_id" ? json{{"type", "string"}, {"pattern", "^[0-9a-fA-F]{32}$"}}
                : name == "layer"
                    ? json{{"type", "string"}, {"enum", {"history", "flow", "infra", "spec", "code"}}}
                    : json{{"type", "string"}, {"format", "uuid"}};
  return {{"name", name}, {"in", "path"}, {"required", true}, {"schema", std::move(schema)}};
}

json parameters_of(const Route& route) {
  json parameters = json::array();
  for (size_t begin = route.path.find('{'); begin != std::string_view::npos;
       begin = route.path.find('{', begin + 1))
    parameters.push_back(
        path_parameter(route.path.substr(begin + 1, route.path.find('}', begin) - begin - 1)));
  for (const Parameter& parameter : route.query)
    parameters.push_back({{"name", parameter.name},
                          {"in", "query"},
                          {"required", parameter.required},
                          {"description", parameter.description},
                          {"schema", json::parse(parameter.schema)}});
  return parameters;
}

json responses_of(const Route& route) {
  json responses = json::object();
  json success{{"description", reason(route.success)}};
  if (!route.response.empty())
    success["content"][std::string(route.content_type)]["schema"] = schema_reference(route.response);
  for (const std::string_view type : route.text_types)
    success["content"][std::string(type)]["schema"] = {{"type", "string"}};
  responses[std::to_string(route.success)] = std::move(success);
  if (!route.not_yet.empty())
    responses["202"] = {{"description", reason(202)},
                        {"content", {{"application/json", {{"schema", schema_reference(route.not_yet)}}}}}};
  std::set<int> errors(route.errors.begin(), route.errors.end());
  const bool has_path_values = route.path.find('{') != std::string_view::npos;
  if (has_path_values || !route.query.empty() || !route.body.empty()) errors.insert(400);
  if (has_path_values) errors.insert(404);
  if (!route.body.empty()) errors.insert({413, 415});
  if (!route.at_once) errors.insert({429, 500, 503});
  for (const int status : errors)
    responses[std::to_string(status)] = {
        {"description", reason(status)},
        {"content", {{"application/json", {{"schema", schema_reference("Error")}}}}}};
  return responses;
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

}  // namespace

std::string openapi_document(std::string_view version) {
  json document{
      {"openapi", "3.1.0"},
      {"info",
       {{"title", "TestMesh"},
        {"version", version},
        {"description",
         "Traces in, discovered flows out. Times are RFC 3339 in UTC; unknown query parameters are ignored; "
         "a method that a path does not know answers 405."}}},
      {"paths", json::object()}};
  for (const Route& route : routes()) {
    json operation{{"operationId", route.operation_id}, {"summary", route.summary}};
    if (json parameters = parameters_of(route); !parameters.empty())
      operation["parameters"] = std::move(parameters);
    if (!route.body.empty())
      operation["requestBody"] = {
          {"required", route.body != "KeyName" && route.body != "FlowExport"},
          {"content", {{"application/json", {{"schema", schema_reference(route.body)}}}}}};
    operation["responses"] = responses_of(route);
    document["paths"][std::string(route.path)][lower_case(route.method)] = std::move(operation);
  }
  document["components"]["schemas"] = json::parse(kOpenApiSchemas);
  document["components"]["schemas"].update(json::parse(kOpenApiExecutionSchemas));
  return document.dump(2);
}

}  // namespace testmesh::api
