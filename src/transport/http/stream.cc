#include "transport/http/stream.h"

#include <utility>

namespace testmesh::http {

// The connection is woken under the mutex: that only queues a call on its loop,
// and detach() cannot come between.
Stream::Written Stream::write(std::string_view piece) {
  const std::lock_guard lock(mutex_);
  if (ended_ || detached_) return Written::kClosed;
  if (buffer_.size() + piece.size() > options_.max_buffered_bytes) return Written::kFull;
  buffer_ += piece;
  if (wake_ && !std::exchange(woken_, true)) wake_();
  return Written::kTaken;
}

void Stream::end() {
  const std::lock_guard lock(mutex_);
  if (std::exchange(ended_, true) || detached_) return;
  if (wake_ && !std::exchange(woken_, true)) wake_();
}

bool Stream::closed() const {
  const std::lock_guard lock(mutex_);
  return ended_ || detached_;
}

void Stream::attach(std::function<void()> wake) {
  const std::lock_guard lock(mutex_);
  wake_ = std::move(wake);
}

void Stream::detach() {
  const std::lock_guard lock(mutex_);
  detached_ = true;
  wake_ = nullptr;
  buffer_ = std::string();
}

std::string Stream::take(bool& last) {
  const std::lock_guard lock(mutex_);
  woken_ = false;
  last = ended_;
  return std::exchange(buffer_, std::string());
}

}  // namespace testmesh::http
