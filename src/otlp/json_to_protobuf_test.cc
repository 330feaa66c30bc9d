#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "otlp/convert.h"
#include "otlp/testing/random_spans.h"

namespace testmesh::otlp {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kIds =
    R"("traceId":"000102030405060708090A0b0c0d0e0f","spanId":"00010203040506ff")";

std::string request_of(std::string_view span) {
  return R"({"resourceSpans":[{"scopeSpans":[{"spans":[{)" + std::string(span) + "}]}]}]}";
}
std::string span_with(std::string_view more) {
  return request_of(std::string(kIds) + "," + std::string(more));
}
std::string value_of(std::string_view value) {
  return span_with(R"("attributes":[{"key":"k","value":)" + std::string(value) + "}]");
}

DecodedSpans decoded(std::string_view json) {
  const auto bytes = json_to_protobuf(json);
  EXPECT_TRUE(bytes) << json << "\n" << bytes.error().message;
  if (!bytes) return {};
  auto spans = decode_protobuf(*bytes);
  EXPECT_TRUE(spans) << json;
  return spans ? *std::move(spans) : DecodedSpans{};
}
model::Span only_span(std::string_view json) {
  DecodedSpans all = decoded(json);
  EXPECT_EQ(all.spans.size(), 1u) << json;
  return all.spans.empty() ? model::Span{} : all.spans.front();
}
model::Value only_value(std::string_view value) {
  const model::Span span = only_span(value_of(value));
  return span.attributes.empty() ? model::Value{{std::string("absent")}} : span.attributes.front().value;
}
std::string refusal(std::string_view json) {
  const auto bytes = json_to_protobuf(json);
  EXPECT_FALSE(bytes) << json;
  if (bytes) return "";
  EXPECT_EQ(bytes.error().code, base::ErrorCode::kInvalidArgument);
  return bytes.error().message;
}

TEST(JsonToProtobuf, ReadsASpan) {
  const model::Span span =
      only_span(R"({"resourceSpans":[{"schemaUrl":"r","scopeSpans":[{"schemaUrl":"s","spans":[{
    "flags":257,"links":[{"traceId":"0f0e0d0c0b0a09080706050403020100","spanId":"1111111111111111","flags":"1"}],
    "status":{"code":2,"message":"why"},"events":[{"name":"e","timeUnixNano":"5"}],"name":"n","kind":2,
    "parentSpanId":"AAAAAAAAAAAAAAAA","spanId":"00010203040506ff","traceId":"000102030405060708090A0b0c0d0e0f",
    "startTimeUnixNano":"1764000000000000001","endTimeUnixNano":1764000000000000002,"droppedEventsCount":"3",
    "traceState":"a=b"}],"scope":{"version":"2","name":"lib"}}],
    "resource":{"attributes":[{"key":"service.name","value":{"stringValue":"cart"}}],"droppedAttributesCount":1}}]})");
  EXPECT_EQ(span.trace_id.to_hex(), "000102030405060708090a0b0c0d0e0f");
  EXPECT_EQ(span.parent_span_id.to_hex(), "aaaaaaaaaaaaaaaa");
  EXPECT_EQ(span.start, 1764000000000000001u);
  EXPECT_EQ(span.end, 1764000000000000002u);
  EXPECT_EQ(span.kind, model::SpanKind::kServer);
  EXPECT_EQ(span.status, model::StatusCode::kError);
  EXPECT_EQ(span.status_message, "why");
  EXPECT_EQ(span.flags, 257u);
  EXPECT_EQ(span.trace_state, "a=b");
  EXPECT_EQ(span.dropped_events_count, 3u);
  EXPECT_EQ(span.events.at(0).time, 5u);
  EXPECT_EQ(span.links.at(0).flags, 1u);
  EXPECT_EQ(model::service_name(*span.resource), "cart");
  EXPECT_EQ(span.resource->dropped_attributes_count, 1u);
  EXPECT_EQ(span.resource->schema_url, "r");
  EXPECT_EQ(span.scope->name, "lib");
  EXPECT_EQ(span.scope->version, "2");
  EXPECT_EQ(span.scope->schema_url, "s");
}

TEST(JsonToProtobuf, TakesAbsenceInEveryForm) {
  for (const char* json :
       {"{}", " { } ", R"({"resourceSpans":null})", R"({"resourceSpans":[]})", R"({"resourceSpans":[null]})",
        R"({"resourceSpans":[{"resource":null,"scopeSpans":[{"scope":null,"spans":null}]}]})",
        "\xef\xbb\xbf{}"})
    EXPECT_TRUE(decoded(json).spans.empty());
  const model::Span span = only_span(span_with(
      R"("parentSpanId":"","name":null,"kind":null,"attributes":null,"events":[null],"links":[],"status":null,
         "startTimeUnixNano":null,"droppedLinksCount":null)"));
  EXPECT_EQ(span.name, "");
  EXPECT_TRUE(span.events.empty());
}

TEST(JsonToProtobuf, IgnoresUnknownAndSnakeCaseNamesAtAnyDepth) {
  const model::Span span = only_span(
      R"({"x":[1,{"y":[]}],"resource_spans":[{}],"resourceSpans":[{"entityRefs":[1],"scopeSpans":[{"deprecated":{},"spans":[{)" +
      std::string(kIds) +
      R"(,"start_time_unix_nano":"9","Name":"no","attributes":[{"key":"k","value":{"stringValue":"v","more":[[]]},"z":0}]}]}]}]})");
  EXPECT_EQ(span.start, 0u);
  EXPECT_EQ(span.name, "");
  EXPECT_EQ(span.attributes.size(), 1u);
}

TEST(JsonToProtobuf, LetsTheLastOfANameCount) {
  EXPECT_EQ(only_span(span_with(R"("name":"a","name":"b")")).name, "b");
  EXPECT_EQ(only_span(span_with(R"("name":"a","name":null)")).name, "");
  EXPECT_EQ(only_value(R"({"stringValue":"a","intValue":7})"), model::Value{{int64_t{7}}});
  EXPECT_EQ(only_value(R"({"stringValue":"a","intValue":null})"), model::Value{{std::string("a")}});
}

TEST(JsonToProtobuf, ReadsEveryKindOfValue) {
  const std::pair<const char*, model::Value> cases[] = {
      {"{}", {}},
      {"null", {}},
      {R"({"stringValue":""})", {std::string()}},
      {R"({"stringValue":"\u00fc\ud83d\ude80"})", {std::string("ü🚀")}},
      {R"({"boolValue":false})", {false}},
      {R"({"intValue":0})", {int64_t{0}}},
      {R"({"intValue":"-9223372036854775808"})", {std::numeric_limits<int64_t>::min()}},
      {R"({"intValue":9223372036854775807})", {std::numeric_limits<int64_t>::max()}},
      {R"({"intValue":3e2})", {int64_t{300}}},
      {R"({"doubleValue":1})", {1.0}},
      {R"({"doubleValue":-0.0})", {-0.0}},
      {R"({"doubleValue":"2.5"})", {2.5}},
      {R"({"doubleValue":100000000000000000000})", {1e20}},
      {R"({"doubleValue":-123456789012345678901234567890})", {-123456789012345678901234567890.0}},
      {R"({"doubleValue":18446744073709551615})", {18446744073709551616.0}},
      {R"({"doubleValue":"NaN"})", {std::numeric_limits<double>::quiet_NaN()}},
      {R"({"doubleValue":"Infinity"})", {std::numeric_limits<double>::infinity()}},
      {R"({"doubleValue":"-Infinity"})", {-std::numeric_limits<double>::infinity()}},
      {R"({"bytesValue":"_-8"})", {model::Bytes{"\xff\xef"}}},
      {R"({"arrayValue":{}})", {model::Array{}}},
      {R"({"kvlistValue":{"values":null}})", {model::KeyValueList{}}},
      {R"({"arrayValue":{"values":[{"intValue":1},null,{}]}})",
       {model::Array{{model::Value{{int64_t{1}}}, model::Value{}, model::Value{}}}}},
      {R"({"kvlistValue":{"values":[{"key":"a"},{"value":{"boolValue":true}}]}})",
       {model::KeyValueList{{{"a", {}}, {"", {true}}}}}},
  };
  for (const auto& [json, expected] : cases) EXPECT_EQ(only_value(json), expected) << json;
}

TEST(JsonToProtobuf, ReadsALoneSurrogateAsTheReplacementCharacter) {
  EXPECT_EQ(only_value(R"({"stringValue":"cut \ud83d"})"), model::Value{{std::string("cut \xef\xbf\xbd")}});
  EXPECT_EQ(only_value(R"({"stringValue":"\\ud83d \ude80\ud83d\ude80"})"),
            model::Value{{std::string("\\ud83d \xef\xbf\xbd🚀")}});
}

TEST(JsonToProtobuf, TakesEnumsAsNumbersAndForgivesNames) {
  EXPECT_EQ(only_span(span_with(R"("kind":"SPAN_KIND_CONSUMER","status":{"code":"STATUS_CODE_ERROR"})")).kind,
            model::SpanKind::kConsumer);
  EXPECT_EQ(static_cast<int>(only_span(span_with(R"("kind":77)")).kind), 77);
  EXPECT_EQ(static_cast<int>(only_span(span_with(R"("kind":-1)")).kind), -1);
  EXPECT_THAT(refusal(span_with(R"("kind":"CONSUMER")")),
              HasSubstr("resourceSpans[0].scopeSpans[0].spans[0].kind"));
}

TEST(JsonToProtobuf, CarriesBadIdsSoThatOneSpanIsRejected) {
  for (const char* bad : {"00", "000102030405060708090a0b0c0d0e0", "000102030405060708090a0b0c0d0e0f00",
                          "zz0102030405060708090a0b0c0d0e0f", "AAECAwQFBgcICQoLDA0ODw==", "sixteen bytes !!",
                          "00000000000000000000000000000000", ""}) {
    const DecodedSpans all = decoded(R"({"resourceSpans":[{"scopeSpans":[{"spans":[{)" + std::string(kIds) +
                                     R"(},{"traceId":")" + bad + R"(","spanId":"0001020304050607"}]}]}]})");
    EXPECT_EQ(all.spans.size(), 1u) << bad;
    EXPECT_EQ(all.rejected, 1u) << bad;
  }
  for (const char* bad : {"0", "000102030405060", "notahexa", "zzzzzzzzzzzzzzzz"}) {
    EXPECT_EQ(decoded(request_of(R"("traceId":"000102030405060708090a0b0c0d0e0f","spanId":")" +
                                 std::string(bad) + "\""))
                  .rejected,
              1u)
        << bad;
    const DecodedSpans all = decoded(span_with(R"("parentSpanId":")" + std::string(bad) + "\""));
    EXPECT_EQ(all.repaired, 1u) << bad;
    EXPECT_EQ(all.spans.size(), 1u) << bad;
  }
}

TEST(JsonToProtobuf, SaysWhereATypeIsWrong) {
  const std::pair<std::string, const char*> cases[] = {
      {"[]", "OTLP/JSON: expected an object, found an array"},
      {"7", "OTLP/JSON: expected an object, found a number"},
      {R"({"resourceSpans":{}})", "OTLP/JSON, resourceSpans: expected an array, found an object"},
      {R"({"resourceSpans":[{},7]})", "OTLP/JSON, resourceSpans[1]: expected an object, found a number"},
      {R"({"resourceSpans":[{"schemaUrl":7}]})",
       "OTLP/JSON, resourceSpans[0].schemaUrl: expected a string, found a number"},
      {span_with(R"("traceId":7)"),
       "OTLP/JSON, resourceSpans[0].scopeSpans[0].spans[0].traceId: expected hexadecimal text, found a "
       "number"},
      {value_of(R"({"arrayValue":{"values":[{},{"boolValue":"true"}]}})"),
       "OTLP/JSON, "
       "resourceSpans[0].scopeSpans[0].spans[0].attributes[0].value.arrayValue.values[1].boolValue: "
       "expected true or false, found a string"},
  };
  for (const auto& [json, message] : cases) EXPECT_EQ(refusal(json), message);
  for (const char* span :
       {R"("startTimeUnixNano":-1)", R"("startTimeUnixNano":"18446744073709551616")",
        R"("startTimeUnixNano":"1.5")", R"("startTimeUnixNano":1.5)", R"("flags":4294967296)",
        R"("flags":true)", R"("kind":2147483648)", R"("status":[])", R"("startTimeUnixNano":"")",
        R"("startTimeUnixNano":" 1")", R"("attributes":{})"})
    EXPECT_THAT(refusal(span_with(span)), HasSubstr(".spans[0].")) << span;
  for (const char* value :
       {R"({"intValue":9223372036854775808})", R"({"intValue":"x"})", R"({"intValue":1.5})",
        R"({"doubleValue":"inf"})", R"({"doubleValue":"1x"})", R"({"bytesValue":"*"})", "7"})
    EXPECT_THAT(refusal(value_of(value)), HasSubstr(".attributes[0].value")) << value;
}

TEST(JsonToProtobuf, RefusesWhatIsNoJson) {
  const std::pair<std::string, const char*> cases[] = {
      {"", "OTLP/JSON: no JSON: the text is empty"},
      {"{\n\"resourceSpans\": tru }", "OTLP/JSON: no valid JSON at byte 22, in line 2"},
      {"{} {}", "OTLP/JSON: no valid JSON at byte 3, in line 1"},
      {"{}x", "OTLP/JSON: no valid JSON at byte 2, in line 1"},
      {R"({"resourceSpans":[)", "OTLP/JSON: JSON cut off after 18 bytes, in line 1"},
      {"{\"a\":\"\xff\"}", "OTLP/JSON: JSON with text that is not UTF-8"},
      {R"({"a":1e999})", "OTLP/JSON: JSON with a number out of range"},
      {"{'a':1}", "OTLP/JSON: no valid JSON at byte 1, in line 1"},
  };
  for (const auto& [json, message] : cases) EXPECT_EQ(refusal(json), message);
}

TEST(JsonToProtobuf, RefusesDeepNestingWithoutRecursingThroughIt) {
  const size_t levels = 100'000;
  EXPECT_EQ(refusal(std::string(levels, '[') + std::string(levels, ']')),
            "OTLP/JSON: JSON nested deeper than 1024 levels");
  std::string objects;
  for (size_t i = 0; i < levels; ++i) objects += R"({"a":)";
  EXPECT_EQ(refusal(objects + "1" + std::string(levels, '}')),
            "OTLP/JSON: JSON nested deeper than 1024 levels");
  EXPECT_EQ(refusal(objects), "OTLP/JSON: JSON cut off after 500000 bytes, in line 1");
  std::string values;
  for (size_t i = 0; i < levels; ++i) values += R"({"arrayValue":{"values":[)";
  EXPECT_FALSE(json_to_protobuf(value_of(values)));
}

TEST(JsonToProtobuf, LimitsValuesLikeTheProtobufReader) {
  int accepted = 0;
  for (int levels = 40; levels < 60; ++levels) {
    std::string value = R"({"stringValue":"deep"})";
    for (int i = 0; i < levels; ++i) value = R"({"arrayValue":{"values":[)" + value + "]}}";
    const auto bytes = json_to_protobuf(value_of(value));
    if (!bytes) {
      EXPECT_THAT(bytes.error().message, HasSubstr("more than 100 nested messages"));
      EXPECT_LT(bytes.error().message.size(), 400u);
      continue;
    }
    ++accepted;
    EXPECT_TRUE(decode_protobuf(*bytes));
  }
  EXPECT_EQ(accepted, 8);  // as many as in protobuf
}

TEST(JsonToProtobuf, RefusesATextCutAnywhere) {
  std::mt19937_64 random(11);
  const std::string json = encode_json(testing::random_spans(random, 6));
  for (size_t size = 0; size < json.size(); ++size)
    ASSERT_FALSE(json_to_protobuf(std::string_view(json).substr(0, size))) << size;
  EXPECT_TRUE(json_to_protobuf(json));
}

TEST(JsonToProtobuf, SurvivesMutatedText) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  const std::string original = encode_json(testing::random_spans(random, 4));
  for (int round = 0; round < 3000; ++round) {
    std::string json = original;
    for (int edits = 0; edits < 2; ++edits) {
      const size_t at = random() % json.size();
      static constexpr std::string_view kBytes = "\"{}[]:,0-e.\\nulltrue\xff ";
      if (random() % 2)
        json[at] = kBytes[random() % kBytes.size()];
      else
        json.erase(at, 1);
    }
    // Whatever it accepts is protobuf that decodes.
    const auto bytes = json_to_protobuf(json);
    ASSERT_TRUE(!bytes || decode_protobuf(*bytes)) << json;
  }
}

}  // namespace
}  // namespace testmesh::otlp
