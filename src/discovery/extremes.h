// The K best of many values, in order, when values can also be taken away.
//
// What falls off the end is forgotten but for the best of it (`bound`). The
// kept values are always exactly the best ones: a value not better than the
// bound is not kept, because a forgotten one may stand before it. Removing all
// kept ones while others remain exhausts the set: best() then answers with the
// bound, which no remaining value exceeds, and which is exact unless that very
// value was itself removed after it had been forgotten. That takes more than K
// removals among the top without as many arrivals.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "discovery/document_bytes.h"
#include "model/ids.h"

namespace testmesh::discovery {

struct TracePoint {
  uint64_t value = 0;  // a time or a duration
  model::TraceId trace;
  friend bool operator==(const TracePoint&, const TracePoint&) = default;
};

// Equal values rank by trace id, so that every order of arrival, and every
// split over shards, keeps the same traces.
struct LargestFirst {
  static bool better(uint64_t a, uint64_t b) { return a > b; }
  static bool better(const TracePoint& a, const TracePoint& b) {
    return a.value != b.value ? a.value > b.value : a.trace < b.trace;
  }
};
struct SmallestFirst {
  static bool better(const TracePoint& a, const TracePoint& b) {
    return a.value != b.value ? a.value < b.value : a.trace < b.trace;
  }
};

inline void put_item(std::string& out, uint64_t value) { put_varint(out, value); }
inline void put_item(std::string& out, const TracePoint& point) {
  put_varint(out, point.value);
  out.append(reinterpret_cast<const char*>(point.trace.bytes.data()), point.trace.bytes.size());
}
inline void read_item(ByteReaderView& in, uint64_t& value) { value = in.varint(); }
inline void read_item(ByteReaderView& in, TracePoint& point) {
  point.value = in.varint();
  const std::string_view id = in.take(point.trace.bytes.size());
  if (in.ok()) std::memcpy(point.trace.bytes.data(), id.data(), id.size());
}

template <typename Item, size_t K, typename Order>
class Extremes {
 public:
  std::span<const Item> items() const { return {items_.data(), size_}; }
  bool exhausted() const { return size_ == 0 && forgot_; }

  // Null when nothing was ever added (or all was cleared).
  const Item* best() const { return size_ > 0 ? &items_[0] : forgot_ ? &bound_ : nullptr; }

  void add(const Item& item) {
    if (forgot_ && Order::better(bound_, item)) return;
    if (size_ == K) {
      if (!Order::better(item, items_[K - 1])) return forget(item);
      forget(items_[--size_]);
    }
    size_t at = size_++;
    for (; at > 0 && Order::better(item, items_[at - 1]); --at) items_[at] = items_[at - 1];
    items_[at] = item;
  }

  void remove(const Item& item) {
    Item* const end = items_.data() + size_;
    Item* const found = std::find(items_.data(), end, item);
    if (found == end) return;  // had been forgotten
    std::move(found + 1, end, found);
    --size_;
  }

  void merge(const Extremes& other) {
    for (const Item& item : other.items()) add(item);
    if (other.forgot_) {
      forget(other.bound_);
      while (size_ > 0 && Order::better(bound_, items_[size_ - 1])) --size_;
    }
  }

  void clear() {
    size_ = 0;
    forgot_ = false;
  }

  void encode(std::string& out) const {
    out += static_cast<char>(size_ << 1 | (forgot_ ? 1 : 0));
    for (const Item& item : items()) put_item(out, item);
    if (forgot_) put_item(out, bound_);
  }

  void decode(ByteReaderView& in) {
    clear();
    const uint8_t head = in.byte();
    if (head >> 1 > K) return in.fail();
    for (size_t i = 0; i < head >> 1; ++i) {
      read_item(in, items_[i]);
      if (i > 0 && Order::better(items_[i], items_[i - 1])) return in.fail();
    }
    if (head & 1) {
      read_item(in, bound_);
      if (head > 1 && Order::better(bound_, items_[(head >> 1) - 1])) return in.fail();
    }
    if (!in.ok()) return;
    size_ = head >> 1;
    forgot_ = head & 1;
  }

 private:
  void forget(const Item& item) {
    if (!forgot_ || Order::better(item, bound_)) bound_ = item;
    forgot_ = true;
  }

  std::array<Item, K> items_{};
  Item bound_{};
  uint8_t size_ = 0;
  bool forgot_ = false;
};

template <size_t K>
using LargestTraces = Extremes<TracePoint, K, LargestFirst>;
template <size_t K>
using SmallestTraces = Extremes<TracePoint, K, SmallestFirst>;
template <size_t K>
using LargestValues = Extremes<uint64_t, K, LargestFirst>;

}  // namespace testmesh::discovery
