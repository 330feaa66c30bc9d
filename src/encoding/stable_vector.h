// A grow-only array whose elements never move: one writer at a time (under its
// own lock), any number of readers without one. A reader may index what it
// learned of through synchronisation with the writer (an id in a row that was
// handed over, or size()).
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace testmesh::encoding {

template <typename T>
class StableVector {
 public:
  StableVector() = default;
  StableVector(const StableVector&) = delete;
  StableVector& operator=(const StableVector&) = delete;
  ~StableVector() {
    for (auto& block : blocks_) delete[] block.load(std::memory_order_relaxed);
  }

  T& operator[](uint32_t index) {
    const auto [block, offset] = locate(index);
    return blocks_[block].load(std::memory_order_acquire)[offset];
  }
  const T& operator[](uint32_t index) const {
    const auto [block, offset] = locate(index);
    return blocks_[block].load(std::memory_order_acquire)[offset];
  }
  uint32_t size() const { return size_.load(std::memory_order_acquire); }

  uint32_t push_back(T value) {
    const uint32_t index = size_.load(std::memory_order_relaxed);
    const auto [block, offset] = locate(index);
    if (!blocks_[block].load(std::memory_order_relaxed))
      blocks_[block].store(new T[size_t{kFirstBlock} << block], std::memory_order_release);
    blocks_[block].load(std::memory_order_relaxed)[offset] = std::move(value);
    size_.store(index + 1, std::memory_order_release);
    return index;
  }

 private:
  static constexpr uint32_t kFirstBlock = 8;
  struct Place {
    uint32_t block, offset;
  };
  // Block b holds kFirstBlock << b elements.
  static Place locate(uint32_t index) {
    const uint32_t position = index + kFirstBlock;
    const auto block = static_cast<uint32_t>(std::bit_width(position) - 1 - std::bit_width(kFirstBlock - 1));
    return {block, position - (kFirstBlock << block)};
  }

  std::array<std::atomic<T*>, 28> blocks_{};
  std::atomic<uint32_t> size_{0};
};

}  // namespace testmesh::encoding
