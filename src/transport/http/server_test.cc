#include "transport/http/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "transport/http/testing/raw_socket.h"

namespace testmesh::http {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::RawSocket;
using ::testing::StartsWith;
using testing::statuses;
using namespace std::chrono_literals;

// A server whose handler answers with what it was asked, or keeps the
// responder of /later until the test answers.
class Running {
 public:
  explicit Running(ServerOptions options = {.threads = 2})
      : server_(options, [this](Request request, Responder respond) {
          handle(std::move(request), std::move(respond));
        }) {
    const auto endpoint = server_.listen("127.0.0.1:0");
    EXPECT_TRUE(endpoint.has_value());
    port_ = endpoint->port;
    server_.start();
  }
  ~Running() {
    server_.stop();
    const std::lock_guard lock(mutex_);
    waiting_.clear();
  }

  uint16_t port() const { return port_; }
  Server& server() { return server_; }

  std::pair<Request, Responder> take_waiting() {
    std::unique_lock lock(mutex_);
    if (!arrived_.wait_for(lock, 10s, [&] { return !waiting_.empty(); })) {
      ADD_FAILURE() << "no request came";
      return {Request{}, [](Response) {}};
    }
    auto first = std::move(waiting_.front());
    waiting_.pop_front();
    return first;
  }

 private:
  void handle(Request request, Responder respond) {
    if (request.body_too_large) return respond({.status = 413, .body = "too large"});
    if (request.path == "/drop") return;
    if (request.path == "/throw") throw std::runtime_error("on purpose");
    if (request.path == "/big") return respond({.body = std::string(8 << 20, 'x')});
    if (request.path == "/empty") return respond({.status = 204, .body = "ignored"});
    if (request.path == "/header")
      return respond({.headers = {{"X-A", "b\r\nX-Evil: 1"}, {"bad name", "c"}}});
    if (request.path == "/close") return respond({.body = "bye", .close = true});
    if (request.path.starts_with("/later")) {
      const std::lock_guard lock(mutex_);
      waiting_.emplace_back(std::move(request), std::move(respond));
      arrived_.notify_all();
      return;
    }
    respond({.content_type = "text/plain", .body = request.method + " " + request.path + " " + request.body});
  }

  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<std::pair<Request, Responder>> waiting_;
  Server server_;
  uint16_t port_ = 0;
};

TEST(Server, AnswersAndKeepsTheConnection) {
  Running running;
  RawSocket socket(running.port());
  for (int i = 0; i < 3; ++i) {
    socket.send("POST /a%20b?c=d HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
    const auto response = socket.read_response();
    EXPECT_THAT(response, StartsWith("HTTP/1.1 200 OK\r\nDate: "));
    EXPECT_THAT(response, HasSubstr("\r\nContent-Type: text/plain\r\nContent-Length: 15\r\n"));
    EXPECT_THAT(response, Not(HasSubstr("Connection:")));
    EXPECT_THAT(response, EndsWith("\r\n\r\nPOST /a b hello"));
  }
  const auto stats = running.server().stats();
  EXPECT_EQ(stats.accepted, 1u);
  EXPECT_EQ(stats.open, 1u);
  EXPECT_EQ(stats.requests, 3u);
  EXPECT_EQ(stats.bytes_in, 3 * 61u);
  EXPECT_EQ(stats.buffered_bytes, 0u);
}

TEST(Server, TakesARequestByteByByte) {
  Running running;
  RawSocket socket(running.port());
  for (const std::string_view text : {"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
                                      "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                                      "chunked\r\n\r\n2\r\nhe\r\n3;x\r\nllo\r\n0\r\nT: u\r\n\r\n"}) {
    for (const char& c : text) socket.send({&c, 1});
    EXPECT_THAT(socket.read_response(), EndsWith("POST /a hello"));
  }
}

TEST(Server, AnswersPipelinedRequestsInOrder) {
  Running running;
  RawSocket socket(running.port());
  std::string text;
  for (int i = 0; i < 1000; ++i) {
    const std::string body = std::to_string(i);
    text += i % 2 == 0 ? "GET /" + body + " HTTP/1.1\r\nHost: x\r\n\r\n"
                       : "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) +
                             "\r\n\r\n" + body;
  }
  std::thread sender([&] { socket.send(text); });
  for (int i = 0; i < 1000; ++i)
    EXPECT_THAT(socket.read_response(), EndsWith(std::to_string(i) + (i % 2 == 0 ? " " : "")));
  sender.join();
}

TEST(Server, HoldsPipelinedRequestsBackWhileOneIsAnswered) {
  Running running;
  RawSocket socket(running.port());
  socket.send(
      "GET /later1 HTTP/1.1\r\nHost: x\r\n\r\nGET /later2 HTTP/1.1\r\nHost: x\r\n\r\nGET /c "
      "HTTP/1.1\r\nHost: x\r\n\r\n");
  auto [first, respond_first] = running.take_waiting();
  EXPECT_EQ(first.path, "/later1");
  EXPECT_EQ(running.server().stats().requests, 1u);
  std::thread([&respond_first] { respond_first({.body = "1"}); }).join();
  EXPECT_THAT(socket.read_response(), EndsWith("\r\n\r\n1"));
  auto [second, respond_second] = running.take_waiting();
  EXPECT_EQ(second.path, "/later2");
  respond_second({.body = "2"});
  EXPECT_THAT(socket.read_response(), EndsWith("\r\n\r\n2"));
  EXPECT_THAT(socket.read_response(), EndsWith("GET /c "));
}

TEST(Server, AnswersADroppedOrFailedRequestWith500) {
  Running running;
  RawSocket socket(running.port());
  socket.send(
      "GET /drop HTTP/1.1\r\nHost: x\r\n\r\nGET /throw HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: "
      "x\r\n\r\n");
  EXPECT_THAT(socket.read_response(), StartsWith("HTTP/1.1 500 "));
  EXPECT_THAT(socket.read_response(), StartsWith("HTTP/1.1 500 "));
  EXPECT_THAT(socket.read_response(), StartsWith("HTTP/1.1 200 "));
}

TEST(Server, SendsNoBodyForHead) {
  Running running;
  RawSocket socket(running.port());
  socket.send("HEAD /a HTTP/1.1\r\nHost: x\r\n\r\nHEAD /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string all = socket.read_to_end();
  EXPECT_THAT(all, HasSubstr("Content-Length: 8\r\n"));
  EXPECT_THAT(all, Not(HasSubstr("HEAD")));
  EXPECT_THAT(all, EndsWith("Connection: close\r\n\r\n"));
}

TEST(Server, SendsNoBodyWithStatusesThatHaveNone) {
  Running running;
  RawSocket socket(running.port());
  socket.send(
      "GET /empty HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string all = socket.read_to_end();
  EXPECT_THAT(all, StartsWith("HTTP/1.1 204 No Content\r\n"));
  EXPECT_THAT(all, Not(HasSubstr("ignored")));
  EXPECT_THAT(all, EndsWith("GET /b "));
}

TEST(Server, LetsNoHeaderValueEndItsLine) {
  Running running;
  RawSocket socket(running.port());
  socket.send("GET /header HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto response = socket.read_response();
  EXPECT_THAT(response, HasSubstr("\r\nX-A: b  X-Evil: 1\r\n"));
  EXPECT_THAT(response, Not(HasSubstr("bad name")));
}

TEST(Server, ClosesWhenAskedTo) {
  Running running;
  for (const std::string_view text :
       {"GET /close HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /a HTTP/1.0\r\n\r\n"}) {
    RawSocket socket(running.port());
    socket.send(text);
    EXPECT_THAT(socket.read_to_end(), HasSubstr("\r\nConnection: close\r\n"));
    EXPECT_FALSE(socket.timed_out());
  }
  RawSocket old(running.port());
  old.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_THAT(old.read_response(), HasSubstr("\r\nConnection: keep-alive\r\n"));
  old.send("GET /b HTTP/1.0\r\n\r\n");
  EXPECT_THAT(old.read_to_end(), EndsWith("GET /b "));
}

TEST(Server, AsksForABodyThatIsHeldBack) {
  Running running;
  RawSocket socket(running.port());
  socket.send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(socket.read_response(), "HTTP/1.1 100 Continue\r\n\r\n");
  socket.send("hello");
  EXPECT_THAT(socket.read_response(), EndsWith("POST /a hello"));
  // A body already here needs no asking.
  socket.send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello");
  EXPECT_THAT(socket.read_response(), StartsWith("HTTP/1.1 200 "));
}

TEST(Server, ReadsLargeBodiesWhole) {
  Running running;
  RawSocket socket(running.port());
  const std::string body = [] {
    std::string text(20 << 20, '\0');
    uint64_t state = 1;
    for (char& c : text)
      c = static_cast<char>((state = state * 6364136223846793005u + 1442695040888963407u) >> 56);
    return text;
  }();
  for (const bool chunked : {false, true}) {
    std::string text = "POST /later HTTP/1.1\r\nHost: x\r\n";
    if (chunked) {
      text += "Transfer-Encoding: chunked\r\n\r\n";
      const size_t step = 70'001;
      for (size_t at = 0; at < body.size(); at += step) {
        char size[32];
        const size_t length = std::min(step, body.size() - at);
        std::snprintf(size, sizeof size, "%zx\r\n", length);
        text.append(size).append(body, at, length).append("\r\n");
      }
      text += "0\r\n\r\n";
    } else {
      text += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    }
    ASSERT_TRUE(socket.send(text));
    auto [request, respond] = running.take_waiting();
    EXPECT_TRUE(request.body == body) << chunked;
    EXPECT_GE(running.server().stats().buffered_bytes, body.size());
    respond({});
    EXPECT_THAT(socket.read_response(), StartsWith("HTTP/1.1 200 "));
  }
}

TEST(Server, RefusesBodiesOverTheLimit) {
  Running running({.threads = 1, .max_body_bytes = 1000});
  for (const std::string& text :
       {std::string("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n"),
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3000\r\n\r\n" + std::string(3000, 'x'),
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999\r\nExpect: 100-continue\r\n\r\n" +
            std::string(),
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + std::string()}) {
    RawSocket socket(running.port());
    socket.send(text);
    const auto all = socket.read_to_end();
    EXPECT_THAT(statuses(all), ElementsAre(413)) << text.substr(0, 100);
    EXPECT_THAT(all, HasSubstr("Connection: close"));
    EXPECT_FALSE(socket.timed_out());
  }
  RawSocket socket(running.port());
  socket.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + std::string(1000, 'x'));
  EXPECT_THAT(socket.read_response(), StartsWith("HTTP/1.1 200 "));
}

// The client sends all before it reads: the answer must survive that.
TEST(Server, AnswersAClientThatReadsOnlyAfterSendingTooMuch) {
  Running running({.threads = 1, .max_body_bytes = 4 << 20});
  RawSocket socket(running.port());
  const size_t size = 12 << 20;
  ASSERT_TRUE(socket.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(size) +
                          "\r\n\r\n" + std::string(size, 'x')));
  EXPECT_THAT(statuses(socket.read_to_end()), ElementsAre(413));
}

TEST(Server, AnAnnouncedBodyCostsNothing) {
  Running running({.threads = 1});
  std::deque<RawSocket> sockets;
  for (int i = 0; i < 50; ++i) {
    sockets.emplace_back(running.port());
    sockets.back().send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 60000000\r\n\r\nx");
  }
  // All 50 are read before this one is answered: there is one thread.
  RawSocket last(running.port());
  last.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
  last.read_response();
  EXPECT_LE(running.server().stats().buffered_bytes, 50 * 64u << 10);
}

TEST(Server, PausesReadingWhenBodiesTakeTooMuchMemory) {
  Running running({.threads = 1, .max_buffered_bytes = 1 << 20});
  const std::string text =
      "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n" + std::string(2'000'000, 'x');
  std::deque<RawSocket> sockets;
  std::vector<std::thread> senders;
  constexpr int kClients = 6;
  for (int i = 0; i < kClients; ++i) sockets.emplace_back(running.port());
  for (RawSocket& socket : sockets) senders.emplace_back([&] { socket.send(text); });
  // One is read to its end in spite of the limit, the others wait for its answer.
  for (int i = 0; i < kClients; ++i) {
    auto [request, respond] = running.take_waiting();
    EXPECT_EQ(request.body.size(), 2'000'000u);
    EXPECT_LT(running.server().stats().buffered_bytes, 6'000'000u);
    respond({});
  }
  for (std::thread& sender : senders) sender.join();
  for (RawSocket& socket : sockets) EXPECT_THAT(socket.read_response(), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(running.server().stats().buffered_bytes, 0u);
}

TEST(Server, TurnsAwayConnectionsOverTheLimit) {
  Running running({.threads = 1, .max_connections = 2});
  std::deque<RawSocket> sockets;
  for (int i = 0; i < 2; ++i) {
    sockets.emplace_back(running.port());
    sockets.back().send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_THAT(sockets.back().read_response(), StartsWith("HTTP/1.1 200 "));
  }
  RawSocket third(running.port());
  EXPECT_THAT(third.read_to_end(), StartsWith("HTTP/1.1 503 "));
  EXPECT_EQ(running.server().stats().refused, 1u);
  EXPECT_EQ(running.server().stats().open, 2u);
}

TEST(Server, CutsSlowClientsOff) {
  Running running({.threads = 1, .header_timeout = 1s, .body_timeout = 1s, .idle_timeout = 1s});
  RawSocket silent(running.port()), in_head(running.port()), in_body(running.port()), idle(running.port()),
      not_reading(running.port(), 4096);
  in_head.send("GET / HTTP/1.1\r\nHos");
  in_body.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel");
  idle.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  not_reading.send("GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(silent.read_to_end(), "");
  EXPECT_THAT(statuses(in_head.read_to_end()), ElementsAre(408));
  EXPECT_THAT(statuses(in_body.read_to_end()), ElementsAre(408));
  EXPECT_THAT(statuses(idle.read_to_end()), ElementsAre(200));
  EXPECT_FALSE(silent.timed_out() || in_head.timed_out() || in_body.timed_out() || idle.timed_out());
  // A handler takes the time it takes.
  RawSocket later(running.port());
  later.send("GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
  auto [request, respond] = running.take_waiting();
  EXPECT_EQ(silent.read_to_end(), "");
  respond({});
  EXPECT_THAT(later.read_response(), StartsWith("HTTP/1.1 200 "));
  EXPECT_LT(not_reading.read_to_end().size(), size_t{8} << 20);
}

TEST(Server, SendsLargeResponsesToSlowReaders) {
  Running running;
  RawSocket socket(running.port(), 4096);
  socket.send("GET /big HTTP/1.1\r\nHost: x\r\n\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_GT(socket.read_response().size(), size_t{8} << 20);
  EXPECT_THAT(socket.read_response(), EndsWith("GET /a "));
}

TEST(Server, FinishesWhatRunsWhenItStops) {
  Running running;
  RawSocket busy(running.port()), idle(running.port());
  idle.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
  idle.read_response();
  busy.send("GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
  auto [request, respond] = running.take_waiting();
  std::thread stopper([&] { running.server().stop(); });
  EXPECT_EQ(idle.read_to_end(), "");  // closed at once
  respond({.body = "done"});
  const auto response = busy.read_to_end();
  EXPECT_THAT(response, HasSubstr("Connection: close"));
  EXPECT_THAT(response, EndsWith("done"));
  stopper.join();
  EXPECT_FALSE(RawSocket(running.port()).connected());
}

TEST(Server, StopsAfterTheGraceAndIgnoresLateAnswers) {
  Responder late;
  {
    Running running;
    RawSocket busy(running.port());
    busy.send("GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    late = running.take_waiting().second;
    running.server().stop(0ms);
    EXPECT_EQ(busy.read_to_end(), "");
  }
  late({.body = "too late"});
}

TEST(Server, SurvivesClientsThatGoAwayWhileTheirRequestRuns) {
  Running running;
  {
    RawSocket gone(running.port());
    gone.send("GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    running.take_waiting().second({.body = std::string(1 << 20, 'x')});
  }
  RawSocket next(running.port());
  next.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(next.read_response(), EndsWith("GET /a "));
}

TEST(Server, AnswersAClientThatHasEndedItsSide) {
  Running running;
  RawSocket socket(running.port());
  socket.send("GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
  socket.end_sending();
  running.take_waiting().second({.body = "here"});
  EXPECT_THAT(socket.read_to_end(), EndsWith("here"));
  EXPECT_FALSE(socket.timed_out());
}

TEST(Server, ListensOnSeveralAddressesAndSaysWhatIsWrong) {
  Server server({.threads = 1}, [](Request, Responder respond) { respond({}); });
  const auto first = server.listen("127.0.0.1:0");
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->host, "127.0.0.1");
  server.start();
  const auto second = server.listen("localhost:0");  // also after the start
  ASSERT_TRUE(second.has_value());
  for (const uint16_t port : {first->port, second->port}) {
    RawSocket socket(port);
    socket.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_THAT(socket.read_response(), StartsWith("HTTP/1.1 200 "));
  }
  const auto taken = server.listen("127.0.0.1:" + std::to_string(first->port));
  ASSERT_FALSE(taken.has_value());
  EXPECT_EQ(taken.error().code, base::ErrorCode::kUnavailable);
  EXPECT_THAT(taken.error().message, HasSubstr("another program uses this port"));
  EXPECT_THAT(server.listen("192.0.2.1:0").error().message, HasSubstr("no such address"));
  for (const std::string_view bad :
       {"", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:65536", "::1:0", "no such host:1"}) {
    const auto result = server.listen(bad);
    ASSERT_FALSE(result.has_value()) << bad;
    EXPECT_EQ(result.error().code, base::ErrorCode::kInvalidArgument) << bad;
  }
}

TEST(Server, CanBeStoppedWithoutAStart) {
  Server server({.threads = 1}, [](Request, Responder respond) { respond({}); });
  ASSERT_TRUE(server.listen("127.0.0.1:0").has_value());
  server.stop();
  server.stop();
}

}  // namespace
}  // namespace testmesh::http
