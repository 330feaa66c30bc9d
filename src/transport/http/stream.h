// A response body that is written while the client reads: server-sent events.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

namespace testmesh::http {

struct StreamOptions {
  // Written and not yet taken over by the connection, which holds as much again
  // at most.
  size_t max_buffered_bytes = 64 << 10;
  // Sent when nothing else was for so long; empty: nothing.
  std::string heartbeat = {};
  std::chrono::milliseconds heartbeat_every{15'000};
};

// Given away in Response::stream; whoever keeps a reference writes to it. The
// answer is sent chunked (HTTP/1.0: until the connection closes), and the
// connection closes after it. A connection that takes nothing for the server's
// body_timeout is cut.
//
// Thread-safe; costs no thread. Writing never blocks and may begin before the
// stream was given away.
class Stream {
 public:
  enum class Written : uint8_t {
    kTaken,
    kFull,    // nothing of it was taken: the client reads too slowly
    kClosed,  // nobody reads any more
  };

  explicit Stream(StreamOptions options = {}) : options_(std::move(options)) {}
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  Written write(std::string_view piece);
  // What was written still goes out; then the body ends. Writes are kClosed.
  void end();
  // Ended, or the client has gone.
  bool closed() const;

 private:
  friend class Connection;

  // Of the connection's thread.
  void attach(std::function<void()> wake);
  void detach();
  // What was written since the last call; `last`: nothing more will come.
  std::string take(bool& last);
  const StreamOptions& options() const { return options_; }

  const StreamOptions options_;
  mutable std::mutex mutex_;
  std::string buffer_;
  std::function<void()> wake_;  // null: not attached
  bool woken_ = false;          // and the connection has not come yet
  bool ended_ = false;
  bool detached_ = false;
};

}  // namespace testmesh::http
