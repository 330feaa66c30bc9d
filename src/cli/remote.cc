#include "cli/remote.h"

#include <fmt/format.h>

namespace testmesh::cli {
namespace {

using base::ErrorCode;
using base::Result;

ErrorCode code_of(int status) {
  switch (status) {
    case 400:
      return ErrorCode::kInvalidArgument;
    case 404:
      return ErrorCode::kNotFound;
    case 409:
      return ErrorCode::kAlreadyExists;
    case 422:
      return ErrorCode::kUnprocessable;
    case 429:
      return ErrorCode::kOverloaded;
    case 503:
      return ErrorCode::kUnavailable;
    default:
      return ErrorCode::kInternal;
  }
}

// The sentence of an error answer, and one line for each field it lists.
std::string sentence_of(const http::Response& response, const std::string& server) {
  const Json body = Json::parse(response.body, nullptr, false);
  if (!body.is_object() || !body.contains("error") || !body["error"].is_string())
    return fmt::format("{} answered {}; is it a testmesh server?", server, response.status);
  std::string sentence = body["error"].get<std::string>();
  const auto details = body.find("details");
  if (details != body.end() && details->is_object() && details->contains("fields") &&
      (*details)["fields"].is_object() && (*details)["fields"].size() > 1)
    for (const auto& [name, problem] : (*details)["fields"].items())
      if (problem.is_string()) sentence += "\n  " + problem.get<std::string>();
  return sentence;
}

}  // namespace

Remote::Remote(std::string server, std::string workspace, http::Client client)
    : server_(std::move(server)),
      workspace_path_("/workspaces/" + std::move(workspace)),
      client_(std::move(client)) {}

Result<Remote> Remote::open(const std::string& server, const std::string& workspace) {
  TRY_ASSIGN(http::Client client, http::Client::open(server));
  return Remote(server, workspace, std::move(client));
}

Result<http::Response> Remote::raw(std::string_view method, const std::string& target, std::string_view body,
                                   const http::Headers& headers) {
  auto response = client_.send(method, target, body, headers);
  if (response || response.error().code != ErrorCode::kUnavailable) return response;
  return base::fail(ErrorCode::kUnavailable,
                    fmt::format("Cannot reach {}: {}. Is the server running? Start it with: testmesh serve",
                                server_, response.error().message));
}

Result<http::Response> Remote::answered(std::string_view method, const std::string& path,
                                        std::string_view body, const http::Headers& headers) {
  TRY_ASSIGN(http::Response response, raw(method, "/api/v1" + path, body, headers));
  if (response.status >= 400) return base::fail(code_of(response.status), sentence_of(response, server_));
  return response;
}

Result<std::string> Remote::text(const std::string& path) {
  TRY_ASSIGN(http::Response response, answered("GET", path, {}, {}));
  return std::move(response.body);
}

Result<Json> Remote::call(std::string_view method, const std::string& path, const Json* body) {
  http::Headers headers{{"Accept", "application/json"}};
  std::string text;
  if (body) {
    headers.emplace_back("Content-Type", "application/json");
    text = body->dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  TRY_ASSIGN(const http::Response response, answered(method, path, text, headers));
  if (response.status == 204) return Json();
  Json answer = Json::parse(response.body, nullptr, false);
  if (answer.is_discarded())
    return base::fail(ErrorCode::kInternal,
                      fmt::format("The answer of {} is not JSON; is it a testmesh server?", server_));
  return answer;
}

std::string percent_encode(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
        c == '-' || c == '.' || c == '_' || c == '~') {
      out += c;
    } else {
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  return out;
}

std::string query_string(const std::vector<std::pair<std::string, std::string>>& parameters) {
  std::string out;
  for (const auto& [name, value] : parameters) {
    if (value.empty()) continue;
    out += out.empty() ? '?' : '&';
    out += name + "=" + percent_encode(value);
  }
  return out;
}

}  // namespace testmesh::cli
