#include "actions/host_policy.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>

namespace testmesh::actions {
namespace {

using Bytes16 = std::array<uint8_t, 16>;  // an IPv6 address; IPv4 as ::ffff:a.b.c.d

Bytes16 mapped(const uint8_t* v4) {
  Bytes16 bytes{};
  bytes[10] = bytes[11] = 0xff;
  std::copy_n(v4, 4, bytes.begin() + 12);
  return bytes;
}

bool is_mapped(const Bytes16& bytes) {
  return std::all_of(bytes.begin(), bytes.begin() + 10, [](uint8_t b) { return b == 0; }) &&
         bytes[10] == 0xff && bytes[11] == 0xff;
}

std::string to_text(const Bytes16& bytes) {
  char text[INET6_ADDRSTRLEN];
  if (is_mapped(bytes)) return inet_ntop(AF_INET, bytes.data() + 12, text, sizeof text);
  return inet_ntop(AF_INET6, bytes.data(), text, sizeof text);
}

std::optional<Bytes16> bytes_of(const sockaddr& address) {
  Bytes16 bytes;
  if (address.sa_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &address, sizeof v4);
    return mapped(reinterpret_cast<const uint8_t*>(&v4.sin_addr));
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, &address, sizeof v6);
    std::copy_n(v6.sin6_addr.s6_addr, 16, bytes.begin());
    return bytes;
  }
  return std::nullopt;
}

uint16_t port_of(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &address, sizeof v4);
    return ntohs(v4.sin_port);
  }
  sockaddr_in6 v6;
  std::memcpy(&v6, &address, sizeof v6);
  return ntohs(v6.sin6_port);
}

// As the C library reads numbers when it connects: "2852039166", "0251.0376.1",
// "0xa9.254.43518" are addresses too.
std::optional<Bytes16> numeric(const std::string& host) {
  if (in6_addr v6; inet_pton(AF_INET6, host.c_str(), &v6) == 1) {
    Bytes16 bytes;
    std::copy_n(v6.s6_addr, 16, bytes.begin());
    return bytes;
  }
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST;
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (host.empty() || host.find('\0') != std::string::npos ||
      getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0)
    return std::nullopt;
  const auto bytes = bytes_of(*found->ai_addr);
  freeaddrinfo(found);
  return bytes;
}

bool metadata_v4(const uint8_t* a) {
  return (a[0] == 169 && a[1] == 254) ||                                // link-local, most clouds' metadata
         (a[0] == 100 && a[1] == 100 && a[2] == 100 && a[3] == 200) ||  // Alibaba
         (a[0] == 192 && a[1] == 0 && a[2] == 0 && a[3] == 192) ||      // Oracle, the older one
         (a[0] == 168 && a[1] == 63 && a[2] == 129 && a[3] == 16);      // Azure's wire server
}

bool begins(const Bytes16& bytes, std::initializer_list<uint8_t> prefix) {
  return std::equal(prefix.begin(), prefix.end(), bytes.begin());
}

bool zeros(const Bytes16& bytes, size_t from, size_t to) {
  return std::all_of(bytes.begin() + from, bytes.begin() + to, [](uint8_t b) { return b == 0; });
}

// A gateway or a tunnel turns these into the IPv4 address they hold.
bool holds_metadata_v4(const Bytes16& b) {
  const auto at = [&](size_t i) { return metadata_v4(b.data() + i); };
  if (zeros(b, 0, 10) && b[10] == 0xff && b[11] == 0xff) return at(12);  // mapped
  if (zeros(b, 0, 12)) return at(12);                                    // compatible
  if (zeros(b, 0, 8) && b[8] == 0xff && b[9] == 0xff && b[10] == 0 && b[11] == 0)
    return at(12);                                                                  // translated
  if (begins(b, {0x00, 0x64, 0xff, 0x9b, 0, 0}) && zeros(b, 4, 12)) return at(12);  // NAT64
  if (begins(b, {0x00, 0x64, 0xff, 0x9b, 0, 1})) {
    // NAT64 of a local network (RFC 8215): the length of its prefix is unknown,
    // and RFC 6052 puts the address around the byte 8.
    const uint8_t by48[] = {b[6], b[7], b[9], b[10]}, by56[] = {b[7], b[9], b[10], b[11]};
    return metadata_v4(by48) || metadata_v4(by56) || at(9) || at(12);
  }
  if (begins(b, {0x20, 0x02})) return at(2);  // 6to4
  if (begins(b, {0x20, 0x01, 0, 0})) {        // Teredo: the server, and the client with its bits turned
    const uint8_t client[] = {static_cast<uint8_t>(~b[12]), static_cast<uint8_t>(~b[13]),
                              static_cast<uint8_t>(~b[14]), static_cast<uint8_t>(~b[15])};
    return at(4) || metadata_v4(client);
  }
  if ((b[8] == 0 || b[8] == 2) && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe) return at(12);  // ISATAP
  return false;
}

bool never_reached(const Bytes16& b) {
  if (b[0] == 0xfe && (b[1] & 0xc0) == 0x80) return true;  // fe80::/10
  if (begins(b, {0xfd, 0x00, 0x0e, 0xc2})) return true;    // fd00:ec2::/32, AWS
  if (begins(b, {0xfd, 0x20, 0x00, 0xce}) && zeros(b, 4, 14) && b[14] == 2 && b[15] == 0x54)
    return true;  // GCP
  return holds_metadata_v4(b);
}

bool metadata_name(std::string_view host) {
  return host == "metadata.google.internal" || host == "metadata.goog" ||
         host.ends_with(".metadata.google.internal");
}

std::string unescaped(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned code = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, code, 16).ptr == text.data() + i + 3) {
      plain += static_cast<char>(code);
      i += 2;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

// One spelling of a host: no brackets, zone, escapes, trailing dots or capitals.
std::string plain_host(std::string_view host) {
  if (host.starts_with('[')) host.remove_prefix(1);
  if (host.ends_with(']')) host.remove_suffix(1);
  std::string plain = host.find(':') == std::string_view::npos ? unescaped(host)
                                                               : std::string(host.substr(0, host.find('%')));
  while (plain.ends_with('.')) plain.pop_back();
  for (char& c : plain)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  return plain;
}

bool matches(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p, ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool within(const Bytes16& address, const uint8_t* network, int prefix) {
  for (int bit = 0; bit < prefix; bit += 8) {
    const int rest = std::min(8, prefix - bit);
    const auto mask = static_cast<uint8_t>(0xff << (8 - rest));
    if ((address[static_cast<size_t>(bit) / 8] & mask) != (network[bit / 8] & mask)) return false;
  }
  return true;
}

// "10.*" must not let the name "10.evil.test" through.
bool numbers_only(std::string_view pattern) {
  return pattern.find_first_not_of("0123456789.*") == std::string_view::npos &&
         pattern.find_first_of("0123456789") != std::string_view::npos;
}

std::string shown(std::string_view host, uint16_t port) {
  const bool v6 = host.find(':') != std::string_view::npos && !host.starts_with('[');
  const std::string name = v6 ? fmt::format("[{}]", host) : std::string(host);
  return port == 0 ? name : fmt::format("{}:{}", name, port);
}

constexpr std::string_view kWhyNever = "link-local and metadata addresses are never reached by a run";

}  // namespace

std::optional<HostPolicy::Pattern> HostPolicy::parse_pattern(std::string_view text, std::string& problem) {
  const auto wrong = [&](std::string_view why) {
    problem = fmt::format("\"{}\" is no pattern of hosts: {}", text, why);
    return std::nullopt;
  };
  Pattern pattern;
  std::string_view host = text, port;
  if (host.starts_with('[')) {
    const size_t end = host.find(']');
    if (end == std::string_view::npos) return wrong("the bracket is not closed");
    port = host.substr(end + 1);
    host = host.substr(1, end - 1);
    if (!port.empty() && !port.starts_with(':')) return wrong("only \":port\" may follow the bracket");
    if (!port.empty()) port.remove_prefix(1);
    if (port.empty() && text.back() == ':') return wrong("the port is missing");
  } else if (const size_t colon = host.find(':');
             colon != std::string_view::npos && colon == host.rfind(':')) {
    port = host.substr(colon + 1);
    host = host.substr(0, colon);
    if (port.empty()) return wrong("the port is missing");
  }
  if (!port.empty() && port != "*") {
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), pattern.port);
    if (error != std::errc() || end != port.data() + port.size() || pattern.port == 0)
      return wrong("the port is no number from 1 to 65535");
  }
  if (host.empty()) return wrong("the host is missing");
  std::optional<int> prefix;
  if (const size_t slash = host.find('/'); slash != std::string_view::npos) {
    int bits = -1;
    const std::string_view digits = host.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    if (error != std::errc() || end != digits.data() + digits.size() || bits < 0)
      return wrong("what follows the slash is no number of bits");
    prefix = bits;
    host = host.substr(0, slash);
  }
  const std::string plain = plain_host(host);
  if (plain.empty()) return wrong("the host is missing");
  if (const auto address = numeric(plain)) {
    std::copy(address->begin(), address->end(), pattern.network);
    const int most = is_mapped(*address) ? 32 : 128;
    if (prefix && *prefix > most) return wrong(fmt::format("a network has at most {} bits", most));
    pattern.prefix = prefix ? *prefix + 128 - most : 128;
    return pattern;
  }
  if (prefix) return wrong("a network starts with a numeric address");
  if (plain.find_first_of(" \t\r\n/@?#\\") != std::string::npos || plain.find(':') != std::string::npos)
    return wrong("a host name has no such characters; give a host without scheme and path");
  pattern.name = plain;
  return pattern;
}

std::optional<std::string> HostPolicy::check_pattern(std::string_view pattern) {
  std::string problem;
  if (parse_pattern(pattern, problem)) return std::nullopt;
  return problem;
}

HostPolicy::HostPolicy(std::vector<std::string> allowed) : restricted_(!allowed.empty()) {
  for (const std::string& text : allowed) {
    std::string problem;
    if (auto pattern = parse_pattern(text, problem)) allowed_.push_back(std::move(*pattern));
  }
  listed_ = fmt::format("{}", fmt::join(allowed, ", "));
}

std::optional<std::string> HostPolicy::refuses_host(std::string_view host, uint16_t port) const {
  const std::string plain = plain_host(host);
  const auto address = numeric(plain);
  if (metadata_name(plain) || (address && never_reached(*address)))
    return fmt::format("{} is not allowed: {}", shown(host, port), kWhyNever);
  if (!restricted_) return std::nullopt;
  const std::string name = address ? to_text(*address) : plain;
  for (const Pattern& pattern : allowed_) {
    if (pattern.port != 0 && pattern.port != port) continue;
    if (pattern.name.empty()) {
      if (!address || within(*address, pattern.network, pattern.prefix)) return std::nullopt;
    } else if ((address || !numbers_only(pattern.name)) && matches(pattern.name, name)) {
      return std::nullopt;
    }
  }
  return fmt::format("{} is not allowed: runs may reach only {}", shown(host, port), listed_);
}

std::optional<std::string> HostPolicy::refuses_address(const sockaddr& socket_address,
                                                       std::string_view host) const {
  const auto address = bytes_of(socket_address);
  if (!address) return fmt::format("{} leads to an address that is neither IPv4 nor IPv6", host);
  const uint16_t port = port_of(socket_address);
  const std::string plain = plain_host(host);
  const auto named = [&] {
    const std::string target = shown(to_text(*address), port);
    return numeric(plain) == address ? target : fmt::format("{} leads to {}, which", shown(host, 0), target);
  };
  if (metadata_name(plain) || never_reached(*address))
    return fmt::format("{} is not allowed: {}", named(), kWhyNever);
  if (!restricted_) return std::nullopt;
  const bool is_number = numeric(plain).has_value();
  const std::string text = to_text(*address);
  for (const Pattern& pattern : allowed_) {
    if (pattern.port != 0 && pattern.port != port) continue;
    if (pattern.name.empty()) {
      if (within(*address, pattern.network, pattern.prefix)) return std::nullopt;
    } else if (matches(pattern.name, text) || (!plain.empty() && !is_number && !numbers_only(pattern.name) &&
                                               matches(pattern.name, plain))) {
      return std::nullopt;
    }
  }
  return fmt::format("{} is not allowed: runs may reach only {}", named(), listed_);
}

namespace {

struct Lookup {
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  int error = 0;
  std::vector<sockaddr_storage> found;
};

void look_up(const std::string& host, Lookup& lookup) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int error = getaddrinfo(host.c_str(), nullptr, &hints, &list);
  const std::lock_guard lock(lookup.mutex);
  lookup.error = error;
  for (const addrinfo* one = error == 0 ? list : nullptr; one != nullptr; one = one->ai_next) {
    sockaddr_storage address{};
    std::memcpy(&address, one->ai_addr, std::min<size_t>(one->ai_addrlen, sizeof address));
    lookup.found.push_back(address);
  }
  if (error == 0) freeaddrinfo(list);
  lookup.done = true;
  lookup.changed.notify_all();
}

}  // namespace

Resolution resolve(const HostPolicy& policy, std::string_view host, uint16_t port,
                   const std::function<bool()>& give_up) {
  if (auto refused = policy.refuses_host(host, port))
    return {.addresses = {}, .error_code = "address_refused", .error = std::move(*refused)};
  const std::string plain = plain_host(host);
  const auto lookup = std::make_shared<Lookup>();
  if (plain.empty() || plain.find('\0') != std::string::npos)
    return {
        .addresses = {}, .error_code = "connection", .error = fmt::format("\"{}\" is no host name", plain)};
  if (!give_up || numeric(plain)) {
    look_up(plain, *lookup);
  } else {
    // getaddrinfo() cannot be stopped: past the deadline its thread goes on
    // alone, until the name servers' own time-outs, and touches only `lookup`.
    std::thread([lookup, plain] { look_up(plain, *lookup); }).detach();
    std::unique_lock lock(lookup->mutex);
    while (!lookup->changed.wait_for(lock, std::chrono::milliseconds(50), [&] { return lookup->done; }))
      if (give_up())
        return {.addresses = {},
                .error_code = "timeout",
                .error = fmt::format("the time was up while looking up the host {}", plain)};
  }
  if (lookup->error != 0)
    return {.addresses = {},
            .error_code = "connection",
            .error = fmt::format("the host {} cannot be resolved: {}", plain, gai_strerror(lookup->error))};
  Resolution resolution;
  std::string refusal;
  for (sockaddr_storage& address : lookup->found) {
    auto& generic = reinterpret_cast<sockaddr&>(address);
    if (generic.sa_family == AF_INET) reinterpret_cast<sockaddr_in&>(address).sin_port = htons(port);
    if (generic.sa_family == AF_INET6) reinterpret_cast<sockaddr_in6&>(address).sin6_port = htons(port);
    if (auto refused = policy.refuses_address(generic, host)) {
      refusal = std::move(*refused);
      continue;
    }
    resolution.addresses.push_back(
        {.address = to_text(*bytes_of(generic)), .port = port, .v6 = !is_mapped(*bytes_of(generic))});
  }
  if (resolution.addresses.empty()) {
    resolution.error_code = refusal.empty() ? "connection" : "address_refused";
    resolution.error =
        refusal.empty() ? fmt::format("the host {} has no address", plain) : std::move(refusal);
  }
  return resolution;
}

}  // namespace testmesh::actions
