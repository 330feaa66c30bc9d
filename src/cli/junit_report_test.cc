#include "cli/junit_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

namespace testmesh::cli {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// Read by a parser that is not ours and refuses what is not well-formed. Null
// when there is no python3 here; {"error": …} when it refuses. An element is
// [name, attributes, text, children].
json read_by_another(const std::string& xml) {
  static constexpr char kReader[] =
      "import json, sys, xml.etree.ElementTree as tree\n"
      "def plain(e): return [e.tag, dict(e.attrib), e.text or '', [plain(c) for c in e]]\n"
      "try: print(json.dumps(plain(tree.fromstring(open(sys.argv[1], 'rb').read()))))\n"
      "except tree.ParseError as error: print(json.dumps({'error': str(error)}))\n";
  std::string directory = (std::filesystem::temp_directory_path() / "testmesh-junit-XXXXXX").string();
  if (mkdtemp(directory.data()) == nullptr) std::abort();
  const std::string script = directory + "/reader.py", document = directory + "/report.xml";
  std::ofstream(script, std::ios::binary) << kReader;
  std::ofstream(document, std::ios::binary) << xml;
  FILE* pipe = popen(("python3 " + script + " " + document + " 2>/dev/null").c_str(), "r");
  std::string out;
  char block[4096];
  for (size_t read = 0; pipe && (read = fread(block, 1, sizeof block, pipe)) > 0;) out.append(block, read);
  if (pipe) pclose(pipe);
  std::filesystem::remove_all(directory);
  return out.empty() ? json() : json::parse(out);
}

JUnitReport example() {
  JUnitSuite suite{.name = "checkout",
                   .timestamp = "2026-11-26T22:10:03.123456789Z",
                   .seconds = 1.5,
                   .properties = {{"server", "http://127.0.0.1:5016"}},
                   .cases = {},
                   .system_out = "said",
                   .system_err = {}};
  suite.cases.push_back({.classname = "checkout", .name = "passes", .seconds = 0.25});
  suite.cases.push_back({.classname = "checkout",
                         .name = "fails",
                         .outcome = JUnitOutcome::kFailed,
                         .message = "expected 201, was 500",
                         .type = "assertion",
                         .text = "first line\nsecond\tline",
                         .properties = {{"trace", "4bf9"}},
                         .system_out = "out",
                         .system_err = "err"});
  suite.cases.push_back(
      {.classname = "checkout", .name = "breaks", .outcome = JUnitOutcome::kError, .message = "no answer"});
  suite.cases.push_back(
      {.classname = "checkout", .name = "waits", .outcome = JUnitOutcome::kSkipped, .message = "not now"});
  return {.name = "all", .suites = {suite, {.name = "empty"}}};
}

TEST(JUnitXml, IsWhatContinuousIntegrationReads) {
  EXPECT_EQ(to_junit_xml(example()), R"(<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="all" tests="4" failures="1" errors="1" time="1.500">
  <testsuite name="checkout" id="0" tests="4" failures="1" errors="1" skipped="1" time="1.500" timestamp="2026-11-26T22:10:03">
    <properties>
      <property name="server" value="http://127.0.0.1:5016"/>
    </properties>
    <testcase classname="checkout" name="passes" time="0.250"/>
    <testcase classname="checkout" name="fails" time="0.000">
      <properties>
        <property name="trace" value="4bf9"/>
      </properties>
      <failure message="expected 201, was 500" type="assertion">first line
second	line</failure>
      <system-out>out</system-out>
      <system-err>err</system-err>
    </testcase>
    <testcase classname="checkout" name="breaks" time="0.000">
      <error message="no answer" type="error"/>
    </testcase>
    <testcase classname="checkout" name="waits" time="0.000">
      <skipped message="not now"/>
    </testcase>
    <system-out>said</system-out>
  </testsuite>
  <testsuite name="empty" id="1" tests="0" failures="0" errors="0" skipped="0" time="0.000">
  </testsuite>
</testsuites>
)");
}

TEST(JUnitXml, ReadsBackAsWritten) {
  const std::string hostile = "<a href=\"x\">&amp; ]]> 'q'\n\r\t– 界 🎉</a>";
  JUnitReport report = example();
  JUnitCase& failed = report.suites[0].cases[1];
  failed.name = failed.message = failed.type = failed.text = failed.system_out = hostile;
  failed.properties = {{hostile, hostile}};
  const json tree = read_by_another(to_junit_xml(report));
  if (tree.is_null()) GTEST_SKIP() << "python3 is not installed";
  ASSERT_TRUE(tree.is_array()) << tree;
  const json& element = tree[3][0][3][2];
  EXPECT_EQ(element[1]["name"], hostile);
  EXPECT_EQ(element[3][0][3][0][1], (json{{"name", hostile}, {"value", hostile}}));
  EXPECT_EQ(element[3][1][1], (json{{"message", hostile}, {"type", hostile}}));
  EXPECT_EQ(element[3][1][2], hostile);
  EXPECT_EQ(element[3][2][2], hostile);
}

TEST(JUnitXml, ReplacesWhatXmlCannotHold) {
  EXPECT_EQ(xml_escaped(std::string("a\0b\x01\x1f\x7f", 6)), "a\uFFFDb\uFFFD\uFFFD\x7f");
  EXPECT_EQ(xml_escaped("\xff\xc3(\xed\xa0\x80"), "\uFFFD\uFFFD(\uFFFD\uFFFD\uFFFD")
      << "bytes that are no UTF-8";
  EXPECT_EQ(xml_escaped("\uFFFE\uFFFF\uFFFD"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(xml_escaped("\x1b[31m"), "\uFFFD[31m");
}

TEST(JUnitXml, IsWellFormedWhateverTheNamesAre) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto noise = [&] {
    static constexpr std::string_view kPieces[] = {"]]>", "<!--", "-->",       "<?",
                                                   "?>",  "&#0;", "<![CDATA[", "\xef\xbf\xbf"};
    std::string text;
    for (unsigned i = random() % 40; i > 0; --i)
      if (random() % 4 == 0)
        text += kPieces[random() % std::size(kPieces)];
      else
        text += static_cast<char>(random());
    return text;
  };
  JUnitReport report{.name = noise(), .suites = {}};
  for (int i = 0; i < 20; ++i) {
    JUnitSuite& suite = report.suites.emplace_back();
    suite.name = noise();
    suite.properties = {{noise(), noise()}};
    suite.system_out = noise();
    for (int j = 0; j < 20; ++j)
      suite.cases.push_back({.classname = noise(),
                             .name = noise(),
                             .outcome = static_cast<JUnitOutcome>(random() % 4),
                             .message = noise(),
                             .type = noise(),
                             .text = noise(),
                             .properties = {{noise(), noise()}},
                             .system_out = noise(),
                             .system_err = noise()});
  }
  const json tree = read_by_another(to_junit_xml(report));
  if (tree.is_null()) GTEST_SKIP() << "python3 is not installed";
  ASSERT_TRUE(tree.is_array()) << tree;
  EXPECT_EQ(tree[3].size(), 20u);
}

TEST(JUnitXml, NamesNoTimeThatIsNone) {
  JUnitReport report{.name = "all", .suites = {{.name = "odd", .seconds = -1}}};
  EXPECT_THAT(to_junit_xml(report), AllOf(HasSubstr("time=\"0.000\""), Not(HasSubstr("timestamp"))));
  report.suites[0].seconds = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(to_junit_xml(report), Not(HasSubstr("nan")));
}

}  // namespace
}  // namespace testmesh::cli
