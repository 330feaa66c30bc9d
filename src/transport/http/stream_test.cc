#include "transport/http/stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "transport/http/server.h"
#include "transport/http/testing/raw_socket.h"

namespace testmesh::http {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::RawSocket;
using ::testing::StartsWith;
using namespace std::chrono_literals;
using Written = Stream::Written;

// A server that answers every request with a stream, by its path.
class Streaming {
 public:
  explicit Streaming(StreamOptions stream_options = {}, ServerOptions options = {.threads = 2})
      : server_(options, [this, stream_options](Request request, Responder respond) {
          auto stream = std::make_shared<Stream>(stream_options);
          if (request.path == "/early") stream->write("early ");
          {
            const std::lock_guard lock(mutex_);
            streams_[request.path] = stream;
            ++made_;
          }
          respond({.content_type = "text/event-stream", .stream = stream});
          changed_.notify_all();
        }) {
    port_ = server_.listen("127.0.0.1:0")->port;
    server_.start();
  }

  uint16_t port() const { return port_; }
  Server& server() { return server_; }
  std::shared_ptr<Stream> stream(const std::string& path) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, 10s, [&] { return streams_.contains(path); }));
    return streams_[path];
  }
  size_t made() {
    const std::lock_guard lock(mutex_);
    return made_;
  }
  void wait_for_made(size_t number) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, 10s, [&] { return made_ >= number; }));
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::shared_ptr<Stream>> streams_;
  size_t made_ = 0;
  Server server_;
  uint16_t port_ = 0;
};

void wait_until_closed(const Stream& stream) {
  const auto until = std::chrono::steady_clock::now() + 10s;
  while (!stream.closed() && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  EXPECT_TRUE(stream.closed());
}

TEST(Stream, SendsPiecesAsTheyAreWritten) {
  Streaming streaming;
  RawSocket socket(streaming.port());
  socket.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string head = socket.read_until("\r\n\r\n");
  EXPECT_THAT(head, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(head, HasSubstr("\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"));
  EXPECT_THAT(head, HasSubstr("\r\nConnection: close\r\n"));
  EXPECT_THAT(head, Not(HasSubstr("Content-Length")));
  const auto stream = streaming.stream("/a");
  EXPECT_EQ(streaming.server().stats().streams, 1u);
  EXPECT_EQ(stream->write("data: one\n\n"), Written::kTaken);
  EXPECT_EQ(socket.read_until("\n\n\r\n"), "b\r\ndata: one\n\n\r\n");
  EXPECT_EQ(stream->write(std::string(300, 'x')), Written::kTaken);
  EXPECT_EQ(socket.read_until("x\r\n"), "12c\r\n" + std::string(300, 'x') + "\r\n");
  stream->end();
  EXPECT_EQ(socket.read_to_end(), "0\r\n\r\n");
  EXPECT_FALSE(socket.timed_out());
  EXPECT_EQ(stream->write("late"), Written::kClosed);
}

TEST(Stream, ToHttp10ItIsTheBodyUntilTheEnd) {
  Streaming streaming;
  RawSocket socket(streaming.port());
  socket.send("GET /early HTTP/1.0\r\n\r\n");
  EXPECT_THAT(socket.read_until("\r\n\r\n"), Not(HasSubstr("chunked")));
  EXPECT_EQ(socket.read_until("early "), "early ");
  const auto stream = streaming.stream("/early");
  stream->write("late");
  stream->end();
  EXPECT_EQ(socket.read_to_end(), "late");
}

TEST(Stream, OfHeadThereIsNoBody) {
  Streaming streaming;
  RawSocket socket(streaming.port());
  socket.send("HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(socket.read_to_end(), EndsWith("\r\n\r\n"));
  wait_until_closed(*streaming.stream("/a"));
  EXPECT_EQ(streaming.server().stats().streams, 0u);
}

TEST(Stream, NoticesThatTheClientHasGone) {
  Streaming streaming;
  {
    RawSocket socket(streaming.port());
    socket.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\n");
    socket.read_until("\r\n\r\n");
  }
  wait_until_closed(*streaming.stream("/a"));
  EXPECT_EQ(streaming.made(), 1u) << "what comes behind the request is for nobody";
}

TEST(Stream, TakesNoMoreThanItsBufferFromAWriterWhoseReaderSleeps) {
  constexpr size_t kBuffer = 16 << 10;
  Streaming streaming({.max_buffered_bytes = kBuffer});
  RawSocket socket(streaming.port(), 4096);
  socket.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto stream = streaming.stream("/a");
  EXPECT_EQ(stream->write(std::string(kBuffer + 1, '#')), Written::kFull) << "never fits";
  // What the kernel's buffers take is bounded too.
  size_t taken = 0;
  for (size_t full = 0; full < 1000 && taken < (64 << 20);) {
    const Written written = stream->write(std::string(1024, '#'));
    ASSERT_NE(written, Written::kClosed);
    if (written == Written::kTaken) {
      taken += 1024;
      full = 0;
    } else {
      ++full;
      std::this_thread::yield();
    }
  }
  EXPECT_LT(taken, 64u << 20);
  // Whoever reads again gets all that was taken, in whole pieces.
  stream->end();
  const std::string all = socket.read_to_end();
  EXPECT_EQ(static_cast<size_t>(std::ranges::count(all, '#')), taken);
  EXPECT_THAT(all, EndsWith("0\r\n\r\n"));
}

TEST(Stream, CutsAClientThatTakesNothing) {
  Streaming streaming({.max_buffered_bytes = 1 << 20},
                      {.threads = 1, .body_timeout = std::chrono::seconds(1)});
  RawSocket socket(streaming.port(), 4096);
  socket.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto stream = streaming.stream("/a");
  while (stream->write(std::string(64 << 10, 'x')) != Written::kClosed) std::this_thread::yield();
  EXPECT_EQ(streaming.server().stats().timeouts, 1u);
}

TEST(Stream, BeatsWhenNothingElseIsSent) {
  Streaming streaming({.heartbeat = ": \n\n", .heartbeat_every = 100ms});
  RawSocket socket(streaming.port());
  socket.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
  socket.read_until("\r\n\r\n");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(socket.read_until("\n\n\r\n"), "4\r\n: \n\n\r\n");
}

TEST(Stream, EndsWhenTheServerStops) {
  Streaming streaming;
  RawSocket socket(streaming.port());
  socket.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
  socket.read_until("\r\n\r\n");
  const auto stream = streaming.stream("/a");
  stream->write("last words");
  std::thread stopper([&] { streaming.server().stop(); });
  EXPECT_EQ(socket.read_to_end(), "a\r\nlast words\r\n0\r\n\r\n");
  stopper.join();
  EXPECT_TRUE(stream->closed());
  EXPECT_EQ(streaming.server().stats().streams, 0u);
  EXPECT_EQ(stream->write("x"), Written::kClosed) << "the writer may outlive the server";
}

TEST(Stream, ManyStreamsGetWhatSeveralThreadsWrite) {
  constexpr size_t kStreams = 400, kWriters = 4, kPieces = 50;
  Streaming streaming;
  std::vector<std::unique_ptr<RawSocket>> sockets;
  for (size_t i = 0; i < kStreams; ++i) {
    sockets.push_back(std::make_unique<RawSocket>(streaming.port()));
    sockets.back()->send("GET /" + std::to_string(i) + " HTTP/1.0\r\n\r\n");
  }
  streaming.wait_for_made(kStreams);
  std::vector<std::thread> writers;
  for (size_t w = 0; w < kWriters; ++w)
    writers.emplace_back([&] {
      for (size_t piece = 0; piece < kPieces; ++piece)
        for (size_t i = 0; i < kStreams; ++i)
          EXPECT_EQ(streaming.stream("/" + std::to_string(i))->write("<piece>"), Written::kTaken);
    });
  for (std::thread& writer : writers) writer.join();
  for (size_t i = 0; i < kStreams; ++i) streaming.stream("/" + std::to_string(i))->end();
  for (const auto& socket : sockets) {
    std::string text = socket->read_to_end();
    text.erase(0, text.find("\r\n\r\n") + 4);
    ASSERT_EQ(text.size(), kWriters * kPieces * 7);
    for (size_t at = 0; at < text.size(); at += 7) ASSERT_EQ(text.substr(at, 7), "<piece>");
  }
}

}  // namespace
}  // namespace testmesh::http
