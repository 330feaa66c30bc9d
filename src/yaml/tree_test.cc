#include "yaml/tree.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cmath>

namespace testmesh::yaml {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Place = Document::Place;

std::vector<std::string> problems_of(std::string_view text, const Rules& rules = {}) {
  std::vector<std::string> lines;
  const Document document(text, rules);
  for (const Problem& problem : document.problems())
    lines.push_back(fmt::format("{}:{}: {}", problem.line, problem.column, problem.message));
  return lines;
}

std::string said(const Place& place) { return fmt::format("{}:{}", place.line, place.column); }

// The place of `mark`'s first character, found through the text of the scalar.
Place place_of(const Document& document, const Node& node, std::string_view mark) {
  const size_t at = node.text.find(mark);
  EXPECT_NE(at, std::string::npos) << node.text;
  const std::string_view before = std::string_view(node.text).substr(0, at);
  const auto line = static_cast<uint32_t>(std::ranges::count(before, '\n') + 1);
  const size_t start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  uint32_t column = 1;
  for (const char c : before.substr(start))
    if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) ++column;
  return document.place_in(node, line, column);
}

std::string shown(const Node& node) {
  switch (node.type) {
    case Type::kNothing:
      return "-";
    case Type::kText:
      return node.text;
    case Type::kList: {
      std::string text = "[";
      for (const Node& item : node.values) text += (text.size() > 1 ? "," : "") + shown(item);
      return text + "]";
    }
    case Type::kMap: {
      std::string text = "{";
      for (size_t i = 0; i < node.keys.size(); ++i)
        text += (i ? "," : "") + node.keys[i].text + ":" + shown(node.values[i]);
      return text + "}";
    }
  }
  return "";
}

TEST(YamlScalar, IsTypedByTheCoreSchemaWhenItIsPlain) {
  const auto typed = [](std::string_view text) {
    const Document document(fmt::format("- {}\n", text));
    EXPECT_THAT(document.problems(), IsEmpty()) << text;
    struct Say {
      std::string operator()(std::monostate) { return "null"; }
      std::string operator()(bool b) { return b ? "bool true" : "bool false"; }
      std::string operator()(int64_t i) { return fmt::format("int {}", i); }
      std::string operator()(double d) { return fmt::format("float {}", d); }
      std::string operator()(std::string_view t) { return fmt::format("text {}", t); }
    };
    return std::visit(Say(), scalar_of(document.root().values.at(0)));
  };
  EXPECT_EQ(typed("42"), "int 42");
  EXPECT_EQ(typed("-7"), "int -7");
  EXPECT_EQ(typed("+7"), "int 7");
  EXPECT_EQ(typed("007"), "int 7");
  EXPECT_EQ(typed("0x1F"), "int 31");
  EXPECT_EQ(typed("0o17"), "int 15");
  EXPECT_EQ(typed("9223372036854775807"), "int 9223372036854775807");
  EXPECT_EQ(typed("-9223372036854775808"), "int -9223372036854775808");
  EXPECT_EQ(typed("9223372036854775808"), "float 9.223372036854776e+18");
  EXPECT_EQ(typed("1.5"), "float 1.5");
  EXPECT_EQ(typed("-.5e2"), "float -50");
  EXPECT_EQ(typed("1."), "float 1");
  EXPECT_EQ(typed("1e3"), "float 1000");
  EXPECT_EQ(typed(".inf"), "float inf");
  EXPECT_EQ(typed("-.Inf"), "float -inf");
  EXPECT_EQ(typed(".nan"), "float nan");
  EXPECT_EQ(typed("inf"), "text inf");
  EXPECT_EQ(typed("nan"), "text nan");
  EXPECT_EQ(typed("1_000"), "text 1_000");
  EXPECT_EQ(typed("0b11"), "text 0b11");
  EXPECT_EQ(typed("12:30"), "text 12:30");
  EXPECT_EQ(typed("1e"), "text 1e");
  EXPECT_EQ(typed("true"), "bool true");
  EXPECT_EQ(typed("FALSE"), "bool false");
  EXPECT_EQ(typed("yes"), "text yes");
  EXPECT_EQ(typed("~"), "null");
  EXPECT_EQ(typed("null"), "null");
  EXPECT_EQ(typed(""), "null");
  EXPECT_EQ(typed("'42'"), "text 42");
  EXPECT_EQ(typed("\"true\""), "text true");
  EXPECT_EQ(typed("'null'"), "text null");
  EXPECT_EQ(typed("''"), "text ");
  EXPECT_EQ(typed("!!str 42"), "text 42");
  EXPECT_EQ(typed("!!str null"), "text null");
  EXPECT_EQ(typed("!!int '42'"), "int 42");
}

TEST(YamlTree, HasPlacesInCharacters) {
  const Document document("é: [ä, {b: ü}]\nlist:\n  - one\n  - 'two'\n");
  ASSERT_THAT(document.problems(), IsEmpty());
  const Node& root = document.root();
  EXPECT_EQ(shown(root), "{é:[ä,{b:ü}],list:[one,two]}");
  const Node& inner = root.find("é")->values[1];
  EXPECT_EQ(inner.line, 1u);
  EXPECT_EQ(inner.column, 8u);
  EXPECT_EQ(inner.find("b")->column, 12u);
  EXPECT_EQ(root.find("list")->values[1].line, 4u);
  EXPECT_EQ(root.find("list")->values[1].column, 5u);
  EXPECT_EQ(root.find_key("list")->line, 2u);
  EXPECT_EQ(root.find("none"), nullptr);
}

TEST(YamlTree, KnowsWhereATextBegins) {
  const Document document(
      "\xef\xbb\xbfplain: a == b\nquoted: \"a\"\nsingle: 'a'\nblock: |\n    a\nfolded: >-  # why\n  a\n");
  ASSERT_THAT(document.problems(), IsEmpty());
  const auto start = [&](std::string_view key) { return document.text_start(*document.root().find(key)); };
  EXPECT_EQ(said(start("plain")), "1:8");
  EXPECT_EQ(said(start("quoted")), "2:10");
  EXPECT_EQ(said(start("single")), "3:10");
  EXPECT_EQ(said(start("block")), "5:5");
  EXPECT_EQ(said(start("folded")), "7:3");
}

TEST(YamlTree, FindsPlacesInsideTexts) {
  const Document document(R"(plain: status == é @here
single: 'it''s @here'
double: "a \"b\" \u00e9 \x41\tc @here"
several: one
  two
  @here
quoted lines: "one
  two \
  three

  @here"
literal: |
  one
    two @here
folded: >
  one
  two

  three
    four @here
crlf: 'é @here'
indented: |2
    @here
list:
  - &name !!str
    "@here"
)");
  ASSERT_THAT(document.problems(), IsEmpty());
  const auto place = [&](std::string_view key) {
    return place_of(document, *document.root().find(key), "@here");
  };
  EXPECT_EQ(said(place("plain")), "1:20");
  EXPECT_EQ(said(place("single")), "2:16");
  EXPECT_EQ(said(place("double")), "3:33");
  EXPECT_EQ(said(place("several")), "6:3");
  EXPECT_EQ(said(place("quoted lines")), "11:3");
  EXPECT_EQ(said(place("literal")), "14:9");
  EXPECT_EQ(said(place("folded")), "20:10");
  EXPECT_EQ(said(place("crlf")), "21:10");
  EXPECT_EQ(said(place("indented")), "23:5");
  const Node& item = document.root().find("list")->values[0];
  EXPECT_EQ(said(place_of(document, item, "@here")), "26:6");
  // Past the end: just behind it.
  EXPECT_EQ(said(document.place_in(*document.root().find("crlf"), 1, 1000)), "21:15");
}

TEST(YamlTree, FindsPlacesWithWindowsLineEnds) {
  const Document document("a: |\r\n  one\r\n  @here\r\nb: 'x @here'\r\n");
  ASSERT_THAT(document.problems(), IsEmpty());
  EXPECT_EQ(said(place_of(document, *document.root().find("a"), "@here")), "3:3");
  EXPECT_EQ(said(place_of(document, *document.root().find("b"), "@here")), "4:7");
}

TEST(YamlTree, ResolvesAnchorsAndMergeKeys) {
  const Document document(
      "base: &base {a: 1, b: 2}\nmore: &more {b: 3, c: 4}\none: {<<: *base, b: 5}\ntwo: {<<: [*more, "
      "*base]}\n"
      "list: [*base, *base]\ntext: '<<'\n");
  ASSERT_THAT(document.problems(), IsEmpty());
  EXPECT_EQ(shown(*document.root().find("one")), "{b:5,a:1}");
  EXPECT_EQ(shown(*document.root().find("two")), "{b:3,c:4,a:1}");
  EXPECT_EQ(shown(*document.root().find("list")), "[{a:1,b:2},{a:1,b:2}]");
  // An alias stands where it is written, what is in it where that is written.
  const Node& copy = document.root().find("list")->values[1];
  EXPECT_EQ(copy.line, 5u);
  EXPECT_EQ(copy.column, 15u);
  EXPECT_EQ(copy.find("b")->line, 1u);
}

TEST(YamlTree, RefusesWhatAliasesBlowUp) {
  std::string bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n";
  for (char name = 'b'; name < 'k'; ++name) {
    const char before = static_cast<char>(name - 1);
    bomb +=
        fmt::format("{0}: &{0} [*{1}, *{1}, *{1}, *{1}, *{1}, *{1}, *{1}, *{1}, *{1}, *{1}]\n", name, before);
  }
  EXPECT_THAT(problems_of(bomb), ElementsAre(HasSubstr("more than 100000 values")));
  std::string texts = fmt::format("a: &a {}\nb: [", std::string(100'000, 'x'));
  for (int i = 0; i < 100; ++i) texts += "*a, ";
  EXPECT_THAT(problems_of(texts + "]"), ElementsAre(HasSubstr("is too large")));
  EXPECT_THAT(problems_of("a: &a [*a]\n"),
              ElementsAre("1:8: this alias stands for a value that it is part of"));
  EXPECT_THAT(problems_of("a: *b\n"), ElementsAre(HasSubstr("this alias names no anchor")));
  std::string deep = "a: &a0 [x]\n";
  for (int i = 1; i < 70; ++i) deep += fmt::format("a{0}: &a{0} [*a{1}]\n", i, i - 1);
  EXPECT_THAT(problems_of(deep), ElementsAre(HasSubstr("more than 64 levels deep")));
  EXPECT_THAT(problems_of("a: &x 1\n", {.anchors = false}),
              ElementsAre("1:4: anchors (&name) are not used here"));
  EXPECT_THAT(problems_of("<<: 1\n", {.anchors = false}), IsEmpty());
}

TEST(YamlTree, SaysWhatIsWrong) {
  EXPECT_THAT(problems_of("a: 1\nb: 2\na: 3\nb: 4\n"),
              ElementsAre("3:1: 'a' stands here twice; the first is in line 1",
                          "4:1: 'b' stands here twice; the first is in line 2"));
  EXPECT_THAT(problems_of(""), ElementsAre("1:1: the file is empty"));
  EXPECT_THAT(problems_of("# nothing\n"), ElementsAre("1:1: the file is empty"));
  EXPECT_THAT(problems_of("a: 1\n---\nb: 2\n"), ElementsAre(HasSubstr("3:1: a second document starts here")));
  EXPECT_THAT(problems_of("a: [1, 2\nb: 3\n"), SizeIs(1));
  EXPECT_THAT(problems_of("a: b: c\n"), ElementsAre("1:5: no valid YAML: no `:` can stand here; a text with "
                                                    "`: ` in it needs quotes"));
  EXPECT_THAT(problems_of("a: \"open\n"), ElementsAre(HasSubstr("a text in quotes is not closed")));
  EXPECT_THAT(problems_of("a: 'it''s\n"), ElementsAre("1:4: a text in quotes is not closed"));
  EXPECT_THAT(problems_of("a: 1\n\tb: 2\n"), SizeIs(1));
  EXPECT_THAT(problems_of("a: !ruby/object x\n"), ElementsAre(HasSubstr("tags (")));
  EXPECT_THAT(problems_of("a: !!binary x\n"), ElementsAre(HasSubstr("tags (")));
  EXPECT_THAT(problems_of("[1]: 2\n"), ElementsAre(HasSubstr("a key must be a text")));
  EXPECT_THAT(problems_of("a: \xff\n"), ElementsAre("1:4: this is no text in UTF-8"));
  EXPECT_THAT(problems_of(std::string("a: \0b\n", 6)),
              ElementsAre("1:4: the control character U+0000 cannot stand in YAML"));
  EXPECT_THAT(problems_of(std::string(100, '[')), ElementsAre(HasSubstr("more than 64 levels deep")));
  EXPECT_THAT(problems_of(std::string(100'000, '[')), ElementsAre(HasSubstr("more than 64 levels deep")));
  EXPECT_THAT(problems_of("abc", {.limits = {.bytes = 2}}),
              ElementsAre(HasSubstr("the file is larger than")));
  EXPECT_THAT(problems_of("a: {<<: 3}\n"), ElementsAre("1:9: `<<` takes over a map, or a list of maps"));
}

TEST(YamlTree, EndsAtEveryCut) {
  const std::string text =
      "flow: &a\n  name: \"x\\u00e9\"\n  list: [1, 'b', {c: *b}]\n  block: |\n    one\n\n    two\n  <<: {q: "
      ">-\n "
      " }\n";
  for (size_t size = 0; size <= text.size(); ++size) {
    const Document document(text.substr(0, size));
    for (const Problem& problem : document.problems()) EXPECT_GE(problem.line, 1u);
  }
}

}  // namespace
}  // namespace testmesh::yaml
