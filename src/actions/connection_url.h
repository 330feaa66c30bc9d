// Connection URLs of databases and caches: what they say, and how they may be
// shown.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace testmesh::actions {

struct ConnectionUrl {
  std::string scheme;  // lower case
  std::string user;
  std::optional<std::string> password;
  std::string host;   // without the brackets of IPv6
  uint16_t port = 0;  // 0: not given
  // After the host, with its leading slash; of a URL without "//" all after the
  // scheme's colon.
  std::string path;
  std::vector<std::pair<std::string, std::string>> params;
  bool has_authority = false;

  const std::string* param(std::string_view name) const;
};

// scheme://[user[:password]@][host][:port][/path][?name=value&…] or
// scheme:path[?…], each part %-decoded. The error is a sentence that shows no
// password.
std::expected<ConnectionUrl, std::string> parse_connection_url(std::string_view text);

// The text with every password in it as "***", also where it does not parse.
std::string mask_url(std::string_view text);

}  // namespace testmesh::actions
