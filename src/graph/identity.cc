#include "graph/identity.h"

#include <openssl/sha.h>

#include <array>

#include "base/hex.h"
#include "discovery/names.h"

namespace testmesh::graph {
namespace {

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
constexpr char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

// Each part with its length before it, so that no two lists give one text.
void append_part(std::string& bytes, std::string_view part) {
  bytes.append(std::to_string(part.size())).append(":").append(part);
}

// RFC 9562 version 8: the bits that are ours come from a hash.
std::string uuid_from(std::string_view bytes) {
  std::array<uint8_t, SHA256_DIGEST_LENGTH> hash;
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), hash.data());
  hash[6] = static_cast<uint8_t>((hash[6] & 0x0f) | 0x80);
  hash[8] = static_cast<uint8_t>((hash[8] & 0x3f) | 0x80);
  const std::string hex = base::to_hex(std::span(hash).first(16));
  std::string text;
  text.reserve(36);
  for (size_t i = 0; i < hex.size(); ++i) {
    if (i == 8 || i == 12 || i == 16 || i == 20) text += '-';
    text += hex[i];
  }
  return text;
}

}  // namespace

std::string folded_service(std::string_view name) {
  std::string folded;
  folded.reserve(name.size());
  for (const char c : name)
    if (c != '-' && c != '_' && c != '.') folded += lower(c);
  return folded.empty() ? std::string(name) : folded;
}

std::string templated_endpoint(std::string_view name) {
  const size_t space = name.find(' ');
  if (space == std::string_view::npos) return std::string(name);
  std::string result;
  result.reserve(name.size() + 1);
  for (const char c : name.substr(0, space)) result += upper(c);
  return result.append(" ").append(discovery::template_route(name.substr(space + 1)));
}

std::string anonymous_endpoint(std::string_view name) {
  const std::string templated = templated_endpoint(name);
  std::string result;
  result.reserve(templated.size());
  bool parameter = false;
  for (size_t i = 0; i < templated.size(); ++i) {
    if (templated[i] == '/') parameter = false;
    if (!parameter) result += templated[i];
    if (templated[i] == ':' && i > 0 && templated[i - 1] == '/') parameter = true;
  }
  return result;
}

std::string node_id(const NodeKey& key, std::string_view system) {
  std::string bytes = "node";
  append_part(bytes, to_string(key.type));
  append_part(bytes, key.name);
  append_part(bytes, key.service);
  if (!system.empty()) append_part(bytes, system);
  return uuid_from(bytes);
}

std::string edge_id(std::string_view source_id, std::string_view target_id, EdgeType type) {
  std::string bytes = "edge";
  append_part(bytes, source_id);
  append_part(bytes, target_id);
  append_part(bytes, to_string(type));
  return uuid_from(bytes);
}

}  // namespace testmesh::graph
