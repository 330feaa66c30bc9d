// A hash of a list that can be put together from the hashes of its parts, so
// that subtrees of any size compare in one step. Two polynomials over 2^61-1
// with secret random bases: 122 bits.
#pragma once

#include <cstdint>

namespace testmesh::discovery {

__extension__ typedef unsigned __int128 Wide;

inline constexpr uint64_t kMersenne61 = (1ULL << 61) - 1;

inline uint64_t multiply61(uint64_t a, uint64_t b) {
  const auto product = static_cast<Wide>(a) * b;
  uint64_t sum = static_cast<uint64_t>(product & kMersenne61) + static_cast<uint64_t>(product >> 61);
  if (sum >= kMersenne61) sum -= kMersenne61;
  return sum;
}

inline uint64_t add61(uint64_t a, uint64_t b) {
  const uint64_t sum = a + b;
  return sum >= kMersenne61 ? sum - kMersenne61 : sum;
}

struct ListHash {
  uint64_t a = 0, b = 0;              // value under either base
  uint64_t power_a = 1, power_b = 1;  // base to the length
  uint64_t length = 0;

  // This list followed by `next`.
  ListHash then(const ListHash& next) const {
    return {add61(multiply61(a, next.power_a), next.a), add61(multiply61(b, next.power_b), next.b),
            multiply61(power_a, next.power_a), multiply61(power_b, next.power_b), length + next.length};
  }
  friend bool operator==(const ListHash& x, const ListHash& y) {
    return x.a == y.a && x.b == y.b && x.length == y.length;
  }
};

struct HashSeed {
  HashSeed();
  // The hash of a list of one element.
  ListHash of(uint64_t element) const;

  uint64_t key_a, key_b, base_a, base_b;
};

}  // namespace testmesh::discovery
