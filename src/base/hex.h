// Hexadecimal text of byte strings.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace testmesh::base {

std::string to_hex(std::span<const uint8_t> bytes);  // lower case

// Fills `out` from exactly 2 * out.size() digits of either case; false (and
// `out` unspecified) otherwise.
bool from_hex(std::string_view text, std::span<uint8_t> out);

}  // namespace testmesh::base
