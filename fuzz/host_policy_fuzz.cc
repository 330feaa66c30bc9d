// Host names, patterns and trace contexts as a flow file may spell them. What
// the C library reads as a metadata address must be refused, whatever it looks
// like, and a list of hosts may only ever take away.
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>
#include <string>

#include "actions/action.h"
#include "actions/host_policy.h"
#include "base/result.h"

using namespace testmesh::actions;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string host(text.substr(0, text.find('\n')));
  const std::string pattern(text.substr(std::min(host.size() + 1, text.size())));

  const HostPolicy open, listed({pattern});
  const bool refused = open.refuses_host(host, 80).has_value();
  if (refused) CHECK(listed.refuses_host(host, 80).has_value());
  if (HostPolicy::check_pattern(pattern) && !pattern.empty())
    CHECK(listed.refuses_host("127.0.0.1", 80).has_value());

  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (host.find('\0') == std::string::npos && !host.empty() &&
      getaddrinfo(host.c_str(), nullptr, &hints, &found) == 0) {
    if (found->ai_family == AF_INET) {
      sockaddr_in v4;
      std::memcpy(&v4, found->ai_addr, sizeof v4);
      if (ntohl(v4.sin_addr.s_addr) >> 16 == 0xa9fe) CHECK(refused);
    }
    // The name and the address it is must be judged alike.
    if (!refused) CHECK(!open.refuses_address(*found->ai_addr, host).has_value());
    freeaddrinfo(found);
  }
  if (const auto context = parse_traceparent(text)) {
    const auto again = parse_traceparent(traceparent(*context));
    CHECK(again && again->trace_id == context->trace_id && again->span_id == context->span_id);
  }
  return 0;
}
