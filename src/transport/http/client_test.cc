#include "transport/http/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "transport/http/server.h"

namespace testmesh::http {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Pair;
using namespace std::chrono_literals;

class Echo {
 public:
  Echo()
      : server_({.threads = 1}, [](Request request, Responder respond) {
          respond({.status = request.path == "/base/missing" ? 404 : 200,
                   .content_type = "text/plain",
                   .body = request.method + " " + request.target + " " + std::string(request.header("x-a")) +
                           " " + request.body,
                   .headers = {{"X-B", "c"}},
                   .close = request.path == "/close"});
        }) {
    port_ = server_.listen("127.0.0.1:0")->port;
    server_.start();
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  Server& server() { return server_; }

 private:
  Server server_;
  uint16_t port_ = 0;
};

TEST(Client, SendsAndReceivesOverOneConnection) {
  Echo echo;
  auto client = Client::open(echo.url());
  ASSERT_TRUE(client.has_value());
  for (int i = 0; i < 3; ++i) {
    const auto response = client->send("POST", "/x?y=z", "body", {{"X-A", "b"}});
    ASSERT_TRUE(response.has_value()) << response.error().message;
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->content_type, "text/plain");
    EXPECT_EQ(response->body, "POST /x?y=z b body");
    EXPECT_THAT(response->headers, Contains(Pair("x-b", "c")));
  }
  EXPECT_EQ(client->send("GET", "/")->body, "GET /  ");
  EXPECT_EQ(client->send("HEAD", "/")->body, "");
  EXPECT_EQ(client->send("DELETE", "/")->body, "DELETE /  ");
  EXPECT_EQ(echo.server().stats().accepted, 1u);
}

TEST(Client, PutsThePathOfItsAddressBeforeEveryTarget) {
  Echo echo;
  auto client = Client::open(echo.url() + "/base/");
  EXPECT_EQ(client->send("GET", "/x")->body, "GET /base/x  ");
  EXPECT_EQ(client->send("GET", "/missing")->status, 404);
}

TEST(Client, ConnectsAgainWhenTheServerHasClosed) {
  Echo echo;
  auto client = Client::open(echo.url());
  EXPECT_EQ(client->send("GET", "/close")->status, 200);
  EXPECT_EQ(client->send("GET", "/a")->status, 200);
  EXPECT_EQ(echo.server().stats().accepted, 2u);
}

TEST(Client, CarriesLargeBodies) {
  Echo echo;
  auto client = Client::open(echo.url());
  const std::string body(30 << 20, 'x');
  const auto response = client->send("POST", "/", body);
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->body.size(), body.size() + 8);
}

TEST(Client, SaysWhyItCannotReachAServer) {
  uint16_t port = 0;
  {
    Echo echo;
    port = static_cast<uint16_t>(std::stoi(echo.url().substr(17)));
  }
  auto client = Client::open("127.0.0.1:" + std::to_string(port), 5s);
  const auto response = client->send("GET", "/");
  ASSERT_FALSE(response.has_value());
  EXPECT_EQ(response.error().code, base::ErrorCode::kUnavailable);
  EXPECT_THAT(response.error().message, HasSubstr("cannot be reached"));
}

TEST(Client, RefusesBadAddressesAndRequests) {
  for (const std::string_view url :
       {"", "https://x", "ftp://x", "http://", "http://x:0", "http://x:y", "http://a b"}) {
    const auto client = Client::open(url);
    ASSERT_FALSE(client.has_value()) << url;
    EXPECT_EQ(client.error().code, base::ErrorCode::kInvalidArgument);
  }
  auto client = Client::open("http://127.0.0.1:1");
  EXPECT_EQ(client->send("G T", "/").error().code, base::ErrorCode::kInvalidArgument);
  EXPECT_EQ(client->send("GET", "/a b").error().code, base::ErrorCode::kInvalidArgument);
  EXPECT_EQ(client->send("GET", "/", "", {{"A", "b\r\nC: d"}}).error().code,
            base::ErrorCode::kInvalidArgument);
}

// Answers each connection in turn with given bytes, and closes it.
class Scripted {
 public:
  explicit Scripted(std::vector<std::string> answers) {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_, 10), 0);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, answers = std::move(answers)] {
      for (const std::string& answer : answers) {
        const int socket = ::accept(listener_, nullptr, nullptr);
        std::array<char, 4096> buffer{};
        if (::recv(socket, buffer.data(), buffer.size(), 0) > 0) {
          ::send(socket, answer.data(), answer.size(), MSG_NOSIGNAL);
        }
        ::shutdown(socket, SHUT_WR);
        while (::recv(socket, buffer.data(), buffer.size(), 0) > 0) {
        }
        ::close(socket);
      }
    });
  }
  ~Scripted() {
    thread_.join();
    ::close(listener_);
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

 private:
  int listener_ = -1;
  uint16_t port_ = 0;
  std::thread thread_;
};

base::Result<Response> answer_with(std::string text) {
  const Scripted server({std::move(text)});
  auto client = Client::open(server.url(), 10s);
  return client->send("GET", "/");
}

TEST(Client, ReadsEveryFraming) {
  EXPECT_EQ(
      answer_with("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n")
          ->body,
      "abcde");
  EXPECT_EQ(answer_with("HTTP/1.1 200 OK\r\n\r\nuntil the end")->body, "until the end");
  EXPECT_EQ(answer_with("HTTP/1.0 200\r\nContent-Length: 3\r\n\r\nabc")->body, "abc");
  EXPECT_EQ(answer_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n")->status, 204);
}

TEST(Client, RefusesWhatIsNoAnswer) {
  for (const std::string_view text :
       {"", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", "SSH-2.0\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"}) {
    const auto response = answer_with(std::string(text));
    ASSERT_FALSE(response.has_value()) << text;
    EXPECT_EQ(response.error().code, base::ErrorCode::kUnavailable) << text;
  }
}

TEST(Client, SendsAgainWhenAKeptConnectionWasClosed) {
  const Scripted server(
      {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb"});
  auto client = Client::open(server.url(), 10s);
  EXPECT_EQ(client->send("GET", "/")->body, "a");
  EXPECT_EQ(client->send("GET", "/")->body, "b");
}

}  // namespace
}  // namespace testmesh::http
