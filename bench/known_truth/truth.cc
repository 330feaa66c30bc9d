#include "bench/known_truth/truth.h"

#include <algorithm>
#include <unordered_map>

#include "base/result.h"

namespace testmesh::known_truth {
namespace {

constexpr int64_t kMillisecond = 1'000'000;

enum class NodeType : uint8_t { kService, kEndpoint, kDatabase, kTopic };

struct Node {
  NodeType type;
  std::string_view name, service;
  uint32_t peer_of = UINT32_MAX;  // the call whose uninstrumented peer this is

  bool same(const Node& other) const {
    return type == other.type && name == other.name && service == other.service;
  }
  // As a repetition of the node above: of a topic whoever names it.
  bool repeats(const Node& above) const {
    return type == above.type && name == above.name && (type == NodeType::kTopic || service == above.service);
  }
};

using Nodes = std::vector<Node>;
using Subtrees = std::vector<Nodes>;

bool same(const Nodes& a, const Nodes& b) {
  return std::ranges::equal(a, b, [](const Node& x, const Node& y) { return x.same(y); });
}

std::string text_of(const Nodes& nodes) {
  constexpr std::string_view kTypes[] = {"service:", "api_endpoint:", "database:", "topic:"};
  std::string text;
  for (const Node& node : nodes) {
    if (!text.empty()) text += "->";
    text += kTypes[static_cast<size_t>(node.type)];
    for (size_t i = 0; i < node.name.size(); ++i) {
      if (node.name[i] == '\\') text += '\\';
      if (node.name.substr(i, 2) == "->") {
        text += "-\\>";
        ++i;
      } else {
        text += node.name[i];
      }
    }
  }
  return text;
}

void append(Nodes& to, const Nodes& more) { to.insert(to.end(), more.begin(), more.end()); }

Nodes joined(const Subtrees& subtrees) {
  Nodes all;
  for (const Nodes& subtree : subtrees) append(all, subtree);
  return all;
}

// Of equal subtrees the first stays.
Subtrees collapsed(Subtrees subtrees) {
  Subtrees kept;
  for (Nodes& subtree : subtrees)
    if (std::ranges::none_of(kept, [&](const Nodes& have) { return same(have, subtree); }))
      kept.push_back(std::move(subtree));
  return kept;
}

// A start on a whole millisecond may have been cut off there.
int64_t start_for_order(const SeenSpan& span) {
  return span.start % kMillisecond == 0 ? span.start + kMillisecond : span.start;
}

class Walk {
 public:
  explicit Walk(std::span<const SeenSpan> spans) : spans_(spans), children_(spans.size()) {}

  TrueTrace run() {
    join();
    TrueTrace result{.partial = partial_, .test = spans_[entry_].test, .paths = {}};
    if (!result.test) {
      result.paths.push_back(path_of(top_level()));
      return result;
    }
    for (const uint32_t tested : topmost_tested()) {
      entry_ = tested;
      result.paths.push_back(path_of(subtrees_of(tested, {})));
    }
    return result;
  }

 private:
  struct Sibling {
    uint32_t span = 0;
    Subtrees subtrees;
  };

  TruePath path_of(Subtrees subtrees) const {
    const Nodes own = nodes_of(entry_, {});
    const bool endpoint = !own.empty() && own.front().type == NodeType::kEndpoint;
    return {.entry = entry_,
            .operation = endpoint ? std::string(own.front().name) : spans_[entry_].name,
            .path = text_of(joined(collapsed(std::move(subtrees))))};
  }

  // What remains topmost when the tester's own spans are left out.
  std::vector<uint32_t> topmost_tested() const {
    std::vector<uint32_t> tested, waiting = tops_;
    while (!waiting.empty()) {
      const uint32_t i = waiting.back();
      waiting.pop_back();
      if (spans_[i].test)
        waiting.insert(waiting.end(), children_[i].begin(), children_[i].end());
      else
        tested.push_back(i);
    }
    return tested;
  }

  bool before(uint32_t a, uint32_t b) const {
    return spans_[a].start != spans_[b].start ? spans_[a].start < spans_[b].start
                                              : spans_[a].id < spans_[b].id;
  }

  void join() {
    std::unordered_map<uint64_t, uint32_t> by_id;
    for (uint32_t i = 0; i < spans_.size(); ++i) by_id.emplace(spans_[i].id, i);
    parent_.assign(spans_.size(), UINT32_MAX);
    std::vector<uint32_t> roots, orphans;
    for (uint32_t i = 0; i < spans_.size(); ++i) {
      if (spans_[i].parent == 0) {
        roots.push_back(i);
      } else if (const auto found = by_id.find(spans_[i].parent); found == by_id.end()) {
        orphans.push_back(i);
      } else {
        parent_[i] = found->second;
        children_[found->second].push_back(i);
      }
    }
    for (auto& children : children_)
      std::ranges::sort(children, [&](uint32_t a, uint32_t b) { return before(a, b); });
    tops_ = roots;
    tops_.insert(tops_.end(), orphans.begin(), orphans.end());
    const auto& starts = roots.empty() ? orphans : roots;
    entry_ = *std::ranges::min_element(starts, [&](uint32_t a, uint32_t b) { return before(a, b); });
    // A caller that does not export leaves one parent absent, with entries below it.
    const bool only_caller_absent =
        roots.empty() && std::ranges::all_of(orphans, [&](uint32_t i) {
          return spans_[i].parent == spans_[orphans.front()].parent &&
                 (spans_[i].kind == Kind::kServer || spans_[i].kind == Kind::kConsumer);
        });
    partial_ = !orphans.empty() && !only_caller_absent;
  }

  bool enters(uint32_t i) const {
    if (i == entry_) return true;
    const uint32_t above = parent_[i] == UINT32_MAX ? entry_ : parent_[i];
    return spans_[i].service != spans_[above].service;
  }

  // The nodes a span adds, `above` being the last of those it hangs below.
  Nodes nodes_of(uint32_t i, const Node* above) const {
    const SeenSpan& span = spans_[i];
    Nodes nodes;
    const auto add = [&](NodeType type, std::string_view name) {
      nodes.push_back({type, name, span.service});
    };
    if (span.role == Role::kConsumes) {
      const Node topic{NodeType::kTopic, span.subject, span.service};
      if (!span.subject.empty() && !(above && topic.repeats(*above))) nodes.push_back(topic);
      add(NodeType::kService, span.service);
    } else if (span.role == Role::kServes && !span.subject.empty()) {
      add(NodeType::kEndpoint, span.subject);
    } else if (enters(i)) {
      add(NodeType::kService, span.service);
    }
    const Node* right_above = nodes.empty() ? above : &nodes.back();
    if (span.role == Role::kQueries) {
      add(NodeType::kDatabase, span.subject);
    } else if (span.role == Role::kSends) {
      if (!span.subject.empty()) add(NodeType::kTopic, span.subject);
    } else if (span.role == Role::kCalls && span.kind == Kind::kClient && !span.subject.empty() &&
               !(right_above &&
                 (right_above->type == NodeType::kDatabase || right_above->type == NodeType::kTopic)) &&
               !something_below(i)) {
      Node peer{NodeType::kService, span.subject, span.service, i};
      if (!(right_above && peer.repeats(*right_above))) nodes.push_back(peer);
    }
    return nodes;
  }

  bool something_below(uint32_t i) const {
    return std::ranges::any_of(children_[i], [&](uint32_t child) {
      return enters(child) || !nodes_of(child, nullptr).empty() || something_below(child);
    });
  }

  Subtrees subtrees_of(uint32_t i, const Nodes& above) {
    Nodes own = nodes_of(i, above.empty() ? nullptr : &above.back());
    if (!own.empty() && own.size() <= above.size() &&
        std::equal(own.begin(), own.end(), above.end() - static_cast<ptrdiff_t>(own.size()),
                   [](const Node& a, const Node& b) { return a.repeats(b); }))
      own.clear();
    Nodes above_children = above;
    append(above_children, own);
    Subtrees below = in_order(children_[i], above_children);
    if (own.empty()) return below;
    append(own, joined(collapsed(std::move(below))));
    return {std::move(own)};
  }

  std::vector<Sibling> siblings_of(const std::vector<uint32_t>& children, const Nodes& above) {
    std::vector<Sibling> siblings;
    siblings.reserve(children.size());
    for (const uint32_t child : children) siblings.push_back({child, collapsed(subtrees_of(child, above))});
    replace_failed_attempts(siblings);
    std::erase_if(siblings, [](const Sibling& s) { return s.subtrees.empty(); });
    return siblings;
  }

  Subtrees in_order(const std::vector<uint32_t>& children, const Nodes& above) {
    std::vector<Sibling> calls, messages;
    for (Sibling& sibling : siblings_of(children, above))
      (spans_[sibling.span].kind == Kind::kConsumer ? messages : calls).push_back(std::move(sibling));
    auto run = calls.begin();
    int64_t latest_end = 0;
    for (auto at = calls.begin(); at != calls.end(); ++at) {
      const SeenSpan& span = spans_[at->span];
      if (at != run && start_for_order(span) >= latest_end && span.start != spans_[(at - 1)->span].start) {
        sort_run(run, at);
        run = at;
      }
      latest_end = at == run ? span.end : std::max(latest_end, span.end);
    }
    sort_run(run, calls.end());
    sort_run(messages.begin(), messages.end());
    Subtrees all = flattened(calls);
    for (Nodes& subtree : flattened(messages)) all.push_back(std::move(subtree));
    return all;
  }

  // The entry first; what else has no parent here comes after it, as one run.
  Subtrees top_level() {
    std::vector<uint32_t> tops = tops_;
    std::ranges::sort(tops, [&](uint32_t a, uint32_t b) { return before(a, b); });
    std::vector<Sibling> siblings = siblings_of(tops, {});
    const auto entry = std::ranges::find(siblings, entry_, &Sibling::span);
    CHECK(entry != siblings.end());  // it enters its service
    std::rotate(siblings.begin(), entry, entry + 1);
    sort_run(siblings.begin() + 1, siblings.end());
    return flattened(siblings);
  }

  static Subtrees flattened(const std::vector<Sibling>& siblings) {
    Subtrees all;
    for (const Sibling& sibling : siblings)
      all.insert(all.end(), sibling.subtrees.begin(), sibling.subtrees.end());
    return all;
  }

  using Iterator = std::vector<Sibling>::iterator;
  static void sort_run(Iterator begin, Iterator end) {
    if (end - begin < 2) return;
    struct Keyed {
      std::string text;
      std::vector<std::string_view> services;
      Sibling sibling;
    };
    std::vector<Keyed> keyed;
    for (auto at = begin; at != end; ++at) {
      const Nodes nodes = joined(at->subtrees);
      Keyed entry{text_of(nodes), {}, std::move(*at)};
      for (const Node& node : nodes) entry.services.push_back(node.service);
      keyed.push_back(std::move(entry));
    }
    std::ranges::sort(keyed, [](const Keyed& a, const Keyed& b) {
      return a.text != b.text ? a.text < b.text : a.services < b.services;
    });
    for (Keyed& entry : keyed) *begin++ = std::move(entry.sibling);
  }

  bool same_operation(uint32_t a, uint32_t b) const {
    return spans_[a].kind == spans_[b].kind && spans_[a].service == spans_[b].service &&
           spans_[a].name == spans_[b].name && spans_[a].url == spans_[b].url;
  }

  // Siblings come by start. Of a chain of attempts the last is settled first.
  void replace_failed_attempts(std::vector<Sibling>& siblings) const {
    for (size_t i = siblings.size(); i-- > 0;) {
      const SeenSpan& failed = spans_[siblings[i].span];
      if (!failed.error) continue;
      for (size_t next = i + 1; next < siblings.size(); ++next) {
        if (same_operation(siblings[i].span, siblings[next].span) &&
            start_for_order(spans_[siblings[next].span]) >= failed.end &&
            visits_all(siblings[next].subtrees, siblings[i])) {
          siblings[i].subtrees = siblings[next].subtrees;
          break;
        }
      }
    }
  }

  // Whether the attempt visits, in their order, all nodes of the failed one but its own peer.
  bool visits_all(const Subtrees& attempt, const Sibling& failed) const {
    if (attempt.empty() || failed.subtrees.empty()) return attempt.empty() == failed.subtrees.empty();
    const Nodes visited = joined(attempt), wanted = joined(failed.subtrees);
    if (same(visited, wanted)) return true;
    size_t at = 0;
    for (const Node& node : wanted) {
      if (node.peer_of != UINT32_MAX && calls_through(failed.span, node.peer_of)) continue;
      while (at < visited.size() && !visited[at].same(node)) ++at;
      if (at == visited.size()) return false;
      ++at;
    }
    return true;
  }

  // `call` is the attempt or a CLIENT span that it consists of.
  bool calls_through(uint32_t attempt, uint32_t call) const {
    while (call != attempt) {
      call = parent_[call];
      if (call == UINT32_MAX || spans_[call].kind != Kind::kClient) return false;
    }
    return spans_[attempt].kind == Kind::kClient;
  }

  const std::span<const SeenSpan> spans_;
  std::vector<std::vector<uint32_t>> children_;
  std::vector<uint32_t> parent_;  // UINT32_MAX: none here
  std::vector<uint32_t> tops_;
  uint32_t entry_ = 0;
  bool partial_ = false;
};

}  // namespace

TrueTrace true_trace(std::span<const SeenSpan> spans) { return Walk(spans).run(); }

}  // namespace testmesh::known_truth
