// Private to this module: one event loop and its connections.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "transport/http/chunk_decoder.h"
#include "transport/http/request_head.h"
#include "transport/http/server.h"

namespace testmesh::http {

namespace asio = boost::asio;
using Steady = std::chrono::steady_clock;

class Connection;
class Loop;

// What all loops share. Outlives them: a Responder kept by someone holds its
// loop, which holds this.
struct Shared {
  ServerOptions options;
  Handler handler;

  std::atomic<bool> stopping{false};
  std::atomic<size_t> buffered{0};  // bytes of bodies and pipelined requests
  std::atomic<size_t> handling{0};  // requests with a body that are being answered
  std::atomic<size_t> open{0};
  std::atomic<size_t> streams{0};  // answers being streamed
  std::atomic<uint64_t> accepted{0}, refused{0}, requests{0}, bytes_in{0}, bad_requests{0}, timeouts{0},
      pauses{0};

  std::mutex mutex;
  std::condition_variable all_closed;      // open reached 0
  std::vector<std::weak_ptr<Loop>> loops;  // fixed before the first thread starts
};

// One thread's io_context, read buffer and connections.
class Loop : public std::enable_shared_from_this<Loop> {
 public:
  explicit Loop(std::shared_ptr<Shared> shared);

  asio::io_context& io() { return io_; }
  Shared& shared() { return *shared_; }
  void run();
  void stop();  // any thread; run() returns soon
  // Connections given to this loop and not yet closed; the acceptor counts one
  // when it gives it, so that a burst is spread evenly.
  size_t connections() const { return count_.load(std::memory_order_relaxed); }
  void expect_one() { count_.fetch_add(1, std::memory_order_relaxed); }

  // Loop thread only from here.
  void adopt(asio::ip::tcp::socket socket);
  void remove(Connection&);
  void finish_up();  // the server stops: closes what has no request under way
  void close_all();
  char* read_buffer() { return read_buffer_.data(); }
  size_t read_buffer_size() const { return read_buffer_.size(); }
  const std::string& date() const { return date_; }
  Steady::time_point now() const { return now_; }
  void refresh_now() { now_ = Steady::now(); }

  bool within_budget() const {
    return shared_->buffered.load(std::memory_order_relaxed) <= shared_->options.max_buffered_bytes;
  }
  // May the connection read more of its body? When not, it is resumed later.
  // Past the budget, reading waits for requests to be answered; when none is
  // being answered, one connection a loop goes on, or nothing would ever be.
  bool may_read_body(Connection&);
  void done_reading_body(Connection&);
  // Any thread: some budget came free.
  static void wake_paused(Shared&);

 private:
  void tick();
  void resume_paused();

  std::shared_ptr<Shared> shared_;
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  asio::steady_timer timer_;
  std::vector<char> read_buffer_;
  std::list<std::shared_ptr<Connection>> connections_;
  std::list<Connection*> paused_;
  Connection* past_budget_ = nullptr;
  std::string date_;
  int64_t date_second_ = -1;
  Steady::time_point now_ = Steady::now();
  std::atomic<size_t> count_{0};
  std::atomic<bool> has_paused_{false};

  friend class Connection;
};

// One socket. Everything but answer() runs on the loop's thread.
//
// Reads happen when the socket is readable, into the loop's buffer or, for
// bodies of known length, into the body itself; an idle connection owns no
// buffer.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Loop& loop, asio::ip::tcp::socket socket);

  void start();
  void check_deadline();
  void hurry();   // the server stops
  void resume();  // after a pause
  void close();
  // Any thread, once per request.
  static void answer(std::shared_ptr<Loop> loop, std::shared_ptr<Connection> self, Response response);

 private:
  enum class Phase { kHead, kBody, kHandling, kWriting, kStreaming, kDraining, kClosed };

  void wait_readable();
  void on_readable();
  size_t read_some(char* data, size_t size);  // 0: nothing now, or closed
  void process(std::string_view bytes);
  void take_head();
  bool read_body_directly();
  void body_complete();
  void dispatch();
  void respond(Response response);
  void refuse(int status, std::string_view sentence);
  void start_stream(const Response& response);
  void write_stream();
  bool next_piece();
  void set_piece(std::string_view piece);
  void drop_stream();
  void write_some();
  void response_written();
  void start_draining();
  size_t read_size() const;
  void set_charge(size_t bytes);
  void end_handling();
  void set_deadline(std::chrono::milliseconds after);

  Loop& loop_;
  asio::ip::tcp::socket socket_;
  std::list<std::shared_ptr<Connection>>::iterator position_;  // in the loop's list
  Phase phase_ = Phase::kHead;
  RequestHeadParser parser_;
  ChunkDecoder chunks_;
  Request request_;
  uint64_t body_left_ = 0;  // of a Content-Length
  std::string pending_;     // pipelined bytes behind the current request
  std::string out_head_;
  std::string out_body_;
  size_t out_sent_ = 0;
  std::shared_ptr<Stream> stream_;  // of kStreaming
  bool stream_ends_ = false;        // its last piece is on its way
  bool out_blocked_ = false;        // waits for the socket to take more
  bool keep_alive_ = true;
  bool http_1_0_ = false;
  bool is_head_ = false;
  bool in_handler_ = false;
  bool in_process_ = false;
  bool waiting_readable_ = false;
  bool paused_ = false;
  bool counted_handling_ = false;  // in Shared::handling
  size_t charge_ = 0;              // bytes this connection holds of the budget
  Steady::time_point deadline_ = Steady::time_point::max();

  friend class Loop;
};

}  // namespace testmesh::http
