// One HTTP request and its answer over libcurl, which stays in the source.
// Redirects, authentication and bodies are http_request.cc's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "actions/action.h"
#include "actions/config_reader.h"
#include "actions/propagation.h"
#include "base/result.h"

namespace testmesh::actions {

struct HttpUrl {
  std::string full;          // http or https, no user, no fragment, escaped where it must be
  std::string scheme, host;  // an IPv6 address without brackets
  uint16_t port = 0;
  std::optional<std::string> user, password;  // were in the URL

  std::string host_and_port() const;
  bool same_origin(const HttpUrl&) const;
};
// The error is a sentence that shows no password.
base::Result<HttpUrl> parse_http_url(std::string_view text);
// The target of a redirect, relative or not.
base::Result<HttpUrl> follow_http_url(const HttpUrl& from, std::string_view location);
// Escapes all but letters, digits and -._~
std::string percent_encoded(std::string_view text);

struct HttpExchange {
  std::string method;
  HttpUrl url;
  HeaderList headers;
  std::string cookies;  // "a=b; c=d", besides those of the jar
  std::optional<std::string_view> body;
  bool verify = true;
};

struct HttpAnswer {
  int status = 0;       // 0: no answer came
  HeaderList headers;   // names in lower case; of the last answer, trailers too
  std::string body;     // decompressed
  std::string version;  // "1.1", "2"
  std::string peer;     // the address it came from
  uint16_t peer_port = 0;
  std::optional<ActionError> error;
};

// The connections and the cookie jar of one run. A thread that sends takes a
// handle and gives it back with its connections still open. Thread-safe.
class HttpConnections {
 public:
  HttpConnections();
  ~HttpConnections();
  HttpConnections(const HttpConnections&) = delete;

  // The host policy is asked for the name and for every address before a socket
  // connects to it.
  HttpAnswer send(const HttpExchange&, const HostPolicy&, const Waiting&);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

inline constexpr size_t kMaxHttpBody = 64u << 20;

}  // namespace testmesh::actions
