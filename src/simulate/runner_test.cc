// Running: what is sent, when, how often, and what happens when nobody takes it.
#include "simulate/runner.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>

#include "otlp/import_formats.h"
#include "simulate/testing/simulate_fixture.h"
#include "transport/http/server.h"

namespace testmesh::simulate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Le;
using ::testing::Not;
using ::testing::SizeIs;

struct Request {
  Duration at{};
  std::string bytes;
  std::vector<model::Span> spans;
};

// Takes everything, and owns the time.
class Receiver {
 public:
  class FakeTime final : public Pace {
   public:
    Duration now() override { return now_; }
    void wait_until(Duration time) override { now_ = std::max(now_, time); }
    Duration now_{};
  };

  FakeTime time;
  std::vector<Request> requests;
  RunCounts counts;
  std::atomic<bool> stop = false;
  bool finished = false;

  RunHooks hooks() {
    return {
        .open = [this]() -> base::Result<std::unique_ptr<Target>> { return std::make_unique<Into>(*this); },
        .counts = &counts,
        .stop = &stop};
  }
  std::map<model::SpanId, size_t> copies() const {
    std::map<model::SpanId, size_t> found;
    for (const Request& request : requests)
      for (const model::Span& span : request.spans) ++found[span.span_id];
    return found;
  }

 private:
  struct Into final : Target {
    explicit Into(Receiver& to) : receiver(to) {}
    base::Result<Sent> send(std::string_view request, uint64_t spans) override {
      const std::lock_guard lock(receiver.mutex_);
      TRY_ASSIGN(otlp::DecodedSpans decoded, otlp::decode_protobuf(request));
      EXPECT_EQ(decoded.spans.size(), spans);
      receiver.requests.push_back({receiver.time.now_, std::string(request), std::move(decoded.spans)});
      return Sent{};
    }
    base::Result<void> finish() override {
      receiver.finished = true;
      return {};
    }
    Receiver& receiver;
  };
  std::mutex mutex_;
};

std::string service_of(const model::Span& span) { return std::string(model::service_name(*span.resource)); }

size_t spans_in(const std::vector<Request>& requests) {
  size_t spans = 0;
  for (const Request& request : requests) spans += request.spans.size();
  return spans;
}

TEST(PacedRun, ProcessesSendTheirOwnSpansAfterTheyEnded) {
  const System system = described(example_system());
  Receiver receiver;
  ASSERT_TRUE(run_paced(system, {.start = kStartOfTest, .traces = 200}, receiver.hooks(), receiver.time));
  EXPECT_TRUE(receiver.finished);
  EXPECT_EQ(receiver.counts.traces, 200u);
  EXPECT_EQ(receiver.counts.spans, spans_in(receiver.requests));
  std::map<std::string, std::vector<Duration>> times;
  for (const Request& request : receiver.requests) {
    EXPECT_THAT(request.spans, SizeIs(Le(512)));
    EXPECT_THAT(request.spans, Not(IsEmpty()));
    for (const model::Span& span : request.spans) {
      EXPECT_EQ(service_of(span), service_of(request.spans[0]));
      EXPECT_EQ(span.resource->attributes, request.spans[0].resource->attributes);
      const Duration end(static_cast<int64_t>(span.end - kStartOfTest));
      EXPECT_LE(end, request.at);
      EXPECT_LE(request.at, end + seconds(5)) << "flushed every 5 s";
    }
    times[service_of(request.spans[0])].push_back(request.at);
  }
  EXPECT_THAT(times, SizeIs(7));  // with the tests' runner
}

TEST(PacedRun, TracesStartWhenTheyShould) {
  const System system = shop_that("- db: redis", "rate: 10/s\n");
  Receiver receiver;
  ASSERT_TRUE(run_paced(system, {.start = kStartOfTest, .traces = 50}, receiver.hooks(), receiver.time));
  EXPECT_GE(receiver.time.now_, seconds(4));
  EXPECT_LE(receiver.time.now_, seconds(11));
}

TEST(PacedRun, LateSpansComeLateAndDuplicatesTwice) {
  System system = shop_that("- db: redis", "rate: 10/s\n");
  system.telemetry.late_spans = 0.2;
  system.telemetry.late_by = seconds(60);
  system.telemetry.duplicate_spans = 0.2;
  Receiver receiver;
  Truth truth(system);
  RunHooks hooks = receiver.hooks();
  hooks.truth = &truth;
  ASSERT_TRUE(run_paced(system, {.start = kStartOfTest, .traces = 100}, hooks, receiver.time));
  size_t late = 0, twice = 0;
  std::map<model::SpanId, size_t> seen;
  for (const Request& request : receiver.requests)
    for (const model::Span& span : request.spans) {
      const bool first = ++seen[span.span_id] == 1;
      twice += first ? 0 : 1;
      late +=
          first && request.at > Duration(static_cast<int64_t>(span.end - kStartOfTest)) + seconds(60) ? 1 : 0;
    }
  EXPECT_GT(late, 20u);
  EXPECT_EQ(late, truth.spans().late);
  EXPECT_EQ(twice, truth.spans().duplicates);
  EXPECT_EQ(seen.size(), truth.spans().sent);
}

TEST(PacedRun, StoppedItSendsTheRestAtOnce) {
  const System system = shop_that("- db: redis", "rate: 10/s\n");
  Receiver receiver;
  RunHooks hooks = receiver.hooks();
  hooks.progress = [&] { receiver.stop = receiver.counts.traces >= 20; };
  ASSERT_TRUE(run_paced(system, {.start = kStartOfTest}, hooks, receiver.time));
  EXPECT_EQ(receiver.counts.traces, 20u);
  EXPECT_EQ(receiver.counts.spans, 40u);
  EXPECT_TRUE(receiver.finished);
}

TEST(FastRun, SendsEverySpanOfEveryTraceOnce) {
  const System system = described(example_system());
  Receiver receiver;
  ASSERT_TRUE(run_fast(system, {.start = kStartOfTest, .traces = 1000, .spans_per_request = 500},
                       receiver.hooks(), receiver.time));
  const Planner planner(system, 1);
  size_t planned = 0;
  for (uint64_t i = 0; i < 1000; ++i) planned += planner.plan(i).actions.size();
  EXPECT_EQ(spans_in(receiver.requests), planned);
  EXPECT_THAT(receiver.copies(), SizeIs(planned));
}

TEST(FastRun, OnOneConnectionTheRequestsAreTheSameEveryTime) {
  const System system = described(example_system());
  const auto bytes = [&] {
    Receiver receiver;
    EXPECT_TRUE(
        run_fast(system, {.seed = 4, .start = kStartOfTest, .traces = 500}, receiver.hooks(), receiver.time));
    std::string all;
    for (const Request& request : receiver.requests) all += request.bytes;
    return all;
  };
  EXPECT_EQ(bytes(), bytes());
}

TEST(FastRun, OnSeveralConnectionsTheSpansAreTheSame) {
  System system = described(example_system());
  system.telemetry = {.lost_spans = 0.05, .duplicate_spans = 0.05, .late_spans = 0.05};
  const auto sent = [&](unsigned connections, Truth& truth) {
    Receiver receiver;
    RunHooks hooks = receiver.hooks();
    hooks.truth = &truth;
    EXPECT_TRUE(run_fast(system, {.start = kStartOfTest, .traces = 1000, .connections = connections}, hooks,
                         receiver.time));
    EXPECT_EQ(receiver.counts.spans, truth.spans().sent + truth.spans().duplicates);
    return receiver.copies();
  };
  Truth one(system), three(system);
  EXPECT_EQ(sent(1, one), sent(3, three));
  EXPECT_EQ(one.to_json(1), three.to_json(1));
}

TEST(FastRun, LateSpansComeAfterTheOthersAndALongWait) {
  System system = shop_that("- db: redis");
  system.telemetry.late_spans = 0.1;
  Receiver receiver;
  ASSERT_TRUE(run_fast(system, {.start = kStartOfTest, .traces = 300}, receiver.hooks(), receiver.time));
  ASSERT_THAT(receiver.requests, SizeIs(2));
  EXPECT_GE(receiver.requests[1].at, receiver.requests[0].at + seconds(20));
  EXPECT_EQ(spans_in(receiver.requests), 600u);
}

TEST(TracesBefore, CountsWhatStartsBefore) {
  const System system = shop_that("- db: redis", "rate: 50/s\n");
  const Planner planner(system, 1);
  const uint64_t traces = traces_before(planner, seconds(60));
  EXPECT_EQ(traces, 3000u);
  EXPECT_LT(planner.start_of(traces - 1), seconds(60));
  EXPECT_GE(planner.start_of(traces), seconds(60));
}

// An endpoint that answers what it is told to.
class Endpoint : public ::testing::Test {
 protected:
  Endpoint()
      : server_({.threads = 1}, [this](http::Request request, http::Responder respond) {
          const std::lock_guard lock(mutex_);
          paths_.push_back(request.path);
          workspaces_.emplace_back(request.header("x-workspace-id"));
          http::Response response;
          if (!answers_.empty()) {
            response = answers_.front();
            answers_.erase(answers_.begin());
          }
          response.content_type = "application/x-protobuf";
          respond(std::move(response));
        }) {
    const auto at = server_.listen("127.0.0.1:0");
    EXPECT_TRUE(at.has_value());
    url_ = "http://127.0.0.1:" + std::to_string(at->port);
    server_.start();
  }
  ~Endpoint() override { server_.stop(); }

  std::unique_ptr<Target> target(std::string path = "") {
    auto opened = open_http_target(
        {.url = url_ + path, .workspace = "w", .stop = &stop_, .sleep = [this](milliseconds time) {
           slept_ += time;
         }});
    EXPECT_TRUE(opened.has_value());
    return std::move(*opened);
  }
  static http::Response refusal(int status, const std::string& retry_after = "") {
    http::Response response{.status = status,
                            .body =
                                "\x12\x04"
                                "busy"};
    if (!retry_after.empty()) response.headers = {{"Retry-After", retry_after}};
    return response;
  }

  std::mutex mutex_;
  std::vector<http::Response> answers_;  // empty: 200
  std::vector<std::string> paths_, workspaces_;
  milliseconds slept_{};
  std::atomic<bool> stop_ = false;
  std::string url_;
  http::Server server_;
};

TEST_F(Endpoint, GetsTheSpansAtItsPathInTheirWorkspace) {
  for (const char* path : {"", "/", "/v1/traces", "/otlp"})
    ASSERT_TRUE(target(path)->send("x", 1).has_value());
  EXPECT_THAT(paths_, ::testing::ElementsAre("/v1/traces", "/v1/traces", "/v1/traces", "/otlp/v1/traces"));
  EXPECT_THAT(workspaces_, Each(::testing::Eq("w")));
}

TEST_F(Endpoint, IsAskedAgainAfterTheTimeItAsksFor) {
  answers_ = {refusal(429, "2"), refusal(503, "3"), refusal(503)};
  const auto sent = target()->send("x", 7);
  ASSERT_TRUE(sent.has_value());
  EXPECT_EQ(sent->refusals, 3u);
  EXPECT_EQ(slept_, seconds(6));
  EXPECT_THAT(paths_, SizeIs(4));
}

TEST_F(Endpoint, SaysWhatItRejected) {
  answers_ = {{.body = "\x0a\x08\x08\x05\x12\x04"
                       "ugly"}};
  const auto sent = target()->send("x", 7);
  ASSERT_TRUE(sent.has_value());
  EXPECT_EQ(sent->rejected, 5u);
  EXPECT_EQ(sent->message, "ugly");
}

TEST_F(Endpoint, WhatIsWrongIsNotTriedAgain) {
  answers_ = {refusal(404)};
  const auto sent = target()->send("x", 7);
  ASSERT_FALSE(sent.has_value());
  EXPECT_THAT(sent.error().message, HasSubstr("answered 404: busy"));
  EXPECT_THAT(paths_, SizeIs(1));
}

TEST_F(Endpoint, NothingIsGivenUpSilently) {
  answers_ = std::vector<http::Response>(1000, refusal(503, "30"));
  const auto sent = target()->send("x", 7);
  ASSERT_FALSE(sent.has_value());
  EXPECT_THAT(sent.error().message, HasSubstr("7 spans were not sent after 5 attempts"));
  stop_ = true;
  const auto stopped = target()->send("x", 7);
  ASSERT_FALSE(stopped.has_value());
  EXPECT_THAT(stopped.error().message, HasSubstr("7 spans were not sent"));
}

TEST(HttpTarget, WhatCannotBeReachedAtAllIsAnError) {
  auto target = open_http_target({.url = "http://127.0.0.1:1"});
  ASSERT_TRUE(target.has_value());
  EXPECT_FALSE((*target)->send("x", 1).has_value());
  EXPECT_FALSE(open_http_target({.url = "ftp://x"}).has_value());
}

TEST(FileTarget, WritesWhatTheImporterReads) {
  const System system = described(example_system());
  const Planner planner(system, 1);
  for (const char* name : {"spans.jsonl", "spans.pb"}) {
    const std::string path =
        (std::filesystem::temp_directory_path() / (std::string("testmesh_simulate_") + name)).string();
    RunCounts counts;
    const std::atomic<bool> stop = false;
    const RunHooks hooks{.open = [&] { return open_file_target(path); }, .counts = &counts, .stop = &stop};
    Receiver::FakeTime time;
    ASSERT_TRUE(run_fast(system, {.start = kStartOfTest, .traces = 300}, hooks, time));
    size_t spans = 0;
    const auto read =
        otlp::import_file(path, {.request = [&](std::string_view request) -> base::Result<void> {
                                   TRY_ASSIGN(const auto decoded, otlp::decode_protobuf(request));
                                   spans += decoded.spans.size();
                                   return {};
                                 },
                                 .progress = {}});
    EXPECT_TRUE(read.has_value());
    EXPECT_EQ(spans, counts.spans);
    std::filesystem::remove(path);
  }
  EXPECT_FALSE(open_file_target("spans.txt").has_value());
  EXPECT_FALSE(open_file_target("/nowhere/at/all/x.pb").has_value());
}

}  // namespace
}  // namespace testmesh::simulate
