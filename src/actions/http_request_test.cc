#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <mutex>
#include <thread>

#include "actions/testing/action_run.h"
#include "transport/http/server.h"

namespace testmesh::actions {
namespace {

using testing::ActionRun;
using testing::at;
using testing::code;
using ::testing::HasSubstr;
using testing::message;
using ::testing::Not;
using testing::span_attribute;

// Answers as the path says, and keeps what it was sent.
class Peer {
 public:
  Peer()
      : server_({.threads = 2}, [this](http::Request request, http::Responder respond) {
          http::Response response = answer(request);
          const std::lock_guard lock(mutex_);
          last_ = std::move(request);
          ++count_;
          respond(std::move(response));
        }) {
    const auto endpoint = server_.listen("127.0.0.1:0");
    EXPECT_TRUE(endpoint.has_value());
    port_ = endpoint->port;
    server_.start();
  }
  ~Peer() { server_.stop(); }

  std::string url(std::string_view path, std::string_view host = "127.0.0.1") const {
    return fmt::format("http://{}:{}{}", host, port_, path);
  }
  uint16_t port() const { return port_; }
  http::Request last() const {
    const std::lock_guard lock(mutex_);
    return last_;
  }
  int count() const {
    const std::lock_guard lock(mutex_);
    return count_;
  }
  uint64_t connections() const { return server_.stats().accepted; }
  std::string other;  // where /elsewhere redirects to

 private:
  http::Response answer(const http::Request& request) {
    const std::string& path = request.path;
    const auto redirect = [](int status, std::string to) {
      return http::Response{.status = status,
                            .content_type = "text/plain",
                            .body = "moved",
                            .headers = {{"Location", std::move(to)}}};
    };
    if (path == "/json") return {.body = R"({"id": 7, "ok": true, "list": [1.5, null]})"};
    if (path == "/problem")
      return {.content_type = "application/problem+json; charset=utf-8", .body = R"({"a":1})"};
    if (path == "/broken-json") return {.body = "{\"id\": 7"};
    if (path == "/json-as-text") return {.content_type = "text/plain", .body = "{\"id\": 7}"};
    if (path == "/binary")
      return {.content_type = "application/octet-stream", .body = std::string("\xff\x00\x01", 3)};
    if (path == "/latin1") return {.content_type = "text/plain; charset=ISO-8859-1", .body = "caf\xe9"};
    if (path == "/many-values") return {.body = "[" + std::string(4'000'000, ',') + "]"};
    if (path == "/missing") return {.status = 404, .body = R"({"error": "none"})"};
    if (path == "/fails") return {.status = 503, .content_type = "text/plain", .body = "no"};
    if (path == "/cookies")
      return {.headers = {{"Set-Cookie", "a=1; Path=/"},
                          {"Set-Cookie", "b=2; Expires=Wed, 21 Oct 2099 07:28:00 GMT; Path=/"},
                          {"X-Two", "one"},
                          {"x-two", "two"}}};
    if (path == "/302") return redirect(302, "/json");
    if (path == "/303") return redirect(303, "/json?x=1");
    if (path == "/307") return redirect(307, "echo");
    if (path == "/loop") return redirect(302, "/loop");
    if (path == "/elsewhere") return redirect(302, other);
    return {.content_type = "text/plain", .body = request.body};
  }

  mutable std::mutex mutex_;
  http::Request last_;
  int count_ = 0;
  uint16_t port_ = 0;
  http::Server server_;
};

TEST(HttpRequest, GivesStatusHeadersAndParsedBody) {
  Peer peer;
  ActionRun run;
  const ActionOutcome got = run("http_request", {{"url", peer.url("/json")}});
  ASSERT_EQ(message(got), "");
  EXPECT_EQ(at(got.result, "status"), "200");
  EXPECT_EQ(at(got.result, "headers/content-type"), R"("application/json")");
  EXPECT_EQ(at(got.result, "body"), R"({"id":7,"ok":true,"list":[1.5,null]})");
  EXPECT_EQ(at(got.result, "redirects"), "0");
  EXPECT_EQ(got.result.find("duration_ms")->kind(), expr::Kind::kFloat);
  EXPECT_EQ(got.span_name, "GET");
  EXPECT_EQ(got.span_kind, model::SpanKind::kClient);
  EXPECT_FALSE(got.span_failed);
  EXPECT_EQ(span_attribute(got, "http.request.method"), "GET");
  EXPECT_EQ(span_attribute(got, "url.full"), peer.url("/json"));
  EXPECT_EQ(span_attribute(got, "server.address"), "127.0.0.1");
  EXPECT_EQ(span_attribute(got, "server.port"), std::to_string(peer.port()));
  EXPECT_EQ(span_attribute(got, "http.response.status_code"), "200");
  EXPECT_EQ(span_attribute(got, "network.protocol.version"), "1.1");
  EXPECT_EQ(span_attribute(got, "network.peer.address"), "127.0.0.1");
  EXPECT_EQ(span_attribute(got, "error.type"), "absent");
  EXPECT_EQ(peer.last().header("traceparent"), traceparent(run.trace));
  EXPECT_EQ(peer.last().header("user-agent"), "testmesh");
}

TEST(HttpRequest, AnAnswerOtherThan2xxIsNoError) {
  Peer peer;
  ActionRun run;
  const ActionOutcome missing = run("http_request", {{"url", peer.url("/missing")}});
  EXPECT_EQ(code(missing), "");
  EXPECT_EQ(at(missing.result, "status"), "404");
  EXPECT_EQ(at(missing.result, "body/error"), "\"none\"");
  EXPECT_TRUE(missing.span_failed);
  EXPECT_EQ(span_attribute(missing, "error.type"), "404");
  EXPECT_EQ(at(run("http_request", {{"url", peer.url("/fails")}}).result, "body"), "\"no\"");
}

TEST(HttpRequest, PropagatesItsContextUnlessTheAuthorDid) {
  Peer peer;
  ActionRun run;
  run.trace.trace_state = "v=1";
  run.trace.baggage = "k=1";
  (void)run("http_request", {{"url", peer.url("/echo")}});
  EXPECT_EQ(peer.last().header("tracestate"), "v=1");
  EXPECT_EQ(peer.last().header("baggage"), "k=1");
  const std::string own = "00-11111111111111111111111111111111-2222222222222222-01";
  const ActionOutcome got =
      run("http_request",
          {{"url", peer.url("/echo")}, {"headers", expr::Map{{"TraceParent", own}, {"Baggage", "x=9"}}}});
  EXPECT_EQ(peer.last().header("traceparent"), own);
  EXPECT_EQ(peer.last().header("tracestate"), "");
  EXPECT_EQ(peer.last().header("baggage"), "x=9");
  ASSERT_EQ(got.span_links.size(), 1u);
  EXPECT_EQ(got.span_links[0].trace_id.to_hex(), "11111111111111111111111111111111");
}

TEST(HttpRequest, AppendsParamsEscaped) {
  Peer peer;
  ActionRun run;
  const expr::Map params{
      {"q", "a b&c=d/\xc3\xa9"}, {"tag", expr::List{"x", "y"}}, {"n", 3}, {"none", nullptr}};
  (void)run("http_request", {{"url", peer.url("/echo?have=1#part")}, {"params", params}});
  EXPECT_EQ(peer.last().target, "/echo?have=1&q=a%20b%26c%3Dd%2F%C3%A9&tag=x&tag=y&n=3");
  (void)run("http_request", {{"url", peer.url("/with space/\xc3\xa9")}, {"params", expr::Map{{"a", true}}}});
  EXPECT_EQ(peer.last().target, "/with%20space/%c3%a9?a=true");
}

TEST(HttpRequest, SendsBodies) {
  Peer peer;
  ActionRun run;
  const auto send = [&](expr::Map config) {
    config.set("url", peer.url("/echo"));
    return run("http_request", config);
  };
  ActionOutcome got = send({{"method", "post"}, {"body", expr::Map{{"a", expr::List{1, nullptr}}}}});
  EXPECT_EQ(peer.last().method, "POST");
  EXPECT_EQ(peer.last().body, R"({"a":[1,null]})");
  EXPECT_EQ(peer.last().header("content-type"), "application/json");
  EXPECT_EQ(at(got.request, "body"), R"({"a":[1,null]})");
  got = send({{"method", "PUT"}, {"body", "plain\ntext"}});
  EXPECT_EQ(peer.last().body, "plain\ntext");
  EXPECT_EQ(peer.last().header("content-type"), "text/plain; charset=utf-8");
  EXPECT_EQ(at(got.result, "body"), R"("plain\ntext")");
  const expr::Map form{{"content-type", "application/x-www-form-urlencoded"}};
  got = send(
      {{"method", "POST"}, {"headers", form}, {"body", expr::Map{{"a b", "c&d"}, {"e", expr::List{1, 2}}}}});
  EXPECT_EQ(peer.last().body, "a%20b=c%26d&e=1&e=2");
  got = send({{"method", "POST"}, {"headers", expr::Map{{"Content-Type", "text/csv"}}}, {"body", "1;2"}});
  EXPECT_EQ(peer.last().header("content-type"), "text/csv");
  got = send({{"method", "POST"}});
  EXPECT_EQ(peer.last().header("content-length"), "0");
  EXPECT_EQ(peer.last().header("content-type"), "");
  EXPECT_EQ(at(got.request, "body"), "absent");
  got = send({{"method", "GET"}, {"body", "in a get"}});
  EXPECT_EQ(peer.last().method, "GET");
  EXPECT_EQ(peer.last().body, "in a get");
  got = send({{"method", "M-SEARCH"}});
  EXPECT_EQ(peer.last().method, "M-SEARCH");
  EXPECT_EQ(got.span_name, "HTTP");
  EXPECT_EQ(span_attribute(got, "http.request.method_original"), "M-SEARCH");
  got = send({{"method", "HEAD"}});
  EXPECT_EQ(code(got), "");
  EXPECT_EQ(at(got.result, "body"), "\"\"");
  got = send({{"method", "POST"}, {"body", std::string(2 << 20, 'x')}});
  EXPECT_EQ(peer.last().body.size(), 2u << 20);
  EXPECT_EQ(got.request.find("body")->as_string().size(), 64u << 10);
  EXPECT_EQ(at(got.request, "body_bytes"), std::to_string(2 << 20));
}

TEST(HttpRequest, AuthenticatesAndShowsNoSecret) {
  Peer peer;
  ActionRun run;
  const auto send = [&](expr::Map auth, const std::string& path = "/echo") {
    ActionOutcome got = run("http_request", {{"url", peer.url(path)}, {"auth", std::move(auth)}});
    EXPECT_EQ(message(got), "");
    EXPECT_THAT(expr::to_json(got.request), Not(HasSubstr("s3cret")));
    EXPECT_THAT(span_attribute(got, "url.full"), Not(HasSubstr("s3cret")));
    EXPECT_THAT(expr::to_json(got.result), Not(HasSubstr("s3cret")));
    return got;
  };
  send({{"type", "basic"}, {"username", "joe"}, {"password", "s3cret"}});
  EXPECT_EQ(peer.last().header("authorization"), "Basic am9lOnMzY3JldA==");
  send({{"basic", expr::Map{{"username", "joe"}, {"password", "s3cret"}}}});
  EXPECT_EQ(peer.last().header("authorization"), "Basic am9lOnMzY3JldA==");
  send({{"bearer", "s3cret"}});
  EXPECT_EQ(peer.last().header("authorization"), "Bearer s3cret");
  send({{"type", "bearer"}, {"token", "s3cret"}});
  EXPECT_EQ(peer.last().header("authorization"), "Bearer s3cret");
  send({{"api_key", expr::Map{{"name", "X-Key"}, {"value", "s3cret"}, {"in", "header"}}}});
  EXPECT_EQ(peer.last().header("x-key"), "s3cret");
  send({{"type", "api_key"}, {"name", "k"}, {"value", "s3cret"}, {"in", "query"}}, "/echo?x=1");
  EXPECT_EQ(peer.last().target, "/echo?x=1&k=s3cret");
  for (const expr::Map& bad :
       {expr::Map{{"type", "digest"}}, expr::Map{{"basic", expr::Map{}}}, expr::Map{{"bearer", ""}},
        expr::Map{}, expr::Map{{"api_key", expr::Map{{"name", "a"}, {"value", "b"}, {"in", "body"}}}},
        expr::Map{{"bearer", "a\r\nX: y"}}})
    EXPECT_EQ(code(run("http_request", {{"url", peer.url("/echo")}, {"auth", bad}})), "invalid_config")
        << expr::to_json(bad);

  const ActionOutcome got =
      run("http_request",
          {{"url", fmt::format("http://joe:s3cret@127.0.0.1:{}/echo?access_token=s3cret&y=2", peer.port())}});
  EXPECT_EQ(peer.last().header("authorization"), "Basic am9lOnMzY3JldA==");
  EXPECT_EQ(span_attribute(got, "url.full"), peer.url("/echo?access_token=REDACTED&y=2"));
  EXPECT_THAT(expr::to_json(got.request), Not(HasSubstr("s3cret")));
}

TEST(HttpRequest, RefusesWhatIsNoRequest) {
  Peer peer;
  ActionRun run;
  const std::string url = peer.url("/echo");
  for (const expr::Map& bad : {expr::Map{},
                               expr::Map{{"url", ""}},
                               expr::Map{{"url", "shop.test/x"}},
                               expr::Map{{"url", "/x"}},
                               expr::Map{{"url", "ftp://127.0.0.1/"}},
                               expr::Map{{"url", "file:///etc/passwd"}},
                               expr::Map{{"url", "http://"}},
                               expr::Map{{"url",
                                          "http://b\xc3\xbc"
                                          "cher.test/"}},
                               expr::Map{{"url", "http://127.0.0.1:99999/"}},
                               expr::Map{{"url", url + "\r\nX-Evil: 1"}},
                               expr::Map{{"url", url}, {"method", "GE T"}},
                               expr::Map{{"url", url}, {"method", "GET\r\n"}},
                               expr::Map{{"url", url}, {"method", "CONNECT"}},
                               expr::Map{{"url", url}, {"headers", expr::Map{{"a", "b\r\nX-Evil: 1"}}}},
                               expr::Map{{"url", url}, {"headers", expr::Map{{"a: b\r\nX", "1"}}}},
                               expr::Map{{"url", url}, {"headers", "x"}},
                               expr::Map{{"url", url}, {"headers", expr::Map{{"a", expr::Map{{"b", 1}}}}}},
                               expr::Map{{"url", url}, {"cookies", expr::Map{{"a", "1; b=2"}}}},
                               expr::Map{{"url", url}, {"headers", expr::Map{{"cookie", "a\nb"}}}},
                               expr::Map{{"url", url}, {"timeout", "soon"}},
                               expr::Map{{"url", url}, {"timeout", 5}},
                               expr::Map{{"url", url}, {"verify_ssl", "maybe"}},
                               expr::Map{{"url", url}, {"method", "HEAD"}, {"body", "x"}},
                               expr::Map{{"url", expr::List{}}}}) {
    const ActionOutcome got = run("http_request", bad);
    EXPECT_EQ(code(got), "invalid_config") << expr::to_json(bad) << " " << message(got);
    EXPECT_TRUE(got.span_failed);
    EXPECT_EQ(span_attribute(got, "error.type"), "invalid_config");
  }
  EXPECT_EQ(peer.count(), 0);
  EXPECT_THAT(message(run("http_request", {{"url", "http://joe:s3cret@"}})), Not(HasSubstr("s3cret")));
}

TEST(HttpRequest, KeepsBodiesThatAreNoJson) {
  Peer peer;
  ActionRun run;
  const auto get = [&](const std::string& path) { return run("http_request", {{"url", peer.url(path)}}); };
  EXPECT_EQ(at(get("/problem").result, "body/a"), "1");
  EXPECT_EQ(at(get("/broken-json").result, "body"), R"("{\"id\": 7")");
  EXPECT_EQ(at(get("/json-as-text").result, "body"), R"("{\"id\": 7}")");
  const ActionOutcome binary = get("/binary");
  EXPECT_EQ(at(binary.result, "body"), "\"/wAB\"");
  EXPECT_EQ(at(binary.result, "body_encoding"), "\"base64\"");
  EXPECT_EQ(at(get("/json").result, "body_encoding"), "absent");
  EXPECT_EQ(at(get("/latin1").result, "body"), "\"caf\xc3\xa9\"");
  const ActionOutcome many = get("/many-values");
  EXPECT_EQ(code(many), "too_large");
  EXPECT_EQ(at(many.result, "status"), "200");
}

TEST(HttpRequest, KeepsCookiesOfTheRun) {
  Peer peer, second;
  ActionRun run;
  const ActionOutcome got = run("http_request", {{"url", peer.url("/cookies")}});
  EXPECT_EQ(at(got.result, "headers/set-cookie"),
            R"(["a=1; Path=/","b=2; Expires=Wed, 21 Oct 2099 07:28:00 GMT; Path=/"])");
  EXPECT_EQ(at(got.result, "headers/x-two"), "\"one, two\"");
  const ActionOutcome next =
      run("http_request", {{"url", peer.url("/echo")}, {"cookies", expr::Map{{"own", "3"}}}});
  EXPECT_THAT(std::string(peer.last().header("cookie")), HasSubstr("a=1"));
  EXPECT_THAT(std::string(peer.last().header("cookie")), HasSubstr("own=3"));
  EXPECT_EQ(at(next.request, "headers/Cookie"), "\"***\"");
  (void)run("http_request", {{"url", peer.url("/echo")}, {"headers", expr::Map{{"Cookie", "mine=4"}}}});
  EXPECT_THAT(std::string(peer.last().header("cookie")), HasSubstr("mine=4"));
  EXPECT_THAT(std::string(peer.last().header("cookie")), Not(HasSubstr("own=3")));
  (void)run("http_request", {{"url", second.url("/echo", "localhost")}});
  EXPECT_EQ(second.last().header("cookie"), "");
  ActionRun other;
  (void)other("http_request", {{"url", peer.url("/echo")}});
  EXPECT_EQ(peer.last().header("cookie"), "");
}

TEST(HttpRequest, FollowsRedirects) {
  Peer peer;
  ActionRun run;
  const expr::Map body{{"a", 1}};
  ActionOutcome got = run("http_request", {{"method", "POST"}, {"url", peer.url("/302")}, {"body", body}});
  EXPECT_EQ(peer.last().method, "GET");
  EXPECT_EQ(peer.last().header("content-type"), "");
  EXPECT_EQ(at(got.result, "body/id"), "7");
  EXPECT_EQ(at(got.result, "url"), fmt::format("\"{}\"", peer.url("/json")));
  EXPECT_EQ(at(got.result, "redirects"), "1");
  EXPECT_EQ(span_attribute(got, "http.request.resend_count"), "1");
  got = run("http_request", {{"method", "PUT"}, {"url", peer.url("/303")}, {"body", body}});
  EXPECT_EQ(peer.last().target, "/json?x=1");
  EXPECT_EQ(peer.last().method, "GET");
  got = run("http_request", {{"method", "POST"}, {"url", peer.url("/307")}, {"body", body}});
  EXPECT_EQ(peer.last().method, "POST");
  EXPECT_EQ(peer.last().body, R"({"a":1})");
  EXPECT_EQ(peer.last().header("traceparent"), traceparent(run.trace));
  got = run("http_request", {{"url", peer.url("/302")}, {"follow_redirects", false}});
  EXPECT_EQ(code(got), "");
  EXPECT_EQ(at(got.result, "status"), "302");
  EXPECT_EQ(at(got.result, "headers/location"), "\"/json\"");
  const int before = peer.count();
  got = run("http_request", {{"url", peer.url("/loop")}});
  EXPECT_EQ(code(got), "too_many_redirects");
  EXPECT_THAT(message(got), HasSubstr("more than 10 times"));
  EXPECT_EQ(peer.count() - before, 11);
}

TEST(HttpRequest, TellsNoSecretsToWhereItIsRedirected) {
  Peer peer, second;
  ActionRun run;
  peer.other = second.url("/echo", "localhost");
  (void)run(
      "http_request",
      {{"url", peer.url("/elsewhere")},
       {"headers", expr::Map{{"Authorization", "Bearer x"}, {"X-Plain", "stays"}, {"Host", "virtual.test"}}},
       {"auth", expr::Map{{"api_key", expr::Map{{"name", "X-Key"}, {"value", "y"}}}}},
       {"cookies", expr::Map{{"c", "z"}}}});
  EXPECT_EQ(second.count(), 1);
  EXPECT_EQ(second.last().header("authorization"), "");
  EXPECT_EQ(second.last().header("x-key"), "");
  EXPECT_EQ(second.last().header("cookie"), "");
  EXPECT_EQ(second.last().header("x-plain"), "stays");
  EXPECT_THAT(std::string(second.last().header("host")), HasSubstr("localhost"));
  peer.other = peer.url("/echo");
  (void)run("http_request", {{"url", peer.url("/elsewhere")}, {"auth", expr::Map{{"bearer", "x"}}}});
  EXPECT_EQ(peer.last().header("authorization"), "Bearer x");
}

TEST(HttpRequest, FollowsOnlyHttp) {
  Peer peer;
  ActionRun run;
  for (const char* unfollowed : {"ftp://127.0.0.1/", "file:///etc/passwd", "gopher://127.0.0.1:1/x",
                                 "http://", "http://169。254。169。254/", "javascript:1"}) {
    peer.other = unfollowed;
    EXPECT_EQ(code(run("http_request", {{"url", peer.url("/elsewhere")}})), "invalid_redirect") << unfollowed;
  }
}

TEST(HttpRequest, KeepsToTheListOfHosts) {
  Peer peer;
  ActionRun run{.hosts = HostPolicy({fmt::format("127.0.0.1:{}", peer.port())})};
  EXPECT_EQ(code(run("http_request", {{"url", peer.url("/echo")}})), "");
  EXPECT_EQ(code(run("http_request", {{"url", peer.url("/echo", "localhost")}})), "");
  for (const char* host : {"0.0.0.0", "0", "[::]", "127.0.0.2", "[::1]"})
    EXPECT_EQ(code(run("http_request", {{"url", peer.url("/echo", host)}})), "address_refused") << host;
  ActionRun names{.hosts = HostPolicy({"shop.test"})};
  const ActionOutcome got = names("http_request", {{"url", peer.url("/echo", "localhost")}});
  EXPECT_EQ(code(got), "address_refused");
  EXPECT_THAT(message(got), HasSubstr("runs may reach only shop.test"));
}

TEST(HttpRequest, UsesNoProxyOfTheEnvironment) {
  Peer peer;
  for (const char* name : {"http_proxy", "all_proxy", "ALL_PROXY"}) setenv(name, "http://127.0.0.1:1", 1);
  ActionRun run;
  const ActionOutcome got = run("http_request", {{"url", peer.url("/echo")}});
  for (const char* name : {"http_proxy", "all_proxy", "ALL_PROXY"}) unsetenv(name);
  EXPECT_EQ(message(got), "");
}

TEST(HttpRequest, ReusesConnectionsWithinARun) {
  Peer peer;
  ActionRun run;
  for (int i = 0; i < 20; ++i) EXPECT_EQ(code(run("http_request", {{"url", peer.url("/json")}})), "");
  EXPECT_EQ(peer.connections(), 1u);
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) good += code(run("http_request", {{"url", peer.url("/cookies")}})) == "";
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 200);
  EXPECT_LE(peer.connections(), 5u);
}

}  // namespace
}  // namespace testmesh::actions
