#include "transport/http/chunk_decoder.h"

#include <gtest/gtest.h>

namespace testmesh::http {
namespace {

using State = ChunkDecoder::State;

struct Decoded {
  State state;
  std::string body;
  size_t taken;
};

Decoded decode(std::string_view text, size_t step = std::string_view::npos, size_t limit = 1 << 20) {
  ChunkDecoder decoder(limit);
  Decoded result{State::kMore, "", 0};
  while (result.taken < text.size() && decoder.state() == State::kMore) {
    result.taken += decoder.feed(text.substr(result.taken, step), result.body);
  }
  result.state = decoder.state();
  return result;
}

TEST(ChunkDecoder, PutsChunksTogetherAndStopsBehindTheLast) {
  const std::string_view message = "5\r\nhello\r\n0A\r\n, world\r\n!\r\n0\r\n\r\n";
  const auto result = decode(std::string(message) + "GET /");
  EXPECT_EQ(result.state, State::kDone);
  EXPECT_EQ(result.body, "hello, world\r\n!");
  EXPECT_EQ(result.taken, message.size());
}

TEST(ChunkDecoder, ChecksAndDropsExtensionsAndTrailers) {
  const auto result = decode("3;a;b=c; d=\"x\\\"; y\"\r\nabc\r\n0;z\r\nX-Sum: 1\r\nOther:\r\n\r\n");
  EXPECT_EQ(result.state, State::kDone);
  EXPECT_EQ(result.body, "abc");
}

TEST(ChunkDecoder, IsTheSameHoweverItIsCut) {
  const std::string_view message = "3;a=\"q\"\r\nabc\r\n10\r\n0123456789abcdef\r\n000\r\nT: 1\r\n\r\n";
  for (size_t step = 1; step <= message.size(); ++step) {
    const auto result = decode(message, step);
    EXPECT_EQ(result.state, State::kDone) << step;
    EXPECT_EQ(result.body, "abc0123456789abcdef");
  }
  for (size_t end = 0; end < message.size(); ++end) {
    EXPECT_EQ(decode(message.substr(0, end)).state, State::kMore) << end;
  }
}

TEST(ChunkDecoder, RefusesWhatCanBeReadInTwoWays) {
  for (const std::string_view text : {"\r\nabc",
                                      "g\r\n",
                                      "-1\r\na\r\n",
                                      "+1\r\na\r\n",
                                      "0x1\r\na\r\n",
                                      " 1\r\na\r\n",
                                      "1 \r\na\r\n",
                                      "1\na\r\n",
                                      "1\r\r\na",
                                      "1\r\nab\r\n",
                                      "1\r\na\n",
                                      "1\r\na0\r\n\r\n",
                                      "1;\r\na\r\n",
                                      "1;a=\r\na\r\n",
                                      "1;a=\"b\r\na\r\n",
                                      "1;\x01\r\na\r\n",
                                      "1;a\nb\r\n",
                                      "11111111111111111\r\na",
                                      "0\r\nbad trailer\r\n",
                                      "0\r\na b: c\r\n",
                                      "0\r\nA: b\n",
                                      "0\r\n folded: x\r\n",
                                      "\n",
                                      "x"}) {
    EXPECT_EQ(decode(text).state, State::kBad) << text;
    EXPECT_EQ(decode(text, 1).state, State::kBad) << text;
  }
}

TEST(ChunkDecoder, StopsAtTheLimit) {
  EXPECT_EQ(decode("5\r\nhello\r\n0\r\n\r\n", std::string_view::npos, 5).state, State::kDone);
  EXPECT_EQ(decode("5\r\nhello\r\n1\r\n", std::string_view::npos, 5).state, State::kTooLarge);
  EXPECT_EQ(decode("ffffffffffffffff\r\n", std::string_view::npos, 5).state, State::kTooLarge);
  EXPECT_EQ(decode("1\r\na\r\nffffffffffffffff\r\n").state, State::kTooLarge);
}

TEST(ChunkDecoder, BoundsExtensionsAndTrailers) {
  std::string extensions;
  for (int i = 0; i < 100; ++i) extensions += "1;" + std::string(1000, 'x') + "\r\na\r\n";
  EXPECT_EQ(decode(extensions).state, State::kBad);
  EXPECT_EQ(decode("1;" + std::string(100'000, 'x')).state, State::kBad);
  std::string trailers = "0\r\n";
  for (int i = 0; i < 100; ++i) trailers += "a: " + std::string(1000, 'x') + "\r\n";
  EXPECT_EQ(decode(trailers).state, State::kBad);
}

}  // namespace
}  // namespace testmesh::http
