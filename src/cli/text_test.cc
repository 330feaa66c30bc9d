#include "cli/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "cli/table.h"

namespace testmesh::cli {
namespace {

TEST(Text, IsHarmlessOnATerminal) {
  EXPECT_EQ(printable("plain żółć 😀"), "plain żółć 😀");
  EXPECT_EQ(printable("a\x1b[31mb\nc\r\t\x7f"), "a\uFFFD[31mb\uFFFDc\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(printable("\u009b\u202e\u200b"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(printable("\xff\xc3\xed\xa0\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD");
}

TEST(Text, IsCutByWhatItTakesOnTheScreen) {
  EXPECT_EQ(width_of("żó日本"), 6u);
  EXPECT_EQ(width_of("e\u0301"), 1u);
  EXPECT_EQ(cut("abcdef", 6), "abcdef");
  EXPECT_EQ(cut("abcdef", 5), "abcd…");
  EXPECT_EQ(cut("日本語", 5), "日本…");
  EXPECT_EQ(cut("日本語", 4), "日…");
  EXPECT_EQ(cut("abc", 1), "…");
  EXPECT_EQ(cut("abc", 0), "");
}

TEST(Text, SaysDurationsAndShares) {
  EXPECT_EQ(duration_text(0), "0 ns");
  EXPECT_EQ(duration_text(0.000412), "412 ns");
  EXPECT_EQ(duration_text(0.412), "412 µs");
  EXPECT_EQ(duration_text(0.99951), "1.0 ms");
  EXPECT_EQ(duration_text(3.44), "3.4 ms");
  EXPECT_EQ(duration_text(412), "412 ms");
  EXPECT_EQ(duration_text(12'100), "12.1 s");
  EXPECT_EQ(duration_text(123'000), "2 min 3 s");
  EXPECT_EQ(percent_text(0), "0 %");
  EXPECT_EQ(percent_text(0.0004), "0.04 %");
  EXPECT_EQ(percent_text(0.125), "12.5 %");
}

TEST(Table, FitsTheTerminal) {
  Table table({{"NAME", Align::kLeft, 4}, {"COUNT", Align::kRight, 5}});
  table.add({"a name that is much too long", "12"});
  table.add({"b\x1b[2J", "3"});
  std::ostringstream wide, narrow;
  table.print(wide, 0);
  EXPECT_EQ(wide.str(),
            "NAME                          COUNT\n"
            "a name that is much too long     12\n"
            "b\uFFFD[2J                             3\n");
  table.print(narrow, 20);
  EXPECT_EQ(narrow.str(),
            "NAME           COUNT\n"
            "a name that …     12\n"
            "b\uFFFD[2J              3\n");
}

TEST(Table, LeavesOutWhatIsExpendable) {
  Table table({{"ID", Align::kLeft, 8},
               {"NOTE", Align::kLeft, 6, 1},
               {"COUNT", Align::kRight, 5, 2},
               {"ENV", Align::kLeft, 3, 3}});
  table.add({"12345678", "a note", "12", ""});
  const auto at = [&](unsigned width) {
    std::ostringstream out;
    table.print(out, width);
    return out.str();
  };
  EXPECT_EQ(at(0), "ID        NOTE    COUNT  ENV\n12345678  a note     12\n");
  EXPECT_EQ(at(80), "ID        NOTE    COUNT\n12345678  a note     12\n");  // nothing in ENV
  EXPECT_EQ(at(22), "ID        NOTE\n12345678  a note\n");
  EXPECT_EQ(at(10), "ID\n12345678\n");
  EXPECT_EQ(at(4), "ID\n12345678\n");  // an id that is cut is no use
}

TEST(Table, CutsTheFrontOfPaths) {
  Table table({{"FILE", Align::kLeft, 8, 0, true}});
  table.add({"/a/long/path/to/traces.json"});
  std::ostringstream out;
  table.print(out, 12);
  EXPECT_EQ(out.str(), "FILE\n…traces.json\n");
}

TEST(Text, WrapsBehindTheSeparator) {
  EXPECT_EQ(wrap("a:1->b:2->c:3", "->", 0, 2), "a:1->b:2->c:3");
  EXPECT_EQ(wrap("a:1->b:2->c:3", "->", 10, 2), "a:1->b:2->\n  c:3");
  EXPECT_EQ(wrap("a-very-long-one->b", "->", 4, 1), "a-very-long-one->\n b");
  EXPECT_EQ(wrap("", "->", 4, 1), "");
}

TEST(Text, Counts) {
  EXPECT_EQ(counted(1, "error"), "1 error");
  EXPECT_EQ(counted(0, "error"), "0 errors");
  EXPECT_EQ(percent_text(1), "100 %");
}

}  // namespace
}  // namespace testmesh::cli
