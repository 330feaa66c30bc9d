// Ctrl-C as an answer instead of an end, while one of these exists.
#pragma once

#include <chrono>

namespace testmesh::cli {

// SIGINT and SIGTERM end the wait, now or the next one; a second signal ends
// the process as usual. One at a time, owned by the main thread.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();  // signals do again what they did before
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  // false: a signal came.
  bool wait(std::chrono::milliseconds);
};

}  // namespace testmesh::cli
