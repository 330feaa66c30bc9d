#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <atomic>
#include <cstring>
#include <map>

#include "actions/kafka_client.h"
#include "actions/propagation.h"
#include "actions/registry.h"

namespace testmesh::actions {
namespace {

using expr::Value;
using namespace std::chrono_literals;

struct Delivery {
  std::atomic<bool> done = false;  // set last
  rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
  int32_t partition = -1;
  int64_t offset = -1;
};

// One producer of the library and the messages on their way. Thread-safe:
// whoever polls hears of everybody's messages.
class Producer final : public KafkaOpaque {
 public:
  using KafkaOpaque::KafkaOpaque;

  void* expect(std::shared_ptr<Delivery> delivery) {
    const std::lock_guard lock(mutex_);
    under_way_.emplace(++last_, std::move(delivery));
    return reinterpret_cast<void*>(last_);
  }
  std::shared_ptr<Delivery> take(void* id) {
    const std::lock_guard lock(mutex_);
    const auto found = under_way_.find(reinterpret_cast<uintptr_t>(id));
    if (found == under_way_.end()) return nullptr;
    auto delivery = std::move(found->second);
    under_way_.erase(found);
    return delivery;
  }
  bool only_one_under_way() {
    const std::lock_guard lock(mutex_);
    return under_way_.size() <= 1;
  }

 private:
  std::mutex mutex_;
  uintptr_t last_ = 0;
  std::map<uintptr_t, std::shared_ptr<Delivery>> under_way_;

 public:
  KafkaHandle handle;  // destroyed first: its threads speak to the rest
};

void on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  const auto delivery = static_cast<Producer*>(static_cast<KafkaOpaque*>(opaque))->take(message->_private);
  if (delivery == nullptr) return;
  delivery->error = message->err;
  delivery->partition = message->partition;
  delivery->offset = message->offset;
  delivery->done.store(true, std::memory_order_release);
}

class ProducerPool {
 public:
  std::expected<std::shared_ptr<Producer>, ActionError> get(const KafkaConfig& config,
                                                            const HostPolicy& hosts) {
    const std::lock_guard lock(mutex_);
    auto& producer = producers_[config.pool_key()];
    if (producer == nullptr) {
      auto opened = std::make_shared<Producer>(hosts, config);
      auto handle = open_kafka(KafkaRole::kProducer, config, hosts, static_cast<KafkaOpaque*>(opened.get()),
                               [](rd_kafka_conf_t* conf) { rd_kafka_conf_set_dr_msg_cb(conf, on_delivery); });
      if (!handle) {
        producers_.erase(config.pool_key());
        return std::unexpected(std::move(handle).error());
      }
      opened->handle = std::move(*handle);
      producer = std::move(opened);
    }
    return producer;
  }
  void drop(const KafkaConfig& config, const std::shared_ptr<Producer>& producer) {
    const std::lock_guard lock(mutex_);
    const auto found = producers_.find(config.pool_key());
    if (found != producers_.end() && found->second == producer) producers_.erase(found);
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Producer>> producers_;
};

struct Header {
  std::string name;
  std::optional<std::string> value;
};

std::vector<Header> read_headers(ConfigReader& reader) {
  std::vector<Header> headers;
  const Value* written = reader.value("headers");
  if (written == nullptr) return headers;
  if (written->kind() != expr::Kind::kMap) {
    reader.fail(fmt::format("`headers` must be a map, but it is {}", expr::describe(*written, 60)));
    return headers;
  }
  const auto add = [&](const std::string& name, const Value& value) {
    headers.push_back({name, value.is_nil() ? std::optional<std::string>() : to_wire_text(value)});
  };
  for (const auto& [key, value] : written->as_map()) {
    const std::string name = expr::to_text(key);
    if (value.kind() == expr::Kind::kList) {
      for (const Value& one : value.as_list()) add(name, one);  // the header, several times
    } else {
      add(name, value);
    }
  }
  return headers;
}

// Our trace context goes along, unless the author gave one.
void add_context(const TraceContext& trace, std::vector<Header>& headers, ActionOutcome& outcome) {
  HeaderList own;
  for (const Header& header : headers) own.emplace_back(header.name, header.value.value_or(""));
  Propagation propagation = propagate(trace, own);
  for (auto& [name, value] : propagation.headers) headers.push_back({std::move(name), std::move(value)});
  outcome.span_links = std::move(propagation.links);
}

struct Message {
  std::string topic;
  std::optional<std::string> key, payload;
  std::vector<Header> headers;
  int32_t partition = RD_KAFKA_PARTITION_UA;
};

// Where the library refuses it at once, `delivery` says so as it does later.
void enqueue(Producer& producer, const Message& message, const std::shared_ptr<Delivery>& delivery) {
  rd_kafka_headers_t* headers = rd_kafka_headers_new(message.headers.size());
  for (const Header& header : message.headers) {
    rd_kafka_header_add(headers, header.name.data(), static_cast<ssize_t>(header.name.size()),
                        header.value ? header.value->data() : nullptr,
                        header.value ? static_cast<ssize_t>(header.value->size()) : 0);
  }
  void* const id = producer.expect(delivery);
  std::array<rd_kafka_vu_t, 7> fields{};
  fields[0].vtype = RD_KAFKA_VTYPE_TOPIC;
  fields[0].u.cstr = message.topic.c_str();
  fields[1].vtype = RD_KAFKA_VTYPE_PARTITION;
  fields[1].u.i32 = message.partition;
  fields[2].vtype = RD_KAFKA_VTYPE_KEY;
  fields[2].u.mem = {const_cast<char*>(message.key ? message.key->data() : nullptr),
                     message.key ? message.key->size() : 0};
  fields[3].vtype = RD_KAFKA_VTYPE_VALUE;
  fields[3].u.mem = {const_cast<char*>(message.payload ? message.payload->data() : nullptr),
                     message.payload ? message.payload->size() : 0};
  fields[4].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
  fields[4].u.i = RD_KAFKA_MSG_F_COPY;
  fields[5].vtype = RD_KAFKA_VTYPE_HEADERS;
  fields[5].u.headers = headers;
  fields[6].vtype = RD_KAFKA_VTYPE_OPAQUE;
  fields[6].u.ptr = id;
  rd_kafka_error_t* error = rd_kafka_produceva(producer.handle.get(), fields.data(), fields.size());
  if (error == nullptr) return;
  rd_kafka_headers_destroy(headers);
  producer.take(id);
  delivery->error = rd_kafka_error_code(error);
  delivery->done = true;
  rd_kafka_error_destroy(error);
}

ActionError delivery_error(const Delivery& delivery, const Message& message, const KafkaConfig& config) {
  const std::string_view code =
      delivery.error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ? "too_large" : "broker";
  std::string text = fmt::format("Kafka at {} did not take the message for topic {}: {}", config.place(),
                                 message.topic, rd_kafka_err2str(delivery.error));
  if (delivery.error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
      delivery.error == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
    text += " (the topic does not exist, and the broker does not create topics by itself)";
  if (delivery.error == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION)
    text += fmt::format(" (the topic has no partition {})", message.partition);
  return {std::string(code), std::move(text)};
}

class KafkaProducerAction final : public Action {
 public:
  std::string_view name() const override { return "kafka_producer"; }
  ActionOutcome run(const Value& config, ActionContext& context) const override;
};

Message read_message(ConfigReader& reader) {
  Message message;
  message.topic = reader.required_text("topic");
  if (message.topic.find('\0') != std::string::npos) reader.fail("`topic` has a zero byte");
  if (const Value* key = reader.value("key")) message.key = to_wire_text(*key);
  if (const Value* payload = reader.value("payload")) message.payload = to_wire_text(*payload);
  message.headers = read_headers(reader);
  message.partition = static_cast<int32_t>(reader.integer("partition", RD_KAFKA_PARTITION_UA, -1, INT32_MAX));
  return message;
}

expr::Map shown(const KafkaConfig& config, const Message& message, const Value* payload) {
  expr::Map headers;
  for (const Header& header : message.headers)
    headers.set(header.name, header.value ? Value(*header.value) : Value());
  expr::Map request{{"brokers", shown_brokers(config)}, {"topic", message.topic}};
  if (message.key) request.set("key", *message.key);
  request.set("payload", payload == nullptr ? Value() : *payload);
  request.set("headers", std::move(headers));
  if (message.partition >= 0) request.set("partition", int64_t{message.partition});
  return request;
}

ActionOutcome KafkaProducerAction::run(const Value& config, ActionContext& context) const {
  const auto start = std::chrono::steady_clock::now();
  ActionOutcome outcome;
  outcome.span_kind = model::SpanKind::kProducer;
  outcome.span_name = "send";
  ConfigReader reader(config);
  KafkaConfig kafka = read_kafka_config(reader);
  Message message = read_message(reader);
  const std::string compression = reader.text("compression", "none");
  const Waiting waiting(context, reader.duration("timeout", 30s));
  if (compression != "none" && compression != "gzip" && compression != "snappy" && compression != "lz4" &&
      compression != "zstd")
    reader.fail(fmt::format("`compression` is \"{}\"; it is one of none, gzip, snappy, lz4, zstd",
                            compression.substr(0, 40)));
  add_context(context.trace, message.headers, outcome);
  outcome.request = shown(kafka, message, reader.value("payload"));
  outcome.span_name = fmt::format("send {}", message.topic);
  outcome.span_attributes = {
      attribute("messaging.system", "kafka"), attribute("messaging.destination.name", message.topic),
      attribute("messaging.operation.type", "send"), attribute("messaging.operation.name", "send")};
  if (message.key)
    outcome.span_attributes.push_back(attribute("messaging.kafka.message.key", text_or_base64(*message.key)));
  if (!message.payload)
    outcome.span_attributes.push_back({"messaging.kafka.message.tombstone", {true}});
  else
    outcome.span_attributes.push_back(
        attribute("messaging.message.body.size", static_cast<int64_t>(message.payload->size())));
  if (!kafka.brokers.empty()) {
    outcome.span_attributes.push_back(attribute("server.address", kafka.brokers[0].host));
    outcome.span_attributes.push_back(attribute("server.port", int64_t{kafka.brokers[0].port}));
  }
  auto fail = [&](ActionError error) {
    outcome.span_failed = true;
    outcome.span_attributes.push_back(attribute("error.type", error.code));
    outcome.result = expr::Map{{"duration_ms", milliseconds_since(start)}};
    outcome.error = std::move(error);
    return std::move(outcome);
  };
  if (reader.error()) return fail(*reader.error());

  kafka.settings = {{"acks", "all"},
                    {"enable.idempotence", "true"},
                    {"linger.ms", "0"},
                    {"compression.type", compression},
                    // As Java's clients spread keys, so that they meet theirs.
                    {"partitioner", "murmur2_random"},
                    {"message.max.bytes", "67108864"},  // what is too large, the broker decides
                    {"topic.metadata.propagation.max.ms", "5000"},
                    {"topic.metadata.refresh.fast.interval.ms", "50"}};
  auto& pool = context.connections.get<ProducerPool>();
  auto producer = pool.get(kafka, context.hosts);
  if (!producer) return fail(std::move(producer).error());
  (*producer)->troubles.begin();
  auto delivery = std::make_shared<Delivery>();
  enqueue(**producer, message, delivery);
  while (!delivery->done.load(std::memory_order_acquire)) {
    rd_kafka_poll((*producer)->handle.get(), 10);
    if (delivery->done.load(std::memory_order_acquire)) break;
    auto hopeless = (*producer)->troubles.hopeless();
    if (!hopeless && !waiting.over()) continue;
    // The message must not arrive after the step has failed; those of other
    // steps still may.
    pool.drop(kafka, *producer);
    if (hopeless || (*producer)->only_one_under_way())
      rd_kafka_purge((*producer)->handle.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    if (hopeless) return fail(std::move(*hopeless));
    return fail((*producer)->troubles.explain(waiting.error(fmt::format(
        "the message for topic {} waited for Kafka at {} to acknowledge it", message.topic, kafka.place()))));
  }
  if (delivery->error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    if (rd_kafka_fatal_error((*producer)->handle.get(), nullptr, 0) != RD_KAFKA_RESP_ERR_NO_ERROR)
      pool.drop(kafka, *producer);
    return fail(delivery_error(*delivery, message, kafka));
  }
  outcome.span_attributes.push_back(
      attribute("messaging.destination.partition.id", std::to_string(delivery->partition)));
  outcome.span_attributes.push_back(attribute("messaging.kafka.offset", delivery->offset));
  outcome.result = expr::Map{{"partition", int64_t{delivery->partition}},
                             {"offset", delivery->offset},
                             {"duration_ms", milliseconds_since(start)}};
  return outcome;
}

}  // namespace

const Action& kafka_producer_action() {
  static const KafkaProducerAction action;
  return action;
}

}  // namespace testmesh::actions
