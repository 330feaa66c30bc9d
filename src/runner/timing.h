// Waiting of a run: between attempts, rounds, and as `delay` asks for it. Tests
// have their own time.
#pragma once

#include <functional>

#include "actions/action.h"

namespace testmesh::runner {

using actions::SteadyTime;

// Thread-safe.
class Timing {
 public:
  virtual ~Timing() = default;
  virtual SteadyTime now() = 0;
  // False: `stop` became true before; it is asked at least every 50 ms.
  virtual bool wait_until(SteadyTime, const std::function<bool()>& stop) = 0;
};

Timing& system_timing();

}  // namespace testmesh::runner
