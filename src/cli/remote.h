// The server's REST API, as commands use it.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "transport/http/client.h"

namespace testmesh::cli {

using Json = nlohmann::ordered_json;

// Errors are sentences for people, with what to do where that is known.
class Remote {
 public:
  static base::Result<Remote> open(const std::string& server, const std::string& workspace);

  // `path` behind /api/v1; the body is sent as JSON. 204 gives null.
  base::Result<Json> call(std::string_view method, const std::string& path, const Json* body = nullptr);
  base::Result<Json> get(const std::string& path) { return call("GET", path); }
  // The same of an answer that is no JSON.
  base::Result<std::string> text(const std::string& path);
  base::Result<http::Response> raw(std::string_view method, const std::string& target, std::string_view body,
                                   const http::Headers& headers);

  // "/workspaces/<the workspace>"
  const std::string& workspace_path() const { return workspace_path_; }
  const std::string& server() const { return server_; }

 private:
  Remote(std::string server, std::string workspace, http::Client client);
  base::Result<http::Response> answered(std::string_view method, const std::string& path,
                                        std::string_view body, const http::Headers& headers);
  std::string server_, workspace_path_;
  http::Client client_;
};

std::string percent_encode(std::string_view text);

// "?a=1&b=2" of those values that are not empty.
std::string query_string(const std::vector<std::pair<std::string, std::string>>& parameters);

}  // namespace testmesh::cli
