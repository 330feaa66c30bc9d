#include <gmock/gmock.h>

#include "graph/import_testing.h"

namespace testmesh::graph {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr auto kCompose = ImportKind::kCompose;

TEST(ImportCompose, AServiceEachAndWhatItDependsOn) {
  const Import import = imported(kCompose, R"(
name: shop
services:
  web:
    image: "shop/web:${TAG:-latest}"
    depends_on: [api, cache]
  api:
    build: ./api
    depends_on:
      db: {condition: service_healthy}
  db: {image: postgres:15}
  cache:
    image: redis
)");
  EXPECT_EQ(import.service, "shop");
  EXPECT_THAT(import.warnings, IsEmpty());
  EXPECT_THAT(nodes_of(import.content),
              ElementsAre("service api", "service cache", "service db", "service web"));
  EXPECT_THAT(edges_of(import.content),
              ElementsAre("service api depends_on service db", "service web depends_on service api",
                          "service web depends_on service cache"));
  EXPECT_THAT(import.content.edges[0].properties, ElementsAre(Pair("condition", "\"service_healthy\"")));
  EXPECT_THAT(properties_of(import.content, "web"),
              ElementsAre(Pair("image", "\"shop/web:${TAG:-latest}\"")));
  EXPECT_THAT(properties_of(import.content, "api"), IsEmpty());
}

TEST(ImportCompose, LinksAreDependenciesToo) {
  const Import import = imported(kCompose, "services: {a: {links: [b, 'c:alias']}, b: {}, c: }");
  EXPECT_THAT(edges_of(import.content),
              ElementsAre("service a depends_on service b", "service a depends_on service c"));
}

TEST(ImportCompose, AnchorsAndMergesAreRead) {
  const Import import = imported(kCompose, R"(
x-base: &base {image: base, depends_on: [db]}
x-more: &more {image: more, links: [a]}
services:
  a: {<<: *base}
  b: {<<: [*base, *more], image: own}
  db: *more
)");
  EXPECT_THAT(properties_of(import.content, "a"), ElementsAre(Pair("image", "\"base\"")));
  EXPECT_THAT(properties_of(import.content, "b"), ElementsAre(Pair("image", "\"own\"")));
  EXPECT_THAT(edges_of(import.content),
              ElementsAre("service a depends_on service db", "service b depends_on service a",
                          "service b depends_on service db", "service db depends_on service a"));
}

TEST(ImportCompose, CyclesAreFine) {
  const Import import = imported(kCompose, "services: {a: {depends_on: [b]}, b: {depends_on: [a, b]}}");
  EXPECT_EQ(import.content.edges.size(), 3);
}

TEST(ImportCompose, WhatIsElsewhereIsSaidNotRead) {
  const Import import = imported(kCompose, R"(
include: [other.yaml]
services:
  a: {extends: {file: base.yaml, service: x}, profiles: [debug], depends_on: [elsewhere]}
)");
  EXPECT_THAT(import.warnings,
              ElementsAre(HasSubstr("line 2: `include` is not followed"), HasSubstr("line 4: `extends` of a"),
                          HasSubstr("a belongs to a profile"), HasSubstr("a depends on elsewhere")));
  EXPECT_THAT(nodes_of(import.content), ElementsAre("service a", "service elsewhere"));
}

TEST(ImportCompose, OfManyWarningsTheFirstTwentyAreSaid) {
  std::string text = "services:\n";
  for (int i = 0; i < 100; ++i) text += "  s" + std::to_string(i) + ": {extends: x}\n";
  const Import import = imported(kCompose, text);
  ASSERT_EQ(import.warnings.size(), 21);
  EXPECT_EQ(import.warnings.back(), "80 more like these");
}

TEST(ImportCompose, SaysWhatIsWrongAndWhere) {
  EXPECT_THAT(refusal(kCompose, "web: {image: x}"), HasSubstr("no compose file"));
  EXPECT_THAT(refusal(kCompose, "services: [a]"), HasSubstr("line 1: expected `services` to be a mapping"));
  EXPECT_THAT(refusal(kCompose, "services:\n  a: text"), HasSubstr("line 2: expected the service `a`"));
  EXPECT_THAT(refusal(kCompose, "services:\n  a:\n    depends_on: 1"),
              HasSubstr("line 3: expected `depends_on`"));
  EXPECT_THAT(refusal(kCompose, "services:\n  a:\n    depends_on: [[b]]"), HasSubstr("found a list"));
  EXPECT_THAT(refusal(kCompose, "services:\n  a: {}\n  a: {}"), HasSubstr("line 3: the key `a` comes twice"));
  EXPECT_THAT(refusal(kCompose, "services: {a: {<<: 1}}"), HasSubstr("`<<` merges mappings"));
  EXPECT_THAT(refusal(kCompose, "services: {a: {}}\n---\nservices: {b: {}}"), HasSubstr("line 3"));
}

}  // namespace
}  // namespace testmesh::graph
