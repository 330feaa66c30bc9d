// Classes of words in names: ids, addresses, route parameters (discovery.md
// 2.3). Private to discovery.
#pragma once

#include <string>
#include <string_view>

namespace testmesh::discovery {

// ASCII only, whatever the locale.
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
constexpr bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
constexpr char to_upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }
constexpr char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// An integer, a UUID, 16 or more hex digits, or a ULID.
bool is_identifier(std::string_view word);

// The same, or 8 or more letters and digits: both, and nothing else.
bool is_path_identifier(std::string_view segment);

// IPv4 in dotted decimal, or IPv6 without brackets, perhaps with a zone.
bool is_ip_address(std::string_view host);

// The parameter's name if the whole segment is a route parameter in any
// spelling ("id" when it has no name); empty otherwise.
std::string_view parameter_name(std::string_view segment);

// Whether some segment of the route is a parameter.
bool has_parameter(std::string_view route);

// A word of a span name: parameters as in a route, other segments as in a
// path.
std::string template_route_and_path(std::string_view word);

}  // namespace testmesh::discovery
