#include "flow_file/flow_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/nearest.h"
#include "base/utf8.h"

namespace testmesh::flow_file {
namespace {

using model::NodeType;

constexpr std::array kNodeTypes = {NodeType::kService, NodeType::kApiEndpoint, NodeType::kDatabase,
                                   NodeType::kTopic};

std::optional<NodeType> node_type_of(std::string_view word) {
  for (const NodeType type : kNodeTypes)
    if (model::to_string(type) == word) return type;
  return std::nullopt;
}

bool is_hex(std::string_view text, size_t digits) {
  return text.size() == digits && text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

bool expects_of_trace(const std::vector<Step>& steps) {
  return std::ranges::any_of(steps, [](const Step& step) {
    return !step.trace_assert.empty() || expects_of_trace(step.error_steps) ||
           std::ranges::any_of(step.nested,
                               [](const auto& nested) { return expects_of_trace(nested.second); });
  });
}

}  // namespace

FlowFile FlowReader::read() {
  FlowFile file;
  const Node* flow = &document().root();
  if (const Node* wrapped = flow->find("flow")) {
    constexpr std::string_view kRootKeys[] = {"flow"};
    for (const Node& key : flow->keys)
      if (key.text != "flow")
        unknown_key(key, "the file beside `flow`", kRootKeys, "everything belongs into `flow`");
    flow = wrapped;
  } else if (flow->keys.size() == 1 && base::nearest(flow->keys[0].text, names_of(Place::kFlow)).empty()) {
    // Somebody's `flwo:`: one sentence instead of three.
    constexpr std::string_view kRootKeys[] = {"flow"};
    if (!base::nearest(flow->keys[0].text, kRootKeys).empty()) {
      unknown_key(flow->keys[0], "the file", kRootKeys);
      flow = &flow->values[0];
    }
  }
  if (!check_keys(*flow, Place::kFlow)) return file;
  read_metadata(*flow, file);
  read_env(*flow, file);
  file.setup = read_steps(*flow, "setup", false);
  file.steps = read_steps(*flow, "steps", true);
  file.teardown = read_steps(*flow, "teardown", false);
  for (auto* steps : {&file.setup, &file.steps, &file.teardown}) name_steps(*steps);
  read_trace(*flow, file);
  file.trace_assert = read_expressions(*flow, "trace_assert");
  read_discovered_from(*flow, file);
  file.expects_of_trace = file.trace || !file.trace_assert.empty() || file.discovered_from ||
                          expects_of_trace(file.setup) || expects_of_trace(file.steps) ||
                          expects_of_trace(file.teardown);
  return file;
}

void FlowReader::read_metadata(const Node& flow, FlowFile& into) {
  read_text(flow, "name", into.name);
  if (const Node* name = present(flow, "name"); name && name->type == yaml::Type::kText && name->text.empty())
    mismatch(*name, "name", "a text that is not empty");
  read_text(flow, "description", into.description);
  read_text(flow, "version", into.version);
  read_text(flow, "author", into.author);
  read_text(flow, "suite", into.suite);
  read_texts(flow, "tags", into.tags);
  read_text(flow, "env_file", into.env_file);
}

void FlowReader::read_env(const Node& flow, FlowFile& into) {
  const Node* env = present(flow, "env");
  if (!env) return;
  if (env->type != yaml::Type::kMap) return mismatch(*env, "env", "a map of names to values");
  for (size_t i = 0; i < env->keys.size() && i < env->values.size(); ++i) {
    const Node& name = env->keys[i];
    if (name.text.empty() || name.text.find_first_of("{}'\"\n\r\t ") != std::string::npos)
      problem(name,
              fmt::format("`{}` is no name of a variable: braces, quotes and blanks cannot be in it",
                          base::utf8_prefix(name.text, 60)),
              name.text, "a name");
    into.env.emplace_back(name.text, to_value(env->values[i]));
  }
}

// Steps without an id are numbered through the file; given ids are left out.
void FlowReader::name_steps(std::vector<Step>& steps) {
  for (Step& step : steps) {
    while (step.id.empty()) {
      std::string id = fmt::format("step_{}", ++unnamed_);
      if (!id_lines_.contains(id)) step.id = std::move(id);
    }
    for (auto& [key, nested] : step.nested) name_steps(nested);
    name_steps(step.error_steps);
  }
}

void FlowReader::read_trace(const Node& flow, FlowFile& into) {
  const Node* node = present(flow, "trace");
  if (!node || !check_keys(*node, Place::kTrace)) return;
  TraceExpectations trace;
  using Performance = TraceExpectations::Performance;
  constexpr Performance kPerformances[] = {Performance::kFail, Performance::kWarn, Performance::kOff};
  trace.performance = kPerformances[read_choice(*node, Place::kTrace, "performance", 0)];
  if (const Node* path = present(*node, "expected_path")) trace.expected_path = read_path(*path);
  if (const Node* allowed = present(*node, "allow_errors")) {
    if (allowed->type == yaml::Type::kMap)
      mismatch(*allowed, "allow_errors", "a list of selectors");
    else if (allowed->type == yaml::Type::kText)
      trace.allow_errors.emplace_back(allowed->text);
    for (const Node& selector : allowed->type == yaml::Type::kList ? allowed->values : std::vector<Node>()) {
      if (selector.type == yaml::Type::kText)
        trace.allow_errors.emplace_back(selector.text);
      else if (selector.type == yaml::Type::kMap && !selector.keys.empty())
        trace.allow_errors.push_back(to_value(selector));
      else
        mismatch(selector, "allow_errors",
                 "a selector: a service, `service/operation`, or a map of attributes");
    }
  }
  into.trace = std::move(trace);
}

std::vector<model::PathNode> FlowReader::read_path(const Node& list) {
  std::vector<model::PathNode> path;
  if (list.type != yaml::Type::kList) {
    mismatch(list, "expected_path", "a list of nodes");
    return path;
  }
  for (const Node& item : list.values)
    if (auto node = read_path_node(item)) path.push_back(std::move(*node));
  return path;
}

std::optional<model::PathNode> FlowReader::read_path_node(const Node& node) {
  constexpr std::string_view kExpected = "`type:identifier`, or a map of type, identifier and service";
  model::PathNode result;
  std::string type;
  const Node* type_node = &node;
  if (node.type == yaml::Type::kText) {
    const size_t colon = node.text.find(':');
    if (colon == std::string::npos || colon + 1 == node.text.size()) {
      mismatch(node, "expected_path", std::string(kExpected));
      return std::nullopt;
    }
    type = node.text.substr(0, colon);
    result.identifier = node.text.substr(colon + 1);
  } else if (node.type == yaml::Type::kMap) {
    if (node.keys.size() == 1 && node_type_of(node.keys[0].text)) {
      problem(node,
              fmt::format("`{}: …` is a map; write `{}:…` without a blank behind the colon, or "
                          "{{type, identifier}}",
                          node.keys[0].text, node.keys[0].text),
              "a map", std::string(kExpected));
      return std::nullopt;
    }
    if (!check_keys(node, Place::kPathNode)) return std::nullopt;
    if (const Node* found = present(node, "type")) type_node = found;
    read_text(node, "type", type);
    read_text(node, "identifier", result.identifier);
    read_text(node, "service", result.service);
    if (type.empty() || result.identifier.empty()) return std::nullopt;
  } else {
    mismatch(node, "expected_path", std::string(kExpected));
    return std::nullopt;
  }
  const auto known = node_type_of(type);
  if (!known) {
    problem(*type_node,
            fmt::format("`{}` is no type of a node; expected service, api_endpoint, database or topic",
                        base::utf8_prefix(type, 60)),
            type, "service, api_endpoint, database or topic");
    return std::nullopt;
  }
  result.type = *known;
  return result;
}

void FlowReader::read_discovered_from(const Node& flow, FlowFile& into) {
  const Node* node = present(flow, "discovered_from");
  if (!node || !check_keys(*node, Place::kDiscoveredFrom)) return;
  DiscoveredFrom from;
  read_text(*node, "fingerprint", from.fingerprint);
  read_text(*node, "sample_trace_id", from.sample_trace_id);
  if (const Node* id = present(*node, "fingerprint");
      id && !is_hex(from.fingerprint, 64) && id->type == yaml::Type::kText)
    mismatch(*id, "fingerprint", "64 hexadecimal digits");
  if (const Node* id = present(*node, "sample_trace_id");
      id && !is_hex(from.sample_trace_id, 32) && id->type == yaml::Type::kText)
    mismatch(*id, "sample_trace_id", "32 hexadecimal digits");
  from.occurrence_count = static_cast<uint64_t>(
      read_integer(*node, "occurrence_count", 0, std::numeric_limits<int64_t>::max()).value_or(0));
  into.discovered_from = std::move(from);
}

Reading read_flow(std::string_view text) {
  const yaml::Document document(text, {.one_document = "one file holds one flow"});
  Reading reading;
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  FlowReader reader(document, text);
  reader.add_problems(document.problems());
  if (document.is_whole()) reading.flow = reader.read();
  reading.problems = reader.take_problems();
  return reading;
}

}  // namespace testmesh::flow_file
