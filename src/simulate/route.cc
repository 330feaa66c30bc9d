#include "simulate/route.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace testmesh::simulate {
namespace {

bool is_word(std::string_view text) {
  return !text.empty() && !std::isdigit(static_cast<unsigned char>(text[0])) &&
         std::ranges::all_of(text, [](unsigned char c) { return std::isalnum(c) || c == '_'; });
}

std::string_view parameter_of(std::string_view segment) {
  if (segment.size() < 2) return {};
  const char first = segment.front(), last = segment.back();
  if (first == ':') return segment.substr(1);
  const std::string_view inside = segment.substr(1, segment.size() - 2);
  if ((first == '{' && last == '}') || (first == '[' && last == ']')) return inside;
  if (first == '<' && last == '>') {
    const size_t colon = inside.find(':');
    return colon == std::string_view::npos ? inside : inside.substr(colon + 1);
  }
  return {};
}

}  // namespace

std::vector<Segment> segments_of(std::string_view route) {
  std::vector<Segment> segments;
  for (size_t begin = 0; begin < route.size();) {
    const size_t end = std::min(route.find('/', begin), route.size());
    const std::string_view text = route.substr(begin, end - begin);
    if (!text.empty()) segments.push_back({std::string(text), std::string(parameter_of(text))});
    begin = end + 1;
  }
  return segments;
}

std::string problem_of_route(std::string_view route) {
  if (!route.starts_with('/')) return "a route starts with /";
  for (const Segment& segment : segments_of(route)) {
    if (!segment.parameter.empty() && is_word(segment.parameter)) continue;
    const bool plain = std::ranges::all_of(segment.text, [](unsigned char c) {
      return std::isalnum(c) || std::string_view("-._~$@+,;=!").contains(c);
    });
    if (!plain)
      return fmt::format("'{}' is neither a name nor a parameter such as {{id}}, :id, <id> or [id]",
                         segment.text);
  }
  return {};
}

std::string node_route(std::string_view route) {
  std::string result;
  for (const Segment& segment : segments_of(route)) {
    result += segment.parameter.empty() ? "/" : "/:";
    result += segment.parameter.empty() ? segment.text : segment.parameter;
  }
  return result.empty() ? "/" : result;
}

bool looks_like_id(std::string_view segment) {
  const auto digit = [](unsigned char c) { return std::isdigit(c) != 0; };
  const auto letter = [](unsigned char c) { return std::isalpha(c) != 0; };
  if (std::ranges::all_of(segment, digit)) return true;
  if (segment.size() == 36 && std::ranges::count(segment, '-') == 4) return true;
  if (segment.size() < 8 ||
      !std::ranges::all_of(segment, [](unsigned char c) { return std::isalnum(c) != 0; }))
    return false;
  return std::ranges::any_of(segment, digit) &&
         (segment.size() >= 16 || std::ranges::any_of(segment, letter));
}

}  // namespace testmesh::simulate
