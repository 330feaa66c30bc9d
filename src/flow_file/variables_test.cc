#include "flow_file/variables.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "flow_file/flow_file.h"

namespace testmesh::flow_file {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

bool find(std::string_view name, expr::Value& out) {
  static const expr::Map kNames{{"name", "Ada"},
                                {"n", 42},
                                {"yes", true},
                                {"none", expr::Value()},
                                {"list", expr::Value(expr::List{1, "x"})},
                                {"create_user.body.id", 7},
                                {"step-1.rows[0].id", 8},
                                {"braces", "{{name}}"},
                                {"key", "k"}};
  const expr::Value* found = kNames.find(name);
  if (found) out = *found;
  return found != nullptr;
}

std::string expanded(std::string_view text) {
  const auto result = expand(expr::Value(text), find);
  return result ? expr::to_json(*result) : result.error().message;
}

TEST(Variables, KeepTheTypeOfASingleReference) {
  EXPECT_EQ(expanded("{{name}}"), R"("Ada")");
  EXPECT_EQ(expanded("{{ n }}"), "42");
  EXPECT_EQ(expanded("${n}"), "42");
  EXPECT_EQ(expanded("{{yes}}"), "true");
  EXPECT_EQ(expanded("{{none}}"), "null");
  EXPECT_EQ(expanded("{{list}}"), R"([1,"x"])");
  EXPECT_EQ(expanded("{{create_user.body.id}}"), "7");
  EXPECT_EQ(expanded("${step-1.rows[0].id}"), "8");
}

TEST(Variables, AreTextWithinAText) {
  EXPECT_EQ(expanded("Hello {{name}}, {{n}}!"), R"("Hello Ada, 42!")");
  EXPECT_EQ(expanded(" {{n}}"), R"(" 42")");
  EXPECT_EQ(expanded("{{n}}{{n}}"), R"("4242")");
  EXPECT_EQ(expanded("a{{none}}b"), R"("ab")");
  EXPECT_EQ(expanded("l={{list}}"), R"("l=[1,\"x\"]")");
  EXPECT_EQ(expanded("${name}/${n}"), R"("Ada/42")");
  EXPECT_EQ(expanded("{{{n}}}"), R"("{42}")");
  EXPECT_EQ(expanded("{{braces}}!"), R"("{{name}}!")") << "what was put in is not looked at again";
}

TEST(Variables, HaveDefaults) {
  EXPECT_EQ(expanded("${nope:5}"), R"("5")");
  EXPECT_EQ(expanded("a ${nope:x y} b"), R"("a x y b")");
  EXPECT_EQ(expanded("${nope:}"), R"("")");
  EXPECT_EQ(expanded("${n:5}"), "42");
  EXPECT_EQ(expanded("${nope:http://host:80/a}"), R"("http://host:80/a")");
}

TEST(Variables, LeaveOtherBracesAlone) {
  for (const std::string_view text : {"{}",          "{ {x} }",  "{{}}", "{{ }}",   "{{",
                                      "}}",          "{{x",      "{{x}", "{{x\n}}", "{\"a\":{\"b\":1}}",
                                      "{{\"a\":1}}", "$",        "${",   "${}",     "${1}",
                                      "${a b}",      "${a[x]}",  "${a",  "$(x)",    "${VAR%%x}",
                                      "{{'a}}",      "price: $5"})
    EXPECT_EQ(expanded(text), expr::to_json(expr::Value(text))) << text;
}

TEST(Variables, NameWhatIsUnknown) {
  EXPECT_THAT(expanded("{{nope}}"), HasSubstr("There is no `nope`"));
  EXPECT_THAT(expanded("a ${nope.x} b"), HasSubstr("There is no `nope.x`"));
  const auto result = expand(expr::Value("{{nope}}"), find);
  EXPECT_EQ(result.error().code, base::ErrorCode::kNotFound);
}

TEST(Variables, ExpandEveryTextOfAValue) {
  const auto value =
      expr::parse_json(R"({"a":"{{n}}","{{key}}":["x{{n}}",{"b":"{{name}}"}],"c":1.5,"d":null})");
  const auto result = expand(*value, find);
  ASSERT_TRUE(result);
  EXPECT_EQ(expr::to_json(*result), R"({"a":42,"k":["x42",{"b":"Ada"}],"c":1.5,"d":null})");
  EXPECT_THAT(references(*value), ElementsAre("n", "key", "name"));
}

TEST(Variables, AreListedOnce) {
  EXPECT_THAT(references(expr::Value("{{a}} ${b:x} {{ a }} {{'c'}} ${d.e[0]}")),
              ElementsAre("a", "b", "d.e[0]"));
  EXPECT_THAT(references(expr::Value(5)), IsEmpty());
}

TEST(Variables, AreBoundedInWhatTheyMake) {
  const auto find_large = [](std::string_view, expr::Value& out) {
    out = expr::Value(std::string(1 << 20, 'x'));
    return true;
  };
  std::string text;
  for (int i = 0; i < 100; ++i) text += "{{a}}";
  const auto result = expand(expr::Value(text), find_large);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, base::ErrorCode::kTooLarge);
  // Beginnings that never end cost no more than their length.
  std::string open;
  for (int i = 0; i < 200'000; ++i) open += "${a:{{b";
  EXPECT_EQ(expand(expr::Value(open), find)->as_string(), open);
}

TEST(Variables, EscapesComeBack) {
  for (const std::string_view text : {"plain", "{{name}}", "${n}", "a {{{{ b ${x:y} }} {", "{{'x'}}", "{",
                                      "{{{n}}}", "$${n}", "{{ {{n}} }}", "${${n}}", "''{{n}}''"})
    EXPECT_EQ(expanded(escaped(text)), expr::to_json(expr::Value(text))) << escaped(text);
  EXPECT_TRUE(has_reference("a {{b}}"));
  EXPECT_TRUE(has_reference("{{'b'}}"));
  EXPECT_FALSE(has_reference("{b}"));
}

TEST(Durations, AreRead) {
  EXPECT_EQ(parse_duration("500ms"), Milliseconds(500));
  EXPECT_EQ(parse_duration("30s"), Milliseconds(30'000));
  EXPECT_EQ(parse_duration("5m"), Milliseconds(300'000));
  EXPECT_EQ(parse_duration("2h"), Milliseconds(7'200'000));
  EXPECT_EQ(parse_duration("1m30s"), Milliseconds(90'000));
  EXPECT_EQ(parse_duration("1h2m3s4ms"), Milliseconds(3'723'004));
  EXPECT_EQ(parse_duration("1.5s"), Milliseconds(1500));
  EXPECT_EQ(parse_duration("0s"), Milliseconds(0));
  for (const std::string_view text : {"", "30", "s", "-1s", "1 s", "1s ", "1s1m", "1s1s", "1d", "1e3s", "1.s",
                                      ".5s", "1us", "inf", "nan", "99999999999h", "1ss", "0x1s"})
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
}

TEST(EnvFiles, AreRead) {
  const auto entries = read_env_file(
      "\xef\xbb\xbf# comment\nA=1\n  export B = two words  # why\r\nC=\nD='it # is'\nE=\"a\\nb\\\"c\" # "
      "end\n\nF=x#y\n"
      "G=\"several\nlines\"\nH=a=b\n");
  ASSERT_TRUE(entries) << entries.error().message;
  EXPECT_THAT(*entries, ElementsAre(Pair("A", "1"), Pair("B", "two words"), Pair("C", ""),
                                    Pair("D", "it # is"), Pair("E", "a\nb\"c"), Pair("F", "x#y"),
                                    Pair("G", "several\nlines"), Pair("H", "a=b")));
  EXPECT_THAT(*read_env_file(""), IsEmpty());
}

TEST(EnvFiles, SayWhatIsWrong) {
  const auto message = [](std::string_view text) {
    const auto entries = read_env_file(text);
    return entries ? std::string("none") : entries.error().message;
  };
  EXPECT_EQ(message("A=1\nB\n"), "Line 2: expected NAME=VALUE");
  EXPECT_THAT(message("1A=1\n"), HasSubstr("Line 1: `1A` is no name"));
  EXPECT_THAT(message("=1\n"), HasSubstr("is no name"));
  EXPECT_EQ(message("A=\"x\ny\nB=2\n"), "Line 1: the quotes are not closed");
  EXPECT_EQ(message("A=\"x\ny\"\nB='z' w\n"), "Line 3: nothing but a comment can follow the quotes");
  EXPECT_THAT(message("A=\xff\n"), HasSubstr("UTF-8"));
}

TEST(Secrets, AreKnownByName) {
  for (const std::string_view name :
       {"API_TOKEN", "api_key", "Client_Secret", "PASSWORD", "password_hash", "Authorization", "cookie",
        "x-api-key", "DB_PASSWORD", "apiKey", "accessToken", "Set-Cookie"})
    EXPECT_TRUE(is_secret_name(name)) << name;
  for (const std::string_view name : {"TOKEN", "KEYS", "user", "base_url", "monkey", "id", "keyboard", ""})
    EXPECT_FALSE(is_secret_name(name)) << name;
}

}  // namespace
}  // namespace testmesh::flow_file
