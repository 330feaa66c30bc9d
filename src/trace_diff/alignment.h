// Which call of one trace is which of another.
//
// From the entries down, the calls below two matched ones are matched, each
// with at most one, if service, kind and operation are the same:
//  1. those that look equal;
//  2. of the rest the most alike (Sketch) first, if at least half of what is
//     below either is below both;
//  3. whole subtrees that are left over on both sides, wherever they stand, if
//     they look equal or are that much alike: they moved;
//  4. of the rest, below matched calls, the most alike first, however little;
//  5. single calls that are left over on both sides, wherever they stand.
// The order of siblings plays no part in this, unless candidates are equally
// alike: then the first goes with the first. It is judged afterwards: matched
// calls below matched ones keep their order if, of two, not both traces have
// one behind the other, and those the other way round; concurrent ones have no
// order. The largest set that keeps it stays, the others moved.
#pragma once

#include <cstdint>
#include <vector>

#include "trace_diff/call_tree.h"

namespace testmesh::trace_diff {

struct Alignment {
  std::vector<uint32_t> of_left;   // each left call's right one, or kNone
  std::vector<uint32_t> of_right;  // and the other way round
  // Of each left call: the matched parents' calls come in another order.
  std::vector<bool> out_of_order;
  // More candidates had to be compared than `budget` allows; those beyond it
  // were matched in their order.
  bool truncated = false;
};

// Close to linear in the size of the trees but for comparing candidates, of
// which there are at most `budget`. Not symmetric where candidates are equally
// alike.
Alignment align(const CallTree& left, const CallTree& right, uint64_t budget);

}  // namespace testmesh::trace_diff
