// Sends OTLP requests over several connections at once, each until it is
// acknowledged: also through refusals, a server that was killed and one that is
// still starting.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace testmesh::known_truth {

struct SenderFigures {
  uint64_t requests = 0;  // acknowledged
  uint64_t bytes = 0;     // of those
  uint64_t refused = 0;   // 429 and 503, sent again
  uint64_t lost = 0;      // no answer: the connection broke, sent again
};

// Thread-safe. A problem (an answer that is neither 200, 429 nor 503, spans
// rejected, a server that stays away for two minutes) ends the program with a
// sentence: nothing that follows would mean anything.
class Sender {
 public:
  // `endpoint_file` holds the server's URL, and another one after a restart.
  Sender(std::string endpoint_file, std::string workspace, unsigned connections);
  ~Sender();  // what was taken is sent first
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  void take(std::string body);  // waits while many are queued
  void wait_until_acknowledged();
  bool server_is_idle() const;  // every trace is complete
  SenderFigures figures() const;

 private:
  void run();
  void send(int& socket, const std::string& body);
  int connect() const;

  const std::string endpoint_file_;
  const std::string workspace_;
  const size_t queue_limit_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> queue_;
  size_t in_flight_ = 0;
  bool stopping_ = false;
  SenderFigures figures_;
  std::vector<std::thread> threads_;
};

}  // namespace testmesh::known_truth
