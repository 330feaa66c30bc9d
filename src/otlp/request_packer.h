// OTLP protobuf of any size into requests of a bounded one.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace testmesh::otlp {

// Small ResourceSpans travel together, one that is too large is cut between
// its spans, each part with its resource and scope. A span is never cut.
class RequestPacker {
 public:
  using Emit = std::function<base::Result<void>(std::string_view request)>;

  RequestPacker(size_t limit, Emit emit) : limit_(limit), emit_(std::move(emit)) {}

  base::Result<void> add_request(std::string_view protobuf);
  base::Result<void> add_resource_spans(std::string_view message);
  base::Result<void> finish();  // emits what is left
  uint64_t emitted() const { return emitted_; }

 private:
  base::Result<void> emit(std::string_view request);
  base::Result<void> add_in_parts(std::string_view message);

  const size_t limit_;
  const Emit emit_;
  std::string pending_;
  uint64_t emitted_ = 0;
};

}  // namespace testmesh::otlp
