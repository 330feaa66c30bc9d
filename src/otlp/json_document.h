// One JSON text, parsed, as every JSON reader of this module wants it. Heavy:
// include in sources only.
#pragma once

#include <simdjson.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace testmesh::otlp {

// Refuses anything behind the text, raw bytes that are not UTF-8 and nesting
// beyond 1024 levels. Accepts what JavaScript writes and simdjson does not: integers of
// twenty and more digits (doubles) and escaped lone surrogates (read as U+FFFD).
// kInvalidArgument says where. Single-threaded; reuse keeps its buffers.
class JsonParser {
 public:
  // Valid until the next call.
  base::Result<simdjson::dom::element> parse(std::string_view text);

 private:
  simdjson::dom::parser parser_;
};

// The byte at which `text` stops being the beginning of a JSON text; its size
// when it only ends too early. Nothing when its grammar is fine.
std::optional<size_t> find_json_error(std::string_view text);

// The named members of an object, found in one pass. Of a name that comes
// twice the last counts; null is absent.
template <size_t N>
class JsonMembers {
 public:
  using Names = std::array<std::string_view, N>;

  JsonMembers(simdjson::dom::object object, const Names& names) {
    size_t guess = 0;  // members mostly come in one and the same order
    for (const auto member : object) {
      for (size_t i = 0; i < N; ++i) {
        const size_t place = guess + i < N ? guess + i : guess + i - N;
        if (names[place] != member.key) continue;
        values_[place] = member.value;
        present_[place] = !member.value.is_null();
        guess = place + 1;
        break;
      }
    }
  }

  bool has(size_t place) const { return present_[place]; }
  simdjson::dom::element operator[](size_t place) const { return values_[place]; }

 private:
  std::array<simdjson::dom::element, N> values_{};
  std::array<bool, N> present_{};
};

}  // namespace testmesh::otlp
