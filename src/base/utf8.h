#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace testmesh::base {

// Length of the well-formed sequence at the front; 0 when there is none.
size_t utf8_length(std::string_view text);

// No overlong forms, no surrogates, nothing past U+10FFFF.
bool valid_utf8(std::string_view text);

// The longest beginning of at most `bytes` bytes that cuts no character.
std::string_view utf8_prefix(std::string_view text, size_t bytes);

// `code` is at most U+10FFFF.
void append_utf8(std::string& out, uint32_t code);

}  // namespace testmesh::base
