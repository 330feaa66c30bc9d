// For tests: a blocking TCP connection to 127.0.0.1 that sends and reads bytes
// as they are. Gives up after ten seconds, so that a hang is a failure.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace testmesh::http::testing {

class RawSocket {
 public:
  explicit RawSocket(uint16_t port, int receive_buffer = 0)
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval limit{.tv_sec = 10, .tv_usec = 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (receive_buffer > 0)
      setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  RawSocket(const RawSocket&) = delete;
  RawSocket& operator=(const RawSocket&) = delete;
  ~RawSocket() { ::close(socket_); }

  bool connected() const { return connected_; }

  // False when the peer has closed.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  void end_sending() { ::shutdown(socket_, SHUT_WR); }

  // The next response with its body, which has a Content-Length; what has come
  // of it when the peer closes or time is over.
  std::string read_response() {
    while (true) {
      const size_t end = input_.find("\r\n\r\n");
      if (end != std::string::npos) {
        const size_t size = end + 4 + content_length(std::string_view(input_).substr(0, end));
        if (input_.size() >= size) {
          std::string response = input_.substr(0, size);
          input_.erase(0, size);
          return response;
        }
      }
      if (!read_more()) return std::exchange(input_, std::string());
    }
  }
  // What has come when `mark` has; what has come when the peer closes or time is
  // over.
  std::string read_until(std::string_view mark) {
    size_t at = 0;
    while ((at = input_.find(mark)) == std::string::npos)
      if (!read_more()) return std::exchange(input_, std::string());
    std::string text = input_.substr(0, at + mark.size());
    input_.erase(0, text.size());
    return text;
  }
  // All until the peer closes. `timed_out` tells when it did not.
  std::string read_to_end() {
    while (read_more()) {
    }
    return std::exchange(input_, std::string());
  }
  bool timed_out() const { return timed_out_; }

 private:
  bool read_more() {
    char buffer[65536];
    const ssize_t got = ::recv(socket_, buffer, sizeof buffer, 0);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) timed_out_ = true;
    if (got <= 0) return false;
    input_.append(buffer, static_cast<size_t>(got));
    return true;
  }
  static size_t content_length(std::string_view head) {
    const size_t at = head.find("Content-Length: ");
    return at == std::string_view::npos ? 0 : std::stoul(std::string(head.substr(at + 16, 20)));
  }

  int socket_;
  bool connected_ = false;
  bool timed_out_ = false;
  std::string input_;
};

// The statuses of all responses in a stream of responses to anything but HEAD.
inline std::vector<int> statuses(std::string_view stream) {
  std::vector<int> found;
  while (stream.starts_with("HTTP/1.1 ")) {
    found.push_back(std::stoi(std::string(stream.substr(9, 3))));
    const size_t end = stream.find("\r\n\r\n");
    if (end == std::string_view::npos) break;
    size_t size = end + 4;
    if (const size_t at = stream.substr(0, end).find("Content-Length: "); at != std::string_view::npos) {
      size += std::stoul(std::string(stream.substr(at + 16, 20)));
    }
    stream.remove_prefix(std::min(size, stream.size()));
  }
  return found;
}

}  // namespace testmesh::http::testing
