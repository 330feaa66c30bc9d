#include "discovery/text_class.h"

#include <arpa/inet.h>

#include <algorithm>
#include <iterator>

#include "discovery/names.h"

namespace testmesh::discovery {

namespace {

constexpr auto kNone = std::string_view::npos;

constexpr bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

bool is_integer(std::string_view word) {
  if (word.starts_with('-')) word.remove_prefix(1);
  return !word.empty() && std::ranges::all_of(word, is_digit);
}

bool is_uuid(std::string_view word) {
  if (word.size() != 36) return false;
  for (size_t i = 0; i < word.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? word[i] != '-' : !is_hex(word[i])) return false;
  }
  return true;
}

// 26 digits of Crockford's base 32 for 128 bits: the first is at most 7.
bool is_ulid(std::string_view word) {
  return word.size() == 26 && word[0] >= '0' && word[0] <= '7' && std::ranges::all_of(word, [](char c) {
           const char upper = to_upper(c);
           return is_digit(c) ||
                  (is_letter(c) && upper != 'I' && upper != 'L' && upper != 'O' && upper != 'U');
         });
}

// ---- Parameters -------------------------------------------------------------

constexpr char closing(char open) {
  switch (open) {
    case '{':
      return '}';
    case '<':
      return '>';
    case '[':
      return ']';
    case '(':
      return ')';
    default:
      return 0;
  }
}

// Where the bracket that opens at `at` is closed again; kNone if it is not.
// Only brackets of its own kind count: others may be text of an expression.
size_t closing_at(std::string_view text, size_t at) {
  const char open = text[at];
  const char close = closing(open);
  size_t depth = 0;
  for (size_t i = at; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == open) {
      ++depth;
    } else if (text[i] == close && --depth == 0) {
      return i;
    }
  }
  return kNone;
}

constexpr bool is_mark(char c) { return c == '?' || c == '*' || c == '+'; }

bool is_name_character(char c) {
  constexpr std::string_view kNot = "(){}<>[]:?*+=,|/\\\"'!";
  return !is_space(c) && kNot.find(c) == kNone;
}

std::string_view leading_name(std::string_view text) {
  return {text.begin(), std::ranges::find_if_not(text, is_name_character)};
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::string_view or_id(std::string_view name) { return name.empty() ? std::string_view("id") : name; }

// `:id`, `:id?`, `:id(\d+)`, `:id<int>*`
std::string_view colon_parameter(std::string_view text) {
  text.remove_prefix(1);
  const std::string_view name = leading_name(text);
  text.remove_prefix(name.size());
  while (!text.empty() && (text[0] == '(' || text[0] == '<')) {
    const size_t end = closing_at(text, 0);
    if (end == kNone) return {};
    text.remove_prefix(end + 1);
  }
  while (!text.empty() && is_mark(text[0])) text.remove_prefix(1);
  return text.empty() ? name : std::string_view{};
}

// The inside of `{id:int}`, `{id?}`, `{*path}`, `{path...}`, `{id=5}`,
// `[...slug]`, `[id=integer]`: marks, the name, what constrains it.
std::string_view named_first(std::string_view inside) {
  inside = trimmed(inside);
  if (inside.starts_with("...")) inside.remove_prefix(3);
  while (!inside.empty() && (is_mark(inside[0]) || is_space(inside[0]))) inside.remove_prefix(1);
  std::string_view name = leading_name(inside);
  const std::string_view rest = inside.substr(name.size());
  if (name.ends_with("...")) name.remove_suffix(3);
  // `{a}-{b}` and `{a,b}` are no single parameter.
  const std::string_view next = trimmed(rest);
  if (!next.empty() && next[0] != ':' && next[0] != '=' && next[0] != '(' && next[0] != '<' &&
      !is_mark(next[0]))
    return {};
  return or_id(name);
}

constexpr std::string_view kConverters[] = {"int",  "float", "str", "string", "path", "uuid",  "any",
                                            "slug", "alpha", "ymd", "regex",  "re",   "number"};

bool is_converter(std::string_view text) {
  return std::ranges::find(kConverters, text.substr(0, text.find('('))) != std::end(kConverters);
}

// `<id>` and `<int:id>` (Flask, Django), or the other way round, `<id:int>`
// and `<id:\d+>` (Sanic, Yii): what is known to be a converter, or cannot be
// a name, is not the name.
std::string_view angle_parameter(std::string_view inside) {
  inside = trimmed(inside);
  const size_t colon = inside.rfind(':');
  if (colon == kNone) {
    const std::string_view name = leading_name(inside);
    const std::string_view rest = inside.substr(name.size());
    return rest.empty() || std::ranges::all_of(rest, is_mark) ? or_id(name) : std::string_view{};
  }
  const std::string_view last = trimmed(inside.substr(colon + 1));
  const std::string_view first = trimmed(leading_name(inside));
  const bool last_is_name =
      !last.empty() && leading_name(last) == last && (!is_converter(last) || is_converter(first));
  return or_id(last_is_name ? last : first);
}

// Calls `visit` with each segment that is not empty; a `/` inside the brackets
// of a parameter (`{id:[^/]+}`) is part of it.
template <typename Visit>
void for_each_route_segment(std::string_view route, const Visit& visit) {
  size_t begin = 0;
  for (size_t at = 0; at <= route.size(); ++at) {
    if (at == route.size() || route[at] == '/') {
      if (at > begin) visit(route.substr(begin, at - begin));
      begin = at + 1;
    } else if (closing(route[at]) != 0) {
      const size_t end = closing_at(route, at);
      if (end != kNone) at = end;
    }
  }
}

}  // namespace

bool is_identifier(std::string_view word) {
  return is_integer(word) || is_uuid(word) || (word.size() >= 16 && std::ranges::all_of(word, is_hex)) ||
         is_ulid(word);
}

bool is_path_identifier(std::string_view segment) {
  if (is_identifier(segment)) return true;
  return segment.size() >= 8 && std::ranges::any_of(segment, is_digit) &&
         std::ranges::any_of(segment, is_letter) &&
         std::ranges::all_of(segment, [](char c) { return is_digit(c) || is_letter(c); });
}

bool is_ip_address(std::string_view host) {
  if (host.empty() || host.size() > 64) return false;
  const std::string text(host.substr(0, host.find('%')));
  in6_addr address;
  return inet_pton(AF_INET6, text.c_str(), &address) == 1 ||
         (text.size() == host.size() && inet_pton(AF_INET, text.c_str(), &address) == 1);
}

std::string_view parameter_name(std::string_view segment) {
  if (segment.empty()) return {};
  if (segment[0] == ':') return colon_parameter(segment);
  if (segment[0] == '*') {
    segment.remove_prefix(std::min(segment.find_first_not_of('*'), segment.size()));
    if (segment.empty()) return "id";
    const bool name = !is_digit(segment[0]) && std::ranges::all_of(segment, [](char c) {
      return is_letter(c) || is_digit(c) || c == '_';
    });
    return name ? segment : std::string_view{};
  }
  if (closing(segment[0]) == 0) return {};
  const size_t end = closing_at(segment, 0);
  if (end == kNone || !std::ranges::all_of(segment.substr(end + 1), is_mark)) return {};
  std::string_view inside = segment.substr(1, end - 1);
  switch (segment[0]) {
    case '<':
      return angle_parameter(inside);
    case '{':
      return named_first(inside);
    case '[':
      if (inside.starts_with('[') && inside.ends_with(']'))
        inside = inside.substr(1, inside.size() - 2);  // [[id]]
      return named_first(inside);
    default:  // (?P<id>\d+)
      if (inside.starts_with("?P<"))
        inside.remove_prefix(3);
      else if (inside.starts_with("?<"))
        inside.remove_prefix(2);
      else
        return {};
      return inside.find('>') == kNone ? std::string_view{} : leading_name(inside);
  }
}

bool has_parameter(std::string_view route) {
  bool found = false;
  for_each_route_segment(route, [&](std::string_view segment) {
    found = found || (segment != "{$}" && !parameter_name(segment).empty());
  });
  return found;
}

std::string template_route(std::string_view route) {
  std::string result;
  for_each_route_segment(route, [&](std::string_view segment) {
    if (segment == "{$}") return;  // Go: the path ends here
    const std::string_view name = parameter_name(segment);
    result += '/';
    if (name.empty()) {
      result += segment;
    } else {
      result.append(":").append(name);
    }
  });
  return result.empty() ? "/" : result;
}

std::string template_path(std::string_view path) {
  path = path.substr(0, path.find_first_of("?#"));
  std::string result;
  for (size_t begin = 0; begin < path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view segment = path.substr(begin, end - begin);
    begin = end + 1;
    if (segment.empty()) continue;
    result += '/';
    result += is_path_identifier(segment) ? std::string_view(":id") : segment;
  }
  return result.empty() ? "/" : result;
}

std::string template_route_and_path(std::string_view word) {
  std::string result;
  bool in_query = false;
  for_each_route_segment(word, [&](std::string_view segment) {
    if (in_query || segment == "{$}") return;
    std::string_view name = parameter_name(segment);
    if (name.empty()) {
      // Outside a parameter `?` and `#` end the path.
      if (const size_t query = segment.find_first_of("?#"); query != kNone) {
        in_query = true;
        segment = segment.substr(0, query);
        name = parameter_name(segment);
      }
    }
    if (segment.empty()) return;
    result += '/';
    if (!name.empty()) {
      result.append(":").append(name);
    } else {
      result += is_path_identifier(segment) ? std::string_view(":id") : segment;
    }
  });
  return result.empty() ? "/" : result;
}

}  // namespace testmesh::discovery
