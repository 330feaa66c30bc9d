// YAML with positions: what yaml-cpp's events say, as a tree. Private to the module.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace testmesh::simulate {

struct Problem {
  uint32_t line = 1, column = 1;
  std::string message;
};

enum class YamlType : uint8_t { kNothing, kText, kList, kMap };

struct YamlNode {
  YamlType type = YamlType::kNothing;
  uint32_t line = 1, column = 1;
  std::string text;              // kText
  std::vector<YamlNode> keys;    // kMap: texts, each once
  std::vector<YamlNode> values;  // kList; kMap: by key
};

inline constexpr size_t kMostYamlBytes = 1 << 20;
inline constexpr size_t kMostYamlNodes = 100'000;
inline constexpr uint32_t kMostYamlDepth = 64;

// One document. Refused, with a sentence: anchors, aliases and tags (nothing
// here needs them, and they are what YAML bombs are made of), keys that come
// twice or are no texts, more than the limits above, what is no UTF-8. Problems
// are appended; the tree is of use only if there is none.
YamlNode read_yaml(std::string_view text, std::vector<Problem>& problems);

}  // namespace testmesh::simulate
