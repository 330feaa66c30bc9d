#include "executions/delayed_tasks.h"

namespace testmesh::executions {

DelayedTasks::DelayedTasks(unsigned threads) {
  for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

DelayedTasks::~DelayedTasks() { stop(); }

void DelayedTasks::after(std::chrono::milliseconds delay, Task task) {
  const std::scoped_lock lock(mutex_);
  if (stopping_) return;
  tasks_.emplace(std::chrono::steady_clock::now() + delay, std::move(task));
  wake_.notify_one();
}

void DelayedTasks::stop() {
  decltype(tasks_) dropped;  // destroyed without the lock
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    dropped.swap(tasks_);
  }
  wake_.notify_all();
  for (std::thread& thread : threads_)
    if (thread.joinable()) thread.join();
}

void DelayedTasks::work() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (tasks_.empty()) {
      wake_.wait(lock);
      continue;
    }
    const auto due = tasks_.begin()->first;
    if (due > std::chrono::steady_clock::now()) {
      wake_.wait_until(lock, due);
      continue;
    }
    Task task = std::move(tasks_.begin()->second);
    tasks_.erase(tasks_.begin());
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
  }
}

}  // namespace testmesh::executions
