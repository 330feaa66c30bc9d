#include "trace_diff/trace_diff.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "trace_diff/trace_fixture.h"

namespace testmesh::trace_diff {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// "~ shop pay 1→3" and so on, indented by depth; moved calls say why.
std::vector<std::string> lines_of(const TraceDiff& diff, const Trace& left, const Trace& right) {
  std::vector<std::string> lines;
  for (const CallDiff& row : diff.rows) {
    const char mark = " +->~"[static_cast<size_t>(row.change)];
    std::string line = std::string(2 * size_t{row.depth}, ' ') + mark + ' ' +
                       (row.right ? right.name(row.right->span) : left.name(row.left->span));
    if (row.other_count) line += fmt::format(" {}→{}", row.left->count, row.right->count);
    if (row.other_status)
      line += fmt::format(" status {}→{}", static_cast<int>(row.left->status),
                          static_cast<int>(row.right->status));
    if (row.other_order) line += " order";
    if (row.other_parent)
      line += " from " + (row.left_parent ? left.name(*row.left_parent) : std::string("the top"));
    lines.push_back(line);
  }
  return lines;
}

std::vector<std::string> lines_of(const Node& left, const Node& right) {
  const Trace a(left), b(right);
  return lines_of(diff(a.view(), b.view()), a, b);
}

const Node kPay = call("shop pay", {call("bank charge", {call("bank insert")})});

TEST(TraceDiff, OfATraceWithItselfIsAllTheSame) {
  const Node order = call("shop order", {call("cart get"), kPay, call("mail send")});
  EXPECT_THAT(lines_of(order, order),
              ElementsAre("  shop order", "    cart get", "    shop pay", "      bank charge",
                          "        bank insert", "    mail send"));
}

TEST(TraceDiff, ShowsACallThatWasAddedWithWhatItCalls) {
  EXPECT_THAT(lines_of(call("shop order", {call("cart get"), call("mail send")}),
                       call("shop order", {call("cart get"), kPay, call("mail send")})),
              ElementsAre("  shop order", "    cart get", "  + shop pay", "    + bank charge",
                          "      + bank insert", "    mail send"));
}

TEST(TraceDiff, ShowsACallThatWasRemovedWhereItWas) {
  EXPECT_THAT(lines_of(call("shop order", {call("cart get"), kPay, call("mail send")}),
                       call("shop order", {call("cart get"), call("mail send")})),
              ElementsAre("  shop order", "    cart get", "  - shop pay", "    - bank charge",
                          "      - bank insert", "    mail send"));
  EXPECT_THAT(lines_of(call("shop order", {kPay}), call("shop order")),
              ElementsAre("  shop order", "  - shop pay", "    - bank charge", "      - bank insert"));
}

TEST(TraceDiff, ShowsACallThatMovedBelowAnotherParent) {
  EXPECT_THAT(lines_of(call("shop order", {call("cart get", {kPay}), call("mail send")}),
                       call("shop order", {call("cart get"), call("mail send", {kPay})})),
              ElementsAre("  shop order", "    cart get", "    mail send", "    > shop pay from cart get",
                          "        bank charge", "          bank insert"));
}

TEST(TraceDiff, ShowsACallThatChangedPlaceWithOthersBehindIt) {
  EXPECT_THAT(lines_of(call("shop order", {kPay, call("cart get"), call("mail send")}),
                       call("shop order", {call("cart get"), call("mail send"), kPay})),
              ElementsAre("  shop order", "    cart get", "    mail send", "  > shop pay order",
                          "      bank charge", "        bank insert"));
}

TEST(TraceDiff, ConcurrentCallsHaveNoOrder) {
  const Node a = lasting(50, call("cart get")), b = lasting(50, call("user get"));
  EXPECT_THAT(lines_of(call("shop order", {at(1, a), at(2, b)}), call("shop order", {at(1, b), at(2, a)})),
              ElementsAre("  shop order", "    user get", "    cart get"));
  EXPECT_THAT(lines_of(call("shop order", {at(1, a), at(2, b)}), call("shop order", {at(1, b), at(60, a)})),
              ElementsAre("  shop order", "    user get", "    cart get"))
      << "concurrent in one of the two is enough";
  EXPECT_THAT(lines_of(call("shop order", {at(1, a), at(60, b)}), call("shop order", {at(1, b), at(60, a)})),
              ElementsAre("  shop order", "  > user get order", "    cart get"));
}

TEST(TraceDiff, ConsumersRunWhenTheyLike) {
  Node consumer = call("mail receive");
  consumer.kind = model::SpanKind::kConsumer;
  EXPECT_THAT(lines_of(call("shop order", {call("cart get"), consumer}),
                       call("shop order", {consumer, call("cart get")})),
              ElementsAre("  shop order", "    cart get", "    mail receive"));
}

TEST(TraceDiff, ALoopIsOneCallMadeSeveralTimes) {
  const Node query = call("shop SELECT");
  EXPECT_THAT(lines_of(call("shop order", {query}), call("shop order", std::vector<Node>(25, query))),
              ElementsAre("  shop order", "  ~ shop SELECT 1→25"));
  EXPECT_THAT(lines_of(call("shop order", {query, query}), call("shop order", {query, query})),
              ElementsAre("  shop order", "    shop SELECT"));
}

TEST(TraceDiff, WhatALoopCallsIsNotSaidAgain) {
  const auto times = [](size_t count) { return call("shop order", std::vector<Node>(count, kPay)); };
  EXPECT_THAT(lines_of(times(3), times(5)),
              ElementsAre("  shop order", "  ~ shop pay 3→5", "      bank charge", "        bank insert"));
  const Node twice = call("shop pay", {call("bank charge"), call("bank charge")});
  const Node once = call("shop pay", {call("bank charge")});
  EXPECT_THAT(lines_of(call("shop order", {once, once}), call("shop order", {twice, twice})),
              ElementsAre("  shop order", "    shop pay", "    ~ bank charge 2→4"));
}

TEST(TraceDiff, EqualCallsAreOneLoopWhateverStandsBetweenThem) {
  const Node a = call("a x"), b = call("b y");
  EXPECT_THAT(lines_of(call("shop order", {a, b, a, b}), call("shop order", {a, b})),
              ElementsAre("  shop order", "  ~ a x 2→1", "  ~ b y 2→1"));
}

TEST(TraceDiff, AnotherStatusIsAChange) {
  EXPECT_THAT(lines_of(call("shop order", {call("cart get")}),
                       failed(call("shop order", {failed(call("cart get"))}))),
              ElementsAre("~ shop order status 0→2", "  ~ cart get status 0→2"));
  const Node ok = call("cart get"), bad = failed(call("cart get"));
  EXPECT_THAT(lines_of(call("shop order", {bad, ok}), call("shop order", {bad, bad})),
              ElementsAre("  shop order", "  ~ cart get status 2→2"))
      << "one of two, two of two";
  EXPECT_THAT(lines_of(call("shop order", {bad, ok}), call("shop order", {bad, ok, bad, ok})),
              ElementsAre("  shop order", "  ~ cart get 2→4"))
      << "half of them in both";
}

TEST(TraceDiff, OfCallsWithOneNameThoseThatCallTheSameBelongTogether) {
  const Node get_a = call("web GET", {call("a read")}), get_b = call("web GET", {call("b read")});
  EXPECT_THAT(lines_of(call("web page", {get_a, get_b}), call("web page", {get_b})),
              ElementsAre("  web page", "  - web GET", "    - a read", "    web GET", "      b read"));
  EXPECT_THAT(lines_of(call("web page", {get_a, get_b}), call("web page", {get_b, get_a})),
              ElementsAre("  web page", "  > web GET order", "      b read", "    web GET", "      a read"));
}

TEST(TraceDiff, OfCallsWithOneNameTheMostAlikeBelongTogether) {
  const Node full = call("web GET", {call("a read"), call("b read"), call("c read")});
  const Node less = call("web GET", {call("a read"), call("b read")});
  const Node other = call("web GET", {call("x read"), call("y read")});
  EXPECT_THAT(lines_of(call("web page", {full, other}), call("web page", {other, less})),
              ElementsAre("  web page", "    web GET", "      x read", "      y read", "  > web GET order",
                          "      a read", "      b read", "    - c read"));
}

TEST(TraceDiff, ACallThatCallsSomethingElseIsStillTheSameCall) {
  EXPECT_THAT(lines_of(call("web page", {call("web GET", {call("a read")})}),
                       call("web page", {call("web GET", {call("b read")})})),
              ElementsAre("  web page", "    web GET", "    - a read", "    + b read"));
  EXPECT_THAT(
      lines_of(call("web page", {call("web GET")}), call("web page", {call("web GET", {call("a read")})})),
      ElementsAre("  web page", "    web GET", "    + a read"));
}

TEST(TraceDiff, ALayerBetweenMovesWhatIsBelowIt) {
  EXPECT_THAT(lines_of(call("shop order", {kPay}), call("shop order", {call("shop guard", {kPay})})),
              ElementsAre("  shop order", "  + shop guard", "    > shop pay from shop order",
                          "        bank charge", "          bank insert"));
  EXPECT_THAT(lines_of(call("shop order", {call("shop guard", {kPay})}), call("shop order", {kPay})),
              ElementsAre("  shop order", "  - shop guard", "  > shop pay from shop guard",
                          "      bank charge", "        bank insert"));
}

TEST(TraceDiff, WhatMovedMayHaveChangedInside) {
  const Node big = call("shop pay", {call("a x"), call("b x"), call("c x")});
  const Node less = call("shop pay", {call("a x"), call("b x")});
  EXPECT_THAT(lines_of(call("shop order", {big}), call("shop order", {call("shop guard", {less})})),
              ElementsAre("  shop order", "  + shop guard", "    > shop pay from shop order", "        a x",
                          "        b x", "      - c x"));
}

TEST(TraceDiff, TwoTracesWithNothingInCommon) {
  EXPECT_THAT(lines_of(call("a x", {call("a y")}), call("b x")), ElementsAre("- a x", "  - a y", "+ b x"));
}

TEST(TraceDiff, OtherEntriesMayShareWhatTheyCall) {
  EXPECT_THAT(lines_of(call("web home", {kPay}), call("web cart", {kPay})),
              ElementsAre("- web home", "+ web cart", "  > shop pay from web home", "      bank charge",
                          "        bank insert"));
}

TEST(TraceDiff, KindsMakeDifferentCalls) {
  Node client = call("shop pay");
  client.kind = model::SpanKind::kClient;
  EXPECT_THAT(lines_of(call("shop order", {call("shop pay")}), call("shop order", {client})),
              ElementsAre("  shop order", "  - shop pay", "  + shop pay"));
}

TEST(TraceDiff, SpansBesideTheEntryAreComparedToo) {
  Trace left(call("shop order", {call("cart get")})), right(call("shop order"));
  left.view().spans[1].parent = -1;  // its parent never arrived
  left.view().spans.push_back(left.view().spans[1]);
  EXPECT_THAT(lines_of(diff(left.view(), right.view()), left, right),
              ElementsAre("  shop order", "- cart get"));
  EXPECT_EQ(diff(left.view(), right.view()).rows[1].left->count, 2u);
  const Trace whole(call("shop order", {call("cart get")}));
  EXPECT_THAT(lines_of(diff(left.view(), whole.view()), left, whole),
              ElementsAre("  shop order", "  > cart get 2→1 from the top"));
}

TEST(TraceDiff, AnEmptyTraceIsNothing) {
  const Trace trace(call("shop order"));
  const TraceDiff added = diff({}, trace.view());
  EXPECT_EQ(added.summary.added, 1u);
  EXPECT_EQ(diff(trace.view(), {}).summary.removed, 1u);
  EXPECT_THAT(diff({}, {}).rows, IsEmpty());
}

TEST(TraceDiff, MeasuresEachSide) {
  const Node query = lasting(7, call("shop SELECT"));
  const Trace left(call("shop order", {query, query})),
      right(lasting(100, call("shop order", {lasting(20, query)})));
  const TraceDiff found = diff(left.view(), right.view());
  ASSERT_EQ(found.rows.size(), 2u);
  EXPECT_EQ(found.left_duration_ns, 24u);
  EXPECT_EQ(found.right_duration_ns, 120u);
  EXPECT_EQ(*found.rows[0].left, (CallSide{0, 1, 0, model::StatusCode::kUnset, 1001, 24, 10, 10}));
  EXPECT_EQ(*found.rows[1].left, (CallSide{1, 2, 0, model::StatusCode::kUnset, 1011, 14, 14, 14}));
  EXPECT_EQ(*found.rows[1].right, (CallSide{1, 1, 0, model::StatusCode::kUnset, 1101, 20, 20, 20}));
}

TEST(TraceDiff, SaysWhereTheDifferenceComesFrom) {
  const auto order = [](uint64_t pay, uint64_t mail) {
    return call("shop order",
                {at(10, lasting(300, call("cart get"))), at(11, lasting(20, call("user get"))),
                 at(400, lasting(pay, call("shop pay"))), at(2000, lasting(mail, call("mail send")))});
  };
  const Trace left(order(100, 50)), right(order(900, 20));
  const TraceDiff found = diff(left.view(), right.view());
  EXPECT_EQ(found.summary.same, found.rows.size()) << "time makes no call another one";
  std::vector<std::string> shares;
  for (const uint32_t row : found.contributions)
    shares.push_back(fmt::format("{} {}", right.name(found.rows[row].right->span),
                                 static_cast<int64_t>(found.rows[row].right_critical_ns()) -
                                     static_cast<int64_t>(found.rows[row].left_critical_ns())));
  EXPECT_THAT(shares, ElementsAre("shop order -800", "shop pay 800", "mail send -30"));
}

TEST(TraceDiff, TimesOfTheWholeRangeAreNoTrouble) {
  Trace left(call("shop order", {call("cart get")})), right(call("shop order"));
  for (SpanView& span : left.view().spans) span.start = 0, span.end = UINT64_MAX;
  left.view().spans.push_back(left.view().spans[1]);
  const TraceDiff found = diff(left.view(), right.view());
  EXPECT_EQ(found.left_duration_ns, UINT64_MAX);
  EXPECT_EQ(found.rows[1].left->duration_ns, UINT64_MAX);
  EXPECT_EQ(found.rows[1].left->critical_ns, UINT64_MAX);
}

}  // namespace
}  // namespace testmesh::trace_diff
