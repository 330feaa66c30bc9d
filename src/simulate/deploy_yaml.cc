// Deploys of the file: each makes the next phase out of the one before.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "simulate/system_reader.h"
#include "simulate/values.h"

namespace testmesh::simulate {
namespace {

constexpr std::array<std::string_view, 4> kVerbs = {"add", "remove", "move", "change"};

void collect(std::vector<Step>& list, std::string_view name,
             std::vector<std::pair<std::vector<Step>*, size_t>>& found,
             std::vector<std::string_view>& names) {
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i].label == name) found.emplace_back(&list, i);
    if (!list[i].label.empty()) names.push_back(list[i].label);
    collect(list[i].steps, name, found, names);
  }
}

void slow_down(Latency& latency, double factor) {
  const double nanos = static_cast<double>(latency.median.count()) * factor;
  latency.median = Duration(static_cast<int64_t>(std::min(nanos, 3.6e12)));
}

}  // namespace

void SystemReader::read_deploy(const YamlNode& node) {
  const MapReader map(problems_, node, Place::kDeploy);
  if (node.type != YamlType::kMap) return;
  Duration at{};
  if (map.require("at")) map.time("at", at, Duration(), std::chrono::hours(24 * 365));
  if (at < phase().at) {
    problems_.add(node, "deploys stand in order of time; this one is earlier than the one before it");
    at = phase().at;
  }
  // Every deploy copies what there is.
  if (system_.phases.size() * parts_ > kMostParts)
    return problems_.add(
        node, fmt::format("too much for one file: {} steps, routes and services, times {} deploys", parts_,
                          system_.phases.size()));
  system_.phases.push_back(system_.phases.back());
  deploys_.push_back(&node);
  phase().at = at;
  phase().what.clear();
  map.text("name", phase().what);
  const YamlNode* name = map.require("service");
  if (!name) return;
  const auto number = find_service(*name, scalar_of(problems_, *name, "the name of a service"));
  if (!number) return;
  Service& service = phase().services[*number];
  map.text("version", service.version);
  read_attributes(map, service);
  if (phase().what.empty()) phase().what = fmt::format("{} {}", service.name, service.version);
  const auto& changes = map.list("changes");
  const YamlNode* route = map.find("route");
  if (!route) {
    if (!changes.empty())
      problems_.add(node, "'route' is missing in deploy: which route do the changes belong to?");
    return;
  }
  const auto endpoint =
      find_endpoint_of(*route, *number, scalar_of(problems_, *route, "a route of the service"));
  if (!endpoint) return;
  for (const YamlNode& change : changes) read_change(change, service.endpoints[*endpoint].handler);
}

Step* SystemReader::find_step(const YamlNode& node, Handler& handler, std::vector<Step>*& list) {
  const std::string_view name = scalar_of(problems_, node, "the name of a step");
  if (node.type != YamlType::kText) return nullptr;
  std::vector<std::pair<std::vector<Step>*, size_t>> found;
  std::vector<std::string_view> names;
  collect(handler.steps, name, found, names);
  if (found.size() > 1) {
    problems_.add(node,
                  fmt::format("there are {} steps '{}'; give the one you mean a name", found.size(), name));
    return nullptr;
  }
  if (found.empty()) {
    std::string more = suggestion(name, names);
    if (more.empty() && !names.empty()) more = fmt::format("; there is '{}'", fmt::join(names, "', '"));
    problems_.add(node, fmt::format("the route has no step '{}'{}", name, more));
    return nullptr;
  }
  list = found.front().first;
  return &(*list)[found.front().second];
}

void SystemReader::read_change(const YamlNode& node, Handler& handler) {
  const MapReader map(problems_, node, Place::kChange);
  if (node.type != YamlType::kMap) return;
  std::string_view verb;
  for (const std::string_view key : kVerbs) {
    if (!map.has(key)) continue;
    if (!verb.empty()) return problems_.add(node, fmt::format("a change is one thing: {} or {}", verb, key));
    verb = key;
  }
  const bool placed = map.has("before") || map.has("after");
  if (placed && verb != "add" && verb != "move")
    problems_.add(node, "before and after belong to add and move");
  if (map.has("before") && map.has("after"))
    problems_.add(node, "a step goes before or after another, not both");
  double factor = 1;
  if (const YamlNode* slower = map.find("slower")) {
    const auto number = number_of(scalar_of(problems_, *slower, "a number"));
    if (number && *number >= 0 && *number <= 1e6) {
      factor = *number;
    } else if (slower->type == YamlType::kText) {
      problems_.add(*slower, "slower is a number from 0 to 1000000: how many times as slow");
    }
  }
  const auto only = [&](std::initializer_list<std::string_view> allowed, std::string_view of) {
    const auto known = keys_of(Place::kChange);
    for (const YamlNode& key : node.keys)
      if (std::ranges::find(known, key.text) != known.end() &&
          std::ranges::find(allowed, key.text) == allowed.end())
        problems_.add(key, fmt::format("'{}' does not belong to {}", key.text, of));
  };
  std::vector<Step>* list = nullptr;
  if (verb.empty()) {
    only({"takes", "fails", "slower"}, "a change of the route itself; name the step with 'change'");
    map.latency("takes", handler.own);
    read_handler_failure(map, handler);
    slow_down(handler.own, factor);
  } else if (verb == "add") {
    only({"add", "before", "after"}, "add; settings of the step stand inside it");
    std::optional<Step> step = read_step(*map.find("add"), false, 1);
    if (!step) return;
    std::vector<Step>* beside = &handler.steps;
    size_t at = handler.steps.size();
    if (placed) {
      const Step* other = find_step(*map.find(map.has("before") ? "before" : "after"), handler, beside);
      if (!other) return;
      at = static_cast<size_t>(other - beside->data()) + (map.has("before") ? 0 : 1);
    }
    beside->insert(beside->begin() + static_cast<ptrdiff_t>(at), std::move(*step));
  } else if (verb == "remove") {
    only({"remove"}, "remove");
    const Step* step = find_step(*map.find("remove"), handler, list);
    if (step) list->erase(list->begin() + (step - list->data()));
  } else if (verb == "move") {
    only({"move", "before", "after"}, "move");
    if (!placed) return problems_.add(node, "'before' or 'after' is missing: where does the step go?");
    Step* step = find_step(*map.find("move"), handler, list);
    if (!step) return;
    Step moved = std::move(*step);
    list->erase(list->begin() + (step - list->data()));
    std::vector<Step>* beside = nullptr;
    const Step* other = find_step(*map.find(map.has("before") ? "before" : "after"), handler, beside);
    if (!other) return;
    beside->insert(beside->begin() + (other - beside->data()) + (map.has("before") ? 0 : 1),
                   std::move(moved));
  } else {
    only({"change", "takes", "probability", "times", "fails", "retry", "on_fail", "cache", "slower"},
         "change");
    Step* step = find_step(*map.find("change"), handler, list);
    if (!step) return;
    read_settings(map, *step);
    slow_down(step->latency, factor);
  }
}

}  // namespace testmesh::simulate
