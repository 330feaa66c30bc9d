// Reads values out of the YAML tree of a flow file, noting what is wrong and
// going on. Private to the module.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "flow_file/config_types.h"
#include "flow_file/file_keys.h"
#include "flow_file/flow_file.h"
#include "yaml/tree.h"

namespace testmesh::flow_file {

class NodeReader {
 public:
  NodeReader(const yaml::Document& document, std::string_view source)
      : document_(document), source_(source) {}

  void add_problems(const std::vector<yaml::Problem>&);
  // All that was noted, by position, each once.
  std::vector<Problem> take_problems();

 protected:
  using Node = yaml::Node;

  void problem(const Node& at, std::string message, std::string found = {}, std::string expected = {});
  void problem(Position at, std::string message, std::string found = {}, std::string expected = {});
  // "`timeout` is the number 30; expected …"
  void mismatch(const Node& at, std::string_view key, std::string expected);

  // False, and a problem, for what is no map. Keys that the place does not have
  // are problems, as are required ones that are missing.
  bool check_keys(const Node& node, Place place);
  void unknown_key(const Node& key, std::string_view title, std::span<const std::string_view> known,
                   std::string_view hint = {});
  // Null: absent or nothing.
  static const Node* present(const Node& map, std::string_view key);

  // Each reads a key if it is there; what is of another type is a problem and
  // changes nothing.
  void read_text(const Node& map, std::string_view key, std::string& into);
  void read_boolean(const Node& map, std::string_view key, bool& into);
  std::optional<int64_t> read_integer(const Node& map, std::string_view key, int64_t least, int64_t most);
  std::optional<Milliseconds> read_duration(const Node& map, std::string_view key);
  // The position of the text among the choices of the table; `standard` when absent or wrong.
  size_t read_choice(const Node& map, Place place, std::string_view key, size_t standard);
  void read_texts(const Node& map, std::string_view key, std::vector<std::string>& into);

  std::optional<Assertion> read_expression(const Node& node, std::string_view key);
  std::vector<Assertion> read_expressions(const Node& map, std::string_view key);

  static expr::Value to_value(const Node& node);
  static Position place_of(const Node& node) { return {node.line, node.column}; }
  const yaml::Document& document() const { return document_; }

 private:
  const yaml::Document& document_;
  const std::string_view source_;  // of the document, without a byte order mark
  std::vector<Problem> problems_;
};

// "the text `abc`", "the number 42", "a list", "nothing".
std::string describe_node(const yaml::Node&);

}  // namespace testmesh::flow_file
