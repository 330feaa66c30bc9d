#include "api/json_body.h"

#include <fmt/format.h>

namespace testmesh::api {
namespace {

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return lower;
}

}  // namespace

std::expected<std::string_view, Failure> json_text_of(const Call& call, size_t max_bytes) {
  const std::string& body = call.request.body;
  if (call.request.body_too_large || body.size() > max_bytes)
    return std::unexpected(
        Failure(413, "too_large", fmt::format("The body is larger than {} bytes", max_bytes)));
  std::string type = lower_case(call.header("content-type"));
  type = type.substr(0, type.find(';'));
  while (!type.empty() && type.back() == ' ') type.pop_back();
  // A body without a type is taken for what this API speaks.
  if (!type.empty() && type != "application/json" && !type.ends_with("+json"))
    return std::unexpected(
        Failure(415, "unsupported_media_type", "The body must be sent as Content-Type: application/json"));
  if (const std::string encoding = lower_case(call.header("content-encoding"));
      !encoding.empty() && encoding != "identity")
    return std::unexpected(
        Failure(415, "unsupported_media_type", "The body must be sent without Content-Encoding"));
  return body;
}

std::expected<nlohmann::json, Failure> json_object_of(const Call& call, size_t max_bytes) {
  TRY_ASSIGN(const std::string_view body, json_text_of(call, max_bytes));
  // Deep nesting is refused before parsing: nothing here is deeper than two.
  size_t depth = 0, deepest = 0;
  for (const char c : body) {
    if (c == '[' || c == '{') deepest = std::max(deepest, ++depth);
    if ((c == ']' || c == '}') && depth > 0) --depth;
  }
  auto json = deepest > 1000 ? nlohmann::json() : nlohmann::json::parse(body, nullptr, false);
  if (json.is_discarded()) return std::unexpected(Failure(400, "invalid_argument", "The body is not JSON"));
  if (!json.is_object())
    return std::unexpected(Failure(400, "invalid_argument", "The body must be a JSON object"));
  return json;
}

}  // namespace testmesh::api
