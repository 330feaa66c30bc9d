// What one book knows of one flow. Internal to the books and the questions put to them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "discovery/duration_sketch.h"
#include "discovery/extremes.h"
#include "discovery/flow_book.h"

namespace testmesh::discovery {

struct NodeStats {
  DurationSketch duration;
  DurationSketch self;
  CallSketch calls;  // per trace
  uint64_t visits = 0;
  uint64_t errors = 0;
  uint64_t retries = 0;
};

// The tests that exercise a flow. Of more names than are kept the ones that ran
// last stay; a forgotten name that runs again is counted from then on.
class TestNames {
 public:
  static constexpr size_t kMax = 10;
  struct Test {
    std::string name;
    uint64_t traces = 0;
    base::UnixNanos last = 0;  // start of its latest trace; stays when that is taken away
  };

  void add(std::string_view name, base::UnixNanos start);  // empty: nothing
  void remove(std::string_view name);                      // forgotten or empty: nothing
  void merge(const TestNames& other);
  std::span<const Test> items() const { return tests_; }  // by name

  void encode(std::string& out) const;
  void decode(ByteReaderView& in);
  size_t heap_bytes() const;

 private:
  void add(std::string_view name, uint64_t traces, base::UnixNanos last);

  std::vector<Test> tests_;
};

// Whole and partial traces share every figure: whether partial ones count is
// a question of whether the flow exists, and then all of them do.
struct FlowStats {
  explicit FlowStats(size_t node_count) : nodes(node_count) {}

  uint64_t whole = 0;
  uint64_t partial = 0;
  uint64_t test = 0;
  uint64_t errors = 0;
  Uint128 duration_sum = 0;
  DurationSketch durations;
  std::vector<NodeStats> nodes;
  LargestTraces<8> latest;  // by start; the last_seen of the flow
  SmallestTraces<8> earliest;
  LargestTraces<6> slowest;
  LargestTraces<6> latest_errors;
  LargestTraces<4> latest_tests;
  TestNames tests;
  // The nodes of the trace with the greatest start, among equal ones of the one
  // counted last; null: the flow's own. When that trace is taken away they stay
  // until one is counted that starts no earlier than all that remain.
  NodeList shown;

  uint64_t traces() const { return whole + partial; }
  bool empty() const { return whole + partial + test == 0; }
  uint64_t& count_of(TraceClass trace_class) {
    return trace_class == TraceClass::kWhole ? whole : trace_class == TraceClass::kPartial ? partial : test;
  }

  // `calls` is scratch space. `node_map` as of Resolved: from the match's nodes to these.
  void add(const model::TraceId&, TraceClass, const FlowMatch&, std::vector<uint32_t>& calls);
  // False when some figure did not hold what was to be taken away; it then stays at zero.
  bool remove(const model::TraceId&, TraceClass, const FlowMatch&, const std::vector<uint32_t>& node_map,
              std::vector<uint32_t>& calls);
  // With a node map `shown` stays: it means the nodes of another flow.
  void merge(const FlowStats& other, const std::vector<uint32_t>& node_map);
  bool is_later_than(const FlowStats& other) const;  // by the latest trace, tests apart

  // All but `shown` and `tests`.
  void encode(std::string& out) const;
  // Also refuses figures that contradict each other.
  void decode(ByteReaderView& in);
  size_t heap_bytes() const;

 private:
  bool count_calls(const FlowMatch&, const std::vector<uint32_t>& node_map,
                   std::vector<uint32_t>& calls) const;
};

struct SeriesBucket {
  uint64_t count = 0;
  uint64_t errors = 0;
  uint64_t sum_low = 0;  // of durations in ns; two halves, for a 128-bit member would pad
  uint64_t sum_high = 0;
  LargestValues<3> slowest;

  Uint128 sum() const { return static_cast<Uint128>(sum_high) << 64 | sum_low; }
  void set_sum(Uint128 sum) {
    sum_low = static_cast<uint64_t>(sum);
    sum_high = static_cast<uint64_t>(sum >> 64);
  }
  void add(uint64_t duration, bool error);
  bool remove(uint64_t duration, bool error);
  void merge(const SeriesBucket& other);
  void encode(std::string& out) const;
  void decode(ByteReaderView& in);
};

inline constexpr uint8_t kHourVersion = 1;  // of an hour's document

// One hour: its minutes, or, once folded, their sum.
struct HourSeries {
  struct Minute {
    uint8_t minute = 0;
    SeriesBucket bucket;
  };
  bool folded = false;
  SeriesBucket total;           // only when folded
  std::vector<Minute> minutes;  // only when not; ascending

  SeriesBucket& bucket(uint8_t minute);
  SeriesBucket sum() const;
  bool empty() const { return folded ? total.count == 0 : minutes.empty(); }
  void drop_empty_minutes();
  void fold();
  void merge(HourSeries other);  // folded when either is
  void encode(std::string& out) const;
  void decode(ByteReaderView& in);
};

inline constexpr base::UnixNanos kMinuteNanos = 60'000'000'000;
inline constexpr base::UnixNanos kHourNanos = 60 * kMinuteNanos;

// A flow's hours. The few in use lie open, all others as the bytes of their
// documents, one behind the other.
class FlowHistory {
 public:
  void add(base::UnixNanos start, uint64_t duration, bool error);
  bool remove(base::UnixNanos start, uint64_t duration, bool error);
  void merge(const FlowHistory& other);

  template <typename Visit>  // visit(hour, HourSeries), in no particular order
  void for_each(Visit&& visit) const {
    for (const Open& open : open_) visit(open.hour, open.series);
    HourSeries series;
    for (size_t i = 0; i < packed_.size(); ++i) {
      unpack(i, series);
      visit(packed_[i].hour, series);
    }
  }

  // write(hour, value): value is null when the hour has gone. `newest_hour`
  // caps what counts as the newest: one clock in the future folds nothing.
  template <typename Write>
  void take_dirty(uint32_t now_hour, Write&& write) {
    fold_old(now_hour);
    pack_all();
    std::string document;
    for (Packed& packed : packed_) {
      if (packed.change == Change::kNone) continue;
      if (packed.change == Change::kTraces) packed.touched = std::max(packed.touched, now_hour);
      packed.change = Change::kNone;
      const std::string_view body = bytes_of(packed);
      if (body.empty()) {
        write(packed.hour, nullptr);
        continue;
      }
      document.clear();
      put_document(document, packed.touched, body);
      write(packed.hour, &document);
    }
    drop_gone();
  }
  // Hours neither touched nor begun at or after `oldest` (an hour) become gone.
  bool expire(uint32_t oldest);
  void pack_all();

  // False when the document does not read back; `newer` tells one written by a later version.
  bool load(uint32_t hour, std::string_view document, bool& newer);

  size_t heap_bytes() const;

 private:
  // Since the last take_dirty.
  enum class Change : uint8_t { kNone, kForm, kTraces };
  struct Open {
    uint32_t hour = 0;
    uint32_t touched = 0;
    Change change = Change::kNone;
    HourSeries series;
  };
  struct Packed {
    uint32_t hour = 0;
    uint32_t touched = 0;  // the hour in which traces last came or left: retention counts from arrival
    uint32_t offset = 0;   // into bytes_; ends where the next begins; no bytes: gone
    Change change = Change::kNone;
  };
  static constexpr size_t kMaxOpen = 3;

  Open& open(uint32_t hour);
  void pack(Open& open);
  void unpack(size_t index, HourSeries& series) const;
  std::string_view bytes_of(const Packed& packed) const;
  void set_bytes(size_t index, std::string_view bytes);
  void fold_old(uint32_t now_hour);
  void drop_gone();
  static void put_document(std::string& out, uint32_t touched, std::string_view body);

  std::vector<Open> open_;      // the latest used first
  std::vector<Packed> packed_;  // by hour
  std::string bytes_;
};

}  // namespace testmesh::discovery
