// Steps of a flow file.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/nearest.h"
#include "base/utf8.h"
#include "flow_file/flow_reader.h"
#include "flow_file/variables.h"

namespace testmesh::flow_file {
namespace {

using enum ConfigType;

constexpr int64_t kMostAttempts = 1000;

bool is_step_id(std::string_view text) {
  const auto small = [](char c) { return c >= 'a' && c <= 'z'; };
  if (text.empty() || text.size() > 64 || !small(text[0])) return false;
  return std::ranges::all_of(
      text, [&](char c) { return small(c) || (c >= '0' && c <= '9') || c == '_' || c == '-'; });
}

bool is_output_name(std::string_view text) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  if (text.empty() || !letter(text[0])) return false;
  return std::ranges::all_of(text, [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '-'; });
}

// What can only be checked when the references in it are known.
bool is_deferred(const yaml::Node& node) {
  return node.type == yaml::Type::kText && has_reference(node.text);
}

}  // namespace

std::vector<Step> FlowReader::read_steps(const Node& map, std::string_view key, bool required) {
  const Node* list = present(map, key);
  if (!list) return {};
  if (required && list->type == yaml::Type::kList && list->values.empty())
    problem(*list, fmt::format("`{}` is empty; expected one step at least", key), "an empty list",
            "a list of steps");
  return read_step_list(*list, key);
}

std::vector<Step> FlowReader::read_step_list(const Node& list, std::string_view key) {
  std::vector<Step> steps;
  if (list.type != yaml::Type::kList) {
    mismatch(list, key, std::string(expectation_of(kSteps)));
    return steps;
  }
  for (const Node& item : list.values)
    if (auto step = read_step(item)) steps.push_back(std::move(*step));
  return steps;
}

std::optional<Step> FlowReader::read_step(const Node& node) {
  if (node.type != yaml::Type::kMap) {
    check_keys(node, Place::kStep);
    return std::nullopt;
  }
  Step step;
  step.at = place_of(node);
  const ActionSchema* action = read_action(node, step);
  check_step_keys(node, action);
  read_id(node, step);
  read_text(node, "name", step.name);
  if (const Node* when = present(node, "when")) step.when = read_expression(*when, "when");
  step.assertions = read_expressions(node, "assert");
  read_outputs(node, step);
  read_retry(node, step);
  step.timeout = read_duration(node, "timeout");
  step.continue_on_error = read_choice(node, Place::kStep, "on_error", 0) == 1;
  read_boolean(node, "disabled", step.disabled);
  step.trace_assert = read_expressions(node, "trace_assert");
  step.config = expr::Map();
  if (action) read_config(node, *action, step);
  step.error_steps = read_steps(node, "error_steps", false);
  return step;
}

void FlowReader::check_step_keys(const Node& node, const ActionSchema* action) {
  const auto known = names_of(Place::kStep);
  for (const Node& key : node.keys) {
    if (std::ranges::find(known, key.text) != known.end()) continue;
    const bool of_config =
        action && std::ranges::find(action->config, key.text, &ConfigKey::name) != action->config.end();
    unknown_key(key, title_of(Place::kStep), known, of_config ? "it belongs into `config`" : "");
  }
}

void FlowReader::read_id(const Node& node, Step& step) {
  const Node* id = present(node, "id");
  if (!id) return;
  if (id->type != yaml::Type::kText) return mismatch(*id, "id", "a text");
  step.id = id->text;
  if (!is_step_id(id->text)) {
    problem(
        *id,
        fmt::format("`{}` is no id of a step; expected a small letter, then up to 63 small letters, digits, "
                    "`_` or `-`",
                    base::utf8_prefix(id->text, 80)),
        id->text.substr(0, 200), std::string(kStepIdPattern));
    return;
  }
  const auto [first, added] = id_lines_.emplace(id->text, id->line);
  if (!added)
    problem(*id,
            fmt::format("The id `{}` is taken by the step in line {}; ids are unique in the file", id->text,
                        first->second),
            id->text, "an id that no other step has");
}

const ActionSchema* FlowReader::read_action(const Node& node, Step& step) {
  const Node* action = present(node, "action");
  std::vector<std::string_view> names;
  for (const ActionSchema& schema : action_schemas()) names.push_back(schema.name);
  if (!action) {
    problem(node, "`action` is missing in a step", "nothing",
            fmt::format("one of {}", fmt::join(names, ", ")));
    return nullptr;
  }
  if (action->type != yaml::Type::kText) {
    mismatch(*action, "action", "the name of an action");
    return nullptr;
  }
  step.action = action->text;
  const ActionSchema* schema = find_action_schema(action->text);
  if (!schema) {
    const std::string_view near = base::nearest(action->text, names);
    problem(*action,
            fmt::format("There is no action `{}`; {}", base::utf8_prefix(action->text, 60),
                        near.empty() ? fmt::format("expected one of {}", fmt::join(names, ", "))
                                     : fmt::format("did you mean `{}`?", near)),
            action->text.substr(0, 200), fmt::format("one of {}", fmt::join(names, ", ")));
  }
  return schema;
}

void FlowReader::read_outputs(const Node& node, Step& step) {
  const Node* output = present(node, "output");
  if (!output) return;
  if (output->type != yaml::Type::kMap) return mismatch(*output, "output", "a map of names to JSONPaths");
  for (size_t i = 0; i < output->keys.size() && i < output->values.size(); ++i) {
    const Node &name = output->keys[i], &path = output->values[i];
    if (!is_output_name(name.text))
      problem(name,
              fmt::format("`{}` is no name of an output; letters, digits, `_` and `-` make one",
                          base::utf8_prefix(name.text, 60)),
              name.text.substr(0, 200), "a name");
    if (path.type != yaml::Type::kText) {
      mismatch(path, name.text, "a JSONPath such as $.body.id");
      continue;
    }
    auto parsed = JsonPath::parse(path.text);
    if (!parsed) {
      problem(path, parsed.error().message, path.text.substr(0, 200), "a JSONPath such as $.body.id");
      continue;
    }
    const auto start = document().text_start(path);
    step.outputs.push_back({name.text, std::move(*parsed), {start.line, start.column}});
  }
}

void FlowReader::read_retry(const Node& node, Step& step) {
  const Node* retry = present(node, "retry");
  if (!retry || !check_keys(*retry, Place::kRetry)) return;
  step.retry.max_attempts =
      static_cast<uint32_t>(read_integer(*retry, "max_attempts", 1, kMostAttempts).value_or(1));
  step.retry.delay = read_duration(*retry, "delay").value_or(step.retry.delay);
  step.retry.backoff = static_cast<Retry::Backoff>(read_choice(*retry, Place::kRetry, "backoff", 0));
  read_texts(*retry, "retry_on", step.retry.retry_on);
}

void FlowReader::read_config(const Node& node, const ActionSchema& action, Step& step) {
  static const Node kNone{.type = yaml::Type::kMap};
  const Node* given = present(node, "config");
  const Node& config = given ? *given : kNone;
  if (config.type != yaml::Type::kMap) return mismatch(config, "config", "a map");
  std::vector<std::string_view> names;
  for (const ConfigKey& key : action.config) names.push_back(key.name);
  expr::Map map;
  for (size_t i = 0; i < config.keys.size() && i < config.values.size(); ++i) {
    const Node& name = config.keys[i];
    step.config_at[name.text] = place_of(config.values[i]);
    const auto key = std::ranges::find(action.config, name.text, &ConfigKey::name);
    if (key == action.config.end()) {
      const auto of_step = names_of(Place::kStep);
      const bool misplaced = std::ranges::find(of_step, name.text) != of_step.end();
      unknown_key(name, fmt::format("the config of {}", action.name), names,
                  misplaced ? "it belongs into the step, beside `config`" : "");
    } else {
      read_config_key(action, *key, config, config.values[i], step, map);
    }
  }
  step.config = expr::Value(std::move(map));
  const Node& at = given ? config : node;
  for (const ConfigKey& key : action.config)
    if (key.required && !present(config, key.name))
      problem(at, fmt::format("`{}` is missing in the config of {}", key.name, action.name), "nothing",
              fmt::format("`{}`: {}", key.name, expectation_of(key)));
  const auto is_there = [&](std::string_view key) { return present(config, key) != nullptr; };
  if (!action.one_of.empty() && std::ranges::none_of(action.one_of, is_there))
    problem(at,
            fmt::format("One of `{}` is missing in the config of {}", fmt::join(action.one_of, "`, `"),
                        action.name),
            "nothing", fmt::format("one of {}", fmt::join(action.one_of, ", ")));
  if (action.name == "assert" && step.assertions.empty() && !is_there("assert") && !present(node, "assert"))
    problem(at, "The step checks nothing: `assert` is missing", "nothing", "`assert`: expressions");
}

void FlowReader::read_config_key(const ActionSchema& action, const ConfigKey& key, const Node& config,
                                 const Node& value, Step& step, expr::Map& into) {
  if (value.type == yaml::Type::kNothing) {
    if (key.type == kAny) into.set(key.name, expr::Value());
    return;
  }
  switch (key.type) {
    case kSteps: {
      auto steps = read_step_list(value, key.name);
      if (value.type == yaml::Type::kList && value.values.empty())
        problem(value, fmt::format("`{}` is empty; expected one step at least", key.name), "an empty list",
                "a list of steps");
      step.nested.emplace_back(key.name, std::move(steps));
      return;
    }
    case kBranches:
      return read_branches(value, step);
    case kExpression:
    case kExpressions: {
      std::vector<Assertion> assertions;
      if (key.type == kExpressions)
        assertions = read_expressions(config, key.name);
      else if (auto assertion = read_expression(value, key.name))
        assertions.push_back(std::move(*assertion));
      into.set(key.name, to_value(value));
      // An expression over the action's own data (`match`) is the action's.
      if (action.name != "kafka_consumer")
        step.config_assertions.emplace_back(key.name, std::move(assertions));
      else if (value.type == yaml::Type::kText)
        into.set(key.name, expr::Value(value.text));
      return;
    }
    default:
      break;
  }
  if (auto found = config_value(key, value)) into.set(key.name, std::move(*found));
  if (action.name == "http_request" && key.name == "auth") check_auth(value);
}

void FlowReader::read_branches(const Node& value, Step& step) {
  if (value.type != yaml::Type::kList || value.values.empty())
    return mismatch(value, "branches", std::string(expectation_of(kBranches)));
  for (size_t i = 0; i < value.values.size(); ++i)
    step.nested.emplace_back(fmt::format("{}", i),
                             read_step_list(value.values[i], fmt::format("branches[{}]", i)));
}

std::optional<expr::Value> FlowReader::config_value(const ConfigKey& key, const Node& node) {
  if (is_deferred(node)) return expr::Value(node.text);
  const bool is_scalar = node.type == yaml::Type::kText;
  const bool is_list = node.type == yaml::Type::kList;
  const bool is_map = node.type == yaml::Type::kMap;
  const yaml::Scalar scalar = yaml::scalar_of(node);
  bool fits = false;
  std::string suggestion;
  switch (key.type) {
    case kText:
    case kTextOrList:
    case kTextOrMap:
      if (is_scalar && !key.choices.empty() &&
          std::ranges::find(key.choices, node.text) == key.choices.end()) {
        if (const auto near = base::nearest(node.text, key.choices); !near.empty())
          suggestion = fmt::format("; did you mean `{}`?", near);
        break;
      }
      // A text as it is written: `version: 1.10` is no number here.
      if (is_scalar) return expr::Value(node.text);
      fits = (is_list && key.type == kTextOrList) || (is_map && key.type == kTextOrMap);
      break;
    case kInteger:
      if (const auto* number = is_scalar ? std::get_if<int64_t>(&scalar) : nullptr)
        fits = *number >= key.least;
      break;
    case kBoolean:
    case kBooleanOrMap:
      fits = (is_scalar && std::holds_alternative<bool>(scalar)) || (is_map && key.type == kBooleanOrMap);
      break;
    case kDuration:
      if (is_scalar && parse_duration(node.text)) return expr::Value(node.text);
      break;
    case kMap:
      fits = is_map;
      break;
    case kList:
      fits = is_list;
      break;
    case kListOrMap:
      fits = is_list || is_map;
      break;
    default:
      fits = true;
  }
  if (fits) return to_value(node);
  mismatch(node, key.name, expectation_of(key) + suggestion);
  return std::nullopt;
}

void FlowReader::check_auth(const Node& auth) {
  constexpr std::string_view kTypes[] = {"basic", "bearer", "api_key"};
  constexpr std::string_view kExpected = "one of basic, bearer, api_key";
  if (auth.type != yaml::Type::kMap) return;
  if (const Node* type = present(auth, "type")) {
    if (!is_deferred(*type) && std::ranges::find(kTypes, type->text) == std::end(kTypes))
      mismatch(*type, "type", std::string(kExpected));
    return;
  }
  const auto given = [&](std::string_view key) { return present(auth, key) != nullptr; };
  if (std::ranges::none_of(kTypes, given))
    problem(auth, "`auth` says no kind; expected one of basic, bearer, api_key", "a map without it",
            std::string(kExpected));
}

}  // namespace testmesh::flow_file
