// Times by a layout, which is an example: "2006-01-02 15:04:05".
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "expr/value.h"

namespace testmesh::expr {

// nullopt: the text is not laid out so, or there is no such day.
std::optional<Time> parse_time(std::string_view layout, std::string_view text);
// The layouts that date() tries: a day, a time, both, RFC 3339, RFC 822, 850, 1123.
std::optional<Time> parse_any_time(std::string_view text);
std::string format_time(std::string_view layout, Time);

}  // namespace testmesh::expr
