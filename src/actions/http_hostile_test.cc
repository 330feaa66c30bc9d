// http_request against peers that misbehave.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libdeflate.h>

#include <mutex>
#include <thread>

#include "actions/testing/action_run.h"
#include "actions/testing/raw_peer.h"

namespace testmesh::actions {
namespace {

using testing::ActionRun;
using testing::at;
using testing::code;
using ::testing::HasSubstr;
using testing::message;
using testing::PeerConnection;
using testing::RawPeer;
using testing::span_attribute;

std::string url(const RawPeer& peer, std::string_view scheme = "http", std::string_view host = "127.0.0.1") {
  return fmt::format("{}://{}:{}/x", scheme, host, peer.port());
}

ActionOutcome get(ActionRun& run, const RawPeer& peer, std::string_view timeout = "20s") {
  return run("http_request", {{"url", url(peer)}, {"timeout", timeout}});
}

// A peer that reads one request, sends this and closes.
RawPeer::Serve says(std::string answer) {
  return [answer = std::move(answer)](PeerConnection& connection) {
    connection.read_request();
    connection.send(answer);
  };
}

TEST(HttpHostile, NobodyListens) {
  uint16_t port = 0;
  {
    RawPeer peer(says(""));
    port = peer.port();
  }
  ActionRun run;
  const ActionOutcome got = run("http_request", {{"url", fmt::format("http://127.0.0.1:{}/", port)}});
  EXPECT_EQ(code(got), "connection");
  EXPECT_EQ(message(got), fmt::format("cannot connect to 127.0.0.1:{}: Connection refused", port));
  EXPECT_TRUE(got.span_failed);
  EXPECT_EQ(span_attribute(got, "error.type"), "connection");
  EXPECT_EQ(at(got.result, "status"), "absent");
  EXPECT_NE(at(got.result, "duration_ms"), "absent");
  EXPECT_EQ(at(got.request, "method"), "\"GET\"");
  const ActionOutcome nameless = run("http_request", {{"url", "http://no-such-host.invalid/"}});
  EXPECT_EQ(code(nameless), "connection");
  EXPECT_THAT(message(nameless), HasSubstr("no-such-host.invalid:80 cannot be resolved"));
}

TEST(HttpHostile, SilenceAndSlownessEndInATimeout) {
  ActionRun run;
  RawPeer silent([](PeerConnection& connection) { connection.wait_until_closed(); });
  ActionOutcome got = get(run, silent, "150ms");
  EXPECT_EQ(code(got), "timeout");
  EXPECT_THAT(message(got), HasSubstr("waiting for an answer from 127.0.0.1"));
  RawPeer slow([](PeerConnection& connection) {
    connection.read_request();
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
    while (connection.send("x")) std::this_thread::yield();
  });
  got = get(run, slow, "150ms");
  EXPECT_TRUE(code(got) == "timeout" || code(got) == "") << code(got);
  RawPeer half_head([](PeerConnection& connection) {
    connection.send("HTTP/1.1 200 OK\r\nContent-Le");
    connection.wait_until_closed();
  });
  EXPECT_EQ(code(get(run, half_head, "150ms")), "timeout");
  run.time = std::chrono::milliseconds(100);  // the step's own
  EXPECT_EQ(code(get(run, silent, "1h")), "timeout");
}

TEST(HttpHostile, ACancelledRunStopsWaiting) {
  ActionRun run;
  std::atomic<bool> reached = false;
  RawPeer silent([&](PeerConnection& connection) {
    connection.read_request();
    reached = true;
    connection.wait_until_closed();
  });
  std::thread canceller([&] {
    while (!reached) std::this_thread::yield();
    run.cancelled = true;
  });
  const ActionOutcome got = get(run, silent, "1h");
  canceller.join();
  EXPECT_EQ(code(got), "cancelled");
}

TEST(HttpHostile, BrokenAnswers) {
  ActionRun run;
  const auto outcome = [&](std::string answer) {
    RawPeer peer(says(std::move(answer)));
    return get(run, peer);
  };
  ActionOutcome got = outcome("");
  EXPECT_EQ(code(got), "connection");
  EXPECT_THAT(message(got), HasSubstr("without an answer"));
  got = outcome("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
  EXPECT_EQ(code(got), "connection");
  EXPECT_THAT(message(got), HasSubstr("in the middle of its answer, after 4 bytes"));
  EXPECT_EQ(at(got.result, "status"), "200");
  got = outcome("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
  EXPECT_EQ(code(got), "connection");
  EXPECT_EQ(code(outcome("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n")),
            "protocol");
  EXPECT_EQ(code(outcome("SSH-2.0-OpenSSH_9.2\r\n")), "protocol");
  EXPECT_EQ(code(outcome(std::string("\x15\x03\x01\x00\x02\x02\x50", 7))), "protocol");
  EXPECT_EQ(code(outcome("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope")),
            "protocol");
  EXPECT_EQ(code(outcome("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nnope")), "protocol");
  EXPECT_EQ(code(outcome("HTTP/1.1 204 No Content\r\n\r\n")), "");
  EXPECT_EQ(
      at(outcome("HTTP/1.1 100 Continue\r\nX-A: 1\r\n\r\nHTTP/1.1 200 OK\r\nX-B: 2\r\n\r\nto the end").result,
         "headers"),
      R"({"x-b":"2"})");
  EXPECT_EQ(at(outcome("HTTP/1.0 200 OK\r\n\r\nto the end").result, "body"), "\"to the end\"");
}

TEST(HttpHostile, EndlessAnswersAreCut) {
  ActionRun run;
  const auto endless = [](std::string head) {
    return [head = std::move(head)](PeerConnection& connection) {
      connection.read_request();
      if (!connection.send(head)) return;
      const std::string block(1 << 20, 'x');
      for (int i = 0; i < 500 && connection.send(block); ++i) {
      }
    };
  };
  RawPeer unannounced(endless("HTTP/1.1 200 OK\r\n\r\n"));
  ActionOutcome got = get(run, unannounced, "1h");
  EXPECT_EQ(code(got), "too_large");
  EXPECT_EQ(message(got), "the body of the answer is larger than the 64 MiB that are kept");
  EXPECT_EQ(at(got.result, "status"), "200");
  EXPECT_EQ(at(got.result, "body"), "absent");
  RawPeer announced(endless("HTTP/1.1 200 OK\r\nContent-Length: 524288000\r\n\r\n"));
  got = get(run, announced, "1h");
  EXPECT_EQ(code(got), "too_large");
  EXPECT_THAT(message(got), HasSubstr("524288000 bytes"));
  RawPeer header_line(endless("HTTP/1.1 200 OK\r\nX-Long: "));
  EXPECT_EQ(code(get(run, header_line, "1h")), "too_large");
  RawPeer headers([](PeerConnection& connection) {
    connection.read_request();
    connection.send("HTTP/1.1 200 OK\r\n");
    while (connection.send("X-Another: " + std::string(1000, 'y') + "\r\n")) {
    }
  });
  got = get(run, headers, "1h");
  EXPECT_EQ(code(got), "too_large") << message(got);
}

std::string gzip(std::string_view plain) {
  libdeflate_compressor* compressor = libdeflate_alloc_compressor(9);
  std::string packed(libdeflate_gzip_compress_bound(compressor, plain.size()), '\0');
  packed.resize(
      libdeflate_gzip_compress(compressor, plain.data(), plain.size(), packed.data(), packed.size()));
  libdeflate_free_compressor(compressor);
  return packed;
}

TEST(HttpHostile, CompressedAnswersAreBoundedByWhatTheyUnpackTo) {
  ActionRun run;
  const std::string small = gzip("small text");
  RawPeer plain(says(fmt::format("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n{}",
                                 small.size(), small)));
  EXPECT_EQ(at(get(run, plain).result, "body"), "\"small text\"");
  const std::string bomb = gzip(std::string(100 << 20, '\0'));
  ASSERT_LT(bomb.size(), 1u << 20);
  RawPeer peer(says(fmt::format("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n{}",
                                bomb.size(), bomb)));
  EXPECT_EQ(code(get(run, peer, "1h")), "too_large");
}

TEST(HttpHostile, TlsIsVerifiedUnlessToldOtherwise) {
  ActionRun run;
  RawPeer peer(says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), /*tls=*/true);
  ActionOutcome got = run("http_request", {{"url", url(peer, "https")}});
  EXPECT_EQ(code(got), "tls");
  EXPECT_THAT(message(got), HasSubstr("verify_ssl: false"));
  got = run("http_request", {{"url", url(peer, "https")}, {"verify_ssl", false}});
  EXPECT_EQ(message(got), "");
  EXPECT_EQ(at(got.result, "body"), "\"ok\"");
  // What was accepted without looking is no connection for who wants to look.
  EXPECT_EQ(code(run("http_request", {{"url", url(peer, "https")}})), "tls");
  RawPeer no_tls([](PeerConnection& connection) { connection.send("HTTP/1.1 200 OK\r\n\r\n"); });
  EXPECT_EQ(code(run("http_request", {{"url", url(no_tls, "https")}, {"verify_ssl", false}})), "tls");
  // TLS where plain HTTP was meant.
  EXPECT_NE(code(run("http_request", {{"url", url(peer, "http")}})), "");
}

}  // namespace
}  // namespace testmesh::actions
