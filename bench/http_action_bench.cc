// What http_request adds to a request of libcurl: both over loopback to a server
// in the process, connections kept.
#include <benchmark/benchmark.h>
#include <curl/curl.h>

#include <atomic>
#include <string>

#include "actions/action.h"
#include "actions/host_policy.h"
#include "transport/http/server.h"

namespace {

using namespace testmesh;

class Peer {
 public:
  Peer()
      : server_({.threads = 1}, [](http::Request, http::Responder respond) {
          respond({.body = R"({"id": 7, "items": [{"sku": "A-1", "price": 19.99}]})"});
        }) {
    port_ = server_.listen("127.0.0.1:0")->port;
    server_.start();
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/orders/7"; }

 private:
  uint16_t port_ = 0;
  http::Server server_;
};

void plain_handle(benchmark::State& state) {
  Peer peer;
  const std::string url = peer.url();
  CURL* easy = curl_easy_init();
  for (auto _ : state) {
    std::string body;
    curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &body);
    curl_easy_setopt(
        easy, CURLOPT_WRITEFUNCTION, +[](char* data, size_t, size_t size, void* to) {
          static_cast<std::string*>(to)->append(data, size);
          return size;
        });
    if (curl_easy_perform(easy) != CURLE_OK) state.SkipWithError("no answer");
    benchmark::DoNotOptimize(body);
  }
  curl_easy_cleanup(easy);
}

void http_request(benchmark::State& state) {
  Peer peer;
  const actions::HostPolicy hosts;
  const std::atomic<bool> cancelled = false;
  actions::ConnectionPool connections;
  actions::TraceContext trace;
  trace.trace_id.bytes[0] = trace.span_id.bytes[0] = 1;
  const actions::Action* action = actions::find_action("http_request");
  const expr::Value config = expr::Map{{"url", peer.url()}, {"headers", expr::Map{{"X-Tenant", "t1"}}}};
  for (auto _ : state) {
    actions::ActionContext context{.trace = trace,
                                   .deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30),
                                   .cancelled = cancelled,
                                   .hosts = hosts,
                                   .connections = connections};
    const actions::ActionOutcome outcome = action->run(config, context);
    if (outcome.error) state.SkipWithError("no answer");
    benchmark::DoNotOptimize(outcome);
  }
}

BENCHMARK(plain_handle)->UseRealTime();
BENCHMARK(http_request)->UseRealTime();

}  // namespace
