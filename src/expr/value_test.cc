#include "expr/value.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "expr/json.h"

namespace testmesh::expr {
namespace {

class Point final : public Record {
 public:
  std::string_view type_name() const override { return "point"; }
  bool member(std::string_view name, Value& out) const override {
    if (name == "x") {
      out = 1;
    } else if (name == "others") {
      out = List{Value(std::make_shared<Point>())};
    } else {
      return false;
    }
    return true;
  }
  std::vector<std::string_view> members() const override { return {"x", "others"}; }
};

TEST(Value, IsEqualByWhatItHolds) {
  EXPECT_EQ(Value(1), Value(1.0));
  EXPECT_FALSE(Value(std::nan("")) == Value(std::nan("")));
  EXPECT_EQ(Value(List{1, "a"}), Value(List{1.0, "a"}));
  EXPECT_EQ(Value(Map{{"a", 1}, {"b", 2}}), Value(Map{{"b", 2}, {"a", 1}}));
  EXPECT_FALSE(Value(Map{{"a", 1}}) == Value(Map{{"b", 1}}));
  EXPECT_FALSE(Value("1") == Value(1));
  EXPECT_EQ(Value(), Value::absent_record());
  EXPECT_EQ(Value("text"), Value::of_static("text"));
  const auto point = std::make_shared<Point>();
  EXPECT_EQ(Value(std::shared_ptr<const Record>(point)), Value(std::shared_ptr<const Record>(point)));
  EXPECT_FALSE(Value(std::shared_ptr<const Record>(point)) ==
               Value(std::shared_ptr<const Record>(std::make_shared<Point>())));
}

TEST(Value, KnowsItsDepthAndWeight) {
  EXPECT_EQ(Value(1).depth(), 0u);
  EXPECT_EQ(Value(List{}).depth(), 1u);
  EXPECT_EQ(Value(List{List{1}, 2}).depth(), 2u);
  const Value text(std::string(1000, 'a'));
  EXPECT_GE(Value(List{text, text, text}).weight(), 3000u);
}

TEST(Map, KeepsOrderAndFindsByHash) {
  Map map;
  for (int i = 0; i < 1000; ++i) map.set("key" + std::to_string(i), i);
  map.set("key5", "changed");
  map.set(Value(1), "int");
  map.set(Value(1.0), "float");
  map.set(Value(), "nil");
  EXPECT_EQ(map.size(), 1003u);
  EXPECT_EQ(map.find("key5")->as_string(), "changed");
  EXPECT_EQ(map.find(Value(1))->as_string(), "int");
  EXPECT_EQ(map.find(Value(1.0))->as_string(), "float");
  EXPECT_EQ(map.find(Value())->as_string(), "nil");
  EXPECT_EQ(map.find("none"), nullptr);
  EXPECT_EQ(map.begin()->first.as_string(), "key0");
  EXPECT_TRUE(map.erase("key0"));
  EXPECT_FALSE(map.erase("key0"));
  EXPECT_EQ(map.begin()->first.as_string(), "key1");
  EXPECT_EQ(map.find("key999")->as_int(), 999);
}

TEST(Map, CopiesDoNotChangeEachOther) {
  Map one;
  for (int i = 0; i < 20; ++i) one.set("key" + std::to_string(i), i);
  Map two = one;
  one.set("one", 1);
  two.set("two", 2);
  EXPECT_EQ(one.find("two"), nullptr);
  EXPECT_EQ(two.find("one"), nullptr);
  EXPECT_EQ(one.find("one")->as_int(), 1);
  EXPECT_EQ(two.find("two")->as_int(), 2);
}

TEST(Json, ReadsWhatItWrites) {
  for (const char* text :
       {"null", "true", "0", "-12", "9223372036854775807", "1.5", "0.1", "1e+21", "1e-07", "\"a\\n\\u0001é\"",
        "[]", "[1,[2,{}]]", "{\"a\":1,\"b\":[null,false]}", "1.0", "-0.0"}) {
    const auto value = parse_json(text);
    ASSERT_TRUE(value) << text << ": " << value.error().message;
    EXPECT_EQ(to_json(*value), text);
  }
  EXPECT_EQ(parse_json("9223372036854775808")->kind(), Kind::kFloat);
  EXPECT_EQ(parse_json("1e2")->kind(), Kind::kFloat);
  EXPECT_EQ(parse_json("\"\\ud83d\\ude00\"")->as_string(), "😀");
  EXPECT_EQ(parse_json("\"\\ud83d\"")->as_string(), "\xEF\xBF\xBD");
  EXPECT_EQ(parse_json("1e-400")->as_float(), 0.0);
}

TEST(Json, RefusesWhatIsNone) {
  for (const char* text :
       {"",          " ",      "nul", "01",      "1.",       "-",          "+1",  ".5",
        "1e",        "[1,]",   "[1",  "{\"a\"}", "{a:1}",    "{\"a\":1,}", "\"a", "\"\\x\"",
        "\"\\u12\"", "\"\n\"", "1 2", "1e999",   "\"\xFF\"", "NaN"})
    EXPECT_FALSE(parse_json(text)) << text;
  EXPECT_TRUE(parse_json(std::string(512, '[') + std::string(512, ']')));
  EXPECT_FALSE(parse_json(std::string(513, '[') + std::string(513, ']')));
  EXPECT_FALSE(parse_json(std::string(1'000'000, '[')));
}

TEST(Json, WritesWhateverItIsAsJson) {
  EXPECT_EQ(to_json(List{std::nan(""), HUGE_VAL, -HUGE_VAL}), R"(["NaN","Infinity","-Infinity"])");
  EXPECT_EQ(to_json(Duration{3'723'000'000'000}), "\"1h2m3s\"");
  EXPECT_EQ(to_json(Time{.unix_nanos = 1'136'214'245'500'000'000}), "\"2006-01-02T15:04:05.5Z\"");
  EXPECT_EQ(to_json(Time{.unix_nanos = 1'136'214'245'000'000'000, .offset_seconds = -25200}),
            "\"2006-01-02T08:04:05-07:00\"");
  EXPECT_EQ(to_json(Value("\xFF")), "\"\xEF\xBF\xBD\"");
  Map map;
  map.set(Value(1), "a");
  EXPECT_EQ(to_json(map), R"({"1":"a"})");
  EXPECT_EQ(to_json(Value(std::make_shared<Point>())), R"({"x":1})");
}

TEST(Json, StopsAtItsBound) {
  const Value text(std::string(1000, 'a'));
  const Value much(List(1000, text));
  std::string out;
  JsonProblem problem;
  EXPECT_FALSE(write_json(out, much, JsonStyle::kCompact, 10'000, &problem));
  EXPECT_TRUE(problem.too_large);
  EXPECT_LT(out.size(), 12'000u);
}

TEST(Value, IsDescribedInALine) {
  EXPECT_EQ(describe(Value()), "nil");
  EXPECT_EQ(describe("a\nb"), "\"a\\nb\"");
  EXPECT_EQ(describe(std::string(500, 'x'), 10), "\"xxxxxxxxxx…\"");
  EXPECT_EQ(describe(List{1, 2, 3, 4, 5, 6, 7, 8}, 10), "[1,2,3,4,5…");
  EXPECT_EQ(describe(Value(std::make_shared<Point>())), "point {\"x\":1}");
}

TEST(Value, IsTextInATemplate) {
  EXPECT_EQ(to_text(Value()), "");
  EXPECT_EQ(to_text("a b"), "a b");
  EXPECT_EQ(to_text(1.5), "1.5");
  EXPECT_EQ(to_text(Map{{"a", 1}}), "{\"a\":1}");
}

TEST(Json, RandomValuesComeBack) {
  const unsigned seed = std::random_device{}();
  RecordProperty("seed", std::to_string(seed));
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto below = [&](unsigned n) { return random() % n; };
  const auto make = [&](auto&& self, int depth) -> Value {
    switch (below(depth > 4 ? 5 : 7)) {
      case 0:
        return nullptr;
      case 1:
        return below(2) == 0;
      case 2:
        return static_cast<int64_t>((uint64_t{random()} << 32) ^ random());
      case 3:
        return static_cast<double>(random()) / (1 + below(1000)) *
               std::pow(10.0, static_cast<int>(below(60)) - 30);
      case 4: {
        std::string text;
        for (unsigned i = below(20); i > 0; --i) text += static_cast<char>(below(128));
        return text;
      }
      case 5: {
        List list;
        for (unsigned i = below(5); i > 0; --i) list.push_back(self(self, depth + 1));
        return list;
      }
      default: {
        Map map;
        for (unsigned i = below(15); i > 0; --i)
          map.set("k" + std::to_string(below(20)), self(self, depth + 1));
        return map;
      }
    }
  };
  for (int i = 0; i < 2000; ++i) {
    const Value value = make(make, 0);
    const std::string json = to_json(value);
    const auto back = parse_json(json);
    ASSERT_TRUE(back) << json;
    ASSERT_EQ(*back, value) << json;
    ASSERT_EQ(to_json(*back), json);
    for (size_t cut = 0; cut < std::min<size_t>(json.size(), 40); ++cut)
      (void)parse_json(json.substr(0, cut));
  }
}

}  // namespace
}  // namespace testmesh::expr
