// For tests against the real servers that tests/clients/actions.py starts and
// names in the environment.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "actions/action_fixture.h"

namespace testmesh::actions {

inline std::string address(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') {
    ADD_FAILURE() << name << " is not set: these tests are started by tests/clients/actions.py";
    return "";
  }
  return value;
}

// Halts a server's process as long as it lives: it is there and says nothing.
class Halted {
 public:
  explicit Halted(const char* pid_name) : pid_(std::atoi(address(pid_name).c_str())) {
    EXPECT_GT(pid_, 1);
    if (pid_ <= 1) return;
    kill(pid_, SIGSTOP);
    while (!halted()) std::this_thread::yield();
  }
  ~Halted() {
    if (pid_ > 1) kill(pid_, SIGCONT);
  }
  Halted(const Halted&) = delete;
  Halted& operator=(const Halted&) = delete;

 private:
  // Every thread of it is in state T.
  bool halted() const {
    for (const auto& task : std::filesystem::directory_iterator("/proc/" + std::to_string(pid_) + "/task")) {
      std::ifstream file(task.path() / "stat");
      std::string line;
      std::getline(file, line);
      const size_t name_end = line.rfind(')');
      if (name_end != std::string::npos && line.substr(name_end + 2, 1) != "T") return false;
    }
    return true;
  }

  pid_t pid_;
};

// Every error that a test saw, for people to read.
inline std::string told(const ActionOutcome& outcome) {
  const std::string error = error_of(outcome);
  if (!error.empty()) std::printf("    %s\n", error.c_str());
  return error;
}

}  // namespace testmesh::actions
