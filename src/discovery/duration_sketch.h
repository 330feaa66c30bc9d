// Distributions as counts per bucket: mergeable, and what was added can be
// taken away exactly.
//
// A bucket is a power of two cut into 2^kSubBits equal parts, found with shifts
// alone, so that every machine puts a value into the same bucket. A bucket
// answers with its middle: the relative error is at most 2^-(kSubBits + 1),
// and none below 2^(kSubBits + 1).
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>

#include "discovery/document_bytes.h"

namespace testmesh::discovery {

// Bucket -> count. Few buckets are a sorted list; more become a window of
// counters as narrow as the largest count allows. A step of add() in steady
// state allocates nothing.
class BucketCounts {
 public:
  BucketCounts() = default;
  BucketCounts(BucketCounts&& other) noexcept { swap(other); }
  BucketCounts& operator=(BucketCounts&& other) noexcept {
    swap(other);
    return *this;
  }

  void add(uint16_t bucket, uint64_t times = 1);
  bool remove(uint16_t bucket);  // false, and nothing changed: there was none
  void merge(const BucketCounts& other);
  void clear();
  BucketCounts copy() const;

  // Brings the counter that add() will touch nearer.
  void prefetch(uint16_t bucket) const {
    const size_t at = width_ == 0 ? 0 : size_t{static_cast<uint16_t>(bucket - base_)} * width_;
    __builtin_prefetch(data_.get() + at, 1);
  }

  uint64_t total() const { return total_; }
  // The bucket of the rank-th smallest, 1 <= rank <= the sum of the totals.
  static uint16_t at_rank(std::span<const BucketCounts* const> counts, uint64_t rank);
  // total() > 0
  uint16_t highest() const;

  template <typename Visit>  // visit(bucket, count), ascending, counts above zero
  void for_each(Visit&& visit) const {
    if (width_ == 0) {
      for (size_t i = 0; i < length_; ++i) visit(listed()[i].bucket, uint64_t{listed()[i].count});
      return;
    }
    switch (width_) {
      case 1:
        return for_each_of<uint8_t>(visit);
      case 2:
        return for_each_of<uint16_t>(visit);
      case 4:
        return for_each_of<uint32_t>(visit);
      default:
        return for_each_of<uint64_t>(visit);
    }
  }

  void encode(std::string& out) const;
  // Fails the reader at a bucket above `max_bucket` or counts beyond reason.
  void decode(ByteReaderView& in, uint16_t max_bucket);

  size_t heap_bytes() const;

 private:
  struct Listed {
    uint16_t bucket;
    uint16_t count;
  };
  static constexpr size_t kMaxListed = 32;

  // Walks down from the highest bucket; high percentiles of many flows are read
  // this way, past the few counts above them.
  class Descent;

  template <typename Counter, typename Visit>
  void for_each_of(Visit& visit) const {
    constexpr size_t kTogether = 8 / sizeof(Counter);  // windows are mostly empty: eight bytes at a time
    for (size_t i = 0; i < length_; i += kTogether) {
      uint64_t any;
      std::memcpy(&any, data_.get() + i * sizeof(Counter), 8);
      if (any == 0) continue;
      for (size_t j = 0; j < kTogether; ++j) {
        Counter count;
        std::memcpy(&count, data_.get() + (i + j) * sizeof(Counter), sizeof(Counter));
        if (count != 0) visit(static_cast<uint16_t>(base_ + i + j), uint64_t{count});
      }
    }
  }

  Listed* listed() const { return reinterpret_cast<Listed*>(data_.get()); }
  uint64_t counter(size_t i) const;
  void set_counter(size_t i, uint64_t value);
  void add_slowly(uint16_t bucket, uint64_t times);
  // A window over `first`…`last` and all that is counted, for counts up to `largest`.
  void make_window(uint16_t first, uint16_t last, uint64_t largest);
  void swap(BucketCounts& other) noexcept;
  size_t data_bytes() const { return width_ == 0 ? base_ * sizeof(Listed) : size_t{length_} * width_; }

  std::unique_ptr<unsigned char[]> data_;  // implicitly creates what it holds
  uint64_t total_ = 0;
  uint16_t base_ = 0;    // window: its first bucket; list: its capacity
  uint16_t length_ = 0;  // window: its buckets; list: its size
  uint8_t width_ = 0;    // bytes of a counter; 0: list
};

template <int kSubBits, uint64_t kLimit>
struct LogScale {
  static uint16_t bucket(uint64_t value) {
    value = std::min(value, kLimit);
    if (value < uint64_t{1} << kSubBits) return static_cast<uint16_t>(value);
    const int shift = std::bit_width(value) - 1 - kSubBits;
    return static_cast<uint16_t>((static_cast<uint64_t>(shift) << kSubBits) + (value >> shift));
  }
  static uint64_t value(uint16_t bucket) {
    if (bucket < 2u << kSubBits) return bucket;
    const int shift = (bucket >> kSubBits) - 1;
    const uint64_t low = ((uint64_t{1} << kSubBits) + (bucket & ((1u << kSubBits) - 1))) << shift;
    return low + (uint64_t{1} << shift) / 2;
  }
};

template <typename Scale>
class Sketch {
 public:
  void add(uint64_t value) { counts_.add(Scale::bucket(value)); }
  void prefetch(uint64_t value) const { counts_.prefetch(Scale::bucket(value)); }
  bool remove(uint64_t value) { return counts_.remove(Scale::bucket(value)); }
  void merge(const Sketch& other) { counts_.merge(other.counts_); }
  void clear() { counts_.clear(); }
  Sketch copy() const {
    Sketch same;
    same.counts_ = counts_.copy();
    return same;
  }
  uint64_t total() const { return counts_.total(); }
  const BucketCounts& counts() const { return counts_; }

  // The ceil(percent/100 * n)-th smallest of all together; 0 when there is none.
  static uint64_t percentile(std::span<const BucketCounts* const> counts, unsigned percent) {
    uint64_t total = 0;
    for (const BucketCounts* one : counts) total += one->total();
    if (total == 0) return 0;
    const auto rank = static_cast<uint64_t>((static_cast<Uint128>(total) * percent + 99) / 100);
    return Scale::value(BucketCounts::at_rank(counts, std::max<uint64_t>(rank, 1)));
  }
  // Of the highest bucket; total() > 0.
  uint64_t largest() const { return Scale::value(counts_.highest()); }

  void encode(std::string& out) const { counts_.encode(out); }
  void decode(ByteReaderView& in) { counts_.decode(in, Scale::bucket(UINT64_MAX)); }
  size_t heap_bytes() const { return counts_.heap_bytes(); }

 private:
  BucketCounts counts_;
};

// Nanoseconds, relative error at most 1/128; exact below 128 ns.
using DurationSketch = Sketch<LogScale<6, UINT64_MAX>>;
// Calls of a node in one trace: exact below 4,096, beyond at most 1/4096 off.
using CallSketch = Sketch<LogScale<11, UINT32_MAX>>;

}  // namespace testmesh::discovery
