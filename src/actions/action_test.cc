#include "actions/action.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "actions/propagation.h"

namespace testmesh::actions {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

const TraceContext kContext{.trace_id = *model::TraceId::parse("0af7651916cd43dd8448eb211c80319c"),
                            .span_id = *model::SpanId::parse("b7ad6b7169203331"),
                            .trace_state = "a=1",
                            .baggage = "k=v"};
constexpr std::string_view kParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
constexpr std::string_view kOther = "00-11111111111111111111111111111111-2222222222222222-00";

TEST(Traceparent, IsWrittenAndRead) {
  EXPECT_EQ(traceparent(kContext), kParent);
  const auto read = parse_traceparent(kParent);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->trace_id, kContext.trace_id);
  EXPECT_EQ(read->span_id, kContext.span_id);
  EXPECT_TRUE(parse_traceparent("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more"));
  for (const std::string_view bad : {"", "00", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
                                     "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                                     "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                                     "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
                                     "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                                     "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0x",
                                     "00-0af7651916cd43dd8448eb211c80319cb7ad6b7169203331---01"})
    EXPECT_FALSE(parse_traceparent(bad)) << bad;
}

TEST(Propagation, SendsTheContextUnlessTheAuthorDid) {
  EXPECT_THAT(propagate(kContext, {{"Accept", "x"}}).headers,
              ElementsAre(Pair("traceparent", kParent), Pair("tracestate", "a=1"), Pair("baggage", "k=v")));
  const Propagation own = propagate(kContext, {{"TraceParent", std::string(kOther)}, {"tracestate", "z=9"}});
  EXPECT_THAT(own.headers, ElementsAre(Pair("baggage", "k=v")));
  ASSERT_EQ(own.links.size(), 1u);
  EXPECT_EQ(own.links[0].trace_id.to_hex(), "11111111111111111111111111111111");
  EXPECT_EQ(own.links[0].span_id.to_hex(), "2222222222222222");
  EXPECT_EQ(own.links[0].trace_state, "z=9");
  const Propagation unreadable = propagate(kContext, {{"traceparent", "nonsense"}});
  EXPECT_THAT(unreadable.links, IsEmpty());
  EXPECT_THAT(unreadable.headers, ElementsAre(Pair("baggage", "k=v")));
  EXPECT_THAT(propagate(kContext, {{"Baggage", "own"}}).headers,
              ElementsAre(Pair("traceparent", kParent), Pair("tracestate", "a=1")));
  EXPECT_THAT(propagate({.trace_id = kContext.trace_id, .span_id = kContext.span_id}, {}).headers,
              ElementsAre(Pair("traceparent", kParent)));
}

TEST(ConnectionPool, KeepsOneObjectPerType) {
  struct First {
    int count = 0;
  };
  struct Second {
    int count = 0;
  };
  ConnectionPool pool;
  pool.get<First>().count = 7;
  EXPECT_EQ(pool.get<First>().count, 7);
  EXPECT_EQ(pool.get<Second>().count, 0);
  ConnectionPool other;
  EXPECT_EQ(other.get<First>().count, 0);
}

TEST(Registry, FindsActionsByName) {
  for (const Action* action : all_actions()) EXPECT_EQ(find_action(action->name()), action);
  EXPECT_EQ(find_action("no_such_action"), nullptr);
}

}  // namespace
}  // namespace testmesh::actions
