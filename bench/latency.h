// A histogram of durations with a relative error below 1.6 %: 64 linear steps
// inside each power of two of nanoseconds. Fixed size, mergeable.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace testmesh::bench {

class Latency {
 public:
  void add(uint64_t nanoseconds) {
    ++buckets_[bucket_of(nanoseconds)];
    ++count_;
    max_ = std::max(max_, nanoseconds);
  }
  void merge(const Latency& other) {
    for (size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
    count_ += other.count_;
    max_ = std::max(max_, other.max_);
  }
  uint64_t count() const { return count_; }
  double max_ms() const { return static_cast<double>(max_) / 1e6; }

  // The upper end of the bucket that holds the quantile; 0 when empty.
  double quantile_ms(double quantile) const {
    if (count_ == 0) return 0;
    const auto rank = static_cast<uint64_t>(quantile * static_cast<double>(count_ - 1)) + 1;
    uint64_t seen = 0;
    for (size_t i = 0; i < buckets_.size(); ++i) {
      seen += buckets_[i];
      if (seen >= rank) return static_cast<double>(std::min(upper_end(i), max_)) / 1e6;
    }
    return max_ms();
  }

 private:
  static constexpr int kStepBits = 6;

  static size_t bucket_of(uint64_t value) {
    if (value < (1u << kStepBits)) return value;
    const int exponent = std::bit_width(value) - 1 - kStepBits;
    return (static_cast<size_t>(exponent + 1) << kStepBits) + ((value >> exponent) & ((1u << kStepBits) - 1));
  }
  static uint64_t upper_end(size_t bucket) {
    if (bucket < (1u << kStepBits)) return bucket;
    const size_t exponent = (bucket >> kStepBits) - 1;
    const uint64_t step = (bucket & ((1u << kStepBits) - 1)) + (1u << kStepBits);
    return ((step + 1) << exponent) - 1;
  }

  std::array<uint64_t, (64 - kStepBits + 1) << kStepBits> buckets_{};
  uint64_t count_ = 0;
  uint64_t max_ = 0;
};

}  // namespace testmesh::bench
