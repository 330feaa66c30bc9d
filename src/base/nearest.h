// "Did you mean …?"
#pragma once

#include <span>
#include <string_view>

namespace testmesh::base {

// The one of `words` that `word` was probably meant to be; "" when none is near.
std::string_view nearest(std::string_view word, std::span<const std::string_view> words);

}  // namespace testmesh::base
