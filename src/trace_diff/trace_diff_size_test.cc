// Traces as large and as badly shaped as they come. What these tests check is
// that the comparison ends, accounts for every span and needs no deep stack:
// anything quadratic would take minutes here.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "trace_diff/trace_fixture.h"

namespace testmesh::trace_diff {
namespace {

constexpr size_t kSpans = 100'000;

// Spans whose names live as long as the trace.
struct Wide {
  std::deque<std::string> names;
  TraceView view;
  void add(int64_t parent, std::string operation) {
    const std::string& name = names.emplace_back(std::move(operation));
    const base::UnixNanos start = 1 + view.spans.size();
    view.spans.push_back(
        {"shop", name, model::SpanKind::kInternal, model::StatusCode::kUnset, start, start + 1, parent});
  }
  void finish() {  // parents last until their children end
    for (size_t i = view.spans.size(); i-- > 1;)
      if (view.spans[i].parent >= 0) {
        SpanView& parent = view.spans[static_cast<size_t>(view.spans[i].parent)];
        parent.end = std::max(parent.end, view.spans[i].end);
      }
  }
};

// Every span is in one row, and the contributions are the whole difference.
void expect_accounted(const TraceDiff& diff, const TraceView& left, const TraceView& right) {
  uint64_t lefts = 0, rights = 0, left_critical = 0, right_critical = 0;
  for (const CallDiff& row : diff.rows) {
    if (row.left) lefts += row.left->count;
    if (row.right) rights += row.right->count;
    left_critical += row.left_critical_ns();
    right_critical += row.right_critical_ns();
  }
  EXPECT_EQ(lefts, left.spans.size());
  EXPECT_EQ(rights, right.spans.size());
  EXPECT_EQ(left_critical, diff.left_duration_ns);
  EXPECT_EQ(right_critical, diff.right_duration_ns);
}

TEST(TraceDiffSize, AChainAsDeepAsATraceCanBe) {
  Wide left, right;
  for (size_t i = 0; i < kSpans; ++i) {
    left.add(static_cast<int64_t>(i) - 1, i == kSpans / 2 ? "other" : "step");
    right.add(static_cast<int64_t>(i) - 1, "step");
  }
  left.finish(), right.finish();
  const TraceDiff found = diff(left.view, right.view);
  expect_accounted(found, left.view, right.view);
  EXPECT_TRUE(found.summary.differs());
  EXPECT_FALSE(diff(right.view, right.view).summary.differs());
}

TEST(TraceDiffSize, AsManyEqualChildrenAsATraceCanHave) {
  Wide left, right;
  left.add(-1, "loop"), right.add(-1, "loop");
  for (size_t i = 1; i < kSpans; ++i) {
    left.add(0, "SELECT");
    if (i % 2) right.add(0, "SELECT");
  }
  left.finish(), right.finish();
  const TraceDiff found = diff(left.view, right.view);
  ASSERT_EQ(found.rows.size(), 2u);
  EXPECT_EQ(found.rows[1].left->count, kSpans - 1);
  EXPECT_EQ(found.rows[1].right->count, kSpans / 2);
  expect_accounted(found, left.view, right.view);
}

// Children of one name, no two of which call the same: the worst for the
// alignment.
TEST(TraceDiffSize, AsManyDifferentChildrenOfOneName) {
  Wide left, right;
  left.add(-1, "fan out"), right.add(-1, "fan out");
  for (size_t i = 1; i < kSpans / 2; ++i) {
    const auto parent = static_cast<int64_t>(left.view.spans.size());
    left.add(0, "GET"), right.add(0, "GET");
    left.add(parent, fmt::format("left {}", i)), right.add(parent, fmt::format("right {}", i));
  }
  left.finish(), right.finish();
  const TraceDiff found = diff(left.view, right.view);
  EXPECT_TRUE(found.truncated);
  EXPECT_EQ(found.summary.same, kSpans / 2);
  expect_accounted(found, left.view, right.view);
  EXPECT_FALSE(diff(left.view, left.view).truncated) << "what looks equal is found without comparing";
}

// Leftovers of one name everywhere.
TEST(TraceDiffSize, AsManySubtreesThatMayHaveMoved) {
  Wide left, right;
  left.add(-1, "root"), right.add(-1, "root");
  for (size_t i = 1; i < kSpans / 3; ++i) {
    for (Wide* trace : {&left, &right}) {
      const auto at = static_cast<int64_t>(trace->view.spans.size());
      const char* side = trace == &left ? "left" : "right";
      trace->add(0, fmt::format("{} {}", side, i));
      trace->add(at, "GET");
      trace->add(at + 1, fmt::format("{} item {}", side, i));
    }
  }
  left.finish(), right.finish();
  expect_accounted(diff(left.view, right.view), left.view, right.view);
}

TEST(TraceDiffSize, RandomLargeTraces) {
  const unsigned seed = 20261130;
  std::mt19937_64 random(seed);
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  const auto make = [&](Wide& trace) {
    for (size_t i = 0; i < kSpans; ++i)
      trace.add(i == 0 ? -1 : static_cast<int64_t>(random() % i), fmt::format("step {}", random() % 40));
    trace.finish();
  };
  Wide left, right;
  make(left), make(right);
  expect_accounted(diff(left.view, right.view), left.view, right.view);
}

}  // namespace
}  // namespace testmesh::trace_diff
