#include "otlp/json_document.h"

#include <gtest/gtest.h>

namespace testmesh::otlp {
namespace {

TEST(FindJsonError, AcceptsJson) {
  for (const char* text : {"{}", "[]", " [ 1 , -2.5e+3 , 0, 0.1E-9, \"a\\u00fF\\n\" , true,false , null ] ",
                           "7", "\"x\"", R"({"a":{"b":[{}, {"c":[]}]},"d":"e"})", "[[[[]]]]"})
    EXPECT_EQ(find_json_error(text), std::nullopt) << text;
}

TEST(FindJsonError, PointsAtTheFirstWrongByte) {
  const std::pair<const char*, size_t> cases[] = {
      {"", 0},    {"[1,]", 3},    {"[1 2]", 3},    {"{\"a\" 1}", 5}, {"{\"a\":1,}", 7}, {"{a:1}", 1},
      {"01", 1},  {"1.", 2},      {"-", 1},        {"tru", 3},       {"trux", 3},       {"[}", 1},
      {"[1}", 2}, {"\"\\x\"", 2}, {"\"\\u12g", 5}, {"\"a\nb\"", 2},  {"\"open", 5},     {"{\"a\":1}}", 7},
      {"1e", 2},  {"nul", 3},     {"[1", 2},
  };
  for (const auto& [text, at] : cases) EXPECT_EQ(find_json_error(text), at) << text;
}

TEST(JsonParser, AgreesWithTheScannerOnWhatIsJson) {
  JsonParser parser;
  const std::string original = R"({"a":[1,-2.5e+3,"x\u00e9\n",true,null,{"b":false}],"c":{"d":""}})";
  for (size_t at = 0; at < original.size(); ++at) {
    for (const char c : std::string_view("\"{}[]:,0-e.\\ntfa ")) {
      std::string text = original;
      text[at] = c;
      EXPECT_EQ(parser.parse(text).has_value(), !find_json_error(text)) << text;
    }
  }
}

}  // namespace
}  // namespace testmesh::otlp
