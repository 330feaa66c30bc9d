// YAML out. Private to the module.
#pragma once

#include <string>
#include <string_view>

namespace testmesh::flow_export {

// A text as a scalar for any place of a document: plain where that is safe, else
// in double quotes. Read back it is the same text (what is no UTF-8 is U+FFFD).
std::string scalar(std::string_view text);
std::string quoted(std::string_view text);

// A text literal of the expression language.
std::string literal(std::string_view text);

}  // namespace testmesh::flow_export
