// Flows that give way to others: who goes, what is remembered, and that every
// trace is counted exactly once whatever happens.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <random>

#include "discovery/flow_book.h"

namespace testmesh::discovery {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kNoon = 1'790'000'000 * kSecond;
using Documents = std::map<std::string, std::string>;

model::TraceId trace_id(uint64_t number) {
  model::TraceId id;
  id.bytes[0] = 1;
  for (size_t i = 0; i < 8; ++i) id.bytes[15 - i] = static_cast<uint8_t>(number >> 8 * i);
  return id;
}

const FlowIdentity* intern(FlowCatalog& catalog, const std::string& name) {
  return catalog.intern({"", "shop", "GET /" + name},
                        {{model::NodeType::kApiEndpoint, "GET /" + name, "shop"}}, {{-1, 0, true}});
}

FlowMatch match_of(const FlowIdentity* flow, uint64_t start = kNoon) {
  FlowMatch match{
      .flow = flow, .entry = 0, .start = start, .duration_ns = 1000, .visits = {}, .retries = {0}};
  match.visits.push_back({.span = 0, .node = 0, .error = false, .duration_ns = 1000, .self_ns = 1000});
  return match;
}

FlowQuery everything() {
  FlowQuery query;
  query.limit = 1000;
  return query;
}

void save(FlowBook& book, Documents& documents) {
  book.take_dirty(kNoon, 30, [&](std::string_view key, std::optional<std::string_view> value) {
    if (value) {
      documents[std::string(key)] = *value;
    } else {
      documents.erase(std::string(key));
    }
  });
}

class FlowLimit : public testing::Test {
 protected:
  void add(const std::string& name, uint64_t start = kNoon, TraceClass trace_class = TraceClass::kWhole) {
    book_.add(trace_id(++next_), trace_class, match_of(intern(catalog_, name), start));
  }
  std::vector<std::string> names() {
    book_.settle();
    const FlowBook* books[] = {&book_};
    std::vector<std::string> found;
    const auto page = list_flows(books, catalog_, everything());
    EXPECT_TRUE(page);
    for (const FlowSummary& flow : page->flows) found.push_back(flow.flow->family.entry_operation.substr(5));
    std::ranges::sort(found);
    return found;
  }
  BookTotals totals() {
    book_.settle();
    const FlowBook* books[] = {&book_};
    return book_totals(books, catalog_);
  }

  FlowCatalog catalog_{8};
  FlowBook book_{catalog_};
  Documents saved_;
  uint64_t next_ = 0;
};

TEST_F(FlowLimit, WhatFitsStays) {
  for (const char* name : {"a", "b", "c", "d", "e", "f", "g", "h"}) add(name);
  EXPECT_EQ(names().size(), 8u);
  EXPECT_EQ(totals().dropped.flows, 0u);
  EXPECT_EQ(catalog_.epoch(), 0u);
}

TEST_F(FlowLimit, TheRarestGiveWayAndOfTheseTheLongestUnseen) {
  for (const char* name : {"a", "b", "c", "d", "e", "f", "g", "h"}) add(name, kNoon);
  add("a", kNoon);
  add("c", kNoon + 2 * kSecond);
  add("b", kNoon + kSecond);
  add("i");
  EXPECT_THAT(names(), ElementsAre("a", "b", "c", "e", "f", "g", "h", "i"));
  EXPECT_EQ(totals().dropped.flows, 1u);
  EXPECT_EQ(totals().dropped.traces, 1u);
}

TEST_F(FlowLimit, FrequentFlowsOutliveAnyNumberOfOneOffPaths) {
  for (int i = 0; i < 5; ++i) add("frequent");
  for (int i = 0; i < 1000; ++i) add("one-off " + std::to_string(i));
  EXPECT_THAT(names(), Contains("frequent"));
  EXPECT_LE(names().size(), 8u);
  EXPECT_EQ(totals().occurrences + totals().dropped.traces, 1005u);
  EXPECT_EQ(totals().flows + totals().dropped.flows, 1001u);
  EXPECT_EQ(catalog_.size(), names().size());
}

TEST_F(FlowLimit, TheNewestAreNotTheOnesToGo) {
  for (const char* name : {"a", "b", "c", "d", "e", "f", "g"})
    for (int i = 0; i < 2; ++i) add(name);
  add("young");
  add("younger");
  EXPECT_THAT(names(), Not(Contains("a")));
  EXPECT_THAT(names(), Contains("young"));
}

TEST_F(FlowLimit, APathThatComesAgainIsANewFlow) {
  add("a");
  for (int i = 0; i < 20; ++i) add("one-off " + std::to_string(i));
  EXPECT_THAT(names(), Not(Contains("a")));
  add("a");
  EXPECT_THAT(names(), Contains("a"));
  const FlowBook* books[] = {&book_};
  EXPECT_EQ(flow_detail(books, catalog_, intern(catalog_, "a")->id)->summary.occurrence_count, 1u);
}

TEST_F(FlowLimit, ATraceThatLeavesTakesFromTheFlowItCountedIn) {
  const uint64_t first_born = book_.born(intern(catalog_, "a"));
  add("a");
  for (int i = 0; i < 20; ++i) add("one-off " + std::to_string(i));
  add("a");
  add("a");
  const BookTotals before = totals();
  book_.remove(trace_id(1), TraceClass::kWhole, match_of(intern(catalog_, "a")), first_born);
  EXPECT_EQ(totals().dropped.traces, before.dropped.traces - 1);
  EXPECT_EQ(totals().occurrences, before.occurrences);
  book_.remove(trace_id(next_), TraceClass::kWhole, match_of(intern(catalog_, "a")),
               book_.born(intern(catalog_, "a")));
  EXPECT_EQ(totals().dropped.traces, before.dropped.traces - 1);
  EXPECT_EQ(totals().occurrences, before.occurrences - 1);
  EXPECT_EQ(book_.mismatched_removals(), 0u);
}

TEST_F(FlowLimit, PartialAndTestTracesOfAFlowThatGaveWayAreRemembered) {
  add("a");
  add("a", kNoon, TraceClass::kPartial);
  add("a", kNoon, TraceClass::kTest);
  add("homeless", kNoon, TraceClass::kPartial);
  for (int i = 0; i < 40; ++i)
    for (int n = 0; n < 3; ++n) add("other " + std::to_string(i));
  EXPECT_EQ(totals().occurrences + totals().partial + totals().dropped.traces, 123u);
  EXPECT_EQ(totals().test, 1u);
  EXPECT_EQ(totals().dropped.tests, 1u);
  EXPECT_EQ(totals().partial, 0u);
}

TEST_F(FlowLimit, ItsDocumentsGoWithIt) {
  Documents documents;
  add("a");
  save(book_, documents);
  EXPECT_EQ(documents.size(), 2u);
  for (int i = 0; i < 100; ++i) add("one-off " + std::to_string(i));
  save(book_, documents);
  EXPECT_EQ(documents.size(), 2 * names().size() + 1);
  EXPECT_TRUE(documents.contains("dropped"));
  FlowCatalog catalog(8);
  FlowBook again(catalog);
  for (const auto& [key, value] : documents) ASSERT_TRUE(again.load(catalog, key, value)) << key;
  EXPECT_EQ(again.dropped().traces, book_.dropped().traces);
  EXPECT_EQ(again.dropped().flows, book_.dropped().flows);
  const FlowBook* books[] = {&again};
  EXPECT_EQ(book_totals(books, catalog).occurrences, totals().occurrences);
}

TEST_F(FlowLimit, OnlyANewFlowMakesRoom) {
  for (int i = 0; i < 8; ++i) add("flow " + std::to_string(i));
  Documents documents;
  save(book_, documents);
  FlowCatalog smaller(4);
  FlowBook again(smaller);
  for (const auto& [key, value] : documents) ASSERT_TRUE(again.load(smaller, key, value)) << key;
  for (int i = 0; i < 8; ++i) intern(smaller, "flow " + std::to_string(i));
  EXPECT_EQ(smaller.size(), 8u);
  EXPECT_EQ(smaller.epoch(), 0u);
  intern(smaller, "new");
  EXPECT_EQ(smaller.size(), 4u);
}

// As other shards do at any moment.
TEST_F(FlowLimit, WhatGivesWayWhileABookIsSavedIsSavedWithTheNextBatch) {
  for (int i = 0; i < 20; ++i) add("one-off " + std::to_string(i));
  for (int batch = 0; batch < 3; ++batch) {
    Documents documents;
    int others = 0;
    uint64_t met = 0;
    if (batch > 0) {  // so that there is something to forget, and to write
      for (const auto& [key, value] : saved_) documents[key] = value;
      for (int i = 0; i < 20; ++i) add("more " + std::to_string(batch) + " " + std::to_string(i));
    }
    book_.take_dirty(kNoon, 30, [&](std::string_view key, std::optional<std::string_view> value) {
      if (value) {
        documents[std::string(key)] = *value;
      } else {
        documents.erase(std::string(key));
      }
      const uint64_t before = catalog_.epoch();
      while (catalog_.epoch() == before)
        intern(catalog_, "other shard " + std::to_string(batch) + " " + std::to_string(++others));
      ++met;
    });
    EXPECT_GT(met, 1u);
    FlowCatalog catalog;
    FlowBook again(catalog);
    for (const auto& [key, value] : documents) ASSERT_TRUE(again.load(catalog, key, value)) << key;
    const FlowBook* books[] = {&again};
    const BookTotals read = book_totals(books, catalog);
    EXPECT_EQ(read.occurrences + read.dropped.traces, next_);
    EXPECT_EQ(read.flows + read.dropped.flows, next_);
    saved_ = documents;
  }
}

TEST_F(FlowLimit, AFlowThatGivesWayBeforeItsFirstCountIsCountedOnce) {
  const auto early = FlowCatalog::share(intern(catalog_, "early"));
  const auto partial = FlowCatalog::share(intern(catalog_, "partial"));
  FlowBook other(catalog_);
  for (int i = 0; i < 20; ++i) add("one-off " + std::to_string(i));
  ASSERT_TRUE(early->given_way && partial->given_way);
  book_.add(trace_id(100), TraceClass::kWhole, match_of(early.get()));
  other.add(trace_id(101), TraceClass::kWhole, match_of(early.get()));
  other.add(trace_id(102), TraceClass::kPartial, match_of(partial.get()));
  other.settle();
  EXPECT_EQ(totals().flows + totals().dropped.flows + other.dropped().flows, 21u);
  EXPECT_EQ(totals().occurrences + totals().dropped.traces + other.dropped().traces, 23u);
}

TEST_F(FlowLimit, DamagedCountsAreRefused) {
  FlowBook other(catalog_);
  using namespace std::string_view_literals;
  for (const std::string_view bad : {""sv, "\1"sv, "\1\1\1\1"sv, "\1\1\1\1\1\1"sv, "\0\1\1\1\1"sv,
                                     "\1\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\1\1"sv})
    EXPECT_FALSE(other.load(catalog_, "dropped", bad)) << testing::PrintToString(bad);
  EXPECT_THAT(other.load(catalog_, "dropped", "\2\1\1\1\1").error().message,
              testing::HasSubstr("has version 2, this program reads up to version 1"));
  EXPECT_TRUE(other.load(catalog_, "dropped", "\1\1\2\3\4"));
}

TEST_F(FlowLimit, NamesThatBecameOthersGoWithTheirSurvivor) {
  add("a");
  add("b");
  const auto a = FlowCatalog::share(intern(catalog_, "a"));
  catalog_.rename("shop", [](const model::PathNode&) { return std::string("GET /:param"); });
  for (int i = 0; i < 3; ++i) add("c");
  EXPECT_EQ(catalog_.aliases(catalog_.resolve(a.get()).flow).size(), 2u);
  for (int i = 0; i < 40; ++i)
    for (int n = 0; n < 5; ++n) add("other " + std::to_string(i));
  EXPECT_TRUE(a->given_way);
  EXPECT_EQ(catalog_.find(a->id), nullptr);
  EXPECT_EQ(totals().occurrences + totals().dropped.traces, 205u);
  Documents documents;
  catalog_.take_dirty([&](std::string_view key, std::optional<std::string_view> value) {
    EXPECT_FALSE(value) << key;
    documents[std::string(key)] = "";
  });
  EXPECT_TRUE(documents.contains("alias/" + a->id.to_string()));
}

TEST_F(FlowLimit, TheFamilyThatExplodesIsNamed) {
  for (int i = 0; i < 100; ++i) {
    const std::string name = "db" + std::to_string(i);
    book_.add(trace_id(++next_), TraceClass::kWhole,
              match_of(catalog_.intern({"", "shop", "GET /orders"},
                                       {{model::NodeType::kDatabase, name, "shop"}}, {{-1, 0, false}})));
  }
  const FlowOverflow overflow = catalog_.take_overflow();
  EXPECT_EQ(overflow.family.entry_operation, "GET /orders");
  EXPECT_EQ(overflow.flows, totals().dropped.flows);
  EXPECT_EQ(catalog_.take_overflow().flows, 0u);
}

TEST_F(FlowLimit, AnIdentityLivesWhileAnybodyMayUseIt) {
  const std::weak_ptr<const FlowIdentity> a = FlowCatalog::share(intern(catalog_, "a"));
  FlowBook slow(catalog_);
  for (int i = 0; i < 20; ++i) add("one-off " + std::to_string(i));
  book_.settle();
  EXPECT_FALSE(a.expired());  // `slow` has not looked yet
  slow.settle();
  EXPECT_TRUE(a.expired());
}

// ---- at random

struct Counted {
  std::string name;
  TraceClass trace_class;
  uint64_t start, born;
  bool dropped = false;                          // as last saved
  std::shared_ptr<const FlowIdentity> identity;  // it was counted in

  bool gave_way() const { return dropped || identity->given_way; }
};
using Traces = std::map<uint64_t, Counted>;

// Two books over one catalog, each with its traces, documents and what they
// were when it was last saved.
class FlowLimitAtRandom : public testing::TestWithParam<int> {
 protected:
  struct Shard {
    std::unique_ptr<FlowBook> book;
    Traces traces, saved_traces;
    Documents documents;
  };

  uint64_t below(uint64_t n) { return random_() % n; }

  void start() {
    for (Shard& shard : shards_) shard.book.reset();
    catalog_ = std::make_unique<FlowCatalog>(max_flows_);
    for (Shard& shard : shards_) {
      shard.book = std::make_unique<FlowBook>(*catalog_);
      for (const auto& [key, value] : shard.documents)
        ASSERT_TRUE(shard.book->load(*catalog_, key, value)) << key;
    }
    for (Shard& shard : shards_) {
      shard.traces = shard.saved_traces;
      for (auto& [id, trace] : shard.traces)
        if (!trace.dropped) trace.identity = FlowCatalog::share(intern(*catalog_, trace.name));
    }
    intern(*catalog_, "other shard " + std::to_string(++others_));  // what was loaded may be too much
  }
  void save(Shard& shard) {
    discovery::save(*shard.book, shard.documents);
    for (auto& [id, trace] : shard.traces) trace.dropped = trace.gave_way();
    shard.saved_traces = shard.traces;
  }
  void add(Shard& shard) {
    Counted trace{.name = below(3) ? "usual " + std::to_string(below(2 * max_flows_))
                                   : "one-off " + std::to_string(next_),
                  .trace_class = below(5) ? TraceClass::kWhole : TraceClass::kPartial,
                  .start = kNoon + below(1000) * kSecond,
                  .born = 0,
                  .identity = nullptr};
    const FlowIdentity* flow = intern(*catalog_, trace.name);
    trace.identity = FlowCatalog::share(flow);
    trace.born = shard.book->born(flow);
    for (uint64_t i = below(2); i > 0; --i) intern(*catalog_, "other shard " + std::to_string(++others_));
    shard.book->add(trace_id(next_), trace.trace_class, match_of(flow, trace.start));
    shard.traces[next_++] = trace;
  }
  void remove(Shard& shard) {
    if (shard.traces.empty()) return;
    const auto trace =
        std::next(shard.traces.begin(), static_cast<std::ptrdiff_t>(below(shard.traces.size())));
    const Counted& counted = trace->second;
    shard.book->remove(trace_id(trace->first), counted.trace_class,
                       match_of(intern(*catalog_, counted.name), counted.start), counted.born);
    shard.traces.erase(trace);
  }
  void check() {
    std::map<std::string, uint64_t> whole, all, found;
    uint64_t dropped = 0, partial = 0;
    std::vector<const FlowBook*> books;
    for (Shard& shard : shards_) {
      shard.book->settle();
      books.push_back(shard.book.get());
      ASSERT_EQ(shard.book->mismatched_removals(), 0u);
      for (const auto& [id, trace] : shard.traces) {
        dropped += trace.gave_way();
        if (trace.gave_way()) continue;
        ++all[trace.name];
        if (trace.trace_class == TraceClass::kWhole) ++whole[trace.name];
      }
    }
    for (auto it = all.begin(); it != all.end();) {
      if (!whole.contains(it->first)) {
        partial += it->second;
        it = all.erase(it);
      } else {
        ++it;
      }
    }
    const auto page = list_flows(books, *catalog_, everything());
    ASSERT_TRUE(page);
    for (const FlowSummary& flow : page->flows)
      found[flow.flow->family.entry_operation.substr(5)] = flow.occurrence_count;
    ASSERT_EQ(found, all);
    ASSERT_EQ(page->partial_traces, partial);
    ASSERT_EQ(page->dropped_traces, dropped);
    ASSERT_LE(catalog_->size(), max_flows_);
  }

  std::mt19937_64 random_;
  size_t max_flows_ = 0;
  std::unique_ptr<FlowCatalog> catalog_;
  Shard shards_[2];
  uint64_t next_ = 0, others_ = 0;
};

TEST_P(FlowLimitAtRandom, EveryTraceIsInTheFlowItCountedInOrAmongTheDropped) {
  const char* given = std::getenv("TESTMESH_SEED");
  const uint64_t seed =
      given ? std::strtoull(given, nullptr, 10) : std::random_device()() + static_cast<uint64_t>(GetParam());
  SCOPED_TRACE("seed " + std::to_string(seed) + " (repeat with TESTMESH_SEED)");
  random_.seed(seed);
  max_flows_ = 2 + below(40);
  start();
  const uint64_t restarts = below(2) ? 0 : 40;
  for (int step = 0; step < 1500; ++step) {
    Shard& shard = shards_[below(2)];
    switch (below(10)) {
      case 0:
      case 1:
      case 2:
        remove(shard);
        break;
      case 3:
        if (below(8) == 0) save(shard);
        break;
      case 4:
        if (restarts > 0 && below(restarts) == 0) start();  // each from its last checkpoint
        break;
      default:
        add(shard);
    }
    if (HasFatalFailure()) return;
    if (step % 8 == 0) check();
    if (HasFatalFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Runs, FlowLimitAtRandom, testing::Range(0, 20));

}  // namespace
}  // namespace testmesh::discovery
