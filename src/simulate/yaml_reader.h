// Reads values out of a YAML tree, noting what is wrong and going on. Private
// to the module.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "simulate/schema.h"
#include "simulate/system.h"
#include "simulate/yaml_tree.h"

namespace testmesh::simulate {

inline constexpr size_t kMostNameBytes = 200;

class Problems {
 public:
  explicit Problems(std::vector<Problem>& list) : list_(list) {}
  void add(const YamlNode& at, std::string message);
  bool any() const { return !list_.empty(); }

 private:
  std::vector<Problem>& list_;
};

// " (did you mean 'x'?)", or "".
std::string suggestion(std::string_view word, const std::vector<std::string_view>& words);

// A map of one place of the schema. Each call looks for one key and writes what
// it says to `into`, or notes a problem; an absent key changes nothing. Keys
// that the place does not have are problems at once.
class MapReader {
 public:
  MapReader(Problems&, const YamlNode&, Place);

  const YamlNode& node() const { return node_; }
  bool has(std::string_view key) const { return find(key) != nullptr; }
  const YamlNode* find(std::string_view key) const;     // null: absent
  const YamlNode* require(std::string_view key) const;  // and absence is a problem
  void text(std::string_view key, std::string& into) const;
  void time(std::string_view key, Duration& into, Duration least, Duration most) const;
  void latency(std::string_view key, Latency& into) const;
  void share(std::string_view key, double& into) const;
  void number(std::string_view key, uint32_t& into, uint32_t least, uint32_t most) const;
  void yes_or_no(std::string_view key, bool& into) const;
  // The position of what is said among `words`; `standard` when absent or wrong.
  size_t choice(std::string_view key, std::initializer_list<std::string_view> words, size_t standard) const;
  // The items of a list; none when absent.
  const std::vector<YamlNode>& list(std::string_view key) const;

 private:
  Problems& problems_;
  const YamlNode& node_;
  const Place place_;
};

// One line of text that may be a name; "" and a problem otherwise.
std::string text_of(Problems&, const YamlNode&);
// The text of a scalar, unchecked; a problem and "" for lists, maps, nothing.
std::string_view scalar_of(Problems&, const YamlNode&, std::string_view wanted);
void read_share(Problems&, const YamlNode&, double& into);

}  // namespace testmesh::simulate
