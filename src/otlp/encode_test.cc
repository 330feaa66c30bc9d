#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "otlp/base64.h"
#include "otlp/convert.h"
#include "otlp/group.h"
#include "otlp/json_writer.h"
#include "otlp/testing/oracle.h"
#include "otlp/testing/random_spans.h"

namespace testmesh::otlp {
namespace {

using testing::Oracle;
using testing::random_spans;

// The order the encoders write: by resource, then scope.
std::vector<model::Span> grouped(const std::vector<model::Span>& spans) {
  std::vector<model::Span> out;
  for (const ResourceGroup& group : group_spans(spans))
    for (const ScopeGroup& part : group.scopes)
      for (const model::Span* span : part.spans) out.push_back(*span);
  return out;
}

TEST(Encode, LosesNothing) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 60; ++round) {
    const auto spans = random_spans(random, 50);
    const auto expected = grouped(spans);
    ASSERT_EQ(expected.size(), spans.size());

    const std::string bytes = encode_protobuf(spans);
    const auto theirs = Oracle::decode(bytes);
    ASSERT_TRUE(theirs);
    EXPECT_TRUE(testing::same_spans(theirs->spans, expected));
    const auto ours = decode_protobuf(bytes);
    ASSERT_TRUE(ours);
    EXPECT_TRUE(testing::same_spans(ours->spans, expected));

    // JSON carries the same, down to the bytes it becomes.
    const auto from_json = json_to_protobuf(encode_json(spans));
    ASSERT_TRUE(from_json) << from_json.error().message;
    EXPECT_EQ(*from_json, bytes);
  }
}

TEST(Encode, GroupsEqualResourcesAndScopesInOrderOfAppearance) {
  const auto resource = [](const char* name) {
    auto made = std::make_shared<model::Resource>();
    made->attributes.push_back({"service.name", {std::string(name)}});
    return made;
  };
  const auto scope = [](const char* name) {
    auto made = std::make_shared<model::Scope>();
    made->name = name;
    return made;
  };
  std::vector<model::Span> spans(5);
  const char* places[5][2] = {{"b", "x"}, {"a", "x"}, {"b", "y"}, {"b", "x"}, {"a", "x"}};
  for (size_t i = 0; i < 5; ++i) {
    spans[i].name = std::to_string(i);
    spans[i].resource = resource(places[i][0]);
    spans[i].scope = scope(places[i][1]);
  }
  std::string order;
  for (const ResourceGroup& group : group_spans(spans)) {
    order += "(";
    for (const ScopeGroup& part : group.scopes) {
      for (const model::Span* span : part.spans) order += span->name;
      order += " ";
    }
    order += ")";
  }
  EXPECT_EQ(order, "(03 2 )(14 )");
}

TEST(Encode, WritesNoSpansAsAnEmptyRequest) {
  EXPECT_EQ(encode_protobuf({}), "");
  EXPECT_EQ(encode_json({}), R"({"resourceSpans":[]})");
}

TEST(Encode, WritesJsonAsOtlpWantsIt) {
  model::Span span;
  span.trace_id.bytes[15] = 0xab;
  span.span_id.bytes[0] = 1;
  span.kind = model::SpanKind::kServer;
  span.start = 1'764'000'000'000'000'001;
  span.end = span.start;
  span.flags = 0x301;
  span.attributes = {{"n", {int64_t{1} << 60}}, {"e", {}}, {"b", {model::Bytes{"\xff\xfe"}}}, {"d", {-0.0}}};
  span.resource = std::make_shared<model::Resource>();
  span.scope = std::make_shared<model::Scope>();
  EXPECT_EQ(
      encode_json({span}),
      R"({"resourceSpans":[{"resource":{},"scopeSpans":[{"scope":{},"spans":[{)"
      R"("traceId":"000000000000000000000000000000ab","spanId":"0100000000000000","flags":769,"kind":2,)"
      R"("startTimeUnixNano":"1764000000000000001","endTimeUnixNano":"1764000000000000001","attributes":[)"
      R"({"key":"n","value":{"intValue":"1152921504606846976"}},{"key":"e","value":{}},)"
      R"({"key":"b","value":{"bytesValue":"//4="}},{"key":"d","value":{"doubleValue":-0.0}}]}]}]}]})");
}

TEST(JsonWriter, EscapesWhatJsonCannotHold) {
  JsonWriter out;
  out.text(std::string_view("\"\\\n\r\t\0\x1f\x7f/ü", 11));
  EXPECT_EQ(out.take(), "\"\\\"\\\\\\n\\r\\t\\u0000\\u001f\x7f/ü\"");
}

TEST(Base64, ReadsBothAlphabetsPaddedOrNot) {
  EXPECT_EQ(from_base64("-_8="), "\xfb\xff");
  EXPECT_EQ(from_base64("+/8"), "\xfb\xff");
  EXPECT_EQ(from_base64("YQ=="), "a");
  EXPECT_EQ(from_base64("YQ"), "a");
  EXPECT_EQ(from_base64(""), "");
  for (const char* bad : {"Y", "YQ=", "Y===", "Y Q=", "YQ==YQ==", "=", "===="})
    EXPECT_EQ(from_base64(bad), std::nullopt) << bad;
  std::mt19937_64 random(3);
  for (size_t size = 0; size < 50; ++size) {
    std::string bytes(size, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    EXPECT_EQ(from_base64(to_base64(bytes)), bytes);
  }
}

}  // namespace
}  // namespace testmesh::otlp
