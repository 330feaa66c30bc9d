#pragma once

#include <string_view>

namespace testmesh::base {

// No overlong forms, no surrogates, nothing past U+10FFFF.
bool valid_utf8(std::string_view text);

// The longest beginning of at most `bytes` bytes that cuts no character.
std::string_view utf8_prefix(std::string_view text, size_t bytes);

}  // namespace testmesh::base
