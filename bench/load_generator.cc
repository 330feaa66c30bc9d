// testmesh_load: sends OTLP traces of a made-up shop over HTTP as fast as they
// are acknowledged, or at a fixed rate, and says what that was like.
//
// One epoll loop a thread; every connection keeps up to `depth` requests in
// flight. A request's buffers stay with its connection until they are sent.
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/uio.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cctype>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <map>
#include <memory>
#include <span>
#include <thread>

#include "bench/latency.h"
#include "bench/loopback.h"
#include "bench/workload.h"

namespace testmesh::bench {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kDrainLimit = 30 * kSecond;    // waiting for the last acknowledgements
constexpr uint64_t kRefusalPause = kSecond / 10;  // after 429 and 503
constexpr uint32_t kSpreadParts = 4;
constexpr uint64_t kSpreadStep = kSecond / 2;      // how much later each part of a trace is sent
constexpr size_t kSpreadMemory = size_t{1} << 20;  // traces whose later parts are still owed

struct Options {
  std::string endpoint = "http://127.0.0.1:4318";
  std::string workspace;
  std::string record_ids, dump, output = "table";
  uint32_t spans_per_request = 500;
  uint32_t connections = 4, depth = 2, threads = 1;
  double seconds = 10;
  uint64_t rate = 0, total_spans = 0, seed = 1, record_count = 20'000;
  bool spread = false;
};

uint64_t monotonic_now() {
  return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}
uint64_t wall_now() {
  return static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
}

using TraceIdBytes = std::array<uint64_t, 2>;

// ---- What goes into the next request -------------------------------------------

class TraceSource {
 public:
  TraceSource(const World& world, const Options& options, uint64_t seed)
      : options_(options), writer_(world), random_(seed) {}

  // Fills `request`; returns the id of one of its traces. `last` allows the
  // parts still owed only, and may leave the request empty.
  TraceIdBytes fill(RequestBuilder& request, bool last) {
    request.clear(random_);
    return options_.spread ? fill_spread(request, last) : fill_whole(request);
  }

 private:
  struct Owed {
    TraceOrder order;
    uint64_t made = 0;
  };

  // Traces ended a moment before they are sent.
  TraceOrder new_order(uint64_t now) {
    const uint64_t draw = random_.next();
    return {.seed = draw, .start = now - kSecond / 5 - (draw >> 32) * 200};
  }

  TraceIdBytes fill_whole(RequestBuilder& request) {
    const uint64_t now = wall_now();
    do {
      writer_.write(new_order(now), 0, 1, request);
    } while (request.span_count() < options_.spans_per_request);
    return writer_.trace_id();
  }

  // Part p of a trace goes out p half-seconds after part 0: the part that has
  // waited longest beyond that is served first, and part 0 when none is due.
  TraceIdBytes fill_spread(RequestBuilder& request, bool last) {
    const uint64_t now = wall_now();
    TraceIdBytes sample{};
    uint32_t part = 0;
    for (uint32_t p = 1; p < kSpreadParts && part == 0; ++p) {
      const uint64_t next = sent_[p] - dropped_;
      if (next < owed_.size() &&
          (last || owed_.size() > kSpreadMemory || owed_[next].made + p * kSpreadStep <= now)) {
        part = p;
      }
    }
    if (part == 0 && last) return sample;
    while (request.span_count() < options_.spans_per_request) {
      if (part == 0) {
        owed_.push_back({.order = new_order(now), .made = now});
        ++sent_[0];
        writer_.write(owed_.back().order, 0, kSpreadParts, request);
      } else {
        const uint64_t next = sent_[part] - dropped_;
        if (next >= owed_.size()) break;
        const Owed& owed = owed_[next];
        if (!last && owed_.size() <= kSpreadMemory && owed.made + part * kSpreadStep > now) break;
        writer_.write(owed.order, part, kSpreadParts, request);
        ++sent_[part];
      }
      sample = writer_.trace_id();
    }
    const uint64_t done = *std::min_element(sent_.begin(), sent_.end());
    for (; dropped_ < done; ++dropped_) owed_.pop_front();
    return sample;
  }

  const Options& options_;
  TraceWriter writer_;
  Random random_;
  std::deque<Owed> owed_;
  std::array<uint64_t, kSpreadParts> sent_{};  // traces whose part p went out
  uint64_t dropped_ = 0;                       // traces taken off the front of owed_
};

// ---- Counting --------------------------------------------------------------------

struct Tally {
  uint64_t spans_acknowledged = 0, spans_sent = 0, requests = 0, body_bytes = 0;
  uint64_t partial = 0, disconnects = 0, unanswered = 0, last_ack = 0;
  std::map<int, uint64_t> not_ok;
  Latency latency;
  std::vector<TraceIdBytes> ids;  // sampled from all acknowledged requests
  uint64_t ids_seen = 0;

  void merge(const Tally& other) {
    spans_acknowledged += other.spans_acknowledged;
    spans_sent += other.spans_sent;
    requests += other.requests;
    body_bytes += other.body_bytes;
    partial += other.partial;
    disconnects += other.disconnects;
    unanswered += other.unanswered;
    last_ack = std::max(last_ack, other.last_ack);
    for (const auto& [status, count] : other.not_ok) not_ok[status] += count;
    latency.merge(other.latency);
    ids.insert(ids.end(), other.ids.begin(), other.ids.end());
  }
};

// ---- One connection ----------------------------------------------------------------

struct InFlight {
  uint64_t due = 0;  // when it was to be sent: now, or the rate's instant
  uint32_t spans = 0;
  TraceIdBytes sample{};
};

struct Answer {
  int status = 0;
  size_t body_length = 0;
};

class Connection {
 public:
  Connection(const World& world, const LoopbackEndpoint& endpoint, const Options& options)
      : builder_(world), endpoint_(endpoint), options_(options) {}
  ~Connection() { disconnect(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  bool connect() {
    socket_ = connect_loopback(endpoint_);
    if (socket_ < 0) return false;
    const int buffer = 4 << 20;
    setsockopt(socket_, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    return fcntl(socket_, F_SETFL, O_NONBLOCK) == 0;
  }
  void disconnect() {
    if (socket_ >= 0) close(socket_);
    socket_ = -1;
    rest_ = {};
    in_flight_.clear();
    input_.clear();
    malformed_ = false;
  }

  int socket() const { return socket_; }
  bool sending() const { return !rest_.empty(); }
  size_t in_flight() const { return in_flight_.size(); }
  bool ready(uint64_t now) const {
    return socket_ >= 0 && !sending() && in_flight_.size() < options_.depth && now >= paused_until_;
  }
  void pause(uint64_t until) { paused_until_ = until; }
  uint64_t paused_until() const { return paused_until_; }
  RequestBuilder& builder() { return builder_; }

  // Takes what the builder holds as the next request; returns its body's size.
  size_t prepare(const InFlight& request) {
    pieces_.assign(1, {});
    const size_t length = builder_.lay_out(pieces_);
    header_ = "POST /v1/traces HTTP/1.1\r\nHost: " + endpoint_.host +
              "\r\nContent-Type: application/x-protobuf\r\n";
    if (!options_.workspace.empty()) header_ += "X-Workspace-ID: " + options_.workspace + "\r\n";
    header_ += "Content-Length: " + std::to_string(length) + "\r\n\r\n";
    pieces_.front() = header_;
    iovecs_.clear();
    for (const std::string_view piece : pieces_) {
      iovecs_.push_back({.iov_base = const_cast<char*>(piece.data()), .iov_len = piece.size()});
    }
    rest_ = iovecs_;
    in_flight_.push_back(request);
    return length;
  }

  // Sends as much as the socket takes; false when the connection is broken.
  bool send_rest() {
    while (!rest_.empty()) {
      msghdr message{};
      message.msg_iov = rest_.data();
      message.msg_iovlen = std::min<size_t>(rest_.size(), 1024);
      const ssize_t sent = sendmsg(socket_, &message, MSG_NOSIGNAL);
      if (sent < 0) return errno == EAGAIN || errno == EINTR;
      auto left = static_cast<size_t>(sent);
      while (!rest_.empty() && left >= rest_.front().iov_len) {
        left -= rest_.front().iov_len;
        rest_ = rest_.subspan(1);
      }
      if (left > 0) {
        rest_.front().iov_base = static_cast<char*>(rest_.front().iov_base) + left;
        rest_.front().iov_len -= left;
      }
    }
    return true;
  }

  // Reads what has come and gives each whole answer to `on_answer(InFlight,
  // Answer)`; false when the connection is broken.
  template <typename OnAnswer>
  bool receive(const OnAnswer& on_answer) {
    char chunk[16384];
    while (true) {
      const ssize_t got = recv(socket_, chunk, sizeof chunk, 0);
      if (got == 0) return false;
      if (got < 0) return errno == EAGAIN || errno == EINTR;
      input_.append(chunk, static_cast<size_t>(got));
      Answer answer;
      while (take_answer(answer)) {
        if (in_flight_.empty()) return false;  // an answer to nothing
        const InFlight request = in_flight_.front();
        in_flight_.pop_front();
        on_answer(request, answer);
      }
      if (malformed_) return false;
    }
  }

 private:
  bool take_answer(Answer& answer) {
    const size_t head = input_.find("\r\n\r\n");
    if (head == std::string::npos) return false;
    if (!input_.starts_with("HTTP/1.1 ")) {
      malformed_ = true;
      return false;
    }
    answer.status = std::atoi(input_.c_str() + 9);
    const size_t length_at = find_content_length(head);
    if (length_at == std::string::npos) {
      malformed_ = true;  // chunked answers are not expected of any OTLP receiver
      return false;
    }
    answer.body_length = std::strtoull(input_.c_str() + length_at, nullptr, 10);
    if (input_.size() < head + 4 + answer.body_length) return false;
    input_.erase(0, head + 4 + answer.body_length);
    return true;
  }

  size_t find_content_length(size_t head) const {
    constexpr std::string_view kName = "\r\ncontent-length:";
    const auto same = [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; };
    const auto end = input_.begin() + static_cast<std::ptrdiff_t>(head);
    const auto found = std::search(input_.begin(), end, kName.begin(), kName.end(), same);
    return found == end ? std::string::npos : static_cast<size_t>(found - input_.begin()) + kName.size();
  }

  RequestBuilder builder_;
  const LoopbackEndpoint& endpoint_;
  const Options& options_;
  int socket_ = -1;
  std::string header_, input_;
  std::vector<std::string_view> pieces_;
  std::vector<iovec> iovecs_;
  std::span<iovec> rest_;
  std::deque<InFlight> in_flight_;
  uint64_t paused_until_ = 0;
  bool malformed_ = false;
};

// ---- One thread ----------------------------------------------------------------------

class Worker {
 public:
  Worker(const World& world, const LoopbackEndpoint& endpoint, const Options& options, uint32_t index)
      : options_(options),
        source_(world, options, options.seed * 1000 + index),
        random_(options.seed * 7919 + index),
        rate_(static_cast<double>(options.rate) / options.threads),
        span_limit_(options.total_spans / options.threads) {
    const uint32_t share = std::max(1U, options.connections / options.threads);
    for (uint32_t i = 0; i < share; ++i) {
      connections_.push_back(std::make_unique<Connection>(world, endpoint, options));
    }
  }

  bool open() {
    poll_ = epoll_create1(EPOLL_CLOEXEC);
    return std::ranges::all_of(connections_, [this](const auto& connection) { return attach(*connection); });
  }

  void run() {
    const uint64_t start = monotonic_now();
    const uint64_t deadline = start + static_cast<uint64_t>(options_.seconds * kSecond);
    next_due_ = start;
    bool stopping = false;
    while (true) {
      const uint64_t now = monotonic_now();
      if (!stopping &&
          (now >= deadline || (span_limit_ != 0 && tally_.spans_sent >= span_limit_) || broken_)) {
        stopping = true;
      }
      if (now >= deadline + kDrainLimit || broken_) break;
      const bool nothing_owed = send_ready(now, stopping);
      if (stopping && nothing_owed && idle()) break;
      wait(now, stopping);
    }
    for (const auto& connection : connections_) tally_.unanswered += connection->in_flight();
    close(poll_);
  }

  const Tally& tally() const { return tally_; }

 private:
  bool attach(Connection& connection) {
    if (!connection.connect()) return false;
    epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLET, .data = {.ptr = &connection}};
    return epoll_ctl(poll_, EPOLL_CTL_ADD, connection.socket(), &event) == 0;
  }

  bool idle() const {
    return std::ranges::all_of(connections_,
                               [](const auto& c) { return c->in_flight() == 0 && !c->sending(); });
  }

  // Starts a request on every connection that can take one. Returns whether
  // nothing is left that must still go out (the later parts of traces).
  bool send_ready(uint64_t now, bool last) {
    if (last && !options_.spread) return true;
    bool nothing_owed = last;
    for (const auto& connection : connections_) {
      while (connection->ready(now) && (last || rate_ == 0 || now >= next_due_)) {
        const TraceIdBytes sample = source_.fill(connection->builder(), last);
        const uint32_t spans = connection->builder().span_count();
        if (spans == 0) break;
        nothing_owed = false;
        const uint64_t due = rate_ > 0 && !last ? next_due_ : monotonic_now();
        if (rate_ > 0) next_due_ += static_cast<uint64_t>(spans * static_cast<double>(kSecond) / rate_);
        tally_.body_bytes += connection->prepare({.due = due, .spans = spans, .sample = sample});
        tally_.spans_sent += spans;
        ++tally_.requests;
        if (!connection->send_rest()) reconnect(*connection);
      }
    }
    return nothing_owed;
  }

  void wait(uint64_t now, bool stopping) {
    uint64_t until = now + kSecond / 20;
    if (rate_ > 0 && !stopping) until = std::min(until, std::max(now, next_due_));
    for (const auto& connection : connections_) {
      if (connection->paused_until() > now) until = std::min(until, connection->paused_until());
    }
    const timespec timeout{.tv_sec = 0, .tv_nsec = static_cast<long>(std::min(until - now, kSecond - 1))};
    std::array<epoll_event, 64> events;
    const int count = epoll_pwait2(poll_, events.data(), events.size(), &timeout, nullptr);
    for (int i = 0; i < count; ++i) {
      auto& connection = *static_cast<Connection*>(events[static_cast<size_t>(i)].data.ptr);
      const bool alive = connection.receive([&](const InFlight& r, const Answer& a) {
        answered(connection, r, a);
      }) && connection.send_rest();
      if (!alive) reconnect(connection);
    }
  }

  void answered(Connection& connection, const InFlight& request, const Answer& answer) {
    const uint64_t now = monotonic_now();
    if (answer.status != 200) {
      ++tally_.not_ok[answer.status];
      if (answer.status == 429 || answer.status == 503) connection.pause(now + kRefusalPause);
      return;
    }
    if (answer.body_length > 0) ++tally_.partial;
    tally_.spans_acknowledged += request.spans;
    tally_.last_ack = now;
    tally_.latency.add(now - std::min(now, request.due));
    remember(request.sample);
  }

  // Reservoir sampling: every acknowledged request is equally likely to be kept.
  void remember(const TraceIdBytes& id) {
    if (options_.record_ids.empty()) return;
    const uint64_t room = std::max<uint64_t>(1, options_.record_count / options_.threads);
    ++tally_.ids_seen;
    if (tally_.ids.size() < room) {
      tally_.ids.push_back(id);
    } else if (const uint64_t slot = random_.next() % tally_.ids_seen; slot < room) {
      tally_.ids[slot] = id;
    }
  }

  void reconnect(Connection& connection) {
    ++tally_.disconnects;
    tally_.unanswered += connection.in_flight();
    connection.disconnect();
    if (tally_.disconnects > 1000 || !attach(connection)) broken_ = true;
  }

  const Options& options_;
  TraceSource source_;
  Random random_;
  double rate_ = 0;
  uint64_t span_limit_ = 0;
  std::vector<std::unique_ptr<Connection>> connections_;
  int poll_ = -1;
  uint64_t next_due_ = 0;
  bool broken_ = false;  // the server is gone
  Tally tally_;
};

// ---- The program -----------------------------------------------------------------------

double cpu_nanoseconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto ns = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_usec) * 1e3;
  };
  return ns(usage.ru_utime) + ns(usage.ru_stime);
}

void print(const Options& options, const Tally& tally, double seconds, double cpu) {
  const double spans = std::max(1.0, static_cast<double>(tally.spans_sent));
  const double per_second = seconds > 0 ? static_cast<double>(tally.spans_acknowledged) / seconds : 0;
  uint64_t refused = 0;
  std::string statuses;
  for (const auto& [status, count] : tally.not_ok) {
    refused += count;
    statuses += (statuses.empty() ? "\"" : ", \"") + std::to_string(status) + "\": " + std::to_string(count);
  }
  const bool json = options.output == "json";
  std::printf(
      json ? "{\"spans_acknowledged\": %llu, \"spans_sent\": %llu, \"requests\": %llu, \"seconds\": %.3f, "
             "\"spans_per_second\": %.0f, \"ack_ms\": {\"p50\": %.3f, \"p90\": %.3f, \"p99\": %.3f, \"max\": "
             "%.3f}, "
             "\"bytes_per_span\": %.1f, \"generator_cpu_ns_per_span\": %.1f, \"not_200\": %llu, \"partial\": "
             "%llu, "
             "\"disconnects\": %llu, \"unanswered\": %llu, \"statuses\": {%s}}\n"
           : "spans acknowledged   %llu of %llu sent in %llu requests, %.3f s\n"
             "spans a second       %.0f\n"
             "ack latency          p50 %.3f ms, p90 %.3f ms, p99 %.3f ms, max %.3f ms\n"
             "bytes a span         %.1f\n"
             "generator CPU        %.1f ns a span\n"
             "not 200              %llu; partial %llu, disconnects %llu, unanswered %llu {%s}\n",
      static_cast<unsigned long long>(tally.spans_acknowledged),
      static_cast<unsigned long long>(tally.spans_sent), static_cast<unsigned long long>(tally.requests),
      seconds, per_second, tally.latency.quantile_ms(0.5), tally.latency.quantile_ms(0.9),
      tally.latency.quantile_ms(0.99), tally.latency.max_ms(), static_cast<double>(tally.body_bytes) / spans,
      cpu / spans, static_cast<unsigned long long>(refused), static_cast<unsigned long long>(tally.partial),
      static_cast<unsigned long long>(tally.disconnects), static_cast<unsigned long long>(tally.unanswered),
      statuses.c_str());
}

bool write_ids(const Options& options, const Tally& tally) {
  if (options.record_ids.empty()) return true;
  std::ofstream file(options.record_ids);
  for (const TraceIdBytes& id : tally.ids) {
    std::array<uint8_t, 16> bytes;
    std::memcpy(bytes.data(), id.data(), 16);
    for (const uint8_t byte : bytes) file << "0123456789abcdef"[byte >> 4] << "0123456789abcdef"[byte & 15];
    file << '\n';
  }
  return static_cast<bool>(file.flush());
}

int dump_request(const Options& options, const World& world) {
  TraceSource source(world, options, options.seed * 1000);
  RequestBuilder request(world);
  source.fill(request, false);
  std::vector<std::string_view> pieces;
  request.lay_out(pieces);
  std::ofstream file(options.dump, std::ios::binary);
  for (const std::string_view piece : pieces) file << piece;
  return file.flush() ? 0 : 1;
}

int load(const Options& options) {
  const World world = build_world();
  if (!options.dump.empty()) return dump_request(options, world);
  const auto endpoint = parse_loopback(options.endpoint);
  if (!endpoint) {
    std::fprintf(stderr, "testmesh_load: %s: only loopback is served, as in http://127.0.0.1:4318\n",
                 options.endpoint.c_str());
    return 2;
  }
  std::vector<std::unique_ptr<Worker>> workers;
  for (uint32_t i = 0; i < options.threads; ++i) {
    workers.push_back(std::make_unique<Worker>(world, *endpoint, options, i));
    if (!workers.back()->open()) {
      std::fprintf(stderr, "testmesh_load: cannot connect to %s: %s\n", options.endpoint.c_str(),
                   std::strerror(errno));
      return 1;
    }
  }
  const double cpu_before = cpu_nanoseconds();
  const uint64_t start = monotonic_now();
  std::vector<std::thread> threads;
  for (size_t i = 1; i < workers.size(); ++i) threads.emplace_back([&, i] { workers[i]->run(); });
  workers.front()->run();
  for (std::thread& thread : threads) thread.join();
  const double cpu = cpu_nanoseconds() - cpu_before;
  Tally total;
  for (const auto& worker : workers) total.merge(worker->tally());
  const double seconds = total.last_ack > start ? static_cast<double>(total.last_ack - start) / 1e9 : 0;
  print(options, total, seconds, cpu);
  if (!write_ids(options, total)) {
    std::fprintf(stderr, "testmesh_load: cannot write %s\n", options.record_ids.c_str());
    return 1;
  }
  return total.spans_acknowledged > 0 ? 0 : 1;
}

}  // namespace
}  // namespace testmesh::bench

int main(int argc, char** argv) {
  testmesh::bench::Options options;
  CLI::App app("Sends OTLP traces of a made-up shop to a server on this machine and measures it.");
  app.add_option("--endpoint", options.endpoint, "http://127.0.0.1:PORT")->capture_default_str();
  app.add_option("--workspace", options.workspace, "sent as X-Workspace-ID");
  app.add_option("--spans-per-request", options.spans_per_request, "filled up with whole traces")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_option("--connections", options.connections)->check(CLI::Range(1, 1024))->capture_default_str();
  app.add_option("--depth", options.depth, "requests in flight a connection")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--threads", options.threads)->check(CLI::Range(1, 64))->capture_default_str();
  app.add_option("--seconds", options.seconds, "how long to send")
      ->check(CLI::Range(0.1, 86'400.0))
      ->capture_default_str();
  app.add_option("--rate", options.rate, "spans a second; 0: as fast as they are acknowledged")
      ->capture_default_str();
  app.add_option("--total-spans", options.total_spans, "stop after about so many; 0: by time only")
      ->capture_default_str();
  app.add_flag("--spread", options.spread, "each service's spans in requests of their own, over some 2 s");
  app.add_option("--seed", options.seed)->capture_default_str();
  app.add_option("--record-ids", options.record_ids, "file for a sample of the trace ids acknowledged");
  app.add_option("--record-count", options.record_count, "how many ids to keep")->capture_default_str();
  app.add_option("--dump", options.dump, "write one request's body to this file and end");
  app.add_option("--output", options.output)->check(CLI::IsMember({"table", "json"}))->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return testmesh::bench::load(options);
}
