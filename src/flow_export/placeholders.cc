#include "flow_export/placeholders.h"

#include <fmt/format.h>

#include <algorithm>

#include "flow_file/flow_file.h"
#include "flow_file/variables.h"

namespace testmesh::flow_export {
namespace {

// Of a parameter whose value no trace shows.
constexpr std::string_view kUnknownValue = "1";
constexpr size_t kMostNameBytes = 64;

std::string variable_name(std::string_view name) {
  std::string result;
  for (const char c : name.substr(0, kMostNameBytes)) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    const bool digit = c >= '0' && c <= '9';
    if (digit && result.empty()) result += '_';
    result += letter || digit ? c : '_';
  }
  return result.empty() ? "id" : result;
}

// Names that mean something else to a run.
bool is_reserved(std::string_view name) {
  constexpr std::string_view kBuiltIns[] = {"UUID",          "RANDOM_ID", "RANDOM_INT",   "TIMESTAMP",
                                            "ISO_TIMESTAMP", "DATE",      "EXECUTION_ID", "FLOW_NAME"};
  constexpr std::string_view kFixed[] = {"base_url", "kafka_brokers", "db_connection", "grpc_address"};
  if (std::ranges::find(kBuiltIns, name) != std::end(kBuiltIns)) return true;
  if (std::ranges::find(kFixed, name) != std::end(kFixed)) return true;
  return name.starts_with("step_") && name.find_first_not_of("0123456789", 5) == std::string_view::npos;
}

std::vector<std::string_view> segments_of(std::string_view path) {
  std::vector<std::string_view> segments;
  while (!path.empty()) {
    const size_t slash = std::min(path.find('/'), path.size());
    if (slash > 0) segments.push_back(path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return segments;
}

bool is_parameter(std::string_view segment) { return segment.size() > 1 && segment[0] == ':'; }

// What stands in the path for each segment of the route; empty: they do not fit.
std::vector<std::string_view> aligned(const std::vector<std::string_view>& route, std::string_view path) {
  const auto parts = segments_of(path);
  if (route.empty() || parts.size() < route.size()) return {};
  const size_t skipped = parts.size() - route.size();  // what the application is mounted under
  for (size_t i = 0; i < route.size(); ++i)
    if (!is_parameter(route[i]) && route[i] != parts[skipped + i]) return {};
  return {parts.begin() + static_cast<ptrdiff_t>(skipped), parts.end()};
}

}  // namespace

void Placeholders::fixed(std::string_view name, std::string_view value) {
  if (std::ranges::find(known_, name, &Known::name) != known_.end()) return;
  known_.push_back({std::string(name), std::string(name), std::string(value), {}});
}

std::string Placeholders::parameter(std::string_view name, std::string_view value, std::string_view key) {
  const std::string base = variable_name(name);
  for (const Known& known : known_)
    if (known.base == base && known.value == value && known.key == key && !is_reserved(known.name))
      return known.name;
  std::string unique = base;
  const auto is_taken = [&] {
    return is_reserved(unique) || std::ranges::find(known_, unique, &Known::name) != known_.end();
  };
  for (size_t number = 2; is_taken(); ++number) unique = fmt::format("{}_{}", base, number);
  known_.push_back({base, unique, std::string(value), std::string(key)});
  return unique;
}

std::string Placeholders::route(std::string_view route, std::string_view path) {
  const auto segments = segments_of(route);
  const auto values = aligned(segments, path);
  std::string result;
  for (size_t i = 0; i < segments.size(); ++i) {
    result += '/';
    if (!is_parameter(segments[i])) {
      result += flow_file::escaped(segments[i]);
      continue;
    }
    const std::string_view name = segments[i].substr(1);
    const size_t begin = static_cast<size_t>(segments[i].data() + segments[i].size() - route.data());
    const std::string variable = values.empty() ? parameter(name, kUnknownValue, route.substr(0, begin))
                                                : parameter(name, values[i], {});
    result += "{{" + variable + "}}";
  }
  return result.empty() ? "/" : result;
}

std::vector<Placeholders::Entry> Placeholders::entries() const {
  std::vector<Entry> entries;
  for (const Known& known : known_)
    entries.push_back({known.name, flow_file::is_secret_name(known.base) ? std::string(kMask) : known.value});
  return entries;
}

}  // namespace testmesh::flow_export
