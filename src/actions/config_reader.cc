#include "actions/config_reader.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/utf8.h"

namespace testmesh::actions {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

std::optional<nanoseconds> parse_duration(std::string_view text) {
  if (text.empty()) return std::nullopt;
  double sum = 0;
  while (!text.empty()) {
    const size_t digits = text.find_first_not_of("0123456789.");
    double number = 0;
    const auto [end, problem] =
        std::from_chars(text.data(), text.data() + std::min(digits, text.size()), number);
    if (problem != std::errc() || digits == std::string_view::npos || end != text.data() + digits)
      return std::nullopt;
    text.remove_prefix(digits);
    const size_t letters = std::min(text.find_first_of("0123456789."), text.size());
    const std::string_view unit = text.substr(0, letters);
    double scale = 0;
    if (unit == "ns") scale = 1;
    if (unit == "us" || unit == "µs") scale = 1e3;
    if (unit == "ms") scale = 1e6;
    if (unit == "s") scale = 1e9;
    if (unit == "m") scale = 60e9;
    if (unit == "h") scale = 3600e9;
    if (scale == 0) return std::nullopt;
    sum += number * scale;
    text.remove_prefix(letters);
  }
  constexpr double kLongest = 1e18;  // 31 years: sums with the clock still fit
  return nanoseconds(static_cast<int64_t>(std::min(sum, kLongest)));
}

const expr::Value* ConfigReader::value(std::string_view key) const {
  const expr::Value* found = config_.find(key);
  return found == nullptr || found->is_nil() ? nullptr : found;
}

void ConfigReader::fail(std::string message) {
  if (!error_) error_ = ActionError{"invalid_config", std::move(message)};
}

std::string ConfigReader::text(std::string_view key, std::string_view otherwise) {
  const expr::Value* found = value(key);
  if (found == nullptr) return std::string(otherwise);
  if (found->kind() == expr::Kind::kList || found->kind() == expr::Kind::kMap) {
    fail(fmt::format("`{}` must be a text, but it is a {}", key, expr::kind_name(found->kind())));
    return std::string(otherwise);
  }
  return expr::to_text(*found);
}

std::string ConfigReader::required_text(std::string_view key) {
  std::string found = text(key);
  if (found.empty()) fail(fmt::format("`{}` is missing or empty", key));
  return found;
}

int64_t ConfigReader::integer(std::string_view key, int64_t otherwise, int64_t least, int64_t most) {
  const expr::Value* found = value(key);
  if (found == nullptr) return otherwise;
  std::optional<int64_t> number;
  if (found->kind() == expr::Kind::kInt) number = found->as_int();
  if (found->kind() == expr::Kind::kFloat && std::nearbyint(found->as_float()) == found->as_float() &&
      std::abs(found->as_float()) < 9e15)
    number = static_cast<int64_t>(found->as_float());
  if (found->kind() == expr::Kind::kString) {
    const std::string_view written = found->as_string();
    int64_t parsed = 0;
    const auto [end, problem] = std::from_chars(written.data(), written.data() + written.size(), parsed);
    if (problem == std::errc() && end == written.data() + written.size()) number = parsed;
  }
  if (number && *number >= least && *number <= most) return *number;
  fail(fmt::format("`{}` must be an integer from {} to {}, but it is {}", key, least, most,
                   expr::describe(*found, 60)));
  return otherwise;
}

bool ConfigReader::boolean(std::string_view key, bool otherwise) {
  const expr::Value* found = value(key);
  if (found == nullptr) return otherwise;
  if (found->kind() == expr::Kind::kBool) return found->as_bool();
  if (found->kind() == expr::Kind::kString && found->as_string() == "true") return true;
  if (found->kind() == expr::Kind::kString && found->as_string() == "false") return false;
  fail(fmt::format("`{}` must be true or false, but it is {}", key, expr::describe(*found, 60)));
  return otherwise;
}

nanoseconds ConfigReader::duration(std::string_view key, nanoseconds otherwise) {
  const expr::Value* found = value(key);
  if (found == nullptr) return otherwise;
  if (found->kind() == expr::Kind::kDuration) return nanoseconds(found->as_duration().nanos);
  if (found->kind() == expr::Kind::kString) {
    if (const auto parsed = parse_duration(found->as_string())) return *parsed;
  }
  fail(fmt::format("`{}` must be a duration such as \"30s\", but it is {}", key, expr::describe(*found, 60)));
  return otherwise;
}

Waiting::Waiting(const ActionContext& context, nanoseconds timeout)
    : deadline_(std::min(context.deadline, std::chrono::steady_clock::now() + timeout)),
      cancelled_(context.cancelled) {}

milliseconds Waiting::left() const {
  const auto rest = std::chrono::ceil<milliseconds>(deadline_ - std::chrono::steady_clock::now());
  return std::max(rest, milliseconds(0));
}

milliseconds Waiting::slice() const { return std::min(left(), milliseconds(50)); }

Waiting Waiting::at_most(milliseconds limit) const {
  return {std::min(deadline_, std::chrono::steady_clock::now() + limit), cancelled_};
}

bool Waiting::wait_for(int fd, short events) const {
  while (true) {
    pollfd waited{.fd = fd, .events = events, .revents = 0};
    if (poll(&waited, 1, static_cast<int>(slice().count())) > 0) return true;
    if (over()) return false;
  }
}

ActionError Waiting::error(std::string_view doing) const {
  if (cancelled()) return {"cancelled", fmt::format("the run was cancelled while {}", doing)};
  return {"timeout", fmt::format("the time was up while {}", doing)};
}

std::string to_base64(std::string_view bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) group = group << 8 | (k < count ? static_cast<uint8_t>(bytes[i + k]) : 0U);
    for (size_t k = 0; k < 4; ++k) text += k <= count ? kDigits[group >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

std::string text_or_base64(std::string_view bytes) {
  return base::valid_utf8(bytes) ? std::string(bytes) : to_base64(bytes);
}

std::string to_wire_text(const expr::Value& value) { return expr::to_text(value); }

model::KeyValue attribute(std::string_view key, std::string_view text) {
  return {std::string(key), {std::string(text)}};
}
model::KeyValue attribute(std::string_view key, int64_t number) { return {std::string(key), {number}}; }

expr::Value milliseconds_since(SteadyTime start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace testmesh::actions
