#include "transport/http/server.h"

#include <netdb.h>
#include <pthread.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <boost/asio/post.hpp>
#include <cstring>
#include <ctime>

#include "transport/http/connection.h"
#include "transport/http/response_head.h"

namespace testmesh::http {
namespace {

using asio::ip::tcp;

constexpr size_t kReadBuffer = 256 << 10;
constexpr std::chrono::milliseconds kTick{100};

}  // namespace

std::string_view Request::header(std::string_view lower_case_name) const {
  for (const auto& [name, value] : headers) {
    if (name == lower_case_name) return value;
  }
  return {};
}

// ---- Loop

Loop::Loop(std::shared_ptr<Shared> shared)
    : shared_(std::move(shared)), work_(asio::make_work_guard(io_)), timer_(io_), read_buffer_(kReadBuffer) {}

void Loop::run() {
  tick();
  io_.run();
  close_all();
}

void Loop::stop() { io_.stop(); }

void Loop::tick() {
  refresh_now();
  if (const int64_t second = std::time(nullptr); second != date_second_) {
    date_second_ = second;
    date_ = http_date(second);
  }
  for (auto next = connections_.begin(); next != connections_.end();) {
    const std::shared_ptr<Connection> connection = *next++;
    connection->check_deadline();
  }
  resume_paused();
  timer_.expires_after(kTick);
  timer_.async_wait([this](boost::system::error_code error) {
    if (!error) tick();
  });
}

void Loop::adopt(tcp::socket socket) {
  refresh_now();
  const auto connection = std::make_shared<Connection>(*this, std::move(socket));
  connections_.push_front(connection);
  connection->position_ = connections_.begin();
  if (shared_->stopping.load(std::memory_order_relaxed)) return connection->close();
  connection->start();
}

void Loop::remove(Connection& connection) {
  if (connection.paused_) paused_.remove(&connection);
  connections_.erase(connection.position_);
  count_.fetch_sub(1, std::memory_order_relaxed);
  if (shared_->open.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    const std::lock_guard lock(shared_->mutex);
    shared_->all_closed.notify_all();
  }
}

void Loop::finish_up() {
  for (auto next = connections_.begin(); next != connections_.end();) {
    const std::shared_ptr<Connection> connection = *next++;
    connection->hurry();
  }
}

void Loop::close_all() {
  while (!connections_.empty()) {
    const std::shared_ptr<Connection> connection = connections_.front();
    connection->close();
  }
}

bool Loop::may_read_body(Connection& connection) {
  if (past_budget_ == &connection || within_budget()) return true;
  if (past_budget_ == nullptr && shared_->handling.load(std::memory_order_relaxed) == 0) {
    past_budget_ = &connection;
    return true;
  }
  shared_->pauses.fetch_add(1, std::memory_order_relaxed);
  paused_.push_back(&connection);
  has_paused_.store(true, std::memory_order_relaxed);  // a wake-up missed here is made up for by tick()
  return false;
}

void Loop::done_reading_body(Connection& connection) {
  if (past_budget_ != &connection) return;
  past_budget_ = nullptr;
  if (!paused_.empty()) asio::post(io_, [this] { resume_paused(); });
}

void Loop::wake_paused(Shared& shared) {
  for (const auto& weak : shared.loops) {
    const auto loop = weak.lock();
    if (!loop || !loop->has_paused_.exchange(false, std::memory_order_relaxed)) continue;
    asio::post(loop->io_, [raw = loop.get()] { raw->resume_paused(); });
  }
}

void Loop::resume_paused() {
  refresh_now();
  // Those that still may not read put themselves back, in the same order.
  for (size_t left = paused_.size(); left > 0 && !paused_.empty(); --left) {
    const auto connection = paused_.front()->shared_from_this();
    paused_.pop_front();
    connection->resume();
  }
  has_paused_.store(!paused_.empty(), std::memory_order_relaxed);
}

// ---- Server

struct Server::Impl {
  explicit Impl(ServerOptions options, Handler handler) : shared(std::make_shared<Shared>()) {
    shared->options = options;
    shared->handler = std::move(handler);
    for (unsigned i = 0; i < std::max(1u, options.threads); ++i) {
      loops.push_back(std::make_shared<Loop>(shared));
      shared->loops.push_back(loops.back());
    }
  }

  // One listening socket; accepts on the first loop for all of them.
  struct Listener {
    explicit Listener(asio::io_context& io) : acceptor(io), retry(io) {}
    tcp::acceptor acceptor;
    asio::steady_timer retry;
    bool failing = false;  // said so in the log
  };

  void accept_next(Listener& listener);
  void take(tcp::socket socket, Loop& loop);
  Loop& least_busy();

  std::shared_ptr<Shared> shared;
  std::vector<std::shared_ptr<Loop>> loops;
  std::vector<std::unique_ptr<Listener>> listeners;
  std::vector<std::thread> threads;
  bool started = false;
  bool stopped = false;
};

Loop& Server::Impl::least_busy() {
  Loop* best = loops.front().get();
  for (const auto& loop : loops) {
    if (loop->connections() < best->connections()) best = loop.get();
  }
  return *best;
}

void Server::Impl::accept_next(Listener& listener) {
  Loop& loop = least_busy();
  listener.acceptor.async_accept(
      loop.io(), [this, &listener, &loop](boost::system::error_code error, tcp::socket socket) {
        if (shared->stopping.load(std::memory_order_relaxed) || error == asio::error::operation_aborted)
          return;
        if (!error) {
          listener.failing = false;
          take(std::move(socket), loop);
          return accept_next(listener);
        }
        if (error == asio::error::connection_aborted) return accept_next(listener);
        // Out of file descriptors or memory: trying again at once would only spin.
        if (!listener.failing) spdlog::warn("cannot accept connections for now: {}", error.message());
        listener.failing = true;
        listener.retry.expires_after(kTick);
        listener.retry.async_wait([this, &listener](boost::system::error_code cancelled) {
          if (!cancelled) accept_next(listener);
        });
      });
}

void Server::Impl::take(tcp::socket socket, Loop& loop) {
  if (shared->open.load(std::memory_order_relaxed) >= shared->options.max_connections) {
    shared->refused.fetch_add(1, std::memory_order_relaxed);
    Response response = make_error(503, "The server has as many connections as it takes.");
    response.headers.emplace_back("Retry-After", "2");
    const std::string text =
        encode_response_head(response, false, false, http_date(std::time(nullptr))) + response.body;
    boost::system::error_code ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(text), ignored);
    return;
  }
  shared->open.fetch_add(1, std::memory_order_relaxed);
  shared->accepted.fetch_add(1, std::memory_order_relaxed);
  loop.expect_one();
  asio::post(loop.io(), [&loop, accepted = std::move(socket)]() mutable { loop.adopt(std::move(accepted)); });
}

Server::Server(ServerOptions options, Handler handler)
    : impl_(std::make_unique<Impl>(options, std::move(handler))) {}

Server::~Server() { stop(); }

namespace {

base::Result<tcp::endpoint> resolve(std::string_view address) {
  const auto bad = [&](std::string_view why) {
    return base::fail(base::ErrorCode::kInvalidArgument,
                      "'" + std::string(address) + "' is no address to listen on: " + std::string(why) +
                          "; expected HOST:PORT, for example 127.0.0.1:5016 or [::1]:0.");
  };
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return bad("it has no port");
  std::string host(address.substr(0, colon));
  const std::string port(address.substr(colon + 1));
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string::npos) {
    return bad("an IPv6 address goes in brackets");
  }
  if (host.empty()) host = "0.0.0.0";
  uint64_t number = 0;
  if (!parse_content_length(port, number) || number > 65535) return bad("the port is no number up to 65535");
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int code = getaddrinfo(host.c_str(), port.c_str(), &hints, &found); code != 0) {
    return bad(gai_strerror(code));
  }
  tcp::endpoint endpoint;
  endpoint.resize(found->ai_addrlen);
  std::memcpy(endpoint.data(), found->ai_addr, found->ai_addrlen);
  freeaddrinfo(found);
  return endpoint;
}

std::string why_not(const boost::system::error_code& error) {
  if (error == asio::error::address_in_use) {
    return "another program uses this port; stop it or choose another port (0 takes any free one)";
  }
  if (error == asio::error::access_denied)
    return "not permitted; ports below 1024 need privileges, choose a higher one";
  if (error == boost::system::errc::address_not_available) return "this machine has no such address";
  return error.message();
}

}  // namespace

base::Result<Endpoint> Server::listen(std::string_view address) {
  TRY_ASSIGN(const tcp::endpoint endpoint, resolve(address));
  auto listener = std::make_unique<Impl::Listener>(impl_->loops.front()->io());
  boost::system::error_code error;
  tcp::acceptor& acceptor = listener->acceptor;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  tcp::endpoint bound;
  if (!error) bound = acceptor.local_endpoint(error);
  if (error) {
    return base::fail(base::ErrorCode::kUnavailable,
                      "Cannot listen on " + std::string(address) + ": " + why_not(error) + ".");
  }
  Impl::Listener& added = *listener;
  impl_->listeners.push_back(std::move(listener));
  if (impl_->started) {
    asio::post(impl_->loops.front()->io(), [impl = impl_.get(), &added] { impl->accept_next(added); });
  }
  return Endpoint{bound.address().to_string(), bound.port()};
}

void Server::start() {
  if (impl_->started || impl_->stopped) return;
  impl_->started = true;
  for (const auto& listener : impl_->listeners) {
    asio::post(impl_->loops.front()->io(),
               [impl = impl_.get(), raw = listener.get()] { impl->accept_next(*raw); });
  }
  for (const auto& loop : impl_->loops) {
    impl_->threads.emplace_back([loop] {
      pthread_setname_np(pthread_self(), "http");
      loop->run();
    });
  }
}

void Server::stop(std::chrono::milliseconds grace) {
  if (impl_->stopped) return;
  impl_->stopped = true;
  Shared& shared = *impl_->shared;
  shared.stopping = true;
  if (impl_->started) {
    asio::post(impl_->loops.front()->io(), [impl = impl_.get()] {
      for (const auto& listener : impl->listeners) {
        boost::system::error_code ignored;
        listener->acceptor.close(ignored);
        listener->retry.cancel();
      }
    });
    for (const auto& loop : impl_->loops) {
      asio::post(loop->io(), [raw = loop.get()] { raw->finish_up(); });
    }
    {
      std::unique_lock lock(shared.mutex);
      shared.all_closed.wait_for(lock, grace,
                                 [&] { return shared.open.load(std::memory_order_acquire) == 0; });
    }
    for (const auto& loop : impl_->loops) loop->stop();
    for (std::thread& thread : impl_->threads) thread.join();
    impl_->threads.clear();
  }
  impl_->listeners.clear();
}

ServerStats Server::stats() const {
  const Shared& shared = *impl_->shared;
  return {.accepted = shared.accepted,
          .refused = shared.refused,
          .open = shared.open,
          .requests = shared.requests,
          .bytes_in = shared.bytes_in,
          .bad_requests = shared.bad_requests,
          .timeouts = shared.timeouts,
          .pauses = shared.pauses,
          .buffered_bytes = shared.buffered,
          .streams = shared.streams};
}

}  // namespace testmesh::http
