// The shapes of requests and answers, as JSON Schema.
#pragma once

#include <string_view>

namespace testmesh::api {

// A JSON object: name -> schema; references are "#/components/schemas/<name>".
extern const std::string_view kOpenApiSchemas;
// The same, of executions and events.
extern const std::string_view kOpenApiExecutionSchemas;

}  // namespace testmesh::api
