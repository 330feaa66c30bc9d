#include "cli/times.h"

#include <fmt/format.h>

#include <charconv>

namespace testmesh::cli {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::nanoseconds kLongest = std::chrono::hours{24} * 365 * 100;

std::chrono::nanoseconds unit_of(std::string_view text) {
  if (text == "ms") return 1ms;
  if (text == "s") return 1s;
  if (text == "m") return 1min;
  if (text == "h") return 1h;
  if (text == "d") return 24h;
  return 0ns;
}

}  // namespace

std::optional<std::chrono::nanoseconds> duration_of(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::chrono::nanoseconds unit = unit_of(text.substr(static_cast<size_t>(end - text.data())));
  if (error != std::errc() || unit == 0ns || number < 0 || number > kLongest / unit) return std::nullopt;
  return number * unit;
}

base::Result<std::string> since_of(const std::string& text, base::UnixNanos now) {
  if (text.empty() || base::from_rfc3339(text)) return text;
  const auto ago = duration_of(text);
  if (!ago)
    return base::fail(
        base::ErrorCode::kInvalidArgument,
        fmt::format(
            "--since {}: a time ago (15m, 2h, 7d) or an RFC 3339 time (2026-11-26T18:00:00Z) was expected",
            text));
  const auto nanos = static_cast<base::UnixNanos>(ago->count());
  return base::to_rfc3339(now > nanos ? now - nanos : 0);
}

}  // namespace testmesh::cli
