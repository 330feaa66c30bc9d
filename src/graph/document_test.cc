#include "graph/document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace testmesh::graph {
namespace {

using ::testing::HasSubstr;
using Kind = Document::Kind;

Document read(std::string_view text) {
  auto document = Document::parse(text);
  EXPECT_TRUE(document) << document.error().message;
  return *std::move(document);
}

std::string refusal(std::string_view text) {
  const auto document = Document::parse(text);
  EXPECT_FALSE(document);
  return document ? "" : document.error().message;
}

std::string times(size_t count, std::string_view piece) {
  std::string text;
  for (size_t i = 0; i < count; ++i) text += piece;
  return text;
}

TEST(Document, JsonAndYamlAreOneTree) {
  Document json = read(R"({"a": [1, -2.50, true, null, "x\"\n"], "b": {}})");
  Document yaml = read("b: {}\na:\n  - 1\n  - -2.5\n  - true\n  - ~\n  - \"x\\\"\\n\"\n");
  EXPECT_EQ(json.json(json.root(), 1000), R"({"a":[1,-2.5,true,null,"x\"\u000a"],"b":{}})");
  EXPECT_EQ(yaml.json(yaml.root(), 1000), json.json(json.root(), 1000));
}

TEST(Document, KnowsTextsFromNumbers) {
  Document yaml = read("[1, '1', 01, 1.5, 1e5, true, 'true', yes, null, '', ~]");
  EXPECT_EQ(yaml.json(yaml.root(), 1000), R"([1,"1","01",1.5,"1e5",true,"true","yes",null,"",null])");
}

TEST(Document, KnowsTheLinesOfYaml) {
  Document yaml = read("a: 1\nb:\n  c: x\n");
  const auto c = yaml.find(yaml.find(yaml.root(), "b"), "c");
  EXPECT_EQ(yaml.line(c), 3);
  EXPECT_EQ(yaml.text(c), "x");
}

TEST(Document, WhatIsAbsentIsAbsentAllTheWay) {
  Document yaml = read("a: 1");
  const auto none = yaml.find(yaml.find(yaml.find(yaml.root(), "x"), "y"), "z");
  EXPECT_FALSE(none);
  EXPECT_EQ(yaml.kind(none), Kind::kAbsent);
  EXPECT_EQ(yaml.text(none), "");
  EXPECT_TRUE(yaml.items(none).empty());
  EXPECT_TRUE(yaml.entries(none).empty());
  EXPECT_FALSE(yaml.error());
}

TEST(Document, AnEmptyDocumentIsNothing) {
  for (const char* text : {"", "# comment", "---\n", "\xef\xbb\xbf"}) {
    const Document document = read(text);
    EXPECT_EQ(document.kind(document.root()), Kind::kNull) << text;
  }
}

TEST(Document, AByteOrderMarkIsLeftOut) {
  Document yaml = read(
      "\xef\xbb\xbf"
      "a: 1");
  EXPECT_EQ(yaml.text(yaml.find(yaml.root(), "a")), "1");
  Document json = read("\xef\xbb\xbf{\"a\": 1}");
  EXPECT_EQ(json.text(json.find(json.root(), "a")), "1");
}

TEST(Document, YamlThatBeginsLikeJsonIsYaml) {
  Document yaml = read("{a: b}");
  EXPECT_EQ(yaml.text(yaml.find(yaml.root(), "a")), "b");
}

TEST(Document, OwnKeysComeBeforeMergedOnesAndEarlierMergesBeforeLater) {
  Document yaml = read("x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz: {c: 3, <<: [*x, *y]}\n");
  EXPECT_EQ(yaml.json(yaml.find(yaml.root(), "z"), 1000), R"({"a":1,"b":1,"c":3})");
  EXPECT_EQ(yaml.text(yaml.find(yaml.find(yaml.root(), "z"), "b")), "1");
}

TEST(Document, InJsonNothingMerges) {
  Document json = read(R"({"<<": {"a": 1}})");
  EXPECT_FALSE(json.find(json.root(), "a"));
}

TEST(Document, AKeyThatComesTwiceIsAnErrorWhereItIsRead) {
  Document unread = read("x: {a: 1, a: 2}\nb: 3");
  EXPECT_EQ(unread.text(unread.find(unread.root(), "b")), "3");
  EXPECT_FALSE(unread.error());
  Document found = read("b: 3\na: 1\na: 2");
  found.find(found.root(), "a");
  EXPECT_EQ(found.error(), "line 3: the key `a` comes twice");
  Document listed = read("b: 3\na: 1\na: 2");
  listed.entries(listed.root());
  EXPECT_EQ(listed.error(), "line 3: the key `a` comes twice");
}

TEST(Document, AliasesAreNotExpanded) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 200; ++i)
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" +
            times(9, "*a" + std::to_string(i - 1) + ",") + "]\n";
  Document yaml = read(bomb);
  EXPECT_EQ(yaml.json(yaml.find(yaml.root(), "a199"), 4096), "");  // longer than any limit
}

TEST(Document, AnAliasOfWhatItIsInEndsSomewhere) {
  Document list = read("&a [*a, *a]");
  EXPECT_EQ(list.json(list.root(), 1000), "");
  Document merged = read("&a {<<: [*a, *a, *a, *a], b: 1}");
  merged.entries(merged.root());
  EXPECT_THAT(merged.error().value_or(""), HasSubstr("merges"));
}

TEST(Document, AWalkIsBounded) {
  std::string text = "x: &x {" + times(50'000, "k: 1, ") + "}\ny: [" + times(1000, "*x, ") + "]\n";
  Document yaml = read(text);
  for (const auto node : yaml.items(yaml.find(yaml.root(), "y"))) yaml.find(node, "z");
  EXPECT_THAT(yaml.error().value_or(""), HasSubstr("given up"));
}

TEST(Document, DepthIsBounded) {
  EXPECT_THAT(refusal(times(1'000'000, "[")), HasSubstr("nesting"));
  EXPECT_THAT(refusal(times(1'000'000, "{\"a\":")), HasSubstr("nesting"));
  EXPECT_THAT(refusal(times(1'000'000, "- ")), HasSubstr("nesting"));
  EXPECT_THAT(refusal("a: " + times(101, "[") + times(101, "]")), HasSubstr("nesting"));
  EXPECT_THAT(refusal("a: " + times(4'000'000, "{")), HasSubstr("refused"));
  EXPECT_THAT(refusal(times(4'000'000, "[\n")), HasSubstr("refused"));
  EXPECT_THAT(refusal(times(4'000'000, "? ")), HasSubstr("refused"));
  read("a: " + times(90, "[") + times(90, "]"));
}

TEST(Document, SizeIsBounded) {
  EXPECT_THAT(refusal(std::string((8 << 20) + 1, ' ')), HasSubstr("at most 8388608 are read"));
  EXPECT_THAT(refusal(times(1'000'001, "- 1\n")), HasSubstr("more than 1000000 values"));
}

TEST(Document, SaysWhereJsonOrYamlEnds) {
  EXPECT_THAT(refusal("{\"a\": 1,\n  \"b\" 2}"), HasSubstr("no JSON: line 2, column 7"));
  EXPECT_THAT(refusal("a: [1"), HasSubstr("line 1"));
  EXPECT_THAT(refusal("a: 1\n b: 2"), HasSubstr("line 2"));
  EXPECT_THAT(refusal("a: *nothing"), HasSubstr("line 1"));
  EXPECT_THAT(refusal("{[1]: 2}"), HasSubstr("line 1"));
}

TEST(Document, OnlyUtf8IsRead) {
  EXPECT_THAT(refusal("a: \xc3"), HasSubstr("UTF-8"));
  EXPECT_THAT(refusal(std::string_view("a\0:\0 \0b\0", 8)), HasSubstr("UTF-8"));
  EXPECT_THAT(refusal("\xff\xfe"), HasSubstr("UTF-8"));
}

}  // namespace
}  // namespace testmesh::graph
