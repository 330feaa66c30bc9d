// From the YAML tree to the flow. Private to the module.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "flow_file/node_reader.h"

namespace testmesh::flow_file {

class FlowReader : public NodeReader {
 public:
  using NodeReader::NodeReader;

  FlowFile read();

 private:
  // flow_reader.cc
  void read_metadata(const Node& flow, FlowFile& into);
  void read_env(const Node& flow, FlowFile& into);
  void read_trace(const Node& flow, FlowFile& into);
  std::vector<model::PathNode> read_path(const Node& list);
  std::optional<model::PathNode> read_path_node(const Node& node);
  void read_discovered_from(const Node& flow, FlowFile& into);
  void name_steps(std::vector<Step>& steps);

  // step_reader.cc
  std::vector<Step> read_steps(const Node& map, std::string_view key, bool required);
  std::vector<Step> read_step_list(const Node& list, std::string_view key);
  std::optional<Step> read_step(const Node& node);
  void read_id(const Node& node, Step& step);
  const ActionSchema* read_action(const Node& node, Step& step);
  void check_step_keys(const Node& node, const ActionSchema* action);
  void read_outputs(const Node& node, Step& step);
  void read_retry(const Node& node, Step& step);
  void read_config(const Node& node, const ActionSchema& action, Step& step);
  void read_config_key(const ActionSchema& action, const ConfigKey& key, const Node& config,
                       const Node& value, Step& step, expr::Map& into);
  void read_branches(const Node& value, Step& step);
  std::optional<expr::Value> config_value(const ConfigKey& key, const Node& node);
  void check_auth(const Node& auth);

  std::map<std::string, uint32_t, std::less<>> id_lines_;  // where each was given first
  size_t unnamed_ = 0;
};

}  // namespace testmesh::flow_file
