// Text with runs of digits or hex in it ("/orders/8f3a61c0b2d4", UUIDs,
// "customer-48213") split into a skeleton, shared by all such texts, and the
// runs packed to binary.
//
// Skeleton bytes: literal text, and for each run a marker (below 0x08),
// followed for fixed-length runs by the length. Texts that contain bytes below
// 0x08, or are longer than kMaxTemplateText, are not split.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace testmesh::encoding {

inline constexpr size_t kMaxTemplateText = 512;

struct SplitText {
  std::string skeleton;
  std::string payload;
  bool has_runs = false;
  // Some run looks like an id: hex, a UUID, or four and more digits. Such
  // texts are not worth a dictionary entry.
  bool has_id = false;
};

// Fills `out` (its strings are reused). False: not splittable.
bool split_text(std::string_view text, SplitText& out);

// Appends the text that `skeleton` and the runs at the head of `payload` make;
// advances payload behind them. False when they do not fit together.
bool join_text(std::string_view skeleton, std::string_view& payload, std::string& out);

// Length of the packed runs at the head of `payload`; npos when cut short.
size_t payload_size(std::string_view skeleton, std::string_view payload);

}  // namespace testmesh::encoding
