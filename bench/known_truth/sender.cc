#include "bench/known_truth/sender.h"

#include <strings.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "bench/loopback.h"

namespace testmesh::known_truth {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr auto kPatience = std::chrono::minutes(2);
constexpr auto kPause = milliseconds(50);

[[noreturn]] void give_up(const std::string& sentence) {
  std::fprintf(stderr, "known_truth: %s\n", sentence.c_str());
  std::_Exit(2);
}

bool write_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

struct Answer {
  int status = 0;  // 0: the connection broke
  std::string body;
};

Answer read_answer(int socket) {
  std::string text;
  char buffer[16384];
  size_t header_end = std::string::npos;
  while ((header_end = text.find("\r\n\r\n")) == std::string::npos) {
    const ssize_t got = ::recv(socket, buffer, sizeof buffer, 0);
    if (got <= 0) return {};
    text.append(buffer, static_cast<size_t>(got));
  }
  size_t length = 0;
  for (size_t line = text.find("\r\n"); line < header_end; line = text.find("\r\n", line + 2)) {
    constexpr std::string_view kLength = "Content-Length:";
    const char* at = text.c_str() + line + 2;
    if (strncasecmp(at, kLength.data(), kLength.size()) == 0)
      length = std::strtoull(at + kLength.size(), nullptr, 10);
  }
  const size_t total = header_end + 4 + length;
  while (text.size() < total) {
    const ssize_t got = ::recv(socket, buffer, sizeof buffer, 0);
    if (got <= 0) return {};
    text.append(buffer, static_cast<size_t>(got));
  }
  Answer answer;
  if (std::sscanf(text.c_str(), "HTTP/1.1 %d", &answer.status) != 1) return {};
  answer.body = text.substr(header_end + 4, length);
  return answer;
}

void hang_up(int& socket) {
  if (socket >= 0) close(socket);
  socket = -1;
}

}  // namespace

Sender::Sender(std::string endpoint_file, std::string workspace, unsigned connections)
    : endpoint_file_(std::move(endpoint_file)),
      workspace_(std::move(workspace)),
      queue_limit_(size_t{4} * connections) {
  for (unsigned i = 0; i < connections; ++i) threads_.emplace_back([this] { run(); });
}

Sender::~Sender() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Sender::take(std::string body) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return queue_.size() < queue_limit_; });
  queue_.push_back(std::move(body));
  changed_.notify_all();
}

void Sender::wait_until_acknowledged() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return queue_.empty() && in_flight_ == 0; });
}

SenderFigures Sender::figures() const {
  const std::lock_guard lock(mutex_);
  return figures_;
}

void Sender::run() {
  int socket = -1;
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) break;
    const std::string body = std::move(queue_.front());
    queue_.pop_front();
    ++in_flight_;
    changed_.notify_all();
    lock.unlock();
    send(socket, body);
    lock.lock();
    --in_flight_;
    ++figures_.requests;
    figures_.bytes += body.size();
    changed_.notify_all();
  }
  lock.unlock();
  hang_up(socket);
}

void Sender::send(int& socket, const std::string& body) {
  const std::string head =
      "POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
      "application/x-protobuf\r\nX-Workspace-ID: " +
      workspace_ + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n";
  const auto deadline = steady_clock::now() + kPatience;
  while (steady_clock::now() < deadline) {
    if (socket < 0) socket = connect();
    if (socket < 0) {
      std::this_thread::sleep_for(kPause);
      continue;
    }
    const Answer answer = write_all(socket, head) && write_all(socket, body) ? read_answer(socket) : Answer{};
    if (answer.status == 200) {
      // A partial success is the only thing an answer to a protobuf request can say.
      if (!answer.body.empty()) give_up("the server rejected spans: " + answer.body);
      return;
    }
    if (answer.status == 0) {
      hang_up(socket);
    } else if (answer.status == 429 || answer.status == 503) {
      std::this_thread::sleep_for(kPause);
    } else {
      give_up("the server answered " + std::to_string(answer.status) + ": " + answer.body);
    }
    const std::lock_guard lock(mutex_);
    ++(answer.status == 0 ? figures_.lost : figures_.refused);
  }
  give_up("no acknowledgement of a request within two minutes");
}

int Sender::connect() const {
  std::string url;
  std::getline(std::ifstream(endpoint_file_), url);
  const auto endpoint = bench::parse_loopback(url);
  if (!endpoint) give_up("no address of this machine in " + endpoint_file_ + ": '" + url + "'");
  return bench::connect_loopback(*endpoint);
}

bool Sender::server_is_idle() const {
  int socket = connect();
  if (socket < 0) return false;
  Answer answer;
  if (write_all(socket, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")) answer = read_answer(socket);
  hang_up(socket);
  return answer.status == 200 && answer.body.find("\ntestmesh_open_traces 0\n") != std::string::npos &&
         answer.body.find("\ntestmesh_queued_bytes 0\n") != std::string::npos;
}

}  // namespace testmesh::known_truth
