// Which hosts and addresses a run may reach. Asked twice: for the name as it is
// written, and for every address right before a socket connects to it, so that
// numbers in other bases, IPv4 within IPv6, names and redirects all end at the
// same gate.
#pragma once

#include <cstdint>
#include <functional>
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
  // fd00:ec2::/32, 100.100.100.200, also mapped, compatible, translated, NAT64,
  // 6to4, ISATAP and Teredo forms of the IPv4 ones), as is
  // metadata.google.internal; no list of allowed hosts lets them through.
  HostPolicy() = default;
  // `allowed` not empty: nothing else may be reached. Patterns are host names
  // with `*` for any part ("*.shop.test"), addresses or networks
  // ("10.0.0.0/8", "[fd00::/8]"), each with an optional ":port"; a `*` stands
  // for any text, dots too. A pattern that check_pattern() refuses allows
  // nothing.
  explicit HostPolicy(std::vector<std::string> allowed);

  // Empty: it is a pattern. Otherwise a sentence saying what is wrong.
  static std::optional<std::string> check_pattern(std::string_view pattern);

  // There is a list of what may be reached. The files and unix sockets of this
  // machine are on none: actions refuse them then.
  bool restricted() const { return restricted_; }

  // Empty: allowed. Otherwise the sentence of `address_refused`. A name that
  // is not on the list passes when the list has addresses or networks: where it
  // leads is asked of refuses_address().
  std::optional<std::string> refuses_host(std::string_view host, uint16_t port) const;
  // `host`: the name that led to this address; with a list of allowed hosts the
  // name or the address must be on it. A family other than IPv4 and IPv6 is
  // refused.
  std::optional<std::string> refuses_address(const sockaddr&, std::string_view host) const;

 private:
  struct Pattern {
    std::string name;       // lower case, may hold `*`; empty: a network
    uint8_t network[16]{};  // IPv4 as ::ffff:0:0/96
    int prefix = 0;         // of the 128 bits
    uint16_t port = 0;      // 0: any
  };
  static std::optional<Pattern> parse_pattern(std::string_view, std::string& problem);

  bool restricted_ = false;
  std::vector<Pattern> allowed_;
  std::string listed_;  // for messages
};

struct Resolved {
  std::string address;  // numeric
  uint16_t port = 0;
  bool v6 = false;
};
// For libraries that can be told an address but not asked before they connect:
// the first addresses of the host that the policy allows; else the error, code
// "address_refused", "connection" or (given up) "timeout" first, then the
// sentence.
struct Resolution {
  std::vector<Resolved> addresses;
  std::string error_code, error;
};
// Asks `give_up` at least every 50 ms while a name server takes its time.
Resolution resolve(const HostPolicy&, std::string_view host, uint16_t port,
                   const std::function<bool()>& give_up = {});

}  // namespace testmesh::actions
