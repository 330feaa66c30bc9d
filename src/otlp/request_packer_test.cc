#include "otlp/request_packer.h"

#include <gtest/gtest.h>

#include <random>

#include "otlp/convert.h"
#include "otlp/testing/oracle.h"
#include "otlp/testing/random_spans.h"

namespace testmesh::otlp {
namespace {

struct Packed {
  std::vector<std::string> requests;
  std::vector<model::Span> spans;
};

Packed pack(const std::string& protobuf, size_t limit) {
  Packed packed;
  RequestPacker packer(limit, [&](std::string_view request) -> base::Result<void> {
    packed.requests.emplace_back(request);
    return {};
  });
  EXPECT_TRUE(packer.add_request(protobuf));
  EXPECT_TRUE(packer.finish());
  EXPECT_EQ(packer.emitted(), packed.requests.size());
  for (const std::string& request : packed.requests) {
    auto decoded = decode_protobuf(request);
    EXPECT_TRUE(decoded);
    if (decoded) std::ranges::move(decoded->spans, std::back_inserter(packed.spans));
  }
  return packed;
}

TEST(RequestPacker, LosesNothingAtAnyLimit) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  for (const size_t limit : {1, 300, 3000, 30'000, 10'000'000}) {
    const std::string protobuf = encode_protobuf(testing::random_spans(random, 200));
    const auto expected = decode_protobuf(protobuf);
    ASSERT_TRUE(expected);
    const Packed packed = pack(protobuf, limit);
    EXPECT_TRUE(testing::same_spans(packed.spans, expected->spans)) << limit;
    EXPECT_TRUE(limit > 1 || packed.requests.size() == 200);
    EXPECT_TRUE(limit < 10'000'000 || packed.requests.size() == 1);
  }
}

TEST(RequestPacker, KeepsToItsLimitWhereSpansAllow) {
  model::Span span;
  span.trace_id.bytes[0] = span.span_id.bytes[0] = 1;
  span.resource = std::make_shared<model::Resource>();
  span.scope = std::make_shared<model::Scope>();
  const std::vector<model::Span> spans(1000, span);
  for (const std::string& request : pack(encode_protobuf(spans), 500).requests)
    EXPECT_LE(request.size(), 520u);
}

TEST(RequestPacker, HandsNothingOverForNoSpans) { EXPECT_TRUE(pack("", 100).requests.empty()); }

TEST(RequestPacker, ReportsBrokenBytesAndTheReceiversError) {
  RequestPacker packer(100,
                       [](std::string_view) { return base::fail(base::ErrorCode::kUnavailable, "full"); });
  EXPECT_FALSE(packer.add_request("\x0a\x05"));
  EXPECT_TRUE(packer.add_request(std::string("\x0a\x00", 2)));
  const auto done = packer.finish();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().message, "full");
}

}  // namespace
}  // namespace testmesh::otlp
