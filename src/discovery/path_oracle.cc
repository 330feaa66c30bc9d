#include "discovery/path_oracle.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "discovery/names.h"

namespace testmesh::discovery {
namespace {

using model::NodeType;
using model::PathNode;

struct Flat {  // a node of a subtree in path order
  PathNode node;
  size_t depth = 0;
  std::vector<uint64_t> visits;
  uint32_t retries = 0;
  bool own_peer = false;  // of the span at hand, or of the calls nested in its call
};
using Subtree = std::vector<Flat>;
using List = std::vector<Subtree>;

struct Known {
  const TestSpan* span = nullptr;
  SpanNames names;
  uint64_t parent = 0;  // 0: none or cut
  std::vector<uint64_t> children;
};

std::string string_of(const List& list) {
  std::vector<PathNode> nodes;
  for (const Subtree& subtree : list)
    for (const Flat& flat : subtree) nodes.push_back(flat.node);
  return path_string(nodes);
}

auto sort_key(const List& list) {
  std::vector<std::string> services;
  std::vector<size_t> depths;
  for (const Subtree& subtree : list)
    for (const Flat& flat : subtree) {
      services.push_back(flat.node.service);
      depths.push_back(flat.depth);
    }
  return std::tuple(string_of(list), services, depths);
}

bool same_nodes(const Subtree& a, const Subtree& b) {
  return std::ranges::equal(a, b, {}, &Flat::node, &Flat::node);
}

bool repeats(const PathNode& a, const PathNode& b) {
  return a.type == b.type && a.identifier == b.identifier &&
         (a.type == NodeType::kTopic || a.service == b.service);
}

class Oracle {
 public:
  explicit Oracle(const std::deque<TestSpan>& spans) {
    for (const TestSpan& span : spans) {
      if (known_.contains(span.number)) {
        ++result_.duplicates;
        continue;
      }
      Known& known = known_[span.number];
      known.span = &span;
      SpanDescription description;
      description.kind = span.kind;
      description.name = span.span_name;
      description.service = span.service_name;
      for (const auto& [key, value] : span.attributes)
        if (const auto slot = slot_of(key)) description.values[static_cast<size_t>(*slot)] = value;
      known.names = names_of(description);
      known.parent = span.parent_number;
    }
  }

  OracleResult run() {
    join();
    if (known_.empty()) return result_;
    const uint64_t entry = roots_.front();
    result_.test = at(entry).names.is_test;
    result_.partial = partial();
    result_.all_parents_resolve =
        at(entry).span->parent_number == 0 && absent_.empty() && result_.cycles == 0;
    if (!result_.test) {
      result_.flows.push_back(flow_of(roots_));
    } else {
      for (const uint64_t root : roots_) add_parts(root, at(entry).span->service_name);
      std::map<std::tuple<std::string, std::string, std::string, std::string>, OracleFlow> merged;
      for (const OracleFlow& flow : result_.flows) {
        auto [found, is_new] =
            merged.try_emplace({flow.environment, flow.service, flow.operation, flow.path}, flow);
        if (is_new) continue;
        for (size_t i = 0; i < flow.calls.size(); ++i) {
          found->second.calls[i] += flow.calls[i];
          found->second.retries[i] += flow.retries[i];
        }
      }
      result_.flows.clear();
      for (auto& [key, flow] : merged) result_.flows.push_back(flow);
    }
    std::ranges::sort(result_.flows);
    return result_;
  }

 private:
  Known& at(uint64_t id) { return known_.at(id); }
  std::pair<uint64_t, uint64_t> start_of(uint64_t id) { return {at(id).span->start, id}; }

  void join() {
    std::vector<uint64_t> parentless, others;
    for (auto& [id, known] : known_) {
      if (known.parent == 0)
        parentless.push_back(id);
      else if (!known_.contains(known.parent)) {
        absent_.insert(known.parent);
        known.parent = 0;
        others.push_back(id);
      }
    }
    for (auto& [id, known] : known_) {
      // On a cycle?
      uint64_t up = known.parent;
      std::set<uint64_t> seen;
      while (up != 0 && up != id && seen.insert(up).second) up = at(up).parent;
      if (up != id) continue;
      uint64_t earliest = id;
      for (up = known.parent; up != id; up = at(up).parent)
        if (start_of(up) < start_of(earliest)) earliest = up;
      at(earliest).parent = 0;
      others.push_back(earliest);
      ++result_.cycles;
    }
    const auto by_start = [&](uint64_t a, uint64_t b) { return start_of(a) < start_of(b); };
    for (auto& [id, known] : known_)
      if (known.parent != 0) at(known.parent).children.push_back(id);
    for (auto& [id, known] : known_) std::ranges::sort(known.children, by_start);
    roots_ = parentless;
    every_has_parent_ = parentless.empty();
    roots_.insert(roots_.end(), others.begin(), others.end());
    if (roots_.empty()) return;
    const auto entry =
        every_has_parent_ ? std::ranges::min(others, by_start) : std::ranges::min(parentless, by_start);
    std::ranges::sort(roots_, [&](uint64_t a, uint64_t b) {
      return std::tuple(a != entry, start_of(a)) < std::tuple(b != entry, start_of(b));
    });
  }

  bool partial() {
    if (result_.cycles > 0) return true;
    if (absent_.empty()) return false;
    if (!every_has_parent_ || absent_.size() > 1) return true;
    return !std::ranges::all_of(roots_, [&](uint64_t root) {
      return at(root).span->kind == kServer || at(root).span->kind == kConsumer;
    });
  }

  void add_parts(uint64_t id, const std::string& runner) {
    if (at(id).names.is_test && at(id).span->service_name == runner) {
      for (const uint64_t child : at(id).children) add_parts(child, runner);
    } else {
      result_.flows.push_back(flow_of({id}));
    }
  }

  OracleFlow flow_of(const std::vector<uint64_t>& roots) {
    entry_ = roots.front();
    entry_service_ = at(entry_).span->service_name;
    std::map<uint64_t, List> lists;
    bool touches = false;
    for (const uint64_t root : roots) lists[root] = visit(root, entry_service_, {}, touches);
    retry(roots, lists);
    std::vector<List> order{lists[entry_]};
    std::vector<List> rest;
    for (size_t i = 1; i < roots.size(); ++i)
      if (!lists[roots[i]].empty()) rest.push_back(lists[roots[i]]);
    std::ranges::stable_sort(rest, {}, sort_key);
    order.insert(order.end(), rest.begin(), rest.end());
    const List list = collapse(order);

    OracleFlow flow;
    flow.path = string_of(list);
    flow.service = entry_service_;
    flow.environment = at(entry_).span->environment_name;
    const SpanNames& names = at(entry_).names;
    const bool endpoint = at(entry_).span->kind == kServer || at(entry_).span->kind == kInternal;
    flow.operation = endpoint && !names.endpoint.empty() ? names.endpoint : names.operation;
    for (const Subtree& subtree : list)
      for (const Flat& flat : subtree) {
        flow.calls.push_back(flat.visits.size());
        flow.retries.push_back(flat.retries);
        if (!result_.test) flow.services.push_back(flat.node.service);
      }
    return flow;
  }

  List visit(uint64_t id, const std::string& outer_service, std::vector<PathNode> above,
             bool& touches_outside) {
    const TestSpan& span = *at(id).span;
    const SpanNames& names = at(id).names;
    const bool enters = id == entry_ || span.service_name != outer_service;
    bool touches = false, resource = false;
    std::vector<Flat> own;
    const auto add = [&](std::vector<PathNode> nodes) {
      touches = true;
      if (above.size() >= nodes.size() &&
          std::ranges::equal(
              nodes, std::vector(above.end() - static_cast<ptrdiff_t>(nodes.size()), above.end()), repeats))
        return false;
      for (const PathNode& node : nodes) {
        above.push_back(node);
        own.push_back({node, 0, {id}, 0, false});
      }
      return true;
    };
    const PathNode service{NodeType::kService, span.service_name, span.service_name};
    const PathNode topic{NodeType::kTopic, names.topic, span.service_name};
    if (span.kind == kConsumer && !names.receives_or_settles) {
      if (names.topic.empty() || (!above.empty() && repeats(above.back(), topic)))
        add({service});
      else
        add({topic, service});
    } else if ((span.kind == kServer || (span.kind == kInternal && enters)) && !names.endpoint.empty()) {
      add({{NodeType::kApiEndpoint, names.endpoint, span.service_name}});
    } else if (enters) {
      add({service});
    }
    if ((span.kind == kClient || span.kind == kInternal) && !names.database.empty()) {
      add({{NodeType::kDatabase, names.database, span.service_name}});
      resource = true;
    } else if (span.kind != kConsumer && names.sends) {
      add({topic});
      resource = true;
    }

    std::map<uint64_t, List> lists;
    bool below = false;
    for (const uint64_t child : at(id).children) lists[child] = visit(child, span.service_name, above, below);
    if (span.kind == kClient && !names.peer.empty() && !resource && !below &&
        (above.empty() ||
         (above.back().type != NodeType::kDatabase && above.back().type != NodeType::kTopic))) {
      if (add({{NodeType::kService, names.peer, span.service_name}})) own.back().own_peer = true;
    }
    retry(at(id).children, lists);

    // Runs of siblings.
    std::vector<uint64_t> siblings, consumers;
    for (const uint64_t child : at(id).children)
      if (!lists[child].empty()) (at(child).span->kind == kConsumer ? consumers : siblings).push_back(child);
    std::vector<std::vector<uint64_t>> runs;
    uint64_t latest = 0;
    for (const uint64_t child : siblings) {
      const TestSpan& sibling = *at(child).span;
      const uint64_t start = sibling.start % 1'000'000 == 0 ? sibling.start + 1'000'000 : sibling.start;
      if (runs.empty() || (start >= latest && at(runs.back().back()).span->start != sibling.start)) {
        runs.emplace_back();
        latest = 0;
      }
      runs.back().push_back(child);
      latest = std::max(latest, sibling.end);
    }
    if (!consumers.empty()) runs.push_back(consumers);
    std::vector<List> order;
    for (const auto& run : runs) {
      std::vector<List> members;
      for (const uint64_t child : run) members.push_back(lists[child]);
      std::ranges::stable_sort(members, {}, sort_key);
      order.insert(order.end(), members.begin(), members.end());
    }
    List list = collapse(order);
    for (size_t i = own.size(); i-- > 0;) {
      Subtree whole{own[i]};
      for (const Subtree& subtree : list)
        for (Flat flat : subtree) {
          ++flat.depth;
          whole.push_back(flat);
        }
      list = {whole};
    }
    if (span.kind != kClient) {
      for (Subtree& subtree : list)
        for (size_t i = 0; i < subtree.size(); ++i) subtree[i].own_peer = false;
    }
    touches_outside |= touches || below;
    return list;
  }

  static List collapse(const std::vector<List>& lists) {
    List result;
    for (const List& list : lists)
      for (const Subtree& subtree : list) {
        const auto equal =
            std::ranges::find_if(result, [&](const Subtree& s) { return same_nodes(s, subtree); });
        if (equal == result.end()) {
          result.push_back(subtree);
          continue;
        }
        for (size_t i = 0; i < subtree.size(); ++i) {
          Flat& into = (*equal)[i];
          into.visits.insert(into.visits.end(), subtree[i].visits.begin(), subtree[i].visits.end());
          into.retries += subtree[i].retries;
          into.own_peer |= subtree[i].own_peer;
        }
      }
    return result;
  }

  auto operation_of(uint64_t id) {
    const TestSpan& span = *at(id).span;
    const auto url = span.attributes.find("url.full");
    return std::tuple(span.service_name, span.kind, at(id).names.operation,
                      url == span.attributes.end() ? "" : url->second);
  }

  uint64_t counted_start(uint64_t id) {
    const uint64_t start = at(id).span->start;
    return start % 1'000'000 == 0 ? start + 1'000'000 : start;
  }

  auto order_of_starts(uint64_t id) {
    return std::tuple(counted_start(id), at(id).span->start, at(id).span->end, id);
  }

  auto order_of_ends(uint64_t id) { return std::tuple(at(id).span->end, at(id).span->start, id); }

  bool after(uint64_t next, uint64_t failed) {
    if (operation_of(next) != operation_of(failed) || order_of_ends(next) <= order_of_ends(failed))
      return false;
    if (counted_start(next) < at(failed).span->end) return false;
    const uint64_t start = at(next).span->start;
    return start != at(failed).span->start || start != counted_start(next);
  }

  void retry(std::vector<uint64_t> siblings, std::map<uint64_t, List>& lists) {
    std::set<uint64_t> counted;
    std::vector<std::pair<uint64_t, uint64_t>> counts;  // (span, span if the first adds nothing)
    std::vector<uint64_t> failed;
    for (const uint64_t id : siblings)
      if (at(id).span->failed) failed.push_back(id);
    std::ranges::sort(failed, std::greater(), [&](uint64_t id) { return order_of_ends(id); });
    std::ranges::sort(siblings, {}, [&](uint64_t id) { return order_of_starts(id); });
    for (const uint64_t id : failed) {
      bool first = true, taken = false;
      for (const uint64_t next : siblings) {
        if (!after(next, id)) continue;
        if (first) {
          counted.insert(next);
          counts.emplace_back(next, id);
          first = false;
        }
        if (!taken) taken = take(lists[id], lists[next]);
      }
    }
    for (const auto& [id, fallback] : counts) {
      List& list = lists[id].empty() ? lists[fallback] : lists[id];
      if (!list.empty()) ++list[0][0].retries;
    }
    for (const uint64_t id : siblings)
      if (at(id).names.is_resend && !counted.contains(id) && !lists[id].empty()) ++lists[id][0][0].retries;
  }

  static bool take(List& mine, const List& theirs) {
    if (mine.empty() || theirs.empty()) return false;
    List taken = theirs;
    std::vector<Flat*> flat;
    for (Subtree& subtree : taken)
      for (Flat& one : subtree) {
        one.visits.clear();
        one.retries = 0;
        flat.push_back(&one);
      }
    if (string_of(mine) == string_of(theirs) && std::get<1>(sort_key(mine)) == std::get<1>(sort_key(theirs)))
      return true;
    size_t next = 0, last = 0;
    for (const Subtree& subtree : mine)
      for (const Flat& one : subtree) {
        size_t match = last;
        if (!one.own_peer) {
          while (next < flat.size() && flat[next]->node != one.node) ++next;
          if (next == flat.size()) return false;
          match = last = next++;
        }
        flat[match]->visits.insert(flat[match]->visits.end(), one.visits.begin(), one.visits.end());
        flat[match]->retries += one.retries;
      }
    mine = taken;
    return true;
  }

  std::map<uint64_t, Known> known_;
  std::vector<uint64_t> roots_;
  std::set<uint64_t> absent_;
  bool every_has_parent_ = false;
  uint64_t entry_ = 0;
  std::string entry_service_;
  OracleResult result_;
};

}  // namespace

OracleResult oracle(const std::deque<TestSpan>& spans) { return Oracle(spans).run(); }

}  // namespace testmesh::discovery
