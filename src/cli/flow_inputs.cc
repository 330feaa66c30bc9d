#include "cli/flow_inputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "cli/files.h"

namespace testmesh::cli {
namespace {

namespace fs = std::filesystem;
using base::ErrorCode;
using base::Result;

constexpr size_t kMostFiles = 10'000;
constexpr size_t kMostIncluded = 100;

bool is_yaml(const fs::path& path) {
  const std::string extension = path.extension().string();
  return extension == ".yaml" || extension == ".yml";
}

std::string beside(const std::string& file, const std::string& name) {
  if (file == "-" || fs::path(name).is_absolute()) return name;
  return (fs::path(file).parent_path() / name).string();
}

template <typename Visit>
void for_each_step(const std::vector<flow_file::Step>& steps, const Visit& visit) {
  for (const flow_file::Step& step : steps) {
    visit(step);
    for (const auto& [key, nested] : step.nested) for_each_step(nested, visit);
    for_each_step(step.error_steps, visit);
  }
}

// The flows that run_flow steps name, and what those name.
Result<void> read_included(Program& program, const std::string& file, const flow_file::FlowFile& flow,
                           std::map<std::string, std::string>& files) {
  std::vector<std::string> names;
  const auto collect = [&](const flow_file::Step& step) {
    if (step.action != "run_flow") return;
    const expr::Value* name = step.config.find("file");
    if (name && name->kind() == expr::Kind::kString) names.emplace_back(name->as_string());
  };
  for (const auto* steps : {&flow.setup, &flow.steps, &flow.teardown}) for_each_step(*steps, collect);
  for (const std::string& name : names) {
    if (files.contains(name)) continue;
    if (files.size() >= kMostIncluded)
      return base::fail(ErrorCode::kTooLarge,
                        fmt::format("{} runs more than {} other flows", file, kMostIncluded));
    const std::string path = beside(file, name);
    TRY_ASSIGN(std::string text, read_document(program, path));
    const flow_file::Reading reading = flow_file::read_flow(text);
    files.emplace(name, std::move(text));
    if (!reading.problems.empty()) {
      const flow_file::Problem& problem = reading.problems.front();
      return base::fail(ErrorCode::kInvalidArgument, fmt::format("{}:{}:{}: {}", path, problem.at.line,
                                                                 problem.at.column, problem.message));
    }
    TRY(read_included(program, path, reading.flow, files));
  }
  return {};
}

Result<void> add_variables(Program& program, const Environment& environment, FlowInput& input) {
  const auto listed = [&](std::string_view name) {
    return std::ranges::any_of(input.flow.env, [&](const auto& entry) { return entry.first == name; });
  };
  if (!input.flow.env_file.empty()) {
    const std::string path = beside(input.file, input.flow.env_file);
    TRY_ASSIGN(const std::string text, read_document(program, path));
    auto entries = flow_file::read_env_file(text);
    if (!entries) return base::fail(entries.error().code, path + ": " + entries.error().message);
    for (auto& [name, value] : *entries)
      if (!listed(name)) input.variables.emplace_back(std::move(name), std::move(value));
  }
  for (const auto& [name, value] : input.flow.env)
    if (const char* set = environment(name.c_str())) input.variables.emplace_back(name, set);
  return {};
}

}  // namespace

Result<std::vector<std::string>> flow_paths(const std::vector<std::string>& arguments) {
  std::vector<std::string> paths;
  std::set<std::string> seen;
  const auto add = [&](std::string path) {
    if (seen.insert(path).second) paths.push_back(std::move(path));
  };
  for (const std::string& argument : arguments) {
    std::error_code error;
    if (!fs::is_directory(argument, error)) {
      add(argument);
      continue;
    }
    std::vector<std::string> inside;
    for (fs::recursive_directory_iterator entry(argument, error), end; !error && entry != end;
         entry.increment(error)) {
      if (entry->is_regular_file(error) && is_yaml(entry->path())) inside.push_back(entry->path().string());
      if (inside.size() > kMostFiles)
        return base::fail(ErrorCode::kTooLarge,
                          fmt::format("{} holds more than {} YAML files", argument, kMostFiles));
    }
    if (error)
      return base::fail(ErrorCode::kNotFound,
                        fmt::format("The directory {} cannot be read: {}", argument, error.message()));
    if (inside.empty())
      return base::fail(ErrorCode::kNotFound,
                        fmt::format("The directory {} holds no *.yaml or *.yml file", argument));
    std::ranges::sort(inside);
    for (std::string& path : inside) add(std::move(path));
  }
  return paths;
}

Result<std::vector<std::pair<std::string, std::string>>> parse_variables(
    const std::vector<std::string>& texts) {
  std::vector<std::pair<std::string, std::string>> variables;
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0)
      return base::fail(ErrorCode::kInvalidArgument,
                        "--env: KEY=VALUE was expected, as in --env base_url=http://127.0.0.1:8080");
    variables.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

FlowInput read_input(Program& program, const std::string& file,
                     const std::vector<std::pair<std::string, std::string>>& given,
                     const Environment& environment) {
  FlowInput input{.file = file};
  auto text = read_document(program, file);
  if (!text) {
    input.unreadable = text.error();
    return input;
  }
  input.text = std::move(*text);
  flow_file::Reading reading = flow_file::read_flow(input.text);
  input.problems = std::move(reading.problems);
  if (!input.problems.empty()) return input;
  input.flow = std::move(reading.flow);
  auto done = read_included(program, file, input.flow, input.files);
  if (done) done = add_variables(program, environment, input);
  if (!done) input.unreadable = done.error();
  input.variables.insert(input.variables.end(), given.begin(), given.end());
  return input;
}

}  // namespace testmesh::cli
