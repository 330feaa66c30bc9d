#include "ingest/decompress.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "ingest/testing/compress.h"

namespace testmesh::ingest {
namespace {

using base::ErrorCode;
using testing::gzip;
using testing::zlib;
using testing::zstd;
using testing::zstd_stream;

struct Writer {
  const char* name;
  ContentCoding coding;
  std::string (*write)(std::string_view);
};

constexpr Writer kWriters[] = {{"gzip", ContentCoding::kGzip, gzip},
                               {"deflate", ContentCoding::kDeflate, zlib},
                               {"zstd", ContentCoding::kZstd, zstd},
                               {"zstd stream", ContentCoding::kZstd, zstd_stream}};

std::string sample(size_t size) {
  std::mt19937 random(7);  // the same text every time
  std::string text;
  while (text.size() < size) text += "span " + std::to_string(random() % 1000) + " ";
  text.resize(size);
  return text;
}

TEST(Decompress, GivesBackWhatWasCompressed) {
  std::string out;
  for (const Writer& writer : kWriters) {
    for (const size_t size : {0, 1, 100, 65'536, 3'000'000}) {
      const std::string text = sample(size);
      const auto result = decompress(writer.coding, writer.write(text), 64 << 20, out);
      ASSERT_TRUE(result.has_value()) << writer.name << size << result.error().message;
      EXPECT_TRUE(out == text) << writer.name << size;
    }
  }
}

TEST(Decompress, ReadsSeveralMembersAsOne) {
  std::string out;
  const std::string a = sample(100'000), b = sample(10), c;
  ASSERT_TRUE(
      decompress(ContentCoding::kGzip, gzip(a) + gzip(b) + gzip(c) + gzip(a), 1 << 20, out).has_value());
  EXPECT_TRUE(out == a + b + c + a);
  ASSERT_TRUE(
      decompress(ContentCoding::kZstd, zstd(a) + zstd_stream(b) + zstd(c) + zstd_stream(a), 1 << 20, out)
          .has_value());
  EXPECT_TRUE(out == a + b + c + a);
  // The members together are over the limit.
  EXPECT_EQ(decompress(ContentCoding::kGzip, gzip(a) + gzip(a), 150'000, out).error().code,
            ErrorCode::kTooLarge);
  EXPECT_EQ(decompress(ContentCoding::kZstd, zstd(a) + zstd(a), 150'000, out).error().code,
            ErrorCode::kTooLarge);
  EXPECT_EQ(decompress(ContentCoding::kZstd, zstd(a) + zstd_stream(a), 150'000, out).error().code,
            ErrorCode::kTooLarge);
  // zlib has no members.
  EXPECT_EQ(decompress(ContentCoding::kDeflate, zlib(a) + zlib(b), 1 << 20, out).error().code,
            ErrorCode::kInvalidArgument);
}

TEST(Decompress, TakesExactlyTheLimit) {
  std::string out;
  for (const Writer& writer : kWriters) {
    const std::string packed = writer.write(sample(100'000));
    EXPECT_TRUE(decompress(writer.coding, packed, 100'000, out).has_value()) << writer.name;
    const auto over = decompress(writer.coding, packed, 99'999, out);
    ASSERT_FALSE(over.has_value()) << writer.name;
    EXPECT_EQ(over.error().code, ErrorCode::kTooLarge) << writer.name;
  }
}

TEST(Decompress, StopsBombsAtTheLimit) {
  const std::string zeros(30 << 20, '\0');
  for (const Writer& writer : kWriters) {
    const std::string packed = writer.write(zeros);
    ASSERT_LT(packed.size(), 1u << 20);
    std::string out;
    const auto result = decompress(writer.coding, packed, 1 << 20, out);
    ASSERT_FALSE(result.has_value()) << writer.name;
    EXPECT_EQ(result.error().code, ErrorCode::kTooLarge) << writer.name;
    EXPECT_LE(out.capacity(), 4u << 20) << writer.name;
  }
}

TEST(Decompress, BoundsTheNumberOfMembers) {
  std::string gzips, frames;
  const std::string empty_gzip = gzip(""), empty_frame = zstd("");
  for (int i = 0; i < 20'000; ++i) {
    gzips += empty_gzip;
    frames += empty_frame;
  }
  std::string out;
  EXPECT_EQ(decompress(ContentCoding::kGzip, gzips, 1 << 20, out).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(decompress(ContentCoding::kZstd, frames, 1 << 20, out).error().code, ErrorCode::kInvalidArgument);
}

TEST(Decompress, RefusesACutAtEveryByte) {
  std::string out;
  for (const Writer& writer : kWriters) {
    const std::string packed = writer.write(sample(2000));
    for (size_t end = 1; end < packed.size(); ++end) {
      const auto result = decompress(writer.coding, std::string_view(packed).substr(0, end), 1 << 20, out);
      ASSERT_FALSE(result.has_value()) << writer.name << " cut at " << end;
      EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument) << writer.name << " cut at " << end;
    }
    const auto trailing = decompress(writer.coding, packed + "x", 1 << 20, out);
    EXPECT_FALSE(trailing.has_value()) << writer.name;
  }
}

TEST(Decompress, RefusesOtherBytes) {
  std::string out;
  for (const Writer& writer : kWriters) {
    for (const std::string& text :
         {std::string("not compressed at all"), std::string(100, '\0'), std::string(1, '\x1f')}) {
      EXPECT_EQ(decompress(writer.coding, text, 1 << 20, out).error().code, ErrorCode::kInvalidArgument)
          << writer.name;
    }
  }
  // Damage is noticed where the format has a checksum.
  std::string damaged = gzip(sample(2000));
  damaged[damaged.size() / 2] ^= 1;
  EXPECT_FALSE(decompress(ContentCoding::kGzip, damaged, 1 << 20, out).has_value());
}

// A zstd header that asks for a window of 1 GiB.
TEST(Decompress, RefusesHugeWindows) {
  const std::string frame("\x28\xb5\x2f\xfd\x00\xa0\x01\x00\x00", 9);
  std::string out;
  EXPECT_EQ(decompress(ContentCoding::kZstd, frame, 64 << 20, out).error().code, ErrorCode::kInvalidArgument);
}

TEST(ContentCoding, IsReadInAnyCase) {
  EXPECT_EQ(parse_content_coding(""), ContentCoding::kIdentity);
  EXPECT_EQ(parse_content_coding("Identity"), ContentCoding::kIdentity);
  EXPECT_EQ(parse_content_coding("GZIP"), ContentCoding::kGzip);
  EXPECT_EQ(parse_content_coding("zStd"), ContentCoding::kZstd);
  EXPECT_EQ(parse_content_coding("Deflate"), ContentCoding::kDeflate);
  for (const std::string_view unknown : {"br", "gzip, gzip", "snappy", "gzip;q=1", "none"}) {
    EXPECT_FALSE(parse_content_coding(unknown).has_value()) << unknown;
  }
}

}  // namespace
}  // namespace testmesh::ingest
