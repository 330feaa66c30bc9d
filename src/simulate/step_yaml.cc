// Steps of the file.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "simulate/system_reader.h"
#include "simulate/values.h"

namespace testmesh::simulate {
namespace {

constexpr std::array<std::string_view, 6> kTargets = {"call",     "db",   "publish",
                                                      "external", "work", "parallel"};

bool is_host(std::string_view text) {
  return !text.empty() && text.size() <= 253 && std::ranges::all_of(text, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_';
  });
}

}  // namespace

std::vector<Step> SystemReader::read_steps(const std::vector<YamlNode>& list, bool in_parallel,
                                           uint32_t depth) {
  std::vector<Step> steps;
  for (const YamlNode& node : list)
    if (auto step = read_step(node, in_parallel, depth)) steps.push_back(std::move(*step));
  return steps;
}

std::optional<Step> SystemReader::read_step(const YamlNode& node, bool in_parallel, uint32_t depth) {
  const MapReader map(problems_, node, Place::kStep);
  ++parts_;
  if (node.type != YamlType::kMap) return std::nullopt;
  std::string_view target;
  for (const std::string_view key : kTargets) {
    if (!map.has(key)) continue;
    if (!target.empty()) {
      problems_.add(node, fmt::format("a step is one thing: {} or {}", target, key));
      return std::nullopt;
    }
    target = key;
  }
  if (target.empty()) {
    problems_.add(node, fmt::format("a step needs one of {}", fmt::join(kTargets, ", ")));
    return std::nullopt;
  }
  Step step;
  const YamlNode& value = *map.find(target);
  if (value.type == YamlType::kText) step.label = value.text;
  if (!read_target(map, target, value, step, depth)) return std::nullopt;
  map.text("name", step.label);
  if ((map.has("reads") || map.has("writes")) && step.kind != StepKind::kDatabase)
    problems_.add(node, "reads and writes belong to a db");
  if (map.has("steps") && step.kind != StepKind::kWork)
    problems_.add(node, "steps inside a step belong to a work");
  read_settings(map, step);
  if (in_parallel && step.cache)
    problems_.add(node, "a cache that is asked cannot stand right inside parallel; put a work around it");
  return step;
}

bool SystemReader::read_target(const MapReader& map, std::string_view key, const YamlNode& value, Step& step,
                               uint32_t depth) {
  if (key == "parallel") {
    step.kind = StepKind::kParallel;
    step.latency = {};
    step.steps = read_steps(map.list("parallel"), true, depth + 1);
    if (map.list("parallel").empty() && value.type == YamlType::kList)
      problems_.add(value, "parallel needs at least one step");
    return true;
  }
  const std::string text = text_of(problems_, value);
  if (text.empty()) return false;
  if (key == "call") {
    const auto place = find_endpoint(value, text);
    if (!place) return false;
    step.service = place->service;
    step.endpoint = place->endpoint;
  } else if (key == "db") {
    step.kind = StepKind::kDatabase;
    step.latency.median = std::chrono::milliseconds(2);
    step.database = read_database(value);
    map.text("reads", step.database.collection);
    if (map.has("reads") && map.has("writes"))
      problems_.add(map.node(), "a db step reads or writes, not both");
    map.text("writes", step.database.collection);
    if (map.has("writes")) step.database.access = Access::kWrite;
  } else if (key == "publish") {
    step.kind = StepKind::kPublish;
    step.topic = topic(text);
  } else if (key == "external") {
    step.kind = StepKind::kExternal;
    step.latency.median = std::chrono::milliseconds(50);
    read_external(value, step);
  } else {
    step.kind = StepKind::kWork;
    step.name = text;
    step.steps = read_steps(map.list("steps"), false, depth + 1);
  }
  return true;
}

Database SystemReader::read_database(const YamlNode& node) {
  Database database;
  const std::string text = text_of(problems_, node);
  const size_t space = text.find(' ');
  database.system = text.substr(0, space);
  if (space != std::string::npos) database.name = text.substr(text.find_first_not_of(' ', space));
  const bool word = std::ranges::all_of(database.system, [](unsigned char c) {
    return std::islower(c) != 0 || std::isdigit(c) != 0 || c == '.' || c == '_' || c == '-';
  });
  if (!word || database.name.contains(' '))
    problems_.add(node, "a database is its system and its name, such as 'postgresql orders', or 'redis'");
  return database;
}

// "POST https://bank.example/charges", the method and the path may be left out.
void SystemReader::read_external(const YamlNode& node, Step& step) {
  std::string_view text = node.text;
  step.method = "GET";
  if (const size_t space = text.find(' '); space != std::string_view::npos) {
    step.method = text.substr(0, space);
    text = text.substr(text.find_first_not_of(' ', space));
  }
  if (text.starts_with("https://")) text.remove_prefix(8);
  const size_t slash = text.find('/');
  step.host = text.substr(0, slash);
  step.path = slash == std::string_view::npos ? "/" : text.substr(slash);
  const bool method = !step.method.empty() &&
                      std::ranges::all_of(step.method, [](unsigned char c) { return std::isupper(c) != 0; });
  const bool path = std::ranges::all_of(step.path, [](unsigned char c) { return c > 0x20 && c < 0x7f; });
  if (!method || !path || !is_host(step.host))
    problems_.add(node, "an external call is written like 'POST https://bank.example/charges' (no port)");
}

void SystemReader::read_step_failure(const MapReader& map, Step& step) {
  const YamlNode* fails = map.find("fails");
  if (!fails) return;
  if (fails->type != YamlType::kMap) return read_share(problems_, *fails, step.fails);
  const MapReader how(problems_, *fails, Place::kStepFailure);
  how.require("share");
  how.share("share", step.fails);
  step.failure =
      how.choice("as", {"answered", "refused"}, 0) == 1 ? FailureKind::kRefused : FailureKind::kAnswered;
}

// What a step and a change of a step have in common.
void SystemReader::read_settings(const MapReader& map, Step& step) {
  map.latency("takes", step.latency);
  map.share("probability", step.probability);
  if (const YamlNode* times = map.find("times")) {
    const auto repeat = repeat_of(scalar_of(problems_, *times, "a number or a range"));
    if (repeat) {
      step.times = *repeat;
    } else if (times->type == YamlType::kText) {
      problems_.add(*times,
                    fmt::format("times is a number or a range such as 2..5, up to {}", kMostSpansPerTrace));
    }
  }
  read_step_failure(map, step);
  if (const YamlNode* retry = map.find("retry")) {
    const MapReader how(problems_, *retry, Place::kRetry);
    how.require("attempts");
    how.number("attempts", step.attempts, 1, 100);
    how.time("wait", step.backoff, Duration(), std::chrono::hours(1));
  }
  step.on_fail = map.choice("on_fail", {"stop", "continue"}, step.on_fail == OnFail::kContinue ? 1 : 0) == 1
                     ? OnFail::kContinue
                     : OnFail::kStop;
  if (const YamlNode* cache = map.find("cache")) {
    if (cache->type == YamlType::kMap) {
      const MapReader how(problems_, *cache, Place::kCache);
      how.require("hit");
      how.share("hit", step.cache_hit);
      if (const YamlNode* database = how.find("db")) step.cache = read_database(*database);
    } else {
      read_share(problems_, *cache, step.cache_hit);
    }
  }
  if (step.kind == StepKind::kParallel)
    for (const std::string_view key : {"takes", "times", "fails", "retry"})
      if (map.has(key))
        problems_.add(map.node(), fmt::format("parallel has no '{}' of its own; its steps do", key));
}

}  // namespace testmesh::simulate
