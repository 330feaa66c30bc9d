// Memory for the rows of open traces: blocks of a few sizes, carved from 1 MB
// slabs, reused through free lists.
//
// Single-threaded. Traces open and close by the tens of thousands a second in
// sizes that vary; a general allocator spends more time on that than assembly
// does. Slabs are kept: what was needed once will be needed again.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "base/result.h"

namespace testmesh::engine {

class BlockPool {
 public:
  // At least `size` bytes; `capacity` is set to how many.
  char* take(uint32_t size, uint32_t& capacity) {
    const uint32_t kind = class_of(size);
    if (kind >= kClasses) {
      capacity = size;
      auto* block = static_cast<char*>(std::malloc(size));
      CHECK(block);
      return block;
    }
    capacity = size_of(kind);
    if (char* block = free_[kind]) {
      std::memcpy(&free_[kind], block, sizeof(char*));
      return block;
    }
    if (left_ < capacity) {
      slabs_.push_back(std::make_unique_for_overwrite<char[]>(kSlab));
      at_ = slabs_.back().get();
      left_ = kSlab;
    }
    char* block = at_;
    at_ += capacity;
    left_ -= capacity;
    return block;
  }

  void give_back(char* block, uint32_t capacity) {
    const uint32_t kind = class_of(capacity);
    if (kind >= kClasses) {
      std::free(block);
      return;
    }
    std::memcpy(block, &free_[kind], sizeof(char*));
    free_[kind] = block;
  }

  size_t slab_bytes() const { return slabs_.size() * kSlab; }

 private:
  // Four sizes to a doubling: 64, 80, 96, 112, 128, 160, …, 64 KB.
  static constexpr uint32_t kSlab = 1 << 20;
  static constexpr uint32_t kSmallest = 64;
  static constexpr uint32_t kClasses = 41;
  static uint32_t size_of(uint32_t kind) { return (kSmallest << kind / 4) / 4 * (4 + kind % 4); }
  static uint32_t class_of(uint32_t size) {
    if (size <= kSmallest) return 0;
    const auto doubling = static_cast<uint32_t>(std::bit_width((size - 1) / kSmallest)) - 1;
    const uint32_t step = (kSmallest << doubling) / 4;
    const uint32_t above = size - (kSmallest << doubling);
    return doubling * 4 + (above + step - 1) / step;
  }

  std::array<char*, kClasses> free_{};
  std::vector<std::unique_ptr<char[]>> slabs_;
  char* at_ = nullptr;
  uint32_t left_ = 0;
};

}  // namespace testmesh::engine
