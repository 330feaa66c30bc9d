// Work to be done later by a few threads: however much waits, it costs none.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

namespace testmesh::executions {

// Thread-safe.
class DelayedTasks {
 public:
  using Task = std::move_only_function<void()>;

  explicit DelayedTasks(unsigned threads);
  ~DelayedTasks();  // stop()

  // After stop() nothing is taken any more; tasks are destroyed unrun then.
  void after(std::chrono::milliseconds delay, Task task);
  // Waits for the tasks that run right now. Not from a task.
  void stop();

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::multimap<std::chrono::steady_clock::time_point, Task> tasks_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace testmesh::executions
