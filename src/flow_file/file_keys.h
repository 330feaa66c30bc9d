// The keys of a flow file outside `config`, in one table, as action_schema.h has
// those within. Private to the module.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "flow_file/action_schema.h"

namespace testmesh::flow_file {

enum class Place : uint8_t { kFlow, kStep, kRetry, kTrace, kDiscoveredFrom, kPathNode };

struct FileKey {
  Place place;
  std::string_view name;
  ConfigType type;
  bool required = false;
  std::string_view description;
  std::vector<std::string_view> choices = {};
  int64_t least = 0;
  // JSON Schema where the type alone does not say it.
  std::string_view schema = {};
};

std::span<const FileKey> file_keys();
std::vector<std::string_view> names_of(Place);
std::string_view title_of(Place);  // "a step"

inline constexpr std::string_view kStepIdPattern = "^[a-z][a-z0-9_-]{0,63}$";
inline constexpr std::string_view kDurationPattern =
    "^([0-9]+(\\.[0-9]+)?h)?([0-9]+(\\.[0-9]+)?m)?([0-9]+(\\.[0-9]+)?s)?([0-9]+(\\.[0-9]+)?ms)?$";

// The tables of docs/flow-files.md.
std::string reference_tables();

}  // namespace testmesh::flow_file
