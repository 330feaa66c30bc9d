#include "transport/http/request_head.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>

#include "transport/http/target.h"

namespace testmesh::http {
namespace {

using testing::ElementsAre;
using testing::Pair;
using State = RequestHeadParser::State;

RequestHeadParser parse(std::string_view text) {
  RequestHeadParser parser(32 << 10);
  parser.feed(text);
  return parser;
}

TEST(RequestHead, ReadsMethodTargetAndHeaders) {
  auto parser =
      parse("POST /v1/tr%61ces?a=1&b=x%20y+z&flag HTTP/1.1\r\nHost: x\r\nX-Two:  a b \t\r\nX-Two: c\r\n\r\n");
  ASSERT_EQ(parser.state(), State::kDone);
  const Request& request = parser.head().request;
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/v1/tr%61ces?a=1&b=x%20y+z&flag");
  EXPECT_EQ(request.path, "/v1/traces");
  EXPECT_THAT(request.query, ElementsAre(Pair("a", "1"), Pair("b", "x y z"), Pair("flag", "")));
  EXPECT_THAT(request.headers, ElementsAre(Pair("host", "x"), Pair("x-two", "a b"), Pair("x-two", "c")));
  EXPECT_EQ(request.header("x-two"), "a b");
  EXPECT_EQ(request.header("x-three"), "");
  EXPECT_EQ(parser.head().framing, BodyFraming::kNone);
  EXPECT_TRUE(parser.head().keep_alive);
}

TEST(RequestHead, LeavesTheBodyAlone) {
  RequestHeadParser parser(1000);
  const std::string_view head = "POST / HTTP/1.1\r\nHost: x\r\ncontent-LENGTH: 007\r\n\r\n";
  EXPECT_EQ(parser.feed(std::string(head) + "\r\nbody"), head.size());
  EXPECT_EQ(parser.head().framing, BodyFraming::kLength);
  EXPECT_EQ(parser.head().content_length, 7u);
}

TEST(RequestHead, SkipsEmptyLinesBeforeARequest) {
  EXPECT_EQ(parse("\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n").state(), State::kDone);
}

TEST(RequestHead, DecidesWhetherTheConnectionStays) {
  const auto keeps = [](std::string_view version, std::string_view headers) {
    auto parser = parse("GET / " + std::string(version) + "\r\nHost: x\r\n" + std::string(headers) + "\r\n");
    EXPECT_EQ(parser.state(), State::kDone);
    return parser.head().keep_alive;
  };
  EXPECT_TRUE(keeps("HTTP/1.1", ""));
  EXPECT_FALSE(keeps("HTTP/1.1", "Connection: Close\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.1", "Connection: keep-alive, close\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.0", ""));
  EXPECT_TRUE(keeps("HTTP/1.0", "Connection: keep-alive\r\n"));
}

TEST(RequestHead, KnowsABadLineAtOnce) {
  // None of these heads is complete.
  for (const std::string_view text :
       {"GET / HTTP/1.1\r\nHost : x\r\n", "GET / HTTP/1.1\r\nA: b\n", "GET / HTTP/1.1\r\nA: b\rc",
        "GET / HTTP/2.0\r\n", "GET /\r\n", "G(T / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n",
        "GET / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n", "GET / HTTP/1.1\r\n folded: x\r\n"}) {
    EXPECT_EQ(parse(text).state(), State::kBad) << text;
  }
}

TEST(RequestHead, IsTheSameHoweverItIsCut) {
  const std::string text =
      "\r\nPOST /a?b=c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    RequestHeadParser parser(1000);
    size_t taken = parser.feed(std::string_view(text).substr(0, cut));
    ASSERT_EQ(taken, cut);
    if (cut < text.size()) {
      ASSERT_EQ(parser.state(), State::kMore) << cut;
      parser.feed(std::string_view(text).substr(cut));
    }
    ASSERT_EQ(parser.state(), State::kDone) << cut;
    EXPECT_EQ(parser.head().framing, BodyFraming::kChunked);
    EXPECT_TRUE(parser.head().expects_continue);
    EXPECT_EQ(parser.head().request.headers.size(), 3u);
  }
}

TEST(RequestHead, IsBoundedInBytesAndHeaders) {
  RequestHeadParser parser(100);
  parser.feed("GET /" + std::string(200, 'a'));
  EXPECT_EQ(parser.state(), State::kBad);
  EXPECT_EQ(parser.error_status(), 431);

  std::string many = "GET / HTTP/1.1\r\nHost: x\r\n";
  for (int i = 0; i < 300; ++i) many += "a: b\r\n";
  EXPECT_EQ(parse(many).error_status(), 431);
}

TEST(Target, Forms) {
  EXPECT_EQ(parse_target("/")->path, "/");
  EXPECT_EQ(parse_target("/a%2Fb%c3%a9")->path, "/a/b\xc3\xa9");
  EXPECT_EQ(parse_target("http://host:1/x?y")->path, "/x");
  EXPECT_EQ(parse_target("http://host?y=1")->path, "/");
  EXPECT_THAT(parse_target("http://host?y=1")->query, ElementsAre(Pair("y", "1")));
  EXPECT_EQ(parse_target("*")->path, "*");
  EXPECT_EQ(parse_target("/a#b?c=d")->path, "/a");
  EXPECT_TRUE(parse_target("/a#b?c=d")->query.empty());
  for (const std::string_view bad :
       {"", "a", "host:443", "/%", "/%4", "/%zz", "/%00", "://x", "http://", "http:///x", "?x"}) {
    EXPECT_FALSE(parse_target(bad)) << bad;
  }
  EXPECT_THAT(parse_target("/?a=100%&b=%4&=c&&d==")->query,
              ElementsAre(Pair("a", "100%"), Pair("b", "%4"), Pair("", "c"), Pair("d", "=")));
}

// Whatever this parser takes, Beast's takes and reads alike; it may take more.
TEST(RequestHead, AgreesWithBeast) {
  namespace beast = boost::beast::http;
  const std::string_view methods[] = {"GET", "POST", "M-SEARCH", "SEARCH", "get", "G T", ""};
  const std::string_view targets[] = {"/", "/a?b=|\"", "http://h/p", "*", "/a b", "/\x01", "/%41"};
  const std::string_view versions[] = {"HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "http/1.1", "HTTP/1.1 "};
  const std::string_view fields[] = {"",
                                     "A: b\r\n",
                                     "A:\r\n",
                                     "A: b\r\n c\r\n",
                                     "A : b\r\n",
                                     "A: \x7f\r\n",
                                     "A: \xc3\xa9\r\n",
                                     ": b\r\n",
                                     "Content-Length: 5\r\n",
                                     "Content-Length: +5\r\n",
                                     "Content-Length: 5, 5\r\n",
                                     "Transfer-Encoding: chunked\r\n",
                                     "Transfer-Encoding: xchunked\r\n",
                                     "Connection: close, upgrade\r\n",
                                     "A\"b: c\r\n"};
  size_t taken = 0;
  for (const auto method : methods) {
    for (const auto target : targets) {
      for (const auto version : versions) {
        for (const auto field : fields) {
          std::string text(method);
          text.append(" ").append(target).append(" ").append(version).append("\r\nHost: x\r\n").append(field);
          text.append("\r\n");
          auto mine = parse(text);
          if (mine.state() != State::kDone) continue;
          ++taken;
          beast::request_parser<beast::empty_body> theirs;
          theirs.body_limit(boost::none);
          boost::system::error_code error;
          theirs.put(boost::asio::buffer(text), error);
          ASSERT_TRUE(!error || error == beast::error::need_more) << text << error.message();
          ASSERT_TRUE(theirs.is_header_done()) << text;
          const Request& request = mine.head().request;
          EXPECT_EQ(request.method, std::string_view(theirs.get().method_string()));
          EXPECT_EQ(request.target, std::string_view(theirs.get().target()));
          EXPECT_EQ(mine.head().framing == BodyFraming::kChunked, theirs.chunked());
          EXPECT_EQ(mine.head().content_length, theirs.content_length().value_or(0));
          size_t count = 0;
          for (const auto& their_field : theirs.get()) {
            ++count;
            EXPECT_EQ(request.header(to_lower(std::string_view(their_field.name_string()))),
                      std::string_view(their_field.value()));
          }
          EXPECT_EQ(count, request.headers.size());
        }
      }
    }
  }
  EXPECT_GT(taken, 200u);
}

}  // namespace
}  // namespace testmesh::http
