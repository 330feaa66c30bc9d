// Which hosts and addresses a run may reach. Asked twice: for the name as it is
// written, and for every address right before a socket connects to it, so that
// numbers in other bases, IPv4 within IPv6, names and redirects all end at the
// same gate.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct sockaddr;

namespace testmesh::actions {

// Immutable; thread-safe.
class HostPolicy {
 public:
  // Link-local and metadata addresses are refused (169.254/16, fe80::/10,
  // fd00:ec2::254, 100.100.100.200, also mapped, compatible, NAT64, 6to4 and
  // Teredo forms of the IPv4 ones), as is metadata.google.internal.
  HostPolicy() = default;
  // `allowed` not empty: nothing else may be reached. Patterns are host names
  // with `*` for any part ("*.shop.test"), addresses or networks
  // ("10.0.0.0/8"), each with an optional ":port".
  explicit HostPolicy(std::vector<std::string> allowed);

  // Empty: allowed. Otherwise the sentence of `address_refused`.
  std::optional<std::string> refuses_host(std::string_view host, uint16_t port) const;
  // `host`: the name that led to this address; with a list of allowed hosts the
  // name or the address must be on it.
  std::optional<std::string> refuses_address(const sockaddr&, std::string_view host) const;

 private:
  std::vector<std::string> allowed_;
};

struct Resolved {
  std::string address;  // numeric
  uint16_t port = 0;
  bool v6 = false;
};
// For libraries that can be told an address but not asked before they connect:
// the first addresses of the host that the policy allows; else the error, code
// "address_refused" or "connection" first, then the sentence.
struct Resolution {
  std::vector<Resolved> addresses;
  std::string error_code, error;
};
Resolution resolve(const HostPolicy&, std::string_view host, uint16_t port);

}  // namespace testmesh::actions
