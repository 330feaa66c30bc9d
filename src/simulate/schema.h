// Which keys stand where in the file: what the reader accepts, suggests, and
// what docs/simulate.md lists. Private to the module, its tests apart.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace testmesh::simulate {

enum class Place : uint8_t {
  kFile,
  kTelemetry,
  kLate,
  kTopic,
  kService,
  kRoute,
  kTakes,
  kFailure,
  kStep,
  kStepFailure,
  kRetry,
  kCache,
  kTraffic,
  kDeploy,
  kChange
};

struct Key {
  Place place;
  std::string_view name, form, standard, meaning;
};

std::span<const Key> all_keys();
std::vector<std::string_view> keys_of(Place);
std::string_view title_of(Place);

// The reference as a Markdown table.
std::string reference_table();

}  // namespace testmesh::simulate
