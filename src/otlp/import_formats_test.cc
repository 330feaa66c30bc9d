#include "otlp/import_formats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "otlp/convert.h"
#include "otlp/testing/oracle.h"
#include "otlp/testing/random_spans.h"

namespace testmesh::otlp {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string gzip(const std::string& bytes) {
  z_stream zlib{};
  EXPECT_EQ(deflateInit2(&zlib, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&zlib, bytes.size()), '\0');
  zlib.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  zlib.avail_in = static_cast<uInt>(bytes.size());
  zlib.next_out = reinterpret_cast<Bytef*>(out.data());
  zlib.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&zlib, Z_FINISH), Z_STREAM_END);
  out.resize(zlib.total_out);
  deflateEnd(&zlib);
  return out;
}

std::string zstd(const std::string& bytes) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), 1));
  return out;
}

struct Imported {
  ImportSummary summary;
  std::vector<model::Span> spans;
  uint64_t rejected = 0;
  size_t largest = 0;  // request
  std::string error;
  base::ErrorCode code{};
};

Imported collect(const std::function<base::Result<ImportSummary>(const ImportCallbacks&)>& import) {
  Imported out;
  uint64_t last = 0;
  const auto done = import({.request = [&](std::string_view request) -> base::Result<void> {
                              out.largest = std::max(out.largest, request.size());
                              TRY_ASSIGN(DecodedSpans decoded, decode_protobuf(request));
                              out.rejected += decoded.rejected;
                              std::ranges::move(decoded.spans, std::back_inserter(out.spans));
                              return {};
                            },
                            .progress =
                                [&](uint64_t consumed, uint64_t size) {
                                  EXPECT_LE(consumed, size);
                                  EXPECT_GE(consumed, last);
                                  last = consumed;
                                }});
  if (done)
    out.summary = *done;
  else {
    out.error = done.error().message;
    out.code = done.error().code;
  }
  return out;
}

Imported imported(const std::string& bytes) {
  return collect(
      [&](const ImportCallbacks& callbacks) { return import_bytes(bytes, "traces.json", callbacks); });
}

model::Value attribute(const std::vector<model::KeyValue>& attributes, std::string_view key) {
  const model::Value* value = model::find_attribute(attributes, key);
  return value ? *value : model::Value{{std::string("absent")}};
}
model::Value text(const char* value) { return {{std::string(value)}}; }
std::string service(const model::Span& span) { return std::string(model::service_name(*span.resource)); }

std::vector<model::Span> some_spans(size_t count) {
  std::mt19937_64 random(5);
  const auto decoded = decode_protobuf(encode_protobuf(testing::random_spans(random, count)));
  return decoded->spans;
}

std::string frame(const std::string& content) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(content.size() >> shift);
  return out + content;
}

TEST(Import, ReadsOtlpInEverySpelling) {
  const auto spans = some_spans(60);
  const std::vector<model::Span> first(spans.begin(), spans.begin() + 30);
  const std::vector<model::Span> second(spans.begin() + 30, spans.end());
  const std::pair<const char*, std::string> spellings[] = {
      {"protobuf", encode_protobuf(spans)},
      {"protobuf, two requests", encode_protobuf(first) + encode_protobuf(second)},
      {"protobuf, framed", frame(encode_protobuf(first)) + frame(encode_protobuf(second))},
      {"protobuf, frames in zstd",
       frame(zstd(encode_protobuf(first))) + frame(zstd(encode_protobuf(second)))},
      {"JSON, frames in zstd", frame(zstd(encode_json(first))) + frame(zstd(encode_json(second)))},
      {"JSON", encode_json(spans)},
      {"JSON, indented", "\xef\xbb\xbf \n" + encode_json(spans) + "\n"},
      {"JSON lines", encode_json(first) + "\n" + encode_json(second) + "\n"},
      {"JSON lines, Windows", encode_json(first) + "\r\n\r\n" + encode_json(second)},
      {"JSON, no space", encode_json(first) + encode_json(second)},
      {"JSON list", "[" + encode_json(first) + "," + encode_json(second) + "]"},
  };
  for (const auto& [name, plain] : spellings) {
    SCOPED_TRACE(name);
    for (const std::string& bytes : {plain, gzip(plain), zstd(plain)}) {
      const Imported result = imported(bytes);
      EXPECT_EQ(result.error, "");
      EXPECT_TRUE(testing::same_spans(result.spans, spans));
      EXPECT_EQ(result.summary.rejected_spans, 0u);
    }
  }
  EXPECT_EQ(imported(spellings[0].second).summary.format, ImportFormat::kOtlpProtobuf);
  EXPECT_EQ(imported(spellings[5].second).summary.format, ImportFormat::kOtlpJson);
  // Members and frames one after the other, as parallel compressors write them.
  const std::string a = encode_json(first) + "\n";
  const std::string b = encode_json(second);
  EXPECT_TRUE(testing::same_spans(imported(gzip(a) + gzip(b)).spans, spans));
  EXPECT_TRUE(testing::same_spans(imported(zstd(a) + zstd(b)).spans, spans));
}

TEST(Import, ReadsFilesInRequestsOfBoundedSize) {
  const auto path =
      std::filesystem::temp_directory_path() / ("testmesh_import_" + std::to_string(::getpid()));
  const auto part = some_spans(3000);
  const std::string protobuf = encode_protobuf(part);
  const std::string json = encode_json(part);
  for (const bool lines : {false, true}) {
    size_t copies = 0;
    {
      std::ofstream out(path, std::ios::binary);
      std::string bytes;
      while (bytes.size() < (12u << 20)) {
        bytes += lines ? json + "\n" : protobuf;
        ++copies;
      }
      out << (lines ? zstd(bytes) : bytes);
    }
    const Imported result =
        collect([&](const ImportCallbacks& callbacks) { return import_file(path, callbacks); });
    EXPECT_EQ(result.error, "");
    EXPECT_EQ(result.spans.size(), part.size() * copies);
    EXPECT_GE(result.summary.requests, 2u);
    EXPECT_LE(result.largest, size_t{4 << 20} + 64);
  }
  std::filesystem::remove(path);
}

TEST(Import, TellsProtobufFromJsonThoughBothBeginWithANewline) {
  // A ResourceSpans of 123 bytes: 0x0a '{'.
  model::Span span;
  span.trace_id.bytes[0] = span.span_id.bytes[0] = 1;
  span.scope = std::make_shared<model::Scope>();
  bool found = false;
  for (size_t size = 0; size < 123; ++size) {
    auto resource = std::make_shared<model::Resource>();
    resource->attributes.push_back({"service.name", {std::string(size, '"')}});
    span.resource = resource;
    const std::string bytes = encode_protobuf({span});
    if (bytes[1] != '{') continue;
    found = true;
    const Imported result = imported(bytes);
    EXPECT_EQ(result.error, "");
    EXPECT_EQ(result.spans.size(), 1u);
  }
  EXPECT_TRUE(found);
  EXPECT_EQ(imported("\n{\n\"resourceSpans\":[]}").summary.format, ImportFormat::kOtlpJson);
}

TEST(Import, ReadsEmptyFilesAsNothing) {
  for (const std::string& bytes : {std::string(), std::string("\n\n"), std::string("{}"), std::string("[]"),
                                   gzip(""), zstd(""), std::string(R"({"data":[],"total":0})")}) {
    const Imported result = imported(bytes);
    EXPECT_EQ(result.error, "");
    EXPECT_EQ(result.summary.requests, 0u);
  }
}

TEST(Import, PassesOverOtherSignals) {
  const Imported result = imported(R"({"resourceMetrics":[{}]})"
                                   "\n"
                                   R"({"resourceLogs":[]})"
                                   "\n" +
                                   encode_json(some_spans(3)));
  EXPECT_EQ(result.spans.size(), 3u);
  EXPECT_EQ(result.summary.skipped_documents, 2u);
}

TEST(Import, ReadsJaeger) {
  const Imported result = imported(R"({"data":[{"traceID":"1f","spans":[
    {"traceID":"1f","spanID":"a","flags":1,"operationName":"GET /x","references":[],
     "startTime":1700000000000001,"duration":2500,"processID":"p1","warnings":null,
     "tags":[{"key":"span.kind","type":"string","value":"server"},{"key":"http.status_code","type":"int64","value":500},
             {"key":"error","type":"bool","value":true},{"key":"ratio","type":"float64","value":1},
             {"key":"big","type":"int64","value":"9223372036854775807"},{"key":"raw","type":"binary","value":"AQI="},
             {"key":"otel.status_description","type":"string","value":"boom"},
             {"key":"otel.scope.name","type":"string","value":"lib"},{"key":"w3c.tracestate","type":"string","value":"a=b"}],
     "logs":[{"timestamp":1700000000000002,"fields":[{"key":"event","type":"string","value":"retry"},
             {"key":"attempt","type":"int64","value":2}]}]},
    {"traceID":"1f","spanID":"b","operationName":"query","startTime":1700000000000002,"duration":1,"processID":"p2",
     "references":[{"refType":"FOLLOWS_FROM","traceID":"2f","spanID":"c"},{"refType":"CHILD_OF","traceID":"1f","spanID":"a"}]},
    {"traceID":"not hex","spanID":"b","operationName":"bad"}],
    "processes":{"p1":{"serviceName":"cart","tags":[{"key":"host.name","type":"string","value":"h"}]},
                 "p2":{"serviceName":"db"}}}]})");
  EXPECT_EQ(result.error, "");
  EXPECT_EQ(result.summary.format, ImportFormat::kJaegerJson);
  EXPECT_EQ(result.summary.rejected_spans, 1u);
  ASSERT_EQ(result.spans.size(), 2u);
  const model::Span& server = result.spans[0];
  EXPECT_EQ(server.trace_id.to_hex(), "0000000000000000000000000000001f");
  EXPECT_EQ(server.span_id.to_hex(), "000000000000000a");
  EXPECT_TRUE(server.parent_span_id.is_zero());
  EXPECT_EQ(server.kind, model::SpanKind::kServer);
  EXPECT_EQ(server.start, 1700000000000001000u);
  EXPECT_EQ(server.end, server.start + 2'500'000);
  EXPECT_EQ(server.status, model::StatusCode::kError);
  EXPECT_EQ(server.status_message, "boom");
  EXPECT_EQ(server.flags, 1u);
  EXPECT_EQ(server.trace_state, "a=b");
  EXPECT_EQ(server.scope->name, "lib");
  EXPECT_EQ(service(server), "cart");
  EXPECT_EQ(attribute(server.resource->attributes, "host.name"), text("h"));
  EXPECT_EQ(attribute(server.attributes, "http.status_code"), model::Value{{int64_t{500}}});
  EXPECT_EQ(attribute(server.attributes, "ratio"), model::Value{{1.0}});
  EXPECT_EQ(attribute(server.attributes, "big"), model::Value{{std::numeric_limits<int64_t>::max()}});
  EXPECT_EQ(attribute(server.attributes, "raw"), model::Value{{model::Bytes{"\x01\x02"}}});
  EXPECT_EQ(server.attributes.size(), 4u);
  ASSERT_EQ(server.events.size(), 1u);
  EXPECT_EQ(server.events[0].name, "retry");
  EXPECT_EQ(server.events[0].time, 1700000000000002000u);
  EXPECT_EQ(attribute(server.events[0].attributes, "attempt"), model::Value{{int64_t{2}}});
  const model::Span& query = result.spans[1];
  EXPECT_EQ(query.parent_span_id.to_hex(), "000000000000000a");
  ASSERT_EQ(query.links.size(), 1u);
  EXPECT_EQ(query.links[0].span_id.to_hex(), "000000000000000c");
  EXPECT_EQ(attribute(query.links[0].attributes, "opentracing.ref_type"), text("follows_from"));
  EXPECT_EQ(service(query), "db");
}

TEST(Import, ReadsJaegerTracesOneByOneAndListed) {
  const std::string trace = R"({"traceID":"1","spans":[{"traceID":"1","spanID":"2","operationName":"o",
      "process":{"serviceName":"inline"}}],"processes":{}})";
  for (const std::string& bytes :
       {trace, "[" + trace + "]", trace + "\n" + trace, R"({"data":[)" + trace + "]}"}) {
    const Imported result = imported(bytes);
    EXPECT_EQ(result.error, "");
    ASSERT_GE(result.spans.size(), 1u);
    EXPECT_EQ(service(result.spans[0]), "inline");
  }
}

TEST(Import, ReadsZipkin) {
  const Imported result = imported(R"([
    {"traceId":"5982fe77008310cc80f1da5e10147517","id":"bd7a977555f6b982","parentId":"90394f6bcffb5d13","name":"get",
     "kind":"CLIENT","timestamp":1700000000000001,"duration":10,"localEndpoint":{"serviceName":"front","ipv4":"10.0.0.1"},
     "remoteEndpoint":{"serviceName":"back","ipv6":"::1","port":8080},"annotations":[{"timestamp":1700000000000003,"value":"ws"}],
     "tags":{"http.method":"GET","error":"timeout"},"debug":true},
    {"traceId":"463ac35c9f6413ad","id":"1","kind":"CONSUMER","annotations":[{"timestamp":7,"value":"wr"}],
     "tags":{"error":"true","otel.library.name":"lib"}}])");
  EXPECT_EQ(result.error, "");
  EXPECT_EQ(result.summary.format, ImportFormat::kZipkinJson);
  ASSERT_EQ(result.spans.size(), 2u);
  const model::Span& client = result.spans[0];
  EXPECT_EQ(client.kind, model::SpanKind::kClient);
  EXPECT_EQ(client.parent_span_id.to_hex(), "90394f6bcffb5d13");
  EXPECT_EQ(client.end, 1700000000000011000u);
  EXPECT_EQ(service(client), "front");
  EXPECT_EQ(client.status, model::StatusCode::kError);
  EXPECT_EQ(client.status_message, "timeout");
  EXPECT_EQ(client.events.at(0).name, "ws");
  EXPECT_EQ(attribute(client.attributes, "http.method"), text("GET"));
  EXPECT_EQ(attribute(client.attributes, "service.peer.name"), text("back"));
  EXPECT_EQ(attribute(client.attributes, "network.peer.address"), text("::1"));
  EXPECT_EQ(attribute(client.attributes, "network.peer.port"), model::Value{{int64_t{8080}}});
  const model::Span& consumer = result.spans[1];
  EXPECT_EQ(consumer.trace_id.to_hex(), "0000000000000000463ac35c9f6413ad");
  EXPECT_EQ(consumer.kind, model::SpanKind::kConsumer);
  EXPECT_EQ(consumer.start, 7000u);
  EXPECT_EQ(consumer.status, model::StatusCode::kError);
  EXPECT_EQ(consumer.status_message, "");
  EXPECT_EQ(consumer.scope->name, "lib");
}

TEST(Import, PartsTheSpansThatZipkinShares) {
  const char* json = R"([[
    {"traceId":"1","id":"1","kind":"SERVER","localEndpoint":{"serviceName":"front"}},
    {"traceId":"1","id":"2","parentId":"1","kind":"CLIENT","localEndpoint":{"serviceName":"front"}},
    {"traceId":"1","id":"2","parentId":"1","kind":"SERVER","shared":true,"localEndpoint":{"serviceName":"back"}},
    {"traceId":"1","id":"3","parentId":"2","kind":"CLIENT","localEndpoint":{"serviceName":"back"}},
    {"traceId":"1","id":"4","parentId":"2","localEndpoint":{"serviceName":"front"}}]])";
  const Imported result = imported(json);
  EXPECT_EQ(result.error, "");
  // Grouped by service on the way: found by name, not by place.
  const auto find = [&](const char* name, model::SpanKind kind) {
    for (const model::Span& span : result.spans)
      if (service(span) == name && span.kind == kind) return span;
    ADD_FAILURE() << name;
    return model::Span{};
  };
  using model::SpanKind;
  const model::Span client = find("front", SpanKind::kClient);
  const model::Span server = find("back", SpanKind::kServer);
  EXPECT_EQ(client.span_id.to_hex(), "0000000000000002");
  EXPECT_EQ(client.parent_span_id.to_hex(), "0000000000000001");
  EXPECT_NE(server.span_id, client.span_id);
  EXPECT_EQ(server.parent_span_id, client.span_id);
  EXPECT_EQ(find("back", SpanKind::kClient).parent_span_id, server.span_id);
  EXPECT_EQ(find("front", SpanKind::kUnspecified).parent_span_id, client.span_id);
  EXPECT_TRUE(testing::same_spans(imported(json).spans, result.spans));  // derived, not random
}

TEST(Import, SaysWhichFileFormatAndPlace) {
  const std::string good = encode_json(some_spans(2)) + "\n";
  const std::pair<std::string, const char*> cases[] = {
      {good + "{\"resourceSpans\":[7]}\n",
       "traces.json (OTLP JSON): document 2, from line 2 on: OTLP/JSON, resourceSpans[0]: expected an "
       "object, found a "
       "number"},
      {good + "\n{\"resourceSpans\": x}\n",
       "traces.json: document 2, from line 3 on: no valid JSON at byte 18, in line 1"},
      {good + "{\"resourceSpans\":[", "traces.json (OTLP JSON): document 2, from line 2 on: JSON cut off"},
      {good + "hello",
       "traces.json (OTLP JSON): line 2: expected a JSON object or list, found something else"},
      {"{\"a\":1}",
       "traces.json: document 1, from line 1 on: an object with neither OTLP's resourceSpans, Jaeger's data "
       "nor "
       "Zipkin's traceId and id"},
      {R"({"data":[{"traceID":"1","spans":[]},{"traceID":"1","spans":[7]}]})",
       "traces.json (Jaeger JSON): document 1, from line 1 on, trace 1: span 0: not an object"},
      {R"([{"traceId":"1","id":"1"},{"traceId":"1","id":"2","tags":[]}])",
       "traces.json (Zipkin JSON): document 1, from line 1 on: span 1: tags that are no object"},
      {"[1,2]", "traces.json (OTLP protobuf): neither OTLP protobuf nor JSON"},
      {"hello world", "traces.json (OTLP protobuf): neither OTLP protobuf nor JSON"},
      {std::string("\0\0\0\5abc", 7), "traces.json (OTLP protobuf): cut off inside a request"},
  };
  for (const auto& [bytes, message] : cases) {
    const Imported result = imported(bytes);
    EXPECT_EQ(result.error, message);
    EXPECT_EQ(result.code, base::ErrorCode::kInvalidArgument);
  }
  EXPECT_THAT(imported(encode_protobuf(some_spans(2)) + "\x0a\x05xyz").error,
              StartsWith("traces.json (OTLP protobuf): near byte "));
  EXPECT_EQ(imported("\x0a\x03xyz").error,
            "traces.json (OTLP protobuf): near byte 5: OTLP protobuf: broken or cut-off field in a "
            "ResourceSpans near byte 5");
  const Imported absent =
      collect([](const ImportCallbacks& callbacks) { return import_file("/nowhere/at.all", callbacks); });
  EXPECT_EQ(absent.code, base::ErrorCode::kNotFound);
  EXPECT_THAT(absent.error, StartsWith("/nowhere/at.all: cannot open"));
  EXPECT_THAT(collect([](const ImportCallbacks& callbacks) { return import_file("/", callbacks); }).error,
              HasSubstr("is a directory"));
}

TEST(Import, ReportsCompressedFilesCutOffOrBroken) {
  const std::string json = encode_json(some_spans(20));
  for (const std::string& whole : {gzip(json), zstd(json)}) {
    for (size_t size = 4; size < whole.size(); size += 1 + whole.size() / 50) {
      const Imported result = imported(whole.substr(0, size));
      EXPECT_THAT(result.error, HasSubstr("cut off")) << size;
    }
    EXPECT_NE(imported(whole + "tail of something").error, "");
  }
  std::string broken = gzip(json);
  broken[broken.size() / 2] = static_cast<char>(~broken[broken.size() / 2]);
  broken[broken.size() - 6] = static_cast<char>(~broken[broken.size() - 6]);
  EXPECT_THAT(imported(broken).error, HasSubstr("traces.json"));
}

TEST(Import, PassesTheReceiversErrorOn) {
  const auto done = import_bytes(
      encode_json(some_spans(1)), "f",
      {.request = [](std::string_view) { return base::fail(base::ErrorCode::kOverloaded, "full"); },
       .progress = {}});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, base::ErrorCode::kOverloaded);
  EXPECT_THAT(done.error().message, HasSubstr("full"));
}

}  // namespace
}  // namespace testmesh::otlp
