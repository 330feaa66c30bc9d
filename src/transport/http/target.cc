#include "transport/http/target.h"

#include <cstdint>

#include "base/hex.h"

namespace testmesh::http {
namespace {

bool decode_escape(std::string_view text, size_t at, char& out) {
  uint8_t byte = 0;
  if (at + 3 > text.size() || !base::from_hex(text.substr(at + 1, 2), {&byte, 1})) return false;
  out = static_cast<char>(byte);
  return true;
}

std::optional<std::string> decode_path(std::string_view text) {
  std::string path;
  path.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (!decode_escape(text, i, c) || c == '\0') return std::nullopt;
      i += 2;
    }
    path += c;
  }
  return path;
}

std::string decode_query_part(std::string_view text) {
  std::string part;
  part.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '+') {
      c = ' ';
    } else if (c == '%' && decode_escape(text, i, c)) {
      i += 2;
    }
    part += c;
  }
  return part;
}

bool starts_with_scheme(std::string_view target) {
  const size_t colon = target.find("://");
  if (colon == std::string_view::npos || colon == 0) return false;
  for (const char c : target.substr(0, colon)) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!letter && !(c >= '0' && c <= '9') && c != '+' && c != '-' && c != '.') return false;
  }
  return true;
}

}  // namespace

std::optional<Target> parse_target(std::string_view target) {
  target = target.substr(0, target.find('#'));
  if (target == "*") return Target{.path = "*", .query = {}};
  if (!target.starts_with('/')) {
    if (!starts_with_scheme(target)) return std::nullopt;
    target.remove_prefix(target.find("://") + 3);
    const size_t authority = target.find_first_of("/?");
    if (authority == 0 || target.empty()) return std::nullopt;
    target = authority == std::string_view::npos ? std::string_view() : target.substr(authority);
  }
  const size_t mark = target.find('?');
  auto path = decode_path(target.substr(0, mark));
  if (!path) return std::nullopt;
  Target result{.path = std::move(*path), .query = {}};
  if (result.path.empty()) result.path.push_back('/');
  if (mark == std::string_view::npos) return result;
  std::string_view rest = target.substr(mark + 1);
  while (!rest.empty()) {
    const size_t end = rest.find('&');
    const std::string_view pair = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    result.query.emplace_back(
        decode_query_part(pair.substr(0, equals)),
        equals == std::string_view::npos ? std::string() : decode_query_part(pair.substr(equals + 1)));
  }
  return result;
}

}  // namespace testmesh::http
