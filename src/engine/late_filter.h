// Recent trace ids, so that a "new" trace that was stored before is noticed
// without asking the store for every one: two Bloom filters that take turns.
// A hit is looked up in the store, so a false one costs time, nothing else.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "model/ids.h"

namespace testmesh::engine {

class LateFilter {
 public:
  // Memory: 2 · bytes, touched as it fills. Remembers bytes * 8 / 12 to twice
  // as many traces.
  explicit LateFilter(size_t bytes) : capacity_(bytes * 8 / 12), blocks_(bytes / 64) {}

  void add(const model::TraceId& id) {
    if (!current_ || added_ == capacity_) {
      previous_ = std::move(current_);
      current_ = std::make_unique<Block[]>(blocks_);
      added_ = 0;
    }
    ++added_;
    const uint64_t hash = id.hash();
    Block& block = current_[(hash >> 32) * blocks_ >> 32];
    for (int probe = 0; probe < 6; ++probe)
      block.words[hash >> (9 * probe + 6) & 7] |= uint64_t{1} << (hash >> 9 * probe & 63);
  }

  bool may_contain(const model::TraceId& id) const {
    const uint64_t hash = id.hash();
    return (current_ && in(current_[(hash >> 32) * blocks_ >> 32], hash)) ||
           (previous_ && in(previous_[(hash >> 32) * blocks_ >> 32], hash));
  }
  size_t capacity() const { return capacity_; }

 private:
  struct alignas(64) Block {
    uint64_t words[8];
  };
  static bool in(const Block& block, uint64_t hash) {
    for (int probe = 0; probe < 6; ++probe)
      if (!(block.words[hash >> (9 * probe + 6) & 7] >> (hash >> 9 * probe & 63) & 1)) return false;
    return true;
  }

  size_t capacity_, blocks_, added_ = 0;
  std::unique_ptr<Block[]> current_, previous_;
};

}  // namespace testmesh::engine
