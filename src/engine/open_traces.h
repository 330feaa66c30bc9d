// The traces that may still grow: their rows, and when each is to be looked at
// next.
//
// Single-threaded. A trace's rows lie in one buffer of its own, as
// (varint size · row)*, so that closing reads memory in order and frees all of
// it.
#pragma once

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "engine/block_pool.h"
#include "model/ids.h"
#include "store/embedded/journal.h"

namespace testmesh::engine {

struct ShardPartition;

struct OpenTrace {
  model::TraceId id;
  ShardPartition* partition = nullptr;
  char* rows = nullptr;
  uint32_t size = 0, capacity = 0;
  uint32_t count = 0;
  base::UnixNanos first_arrival = 0, last_arrival = 0;
  store::JournalPosition first;  // of its oldest row
  uint32_t generation = 0;       // of its entry in the wheel that counts
  bool late = false;             // parts of it are stored
  bool waits_for_idle = false;   // it was looked at early and may still grow
  bool in_use = false;

  std::string_view bytes() const { return {rows, size}; }
};

class OpenTraces {
 public:
  OpenTraces() = default;
  OpenTraces(const OpenTraces&) = delete;
  OpenTraces& operator=(const OpenTraces&) = delete;
  ~OpenTraces() {
    for (OpenTrace& trace : slots_)
      if (trace.rows) pool_.give_back(trace.rows, trace.capacity);
  }

  // Null when it is not open.
  OpenTrace* find(const void* workspace, const model::TraceId& id) {
    const auto found = index_.find(Key{id, workspace});
    return found == index_.end() ? nullptr : &slots_[found->second];
  }

  OpenTrace& open(const void* workspace, const model::TraceId& id) {
    uint32_t slot;
    if (free_.empty()) {
      slot = static_cast<uint32_t>(slots_.size());
      slots_.emplace_back();
    } else {
      slot = free_.back();
      free_.pop_back();
    }
    OpenTrace& trace = slots_[slot];
    const uint32_t generation = trace.generation + 1;
    trace = OpenTrace{};
    trace.generation = generation;
    trace.id = id;
    trace.in_use = true;
    index_.emplace(Key{id, workspace}, slot);
    return trace;
  }

  void append(OpenTrace& trace, std::string_view rows, uint32_t count) {
    if (trace.capacity - trace.size < rows.size()) {
      // Most traces come in one request: no room to spare at first.
      const auto needed = static_cast<uint32_t>(trace.size + rows.size());
      uint32_t capacity;
      char* block =
          pool_.take(trace.rows ? std::max(needed, trace.capacity + trace.capacity / 2) : needed, capacity);
      if (trace.rows) {
        std::memcpy(block, trace.rows, trace.size);
        pool_.give_back(trace.rows, trace.capacity);
      }
      bytes_ += capacity - trace.capacity;
      trace.rows = block;
      trace.capacity = capacity;
    }
    std::memcpy(trace.rows + trace.size, rows.data(), rows.size());
    trace.size += static_cast<uint32_t>(rows.size());
    trace.count += count;
    spans_ += count;
  }

  void close(const void* workspace, OpenTrace& trace) {
    index_.erase(Key{trace.id, workspace});
    bytes_ -= trace.capacity;
    spans_ -= trace.count;
    pool_.give_back(trace.rows, trace.capacity);
    trace.rows = nullptr;
    trace.in_use = false;
    ++trace.generation;
    free_.push_back(static_cast<uint32_t>(&trace - slots_.data()));
  }

  // ---- the wheel: kTicks of kTick, later times wait in the last one

  void schedule(OpenTrace& trace, base::UnixNanos at) {
    const uint64_t tick = std::clamp(at / kTick + 1, now_tick_ + 1, now_tick_ + kTicks - 1);
    ++trace.generation;
    wheel_[tick % kTicks].push_back({static_cast<uint32_t>(&trace - slots_.data()), trace.generation});
  }

  // The next trace to look at by `now`, or null. Each is given once; schedule
  // it again or close it.
  OpenTrace* take_due(base::UnixNanos now) {
    const uint64_t target = now / kTick;
    // A clock that was set back: what is due is found within one turn again.
    if (target + kTicks / 4 < now_tick_) now_tick_ = target;
    if (now_tick_ == 0 || target > now_tick_ + 100 * kTicks)
      now_tick_ = std::max(now_tick_, target - std::min<uint64_t>(target, kTicks));
    while (now_tick_ <= target) {
      auto& due = wheel_[now_tick_ % kTicks];
      while (!due.empty()) {
        const Entry entry = due.back();
        due.pop_back();
        OpenTrace& trace = slots_[entry.slot];
        if (trace.in_use && trace.generation == entry.generation) return &trace;
      }
      if (due.capacity() > 4096) std::vector<Entry>().swap(due);
      if (now_tick_ == target) break;
      ++now_tick_;
    }
    return nullptr;
  }

  // One of the traces that are due first, due or not; null when none is open.
  OpenTrace* take_next() {
    for (uint64_t tick = now_tick_; tick < now_tick_ + kTicks; ++tick) {
      auto& entries = wheel_[tick % kTicks];
      while (!entries.empty()) {
        const Entry entry = entries.back();
        entries.pop_back();
        OpenTrace& trace = slots_[entry.slot];
        if (trace.in_use && trace.generation == entry.generation) return &trace;
      }
    }
    return nullptr;
  }

  template <typename Visit>
  void for_each(const Visit& visit) {
    for (OpenTrace& trace : slots_)
      if (trace.in_use) visit(trace);
  }

  size_t traces() const { return index_.size(); }
  uint64_t spans() const { return spans_; }
  size_t bytes() const { return bytes_ + slots_.size() * sizeof(OpenTrace) + index_.bucket_count() * 40; }

 private:
  static constexpr base::UnixNanos kTick = 50'000'000;
  static constexpr uint64_t kTicks = 1024;
  struct Entry {
    uint32_t slot, generation;
  };
  struct Key {
    model::TraceId id;
    const void* workspace;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const {
      return key.id.hash() ^ (reinterpret_cast<uintptr_t>(key.workspace) >> 4);
    }
  };

  BlockPool pool_;
  std::vector<OpenTrace> slots_;
  std::vector<uint32_t> free_;
  boost::unordered_flat_map<Key, uint32_t, KeyHash> index_;
  std::vector<std::vector<Entry>> wheel_ = std::vector<std::vector<Entry>>(kTicks);
  uint64_t now_tick_ = 0;
  size_t bytes_ = 0;
  uint64_t spans_ = 0;
};

}  // namespace testmesh::engine
