// Wall-clock instants as the wire has them (nanoseconds since 1970, UTC), and
// their RFC 3339 text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace testmesh::base {

using UnixNanos = uint64_t;

// Injected wherever time decides something, so that tests own it.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual UnixNanos now() const = 0;  // wall clock
};

const Clock& system_clock();

// "2026-11-26T18:16:16.000000001Z": always UTC, always nine digits.
std::string to_rfc3339(UnixNanos time);

// Accepts any offset and up to nine digits of fraction; years 1970 to 2554.
std::optional<UnixNanos> from_rfc3339(std::string_view text);

}  // namespace testmesh::base
