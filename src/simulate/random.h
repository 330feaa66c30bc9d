// Random numbers that follow from names: a stream for each purpose of each
// trace, so that none depends on how much another has drawn.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

namespace testmesh::simulate {

// splitmix64's finaliser: every bit of the input reaches every bit of the output.
constexpr uint64_t mix(uint64_t value) {
  value += 0x9e3779b97f4a7c15ULL;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31);
}
constexpr uint64_t mix(uint64_t a, uint64_t b) { return mix(mix(a) ^ b); }
constexpr uint64_t mix(uint64_t a, uint64_t b, uint64_t c) { return mix(mix(a, b), c); }

// [0, 1)
constexpr double unit(uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

// What a number is drawn for.
enum class Purpose : uint64_t {
  kStart,
  kEntry,
  kChoices,
  kTimes,
  kIds,
  kFates,
  kInstances,
  kClocks,
  kValues
};

constexpr uint64_t stream_of(uint64_t seed, Purpose purpose, uint64_t index) {
  return mix(mix(seed, static_cast<uint64_t>(purpose) + 1), index);
}

class Random {
 public:
  explicit Random(uint64_t stream) : state_(stream) {}
  uint64_t next() { return mix(state_ += 0x9e3779b97f4a7c15ULL); }
  double unit() { return simulate::unit(next()); }
  // [least, most]
  uint32_t between(uint32_t least, uint32_t most) {
    const uint64_t range = uint64_t{most} - least + 1;
    return least + static_cast<uint32_t>(((next() >> 32) * range) >> 32);
  }
  double normal() {
    const double radius = std::sqrt(-2 * std::log(1 - unit()));
    return radius * std::cos(2 * std::numbers::pi * unit());
  }

 private:
  uint64_t state_;
};

}  // namespace testmesh::simulate
