#include "discovery/duration_sketch.h"

#include <cstring>
#include <utility>
#include <vector>

#include "base/result.h"

namespace testmesh::discovery {
namespace {

constexpr uint16_t kWindowStep = 32;          // windows start and end at multiples
constexpr uint64_t kMostCounts = 1ULL << 62;  // a document that says more is damaged

uint8_t width_for(uint64_t largest) {
  return largest <= UINT8_MAX ? 1 : largest <= UINT16_MAX ? 2 : largest <= UINT32_MAX ? 4 : 8;
}

}  // namespace

uint64_t BucketCounts::counter(size_t i) const {
  const unsigned char* const bytes = data_.get();
  switch (width_) {
    case 1:
      return bytes[i];
    case 2: {
      uint16_t value;
      std::memcpy(&value, bytes + 2 * i, 2);
      return value;
    }
    case 4: {
      uint32_t value;
      std::memcpy(&value, bytes + 4 * i, 4);
      return value;
    }
    default: {
      uint64_t value;
      std::memcpy(&value, bytes + 8 * i, 8);
      return value;
    }
  }
}

void BucketCounts::set_counter(size_t i, uint64_t value) {
  // Little-endian: the low bytes come first.
  static_assert(std::endian::native == std::endian::little);
  std::memcpy(data_.get() + i * width_, &value, width_);
}

void BucketCounts::add(uint16_t bucket, uint64_t times) {
  total_ += times;
  const auto at = static_cast<uint16_t>(bucket - base_);
  if (width_ == 1 && at < length_) {
    unsigned char& count = data_[at];
    if (count + times <= UINT8_MAX) {
      count = static_cast<unsigned char>(count + times);
      return;
    }
  } else if (width_ == 2 && at < length_) {
    uint16_t count;
    unsigned char* const place = data_.get() + size_t{2} * at;
    std::memcpy(&count, place, 2);
    if (count + times <= UINT16_MAX) {
      count = static_cast<uint16_t>(count + times);
      std::memcpy(place, &count, 2);
      return;
    }
  }
  add_slowly(bucket, times);
}

void BucketCounts::add_slowly(uint16_t bucket, uint64_t times) {
  if (width_ == 0) {
    Listed* const end = listed() + length_;
    Listed* const place =
        std::lower_bound(listed(), end, bucket, [](const Listed& l, uint16_t b) { return l.bucket < b; });
    if (place != end && place->bucket == bucket) {
      if (place->count + times <= UINT16_MAX) {
        place->count = static_cast<uint16_t>(place->count + times);
        return;
      }
    } else if (length_ < kMaxListed && times <= UINT16_MAX) {
      const size_t index = static_cast<size_t>(place - listed());
      if (length_ == base_) {
        const size_t capacity = base_ == 0 ? 2 : size_t{2} * base_;
        auto larger = std::make_unique<unsigned char[]>(capacity * sizeof(Listed));
        if (length_ > 0) std::memcpy(larger.get(), data_.get(), length_ * sizeof(Listed));
        data_ = std::move(larger);
        base_ = static_cast<uint16_t>(capacity);
      }
      std::memmove(listed() + index + 1, listed() + index, (length_ - index) * sizeof(Listed));
      listed()[index] = {bucket, static_cast<uint16_t>(times)};
      ++length_;
      return;
    }
    make_window(bucket, bucket, times);
  } else if (bucket < base_ || bucket >= base_ + length_) {
    make_window(bucket, bucket, times);
  }
  const uint64_t count = counter(bucket - base_) + times;
  if (width_for(count) > width_) make_window(bucket, bucket, count);
  set_counter(bucket - base_, count);
}

void BucketCounts::make_window(uint16_t first, uint16_t last, uint64_t largest) {
  BucketCounts old;
  swap(old);
  old.for_each([&](uint16_t bucket, uint64_t count) {
    first = std::min(first, bucket);
    last = std::max(last, bucket);
    largest = std::max(largest, count);
  });
  if (old.width_ != 0) {  // never shrinks: counts that left may come back
    first = std::min(first, old.base_);
    last = std::max<uint16_t>(last, static_cast<uint16_t>(old.base_ + old.length_ - 1));
  }
  total_ = old.total_;
  base_ = static_cast<uint16_t>(first / kWindowStep * kWindowStep);
  length_ = static_cast<uint16_t>((last / kWindowStep + 1) * kWindowStep - base_);
  width_ = width_for(largest);
  data_ = std::make_unique<unsigned char[]>(size_t{length_} * width_);
  old.for_each([&](uint16_t bucket, uint64_t count) { set_counter(bucket - base_, count); });
}

bool BucketCounts::remove(uint16_t bucket) {
  if (width_ == 0) {
    Listed* const end = listed() + length_;
    Listed* const place =
        std::lower_bound(listed(), end, bucket, [](const Listed& l, uint16_t b) { return l.bucket < b; });
    if (place == end || place->bucket != bucket) return false;
    if (--place->count == 0) {
      std::memmove(place, place + 1, static_cast<size_t>(end - place - 1) * sizeof(Listed));
      --length_;
    }
  } else {
    if (bucket < base_ || bucket >= base_ + length_) return false;
    const uint64_t count = counter(bucket - base_);
    if (count == 0) return false;
    set_counter(bucket - base_, count - 1);
  }
  if (--total_ == 0) clear();
  return true;
}

void BucketCounts::merge(const BucketCounts& other) {
  other.for_each([&](uint16_t bucket, uint64_t count) { add(bucket, count); });
}

void BucketCounts::clear() {
  BucketCounts empty;
  swap(empty);
}

BucketCounts BucketCounts::copy() const {
  BucketCounts same;
  same.total_ = total_;
  same.base_ = base_;
  same.length_ = length_;
  same.width_ = width_;
  if (data_) {
    same.data_.reset(new unsigned char[data_bytes()]);
    std::memcpy(same.data_.get(), data_.get(), data_bytes());
  }
  return same;
}

void BucketCounts::swap(BucketCounts& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(total_, other.total_);
  std::swap(base_, other.base_);
  std::swap(length_, other.length_);
  std::swap(width_, other.width_);
}

class BucketCounts::Descent {
 public:
  explicit Descent(const BucketCounts& counts) : counts_(&counts), left_(counts.length_) { next(); }

  int bucket() const { return bucket_; }  // -1: at the end
  uint64_t count() const { return count_; }

  void next() {
    count_ = 0;
    while (left_ > 0 && count_ == 0) {
      --left_;
      if (counts_->width_ == 0) {
        bucket_ = counts_->listed()[left_].bucket;
        count_ = counts_->listed()[left_].count;
      } else {
        bucket_ = static_cast<int>(counts_->base_ + left_);
        count_ = counts_->counter(left_);
      }
    }
    if (count_ == 0) bucket_ = -1;
  }

 private:
  const BucketCounts* counts_;
  size_t left_;
  int bucket_ = -1;
  uint64_t count_ = 0;
};

uint16_t BucketCounts::highest() const {
  const Descent top(*this);
  CHECK(top.bucket() >= 0);
  return static_cast<uint16_t>(top.bucket());
}

namespace {

constexpr size_t kMaxDescents = 8;

// Of many: their sum, bucket by bucket.
uint16_t at_rank_of_sum(std::span<const BucketCounts* const> counts, uint64_t rank) {
  thread_local std::vector<uint64_t> sums(size_t{UINT16_MAX} + 1);  // all zero in between
  uint64_t below = 0;
  uint16_t lowest = UINT16_MAX, highest = 0;
  for (const BucketCounts* one : counts) {
    below += one->total();
    one->for_each([&](uint16_t bucket, uint64_t count) {
      sums[bucket] += count;
      lowest = std::min(lowest, bucket);
      highest = std::max(highest, bucket);
    });
  }
  CHECK(rank >= 1 && rank <= below);
  uint16_t bucket = highest;
  while ((below -= sums[bucket]) >= rank) --bucket;
  std::fill(sums.begin() + lowest, sums.begin() + highest + 1, 0);
  return bucket;
}

}  // namespace

uint16_t BucketCounts::at_rank(std::span<const BucketCounts* const> counts, uint64_t rank) {
  if (counts.size() > kMaxDescents) return at_rank_of_sum(counts, rank);
  uint64_t below = 0;                          // counted in the buckets not yet passed
  thread_local std::vector<Descent> descents;  // ten thousand flows, one allocation
  descents.clear();
  for (const BucketCounts* one : counts) {
    below += one->total();
    descents.emplace_back(*one);
  }
  CHECK(rank >= 1 && rank <= below);
  for (;;) {
    int highest = -1;
    for (const Descent& descent : descents) highest = std::max(highest, descent.bucket());
    CHECK(highest >= 0);
    for (Descent& descent : descents) {
      if (descent.bucket() != highest) continue;
      below -= descent.count();
      descent.next();
    }
    if (below < rank) return static_cast<uint16_t>(highest);
  }
}

void BucketCounts::encode(std::string& out) const {
  uint64_t buckets = 0;
  for_each([&](uint16_t, uint64_t) { ++buckets; });
  put_varint(out, buckets);
  uint64_t previous = 0;
  for_each([&](uint16_t bucket, uint64_t count) {
    put_varint(out, bucket - previous);
    put_varint(out, count);
    previous = bucket;
  });
}

void BucketCounts::decode(ByteReaderView& in, uint16_t max_bucket) {
  clear();
  const uint64_t buckets = in.varint();
  uint64_t bucket = 0;
  for (uint64_t i = 0; i < buckets && in.ok(); ++i) {
    const uint64_t step = in.varint();
    const uint64_t count = in.varint();
    if (!in.ok() || step > max_bucket || (i > 0 && step == 0) || bucket + step > max_bucket || count == 0 ||
        count > kMostCounts || total_ + count > kMostCounts) {
      return in.fail();
    }
    bucket += step;
    add(static_cast<uint16_t>(bucket), count);
  }
}

size_t BucketCounts::heap_bytes() const {
  if (!data_) return 0;
  return (data_bytes() + 7) / 8 * 8 + 16;  // and what malloc puts before it
}

}  // namespace testmesh::discovery
