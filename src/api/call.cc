#include "api/call.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace testmesh::api {
namespace {

using base::ErrorCode;

constexpr size_t kDefaultLimit = 50;
constexpr size_t kMaxLimit = 1000;

struct CodeEntry {
  ErrorCode code;
  int status;
  const char* name;
};
constexpr CodeEntry kCodes[] = {
    {ErrorCode::kInvalidArgument, 400, "invalid_argument"},
    {ErrorCode::kUnauthenticated, 401, "unauthenticated"},
    {ErrorCode::kPermissionDenied, 403, "permission_denied"},
    {ErrorCode::kNotFound, 404, "not_found"},
    {ErrorCode::kAlreadyExists, 409, "already_exists"},
    {ErrorCode::kTooLarge, 413, "too_large"},
    {ErrorCode::kUnsupported, 415, "unsupported_media_type"},
    {ErrorCode::kUnprocessable, 422, "unprocessable"},
    {ErrorCode::kOverloaded, 429, "overloaded"},
    {ErrorCode::kUnavailable, 503, "unavailable"},
    {ErrorCode::kCorrupt, 500, "corrupt"},
    {ErrorCode::kInternal, 500, "internal"},
};

const CodeEntry& entry_of(ErrorCode code) { return *std::ranges::find(kCodes, code, &CodeEntry::code); }

}  // namespace

Failure::Failure(int http_status, std::string snake_case_code, std::string sentence, std::string json_details)
    : status(http_status),
      code(std::move(snake_case_code)),
      message(std::move(sentence)),
      details(std::move(json_details)) {}

Failure::Failure(base::Error error)
    : status(entry_of(error.code).status),
      code(entry_of(error.code).name),
      message(std::move(error.message)) {
  if (status == 429 || status == 503) headers.emplace_back("Retry-After", "1");
}

const std::string* Call::query(std::string_view name) const {
  const auto found =
      std::ranges::find(request.query, name, [](const auto& entry) { return std::string_view(entry.first); });
  return found == request.query.end() ? nullptr : &found->second;
}

std::string_view Call::header(std::string_view lower_case_name) const {
  const auto found = std::ranges::find(request.headers, lower_case_name,
                                       [](const auto& entry) { return std::string_view(entry.first); });
  return found == request.headers.end() ? std::string_view() : std::string_view(found->second);
}

Failure bad_parameter(std::string_view name, std::string sentence) {
  std::string details;
  JsonWriter(details).begin_object().field("parameter", name).end_object();
  return {400, "invalid_argument", std::move(sentence), std::move(details)};
}

Failure not_found(std::string sentence) { return {404, "not_found", std::move(sentence)}; }

std::expected<std::optional<uint64_t>, Failure> unsigned_of(const Call& call, std::string_view name) {
  const std::string* text = call.query(name);
  if (!text) return std::nullopt;
  uint64_t value = 0;
  const auto [stop, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || stop != text->data() + text->size())
    return std::unexpected(bad_parameter(name, fmt::format("`{}` must be a whole number, 0 or more", name)));
  return value;
}

std::expected<size_t, Failure> limit_of(const Call& call) {
  const auto limit = unsigned_of(call, "limit");
  if (!limit || (*limit && (**limit < 1 || **limit > kMaxLimit)))
    return std::unexpected(
        bad_parameter("limit", fmt::format("`limit` must be a whole number from 1 to {}", kMaxLimit)));
  return *limit ? static_cast<size_t>(**limit) : kDefaultLimit;
}

std::string cursor_of(const Call& call) {
  const std::string* cursor = call.query("cursor");
  return cursor ? *cursor : std::string();
}

std::expected<std::optional<bool>, Failure> bool_of(const Call& call, std::string_view name) {
  const std::string* text = call.query(name);
  if (!text) return std::nullopt;
  if (*text == "true") return true;
  if (*text == "false") return false;
  return std::unexpected(bad_parameter(name, fmt::format("`{}` must be true or false", name)));
}

std::expected<std::optional<base::UnixNanos>, Failure> time_of(const Call& call, std::string_view name) {
  const std::string* text = call.query(name);
  if (!text) return std::nullopt;
  if (const auto time = base::from_rfc3339(*text)) return *time;
  return std::unexpected(
      bad_parameter(name, fmt::format("`{}` must be an RFC 3339 time such as 2026-11-26T18:16:16.5Z", name)));
}

std::expected<std::optional<double>, Failure> share_of(const Call& call, std::string_view name) {
  const std::string* text = call.query(name);
  if (!text) return std::nullopt;
  double value = 0;
  const auto [stop, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  // NaN is in no range.
  if (error != std::errc() || stop != text->data() + text->size() || !(value >= 0 && value <= 1))
    return std::unexpected(bad_parameter(name, fmt::format("`{}` must be a number from 0 to 1", name)));
  return value;
}

std::expected<std::optional<uint64_t>, Failure> milliseconds_of(const Call& call, std::string_view name) {
  const std::string* text = call.query(name);
  if (!text) return std::nullopt;
  double value = 0;
  const auto [stop, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || stop != text->data() + text->size() || !std::isfinite(value) || value < 0)
    return std::unexpected(
        bad_parameter(name, fmt::format("`{}` must be a number of milliseconds, 0 or more", name)));
  constexpr double kMost = 1.8e19;  // just below what 64 bits of nanoseconds hold
  return static_cast<uint64_t>(std::min(std::round(value * 1e6), kMost));
}

std::expected<std::optional<store::StatusFilter>, Failure> status_of(const Call& call) {
  const std::string* text = call.query("status");
  if (!text) return std::nullopt;
  if (*text == "unset") return store::StatusFilter::kUnset;
  if (*text == "ok") return store::StatusFilter::kOk;
  if (*text == "error") return store::StatusFilter::kError;
  return std::unexpected(bad_parameter("status", "`status` must be unset, ok or error"));
}

std::optional<std::string> text_of(const Call& call, std::string_view name) {
  const std::string* text = call.query(name);
  if (!text || text->empty()) return std::nullopt;
  return *text;
}

std::expected<model::FlowId, Failure> flow_id_of(std::string_view text) {
  return parse_id<model::FlowId>(text, "A flow id is a UUID");
}

std::expected<model::TraceId, Failure> trace_id_of(std::string_view text) {
  return parse_id<model::TraceId>(text, "A trace id is 32 hexadecimal digits");
}

std::expected<model::ExecutionId, Failure> execution_id_of(std::string_view text) {
  return parse_id<model::ExecutionId>(text, "An execution id is a UUID");
}

std::expected<Slice, Failure> slice_of(const Call& call, const std::vector<std::string>& keys) {
  TRY_ASSIGN(const size_t limit, limit_of(call));
  Slice slice;
  if (const std::string cursor = cursor_of(call); !cursor.empty()) {
    const bool ours =
        !keys.empty() && cursor.size() == keys.front().size() && std::ranges::all_of(cursor, [](char c) {
          return std::isxdigit(static_cast<unsigned char>(c)) || c == '-';
        });
    if (!ours)
      return std::unexpected(bad_parameter("cursor", "`cursor` is none that this list gave as next_cursor"));
    slice.begin = static_cast<size_t>(std::ranges::upper_bound(keys, cursor) - keys.begin());
  }
  slice.end = std::min(keys.size(), slice.begin + limit);
  if (slice.end < keys.size() && slice.end > slice.begin) slice.next_cursor = keys[slice.end - 1];
  return slice;
}

void write_page_end(JsonWriter& json, uint64_t total, const std::optional<std::string>& next_cursor) {
  json.field("total", total);
  if (next_cursor) json.field("next_cursor", *next_cursor);
}

}  // namespace testmesh::api
