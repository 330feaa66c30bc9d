// Times as people type them.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace testmesh::cli {

// "500ms", "2s", "15m", "2h", "7d"; whole numbers, up to 100 years.
std::optional<std::chrono::nanoseconds> duration_of(std::string_view text);

// RFC 3339 of `text`, which is that already or a time ago ("15m"). Empty gives
// empty.
base::Result<std::string> since_of(const std::string& text, base::UnixNanos now);

}  // namespace testmesh::cli
