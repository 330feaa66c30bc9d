#include "api/attribute_query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace testmesh::api {
namespace {

using model::Value;
using ::testing::HasSubstr;

struct Understood {
  const char* text;
  const char* key;
  Value value;
  bool resource = false;
};

TEST(AttributeQuery, UnderstandsTheEqualityOfOneAttribute) {
  const Understood cases[] = {
      {"attributes['http.route'] == '/orders'", "http.route", {std::string("/orders")}},
      {"  attributes [ \"a\" ]==\"b\"  ", "a", {std::string("b")}},
      {"resource['service.version'] == `1\\2`", "service.version", {std::string("1\\2")}, true},
      {R"(attributes['it\'s'] == "\"\\\n\t\r\u00e9\u20ac")", "it's", {std::string("\"\\\n\t\r\u00e9\u20ac")}},
      {"attributes['n'] == 200", "n", {int64_t{200}}},
      {"attributes['n'] == -9223372036854775808", "n", {INT64_MIN}},
      {"attributes['n'] == 9223372036854775808", "n", {9223372036854775808.0}},
      {"attributes['n'] == 0.5", "n", {0.5}},
      {"attributes['n'] == 1e3", "n", {1000.0}},
      {"attributes['b'] == true", "b", {true}},
      {"attributes['b'] == false", "b", {false}},
      {"attributes[''] == ''", "", {std::string()}},
      {"attributes['a'] == 'ü😀'", "a", {std::string("ü😀")}},
  };
  for (const Understood& one : cases) {
    const auto query = parse_attribute_query(one.text);
    ASSERT_TRUE(query) << one.text << ": " << query.error().message;
    EXPECT_EQ(query->key, one.key) << one.text;
    EXPECT_EQ(query->value, one.value) << one.text;
    EXPECT_EQ(query->resource, one.resource) << one.text;
  }
}

TEST(AttributeQuery, SaysWhatIsSupportedForAnythingElse) {
  for (const char* text : {"",
                           "x",
                           "attributes",
                           "attributes[",
                           "attributes['a'",
                           "attributes['a']",
                           "attributes['a'] =",
                           "attributes['a'] ==",
                           "attributes['a'] = 'b'",
                           "attributes['a'] != 'b'",
                           "attributes['a'] >= 500",
                           "attributes[a] == 'b'",
                           "attributes['a'] == b",
                           "attributes['a'] == 'b",
                           "attributes['a'] == 'b' and service == 'c'",
                           "attributes['a'] == '\\",
                           "attributes['a'] == '\\q'",
                           "attributes['a'] == '\\u12'",
                           "attributes['a'] == '\\ud800'",
                           "attributes['a'] == 1x",
                           "attributes['a'] == nan",
                           "attributes['a'] == inf",
                           "attributes['a'] == -inf",
                           "attributes['a'] == 1e999",
                           "attributes['a'] == --1",
                           "attributes['a'] == null",
                           "attributes['a'] == trueish",
                           "attributes.a == 'b'",
                           "service == 'cart'"}) {
    const auto query = parse_attribute_query(text);
    ASSERT_FALSE(query) << text;
    EXPECT_EQ(query.error().code, base::ErrorCode::kInvalidArgument);
    EXPECT_THAT(query.error().message, HasSubstr("Supported is")) << text;
  }
}

}  // namespace
}  // namespace testmesh::api
