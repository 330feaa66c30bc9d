#include <gtest/gtest.h>

#include <random>

#include "otlp/convert.h"
#include "otlp/testing/oracle.h"
#include "otlp/testing/random_spans.h"

namespace testmesh::otlp {
namespace {

using testing::Oracle;
using testing::random_spans;

std::string bytes_field(uint32_t number, const std::string& content) {
  std::string out;
  for (uint64_t rest : {static_cast<uint64_t>(number << 3 | 2), static_cast<uint64_t>(content.size())}) {
    for (; rest >= 0x80; rest >>= 7) out += static_cast<char>(rest | 0x80);
    out += static_cast<char>(rest);
  }
  return out + content;
}

const std::string kTraceId = "0123456789abcdef";
const std::string kSpanId = "ABCDEFGH";

std::string acceptable_span(const std::string& more = "") {
  return bytes_field(1, kTraceId) + bytes_field(2, kSpanId) + more;
}
std::string request_of(const std::string& span) {
  return bytes_field(1, bytes_field(2, bytes_field(2, span)));
}

// Both readers must agree; gives what they say.
std::optional<DecodedSpans> agreed(std::string_view bytes) {
  const auto theirs = Oracle::decode(bytes);
  auto ours = decode_protobuf(bytes);
  EXPECT_EQ(ours.has_value(), theirs.has_value()) << (ours ? "accepted" : ours.error().message);
  if (!ours) {
    EXPECT_EQ(ours.error().code, base::ErrorCode::kInvalidArgument);
    return std::nullopt;
  }
  if (theirs) {
    EXPECT_TRUE(testing::same(*ours, *theirs));
  }
  return *std::move(ours);
}

// Ids of wrong lengths and ends before starts, here and there.
void spoil(oracle::ExportTraceServiceRequest& request, std::mt19937_64& random) {
  for (auto& resource_spans : *request.mutable_resource_spans()) {
    for (auto& span : *resource_spans.mutable_scope_spans(0)->mutable_spans()) {
      switch (random() % 12) {
        case 0:
          span.set_trace_id(std::string(random() % 20, 'a'));
          break;
        case 1:
          span.set_span_id(std::string(random() % 12, 'b'));
          break;
        case 2:
          span.set_parent_span_id(std::string(random() % 12, 'c'));
          break;
        case 3:
          span.set_end_time_unix_nano(span.start_time_unix_nano() - random() % 2);
          break;
        case 4:
          span.set_trace_id(std::string(16, '\0'));
          break;
        case 5:
          span.set_span_id(std::string(8, '\0'));
          break;
        case 6:
          span.set_end_time_unix_nano(0);
          break;
        case 7:
          for (auto& link : *span.mutable_links()) link.set_trace_id(std::string(random() % 20, 'd'));
          break;
        default:
          break;
      }
    }
  }
}

TEST(DecodeProtobuf, AgreesWithLibprotobufOnRandomSpans) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  uint64_t rejected = 0;
  uint64_t repaired = 0;
  for (int round = 0; round < 60; ++round) {
    auto request = Oracle::request(random_spans(random, 40));
    if (round % 2) spoil(request, random);
    const auto decoded = agreed(request.SerializeAsString());
    ASSERT_TRUE(decoded);
    rejected += decoded->rejected;
    repaired += decoded->repaired;
  }
  EXPECT_GT(rejected, 0);
  EXPECT_GT(repaired, 0);
}

TEST(DecodeProtobuf, AgreesWithLibprotobufOnMutatedBytes) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  int accepted = 0;
  int refused = 0;
  for (int round = 0; round < 200; ++round) {
    const std::string original = Oracle::request(random_spans(random, 3)).SerializeAsString();
    for (int i = 0; i < 40 && !HasFailure(); ++i) {
      std::string bytes = original;
      for (uint64_t edits = 1 + random() % 3; edits > 0; --edits) {
        const size_t at = random() % bytes.size();
        switch (random() % 4) {
          case 0:
            bytes[at] = static_cast<char>(random());
            break;
          case 1:
            bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
            break;
          case 2:
            bytes.erase(at, 1 + random() % 3);
            break;
          default:
            bytes.insert(at, 1, static_cast<char>(random()));
        }
        if (bytes.empty()) bytes = "x";
      }
      (agreed(bytes) ? accepted : refused)++;
    }
  }
  EXPECT_GT(accepted, 100);
  EXPECT_GT(refused, 100);
}

TEST(DecodeProtobuf, AgreesWithLibprotobufWhereverTheBytesAreCut) {
  std::mt19937_64 random(7);
  const std::string bytes = Oracle::request(random_spans(random, 12)).SerializeAsString();
  for (size_t size = 0; size <= bytes.size() && !HasFailure(); ++size)
    agreed(std::string_view(bytes).substr(0, size));
}

TEST(DecodeProtobuf, AcceptsAnEmptyRequest) {
  const auto decoded = agreed("");
  ASSERT_TRUE(decoded);
  EXPECT_TRUE(decoded->spans.empty());
}

TEST(DecodeProtobuf, RejectsSpansOneByOne) {
  const std::string good = acceptable_span();
  const std::string start_only = acceptable_span(std::string("\x39\1\0\0\0\0\0\0\0", 9));
  const std::string bad[] = {bytes_field(1, kTraceId),
                             bytes_field(2, kSpanId),
                             bytes_field(1, std::string(16, '\0')) + bytes_field(2, kSpanId),
                             bytes_field(1, kTraceId) + bytes_field(2, std::string(8, '\0')),
                             bytes_field(1, kTraceId + "x") + bytes_field(2, kSpanId),
                             start_only};
  std::string spans = bytes_field(2, good);
  for (const std::string& each : bad) spans += bytes_field(2, each);
  const auto decoded = agreed(bytes_field(1, bytes_field(2, spans)));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->spans.size(), 1);
  EXPECT_EQ(decoded->rejected, std::size(bad));
  EXPECT_EQ(decoded->repaired, 0);
}

TEST(DecodeProtobuf, ClearsAndCountsParentAndLinkIdsOfAWrongLength) {
  const std::string link = bytes_field(1, "short") + bytes_field(2, kSpanId) + bytes_field(3, "a=b");
  const auto decoded =
      agreed(request_of(acceptable_span(bytes_field(4, "123456789") + bytes_field(13, link))));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->repaired, 2);
  const model::Span& span = decoded->spans.at(0);
  EXPECT_TRUE(span.parent_span_id.is_zero());
  ASSERT_EQ(span.links.size(), 1);
  EXPECT_TRUE(span.links[0].trace_id.is_zero());
  EXPECT_EQ(span.links[0].span_id.to_hex(), "4142434445464748");
  EXPECT_EQ(span.links[0].trace_state, "a=b");
}

TEST(DecodeProtobuf, CountsNoRepairOfARejectedSpan) {
  const auto decoded = agreed(request_of(bytes_field(1, kTraceId) + bytes_field(4, "123")));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->rejected, 1);
}

TEST(DecodeProtobuf, MergesWhatComesTwice) {
  // Status in two parts, the resource behind its spans and in two parts.
  const std::string span =
      acceptable_span(bytes_field(15, bytes_field(2, "why")) + bytes_field(15, "\x18\x02") +
                      bytes_field(5, "first") + bytes_field(5, "second"));
  const std::string key = bytes_field(1, "k");
  const auto decoded =
      agreed(bytes_field(1, bytes_field(2, bytes_field(2, span)) + bytes_field(1, bytes_field(1, key)) +
                                bytes_field(3, "url") + bytes_field(1, bytes_field(1, key) + "\x10\x05")));
  ASSERT_TRUE(decoded);
  const model::Span& only = decoded->spans.at(0);
  EXPECT_EQ(only.name, "second");
  EXPECT_EQ(only.status, model::StatusCode::kError);
  EXPECT_EQ(only.status_message, "why");
  EXPECT_EQ(only.resource->attributes.size(), 2);
  EXPECT_EQ(only.resource->dropped_attributes_count, 5);
  EXPECT_EQ(only.resource->schema_url, "url");
}

TEST(DecodeProtobuf, TakesTheLastMemberOfAValueAndMergesLists) {
  const auto attribute = [](const std::string& value) {
    return request_of(acceptable_span(bytes_field(9, bytes_field(1, "k") + bytes_field(2, value))));
  };
  const std::string item = bytes_field(5, bytes_field(1, bytes_field(1, "x")));
  const auto merged = agreed(attribute(item + item));
  ASSERT_TRUE(merged);
  EXPECT_EQ(std::get<model::Array>(merged->spans.at(0).attributes.at(0).value.data).values.size(), 2);
  const auto replaced = agreed(attribute(item + std::string("\x10\x00", 2) + item));
  ASSERT_TRUE(replaced);
  EXPECT_EQ(std::get<model::Array>(replaced->spans.at(0).attributes.at(0).value.data).values.size(), 1);
}

TEST(DecodeProtobuf, SkipsUnknownFieldsOfEveryKind) {
  const std::string unknown = std::string("\xb8\x3e\x81\x01", 4) +  // varint
                              std::string(
                                  "\xb9\x3e"
                                  "12345678",
                                  10) +                           // 64 bits
                              bytes_field(999, "anything\xff") +  // bytes
                              std::string(
                                  "\xbd\x3e"
                                  "1234",
                                  6) +                                           // 32 bits
                              std::string("\xbb\x3e\x08\x01\x13\x14\xbc\x3e") +  // group with a group inside
                              std::string("\x28\x07");                           // the name, as a number
  const auto decoded = agreed(request_of(acceptable_span(unknown)) + unknown);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->spans.size(), 1);
}

TEST(DecodeProtobuf, RefusesWhatIsNoMessage) {
  const std::string cases[] = {
      std::string(1, '\0'),  // field 0
      "\x0c",                // a group's end without its start
      "\x0b\x14",            // another group's end
      "\x0b",                // a group without end
      "\x0e\x01",            // wire type 6
      "\x0a\x05"
      "abc",                                                        // longer than the message
      "\x0a\xff\xff\xff\xff\xff\x01",                               // a size of six bytes
      "\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",           // a varint of eleven bytes
      request_of(acceptable_span(bytes_field(5, "\xc3"))),          // cut-off UTF-8
      request_of(acceptable_span(bytes_field(5, "\xed\xa0\x80"))),  // a surrogate
      request_of(acceptable_span(bytes_field(5, "\xc0\x80"))),      // overlong
  };
  for (const std::string& bytes : cases) EXPECT_FALSE(agreed(bytes)) << ::testing::PrintToString(bytes);
}

TEST(DecodeProtobuf, AcceptsOverlongNumbers) {
  EXPECT_TRUE(agreed(std::string("\x8a\x80\x80\x80\x00\x80\x80\x80\x80\x00", 10)));
  const auto decoded = agreed(request_of(acceptable_span("\x30\x83\x80\x80\x80\x80\x80\x80\x80\x80\x7f")));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->spans.at(0).kind, model::SpanKind::kClient);
}

TEST(DecodeProtobuf, LimitsNestingLikeLibprotobuf) {
  int accepted = 0;
  for (int levels = 40; levels < 60; ++levels) {
    std::string value = bytes_field(1, "deep");
    for (int i = 0; i < levels; ++i) value = bytes_field(5, bytes_field(1, value));
    accepted += agreed(request_of(acceptable_span(bytes_field(9, bytes_field(2, value))))).has_value();
  }
  EXPECT_EQ(accepted, 8);  // 47 levels of two messages below five
  accepted = 0;
  for (size_t levels = 90; levels < 110; ++levels)
    accepted += agreed(std::string(levels, '\x0b') + std::string(levels, '\x0c')).has_value();
  EXPECT_EQ(accepted, 11);
}

TEST(DecodeProtobuf, SaysWhereWithoutQuoting) {
  const auto decoded = decode_protobuf(request_of(acceptable_span(bytes_field(5, "secret\xff"))));
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().message, "OTLP protobuf: text that is not UTF-8 in a Span near byte 36");
}

}  // namespace
}  // namespace testmesh::otlp
