// Requests that are broken, or could be read in two ways: 400 and the
// connection closed, never a hang, and nothing of what follows is answered.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "transport/http/server.h"
#include "transport/http/testing/raw_socket.h"

namespace testmesh::http {
namespace {

using ::testing::ElementsAre;
using testing::RawSocket;
using testing::statuses;

class Malformed : public ::testing::Test {
 protected:
  Malformed()
      : server_(ServerOptions{.threads = 1},
                [](Request, Responder respond) { respond(Response{.body = "ok"}); }) {
    const auto endpoint = server_.listen("127.0.0.1:0");
    EXPECT_TRUE(endpoint.has_value());
    port_ = endpoint->port;
    server_.start();
  }

  struct Outcome {
    std::vector<int> statuses;
    bool hung = false;
  };
  Outcome send(std::string_view bytes) {
    RawSocket socket(port_);
    EXPECT_TRUE(socket.connected());
    socket.send(bytes);
    socket.end_sending();
    Outcome outcome;
    outcome.statuses = statuses(socket.read_to_end());
    outcome.hung = socket.timed_out();
    return outcome;
  }

  Server server_;
  uint16_t port_ = 0;
};

// Each followed by a whole request, which must not be answered.
constexpr std::string_view kMalformed[] = {
    // request line
    "GET\r\nHost: x\r\n\r\n",
    "GET /\r\nHost: x\r\n\r\n",
    "GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
    " GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "G\x01T / HTTP/1.1\r\nHost: x\r\n\r\n",
    "get / HTTP/1.1\r\nHost: x\r\n\r\n",
    "GETX / HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET / a HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /\x7f HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET a/b HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET / HTTP/1.1 \r\nHost: x\r\n\r\n",
    "GET / HTTP/1.2\r\nHost: x\r\n\r\n",
    "GET / HTTP/11\r\nHost: x\r\n\r\n",
    "GET / http/1.1\r\nHost: x\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n",  // TLS
    // line ends
    "GET / HTTP/1.1\nHost: x\n\n",
    "GET / HTTP/1.1\r\nHost: x\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\rX: y\r\n\r\n",
    // headers
    "GET / HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nA\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\tc\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nA: b\x01\r\n\r\n",
    "GET / HTTP/1.1\r\n Host: x\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\n\xc3\xa9: b\r\n\r\n",
    // framing
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\nabc",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -3\r\n\r\nabc",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x3\r\n\r\nabc",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3 3\r\n\r\nabc",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551619\r\n\r\nabc",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    // chunks
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\na\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;\r\na\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nbad trailer\r\n\r\n",
};

TEST_F(Malformed, IsAnswered400AndClosed) {
  for (const std::string_view text : kMalformed) {
    const auto outcome = send(std::string(text) + "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_FALSE(outcome.hung) << text;
    EXPECT_THAT(outcome.statuses, ElementsAre(400)) << text;
  }
  EXPECT_EQ(server_.stats().bad_requests, std::size(kMalformed));
  EXPECT_EQ(server_.stats().requests, 0u);
}

TEST_F(Malformed, IsAnsweredWithoutWaitingForMore) {
  for (const std::string_view text : kMalformed) {
    // The client neither sends more nor closes.
    RawSocket socket(port_);
    socket.send(text);
    const auto found = statuses(socket.read_response());
    EXPECT_THAT(found, ElementsAre(400)) << text;
    EXPECT_FALSE(socket.timed_out()) << text;
  }
}

TEST_F(Malformed, OtherRefusals) {
  EXPECT_THAT(send("CONNECT a:443 HTTP/1.1\r\nHost: x\r\n\r\n").statuses, ElementsAre(501));
  EXPECT_THAT(
      send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n").statuses,
      ElementsAre(501));
  EXPECT_THAT(send("GET / HTTP/1.1\r\nHost: x\r\nExpect: cake\r\n\r\n").statuses, ElementsAre(417));
  EXPECT_THAT(send("GET / HTTP/1.1\r\nHost: x\r\nA: " + std::string(100'000, 'a') + "\r\n\r\n").statuses,
              ElementsAre(431));
}

TEST_F(Malformed, ACutRequestIsNotHandled) {
  const std::string text = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nabcd";
  for (size_t end = 0; end < text.size(); ++end) {
    const auto outcome = send(text.substr(0, end));
    EXPECT_FALSE(outcome.hung) << end;
    EXPECT_TRUE(outcome.statuses.empty()) << end;
  }
  EXPECT_THAT(send(text).statuses, ElementsAre(200));
}

// ---- A public parser's cases, where they are at hand.

std::string unescape_base64(std::string_view text) {
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  static constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (const char c : text) {
    const size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos) break;
    bits = bits << 6 | static_cast<uint32_t>(value);
    if ((count += 6) >= 8) bytes += static_cast<char>(bits >> (count -= 8));
  }
  return bytes;
}

std::string string_member(const std::string& line, const std::string& name) {
  const std::string key = "\"" + name + "\":\"";
  const size_t start = line.find(key);
  if (start == std::string::npos) return "";
  return line.substr(start + key.size(), line.find('"', start + key.size()) - start - key.size());
}

TEST_F(Malformed, PublicCases) {
  const char* shared = std::getenv("TESTMESH_SHARED");
  const std::filesystem::path file =
      std::filesystem::path(shared != nullptr ? shared : "../shared") / "data/http/llhttp_requests.jsonl";
  std::ifstream lines(file);
  if (!lines) GTEST_SKIP() << file << " is not there";
  size_t well_formed = 0, malformed = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::string name = string_member(line, "file") + ": " + string_member(line, "name");
    const std::string request = unescape_base64(string_member(line, "request_b64"));
    const size_t at = line.find("\"messages_complete\":");
    ASSERT_NE(at, std::string::npos);
    const size_t complete = std::stoul(line.substr(at + 20));
    const bool is_malformed = line.find("\"error\":null") == std::string::npos;
    (is_malformed ? malformed : well_formed) += 1;
    const auto outcome = send(request);
    EXPECT_FALSE(outcome.hung) << name;
    if (is_malformed) {
      // What is whole before the mistake may be answered; the mistake may not.
      const bool refused = outcome.statuses.empty() || outcome.statuses.back() != 200;
      EXPECT_TRUE(refused || outcome.statuses.size() <= complete) << name << "\n" << request;
    } else {
      EXPECT_GE(outcome.statuses.size(), complete) << name << "\n" << request;
    }
  }
  EXPECT_GT(well_formed, 0u);
  EXPECT_GT(malformed, 0u);
}

}  // namespace
}  // namespace testmesh::http
