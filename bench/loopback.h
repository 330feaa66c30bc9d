// Addresses the measuring programs may talk to: loopback only, so that a
// mistyped endpoint never floods someone else's server.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace testmesh::bench {

struct LoopbackEndpoint {
  std::string host;  // as it goes into the Host header
  sockaddr_in address{};
};

// "http://127.0.0.1:4318" or "http://localhost:4318"; nullopt for anything else.
inline std::optional<LoopbackEndpoint> parse_loopback(std::string_view url) {
  constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme)) return std::nullopt;
  url.remove_prefix(kScheme.size());
  if (url.ends_with('/')) url.remove_suffix(1);
  const size_t colon = url.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view port_text = url.substr(colon + 1);
  uint16_t port = 0;
  const auto parsed = std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  if (parsed.ec != std::errc() || parsed.ptr != port_text.data() + port_text.size()) return std::nullopt;
  std::string name(url.substr(0, colon));
  if (name == "localhost") name = "127.0.0.1";
  LoopbackEndpoint endpoint{.host = std::string(url), .address = {}};
  endpoint.address.sin_family = AF_INET;
  endpoint.address.sin_port = htons(port);
  if (inet_pton(AF_INET, name.c_str(), &endpoint.address.sin_addr) != 1) return std::nullopt;
  if (ntohl(endpoint.address.sin_addr.s_addr) >> 24 != 127) return std::nullopt;
  return endpoint;
}

// A connected blocking socket without Nagle's delay; -1 (errno says why).
inline int connect_loopback(const LoopbackEndpoint& endpoint) {
  const int socket_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket_fd < 0) return -1;
  const int on = 1;
  setsockopt(socket_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(socket_fd, reinterpret_cast<const sockaddr*>(&endpoint.address), sizeof endpoint.address) ==
      0) {
    return socket_fd;
  }
  close(socket_fd);
  return -1;
}

}  // namespace testmesh::bench
