#include "encoding/text_template.h"

#include <gtest/gtest.h>

#include <random>

namespace testmesh::encoding {
namespace {

std::string round_trip(const std::string& text) {
  SplitText split;
  if (!split_text(text, split)) return text;
  std::string_view payload = split.payload;
  EXPECT_EQ(payload_size(split.skeleton, payload), payload.size()) << text;
  std::string joined;
  EXPECT_TRUE(join_text(split.skeleton, payload, joined)) << text;
  EXPECT_TRUE(payload.empty()) << text;
  return joined;
}

std::string skeleton(const std::string& text) {
  SplitText split;
  EXPECT_TRUE(split_text(text, split));
  return split.skeleton;
}

TEST(TextTemplate, GivesTheTextBack) {
  for (const char* text : {"",
                           "a",
                           "/orders/8f3a61c0b2d4",
                           "/orders/8F3A61C0B2D4",
                           "0",
                           "007",
                           "000000000000000000",
                           "18446744073709551616",
                           "123456789012345678",
                           "1234567890123456789",
                           "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
                           "6ba7b810-9dad-11d1-80b4-00c04fd430c8x",
                           "x6ba7b810-9dad-11d1-80b4-00c04fd430c8",
                           "10.12.3.4:8080",
                           "order12345",
                           "v1",
                           "HTTP/1.1",
                           "deadbeef",
                           "deadbee1",
                           "DEADBEE1",
                           "DeadBee1",
                           "été-42-日本",
                           "customer_4711/items"})
    EXPECT_EQ(round_trip(text), text);
}

TEST(TextTemplate, GivesRandomTextBack) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  static constexpr std::string_view kAlphabet = "0123456789abcdefABCDEFgz-/._ \x01\x08";
  for (int i = 0; i < 20'000; ++i) {
    std::string text(random() % 60, ' ');
    for (char& c : text) c = kAlphabet[random() % kAlphabet.size()];
    ASSERT_EQ(round_trip(text), text);
  }
}

TEST(TextTemplate, TextsThatDifferInIdsAloneShareASkeleton) {
  EXPECT_EQ(skeleton("/orders/8f3a61c0b2d4/items/17"), skeleton("/orders/0a0b0c0d0e0f/items/90210"));
  EXPECT_EQ(skeleton("6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
            skeleton("00000000-0000-0000-0000-000000000000"));
  EXPECT_NE(skeleton("/orders/17"), skeleton("/users/17"));
}

TEST(TextTemplate, ControlBytesAndLongTextsAreNotSplit) {
  SplitText split;
  EXPECT_FALSE(split_text(std::string("a\x03"
                                      "b"),
                          split));
  EXPECT_FALSE(split_text(std::string(kMaxTemplateText + 1, '1'), split));
}

TEST(TextTemplate, DamagedRunsAreRefused) {
  SplitText split;
  ASSERT_TRUE(split_text("/orders/8f3a61c0b2d4/6ba7b810-9dad-11d1-80b4-00c04fd430c8/7", split));
  for (size_t cut = 0; cut < split.payload.size(); ++cut) {
    std::string_view payload = std::string_view(split.payload).substr(0, cut);
    EXPECT_EQ(payload_size(split.skeleton, payload), std::string_view::npos) << cut;
    std::string joined;
    EXPECT_FALSE(join_text(split.skeleton, payload, joined)) << cut;
  }
}

}  // namespace
}  // namespace testmesh::encoding
