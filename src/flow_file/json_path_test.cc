// The rules of RFC 9535 as a table: a document, a path, what it selects.
#include "flow_file/json_path.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace testmesh::flow_file {
namespace {

using ::testing::HasSubstr;

expr::Value json(std::string_view text) {
  auto value = expr::parse_json(text);
  EXPECT_TRUE(value) << text;
  return value ? *value : expr::Value();
}

std::string selected(std::string_view path, const expr::Value& document) {
  const auto parsed = JsonPath::parse(path);
  if (!parsed) return parsed.error().message;
  const auto values = parsed->select(document);
  if (!values) return values.error().message;
  return expr::to_json(expr::Value(*values));
}

struct Case {
  std::string_view path, expected;
};

template <size_t N>
void check(std::string_view document, const Case (&cases)[N]) {
  const expr::Value value = json(document);
  for (const Case& c : cases) EXPECT_EQ(selected(c.path, value), c.expected) << c.path;
}

TEST(JsonPath, SelectsByName) {
  check(
      R"({"o":{"j j":{"k.k":3}},"'":{"@":2},"a":[1],"":"empty","é":1,"_x9":2,"a\"b":4,"$":5,"n":null})",
      {
          {"$",
           R"([{"o":{"j j":{"k.k":3}},"'":{"@":2},"a":[1],"":"empty","é":1,"_x9":2,"a\"b":4,"$":5,"n":null}])"},
          {"$.o['j j']", R"([{"k.k":3}])"},
          {"$.o['j j']['k.k']", "[3]"},
          {R"($.o["j j"]["k.k"])", "[3]"},
          {R"($["'"]["@"])", "[2]"},
          {R"($['\'']['@'])", "[2]"},
          {"$['']", R"(["empty"])"},
          {"$.é", "[1]"},
          {R"($['\u00e9'])", "[1]"},
          {R"($["\u00E9"])", "[1]"},
          {"$._x9", "[2]"},
          {R"($['a"b'])", "[4]"},
          {R"($["a\"b"])", "[4]"},
          {"$['$']", "[5]"},
          {"$.n", "[null]"},
          {"$.missing", "[]"},
          {"$.a.name", "[]"},
          {"$.n.name", "[]"},
          {"$['a','_x9']", "[[1],2]"},
          {"$['_x9','_x9']", "[2,2]"},
          {"$ .o ['j j'] \n[\"k.k\"]", "[3]"},
          {"$[ 'a' , '_x9' ]", "[[1],2]"},
      });
}

TEST(JsonPath, SelectsByIndexAndSlice) {
  check(R"(["a","b","c","d","e","f","g"])", {
                                                {"$[1]", R"(["b"])"},
                                                {"$[0]", R"(["a"])"},
                                                {"$[-1]", R"(["g"])"},
                                                {"$[-2]", R"(["f"])"},
                                                {"$[-7]", R"(["a"])"},
                                                {"$[-8]", "[]"},
                                                {"$[7]", "[]"},
                                                {"$[9007199254740991]", "[]"},
                                                {"$[0,3]", R"(["a","d"])"},
                                                {"$[0:2,5]", R"(["a","b","f"])"},
                                                {"$[0,0]", R"(["a","a"])"},
                                                {"$[1:3]", R"(["b","c"])"},
                                                {"$[5:]", R"(["f","g"])"},
                                                {"$[1:5:2]", R"(["b","d"])"},
                                                {"$[5:1:-2]", R"(["f","d"])"},
                                                {"$[::-1]", R"(["g","f","e","d","c","b","a"])"},
                                                {"$[:]", R"(["a","b","c","d","e","f","g"])"},
                                                {"$[::]", R"(["a","b","c","d","e","f","g"])"},
                                                {"$[:2]", R"(["a","b"])"},
                                                {"$[-2:]", R"(["f","g"])"},
                                                {"$[:-5]", R"(["a","b"])"},
                                                {"$[-3:-1]", R"(["e","f"])"},
                                                {"$[3:3]", "[]"},
                                                {"$[3:1]", "[]"},
                                                {"$[1:3:-1]", "[]"},
                                                {"$[::0]", "[]"},
                                                {"$[-100:100]", R"(["a","b","c","d","e","f","g"])"},
                                                {"$[100:-100:-3]", R"(["g","d","a"])"},
                                                {"$[2::3]", R"(["c","f"])"},
                                                {"$[2::-1]", R"(["c","b","a"])"},
                                                {"$[:4:-1]", R"(["g","f"])"},
                                                {"$[-1:-3:-1]", R"(["g","f"])"},
                                                {"$[0:7:9007199254740991]", R"(["a"])"},
                                                {"$[6:0:-9007199254740991]", R"(["g"])"},
                                                {"$[ 1 : 5 : 2 ]", R"(["b","d"])"},
                                                {"$['a']", "[]"},
                                                {"$[1][0]", "[]"},
                                            });
  check(R"({"0":1})", {{"$[0]", "[]"}, {"$[0:1]", "[]"}, {"$['0']", "[1]"}});
}

TEST(JsonPath, SelectsByWildcard) {
  check(R"({"o":{"j":1,"k":2},"a":[5,3]})", {
                                                {"$[*]", R"([{"j":1,"k":2},[5,3]])"},
                                                {"$.*", R"([{"j":1,"k":2},[5,3]])"},
                                                {"$.o[*]", "[1,2]"},
                                                {"$.o.*", "[1,2]"},
                                                {"$.o[*,*]", "[1,2,1,2]"},
                                                {"$.a[*]", "[5,3]"},
                                                {"$.*.*", "[1,2,5,3]"},
                                                {"$.a[0].*", "[]"},
                                                {"$.*[1]", "[3]"},
                                                {"$[*]['k']", "[2]"},
                                                {"$.a[0,*]", "[5,5,3]"},
                                            });
}

TEST(JsonPath, SelectsDescendants) {
  check(R"({"o":{"j":1,"k":2},"a":[5,3,[{"j":4},{"k":6}]]})",
        {
            {"$..j", "[1,4]"},
            {"$..['j']", "[1,4]"},
            {"$..[0]", R"([5,{"j":4}])"},
            {"$..[*]",
             R"([{"j":1,"k":2},[5,3,[{"j":4},{"k":6}]],1,2,5,3,[{"j":4},{"k":6}],{"j":4},{"k":6},4,6])"},
            {"$..*",
             R"([{"j":1,"k":2},[5,3,[{"j":4},{"k":6}]],1,2,5,3,[{"j":4},{"k":6}],{"j":4},{"k":6},4,6])"},
            {"$..o", R"([{"j":1,"k":2}])"},
            {"$.o..[*,*]", "[1,2,1,2]"},
            {"$.a..[0,1]", R"([5,3,{"j":4},{"k":6}])"},
            {"$..a..k", "[6]"},
            {"$.o..j", "[1]"},
            {"$..none", "[]"},
            {"$..[-1]", R"([[{"j":4},{"k":6}],{"k":6}])"},
            {"$..[?@.j]", R"([{"j":1,"k":2},{"j":4}])"},
            {"$ ..j", "[1,4]"},
        });
}

TEST(JsonPath, FiltersTestForExistence) {
  check(
      R"({"a":[3,5,1,2,4,6,{"b":"j"},{"b":"k"},{"b":{}},{"b":"kilo"}],"o":{"p":1,"q":2,"r":3,"s":5,"t":{"u":6}},"e":"f"})",
      {
          {"$.a[?@.b == 'kilo']", R"([{"b":"kilo"}])"},
          {"$.a[?(@.b == 'kilo')]", R"([{"b":"kilo"}])"},
          {"$.a[?@>3.5]", "[5,4,6]"},
          {"$.a[?@.b]", R"([{"b":"j"},{"b":"k"},{"b":{}},{"b":"kilo"}])"},
          {"$[?@.*]",
           R"([[3,5,1,2,4,6,{"b":"j"},{"b":"k"},{"b":{}},{"b":"kilo"}],{"p":1,"q":2,"r":3,"s":5,"t":{"u":6}}])"},
          {"$[?@[?@.b]]", R"([[3,5,1,2,4,6,{"b":"j"},{"b":"k"},{"b":{}},{"b":"kilo"}]])"},
          {"$.o[?@<3, ?@<3]", "[1,2,1,2]"},
          {"$.a[?@<2 || @.b == \"k\"]", R"([1,{"b":"k"}])"},
          {"$.a[?match(@.b, \"[jk]\")]", R"([{"b":"j"},{"b":"k"}])"},
          {"$.a[?search(@.b, \"[jk]\")]", R"([{"b":"j"},{"b":"k"},{"b":"kilo"}])"},
          {"$.o[?@>1 && @<4]", "[2,3]"},
          {"$.o[?@.u || @.x]", R"([{"u":6}])"},
          {"$.a[?@.b == $.x]", "[3,5,1,2,4,6]"},
          {"$.a[?@ == @]", R"([3,5,1,2,4,6,{"b":"j"},{"b":"k"},{"b":{}},{"b":"kilo"}])"},
          {"$.a[?!@.b]", "[3,5,1,2,4,6]"},
          {"$.a[?!(@.b || @ > 2)]", "[1,2]"},
          {"$.a[?! @.b ]", "[3,5,1,2,4,6]"},
          {"$.a[?@ > 4 || @ == 1 && @ < 2]", "[5,1,6]"},
          {"$.a[?(@ > 4 || @ == 1) && @ < 2]", "[1]"},
          {"$.a[?@.b=='j'||@.b=='k']", R"([{"b":"j"},{"b":"k"}])"},
          {"$.a[?$.e == 'f']", R"([3,5,1,2,4,6,{"b":"j"},{"b":"k"},{"b":{}},{"b":"kilo"}])"},
          {"$.a[?$.none]", "[]"},
          {"$.e[?@]", "[]"},
          {"$.o[?@.u == 6].u", "[6]"},
          {"$.a[?@.b['x']]", "[]"},
      });
}

TEST(JsonPath, FiltersCompare) {
  const expr::Value document = json(
      R"({"obj":{"x":"y"},"arr":[2,3],"n":null,"t":true,"one":1,"real":1.0,"big":9007199254740993,"text":"b","list":[[1,{"a":1.0}],{"p":1,"q":[2]}],"ee":"é"})");
  // Each holds, or does not, for one list of one item.
  const auto holds = [&](std::string_view condition) {
    const std::string result =
        selected(fmt::format("$[?@.obj == @.obj || 1 == 1][?{}]", condition), json("[[0]]"));
    (void)result;
    expr::Map root{{"d", document}, {"probe", expr::Value(expr::List{expr::Value(0)})}};
    std::string path = fmt::format("$.probe[?{}]", condition);
    for (size_t at = path.find("$."); (at = path.find("$.", at + 1)) != std::string::npos;)
      path.replace(at, 2, "$.d.");
    const std::string answer = selected(path, expr::Value(root));
    return answer == "[0]" ? "true" : answer == "[]" ? "false" : answer;
  };
  const Case kCases[] = {
      {"$.absent1 == $.absent2", "true"},
      {"$.absent1 <= $.absent2", "true"},
      {"$.absent1 >= $.absent2", "true"},
      {"$.absent1 != $.absent2", "false"},
      {"$.absent1 < $.absent2", "false"},
      {"$.absent == 'g'", "false"},
      {"$.absent != 'g'", "true"},
      {"$.absent == null", "false"},
      {"$.absent <= 'g'", "false"},
      {"1 <= 2", "true"},
      {"1 > 2", "false"},
      {"13 == '13'", "false"},
      {"'a' <= 'b'", "true"},
      {"'a' > 'b'", "false"},
      {"'a' < 'aa'", "true"},
      {"'' < 'a'", "true"},
      {"'Z' < 'a'", "true"},
      {"'z' < $.ee", "true"},
      {R"($.ee == "\u00e9")", "true"},
      {"$.obj == $.arr", "false"},
      {"$.obj != $.arr", "true"},
      {"$.obj == $.obj", "true"},
      {"$.obj != $.obj", "false"},
      {"$.arr == $.arr", "true"},
      {"$.arr != $.arr", "false"},
      {"$.obj == 17", "false"},
      {"$.obj != 17", "true"},
      {"$.obj <= $.arr", "false"},
      {"$.obj < $.arr", "false"},
      {"$.obj <= $.obj", "true"},
      {"$.arr <= $.arr", "true"},
      {"1 <= $.arr", "false"},
      {"1 >= $.arr", "false"},
      {"1 > $.arr", "false"},
      {"1 < $.arr", "false"},
      {"true <= true", "true"},
      {"true > true", "false"},
      {"true < false", "false"},
      {"false == false", "true"},
      {"$.n == null", "true"},
      {"$.n != null", "false"},
      {"null <= null", "true"},
      {"null < null", "false"},
      {"$.t == true", "true"},
      {"$.t == 1", "false"},
      {"$.one == $.real", "true"},
      {"$.one == 1.0", "true"},
      {"1 == 1.0", "true"},
      {"1 == 1e0", "true"},
      {"10 == 1e1", "true"},
      {"-0 == 0", "true"},
      {"1.5 > 1", "true"},
      {"-1 < 0", "true"},
      {"1E+2 == 100", "true"},
      {"1e-1 < 1", "true"},
      {"$.big == 9007199254740993", "true"},
      {"$.big == 9007199254740992", "false"},
      {"$.big > 9007199254740992", "true"},
      {"$.list[0][1].a == 1", "true"},
      {"$.list[0] == $.list[1]", "false"},
      {"$.text[0] == 'b'", "false"},
      {"$.arr[-1] == 3", "true"},
      {"$['d']['arr'][0] == 2", "true"},
      {R"('\'' == "'")", "true"},
      {R"("\\" == '\\')", "true"},
      {R"('\u0041\n' == "A\n")", "true"},
      {R"('\ud83d\ude00' == "😀")", "true"},
      {"1==1", "true"},
      {" 1 == 1 ", "true"},
      {"length($.text) == 1", "true"},
      {"length($.ee) == 1", "true"},
      {"length('😀é') == 2", "true"},
      {"length($.arr) == 2", "true"},
      {"length($.obj) == 1", "true"},
      {"length($.one) == 1", "false"},
      {"length($.absent) == $.nothing", "true"},
      {"length(true) < 100", "false"},
      {"length(value($.arr)) == 2", "true"},
      {"count($.arr[*]) == 2", "true"},
      {"count($..*) > 5", "true"},
      {"count($.absent) == 0", "true"},
      {"count(@) == 1", "true"},
      {"value($.arr[*]) == 2", "false"},
      {"value($.arr[0:1]) == 2", "true"},
      {"value($.absent) == $.absent2", "true"},
      {"value($..x) == 'y'", "true"},
      {"match('abc', 'a.c')", "true"},
      {"match('abcd', 'a.c')", "false"},
      {"match('xabc', 'a.c')", "false"},
      {"match('a', 'a|b')", "true"},
      {"match('ab', 'a|b')", "false"},
      {"match('b', $.text)", "true"},
      {R"(match('a\nc', 'a.c'))", "false"},
      {R"(match('a\rc', 'a.c'))", "false"},
      {R"(match('a\u2028c', 'a.c'))", "true"},
      {R"(match('a.c', 'a\\.c'))", "true"},
      {R"(match('abc', 'a\\.c'))", "false"},
      {"match('a.c', 'a[.]c')", "true"},
      {"match('abc', 'a[.]c')", "false"},
      {R"(match('Ä', '\\p{Lu}'))", "true"},
      {R"(match('1', '\\P{Nd}'))", "false"},
      {"match('ab', '^ab$')", "true"},
      {"match(1, '1')", "false"},
      {"match('1', 1)", "false"},
      {"match('a', '[')", "false"},
      {"match($.absent, 'a')", "false"},
      {"match('a', $.absent)", "false"},
      {"!match('a', 'b')", "true"},
      {"search('xabcx', 'a.c')", "true"},
      {"search('xx', 'a.c')", "false"},
      {R"(search('xa\ncx', 'a.c'))", "false"},
      {"search('aaa', 'a{2,3}')", "true"},
      {"search(1, '1')", "false"},
      {"match('a', 'a') && 1 == 1", "true"},
  };
  for (const Case& c : kCases) EXPECT_EQ(holds(c.path), c.expected) << c.path;
}

TEST(JsonPath, AcceptsNamesOfTheResultAlone) {
  check(R"({"status":200,"body":{"id":7,"items":[{"n":1},{"n":2}]}})",
        {
            {"body.id", "[7]"},
            {"response.body.id", "[7]"},
            {"response", R"([{"status":200,"body":{"id":7,"items":[{"n":1},{"n":2}]}}])"},
            {"response['status']", "[200]"},
            {"body.items[*].n", "[1,2]"},
            {"body['id']", "[7]"},
            {"['status']", "[200]"},
            {"status", "[200]"},
            {"body..n", "[1,2]"},
        });
}

TEST(JsonPath, RefusesWhatIsNoPath) {
  for (const std::string_view path : {"",
                                      " $",
                                      "$ ",
                                      "$.",
                                      "$..",
                                      "$.a.",
                                      "$[",
                                      "$[]",
                                      "$[ ]",
                                      "$]",
                                      "$.1",
                                      "$.-a",
                                      "$.a b",
                                      "$. a",
                                      "$.. a",
                                      "$[a]",
                                      "$['a]",
                                      "$['a\"]",
                                      "$[\"a']",
                                      "$[01]",
                                      "$[-0]",
                                      "$[-]",
                                      "$[+1]",
                                      "$[1.0]",
                                      "$[1e1]",
                                      "$[9007199254740992]",
                                      "$[-9007199254740992]",
                                      "$[1:2:3:4]",
                                      "$[01:2]",
                                      "$[::-0]",
                                      "$[0,]",
                                      "$[,0]",
                                      "$[0 1]",
                                      "$['\\x']",
                                      "$['\\\"']",
                                      "$[\"\\'\"]",
                                      "$['\\u12']",
                                      "$['\\ud800']",
                                      "$['\\ud800\\u0041']",
                                      "$['\\udc00']",
                                      "$['a\nb']",
                                      "$[?]",
                                      "$[?()]",
                                      "$[?1]",
                                      "$[?true]",
                                      "$[?'a']",
                                      "$[?null]",
                                      "$[?@.a ==]",
                                      "$[?== 1]",
                                      "$[?@ = 1]",
                                      "$[?@ === 1]",
                                      "$[?@ == 1 &&]",
                                      "$[?@ & @]",
                                      "$[?@ | @]",
                                      "$[?(@ == 1]",
                                      "$[?@ == 1)]",
                                      "$[?@ == 01]",
                                      "$[?@ == .5]",
                                      "$[?@ == 1.]",
                                      "$[?@ == +1]",
                                      "$[?@ == 1e]",
                                      "$[?@ == yes]",
                                      "$[?@ == True]",
                                      "$[?@.* == 1]",
                                      "$[?@..a == 1]",
                                      "$[?@[0:1] == 1]",
                                      "$[?@['a','b'] == 1]",
                                      "$[?1 == @[*]]",
                                      "$[?length(@)]",
                                      "$[?count(@)]",
                                      "$[?value(@)]",
                                      "$[?match(@, 'a') == true]",
                                      "$[?true == search(@, 'a')]",
                                      "$[?length()]",
                                      "$[?length() == 0]",
                                      "$[?length(@, @) == 0]",
                                      "$[?length(@.*) == 0]",
                                      "$[?count(1) == 0]",
                                      "$[?count('a') == 0]",
                                      "$[?value(1) == 0]",
                                      "$[?match(@)]",
                                      "$[?match(@.*, 'a')]",
                                      "$[?nope(@) == 1]",
                                      "$[?length (@) == 1]",
                                      "$[?Length(@) == 1]",
                                      "$[?!!@]",
                                      "$[?!1]",
                                      "$[?!@ == 1]",
                                      "$[?(@ == 1) == true]",
                                      "$[?@ == (1)]",
                                      "$[?1 == 1 == 1]",
                                      "$[?@ == [1]]",
                                      "$[?@ == {}]",
                                      "@",
                                      "@.a",
                                      "$$",
                                      "$.a$",
                                      "$..[",
                                      "$...a",
                                      "$.'a'",
                                      "$.\"a\"",
                                      "$.*a",
                                      "$.[0]",
                                      "$ .",
                                      "$[?@.]"}) {
    const auto parsed = JsonPath::parse(path);
    EXPECT_FALSE(parsed) << path;
    if (!parsed) {
      EXPECT_EQ(parsed.error().code, base::ErrorCode::kInvalidArgument) << path;
    }
  }
}

TEST(JsonPath, SaysWhereItIsWrong) {
  EXPECT_EQ(selected("$.a[?@.b = 1]", {}),
            "`$.a[?@.b = 1]` is no JSONPath: `]` is expected before `= 1]` (at its byte 10)");
  EXPECT_EQ(selected("body..", {}),
            "`body..` is no JSONPath: a name or `*` is expected behind the dot (at its byte 7)");
  EXPECT_EQ(selected("response.body[x]", {}),
            "`response.body[x]` is no JSONPath: a name in quotes, an index, a slice, `*` or `?` is expected "
            "here (at "
            "its byte 15)");
  EXPECT_THAT(selected("$[?nope(@)]", {}), HasSubstr("there is no function nope()"));
}

TEST(JsonPath, DoesBoundedWork) {
  std::string document = "0";
  for (int i = 0; i < 200; ++i) document = "[" + document + ",1,2]";
  const expr::Value deep = json(document);
  EXPECT_THAT(selected("$..*..*..*..*..*", deep), HasSubstr("looks at more values"));
  EXPECT_THAT(selected("$..[?count($..*) > 100]..[?count($..*) > 100]", deep),
              HasSubstr("looks at more values"));
  std::string nested = "$";
  for (int i = 0; i < 1000; ++i) nested += "[?@";
  EXPECT_THAT(selected(nested, {}), HasSubstr("nests too deep"));
  EXPECT_THAT(selected("$[?" + std::string(5000, '('), {}), HasSubstr("nests too deep"));
  EXPECT_THAT(selected("$[?" + std::string(5000, '!'), {}), HasSubstr("no JSONPath"));
  EXPECT_THAT(selected("$" + std::string(20'000, ' '), {}), HasSubstr("longer than"));
  EXPECT_EQ(selected("$[?match(@, '(a*)*b')]", json("[\"" + std::string(2000, 'a') + "\"]")), "[]");
  EXPECT_EQ(selected("$[?search(@, '((a{0,900}){0,900}){0,900}')]", json(R"(["a"])")), "[]");
}

TEST(JsonPath, EndsAtEveryCut) {
  const std::string path =
      R"($.a['b\u00e9', -1, 1:5:2, *][?@.x == 'y' && !match(@.z, "a.*") || count(@..q) >= 1.5e2]..k)";
  for (size_t size = 0; size <= path.size(); ++size)
    (void)selected(path.substr(0, size), json(R"([{"a":1}])"));
  EXPECT_EQ(selected(path, json(R"({})")), "[]");
}

}  // namespace
}  // namespace testmesh::flow_file
