#include "runner/timing.h"

#include <algorithm>
#include <thread>

namespace testmesh::runner {
namespace {

// Whoever cancels a run only sets a flag, so it is looked at: often enough to be
// prompt, seldom enough for hundreds of waiting runs.
constexpr std::chrono::milliseconds kSlice{20};

class SystemTiming final : public Timing {
 public:
  SteadyTime now() override { return std::chrono::steady_clock::now(); }
  bool wait_until(SteadyTime until, const std::function<bool()>& stop) override {
    for (;;) {
      if (stop()) return false;
      const auto left = until - now();
      if (left <= left.zero()) return true;
      std::this_thread::sleep_for(std::min<SteadyTime::duration>(left, kSlice));
    }
  }
};

}  // namespace

Timing& system_timing() {
  static SystemTiming timing;
  return timing;
}

}  // namespace testmesh::runner
