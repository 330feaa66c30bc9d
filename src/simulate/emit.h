// Spans of planned traces as OTLP, as SDKs write them: CLIENT and SERVER spans
// with the semantic conventions of each service's language, resources, scopes,
// status, exception events.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/time.h"
#include "simulate/plan.h"

namespace testmesh::simulate {

// Collects spans and gives them as OTLP protobuf requests, one ResourceSpans
// for each (phase, environment, service, instance). Adding looks at no fate: the caller
// decides what is sent, when, and how often. The same calls give the same
// bytes. Not thread-safe; several may share one planner's system and seed.
class SpanWriter {
 public:
  // `start` is the wall-clock time of the simulation's start.
  SpanWriter(const System&, uint64_t seed, base::UnixNanos start);
  ~SpanWriter();
  SpanWriter(const SpanWriter&) = delete;
  SpanWriter& operator=(const SpanWriter&) = delete;

  void add(const TracePlan&, uint32_t action);
  // Every span that is kSent and not late, twice where duplicate.
  void add_sent(const TracePlan&);

  size_t spans() const;  // added since the last request
  size_t bytes() const;
  // An ExportTraceServiceRequest with all that was added, and empties this.
  std::string take();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The span's times as its service's clock shows them.
struct SpanTimes {
  base::UnixNanos start = 0, end = 0;
};
SpanTimes span_times(const System&, uint64_t seed, base::UnixNanos simulation_start, const TracePlan&,
                     uint32_t action);

}  // namespace testmesh::simulate
