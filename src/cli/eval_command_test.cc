#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "cli/run_cli.h"
#include "cli/testing/cli_fixture.h"

namespace testmesh::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class Eval : public Cli {};

TEST_F(Eval, PrintsTheValue) {
  const Outcome done = run({"eval", "[1, 2, 3] | filter(# > 1) | len"});
  EXPECT_EQ(done.code, 0);
  EXPECT_EQ(done.out, "2\n");
  EXPECT_EQ(run({"eval", "{a: 1.0, b: nil}"}).out, "{\"a\":1.0,\"b\":null}\n");
}

TEST_F(Eval, ReadsNamesFromAFile) {
  const std::string names = file("names.json", R"({"status": 200, "body": {"id": 7}})");
  EXPECT_EQ(run({"eval", "status == 200 and body.id exists", "--env", names}).out, "true\n");
  const Outcome broken = run({"eval", "1", "--env", file("broken.json", "{\"a\": }")});
  EXPECT_EQ(broken.code, 2);
  EXPECT_THAT(broken.err, HasSubstr("broken.json: invalid JSON at byte 7"));
  EXPECT_EQ(run({"eval", "1", "--env", file("list.json", "[]")}).code, 2);
  EXPECT_EQ(run({"eval", "1", "--env", "not-there.json"}).code, 2);
}

TEST_F(Eval, PointsAtWhatIsWrong) {
  const Outcome wrong = run({"eval", "1 + 'a'"});
  EXPECT_EQ(wrong.code, 1);
  EXPECT_EQ(wrong.out, "");
  EXPECT_EQ(wrong.err, "testmesh: check error: + of int and string (1:3)\n | 1 + 'a'\n |   ^\n");
  EXPECT_THAT(run({"eval", "x.y"}).err, StartsWith("testmesh: runtime error: "));
}

TEST_F(Eval, RefusesWrongUsage) {
  EXPECT_EQ(run({"eval"}).code, 2);
  EXPECT_EQ(run({"eval", "1", "--jsonl"}).code, 2);
  EXPECT_EQ(run({"eval", "--jsonl", "--reference"}).code, 2);
  EXPECT_THAT(run({"eval", "--help"}).out, HasSubstr("Examples:"));
}

TEST_F(Eval, AnswersEachLine) {
  input = "{\"expr\": \"1 + a\", \"env\": {\"a\": 2}}\n\nrubbish\n{\"expr\": \"1 +\", \"env\": {}}\n" +
          std::string(17 << 20, 'x') + "\n{\"expr\": \"2\", \"env\": {}}";
  const Outcome done = run({"eval", "--jsonl"});
  EXPECT_EQ(done.code, 0);
  std::istringstream lines(done.out);
  std::vector<std::string> answers;
  for (std::string line; std::getline(lines, line);) answers.push_back(line);
  ASSERT_EQ(answers.size(), 6u);
  EXPECT_EQ(answers[0], "{\"value\":3}");
  EXPECT_THAT(answers[1], HasSubstr("\"input\""));
  EXPECT_THAT(answers[2], HasSubstr("\"input\""));
  EXPECT_THAT(answers[3], HasSubstr("\"parse\""));
  EXPECT_THAT(answers[4], HasSubstr("longer than"));
  EXPECT_EQ(answers[5], "{\"value\":2}");
}

TEST_F(Eval, PrintsTheReference) {
  const Outcome page = run({"eval", "--reference"});
  EXPECT_EQ(page.code, 0);
  EXPECT_THAT(page.out, HasSubstr("| `filter(list, predicate)` |"));
}

}  // namespace
}  // namespace testmesh::cli
