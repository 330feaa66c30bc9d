// Ids as distinct types. A trace id is 32 and a span id 16 lower-case hex
// digits in text; workspaces, flows and keys are UUIDs.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/hex.h"

namespace testmesh::model {

template <size_t N, typename Tag>
struct ByteId {
  std::array<uint8_t, N> bytes{};

  friend auto operator<=>(const ByteId&, const ByteId&) = default;
  bool is_zero() const { return bytes == std::array<uint8_t, N>{}; }
  std::string to_hex() const { return base::to_hex(bytes); }
  static std::optional<ByteId> parse(std::string_view hex) {
    ByteId id;
    if (!base::from_hex(hex, id.bytes)) return std::nullopt;
    return id;
  }
  // Some SDKs leave one half zero or constant: both halves go in.
  uint64_t hash() const {
    uint64_t mixed = 0;
    for (size_t i = 0; i + 8 <= N; i += 8) {
      uint64_t part;
      std::memcpy(&part, bytes.data() + i, 8);
      mixed = (mixed ^ part) * 0x9e3779b97f4a7c15ULL;
      mixed ^= mixed >> 32;
    }
    return mixed;
  }
};

using TraceId = ByteId<16, struct TraceIdTag>;
using SpanId = ByteId<8, struct SpanIdTag>;

// RFC 9562 text form; compared in any case, written in lower case.
template <typename Tag>
struct Uuid {
  std::array<uint8_t, 16> bytes{};

  friend auto operator<=>(const Uuid&, const Uuid&) = default;
  std::string to_string() const {
    std::string text = base::to_hex(bytes);
    for (const size_t dash : {8, 13, 18, 23}) text.insert(dash, 1, '-');
    return text;
  }
  static std::optional<Uuid> parse(std::string_view text) {
    if (text.size() != 36) return std::nullopt;
    std::string digits;
    for (size_t i = 0; i < 36; ++i) {
      if (i == 8 || i == 13 || i == 18 || i == 23) {
        if (text[i] != '-') return std::nullopt;
      } else {
        digits += text[i];
      }
    }
    Uuid id;
    if (!base::from_hex(digits, id.bytes)) return std::nullopt;
    return id;
  }
};

using WorkspaceId = Uuid<struct WorkspaceIdTag>;
using FlowId = Uuid<struct FlowIdTag>;
using KeyId = Uuid<struct KeyIdTag>;
using ExecutionId = Uuid<struct ExecutionIdTag>;

// 00000000-0000-4000-8000-000000000001
inline constexpr WorkspaceId kDefaultWorkspace{{0, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 1}};

}  // namespace testmesh::model

template <size_t N, typename Tag>
struct std::hash<testmesh::model::ByteId<N, Tag>> {
  size_t operator()(const testmesh::model::ByteId<N, Tag>& id) const { return id.hash(); }
};

template <typename Tag>
struct std::hash<testmesh::model::Uuid<Tag>> {
  size_t operator()(const testmesh::model::Uuid<Tag>& id) const {
    uint64_t a, b;
    std::memcpy(&a, id.bytes.data(), 8);
    std::memcpy(&b, id.bytes.data() + 8, 8);
    return (a ^ (b << 1)) * 0x9e3779b97f4a7c15ULL;
  }
};
