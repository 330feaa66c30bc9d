// How times, shares and the like are written, in the file and on the command line.
#pragma once

#include <optional>
#include <string_view>

#include "simulate/system.h"

namespace testmesh::simulate {

// Nothing: not so written. What is too large to hold is not so written either.
std::optional<Duration> time_of(std::string_view text);   // 250us, 12ms, 1.5s, 2m, 1h; 0; negative ones too
std::optional<double> share_of(std::string_view text);    // 0.02, 2%: 0 to 1
std::optional<double> rate_of(std::string_view text);     // 20, 20/s, 90/m, 1/h: a second
std::optional<double> number_of(std::string_view text);   // finite
std::optional<uint32_t> count_of(std::string_view text);  // whole
std::optional<Repeat> repeat_of(std::string_view text);   // 3, 2..5
std::optional<bool> yes_or_no(std::string_view text);     // yes, no, true, false

}  // namespace testmesh::simulate
