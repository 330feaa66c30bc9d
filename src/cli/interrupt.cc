#include "cli/interrupt.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "base/result.h"

namespace testmesh::cli {
namespace {

// A pipe, because a flag that is set between looking at it and falling asleep
// would be seen only after the wait.
int ends[2] = {-1, -1};
struct sigaction before_interrupt, before_terminate;

void note(int) {
  const char byte = 1;
  // A full pipe says the same.
  [[maybe_unused]] const ssize_t written = write(ends[1], &byte, 1);
}

}  // namespace

Interrupt::Interrupt() {
  CHECK(ends[0] == -1);
  CHECK(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
  struct sigaction action{};
  action.sa_handler = note;
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, &before_interrupt);
  sigaction(SIGTERM, &action, &before_terminate);
}

Interrupt::~Interrupt() {
  sigaction(SIGINT, &before_interrupt, nullptr);
  sigaction(SIGTERM, &before_terminate, nullptr);
  close(ends[0]);
  close(ends[1]);
  ends[0] = ends[1] = -1;
}

bool Interrupt::wait(std::chrono::milliseconds time) {
  const auto until = std::chrono::steady_clock::now() + time;
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now()).count();
    pollfd one{.fd = ends[0], .events = POLLIN, .revents = 0};
    const int ready = poll(&one, 1, left > 0 ? static_cast<int>(left) : 0);
    if (ready > 0) return false;
    if (left <= 0) return true;
  }
}

}  // namespace testmesh::cli
