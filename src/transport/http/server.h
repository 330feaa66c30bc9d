// HTTP/1.1 server: bytes in, bytes out. Knows nothing of traces.
//
// One thread and one io_context per `threads`; a connection stays on its
// thread. Handlers run on that thread and answer through the Responder, at
// once or later from any thread. Bodies are read whole (Content-Length or
// chunked), bounded by max_body_bytes; memory grows with what has arrived, not
// with what was announced. Pipelined requests are handled one after the other.
// What is no HTTP/1.x, or could be framed in two ways, is answered 400 and the
// connection closed.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "transport/http/stream.h"

namespace testmesh::http {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method;
  std::string target;  // as sent: path?query
  std::string path;    // percent-decoded; a malformed target is answered 400 before any handler
  std::vector<std::pair<std::string, std::string>> query;  // decoded, in order
  Headers headers;                                         // names lower-cased
  std::string body;
  std::string_view header(std::string_view lower_case_name) const;  // first of that name; "" when absent
  // The body went over the limit and was not kept; answer 413. The connection
  // closes after the answer.
  bool body_too_large = false;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body = {};
  Headers headers = {};  // further ones
  bool close = false;
  std::shared_ptr<Stream> stream = nullptr;  // the body, instead of `body`
};

// Call exactly once, from any thread. Dropped uncalled: the client gets 500.
using Responder = std::move_only_function<void(Response)>;
using Handler = std::function<void(Request, Responder)>;

struct ServerOptions {
  unsigned threads = 2;
  size_t max_body_bytes = 64ull << 20;
  size_t max_header_bytes = 32 << 10;
  size_t max_buffered_bytes =
      256ull << 20;  // request bodies of all connections together; past it reading pauses
  size_t max_connections = 4096;
  std::chrono::seconds header_timeout{15};  // slow clients
  std::chrono::seconds body_timeout{60};    // without progress
  std::chrono::seconds idle_timeout{120};   // keep-alive
};

// Counted since the start; one moment's values need not agree with each other.
struct ServerStats {
  uint64_t accepted = 0;        // connections taken
  uint64_t refused = 0;         // connections turned away at max_connections
  uint64_t open = 0;            // connections now
  uint64_t requests = 0;        // handed to the handler
  uint64_t bytes_in = 0;        // read from sockets
  uint64_t bad_requests = 0;    // answered 4xx by the server itself
  uint64_t timeouts = 0;        // connections cut for slowness, not for idling
  uint64_t pauses = 0;          // times reading stopped at max_buffered_bytes
  uint64_t buffered_bytes = 0;  // request bodies held now, until they are answered
  uint64_t streams = 0;         // answers that are being streamed now
};

struct Endpoint {
  std::string host;
  uint16_t port = 0;
};

class Server {
 public:
  Server(ServerOptions, Handler);
  ~Server();  // stop()

  // "127.0.0.1:5016", "[::1]:0"; several calls listen on several addresses.
  // The error says what to do (port taken, not permitted, bad address).
  base::Result<Endpoint> listen(std::string_view address);
  void start();
  // Stops accepting, lets running requests finish (at most `grace`), joins.
  void stop(std::chrono::milliseconds grace = std::chrono::seconds(10));
  ServerStats stats() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace testmesh::http
