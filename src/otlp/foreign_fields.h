// What Jaeger's and Zipkin's readers share. Heavy: include in sources only.
#pragma once

#include <simdjson.h>

#include <optional>
#include <string>
#include <string_view>

#include "model/span.h"

namespace testmesh::otlp {

// Both write ids without leading zeros now and then, and 64-bit trace ids.
template <typename Id>
std::optional<Id> foreign_id(std::string_view hex) {
  const size_t digits = 2 * Id{}.bytes.size();
  if (hex.empty() || hex.size() > digits) return std::nullopt;
  auto id = Id::parse(std::string(digits - hex.size(), '0') + std::string(hex));
  if (id && id->is_zero()) return std::nullopt;
  return id;
}

// Microseconds, whole or not, as nanoseconds; nothing when out of range.
std::optional<uint64_t> microseconds(simdjson::dom::element value);

std::string_view text_or_empty(simdjson::dom::element value);  // "" for what is no string

// A tag that says more than a plain attribute; false when it is one.
bool take_meaning(std::string_view key, const model::Value& value, model::Span& span, model::Scope& scope);

}  // namespace testmesh::otlp
