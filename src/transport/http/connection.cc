#include "transport/http/connection.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <exception>

#include "transport/http/response_head.h"

namespace testmesh::http {
namespace {

using asio::ip::tcp;

// A body's first memory when only a few of its bytes have come, and how far
// memory may run ahead of what has come.
constexpr size_t kFirstBody = 16 << 10;
constexpr size_t kGrowth = 4;
constexpr size_t kSmallRead = 4 << 10;
// Read per wake-up of one connection before others get their turn.
constexpr size_t kMaxTurn = 4 << 20;
// How long a connection that answered with `Connection: close` is still read
// from: closing with unread bytes would make the kernel throw the answer away.
constexpr std::chrono::seconds kDrainTime{10};
constexpr std::chrono::milliseconds kDrainTimeAtStop{500};

}  // namespace

Connection::Connection(Loop& loop, tcp::socket socket)
    : loop_(loop),
      socket_(std::move(socket)),
      parser_(loop.shared().options.max_header_bytes),
      chunks_(loop.shared().options.max_body_bytes) {}

void Connection::start() {
  boost::system::error_code ignored;
  socket_.set_option(tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);
  set_deadline(loop_.shared().options.header_timeout);
  wait_readable();
}

void Connection::set_deadline(std::chrono::milliseconds after) { deadline_ = loop_.now() + after; }

void Connection::set_charge(size_t bytes) {
  if (bytes == charge_) return;
  Shared& shared = loop_.shared();
  if (bytes > charge_) {
    shared.buffered.fetch_add(bytes - charge_, std::memory_order_relaxed);
    charge_ = bytes;
  } else {
    shared.buffered.fetch_sub(charge_ - bytes, std::memory_order_relaxed);
    charge_ = bytes;
    Loop::wake_paused(shared);
  }
}

void Connection::end_handling() {
  if (counted_handling_) loop_.shared().handling.fetch_sub(1, std::memory_order_relaxed);
  counted_handling_ = false;
}

// Past the budget a head is read in small pieces, as a body may follow it.
size_t Connection::read_size() const {
  return phase_ == Phase::kHead && !loop_.within_budget() ? kSmallRead : loop_.read_buffer_size();
}

void Connection::close() {
  if (phase_ == Phase::kClosed) return;
  const auto self = shared_from_this();
  phase_ = Phase::kClosed;
  end_handling();
  drop_stream();
  loop_.done_reading_body(*this);
  set_charge(0);
  request_ = Request{};
  pending_ = std::string();
  boost::system::error_code ignored;
  socket_.close(ignored);
  loop_.remove(*this);
}

void Connection::check_deadline() {
  if (loop_.now() < deadline_ || phase_ == Phase::kClosed) return;
  deadline_ = Steady::time_point::max();
  if (phase_ == Phase::kBody || (phase_ == Phase::kHead && parser_.started())) {
    loop_.shared().timeouts.fetch_add(1, std::memory_order_relaxed);
    refuse(408, "The request did not arrive in time.");
  } else if (phase_ == Phase::kStreaming && !out_blocked_) {
    set_piece(stream_->options().heartbeat);
    write_some();
  } else {
    if (out_blocked_) loop_.shared().timeouts.fetch_add(1, std::memory_order_relaxed);
    close();
  }
}

void Connection::hurry() {
  if (phase_ == Phase::kHead && !parser_.started()) close();
  if (phase_ == Phase::kDraining) set_deadline(kDrainTimeAtStop);
  if (phase_ == Phase::kStreaming) {
    stream_->end();
    write_stream();
  }
}

void Connection::wait_readable() {
  if (waiting_readable_ || phase_ == Phase::kClosed) return;
  waiting_readable_ = true;
  socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this()](boost::system::error_code error) {
    self->waiting_readable_ = false;
    if (error || self->phase_ == Phase::kClosed) return;
    self->loop_.refresh_now();
    self->on_readable();
  });
}

void Connection::on_readable() {
  switch (phase_) {
    case Phase::kHandling:
    case Phase::kWriting:
    case Phase::kClosed:
      return;  // read again when the answer is out
    case Phase::kStreaming:
      // Reading tells that the client has gone; what it sends is for nobody.
      read_some(loop_.read_buffer(), loop_.read_buffer_size());
      return wait_readable();
    case Phase::kDraining: {
      const size_t size = read_some(loop_.read_buffer(), loop_.read_buffer_size());
      if (phase_ == Phase::kClosed) return;
      if (size > body_left_) return close();
      body_left_ -= size;
      return wait_readable();
    }
    case Phase::kHead:
    case Phase::kBody:
      break;
  }
  if (phase_ == Phase::kBody && !loop_.may_read_body(*this)) {
    paused_ = true;
    deadline_ = Steady::time_point::max();  // the delay is ours
    return;
  }
  if (phase_ == Phase::kBody && body_left_ > 0) {
    if (read_body_directly()) body_complete();
  } else if (const size_t size = read_some(loop_.read_buffer(), read_size()); size > 0) {
    process({loop_.read_buffer(), size});
  }
  if (phase_ == Phase::kHead || phase_ == Phase::kBody) wait_readable();
}

void Connection::resume() {
  if (!paused_) return;
  paused_ = false;
  if (phase_ != Phase::kBody) return;
  set_deadline(loop_.shared().options.body_timeout);
  on_readable();
}

size_t Connection::read_some(char* data, size_t size) {
  boost::system::error_code error;
  const size_t length = socket_.read_some(asio::buffer(data, size), error);
  if (error && error != asio::error::would_block && error != asio::error::try_again) {
    close();
    return 0;
  }
  loop_.shared().bytes_in.fetch_add(length, std::memory_order_relaxed);
  return error ? 0 : length;
}

// Straight into the body, whose memory stays in proportion to what has come.
bool Connection::read_body_directly() {
  size_t turn = 0;
  std::string& body = request_.body;
  while (body_left_ > 0 && turn < kMaxTurn) {
    const size_t whole = body.size() + static_cast<size_t>(body_left_);
    if (body.size() == body.capacity() || body.capacity() < kFirstBody) {
      body.reserve(std::min(whole, std::max(body.size() * kGrowth, kFirstBody)));
    }
    const size_t had = body.size();
    const size_t wanted = std::min(whole, body.capacity()) - had;
    size_t got = 0;
    body.resize_and_overwrite(had + wanted, [&](char* data, size_t) {
      got = read_some(data + had, wanted);
      return had + got;
    });
    if (phase_ == Phase::kClosed) return false;
    if (got == 0) break;
    body_left_ -= got;
    turn += got;
    set_charge(body.capacity());
    if (got < wanted) break;  // the socket is empty
  }
  if (turn > 0) set_deadline(loop_.shared().options.body_timeout);
  return body_left_ == 0;
}

// Runs through as many requests as the bytes hold. What follows a request
// whose answer is still out is kept until then.
void Connection::process(std::string_view bytes) {
  const auto self = shared_from_this();
  in_process_ = true;
  while (!bytes.empty()) {
    if (phase_ == Phase::kHead) {
      const bool fresh = !parser_.started();
      bytes.remove_prefix(parser_.feed(bytes));
      if (fresh) set_deadline(loop_.shared().options.header_timeout);
      if (parser_.state() == RequestHeadParser::State::kBad) {
        refuse(parser_.error_status(), parser_.error());
      } else if (parser_.state() == RequestHeadParser::State::kDone) {
        const bool ask_for_body = parser_.head().expects_continue && bytes.empty();
        take_head();
        if (ask_for_body && phase_ == Phase::kBody) {
          static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
          boost::system::error_code error;
          socket_.write_some(asio::buffer(kContinue), error);
          if (error) close();
        }
      }
    } else if (phase_ == Phase::kBody && body_left_ > 0) {
      const size_t length = static_cast<size_t>(std::min<uint64_t>(body_left_, bytes.size()));
      std::string& body = request_.body;
      if (body.capacity() < body.size() + length) {
        body.reserve(std::min(body.size() + static_cast<size_t>(body_left_),
                              std::max((body.size() + length) * kGrowth, kFirstBody)));
      }
      body.append(bytes.substr(0, length));
      bytes.remove_prefix(length);
      body_left_ -= length;
      set_charge(body.capacity());
      set_deadline(loop_.shared().options.body_timeout);
      if (body_left_ == 0) body_complete();
    } else if (phase_ == Phase::kBody) {
      bytes.remove_prefix(chunks_.feed(bytes, request_.body));
      set_charge(request_.body.capacity());
      set_deadline(loop_.shared().options.body_timeout);
      switch (chunks_.state()) {
        case ChunkDecoder::State::kMore:
          break;
        case ChunkDecoder::State::kDone:
          body_complete();
          break;
        case ChunkDecoder::State::kBad:
          refuse(400, "The request's chunked body is malformed.");
          break;
        case ChunkDecoder::State::kTooLarge:
          request_.body_too_large = true;
          keep_alive_ = false;
          body_complete();
          break;
      }
    } else {
      if (phase_ == Phase::kHandling || phase_ == Phase::kWriting) {
        if (keep_alive_) {
          pending_ = bytes;
          set_charge(charge_ + pending_.size());
        }
      }
      break;
    }
  }
  in_process_ = false;
}

void Connection::take_head() {
  RequestHead& head = parser_.head();
  Shared& shared = loop_.shared();
  request_ = std::move(head.request);
  keep_alive_ = head.keep_alive;
  http_1_0_ = head.http_1_0;
  is_head_ = request_.method == "HEAD";
  body_left_ = 0;
  switch (head.framing) {
    case BodyFraming::kNone:
      return body_complete();
    case BodyFraming::kLength:
      if (head.content_length == 0) return body_complete();
      if (head.content_length > shared.options.max_body_bytes) {
        request_.body_too_large = true;
        keep_alive_ = false;
        return body_complete();
      }
      body_left_ = head.content_length;
      break;
    case BodyFraming::kChunked:
      chunks_ = ChunkDecoder(shared.options.max_body_bytes);
      break;
  }
  phase_ = Phase::kBody;
  set_deadline(shared.options.body_timeout);
}

void Connection::body_complete() {
  loop_.done_reading_body(*this);
  if (request_.body_too_large) {
    request_.body = std::string();
    set_charge(0);
  }
  dispatch();
}

namespace {

// The Responder's state: answers 500 when it is dropped unused.
class PendingAnswer {
 public:
  PendingAnswer(std::shared_ptr<Loop> loop, std::shared_ptr<Connection> connection)
      : loop_(std::move(loop)), connection_(std::move(connection)) {}
  PendingAnswer(PendingAnswer&&) noexcept = default;
  PendingAnswer& operator=(PendingAnswer&&) = delete;
  ~PendingAnswer() {
    if (connection_) {
      Response response = make_error(500, "The request was not answered.");
      response.close = false;
      Connection::answer(std::move(loop_), std::move(connection_), std::move(response));
    }
  }
  void operator()(Response response) {
    if (connection_) Connection::answer(std::move(loop_), std::move(connection_), std::move(response));
  }

 private:
  std::shared_ptr<Loop> loop_;  // outlives the connection
  std::shared_ptr<Connection> connection_;
};

}  // namespace

void Connection::dispatch() {
  Shared& shared = loop_.shared();
  phase_ = Phase::kHandling;
  deadline_ = Steady::time_point::max();
  shared.requests.fetch_add(1, std::memory_order_relaxed);
  if (charge_ > 0) {
    counted_handling_ = true;
    shared.handling.fetch_add(1, std::memory_order_relaxed);
  }
  in_handler_ = true;
  try {
    shared.handler(std::move(request_), PendingAnswer(loop_.shared_from_this(), shared_from_this()));
  } catch (const std::exception& error) {
    spdlog::error("a request's handler failed: {}", error.what());
  }
  in_handler_ = false;
  request_ = Request{};
}

void Connection::answer(std::shared_ptr<Loop> loop, std::shared_ptr<Connection> self, Response response) {
  if (loop->io().get_executor().running_in_this_thread() && self->in_handler_) {
    return self->respond(std::move(response));
  }
  // The queued call must not own the loop, which owns the queue.
  asio::post(loop->io(), [self = std::move(self), response = std::move(response)]() mutable {
    self->loop_.refresh_now();
    self->respond(std::move(response));
  });
}

void Connection::refuse(int status, std::string_view sentence) {
  loop_.shared().bad_requests.fetch_add(1, std::memory_order_relaxed);
  loop_.done_reading_body(*this);
  keep_alive_ = false;
  is_head_ = false;
  request_ = Request{};
  phase_ = Phase::kHandling;
  respond(make_error(status, sentence));
}

void Connection::respond(Response response) {
  if (phase_ != Phase::kHandling) return;
  if (response.close || loop_.shared().stopping.load(std::memory_order_relaxed)) keep_alive_ = false;
  if (response.stream) {
    if (!is_head_ && status_has_body(response.status)) return start_stream(response);
    stream_ = response.stream;
    drop_stream();
    keep_alive_ = false;
  }
  if (!keep_alive_) pending_ = std::string();
  out_head_ = encode_response_head(response, keep_alive_, http_1_0_, loop_.date());
  out_body_ = is_head_ || !status_has_body(response.status) ? std::string() : std::move(response.body);
  out_sent_ = 0;
  phase_ = Phase::kWriting;
  end_handling();
  set_charge(pending_.size());
  write_some();
}

void Connection::write_some() {
  while (true) {
    std::array<asio::const_buffer, 2> buffers{asio::buffer(out_head_), asio::buffer(out_body_)};
    buffers[1] += out_sent_ > out_head_.size() ? out_sent_ - out_head_.size() : 0;
    buffers[0] += std::min(out_sent_, out_head_.size());
    if (buffers[0].size() + buffers[1].size() == 0) {
      if (phase_ == Phase::kWriting) return response_written();
      if (!next_piece()) return;
      continue;
    }
    boost::system::error_code error;
    out_sent_ += socket_.write_some(buffers, error);
    if (error == asio::error::would_block || error == asio::error::try_again) {
      set_deadline(loop_.shared().options.body_timeout);
      out_blocked_ = true;
      socket_.async_wait(tcp::socket::wait_write,
                         [self = shared_from_this()](boost::system::error_code failed) {
                           self->out_blocked_ = false;
                           if (failed || self->phase_ == Phase::kClosed) return;
                           self->loop_.refresh_now();
                           self->write_some();
                         });
      return;
    }
    if (error) return close();
  }
}

// ---- Answers that go on

void Connection::start_stream(const Response& response) {
  keep_alive_ = false;
  pending_ = std::string();
  out_head_ = encode_response_head(response, false, http_1_0_, loop_.date());
  out_body_ = std::string();
  out_sent_ = 0;
  stream_ends_ = false;
  stream_ = response.stream;
  phase_ = Phase::kStreaming;
  end_handling();
  set_charge(0);
  loop_.shared().streams.fetch_add(1, std::memory_order_relaxed);
  if (loop_.shared().stopping.load(std::memory_order_relaxed)) stream_->end();
  // Whoever writes may outlive the server: it holds neither.
  stream_->attach([loop = loop_.weak_from_this(), weak = std::weak_ptr(shared_from_this())] {
    // The loop first: a connection must not be held when its loop goes.
    const auto held = loop.lock();
    if (!held) return;
    auto self = weak.lock();
    if (!self) return;
    asio::post(held->io(), [self = std::move(self)] {
      self->loop_.refresh_now();
      self->write_stream();
    });
  });
  write_some();
  wait_readable();
}

void Connection::write_stream() {
  if (phase_ == Phase::kStreaming && !out_blocked_) write_some();
}

void Connection::set_piece(std::string_view piece) {
  out_head_ = std::string();
  out_sent_ = 0;
  if (http_1_0_ || piece.empty()) {
    out_body_ = piece;
    return;
  }
  char size[24];
  out_body_.assign(size, static_cast<size_t>(std::snprintf(size, sizeof size, "%zx\r\n", piece.size())));
  out_body_.append(piece).append("\r\n");
}

// What was written so far is out. False: there is nothing to send now.
bool Connection::next_piece() {
  if (stream_ends_) {
    drop_stream();
    start_draining();
    return false;
  }
  const std::string piece = stream_->take(stream_ends_);
  set_piece(piece);
  if (stream_ends_ && !http_1_0_) out_body_ += "0\r\n\r\n";
  if (!piece.empty() || stream_ends_) return true;
  if (stream_->options().heartbeat.empty()) {
    deadline_ = Steady::time_point::max();
  } else {
    set_deadline(stream_->options().heartbeat_every);
  }
  return false;
}

void Connection::drop_stream() {
  if (!stream_) return;
  if (phase_ != Phase::kHandling) loop_.shared().streams.fetch_sub(1, std::memory_order_relaxed);
  stream_->detach();
  stream_ = nullptr;
}

void Connection::response_written() {
  out_head_ = std::string();
  out_body_ = std::string();
  if (!keep_alive_) return start_draining();
  phase_ = Phase::kHead;
  parser_.reset();
  set_deadline(loop_.shared().options.idle_timeout);
  if (in_process_) return;  // answered at once: process() goes on
  const std::string pending = std::move(pending_);
  pending_ = std::string();
  set_charge(0);
  process(pending);
  if (phase_ == Phase::kHead || phase_ == Phase::kBody) wait_readable();
}

void Connection::start_draining() {
  boost::system::error_code error;
  socket_.shutdown(tcp::socket::shutdown_send, error);
  if (error) return close();
  set_charge(0);
  phase_ = Phase::kDraining;
  body_left_ = 4 * static_cast<uint64_t>(loop_.shared().options.max_body_bytes);
  set_deadline(loop_.shared().stopping.load(std::memory_order_relaxed) ? kDrainTimeAtStop : kDrainTime);
  wait_readable();
}

}  // namespace testmesh::http
