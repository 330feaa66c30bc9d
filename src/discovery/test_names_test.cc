// Which tests exercise a flow: from the test trace to the flow's summary.
#include "discovery/analyzer_fixture.h"
#include "discovery/flow_book.h"
#include "discovery/names.h"

namespace testmesh::discovery {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class Tests : public testing::Test {
 protected:
  // A run of the named test at that time that calls GET /x; what it counted as.
  FlowMatch run(const std::string& test, uint64_t at) {
    Trace t;
    auto& entry = t.span("runner", kInternal, "testmesh.execution").ns(at, at + 10);
    entry.with("testmesh.execution.id", std::to_string(at)).with("testmesh.flow.name", test);
    t.server("shop", "GET", "/x").under(entry).ns(at, at + 10);
    return workspace_.analyze(t.spans).flows.at(0);
  }
  void call(uint64_t at) {
    Trace t;
    t.server("shop", "GET", "/x").ns(at, at + 10);
    book_.add(model::TraceId{{2}}, TraceClass::kWhole, workspace_.analyze(t.spans).flows.at(0));
  }
  void add(const std::string& test, uint64_t at) { add_to(book_, test, at); }
  void add_to(FlowBook& book, const std::string& test, uint64_t at) {
    book.add(model::TraceId{{1}}, TraceClass::kTest, run(test, at));
  }
  void remove(const std::string& test, uint64_t at) {
    book_.remove(model::TraceId{{1}}, TraceClass::kTest, run(test, at));
  }
  std::vector<std::string> tests() { return tests_of(workspace_.catalog, {&book_, &other_}); }
  static std::vector<std::string> tests_of(const FlowCatalog& catalog, std::vector<const FlowBook*> books) {
    const auto page = list_flows(books, catalog, {});
    if (!page || page->flows.size() != 1) return {"(no flow)"};
    EXPECT_EQ(flow_detail(books, catalog, page->flows[0].flow->id)->summary.tests, page->flows[0].tests);
    return page->flows[0].tests;
  }

  Workspace workspace_;
  FlowBook book_{workspace_.catalog}, other_{workspace_.catalog};
};

TEST_F(Tests, AFlowNamesThoseOfAllBooksInOrder) {
  call(1);
  EXPECT_THAT(tests(), IsEmpty());
  add("refund", 2);
  add("checkout", 3);
  add("checkout", 4);
  add_to(other_, "login", 5);
  add_to(other_, "refund", 6);
  EXPECT_THAT(tests(), ElementsAre("checkout", "login", "refund"));
}

TEST_F(Tests, ANameStaysUntilTheLastOfItsTracesIsTakenAway) {
  call(1);
  add("checkout", 2);
  add("checkout", 3);
  remove("checkout", 3);
  EXPECT_THAT(tests(), ElementsAre("checkout"));
  remove("checkout", 2);
  EXPECT_THAT(tests(), IsEmpty());
  EXPECT_EQ(book_.mismatched_removals(), 0u);
}

TEST_F(Tests, TheTenThatRanLastAreKept) {
  call(1);
  for (int i = 10; i < 30; ++i) add("test " + std::to_string(i), static_cast<uint64_t>(i));
  EXPECT_THAT(tests(), SizeIs(10));
  EXPECT_EQ(tests().front(), "test 20");
  add("test 11", 5);  // ran before all of them
  EXPECT_EQ(tests().front(), "test 20");
  remove("test 10", 10);  // forgotten
  EXPECT_THAT(tests(), SizeIs(10));
}

TEST_F(Tests, DocumentsKeepThem) {
  call(1);
  add("checkout", 2);
  add("checkout", 3);
  add("login", 4);
  Workspace after;
  FlowBook again(after.catalog);
  book_.take_dirty(5, 0, [&](std::string_view key, std::optional<std::string_view> value) {
    ASSERT_TRUE(again.load(after.catalog, key, value.value()));
  });
  EXPECT_THAT(tests_of(after.catalog, {&again}), ElementsAre("checkout", "login"));
}

TEST_F(Tests, WithoutAnAttributeTheEntrysNameIsTheTestsUnlessItIsTheGenericOne) {
  Trace t;
  auto& run = t.span("runner", kInternal, "testmesh.checkout 42");
  t.server("shop", "GET", "/x").under(run);
  EXPECT_EQ(t.analyze().flows.at(0).test_name, "testmesh.checkout :id");
  run.name("testmesh.execution");
  EXPECT_EQ(t.analyze().flows.at(0).test_name, "");
  run.with("testmesh.flow.name", "checkout");
  EXPECT_EQ(t.analyze().flows.at(0).test_name, "checkout");
}

TEST_F(Tests, AnOrdinaryTraceBelongsToNoTest) {
  Trace t;
  t.server("shop", "GET", "/x").with("testmesh.flow.name", "checkout");
  EXPECT_EQ(t.analyze().flows.at(0).test_name, "");
}

TEST_F(Tests, ALongNameIsCutBetweenCharacters) {
  const std::string long_name = std::string(199, 'x') + "\xc3\xa9" + "rest";
  Trace t;
  auto& run = t.span("runner", kInternal, "testmesh.execution").with("testmesh.flow.name", long_name);
  t.server("shop", "GET", "/x").under(run);
  EXPECT_EQ(t.analyze().flows.at(0).test_name, std::string(199, 'x'));
  EXPECT_EQ(test_name_of(std::string(300, '\x80')), "");  // no UTF-8 at all
  EXPECT_EQ(test_name_of(std::string(200, 'x')), std::string(200, 'x'));
}

TEST_F(Tests, OnlyTestSpansAreToldApartByIt) {
  SlotSet present;
  const auto name = static_cast<size_t>(Slot::kTestmeshFlowName);
  present.set(name);
  EXPECT_FALSE(relevant_slots(kServer, present, "GET /x").test(name));
  EXPECT_TRUE(relevant_slots(kServer, present, "testmesh.x").test(name));
  EXPECT_TRUE(relevant_slots(kServer, present).test(name));  // its name is not known
  present.set(static_cast<size_t>(Slot::kTestmeshExecutionId));
  EXPECT_TRUE(relevant_slots(kServer, present, "GET /x").test(name));
}

}  // namespace
}  // namespace testmesh::discovery
