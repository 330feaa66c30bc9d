#include "flow_file/file_keys.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "flow_file/config_types.h"

namespace testmesh::flow_file {
namespace {

using enum ConfigType;

constexpr std::string_view kTextsSchema = R"({"type":"array","items":{"$ref":"#/$defs/text"}})";

std::vector<FileKey> make_keys() {
  return {
      {Place::kFlow, "name", kText, true, "What the test is called."},
      {Place::kFlow, "description", kText, false, "For people."},
      {Place::kFlow, "version", kText, false, "For people."},
      {Place::kFlow, "author", kText, false, "For people."},
      {Place::kFlow, "suite", kText, false, "What the test belongs to."},
      {Place::kFlow, "tags", kList, false, "Words to choose tests by.", {}, 0, kTextsSchema},
      {Place::kFlow, "env_file", kText, false, "A file of NAME=VALUE lines: variables."},
      {Place::kFlow, "env", kMap, false, "Variables, over those of `env_file`."},
      {Place::kFlow, "setup", kSteps, false, "Steps before; when one fails, `steps` are skipped."},
      {Place::kFlow, "steps", kSteps, true, "The steps, in order."},
      {Place::kFlow, "teardown", kSteps, false,
       "Steps after, whatever happened; a failure never hides the first one."},
      {Place::kFlow,
       "trace",
       kMap,
       false,
       "What is expected of the run's trace.",
       {},
       0,
       R"({"$ref":"#/$defs/trace"})"},
      {Place::kFlow, "trace_assert", kExpressions, false, "Expressions over the whole run's `trace`."},
      {Place::kFlow,
       "discovered_from",
       kMap,
       false,
       "The flow this test was exported from.",
       {},
       0,
       R"({"$ref":"#/$defs/discovered_from"})"},

      {Place::kStep, "id", kText, false, "How other steps name it; `step_<n>` when absent."},
      {Place::kStep, "name", kText, false, "For people."},
      {Place::kStep, "action", kText, true, "What it does."},
      {Place::kStep, "config", kMap, false, "How: the keys of its action."},
      {Place::kStep, "when", kExpression, false, "When this is false, the step is skipped."},
      {Place::kStep, "assert", kExpressions, false,
       "Expressions over the action's result, all of which must be true."},
      {Place::kStep,
       "output",
       kMap,
       false,
       "Variables from the result: names with JSONPaths.",
       {},
       0,
       R"({"type":"object","additionalProperties":{"type":"string"}})"},
      {Place::kStep, "retry", kMap, false, "How often it is tried.", {}, 0, R"({"$ref":"#/$defs/retry"})"},
      {Place::kStep, "timeout", kDuration, false, "How long one attempt may take."},
      {Place::kStep, "on_error", kText, false, "Whether a failure ends the run.", {"fail", "continue"}},
      {Place::kStep, "error_steps", kSteps, false, "Steps to run when it failed."},
      {Place::kStep, "trace_assert", kExpressions, false,
       "Expressions over `trace`, the step's part of the run's trace."},
      {Place::kStep, "disabled", kBoolean, false, "true: the step is skipped."},

      {Place::kRetry, "max_attempts", kInteger, false, "Attempts, the first included; 1 when absent.", {}, 1},
      {Place::kRetry, "delay", kDuration, false, "Before the second attempt; 1s when absent."},
      {Place::kRetry,
       "backoff",
       kText,
       false,
       "How the delay grows; constant when absent.",
       {"constant", "linear", "exponential"}},
      {Place::kRetry,
       "retry_on",
       kTextOrList,
       false,
       "Codes of errors, `assertion` or `any`; any failure when absent.",
       {},
       0,
       R"({"anyOf":[{"$ref":"#/$defs/text"},{"type":"array","items":{"$ref":"#/$defs/text"}}]})"},

      {Place::kTrace,
       "expected_path",
       kList,
       false,
       "The nodes of the path, in order: maps, or `type:identifier`.",
       {},
       0,
       R"({"type":"array","items":{"anyOf":[{"$ref":"#/$defs/path_node"},{"type":"string","pattern":"^(service|api_endpoint|database|topic):."}]}})"},
      {Place::kTrace,
       "performance",
       kText,
       false,
       "What slow spans do to the run; fail when absent.",
       {"fail", "warn", "off"}},
      {Place::kTrace,
       "allow_errors",
       kList,
       false,
       "Selectors of spans that may fail: a service, `service/operation`, or a map of attributes.",
       {},
       0,
       R"({"type":"array","items":{"type":["string","object"]}})"},

      {Place::kDiscoveredFrom,
       "fingerprint",
       kText,
       true,
       "Of the flow.",
       {},
       0,
       R"({"type":"string","pattern":"^[0-9a-fA-F]{64}$"})"},
      {Place::kDiscoveredFrom,
       "sample_trace_id",
       kText,
       false,
       "A trace of it.",
       {},
       0,
       R"({"type":"string","pattern":"^[0-9a-fA-F]{32}$"})"},
      {Place::kDiscoveredFrom, "occurrence_count", kInteger, false, "How often it had been seen."},

      {Place::kPathNode,
       "type",
       kText,
       true,
       "What it is.",
       {"service", "api_endpoint", "database", "topic"}},
      {Place::kPathNode, "identifier", kText, true, "Its name: `GET /users/:id`, a topic, a database."},
      {Place::kPathNode, "service", kText, false, "Whose it is; any when absent."},
  };
}

std::string type_cell(ConfigType type, const std::vector<std::string_view>& choices) {
  return choices.empty() ? std::string(expectation_of(type))
                         : fmt::format("`{}`", fmt::join(choices, "`, `"));
}

std::string escaped_cell(std::string_view text) {
  std::string cell;
  for (const char c : text) {
    if (c == '|') cell += '\\';
    cell += c;
  }
  return cell;
}

}  // namespace

std::span<const FileKey> file_keys() {
  static const std::vector<FileKey> keys = make_keys();
  return keys;
}

std::vector<std::string_view> names_of(Place place) {
  std::vector<std::string_view> names;
  for (const FileKey& key : file_keys())
    if (key.place == place) names.push_back(key.name);
  return names;
}

std::string_view title_of(Place place) {
  switch (place) {
    case Place::kFlow:
      return "a flow";
    case Place::kStep:
      return "a step";
    case Place::kRetry:
      return "`retry`";
    case Place::kTrace:
      return "`trace`";
    case Place::kDiscoveredFrom:
      return "`discovered_from`";
    case Place::kPathNode:
      return "a node of `expected_path`";
  }
  return "";
}

std::string reference_tables() {
  std::string text = "### Keys\n\n| in | key | value | |\n|---|---|---|---|\n";
  const FileKey* previous = nullptr;
  for (const FileKey& key : file_keys()) {
    const bool first = !previous || previous->place != key.place;
    previous = &key;
    text += fmt::format("| {} | `{}`{} | {} | {} |\n", first ? title_of(key.place) : "", key.name,
                        key.required ? " (required)" : "", escaped_cell(type_cell(key.type, key.choices)),
                        escaped_cell(key.description));
  }
  text += "\n### Actions\n";
  for (const ActionSchema& action : action_schemas()) {
    text += fmt::format("\n**`{}`** {}\n\n", action.name, action.description);
    if (action.config.empty() && action.result.empty()) continue;
    text += "| | key | value | |\n|---|---|---|---|\n";
    for (const ConfigKey& key : action.config)
      text += fmt::format("| {} | `{}`{} | {} | {} |\n", &key == action.config.data() ? "config" : "",
                          key.name, key.required ? " (required)" : "",
                          escaped_cell(type_cell(key.type, key.choices)), escaped_cell(key.description));
    for (const ConfigKey& key : action.result)
      text += fmt::format("| {} | `{}` | {} | {} |\n", &key == action.result.data() ? "result" : "", key.name,
                          escaped_cell(type_cell(key.type, key.choices)), escaped_cell(key.description));
    if (!action.one_of.empty())
      text += fmt::format("\nOne of `{}` is required.\n", fmt::join(action.one_of, "`, `"));
  }
  return text;
}

}  // namespace testmesh::flow_file
