// What the load generator sends: OTLP requests of a made-up shop, 20 services
// and some 40 flows, with fresh ids, times and values in every span.
//
// Each step of a flow is serialised once, into a template; sending a span is
// copying its template and patching bytes at fixed offsets. All patched values
// have a fixed length for that reason.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace testmesh::bench {

// xoshiro256++: a few cycles a number, seeds may be any.
class Random {
 public:
  explicit Random(uint64_t seed) {
    for (uint64_t& word : state_) {
      seed += 0x9e3779b97f4a7c15ULL;
      uint64_t mixed = (seed ^ (seed >> 30)) * 0xbf58476d1ce4e5b9ULL;
      mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebULL;
      word = mixed ^ (mixed >> 31);
    }
  }
  uint64_t next() {
    const uint64_t result = rotate(state_[0] + state_[3], 23) + state_[0];
    const uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = rotate(state_[3], 45);
    return result;
  }
  uint32_t below(uint32_t bound) { return static_cast<uint32_t>(((next() >> 32) * bound) >> 32); }

 private:
  static uint64_t rotate(uint64_t value, int by) { return (value << by) | (value >> (64 - by)); }
  std::array<uint64_t, 4> state_{};
};

enum class PatchKind : uint8_t { kHex, kDecimal, kVarint };

// Where a value comes from: one drawn for the whole trace, so that it comes
// back in several of its spans, or one drawn for this span.
inline constexpr uint8_t kTraceValues = 6;
inline constexpr uint8_t kFreshValue = 255;

struct Patch {
  uint16_t offset = 0;
  PatchKind kind = PatchKind::kHex;
  uint8_t width = 0;            // characters, or bytes of a varint
  uint8_t source = 0;           // index of a trace value, or kFreshValue
  uint8_t shift = 0;            // bits of the source that other patches already show
  uint32_t low = 0, range = 0;  // of a decimal or varint
};

struct SpanTemplate {
  std::string bytes;  // a whole `spans` field: tag, length, Span
  std::vector<Patch> patches;
  uint16_t trace_id_at = 0, span_id_at = 0, parent_id_at = 0;  // parent 0: none
  uint16_t start_at = 0, end_at = 0, event_time_at = 0;        // event 0: none
};

// One step of a flow. Steps are in pre-order; a step's children are the
// steps up to `subtree_end` whose parent it is.
struct Step {
  uint16_t group = 0;        // (service, scope) whose ScopeSpans holds the span
  uint16_t subtree_end = 0;  // one past its last descendant
  uint8_t chance = 255;      // of 255: how often it happens
  uint8_t repeat_low = 1, repeat_high = 1;
  bool beside_previous = false;          // starts while the sibling before it still runs
  bool fails = false;                    // on the failing path of the flow's bad traces
  uint32_t before_ns = 0, after_ns = 0;  // own time before the first and after the last child
  SpanTemplate good, bad;
};

struct Flow {
  std::string name;
  uint32_t weight = 1;
  std::vector<Step> steps;
};

struct Group {
  uint16_t service = 0;
  std::string scope;  // serialised ScopeSpans.scope field
};

struct Service {
  std::string name;
  std::vector<std::string> pods;  // serialised ResourceSpans.resource field each
};

struct World {
  std::vector<Service> services;
  std::vector<Group> groups;
  std::vector<Flow> flows;
};

// The same world on every machine and for every seed.
World build_world();

// Collects the spans of one request, by (service, scope), and lays the request
// out as pieces for writev. Reused: buffers keep their capacity.
class RequestBuilder {
 public:
  explicit RequestBuilder(const World& world);
  void clear(Random& random);  // also picks the pods that this request comes from
  std::string& spans_of(uint16_t group) { return buffers_[group]; }
  void count_span() { ++span_count_; }
  uint32_t span_count() const { return span_count_; }

  // The ExportTraceServiceRequest as pieces; they point into this object.
  // Returns the length of the whole.
  size_t lay_out(std::vector<std::string_view>& pieces);

 private:
  const World& world_;
  std::vector<std::string> buffers_;  // by group
  std::vector<uint8_t> pods_;         // by service
  std::string frames_;                // tags and lengths between the pieces
  uint32_t span_count_ = 0;
};

struct TraceOrder {
  uint64_t seed = 0;   // decides everything about the trace
  uint64_t start = 0;  // Unix nanoseconds
};

// Writes traces into requests. One per thread.
class TraceWriter {
 public:
  explicit TraceWriter(const World& world);

  // Writes the spans of the trace that belong to services s with
  // s % parts == part (parts 1: all). The same order gives the same trace for
  // every part. Returns the number of spans written.
  uint32_t write(const TraceOrder& order, uint32_t part, uint32_t parts, RequestBuilder& request);

  // The id of the trace last written.
  const std::array<uint64_t, 2>& trace_id() const { return trace_id_; }

 private:
  uint64_t write_children(const Flow& flow, uint32_t from, uint32_t to, uint64_t parent_id, uint64_t start);
  uint64_t write_step(const Flow& flow, uint32_t index, uint64_t parent_id, uint64_t start);
  void fill(char* bytes, const SpanTemplate& form, uint64_t fresh) const;
  uint64_t stretch(uint32_t nanoseconds);

  const World& world_;
  std::vector<uint16_t> flow_draw_;         // flow index by weight
  std::vector<uint32_t> duration_factors_;  // log-normal, 16.16 fixed point
  Random random_{0};
  RequestBuilder* request_ = nullptr;
  std::array<uint64_t, 2> trace_id_{};
  std::array<uint64_t, kTraceValues> values_{};
  uint32_t part_ = 0, parts_ = 1, written_ = 0;
  bool failing_ = false;
};

}  // namespace testmesh::bench
