#include "ingest/otlp_http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <mutex>
#include <thread>

#include "ingest/testing/compress.h"
#include "transport/http/client.h"
#include "transport/http/testing/raw_socket.h"

namespace testmesh::ingest {
namespace {

using base::ErrorCode;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;

constexpr std::string_view kOtherWorkspace = "11111111-2222-4333-8444-555555555555";

// Keeps what is submitted; answers at once with `outcome`, or holds the answers
// until they are released.
class FakeSink final : public store::SpanSink {
 public:
  void submit(const model::WorkspaceId& workspace, std::string_view request, Done done) override {
    const std::lock_guard lock(mutex_);
    requests_.emplace_back(workspace, std::string(request));
    if (holding_) {
      held_.push_back(std::move(done));
    } else {
      done(outcome_);
    }
  }
  void answer_with(base::Result<store::IngestOutcome> outcome) {
    const std::lock_guard lock(mutex_);
    outcome_ = std::move(outcome);
  }
  void hold() {
    const std::lock_guard lock(mutex_);
    holding_ = true;
  }
  // Answers the oldest one held; false when there is none.
  bool release_one() {
    const std::lock_guard lock(mutex_);
    if (held_.empty()) return false;
    held_.front()(outcome_);
    held_.pop_front();
    return true;
  }
  std::vector<std::string> bodies() {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> bodies;
    for (const auto& [workspace, body] : requests_) bodies.push_back(body);
    return bodies;
  }
  std::vector<model::WorkspaceId> workspaces() {
    const std::lock_guard lock(mutex_);
    std::vector<model::WorkspaceId> ids;
    for (const auto& [workspace, body] : requests_) ids.push_back(workspace);
    return ids;
  }

 private:
  std::mutex mutex_;
  bool holding_ = false;
  base::Result<store::IngestOutcome> outcome_ = store::IngestOutcome{};
  std::deque<Done> held_;
  std::vector<std::pair<model::WorkspaceId, std::string>> requests_;
};

base::Result<model::WorkspaceId> resolve(std::string_view header, std::string_view authorization) {
  if (!authorization.empty() && authorization != "Bearer tm_good")
    return base::fail(ErrorCode::kUnauthenticated, "Unknown key.");
  if (header.empty()) return model::kDefaultWorkspace;
  const auto id = model::WorkspaceId::parse(header);
  if (!id) return base::fail(ErrorCode::kInvalidArgument, "The workspace's id is no UUID.");
  if (id->to_string() == kOtherWorkspace) return *id;
  if (id->bytes[0] == 0xdd) return base::fail(ErrorCode::kPermissionDenied, "The workspace is disabled.");
  return base::fail(ErrorCode::kNotFound, "No such workspace.");
}

// Stands for the JSON reader: says what it was given.
base::Result<std::string> convert(std::string_view json) {
  if (!json.starts_with("{")) return base::fail(ErrorCode::kInvalidArgument, "The body is no JSON object.");
  return "from json: " + std::string(json);
}

// OtlpHttp behind a real server, asked by a real client.
class OtlpHttpTest : public ::testing::Test {
 protected:
  OtlpHttpTest() { start({.max_body_bytes = 1 << 20}); }
  ~OtlpHttpTest() override {
    while (sink_.release_one()) {
    }
    server_->stop();
  }

  void start(OtlpHttpOptions options) {
    server_.reset();
    otlp_ = std::make_unique<OtlpHttp>(options, sink_, resolve, convert, counters_);
    server_ = std::make_unique<http::Server>(
        http::ServerOptions{.threads = 1, .max_body_bytes = options.max_body_bytes},
        [this](http::Request request, http::Responder respond) {
          if (!otlp_->handles(request)) return respond({.status = 404});
          otlp_->handle(std::move(request), std::move(respond));
        });
    port_ = server_->listen("127.0.0.1:0")->port;
    server_->start();
  }

  http::Response send(std::string_view method, std::string_view path, std::string_view body,
                      const http::Headers& headers) {
    auto client = http::Client::open("http://127.0.0.1:" + std::to_string(port_));
    auto response = client->send(method, path, body, headers);
    EXPECT_TRUE(response.has_value()) << response.error().message;
    return response.value_or(http::Response{.status = 0});
  }
  http::Response post(std::string_view body, std::string_view type = "application/x-protobuf",
                      std::string_view coding = "") {
    http::Headers headers{{"Content-Type", std::string(type)}};
    if (!coding.empty()) headers.emplace_back("Content-Encoding", coding);
    return send("POST", "/v1/traces", body, headers);
  }

  FakeSink sink_;
  IngestCounters counters_;
  std::unique_ptr<OtlpHttp> otlp_;
  std::unique_ptr<http::Server> server_;
  uint16_t port_ = 0;
};

const http::Headers kProtobuf{{"Content-Type", "application/x-protobuf"}};

// google.rpc.Status as protobuf begins with its code.
std::string code_prefix(int code) { return {'\x08', static_cast<char>(code), '\x12'}; }

TEST_F(OtlpHttpTest, HandsProtobufOverAsItIs) {
  sink_.answer_with(store::IngestOutcome{.accepted_spans = 3, .message = ""});
  for (const std::string_view path : {"/v1/traces", "/otlp/v1/traces"}) {
    const auto response = send("POST", path, "proto", kProtobuf);
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.content_type, "application/x-protobuf");
    EXPECT_EQ(response.body, "");
  }
  EXPECT_THAT(sink_.bodies(), ElementsAre("proto", "proto"));
  EXPECT_EQ(counters_.requests, 2u);
  EXPECT_EQ(counters_.succeeded, 2u);
  EXPECT_EQ(counters_.accepted_spans, 6u);
  EXPECT_EQ(counters_.received_bytes, 10u);
  EXPECT_EQ(counters_.in_flight_bytes, 0u);
}

TEST_F(OtlpHttpTest, ConvertsJsonAndAnswersInJson) {
  const auto response = post("{}", "application/json");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.content_type, "application/json");
  EXPECT_EQ(response.body, "{}");
  EXPECT_THAT(sink_.bodies(), ElementsAre("from json: {}"));
}

TEST_F(OtlpHttpTest, ReadsContentTypesInAnyCaseAndWithParameters) {
  for (const std::string_view type :
       {"APPLICATION/X-PROTOBUF", "application/x-protobuf; charset=utf-8", "application/x-protobuf ;x=y"}) {
    EXPECT_EQ(post("proto", type).content_type, "application/x-protobuf") << type;
  }
  for (const std::string_view type : {"Application/JSON", "application/json;charset=UTF-8"}) {
    EXPECT_EQ(post("{}", type).body, "{}") << type;
  }
  EXPECT_EQ(counters_.succeeded, 5u);
}

TEST_F(OtlpHttpTest, RefusesOtherContentTypes) {
  for (const std::string_view type : {"", "text/plain", "application/protobuf", "application/jsonx", "x"}) {
    const auto response = post("proto", type);
    EXPECT_EQ(response.status, 415) << type;
    EXPECT_EQ(response.content_type, "application/json");
    EXPECT_THAT(response.body, HasSubstr(R"("code":3,"message":)"));
  }
  EXPECT_EQ(send("POST", "/v1/traces", "proto", {}).status, 415);
  EXPECT_EQ(counters_.unsupported_type, 6u);
  EXPECT_THAT(sink_.bodies(), IsEmpty());
}

TEST_F(OtlpHttpTest, RefusesOtherMethods) {
  for (const std::string_view method : {"GET", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"}) {
    for (const std::string_view path : {"/v1/traces", "/otlp/v1/logs"}) {
      const auto response = send(method, path, "", {});
      EXPECT_EQ(response.status, 405) << method;
      EXPECT_THAT(response.headers, Contains(Pair("allow", "POST"))) << method;
      EXPECT_THAT(response.body, method == "HEAD" ? ::testing::Matcher<std::string>(IsEmpty())
                                                  : ::testing::Matcher<std::string>(HasSubstr("POST")))
          << method;
    }
  }
  EXPECT_EQ(counters_.wrong_method, 6u);
}

TEST_F(OtlpHttpTest, KnowsItsPaths) {
  for (const std::string_view path :
       {"/", "/v1", "/v1/traces/", "/v1/trace", "/otlp", "/otlp/otlp/v1/traces", "/api/v1/traces"}) {
    EXPECT_EQ(send("POST", path, "", kProtobuf).status, 404) << path;
  }
}

TEST_F(OtlpHttpTest, Decompresses) {
  const std::string text(10'000, 'a');
  EXPECT_EQ(post(testing::gzip(text), "application/x-protobuf", "gzip").status, 200);
  EXPECT_EQ(post(testing::gzip(text.substr(0, 10)) + testing::gzip(text.substr(10)), "application/x-protobuf",
                 "GZIP")
                .status,
            200);
  EXPECT_EQ(post(testing::zstd(text), "application/x-protobuf", "zstd").status, 200);
  EXPECT_EQ(post(testing::zstd_stream(text), "application/x-protobuf", "Zstd").status, 200);
  EXPECT_EQ(post(testing::zlib(text), "application/x-protobuf", "deflate").status, 200);
  EXPECT_EQ(post(text, "application/x-protobuf", "identity").status, 200);
  EXPECT_THAT(sink_.bodies(), ElementsAre(text, text, text, text, text, text));
  EXPECT_EQ(counters_.decoded_bytes, 60'000u);
  EXPECT_EQ(post(testing::gzip("{\"a\":1}"), "application/json", "gzip").body, "{}");
  EXPECT_EQ(sink_.bodies().back(), "from json: {\"a\":1}");
}

// As SDKs send it: compressed and chunked, the length unknown at the start.
TEST_F(OtlpHttpTest, ReadsChunkedAndCompressedBodies) {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += std::to_string(i * 7919);
  const std::string packed = testing::gzip(text);
  std::string request =
      "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
      "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (size_t at = 0; at < packed.size(); at += 1000) {
    const std::string chunk = packed.substr(at, 1000);
    char size[32];
    std::snprintf(size, sizeof size, "%zX\r\n", chunk.size());
    request.append(size).append(chunk).append("\r\n");
  }
  request += "0\r\n\r\n";
  http::testing::RawSocket socket(port_);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(socket.send(request));
    EXPECT_THAT(socket.read_response(), HasSubstr("HTTP/1.1 200 OK\r\n"));
  }
  EXPECT_TRUE(sink_.bodies() == std::vector<std::string>({text, text}));
}

TEST_F(OtlpHttpTest, RefusesWrongCompression) {
  const std::string good = testing::gzip("proto");
  for (const std::string_view coding : {"gzip", "zstd", "deflate"}) {
    for (const std::string& body : {std::string("no"), good.substr(0, good.size() - 1), good + "x"}) {
      auto response = post(body, "application/x-protobuf", coding);
      EXPECT_EQ(response.status, 400) << coding;
      EXPECT_EQ(response.content_type, "application/x-protobuf");
      EXPECT_THAT(response.body, ::testing::StartsWith(code_prefix(3)));
      response = post(body, "application/json", coding);
      EXPECT_EQ(response.status, 400);
      EXPECT_THAT(response.body, HasSubstr(R"({"code":3,)"));
    }
  }
  EXPECT_EQ(counters_.undecompressable, 18u);
  for (const std::string_view coding : {"br", "snappy", "gzip, zstd"}) {
    EXPECT_EQ(post("x", "application/x-protobuf", coding).status, 415);
  }
  EXPECT_EQ(send("POST", "/v1/traces", "x",
                 {{"Content-Type", "application/json"},
                  {"Content-Encoding", "identity"},
                  {"Content-Encoding", "gzip"}})
                .status,
            415);
  EXPECT_EQ(counters_.unsupported_encoding, 4u);
  EXPECT_THAT(sink_.bodies(), IsEmpty());
}

TEST_F(OtlpHttpTest, RefusesWhatIsTooLargeBeforeAndAfterDecompression) {
  const std::string text(2 << 20, 'a');
  std::vector<http::Response> responses{post(text)};
  responses.push_back(post(testing::gzip(text), "application/x-protobuf", "gzip"));
  responses.push_back(post(testing::zstd(text), "application/x-protobuf", "zstd"));
  responses.push_back(post(testing::zstd_stream(text), "application/x-protobuf", "zstd"));
  responses.push_back(post(testing::zlib(text), "application/x-protobuf", "deflate"));
  for (const auto& response : responses) {
    EXPECT_EQ(response.status, 413);
    EXPECT_THAT(response.body, ::testing::StartsWith(code_prefix(8)));
  }
  EXPECT_THAT(post(testing::gzip(text), "application/json", "gzip").body, HasSubstr(R"({"code":8,)"));
  EXPECT_EQ(counters_.too_large, 6u);
  EXPECT_THAT(sink_.bodies(), IsEmpty());
}

TEST_F(OtlpHttpTest, AnEmptyBodyIsASuccess) {
  EXPECT_EQ(post("").status, 200);
  EXPECT_EQ(post("", "application/json").body, "{}");
  EXPECT_EQ(post("", "application/x-protobuf", "gzip").status, 200);
  EXPECT_EQ(post(testing::gzip(""), "application/json", "gzip").body, "{}");
}

TEST_F(OtlpHttpTest, SaysWhatWasRejectedAndWhatWasRepaired) {
  sink_.answer_with(store::IngestOutcome{
      .accepted_spans = 2, .rejected_spans = 1, .message = "a span ends before it starts"});
  EXPECT_EQ(post("proto").body,
            "\x0a\x20\x08\x01\x12\x1c"
            "a span ends before it starts");
  EXPECT_EQ(post("{}", "application/json").body,
            R"({"partialSuccess":{"rejectedSpans":"1","errorMessage":"a span ends before it starts"}})");
  EXPECT_EQ(counters_.rejected_spans, 2u);
  sink_.answer_with(store::IngestOutcome{.accepted_spans = 3, .message = "cleared 1 parent id"});
  EXPECT_EQ(post("{}", "application/json").body,
            R"({"partialSuccess":{"rejectedSpans":"0","errorMessage":"cleared 1 parent id"}})");
}

TEST_F(OtlpHttpTest, SaysWhyARequestFailed) {
  const struct {
    ErrorCode code;
    int http, grpc;
    std::string_view retry_after;
  } cases[] = {{ErrorCode::kInvalidArgument, 400, 3, ""},
               {ErrorCode::kOverloaded, 429, 14, "1"},
               {ErrorCode::kUnavailable, 503, 14, "2"},
               {ErrorCode::kInternal, 500, 13, ""}};
  for (const auto& [code, http, grpc, retry_after] : cases) {
    sink_.answer_with(base::fail(code, "because \xff"));
    const auto in_protobuf = post("proto");
    EXPECT_EQ(in_protobuf.status, http);
    EXPECT_EQ(in_protobuf.content_type, "application/x-protobuf");
    EXPECT_EQ(in_protobuf.body, code_prefix(grpc) +
                                    "\x09"
                                    "because ?");
    const auto in_json = post("{}", "application/json");
    EXPECT_EQ(in_json.status, http);
    EXPECT_EQ(in_json.body, "{\"code\":" + std::to_string(grpc) + ",\"message\":\"because ?\"}");
    if (retry_after.empty()) {
      EXPECT_THAT(in_json.headers, Not(Contains(Pair("retry-after", ::testing::_))));
    } else {
      EXPECT_THAT(in_json.headers, Contains(Pair("retry-after", std::string(retry_after))));
    }
  }
  EXPECT_EQ(counters_.undecodable, 2u);
  EXPECT_EQ(counters_.overloaded, 2u);
  EXPECT_EQ(counters_.unavailable, 2u);
  EXPECT_EQ(counters_.failed, 2u);
  EXPECT_EQ(counters_.succeeded, 0u);
  EXPECT_EQ(counters_.in_flight_bytes, 0u);
}

TEST_F(OtlpHttpTest, RefusesBadJson) {
  const auto response = post("[]", "application/json");
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.body, R"({"code":3,"message":"The body is no JSON object."})");
  EXPECT_EQ(counters_.bad_json, 1u);
}

TEST_F(OtlpHttpTest, FindsTheWorkspace) {
  const auto post_with = [&](const http::Headers& more) {
    http::Headers headers = kProtobuf;
    headers.insert(headers.end(), more.begin(), more.end());
    return send("POST", "/v1/traces", "proto", headers).status;
  };
  EXPECT_EQ(post_with({}), 200);
  EXPECT_EQ(post_with({{"X-Workspace-ID", std::string(kOtherWorkspace)}}), 200);
  EXPECT_EQ(post_with({{"Authorization", "Bearer tm_good"}}), 200);
  EXPECT_THAT(sink_.workspaces(),
              ElementsAre(model::kDefaultWorkspace, *model::WorkspaceId::parse(kOtherWorkspace),
                          model::kDefaultWorkspace));
  EXPECT_EQ(post_with({{"X-Workspace-ID", "x"}}), 400);
  EXPECT_EQ(post_with({{"X-Workspace-ID", "22222222-2222-4333-8444-555555555555"}}), 404);
  EXPECT_EQ(post_with({{"X-Workspace-ID", "dd222222-2222-4333-8444-555555555555"}}), 403);
  EXPECT_EQ(post_with({{"Authorization", "Bearer tm_bad"}}), 401);
  EXPECT_EQ(counters_.bad_workspace, 4u);
  EXPECT_EQ(sink_.workspaces().size(), 3u);
}

TEST_F(OtlpHttpTest, AnswersOtherSignalsWithAnEmptySuccess) {
  for (const std::string_view path : {"/v1/metrics", "/otlp/v1/metrics", "/v1/logs", "/otlp/v1/logs"}) {
    EXPECT_EQ(send("POST", path, "x", kProtobuf).body, "");
    const auto response =
        send("POST", path, "x", {{"Content-Type", "application/json"}, {"Content-Encoding", "gzip"}});
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "{}");
  }
  EXPECT_EQ(send("POST", "/v1/logs", "x", {}).status, 415);
  EXPECT_EQ(counters_.metrics_requests, 4u);
  EXPECT_EQ(counters_.logs_requests, 4u);
  EXPECT_EQ(counters_.requests, 0u);
  EXPECT_THAT(sink_.bodies(), IsEmpty());
}

TEST_F(OtlpHttpTest, AnswersOnlyWhenTheSinkIsDone) {
  sink_.hold();
  std::atomic<bool> answered = false;
  std::thread client([&] {
    EXPECT_EQ(post("proto").status, 200);
    answered = true;
  });
  while (sink_.bodies().empty()) std::this_thread::yield();
  EXPECT_FALSE(answered);
  EXPECT_EQ(counters_.in_flight_bytes, 5u);
  EXPECT_TRUE(sink_.release_one());
  client.join();
  EXPECT_TRUE(answered);
}

TEST_F(OtlpHttpTest, RefusesMoreThanItsBudgetInFlight) {
  start({.max_body_bytes = 1 << 20, .max_in_flight_bytes = 1000});
  sink_.hold();
  std::thread first([&] { EXPECT_EQ(post(std::string(600, 'a')).status, 200); });
  while (sink_.bodies().empty()) std::this_thread::yield();
  const auto refused = post(std::string(600, 'b'));
  EXPECT_EQ(refused.status, 429);
  EXPECT_THAT(refused.headers, Contains(Pair("retry-after", "1")));
  EXPECT_THAT(refused.body, ::testing::StartsWith(code_prefix(14)));
  EXPECT_EQ(counters_.overloaded, 1u);
  sink_.release_one();
  first.join();
  // Alone, one larger than the budget passes.
  std::thread large([&] { EXPECT_EQ(post(std::string(5000, 'c')).status, 200); });
  while (sink_.bodies().size() < 2) std::this_thread::yield();
  EXPECT_EQ(post("d").status, 429);
  sink_.release_one();
  large.join();
  EXPECT_EQ(counters_.in_flight_bytes, 0u);
}

}  // namespace
}  // namespace testmesh::ingest
