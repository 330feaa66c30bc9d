// The path that a trace must have by what happened in it.
#include <arpa/inet.h>

#include <algorithm>
#include <map>
#include <string_view>

#include "simulate/plan_builder.h"
#include "simulate/route.h"

namespace testmesh::simulate {
namespace {

struct Node {
  std::string text;  // "api_endpoint:GET /users/:id"
  std::string service;
  friend bool operator==(const Node&, const Node&) = default;
};

struct Subtree {
  Node node;
  std::vector<Subtree> below;
  friend bool operator==(const Subtree&, const Subtree&) = default;
};
using Subtrees = std::vector<Subtree>;

template <typename Visit>
void for_each_node(const Subtrees& list, const Visit& visit) {
  for (const Subtree& subtree : list) {
    visit(subtree.node);
    for_each_node(subtree.below, visit);
  }
}

std::string path_of(const Subtrees& list) {
  std::string path;
  for_each_node(list, [&](const Node& node) {
    if (!path.empty()) path += "->";
    path += node.text;
  });
  return path;
}

std::string services_of(const Subtrees& list) {
  std::string services;
  for_each_node(list, [&](const Node& node) { services.append(node.service).push_back('\0'); });
  return services;
}

// `all` visits the nodes of `part` in their order.
bool visits(const Subtrees& all, const Subtrees& part) {
  std::vector<const Node*> wanted;
  for_each_node(part, [&](const Node& node) { wanted.push_back(&node); });
  size_t found = 0;
  for_each_node(all, [&](const Node& node) {
    if (found < wanted.size() && *wanted[found] == node) ++found;
  });
  return found == wanted.size();
}

std::string escaped(std::string_view type, std::string_view identifier) {
  std::string text(type);
  text += ':';
  for (size_t i = 0; i < identifier.size(); ++i) {
    if (identifier[i] == '\\') text += '\\';
    text += identifier[i];
    if (identifier[i] == '-' && i + 1 < identifier.size() && identifier[i + 1] == '>') text += '\\';
  }
  return text;
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

std::string host_name(const std::string& host) {
  in_addr address;
  return inet_pton(AF_INET, host.c_str(), &address) == 1 ? ":ip" : lower(host);
}

class Teller {
 public:
  Teller(const Phase& phase, const TracePlan& plan)
      : phase_(phase), plan_(plan), children_(plan.actions.size()) {
    for (uint32_t i = 0; i < plan.actions.size(); ++i)
      if (plan.actions[i].parent != kAbsent) children_[plan.actions[i].parent].push_back(i);
  }

  Subtrees tell() const {
    uint32_t entry = 0;
    while (plan_.actions[entry].kind != ActionKind::kHandler) ++entry;
    return told(entry, nullptr);
  }

 private:
  // What the action adds under `above`.
  Subtrees told(uint32_t position, const Node* above) const {
    const Action& action = plan_.actions[position];
    switch (action.kind) {
      case ActionKind::kHandler:
        return handler(position, above);
      case ActionKind::kDatabase:
        return under(database(action), position, above);
      case ActionKind::kPublish:
        return under({escaped("topic", phase_.topics[action.step->topic].name), service_of(action)}, position,
                     above);
      case ActionKind::kExternal:
        return under({escaped("service", host_name(action.step->host)), service_of(action)}, position, above);
      case ActionKind::kCall: {
        Subtrees callee = arranged(position, above);
        // Nobody else shows that there was a call.
        if (callee.empty() && action.step)
          callee = under(
              {escaped("service", host_name(phase_.services[action.step->service].name)), service_of(action)},
              kAbsent, above);
        return callee;
      }
      case ActionKind::kWork:
      case ActionKind::kTest:
        return arranged(position, above);
    }
    return {};
  }

  Subtrees handler(uint32_t position, const Node* above) const {
    const Action& action = plan_.actions[position];
    const Service& service = phase_.services[action.service];
    const Endpoint& endpoint = service.endpoints[action.endpoint];
    const Node whole{escaped("service", service.name), service.name};
    if (endpoint.kind == EndpointKind::kRpc)
      return under({escaped("api_endpoint", endpoint.route + "/" + endpoint.method), service.name}, position,
                   above);
    if (endpoint.kind == EndpointKind::kConsumer) return under(whole, position, above);
    if (service.names_routes)
      return under(
          {escaped("api_endpoint", endpoint.method + " " + node_route(endpoint.route)), service.name},
          position, above);
    const bool enters = action.parent == kAbsent || plan_.actions[action.parent].service != action.service;
    return enters ? under(whole, position, above) : arranged(position, above);
  }

  // `node` with what the children of `position` add below it.
  Subtrees under(Node node, uint32_t position, const Node* above) const {
    if (above && *above == node) return position == kAbsent ? Subtrees() : arranged(position, above);
    Subtree made{std::move(node), {}};
    if (position != kAbsent) made.below = arranged(position, &made.node);
    Subtrees list;
    list.push_back(std::move(made));
    return list;
  }

  Node database(const Action& action) const {
    const Database& used = *action.database;
    const bool digits = std::ranges::all_of(used.name, [](unsigned char c) { return std::isdigit(c) != 0; });
    return {escaped("database", digits ? used.system : used.name), service_of(action)};
  }
  std::string service_of(const Action& action) const { return phase_.services[action.service].name; }

  Subtrees arranged(uint32_t parent, const Node* above) const {
    const std::vector<uint32_t>& children = children_[parent];
    std::vector<Subtrees> lists;
    for (const uint32_t child : children) lists.push_back(told(child, above));
    take_over_failed(children, lists);
    Subtrees result;
    for (size_t begin = 0, end = 0; begin < children.size(); begin = end) {
      while (end < children.size() &&
             plan_.actions[children[end]].group == plan_.actions[children[begin]].group)
        ++end;
      if (are_parallel(children, begin, end))
        std::sort(lists.begin() + static_cast<ptrdiff_t>(begin), lists.begin() + static_cast<ptrdiff_t>(end),
                  [](const Subtrees& a, const Subtrees& b) {
                    const std::string path_a = path_of(a), path_b = path_of(b);
                    return path_a != path_b ? path_a < path_b : services_of(a) < services_of(b);
                  });
      for (size_t i = begin; i < end; ++i)
        for (Subtree& subtree : lists[i])
          if (std::ranges::find(result, subtree) == result.end()) result.push_back(std::move(subtree));
    }
    return result;
  }

  bool are_parallel(const std::vector<uint32_t>& children, size_t begin, size_t end) const {
    return std::any_of(children.begin() + static_cast<ptrdiff_t>(begin),
                       children.begin() + static_cast<ptrdiff_t>(end), [&](uint32_t child) {
                         return plan_.actions[child].occurrence != plan_.actions[children[begin]].occurrence;
                       });
  }

  // An attempt that failed is told as the next one at the same thing that did
  // all it did: from the last to the first, each may take what the next took.
  void take_over_failed(const std::vector<uint32_t>& children, std::vector<Subtrees>& lists) const {
    for (size_t i = children.size(); i-- > 0;) {
      const Action& failed = plan_.actions[children[i]];
      if (!failed.error || lists[i].empty() || failed.kind == ActionKind::kHandler) continue;
      for (size_t next = i + 1; next < children.size(); ++next) {
        const Action& later = plan_.actions[children[next]];
        if (!same_operation(failed, later) || lists[next].empty()) continue;
        const bool own_peer = failed.kind == ActionKind::kExternal ||
                              (failed.kind == ActionKind::kCall && failed.failure == Failure::kRefused);
        if (!own_peer && !visits(lists[next], lists[i])) continue;
        lists[i] = lists[next];
        break;
      }
    }
  }

  // The same thing again, and not beside it.
  bool same_operation(const Action& failed, const Action& later) const {
    if (later.kind != failed.kind) return false;
    if (later.occurrence == failed.occurrence) return true;
    if (later.group == failed.group) return false;
    if (failed.kind == ActionKind::kCall) return same_rpc(*failed.step, *later.step);
    if (failed.kind == ActionKind::kPublish) return later.step->topic == failed.step->topic;
    return failed.kind == ActionKind::kWork && later.step->name == failed.step->name;
  }

  // Calls over HTTP differ by URL; those over RPC have but their name.
  bool same_rpc(const Step& a, const Step& b) const {
    const Endpoint& one = phase_.services[a.service].endpoints[a.endpoint];
    const Endpoint& other = phase_.services[b.service].endpoints[b.endpoint];
    return one.kind == EndpointKind::kRpc && other.kind == EndpointKind::kRpc && one.route == other.route &&
           one.method == other.method;
  }

  const Phase& phase_;
  const TracePlan& plan_;
  std::vector<std::vector<uint32_t>> children_;
};

// Takes the first way everywhere, then, each time it is asked to go on, the
// next one at the last place where there is another.
class EveryChoice final : public Chooser {
 public:
  bool happens(double probability) override {
    if (probability <= 0) return false;
    if (probability >= 1) return true;
    return take(2, [&](uint32_t way) { return way == 0 ? probability : 1 - probability; }) == 0;
  }
  uint32_t count(Repeat times) override {
    const uint32_t ways = times.most - times.least + 1;
    if (ways == 1) return times.least;
    return times.least + take(ways, [&](uint32_t) { return 1.0 / ways; });
  }
  double probability() const { return probability_; }
  bool next() {
    while (!taken_.empty() && taken_.back().way + 1 == taken_.back().ways) taken_.pop_back();
    if (taken_.empty()) return false;
    ++taken_.back().way;
    at_ = 0;
    probability_ = 1;
    return true;
  }

 private:
  struct Taken {
    uint32_t way, ways;
  };
  template <typename Share>
  uint32_t take(uint32_t ways, const Share& share) {
    if (at_ == taken_.size()) taken_.push_back({0, ways});
    const uint32_t way = taken_[at_++].way;
    probability_ *= share(way);
    return way;
  }

  std::vector<Taken> taken_;
  size_t at_ = 0;
  double probability_ = 1;
};

class Collected {
 public:
  explicit Collected(const System& system) : system_(system) {}
  void add(const TracePlan& plan, double probability) {
    auto& [all, failing] = by_path_[behaviour_path(system_, plan)];
    all += probability;
    if (std::ranges::any_of(plan.actions, &Action::error)) failing += probability;
  }
  std::vector<Behaviour> take() const {
    std::vector<Behaviour> result;
    for (const auto& [path, shares] : by_path_)
      result.push_back({path, shares.first, shares.second / shares.first});
    std::ranges::stable_sort(result, std::greater(), &Behaviour::probability);
    return result;
  }
  void clear() { by_path_.clear(); }

 private:
  const System& system_;
  std::map<std::string, std::pair<double, double>> by_path_;
};

}  // namespace

std::string behaviour_path(const System& system, const TracePlan& plan) {
  return path_of(Teller(system.phases[plan.phase], plan).tell());
}

std::string behaviour_key(const System& system, const TracePlan& plan) {
  const Subtrees told = Teller(system.phases[plan.phase], plan).tell();
  return path_of(told) + '\0' + services_of(told);
}

Behaviours enumerate(const System& system, uint32_t phase, uint32_t entry, size_t most_choices) {
  const Planner planner(system, 0);
  const Entry& described = system.phases[phase].entries[entry];
  TracePlan plan;
  plan.phase = phase;
  plan.entry = entry;
  Collected collected(system);
  EveryChoice every;
  size_t tried = 0;
  do {
    if (++tried > most_choices) break;
    PlanBuilder(planner, every, plan, 0).run(described);
    collected.add(plan, every.probability());
  } while (every.next());
  if (tried <= most_choices) return {collected.take(), true};
  collected.clear();
  for (size_t i = 0; i < most_choices; ++i) {
    uint64_t hash = 0;
    DrawnChoices drawn(stream_of(0, Purpose::kChoices, i), hash);
    PlanBuilder(planner, drawn, plan, i).run(described);
    collected.add(plan, 1.0 / static_cast<double>(most_choices));
  }
  return {collected.take(), false};
}

}  // namespace testmesh::simulate
