// Random traces: a trace against itself, against another and the other way
// round, and against itself with one thing done to it, which must be exactly
// what the comparison says.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "trace_diff/trace_fixture.h"

namespace testmesh::trace_diff {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAreArray;

constexpr unsigned kSeed = 20261126;
constexpr int kRounds = 1500;

using Paths = std::vector<std::vector<size_t>>;

// A node by the way to it: which child of which child.
Node& node_at(Node& root, const std::vector<size_t>& way) {
  Node* node = &root;
  for (const size_t step : way) node = &node->calls[step];
  return *node;
}

void collect_ways(const Node& node, std::vector<size_t>& way, Paths& ways) {
  ways.push_back(way);
  for (size_t i = 0; i < node.calls.size(); ++i) {
    way.push_back(i);
    collect_ways(node.calls[i], way, ways);
    way.pop_back();
  }
}
Paths ways_in(const Node& root) {
  Paths ways;
  std::vector<size_t> way;
  collect_ways(root, way, ways);
  return ways;
}

std::set<std::string> names_in(const Node& root) {
  std::set<std::string> names{root.name};
  for (const Node& call : root.calls) names.merge(names_in(call));
  return names;
}

class RandomTrees : public ::testing::TestWithParam<int> {
 protected:
  RandomTrees() : random(kSeed + static_cast<unsigned>(GetParam())) {}

  size_t below(size_t limit) { return random() % limit; }
  const std::vector<size_t>& any_of(const Paths& ways) { return ways[below(ways.size())]; }

  // Up to 30 calls; with `names` 0 every one has a name of its own.
  Node tree(size_t names, bool concurrent) {
    size_t number = 0;
    const auto make = [&] {
      Node node = call(fmt::format("s{} op{}", below(3), names == 0 ? number++ : below(names)));
      node.work = 5 + below(100);
      if (concurrent && below(3) == 0) node.at = kBeside;
      if (names != 0 && below(6) == 0) node.status = model::StatusCode::kError;
      return node;
    };
    Node root = make();
    root.at = kBehind;
    for (size_t i = below(30); i > 0; --i) {
      const Paths ways = ways_in(root);
      node_at(root, any_of(ways)).calls.push_back(make());
    }
    return root;
  }

  std::mt19937_64 random;
};

// What the comparison says of each name that is not the same.
struct Said {
  std::set<std::string> added, removed, moved, changed;
  std::map<std::string, int64_t> contributions;
};
Said said_of(const TraceDiff& diff, const Trace& left, const Trace& right) {
  Said said;
  for (const CallDiff& row : diff.rows) {
    const std::string name = row.right ? right.name(row.right->span) : left.name(row.left->span);
    if (row.change == Change::kAdded) said.added.insert(name);
    if (row.change == Change::kRemoved) said.removed.insert(name);
    if (row.change == Change::kMoved) said.moved.insert(name);
    if (row.change == Change::kChanged) said.changed.insert(name);
    const auto delta = static_cast<int64_t>(row.right_critical_ns() - row.left_critical_ns());
    if (delta != 0) said.contributions[name] = delta;
  }
  return said;
}
Said said_of(const Node& left, const Node& right) {
  const Trace a(left), b(right);
  return said_of(diff(a.view(), b.view()), a, b);
}

std::string without_seconds(const CallSide& side) {
  return fmt::format("{}×{} {} {} {} {} {}", side.span, side.count, side.errors,
                     static_cast<int>(side.status), side.duration_ns, side.self_ns, side.critical_ns);
}

// A row as text, as seen from the left or, mirrored, from the right.
std::string text_of(const CallDiff& row, bool mirrored) {
  Change change = row.change;
  if (mirrored && change == Change::kAdded)
    change = Change::kRemoved;
  else if (mirrored && change == Change::kRemoved)
    change = Change::kAdded;
  const auto& left = mirrored ? row.right : row.left;
  const auto& right = mirrored ? row.left : row.right;
  return fmt::format("{} [{}] [{}] {}{}{}{}", to_string(change), left ? without_seconds(*left) : "",
                     right ? without_seconds(*right) : "", row.other_count, row.other_status,
                     row.other_parent, row.other_order);
}

TEST_P(RandomTrees, ATraceIsTheSameAsItself) {
  for (int round = 0; round < kRounds; ++round) {
    SCOPED_TRACE(testing::Message() << "seed " << kSeed + static_cast<unsigned>(GetParam()) << " round "
                                    << round);
    const Trace trace(tree(below(12), true));
    const TraceDiff found = diff(trace.view(), trace.view());
    EXPECT_FALSE(found.summary.differs());
    EXPECT_THAT(found.contributions, IsEmpty());
    // Another day, and every call takes another time: in turn, so their order stays.
    Node node = tree(below(12), false);
    const Trace one_day(node);
    for (const auto& way : ways_in(node)) node_at(node, way).work = 5 + below(1000);
    const Trace another_day(node, 86'400'000'000'003);
    EXPECT_FALSE(diff(one_day.view(), another_day.view()).summary.differs());
  }
}

TEST_P(RandomTrees, EverySpanIsInOneRowAndTheOtherWayRoundIsTheMirror) {
  for (int round = 0; round < kRounds; ++round) {
    SCOPED_TRACE(testing::Message() << "seed " << kSeed + static_cast<unsigned>(GetParam()) << " round "
                                    << round);
    const size_t names = 1 + below(9);
    Trace left(tree(names, true)), right(tree(names, true));
    // Skewed clocks, and a span whose parent never arrived.
    for (Trace* trace : {&left, &right}) {
      for (SpanView& span : trace->view().spans)
        if (below(8) == 0) span.start += 30, span.end += 30;
      SpanView& orphan = trace->view().spans[below(trace->view().spans.size())];
      if (below(4) == 0) orphan.parent = -1;
    }
    const DiffLimits limits{.comparisons = below(3) == 0 ? below(20) : 10'000};
    const TraceDiff found = diff(left.view(), right.view(), limits);
    uint64_t left_spans = 0, right_spans = 0, left_critical = 0, right_critical = 0;
    std::vector<std::string> rows, mirrored;
    uint32_t depth = 0;
    for (const CallDiff& row : found.rows) {
      if (row.left) left_spans += row.left->count;
      if (row.right) right_spans += row.right->count;
      left_critical += row.left_critical_ns();
      right_critical += row.right_critical_ns();
      if (row.left && row.right) {
        EXPECT_EQ(left.name(row.left->span), right.name(row.right->span));
      }
      EXPECT_LE(row.depth, depth) << "no row is deeper than below the one before it";
      depth = row.depth + 1;
      rows.push_back(text_of(row, false));
    }
    EXPECT_EQ(left_spans, left.view().spans.size());
    EXPECT_EQ(right_spans, right.view().spans.size());
    EXPECT_EQ(left_critical, found.left_duration_ns);
    EXPECT_EQ(right_critical, found.right_duration_ns);
    for (const CallDiff& row : diff(right.view(), left.view(), limits).rows)
      mirrored.push_back(text_of(row, true));
    EXPECT_THAT(mirrored, UnorderedElementsAreArray(rows));
    if (HasFailure()) return;
  }
}

// One thing done to a trace in which every call has a name of its own.
class Mutation : public RandomTrees {
 protected:
  template <typename Check>
  void each_round(bool concurrent, const Check& check) {
    for (int round = 0; round < kRounds; ++round) {
      SCOPED_TRACE(testing::Message()
                   << "seed " << kSeed + static_cast<unsigned>(GetParam()) << " round " << round);
      const Node before = tree(0, concurrent);
      check(before, ways_in(before));
      if (HasFailure()) return;
    }
  }
  // A way that is not the root's.
  std::vector<size_t> any_call(const Paths& ways) { return ways[1 + below(ways.size() - 1)]; }
  static std::pair<std::vector<size_t>, size_t> parent_of(std::vector<size_t> way) {
    const size_t last = way.back();
    way.pop_back();
    return {way, last};
  }
  static Node cut_out(Node& root, const std::vector<size_t>& way) {
    const auto [above, index] = parent_of(way);
    auto& calls = node_at(root, above).calls;
    Node node = std::move(calls[index]);
    calls.erase(calls.begin() + static_cast<std::ptrdiff_t>(index));
    return node;
  }
  void put_in(Node& parent, Node node) {
    parent.calls.insert(parent.calls.begin() + static_cast<std::ptrdiff_t>(below(parent.calls.size() + 1)),
                        std::move(node));
  }
};

TEST_P(Mutation, ARemovedSubtreeIsWhatIsRemovedAndTheOtherWayRoundAdded) {
  each_round(true, [&](const Node& before, const Paths& ways) {
    if (ways.size() < 2) return;
    Node after = before;
    const Node gone = cut_out(after, any_call(ways));
    const Said said = said_of(before, after);
    EXPECT_EQ(said.removed, names_in(gone));
    EXPECT_THAT(said.added, IsEmpty());
    EXPECT_THAT(said.moved, IsEmpty());
    EXPECT_THAT(said.changed, IsEmpty());
    const Said other = said_of(after, before);
    EXPECT_EQ(other.added, names_in(gone));
    EXPECT_THAT(other.removed, IsEmpty());
    EXPECT_THAT(other.moved, IsEmpty());
    EXPECT_THAT(other.changed, IsEmpty());
  });
}

TEST_P(Mutation, ASubtreeBelowAnotherParentIsWhatMoved) {
  each_round(true, [&](const Node& before, const Paths& ways) {
    if (ways.size() < 3) return;
    Node after = before;
    const auto from = any_call(ways);
    const std::string old_parent = node_at(after, parent_of(from).first).name;
    const Node moved = cut_out(after, from);
    Paths targets = ways_in(after);
    std::erase_if(targets, [&](const auto& way) { return node_at(after, way).name == old_parent; });
    if (targets.empty()) return;
    put_in(node_at(after, any_of(targets)), moved);
    const Said said = said_of(before, after);
    EXPECT_THAT(said.moved, ElementsAre(moved.name));
    EXPECT_THAT(said.added, IsEmpty());
    EXPECT_THAT(said.removed, IsEmpty());
    EXPECT_THAT(said.changed, IsEmpty());
  });
}

TEST_P(Mutation, ACallThatIsMadeLaterThanOthersIsWhatMoved) {
  each_round(false, [&](const Node& before, const Paths& ways) {
    Node after = before;
    Paths parents = ways;
    std::erase_if(parents, [&](const auto& way) { return node_at(after, way).calls.size() < 3; });
    if (parents.empty()) return;
    auto& calls = node_at(after, any_of(parents)).calls;
    // By two places or more: of two neighbours either may have moved.
    const size_t from = below(calls.size() - 2), to = from + 2 + below(calls.size() - from - 2);
    const Node moved = calls[from];
    calls.erase(calls.begin() + static_cast<std::ptrdiff_t>(from));
    calls.insert(calls.begin() + static_cast<std::ptrdiff_t>(to), moved);
    for (const Said& said : {said_of(before, after), said_of(after, before)}) {
      EXPECT_THAT(said.moved, ElementsAre(moved.name));
      EXPECT_THAT(said.added, IsEmpty());
      EXPECT_THAT(said.removed, IsEmpty());
      EXPECT_THAT(said.changed, IsEmpty());
    }
  });
}

TEST_P(Mutation, ASpanThatTakesLongerIsWhereTheTimeWent) {
  each_round(false, [&](const Node& before, const Paths& ways) {
    Node after = before;
    Node& slow = node_at(after, any_of(ways));
    const uint64_t more = 1 + below(10'000);
    slow.work += more;
    const Said said = said_of(before, after);
    EXPECT_EQ(said.contributions, (std::map<std::string, int64_t>{{slow.name, static_cast<int64_t>(more)}}));
    EXPECT_TRUE(said.added.empty() && said.removed.empty() && said.moved.empty() && said.changed.empty());
  });
}

TEST_P(Mutation, ACallMadeMoreOftenIsWhatChanged) {
  each_round(false, [&](const Node& before, const Paths& ways) {
    if (ways.size() < 2) return;
    Node after = before;
    const auto [above, index] = parent_of(any_call(ways));
    auto& calls = node_at(after, above).calls;
    const Node repeated = calls[index];
    const size_t more = 1 + below(24);
    calls.insert(calls.begin() + static_cast<std::ptrdiff_t>(index), more, repeated);
    const Trace a(before), b(after);
    const TraceDiff found = diff(a.view(), b.view());
    const Said said = said_of(found, a, b);
    EXPECT_THAT(said.changed, ElementsAre(repeated.name));
    EXPECT_TRUE(said.added.empty() && said.removed.empty() && said.moved.empty());
    for (const CallDiff& row : found.rows)
      if (row.change == Change::kChanged) {
        EXPECT_EQ(row.left->count, 1u);
        EXPECT_EQ(row.right->count, 1 + more);
        EXPECT_FALSE(row.other_status);
      }
  });
}

TEST_P(Mutation, ASpanThatFailsIsWhatChanged) {
  each_round(true, [&](const Node& before, const Paths& ways) {
    Node after = before;
    Node& bad = node_at(after, any_of(ways));
    bad.status = model::StatusCode::kError;
    const Said said = said_of(before, after);
    EXPECT_THAT(said.changed, ElementsAre(bad.name));
    EXPECT_TRUE(said.added.empty() && said.removed.empty() && said.moved.empty());
  });
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomTrees, ::testing::Range(0, 3));
INSTANTIATE_TEST_SUITE_P(Seeds, Mutation, ::testing::Range(0, 3));

}  // namespace
}  // namespace testmesh::trace_diff
