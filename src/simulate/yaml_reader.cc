#include "simulate/yaml_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/nearest.h"
#include "simulate/values.h"

namespace testmesh::simulate {
namespace {

constexpr size_t kMostProblems = 100;

// What is quoted in a message, short and on one line.
std::string shown(std::string_view text) {
  std::string result;
  for (const char c : text.substr(0, 60)) result += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  if (text.size() > 60) {
    while (!result.empty() && (static_cast<unsigned char>(result.back()) & 0xc0) == 0x80) result.pop_back();
    if (!result.empty() && static_cast<unsigned char>(result.back()) >= 0xc0) result.pop_back();
    result += "…";
  }
  return result;
}

}  // namespace

void Problems::add(const YamlNode& at, std::string message) {
  if (list_.size() > kMostProblems) return;
  if (list_.size() == kMostProblems) message = "and more";
  list_.push_back({at.line, at.column, std::move(message)});
}

std::string suggestion(std::string_view word, const std::vector<std::string_view>& words) {
  const std::string_view near = base::nearest(word, words);
  return near.empty() ? std::string() : fmt::format("; did you mean '{}'?", near);
}

std::string_view scalar_of(Problems& problems, const YamlNode& node, std::string_view wanted) {
  if (node.type == YamlType::kText) return node.text;
  problems.add(node, fmt::format("{} is expected here", wanted));
  return {};
}

std::string text_of(Problems& problems, const YamlNode& node) {
  const std::string_view text = scalar_of(problems, node, "a text");
  if (node.type != YamlType::kText) return {};
  const bool control = std::ranges::any_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  if (text.empty() || text.size() > kMostNameBytes || control) {
    problems.add(node, fmt::format("a text of 1 to {} bytes on one line is expected here", kMostNameBytes));
    return {};
  }
  return std::string(text);
}

void read_share(Problems& problems, const YamlNode& node, double& into) {
  const std::string_view text = scalar_of(problems, node, "a share such as 2% or 0.02");
  if (node.type != YamlType::kText) return;
  if (const auto share = share_of(text)) {
    into = *share;
  } else {
    problems.add(node, fmt::format("'{}' is no share; write it like 2% or 0.02, at most 100%", shown(text)));
  }
}

MapReader::MapReader(Problems& problems, const YamlNode& node, Place place)
    : problems_(problems), node_(node), place_(place) {
  if (node.type != YamlType::kMap) {
    problems.add(node, fmt::format("a map of {} is expected here", title_of(place)));
    return;
  }
  const auto known = keys_of(place);
  for (const YamlNode& key : node.keys) {
    if (std::ranges::find(known, key.text) != known.end()) continue;
    std::string more = suggestion(key.text, known);
    if (more.empty()) more = fmt::format("; there is {}", fmt::join(known, ", "));
    problems.add(key, fmt::format("there is no '{}' in {}{}", shown(key.text), title_of(place), more));
  }
}

const YamlNode* MapReader::find(std::string_view key) const {
  const auto found = std::ranges::find(node_.keys, key, &YamlNode::text);
  if (found == node_.keys.end()) return nullptr;
  const YamlNode& value = node_.values[static_cast<size_t>(found - node_.keys.begin())];
  return value.type == YamlType::kNothing ? nullptr : &value;
}

const YamlNode* MapReader::require(std::string_view key) const {
  const YamlNode* value = find(key);
  if (!value && node_.type == YamlType::kMap)
    problems_.add(node_, fmt::format("'{}' is missing in {}", key, title_of(place_)));
  return value;
}

void MapReader::text(std::string_view key, std::string& into) const {
  if (const YamlNode* value = find(key)) into = text_of(problems_, *value);
}

void MapReader::time(std::string_view key, Duration& into, Duration least, Duration most) const {
  const YamlNode* value = find(key);
  if (!value) return;
  const std::string_view text = scalar_of(problems_, *value, "a time such as 12ms");
  if (value->type != YamlType::kText) return;
  const auto time = time_of(text);
  if (!time) {
    problems_.add(*value, fmt::format("'{}' is no time; write it like 12ms, 1.5s or 2m", shown(text)));
  } else if (*time < least || *time > most) {
    problems_.add(
        *value, fmt::format("{} must be from {} s to {} s", key, std::chrono::duration<double>(least).count(),
                            std::chrono::duration<double>(most).count()));
  } else {
    into = *time;
  }
}

void MapReader::latency(std::string_view key, Latency& into) const {
  const YamlNode* value = find(key);
  if (!value) return;
  constexpr Duration kMost = std::chrono::hours(1);
  if (value->type != YamlType::kMap) {
    Duration fixed = into.median;
    time(key, fixed, Duration(), kMost);
    into = {fixed, 0};
    return;
  }
  const MapReader map(problems_, *value, Place::kTakes);
  Duration p50{}, p95{};
  map.require("p50");
  map.require("p95");
  map.time("p50", p50, Duration(1), kMost);
  map.time("p95", p95, Duration(1), kMost);
  if (p95 < p50 && p95 > Duration()) problems_.add(*value, "p95 cannot be less than p50");
  if (p50 > Duration() && p95 > 1000 * p50) problems_.add(*value, "p95 can be at most 1000 times p50");
  into = latency_of(p50, std::min(p95, 1000 * p50));
}

void MapReader::share(std::string_view key, double& into) const {
  if (const YamlNode* value = find(key)) read_share(problems_, *value, into);
}

void MapReader::number(std::string_view key, uint32_t& into, uint32_t least, uint32_t most) const {
  const YamlNode* value = find(key);
  if (!value) return;
  const std::string_view text = scalar_of(problems_, *value, "a number");
  if (value->type != YamlType::kText) return;
  const auto number = count_of(text);
  if (number && *number >= least && *number <= most) {
    into = *number;
  } else {
    problems_.add(*value, fmt::format("{} must be a whole number from {} to {}", key, least, most));
  }
}

void MapReader::yes_or_no(std::string_view key, bool& into) const {
  const YamlNode* value = find(key);
  if (!value) return;
  const std::string_view text = scalar_of(problems_, *value, "yes or no");
  if (value->type != YamlType::kText) return;
  if (const auto yes = simulate::yes_or_no(text)) {
    into = *yes;
  } else {
    problems_.add(*value, fmt::format("'{}' is neither yes nor no", shown(text)));
  }
}

size_t MapReader::choice(std::string_view key, std::initializer_list<std::string_view> words,
                         size_t standard) const {
  const YamlNode* value = find(key);
  if (!value) return standard;
  const std::string_view text = scalar_of(problems_, *value, fmt::format("{}", fmt::join(words, " or ")));
  if (value->type != YamlType::kText) return standard;
  const auto* found = std::ranges::find(words, text);
  if (found != words.end()) return static_cast<size_t>(found - words.begin());
  problems_.add(*value,
                fmt::format("'{}' is not possible here; {} is", shown(text), fmt::join(words, " or ")));
  return standard;
}

const std::vector<YamlNode>& MapReader::list(std::string_view key) const {
  static const std::vector<YamlNode> none;
  const YamlNode* value = find(key);
  if (!value) return none;
  if (value->type == YamlType::kList) return value->values;
  problems_.add(*value, fmt::format("{} must be a list (each item behind a dash)", key));
  return none;
}

}  // namespace testmesh::simulate
