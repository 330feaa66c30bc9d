#include "api/json_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <random>

namespace testmesh::api {
namespace {

std::string text_of(const std::function<void(JsonWriter&)>& write) {
  std::string out;
  JsonWriter json(out);
  write(json);
  return out;
}

TEST(JsonWriter, PutsCommasWhereTheyBelong) {
  const std::string text = text_of([](JsonWriter& json) {
    json.begin_object().field("a", 1).field("b", true).key("c").begin_array();
    json.begin_object().end_object();
    json.begin_array().end_array();
    json.null();
    json.raw("{}");
    json.end_array().field("d", "x").field("e", uint64_t{18446744073709551615u}).field("f", 0.5).end_object();
  });
  EXPECT_EQ(text, R"({"a":1,"b":true,"c":[{},[],null,{}],"d":"x","e":18446744073709551615,"f":0.5})");
}

TEST(JsonWriter, WritesAnyBytesAsJsonText) {
  EXPECT_EQ(text_of([](JsonWriter& json) { json.string("\"\\\n\r\t\x01\x7f/"); }),
            R"("\"\\\n\r\t\u0001\u007f/")");
  EXPECT_EQ(text_of([](JsonWriter& json) { json.string("zażółć 😀"); }), "\"zażółć 😀\"");
  EXPECT_EQ(text_of([](JsonWriter& json) { json.string("a\xff\xc3(\xed\xa0\x80\xf5"); }),
            "\"a\uFFFD\uFFFD(\uFFFD\uFFFD\uFFFD\uFFFD\"");
  const unsigned seed = 99;
  std::mt19937 random(seed);
  for (int i = 0; i < 2000; ++i) {
    std::string bytes(random() % 40, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    const std::string text = text_of([&](JsonWriter& json) { json.string(bytes); });
    EXPECT_FALSE(nlohmann::json::parse(text, nullptr, false).is_discarded())
        << "seed " << seed << ' ' << text;
  }
}

TEST(JsonWriter, NeverRoundsANumber) {
  const unsigned seed = 7;
  std::mt19937_64 random(seed);
  for (int i = 0; i < 20000; ++i) {
    double value;
    const uint64_t bits = random();
    std::memcpy(&value, &bits, sizeof value);
    if (!std::isfinite(value)) continue;
    const std::string text = text_of([&](JsonWriter& json) { json.number(value); });
    EXPECT_EQ(std::strtod(text.c_str(), nullptr), value) << "seed " << seed;
    EXPECT_TRUE(nlohmann::json::parse(text).is_number_float()) << text;
  }
  EXPECT_EQ(text_of([](JsonWriter& json) { json.number(0.1); }), "0.1");
  EXPECT_EQ(text_of([](JsonWriter& json) { json.number(3); }), "3.0");
  EXPECT_EQ(text_of([](JsonWriter& json) { json.number(-0.0); }), "-0.0");
  EXPECT_EQ(text_of([](JsonWriter& json) { json.number(NAN); }), R"("NaN")");
  EXPECT_EQ(text_of([](JsonWriter& json) { json.number(-INFINITY); }), R"("-Infinity")");
}

TEST(JsonWriter, WritesBytesInBase64) {
  const auto base64 = [](std::string_view bytes) {
    return text_of([&](JsonWriter& json) { json.base64(bytes); });
  };
  EXPECT_EQ(base64(""), R"("")");
  EXPECT_EQ(base64("f"), R"("Zg==")");
  EXPECT_EQ(base64("fo"), R"("Zm8=")");
  EXPECT_EQ(base64("foo"), R"("Zm9v")");
  EXPECT_EQ(base64("foobar"), R"("Zm9vYmFy")");
  EXPECT_EQ(base64(std::string_view("\xfb\xff\xfe", 3)), R"("+//+")");
}

}  // namespace
}  // namespace testmesh::api
