#include "graph/identity.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <memory>

#include "base/result.h"
#include "discovery/names.h"

namespace testmesh::graph {
namespace {

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
constexpr char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

// Each part with its length before it, so that no two lists give one text.
void append_part(std::string& bytes, std::string_view part) {
  bytes.append(std::to_string(part.size())).append(":").append(part);
}

// A graph has an id for each of its edges, in every answer: looking SHA-256 up
// anew each time, as SHA256() does, costs twice what the hash does.
std::array<uint8_t, SHA256_DIGEST_LENGTH> sha256(std::string_view bytes) {
  using Context = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  thread_local const Context context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  std::array<uint8_t, SHA256_DIGEST_LENGTH> hash;
  CHECK(EVP_DigestInit_ex2(context.get(), algorithm, nullptr) == 1 &&
        EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()) == 1 &&
        EVP_DigestFinal_ex(context.get(), hash.data(), nullptr) == 1);
  return hash;
}

// RFC 9562 version 8: the bits that are ours come from a hash.
Uuid uuid_from(std::string_view bytes) {
  const auto hash = sha256(bytes);
  Uuid uuid;
  std::copy_n(hash.begin(), uuid.size(), uuid.begin());
  uuid[6] = static_cast<uint8_t>((uuid[6] & 0x0f) | 0x80);
  uuid[8] = static_cast<uint8_t>((uuid[8] & 0x3f) | 0x80);
  return uuid;
}

std::string_view bytes_of(const Uuid& uuid) {
  return {reinterpret_cast<const char*>(uuid.data()), uuid.size()};
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

std::string to_string(const Uuid& uuid) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  for (size_t i = 0; i < uuid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += kDigits[uuid[i] >> 4];
    text += kDigits[uuid[i] & 15];
  }
  return text;
}

Uuid node_uuid(const NodeKey& key, std::string_view system) {
  std::string bytes = "node";
  append_part(bytes, to_string(key.type));
  append_part(bytes, key.name);
  append_part(bytes, key.service);
  if (!system.empty()) append_part(bytes, system);
  return uuid_from(bytes);
}

// One block of the hash.
Uuid edge_uuid(const Uuid& source, const Uuid& target, EdgeType type) {
  std::string bytes = "edge";
  bytes.reserve(64);
  bytes.append(bytes_of(source)).append(bytes_of(target)).append(to_string(type));
  return uuid_from(bytes);
}

}  // namespace testmesh::graph
