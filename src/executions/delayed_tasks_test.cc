#include "executions/delayed_tasks.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>

namespace testmesh::executions {
namespace {

using namespace std::chrono_literals;

TEST(DelayedTasks, RunInTheOrderOfTheirTimes) {
  DelayedTasks tasks(1);
  std::string order;
  std::promise<void> done;
  tasks.after(60ms, [&] {
    order += 'c';
    done.set_value();
  });
  tasks.after(30ms, [&] { order += 'b'; });
  tasks.after(0ms, [&] { order += 'a'; });
  done.get_future().get();
  EXPECT_EQ(order, "abc");
}

TEST(DelayedTasks, TensOfThousandsCostNoThreadAndMayAskForMore) {
  DelayedTasks tasks(2);
  constexpr int kNumber = 20'000;
  std::atomic<int> left{2 * kNumber};
  std::promise<void> done;
  const auto count = [&] {
    if (--left == 0) done.set_value();
  };
  for (int i = 0; i < kNumber; ++i)
    tasks.after(std::chrono::milliseconds(i % 5), [&] {
      tasks.after(1ms, count);
      count();
    });
  done.get_future().get();
}

TEST(DelayedTasks, StoppingDropsWhatIsNotDue) {
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> weak = held;
  DelayedTasks tasks(2);
  tasks.after(1h, [kept = std::move(held)] { ADD_FAILURE(); });
  tasks.stop();
  EXPECT_TRUE(weak.expired());
  tasks.after(0ms, [] { ADD_FAILURE() << "taken after stop()"; });
  tasks.stop();
}

}  // namespace
}  // namespace testmesh::executions
