// The telemetry settings of a workspace.
#include <fmt/format.h>

#include <cmath>
#include <map>
#include <optional>

#include "api/json_body.h"
#include "api/routes.h"

namespace testmesh::api {
namespace {

using model::TelemetrySettings;

struct Switch {
  const char* name;
  bool TelemetrySettings::* member;
};
struct Number {
  const char* name;
  int64_t TelemetrySettings::* member;
  int64_t least, most;
};

constexpr Switch kSwitches[] = {
    {"enabled", &TelemetrySettings::enabled},
    {"auto_discovery", &TelemetrySettings::auto_discovery},
    {"auto_validation", &TelemetrySettings::auto_validation},
};
constexpr Number kNumbers[] = {
    {"retention_days", &TelemetrySettings::retention_days, 0, 3650},
    {"default_timeout_ms", &TelemetrySettings::default_timeout_ms, 1000, 600'000},
    {"drift_min_baseline", &TelemetrySettings::drift_min_baseline, 1, 1'000'000},
    {"trace_idle_timeout_ms", &TelemetrySettings::trace_idle_timeout_ms, 100, 600'000},
};

Reply settings_reply(const TelemetrySettings& settings) {
  Reply reply;
  JsonWriter json(reply.body);
  json.begin_object();
  for (const Switch& field : kSwitches) json.field(field.name, settings.*field.member);
  for (const Number& field : kNumbers) json.field(field.name, settings.*field.member);
  json.end_object();
  return reply;
}

// 5.0 is the integer 5, as in JSON Schema.
std::optional<int64_t> integer_in(const nlohmann::json& value) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<uint64_t>();
    return static_cast<int64_t>(std::min<uint64_t>(number, INT64_MAX));
  }
  if (value.is_number_integer()) return value.get<int64_t>();
  if (!value.is_number_float()) return std::nullopt;
  const double number = value.get<double>();
  if (number != std::floor(number)) return std::nullopt;
  if (std::abs(number) >= 9e18) return number > 0 ? INT64_MAX : INT64_MIN;
  return static_cast<int64_t>(number);
}

// What is wrong with one field; empty when it was taken over.
std::string take_field(const std::string& name, const nlohmann::json& value, TelemetrySettings& settings) {
  for (const Switch& field : kSwitches) {
    if (name != field.name) continue;
    if (!value.is_boolean()) return "must be true or false";
    settings.*field.member = value.get<bool>();
    return {};
  }
  for (const Number& field : kNumbers) {
    if (name != field.name) continue;
    const auto number = integer_in(value);
    if (!number || *number < field.least || *number > field.most)
      return fmt::format("must be a whole number from {} to {}", field.least, field.most);
    settings.*field.member = *number;
    return {};
  }
  return "is not a setting";
}

}  // namespace

Answer show_settings(Context& context, const Call& call) {
  return settings_reply(context.registry.settings(call.workspace->id));
}

Answer change_settings(Context& context, const Call& call) {
  TRY_ASSIGN(const nlohmann::json body, json_object_of(call));
  const std::scoped_lock lock(context.settings_mutex);
  TelemetrySettings settings = context.registry.settings(call.workspace->id);
  std::map<std::string, std::string> problems;
  for (const auto& [name, value] : body.items())
    if (std::string problem = take_field(name, value, settings); !problem.empty())
      problems.emplace(name, fmt::format("`{}` {}", name, problem));
  if (!problems.empty()) {
    std::string details;
    JsonWriter json(details);
    json.begin_object().key("fields").begin_object();
    for (const auto& [name, problem] : problems) json.field(name, problem);
    json.end_object().end_object();
    return std::unexpected(Failure(422, "unprocessable",
                                   problems.size() == 1
                                       ? problems.begin()->second
                                       : fmt::format("{} settings are not acceptable", problems.size()),
                                   std::move(details)));
  }
  TRY(context.registry.put_settings(call.workspace->id, settings));
  return settings_reply(settings);
}

}  // namespace testmesh::api
