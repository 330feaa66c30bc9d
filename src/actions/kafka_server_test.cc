// Apache Kafka as it is.
#include <random>
#include <thread>

#include "actions/registry.h"
#include "actions/server_test.h"

namespace testmesh::actions {
namespace {

using expr::Value;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using namespace std::chrono_literals;

std::string unique(std::string_view name) {
  static std::random_device random;
  return std::string(name) + "-" + std::to_string(random());
}

class KafkaServer : public testing::Test, public ActionFixture {
 protected:
  void SetUp() override {
    brokers = address("TESTMESH_KAFKA_BROKERS");
    run_started_at = base::system_clock().now();
  }
  ActionOutcome produce(expr::Map config) {
    if (config.find("brokers") == nullptr) config.set("brokers", brokers);
    if (config.find("topic") == nullptr) config.set("topic", topic);
    return run(kafka_producer_action(), std::move(config));
  }
  ActionOutcome consume(expr::Map config) {
    if (config.find("brokers") == nullptr) config.set("brokers", brokers);
    if (config.find("topic") == nullptr) config.set("topic", topic);
    if (config.find("timeout") == nullptr) config.set("timeout", "20s");
    return run(kafka_consumer_action(), std::move(config));
  }
  static Value message(const ActionOutcome& outcome, size_t index = 0) {
    const Value* messages = outcome.result.find("messages");
    if (messages == nullptr || messages->as_list().size() <= index) return {};
    return messages->as_list()[index];
  }
  std::string brokers;
  std::string topic = unique("orders");
};

TEST_F(KafkaServer, AMessageGoesAndComes) {
  const ActionOutcome sent =
      produce({{"key", "o-1"},
               {"payload", json(R"({"id": 5, "items": ["a"]})")},
               {"partition", 1},
               {"headers", json(R"({"kind": "order", "n": 5, "many": ["x", "y"], "none": null})")}});
  ASSERT_EQ(told(sent), "");
  EXPECT_EQ(result_of(sent), R"({"partition":1,"offset":0})");
  EXPECT_EQ(sent.span_name, "send " + topic);
  EXPECT_EQ(sent.span_kind, model::SpanKind::kProducer);
  EXPECT_EQ(span_attribute(sent, "messaging.system"), "kafka");
  EXPECT_EQ(span_attribute(sent, "messaging.destination.name"), topic);
  EXPECT_EQ(span_attribute(sent, "messaging.destination.partition.id"), "1");
  EXPECT_EQ(span_attribute(sent, "messaging.kafka.offset"), "0");
  EXPECT_EQ(span_attribute(sent, "server.address"), "127.0.0.1");
  // Sent by an earlier step, with nobody reading then.
  const ActionOutcome came = consume({});
  ASSERT_EQ(told(came), "");
  EXPECT_EQ(
      expr::to_json(message(came)),
      R"({"key":"o-1","value":"{\"id\":5,\"items\":[\"a\"]}","json":{"id":5,"items":["a"]},)"
      R"("headers":{"kind":"order","n":"5","many":["x","y"],"none":null,)"
      R"("traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},"partition":1,"offset":0})");
  EXPECT_EQ(*came.result.find("count"), Value(1));
  EXPECT_EQ(came.span_name, "poll " + topic);
  EXPECT_EQ(came.span_kind, model::SpanKind::kConsumer);
  ASSERT_EQ(came.span_links.size(), 1u);
  EXPECT_EQ(came.span_links[0].trace_id.to_hex(), "0af7651916cd43dd8448eb211c80319c");
}

TEST_F(KafkaServer, TheAuthorsTraceContextStays) {
  trace.trace_state = "a=b";
  trace.baggage = "user=1";
  const ActionOutcome sent = produce(
      {{"payload", "x"},
       {"headers", json(R"({"Traceparent": "00-11111111111111111111111111111111-2222222222222222-01"})")}});
  ASSERT_EQ(sent.span_links.size(), 1u);
  EXPECT_EQ(sent.span_links[0].span_id.to_hex(), "2222222222222222");
  EXPECT_EQ(
      expr::to_json(*message(consume({})).find("headers")),
      R"({"Traceparent":"00-11111111111111111111111111111111-2222222222222222-01","baggage":"user=1"})");
}

TEST_F(KafkaServer, TextsTombstonesAndBytes) {
  produce({{"payload", "just text"}, {"partition", 0}});
  produce({{"key", json(R"({"id": 1})")}, {"partition", 0}});
  produce({{"payload", "\xff\xfe"}, {"partition", 0}});
  const ActionOutcome came = consume({{"count", 3}});
  ASSERT_EQ(told(came), "");
  EXPECT_EQ(*message(came, 0).find("value"), Value("just text"));
  EXPECT_EQ(*message(came, 0).find("json"), Value());
  EXPECT_EQ(*message(came, 0).find("key"), Value());
  EXPECT_EQ(*message(came, 1).find("value"), Value());
  EXPECT_EQ(*message(came, 1).find("key"), Value(R"({"id":1})"));
  EXPECT_EQ(*message(came, 2).find("value"), Value("//4="));
}

TEST_F(KafkaServer, EveryCompression) {
  for (const char* compression : {"none", "gzip", "snappy", "lz4", "zstd"})
    EXPECT_EQ(told(produce({{"payload", std::string(10000, 'x')}, {"compression", compression}})), "")
        << compression;
  EXPECT_EQ(*consume({{"count", 5}}).result.find("count"), Value(5));
}

TEST_F(KafkaServer, OnlyWhatMatchesIsTaken) {
  for (int i = 0; i < 10; ++i) produce({{"payload", expr::Map{{"id", i}}}});
  produce({{"payload", "no JSON at all"}});
  const ActionOutcome came = consume({{"match", "json.id >= 7 && headers.traceparent exists"}, {"count", 3}});
  ASSERT_EQ(told(came), "");
  EXPECT_EQ(*came.result.find("count"), Value(3));
  const ActionOutcome few = consume({{"match", "json.id == 7"}, {"count", 2}, {"timeout", "3s"}});
  EXPECT_THAT(
      told(few),
      AllOf(StartsWith("not_enough_messages: 1 of 2 messages came from topic orders-"),
            HasSubstr("within 3 s: 11 were read, 1 matched `json.id == 7`; the last that did not: ")));
  EXPECT_EQ(*few.result.find("count"), Value(1));
}

TEST_F(KafkaServer, NowIsWhenTheRunBegan) {
  produce({{"payload", "before"}});
  const ActionOutcome first = consume({});
  ASSERT_EQ(told(first), "");
  // Timestamps of Kafka are milliseconds: the next one must have come.
  const auto sent_at = base::system_clock().now() / 1'000'000;
  while (base::system_clock().now() / 1'000'000 == sent_at) std::this_thread::yield();
  ActionFixture next_run;
  next_run.run_started_at = base::system_clock().now();
  EXPECT_THAT(told(next_run.run(kafka_consumer_action(),
                                {{"brokers", brokers}, {"topic", topic}, {"timeout", "2s"}})),
              AllOf(StartsWith("not_enough_messages: 0 of 1 messages came"),
                    HasSubstr("from_beginning: true reads all")));
  const ActionOutcome all = next_run.run(kafka_consumer_action(),
                                         {{"brokers", brokers}, {"topic", topic}, {"from_beginning", true}});
  EXPECT_EQ(*message(all).find("value"), Value("before"));
}

TEST_F(KafkaServer, AMessageThatComesWhileWeWait) {
  produce({{"payload", "old"}});
  run_started_at = 0;  // since the step begins
  std::atomic<bool> came_one = false;
  std::jthread later([&] {
    ActionFixture other;
    while (!came_one)
      other.run(kafka_producer_action(), {{"brokers", brokers}, {"topic", topic}, {"payload", "new"}});
  });
  const ActionOutcome came = consume({});
  came_one = true;
  ASSERT_EQ(told(came), "");
  EXPECT_EQ(*message(came).find("value"), Value("new"));
}

TEST_F(KafkaServer, GroupsGoOnWhereTheyWere) {
  const std::string group = unique("group");
  for (int i = 0; i < 4; ++i) produce({{"payload", i}, {"partition", 0}});
  const auto next = [&](int count, const char* within) {
    return consume({{"group_id", group}, {"count", count}, {"timeout", within}});
  };
  const ActionOutcome first = next(2, "20s");
  ASSERT_EQ(told(first), "");
  EXPECT_EQ(*message(first, 1).find("value"), Value("1"));
  EXPECT_EQ(span_attribute(first, "messaging.consumer.group.name"), group);
  // Too few: the group stays where it was.
  EXPECT_THAT(told(next(3, "4s")), StartsWith("not_enough_messages: 2 of 3 messages came"));
  const ActionOutcome rest = next(2, "20s");
  ASSERT_EQ(told(rest), "");
  EXPECT_EQ(*message(rest, 0).find("value"), Value("2"));
}

TEST_F(KafkaServer, TopicsThatAreNotThere) {
  EXPECT_THAT(told(consume({{"topic", unique("nope")}, {"timeout", "1s"}})),
              AllOf(StartsWith("not_enough_messages: 0 of 1"), HasSubstr("Unknown topic")));
  EXPECT_THAT(told(produce({{"topic", "not a topic!"}, {"payload", "x"}, {"timeout", "10s"}})),
              StartsWith("broker: "));
  produce({{"payload", "x"}});
  EXPECT_THAT(told(produce({{"payload", "x"}, {"partition", 7}})),
              AllOf(StartsWith("broker: "), HasSubstr("no partition 7")));
}

TEST_F(KafkaServer, MessagesThatAreTooLarge) {
  EXPECT_THAT(told(produce({{"payload", std::string(3'000'000, 'x')}})), StartsWith("too_large: "));
  EXPECT_THAT(told(produce({{"payload", std::string(80'000'000, 'x')}})), StartsWith("too_large: "));
  for (int i = 0; i < 80; ++i) ASSERT_EQ(told(produce({{"payload", std::string(900'000, 'x')}})), "");
  EXPECT_THAT(told(consume({{"count", 80}})),
              StartsWith("too_large: the messages are larger than 64 MiB together"));
  EXPECT_EQ(*consume({{"count", 60}}).result.find("count"), Value(60));
}

Value login(std::string_view mechanism, std::string_view password) {
  return expr::Map{{"mechanism", mechanism}, {"username", "app"}, {"password", password}};
}

TEST_F(KafkaServer, Logins) {
  const std::string sasl = address("TESTMESH_KAFKA_SASL");
  EXPECT_EQ(told(produce({{"brokers", sasl}, {"payload", "x"}, {"sasl", login("PLAIN", "s3cret+pass")}})),
            "");
  const ActionOutcome refused =
      produce({{"brokers", sasl}, {"payload", "x"}, {"sasl", login("PLAIN", "wrong!")}});
  EXPECT_THAT(told(refused), AllOf(StartsWith("broker: Kafka at " + sasl + " refused the login: "),
                                   Not(HasSubstr("wrong!"))));
  EXPECT_THAT(expr::to_json(refused.request), Not(HasSubstr("wrong!")));
  EXPECT_EQ(told(consume({{"brokers", sasl}, {"sasl", login("plain", "s3cret+pass")}})), "");
  EXPECT_THAT(told(produce({{"brokers", sasl}, {"payload", "x"}, {"timeout", "3s"}})),
              StartsWith("connection: "));
}

TEST_F(KafkaServer, ScramLogins) {
  const std::string sasl = address("TESTMESH_KAFKA_SASL");
  for (const char* mechanism : {"SCRAM-SHA-256", "scram-sha-512"}) {
    const ActionOutcome wrong =
        produce({{"brokers", sasl}, {"payload", "x"}, {"sasl", login(mechanism, "wrong!")}});
    EXPECT_THAT(told(wrong), StartsWith("broker: Kafka at " + sasl + " refused the login: "));
    const ActionOutcome sent =
        produce({{"brokers", sasl}, {"payload", "x"}, {"sasl", login(mechanism, "s3cret+pass")}});
    if (error_of(sent).find("librdkafka, which is older than 2.6.1") != std::string::npos)
      GTEST_SKIP() << "this librdkafka cannot log in to Kafka 4 with SCRAM, and said so";
    EXPECT_EQ(told(sent), "");
  }
}

TEST_F(KafkaServer, Tls) {
  const std::string tls = address("TESTMESH_KAFKA_TLS"), certificate = address("TESTMESH_KAFKA_CERTIFICATE");
  EXPECT_EQ(told(produce({{"brokers", tls}, {"payload", "x"}, {"tls", expr::Map{{"ca", certificate}}}})), "");
  EXPECT_EQ(told(produce({{"brokers", tls}, {"payload", "x"}, {"tls", expr::Map{{"verify", false}}}})), "");
  EXPECT_THAT(told(produce({{"brokers", tls}, {"payload", "x"}, {"tls", true}, {"timeout", "5s"}})),
              AllOf(StartsWith("tls: no TLS connection to Kafka at localhost:"), HasSubstr("certificate")));
  EXPECT_EQ(*consume({{"brokers", tls}, {"count", 2}, {"tls", expr::Map{{"ca", certificate}}}})
                 .result.find("count"),
            Value(2));
  EXPECT_THAT(told(produce({{"payload", "x"}, {"tls", true}, {"timeout", "3s"}})),
              testing::MatchesRegex("(tls|connection): .*"));
}

TEST_F(KafkaServer, TheBrokerIsReachedOnlyWhereTheListAllows) {
  // The bootstrap address is on the list, what the broker says of itself is not.
  hosts = HostPolicy({"127.0.0.9", "elsewhere.test"});
  EXPECT_THAT(told(produce({{"payload", "x"}})), StartsWith("address_refused: "));
  hosts = HostPolicy({"127.0.0.1"});
  EXPECT_EQ(told(produce({{"payload", "x"}})), "");
}

TEST_F(KafkaServer, ARunThatIsCancelled) {
  produce({{"payload", "x"}});
  run_started_at = 0;
  SteadyTime cancelled_at;
  std::jthread canceller([&] {
    ActionFixture other;  // takes a moment: the topic is new
    other.run(kafka_producer_action(), {{"brokers", brokers}, {"topic", unique("other")}, {"payload", "x"}});
    cancelled_at = std::chrono::steady_clock::now();
    cancelled = true;
  });
  EXPECT_THAT(told(consume({})), StartsWith("cancelled: the run was cancelled while "));
  canceller.join();
  std::printf(
      "    %.0f ms after it was cancelled\n",
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - cancelled_at).count());
}

TEST_F(KafkaServer, ManyStepsAtOnce) {
  std::vector<std::jthread> steps;
  std::atomic<int> good = 0;
  for (int i = 0; i < 8; ++i) {
    steps.emplace_back([&, i] {
      for (int k = 0; k < 20; ++k)
        if (!produce({{"payload", i * 100 + k}}).error) ++good;
    });
  }
  steps.clear();
  EXPECT_EQ(good, 160);
  EXPECT_EQ(*consume({{"count", 160}}).result.find("count"), Value(160));
}

// Last: the broker does not come back.
TEST_F(KafkaServer, ZzBrokerThatHaltsAndThenIsGone) {
  ASSERT_EQ(told(produce({{"payload", "x"}})), "");
  {
    const Halted halted("TESTMESH_KAFKA_PID");
    EXPECT_THAT(
        told(produce({{"payload", "x"}, {"timeout", "500ms"}})),
        AllOf(StartsWith("timeout: the time was up while the message for topic "), HasSubstr("acknowledge")));
    EXPECT_THAT(told(consume({{"timeout", "500ms"}})),
                testing::MatchesRegex("(timeout|not_enough_messages): .*"));
  }
  ASSERT_EQ(told(produce({{"payload", "x"}, {"timeout", "20s"}})), "");
  const pid_t pid = std::atoi(address("TESTMESH_KAFKA_PID").c_str());
  ASSERT_GT(pid, 1);
  kill(pid, SIGKILL);
  EXPECT_THAT(told(produce({{"payload", "x"}, {"timeout", "3s"}})),
              AllOf(StartsWith("connection: no broker of Kafka at "), HasSubstr("refused")));
  EXPECT_THAT(told(consume({{"timeout", "3s"}})),
              AllOf(StartsWith("connection: no broker of Kafka at "), HasSubstr("refused")));
}

}  // namespace
}  // namespace testmesh::actions
