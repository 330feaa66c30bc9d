// check() for a reader that knows where in its file things stand. Private to the module.
#pragma once

#include "simulate/system.h"

namespace testmesh::simulate {

struct CheckedPlace {
  size_t phase = 0;
  uint32_t service = UINT32_MAX, endpoint = UINT32_MAX;  // UINT32_MAX: nothing narrower is known
};

// `place`: what was being looked at when the problem was found.
base::Result<void> check(const System&, CheckedPlace& place);

}  // namespace testmesh::simulate
