// Events, over the real HTTP server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "api/event_hub.h"
#include "api/rest_api.h"
#include "api/testing/fake_executions.h"
#include "api/testing/fake_store.h"
#include "transport/http/testing/raw_socket.h"

namespace testmesh::api {
namespace {

using http::testing::RawSocket;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class Events : public ::testing::Test {
 protected:
  Events()
      : registry(store::WorkspaceRegistry::open(documents, base::system_clock()).value()),
        runs(documents, store, *registry),
        api(*registry, store, layers, *runs.service, runs.events, nullptr),
        server({}, [this](http::Request request, http::Responder respond) {
          api.handle(std::move(request), std::move(respond));
        }) {
    port = server.listen("127.0.0.1:0").value().port;
    server.start();
  }
  ~Events() override { server.stop(); }

  static std::string path(const model::WorkspaceId& workspace = model::kDefaultWorkspace) {
    return "/api/v1/workspaces/" + workspace.to_string() + "/events";
  }

  struct Event {
    std::string id, name;
    json data;
  };
  // A client that reads events one by one.
  struct Client {
    Client(uint16_t port, const std::string& target, const std::string& headers = {}) : socket(port) {
      socket.send("GET " + target + " HTTP/1.0\r\n" + headers + "\r\n");
      head = socket.read_until("\r\n\r\n");
      opening = socket.read_until("\n\n");
    }
    Event next() {
      const std::string text = socket.read_until("\n\n");
      Event event;
      for (size_t begin = 0; begin < text.size();) {
        const size_t end = text.find('\n', begin);
        const std::string line = text.substr(begin, end - begin);
        if (line.starts_with("id: ")) event.id = line.substr(4);
        if (line.starts_with("event: ")) event.name = line.substr(7);
        if (line.starts_with("data: ")) event.data = json::parse(line.substr(6), nullptr, false);
        begin = end + 1;
      }
      return event;
    }
    RawSocket socket;
    std::string head, opening;
  };

  void add_flow(uint8_t number) {
    auto& identity = store.identities.emplace_back();
    identity.id.bytes[15] = number;
    identity.family = {"", "cart", "GET /" + std::to_string(number)};
    auto& detail = store.details.emplace_back();
    detail.summary.flow = &identity;
    detail.summary.name = "cart -> GET /" + std::to_string(number);
  }

  FakeTelemetryStore store;
  MapDocumentStore documents;
  store::GraphLayers layers{documents};
  std::unique_ptr<store::WorkspaceRegistry> registry;
  FakeExecutions runs;
  RestApi api;
  http::Server server;
  uint16_t port = 0;
};

TEST_F(Events, TellWhatAnExecutionDoes) {
  Client client(port, path());
  EXPECT_THAT(client.head, HasSubstr("Content-Type: text/event-stream\r\n"));
  EXPECT_THAT(client.head, HasSubstr("Cache-Control: no-store\r\n"));
  EXPECT_EQ(client.opening, "retry: 2000\n\n");
  const auto started = runs.service->start(model::kDefaultWorkspace, {.trace_id = model::TraceId{{1}}});
  ASSERT_TRUE(started.has_value());
  const Event first = client.next(), last = client.next();
  EXPECT_EQ(first.name, "execution");
  EXPECT_EQ(first.data["id"], started->id.to_string());
  EXPECT_EQ(last.data["status"], "passed");
  EXPECT_NE(first.id, "");
  EXPECT_NE(first.id, last.id);
}

TEST_F(Events, AreOfTheirWorkspaceAlone) {
  const auto other = registry->create({}, "other").value().id;
  Client client(port, path());
  runs.events.publish(other, "execution", R"({"n":1})");
  runs.events.publish(model::kDefaultWorkspace, "execution", R"({"n":2})");
  EXPECT_EQ(client.next().data["n"], 2);
}

TEST_F(Events, TellTheRateOfSpans) {
  Client client(port, path());
  runs.spans = 100;
  runs.events.tick();
  const Event first = client.next();
  EXPECT_EQ(first.name, "ingest");
  EXPECT_EQ(first.data["spans_total"], 100);
  EXPECT_EQ(first.data["spans_per_second"], 0.0) << "since when?";
  runs.spans = 1000;
  runs.events.tick();
  const Event second = client.next();
  EXPECT_EQ(second.data["spans_total"], 1000);
  EXPECT_GT(second.data["spans_per_second"].get<double>(), 0.0);
}

TEST_F(Events, TellNewFlowsOnceAndOldOnesNever) {
  add_flow(1);
  Client client(port, path());
  runs.events.tick();
  EXPECT_EQ(client.next().name, "ingest");
  add_flow(2);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  Event event;
  while (event.name != "flow" && std::chrono::steady_clock::now() < until) {
    runs.events.tick();
    event = client.next();
    if (event.name == "ingest") event = {};
    // An `ingest` comes before the `flow` of the same tick.
    runs.events.publish(model::kDefaultWorkspace, "mark", "{}");
    for (Event more = client.next(); event.name.empty() && more.name != "mark"; more = client.next())
      event = more;
  }
  EXPECT_EQ(event.name, "flow");
  EXPECT_EQ(event.data["name"], "cart -> GET /2");
  EXPECT_NE(event.id, "");
}

TEST_F(Events, WhoComesBackGetsWhatWasMissed) {
  std::string seen;
  {
    Client client(port, path());
    runs.events.publish(model::kDefaultWorkspace, "execution", R"({"n":1})");
    seen = client.next().id;
  }
  runs.events.publish(model::kDefaultWorkspace, "execution", R"({"n":2})");
  runs.events.publish(model::kDefaultWorkspace, "execution", R"({"n":3})");
  Client back(port, path(), "Last-Event-ID: " + seen + "\r\n");
  EXPECT_EQ(back.next().data["n"], 2);
  EXPECT_EQ(back.next().data["n"], 3);
  // An id of another process, and nonsense: as if there were none.
  for (const std::string& id :
       {std::string("abc-1"), std::string("1"), seen + "9999999999999999999999", std::string("\xff")}) {
    Client fresh(port, path(), "Last-Event-ID: " + id + "\r\n");
    runs.events.publish(model::kDefaultWorkspace, "execution", R"({"n":4})");
    EXPECT_EQ(fresh.next().data["n"], 4) << id;
  }
}

TEST_F(Events, WhoReadsTooSlowlyIsToldHowManyWereLeftOut) {
  RawSocket slow(port, 4096);
  slow.send("GET " + path() + " HTTP/1.0\r\n\r\n");
  slow.read_until("retry: 2000\n\n");
  // More than all buffers on the way hold.
  const std::string large = "\"" + std::string(10'000, 'x') + "\"";
  for (int i = 0; i < 5'000; ++i) runs.events.publish(model::kDefaultWorkspace, "execution", large);
  size_t executions = 0, missed = 0;
  const std::string name = "event: missed\ndata: {\"count\":";
  while (missed == 0) {
    const std::string text = slow.read_until("\n\n");
    ASSERT_FALSE(text.empty());
    if (const size_t at = text.find(name); at != std::string::npos)
      missed = std::stoul(text.substr(at + name.size()));
    else
      ++executions;
    // Reading makes room, and the next event says what there was none for.
    runs.events.publish(model::kDefaultWorkspace, "tiny", "1");
  }
  EXPECT_GT(executions, 0u);
  EXPECT_GT(missed, 0u);
}

TEST_F(Events, TooManyListenersAreTurnedAway) {
  EventHub hub(store, nullptr, {.max_listeners = 2, .own_thread = false});
  const auto a = hub.listen(model::kDefaultWorkspace, ""), b = hub.listen(model::kDefaultWorkspace, "");
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(hub.listen(model::kDefaultWorkspace, ""), nullptr);
  b->end();
  EXPECT_NE(hub.listen(model::kDefaultWorkspace, ""), nullptr);
  EXPECT_EQ(hub.listeners(), 2u);
  hub.stop();
  EXPECT_TRUE(a->closed());
  EXPECT_EQ(hub.listen(model::kDefaultWorkspace, ""), nullptr);
}

TEST_F(Events, UnknownWorkspacesHaveNone) {
  RawSocket socket(port);
  socket.send(
      "GET /api/v1/workspaces/00000000-0000-4000-8000-0000000000ff/events HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(socket.read_response(), StartsWith("HTTP/1.1 404 "));
}

}  // namespace
}  // namespace testmesh::api
