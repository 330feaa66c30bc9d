#include "transport/http/client.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "transport/http/chunk_decoder.h"
#include "transport/http/request_head.h"
#include "transport/http/response_head.h"

namespace testmesh::http {
namespace {

constexpr size_t kMaxHead = 64 << 10;
constexpr size_t kMaxBody = 1ull << 30;

using Steady = std::chrono::steady_clock;

// What a response's head says about what follows.
struct ResponseHead {
  Response response;
  BodyFraming framing = BodyFraming::kNone;
  uint64_t content_length = 0;
  bool until_close = true;
  bool keep_alive = true;
};

bool parse_response_head(std::string_view text, ResponseHead& out) {
  const auto take_line = [&text](std::string_view& line) {
    const size_t end = text.find("\r\n");
    if (end == std::string_view::npos) return false;
    line = text.substr(0, end);
    text.remove_prefix(end + 2);
    return true;
  };
  std::string_view line;
  if (!take_line(line) || line.size() < 12 ||
      !(line.starts_with("HTTP/1.1 ") || line.starts_with("HTTP/1.0 "))) {
    return false;
  }
  uint64_t status = 0;
  if (!parse_content_length(line.substr(9, 3), status) || status < 100) return false;
  out.response.status = static_cast<int>(status);
  out.response.content_type.clear();
  out.keep_alive = line.starts_with("HTTP/1.1");
  while (take_line(line) && !line.empty()) {
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) return false;
    std::string name = to_lower(line.substr(0, colon));
    const std::string_view value = trim_whitespace(line.substr(colon + 1));
    if (name == "content-length") {
      if (!parse_content_length(value, out.content_length)) return false;
      if (out.framing != BodyFraming::kChunked) out.framing = BodyFraming::kLength;
      out.until_close = false;
    } else if (name == "transfer-encoding") {
      if (!equals_ignoring_case(value, "chunked")) return false;
      out.framing = BodyFraming::kChunked;
      out.until_close = false;
    } else if (name == "connection") {
      for_each_element(value, [&](std::string_view option) {
        if (equals_ignoring_case(option, "close")) out.keep_alive = false;
        if (equals_ignoring_case(option, "keep-alive")) out.keep_alive = true;
      });
    } else if (name == "content-type") {
      out.response.content_type = value;
    }
    out.response.headers.emplace_back(std::move(name), value);
  }
  return true;
}

}  // namespace

struct Client::Impl {
  std::string host;  // as in the URL, for the Host header
  std::string node;  // without brackets
  std::string port;
  std::string prefix;  // of paths, no slash at its end
  std::chrono::seconds timeout{30};
  int socket = -1;
  bool fresh = false;  // no response has come over this connection yet
  std::string input;   // read but not used

  ~Impl() { disconnect(); }

  void disconnect() {
    if (socket >= 0) ::close(socket);
    socket = -1;
    input.clear();
  }

  std::unexpected<base::Error> unavailable(const std::string& what) {
    disconnect();
    return base::fail(base::ErrorCode::kUnavailable, "http://" + host + " " + what + ".");
  }

  // Waits until the socket is ready; false when the time is over.
  bool wait_for(short events, Steady::time_point deadline) const {
    while (true) {
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Steady::now()).count();
      if (left <= 0) return false;
      pollfd entry{.fd = socket, .events = events, .revents = 0};
      const int ready = ::poll(&entry, 1, static_cast<int>(std::min<int64_t>(left + 1, 1 << 30)));
      if (ready > 0) return true;
      if (ready < 0 && errno != EINTR) return false;
    }
  }

  base::Result<void> connect(Steady::time_point deadline);
  base::Result<void> write(std::string_view head, std::string_view body, Steady::time_point deadline);
  // Appends to `input`; false at the end of the stream.
  base::Result<bool> read(Steady::time_point deadline);
  // Whether a kept connection is still open, and silent as it should be.
  bool still_usable() const {
    if (!input.empty()) return false;
    char byte = 0;
    const ssize_t got = ::recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  }
  base::Result<Response> exchange(std::string_view method, const std::string& head, std::string_view body);
  base::Result<void> read_body(ResponseHead& head, Steady::time_point deadline);
};

base::Result<void> Client::Impl::connect(Steady::time_point deadline) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int code = getaddrinfo(node.c_str(), port.c_str(), &hints, &found); code != 0) {
    return unavailable(std::string("is not known: ") + gai_strerror(code));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, freeaddrinfo);
  int error = ECONNREFUSED;
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    socket = ::socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (socket < 0) {
      error = errno;
      continue;
    }
    error = ::connect(socket, address->ai_addr, address->ai_addrlen) == 0 ? 0 : errno;
    if (error == EINPROGRESS) {
      socklen_t size = sizeof error;
      if (!wait_for(POLLOUT, deadline)) {
        error = ETIMEDOUT;
      } else if (getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
        error = errno;
      }
    }
    if (error == 0) {
      const int on = 1;
      setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      fresh = true;
      return {};
    }
    disconnect();
  }
  return unavailable(std::string("cannot be reached: ") + std::strerror(error));
}

base::Result<void> Client::Impl::write(std::string_view head, std::string_view body,
                                       Steady::time_point deadline) {
  while (!head.empty() || !body.empty()) {
    std::array<iovec, 2> parts{iovec{const_cast<char*>(head.data()), head.size()},
                               iovec{const_cast<char*>(body.data()), body.size()}};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    const ssize_t sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
    if (sent >= 0) {
      const size_t of_head = std::min(head.size(), static_cast<size_t>(sent));
      head.remove_prefix(of_head);
      body.remove_prefix(static_cast<size_t>(sent) - of_head);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
      return base::fail(base::ErrorCode::kUnavailable,
                        "http://" + host + " closed the connection: " + std::strerror(errno) + ".");
    }
    // A server that has already answered (413, 400) may not read on.
    pollfd entry{.fd = socket, .events = POLLOUT | POLLIN, .revents = 0};
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Steady::now()).count();
    const int ready =
        left <= 0 ? 0 : ::poll(&entry, 1, static_cast<int>(std::min<int64_t>(left + 1, 1 << 30)));
    if (ready == 0) return unavailable("did not take the request in time");
    if (ready > 0 && (entry.revents & POLLIN) != 0 && (entry.revents & POLLOUT) == 0) return {};
  }
  return {};
}

base::Result<bool> Client::Impl::read(Steady::time_point deadline) {
  while (true) {
    const size_t had = input.size();
    ssize_t got = 0;
    int error = 0;
    input.resize_and_overwrite(had + (256 << 10), [&](char* data, size_t size) {
      got = ::recv(socket, data + had, size - had, 0);
      error = errno;
      return had + static_cast<size_t>(std::max<ssize_t>(got, 0));
    });
    if (got > 0) return true;
    if (got == 0) return false;
    if (error == EINTR) continue;
    if (error != EAGAIN && error != EWOULDBLOCK) return false;
    if (!wait_for(POLLIN, deadline)) return unavailable("did not answer in time");
  }
}

base::Result<void> Client::Impl::read_body(ResponseHead& head, Steady::time_point deadline) {
  std::string& body = head.response.body;
  const auto cut = [this] { return unavailable("closed the connection in the middle of an answer"); };
  const auto too_large = [this] { return unavailable("answered with more than this client takes"); };
  if (head.framing == BodyFraming::kChunked) {
    ChunkDecoder chunks(kMaxBody);
    while (true) {
      input.erase(0, chunks.feed(input, body));
      switch (chunks.state()) {
        case ChunkDecoder::State::kDone:
          return {};
        case ChunkDecoder::State::kTooLarge:
          return too_large();
        case ChunkDecoder::State::kBad:
          return unavailable("answered with a malformed body");
        case ChunkDecoder::State::kMore:
          break;
      }
      TRY_ASSIGN(const bool more, read(deadline));
      if (!more) return cut();
    }
  }
  if (head.framing == BodyFraming::kLength) {
    if (head.content_length > kMaxBody) return too_large();
    while (body.size() < head.content_length) {
      if (input.empty()) {
        TRY_ASSIGN(const bool more, read(deadline));
        if (!more) return cut();
      }
      const size_t length = std::min(input.size(), static_cast<size_t>(head.content_length) - body.size());
      body.append(input, 0, length);
      input.erase(0, length);
    }
    return {};
  }
  while (true) {
    body.append(input);
    input.clear();
    if (body.size() > kMaxBody) return too_large();
    TRY_ASSIGN(const bool more, read(deadline));
    if (!more) return {};
  }
}

base::Result<Response> Client::Impl::exchange(std::string_view method, const std::string& head,
                                              std::string_view body) {
  const auto deadline = Steady::now() + timeout;
  for (int attempt = 0;; ++attempt) {
    if (socket >= 0 && !still_usable()) disconnect();
    if (socket < 0) TRY(connect(deadline));
    // The server may close a kept connection at the very moment it is used.
    // Sending again is safe if doing the same twice is.
    const bool may_retry = !fresh && attempt == 0 && method != "POST" && method != "PATCH";
    auto written = write(head, body, deadline);
    ResponseHead response;
    bool ended = false;
    size_t end = std::string::npos;
    while (!ended && socket >= 0) {
      end = input.find("\r\n\r\n");
      if (end == std::string::npos) {
        if (input.size() > kMaxHead) return unavailable("does not speak HTTP");
        TRY_ASSIGN(const bool more, read(deadline));
        ended = !more;
        continue;
      }
      response = ResponseHead{};
      if (!parse_response_head(std::string_view(input).substr(0, end + 4), response)) {
        return unavailable("does not speak HTTP");
      }
      input.erase(0, end + 4);
      if (response.response.status >= 200) break;
    }
    if (socket < 0 || ended) {
      const bool nothing_came = input.empty();
      disconnect();
      if (may_retry && nothing_came) continue;
      if (!written) return std::unexpected(written.error());
      return unavailable("closed the connection without an answer");
    }
    const bool has_body = method != "HEAD" && status_has_body(response.response.status);
    if (has_body) {
      TRY(read_body(response, deadline));
      if (response.until_close) response.keep_alive = false;
    }
    fresh = false;
    if (!response.keep_alive || !written) disconnect();
    return std::move(response.response);
  }
}

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

base::Result<Client> Client::open(std::string_view url, std::chrono::seconds timeout) {
  const auto bad = [&](std::string_view why) {
    return base::fail(base::ErrorCode::kInvalidArgument,
                      "'" + std::string(url) + "' is no address of a server: " + std::string(why) +
                          "; expected for example http://127.0.0.1:5016.");
  };
  if (url.starts_with("https://")) return bad("TLS is not supported here");
  std::string_view rest = url;
  if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else if (rest.find("://") != std::string_view::npos) {
    return bad("its scheme is not http");
  }
  auto impl = std::make_unique<Impl>();
  impl->timeout = timeout;
  const size_t slash = rest.find('/');
  impl->host = rest.substr(0, slash);
  if (slash != std::string_view::npos) impl->prefix = rest.substr(slash);
  while (impl->prefix.ends_with('/')) impl->prefix.pop_back();
  if (!std::ranges::all_of(url, [](char c) { return c > 0x20 && c < 0x7f; }))
    return bad("it has invalid characters");
  const size_t colon = impl->host.rfind(':');
  const size_t bracket = impl->host.find(']');
  impl->port = "80";
  impl->node = impl->host;
  if (colon != std::string::npos && (bracket == std::string::npos || colon > bracket)) {
    impl->port = impl->host.substr(colon + 1);
    impl->node = impl->host.substr(0, colon);
  }
  uint64_t number = 0;
  if (!parse_content_length(impl->port, number) || number == 0 || number > 65535)
    return bad("its port is no number");
  if (impl->node.starts_with('[') && impl->node.ends_with(']')) {
    impl->node = impl->node.substr(1, impl->node.size() - 2);
  }
  if (impl->node.empty()) return bad("it has no host");
  return Client(std::move(impl));
}

base::Result<Response> Client::send(std::string_view method, std::string_view target, std::string_view body,
                                    const Headers& headers) {
  if (!is_token(method) || !target.starts_with('/') ||
      !std::ranges::all_of(target, [](char c) { return c > 0x20 && c < 0x7f; })) {
    return base::fail(base::ErrorCode::kInvalidArgument, "The request has no valid method or target.");
  }
  std::string head;
  head.append(method).append(" ").append(impl_->prefix).append(target).append(" HTTP/1.1\r\nHost: ");
  head.append(impl_->host).append("\r\n");
  if (!body.empty() || (method != "GET" && method != "HEAD")) {
    head.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
  }
  for (const auto& [name, value] : headers) {
    if (!is_token(name) || !is_field_value(value)) {
      return base::fail(base::ErrorCode::kInvalidArgument, "The request has an invalid header.");
    }
    head.append(name).append(": ").append(value).append("\r\n");
  }
  head.append("\r\n");
  return impl_->exchange(method, head, body);
}

}  // namespace testmesh::http
