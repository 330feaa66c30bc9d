// A trace with its loops folded: what is compared with another.
//
// Spans look equal when they have the same service, kind and operation and the
// set of what hangs directly below them looks equal too: neither order nor
// number nor time nor status counts. Siblings that look equal are one call made
// several times, wherever they stand between the others. So of the calls below
// one parent no two look equal.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string_view>
#include <tuple>
#include <vector>

#include "trace_diff/trace_view.h"

namespace testmesh::trace_diff {

inline constexpr uint32_t kNone = UINT32_MAX;

// Numbers for what spans and subtrees look like; the two traces share them.
class Looks {
 public:
  uint32_t key(const SpanView&);
  // `look` is the key, then the shapes of the children, ascending and distinct.
  uint32_t shape(std::vector<uint32_t> look);
  size_t shapes() const { return shapes_.size(); }

 private:
  std::map<std::tuple<std::string_view, model::SpanKind, std::string_view>, uint32_t> keys_;
  std::map<std::vector<uint32_t>, uint32_t> shapes_;
};

// The least hashes of the keys below a call: how alike two subtrees are can be
// told from them without looking at the subtrees.
class Sketch {
 public:
  void add(uint32_t hash);
  void add(const Sketch& other);
  bool empty() const { return size_ == 0; }
  // Shared keys among all keys, 0…1: exact while both have few.
  static double likeness(const Sketch& a, const Sketch& b);

 private:
  static constexpr size_t kMost = 16;
  std::array<uint32_t, kMost> least_{};  // ascending, distinct
  uint32_t size_ = 0;
};

struct Call {
  uint32_t parent = kNone;  // index of the call; kNone: beside the entry
  uint32_t size = 1;        // calls of the subtree, this one included
  uint32_t key = 0;
  uint32_t shape = 0;
  uint32_t run = 0;  // among its siblings; those of one run are concurrent
  Sketch below;
};

class CallTree {
 public:
  CallTree(const TraceView&, Looks&);

  // Depth first, parents before children, siblings by run, then start: the
  // subtree of call i is [i, i + size). The entry's is the first.
  const std::vector<Call>& calls() const { return calls_; }
  uint32_t size() const { return static_cast<uint32_t>(calls_.size()); }
  const Call& operator[](uint32_t call) const { return calls_[call]; }
  // The spans of a call, in the order of the trace: one, or as many as it was
  // made.
  std::span<const uint32_t> spans(uint32_t call) const {
    return std::span(spans_).subspan(span_begin_[call], span_begin_[call + 1] - span_begin_[call]);
  }
  // The calls right below, in order; kNone: the entry and what stands beside it.
  std::vector<uint32_t> children(uint32_t call) const;

 private:
  struct Pending {
    uint32_t parent, run;
    std::vector<uint32_t> spans;
  };
  void find_shapes(const TraceView&, Looks&);
  std::vector<Pending> pending_below(const TraceView&, const std::vector<uint32_t>& parents, uint32_t call);
  void measure();

  std::vector<Call> calls_;
  std::vector<uint32_t> spans_, span_begin_;

  // While it is built: of each span.
  std::vector<uint32_t> keys_, shapes_, children_, child_begin_;
  std::vector<uint32_t> seen_at_, bucket_of_;  // of each shape, during pending_below
};

}  // namespace testmesh::trace_diff
