#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <random>

#include "actions/kafka_client.h"
#include "actions/registry.h"
#include "expr/program.h"

namespace testmesh::actions {
namespace {

using expr::Value;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr size_t kMostBytes = 64u << 20;  // of the messages that are kept
constexpr size_t kMostLinks = 32;

struct PartitionsDeleter {
  void operator()(rd_kafka_topic_partition_list_t* list) const {
    rd_kafka_topic_partition_list_destroy(list);
  }
};
using Partitions = std::unique_ptr<rd_kafka_topic_partition_list_t, PartitionsDeleter>;
struct MessageDeleter {
  void operator()(rd_kafka_message_t* message) const { rd_kafka_message_destroy(message); }
};
using Message = std::unique_ptr<rd_kafka_message_t, MessageDeleter>;

struct Wanted {
  std::string topic, group;
  size_t count = 1;
  bool from_beginning = false;
  int64_t since_ms = 0;  // where there is no other position
  std::optional<expr::Program> match;
};

// A cluster that has just made a topic, or elects, says these for a moment.
bool transient(rd_kafka_resp_err_t error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__WAIT_COORD:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
      return true;
    default:
      return false;
  }
}

// The library's own requests block: short ones first, so that a run can be
// cancelled, longer ones for a cluster that is slow.
template <typename Call>
rd_kafka_resp_err_t patiently(const Waiting& waiting, const KafkaTroubles& troubles, rd_kafka_t* handle,
                              Call&& call) {
  rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR__TIMED_OUT;
  for (milliseconds limit = 100ms; !waiting.over() && !troubles.hopeless();
       limit = std::min(limit * 2, milliseconds(1600))) {
    error = call(static_cast<int>(
        std::clamp(std::min(limit, waiting.left()), milliseconds(1), milliseconds(1600)).count()));
    rd_kafka_poll(handle, 0);
    if (!transient(error)) return error;
    // What is answered at once is asked again in a moment.
    if (error != RD_KAFKA_RESP_ERR__TIMED_OUT)
      rd_kafka_poll(handle, static_cast<int>(waiting.slice().count()));
  }
  return error;
}

class Consumer final : public KafkaOpaque {
 public:
  Consumer(const HostPolicy& hosts, const KafkaConfig& config, const Wanted& what, const Waiting& limit)
      : KafkaOpaque(hosts, config), wanted(what), waiting(limit) {}

  const Wanted& wanted;
  const Waiting& waiting;
  bool closing = false;
  rd_kafka_resp_err_t problem = RD_KAFKA_RESP_ERR_NO_ERROR;  // of finding a position
  KafkaHandle handle;                                        // destroyed first

  // Sets the offsets of partitions that have none.
  rd_kafka_resp_err_t find_positions(rd_kafka_t* of, rd_kafka_topic_partition_list_t* list) const;
};

rd_kafka_resp_err_t Consumer::find_positions(rd_kafka_t* of, rd_kafka_topic_partition_list_t* list) const {
  Partitions open(rd_kafka_topic_partition_list_new(list->cnt));
  for (int i = 0; i < list->cnt; ++i) {
    if (list->elems[i].offset >= 0) continue;
    if (wanted.from_beginning) {
      list->elems[i].offset = RD_KAFKA_OFFSET_BEGINNING;
    } else {
      rd_kafka_topic_partition_list_add(open.get(), list->elems[i].topic, list->elems[i].partition);
    }
  }
  if (open->cnt == 0) return RD_KAFKA_RESP_ERR_NO_ERROR;
  // The end first: what comes while the second question is asked is after it.
  Partitions ends(rd_kafka_topic_partition_list_copy(open.get()));
  const auto ask = [&](rd_kafka_topic_partition_list_t* which, int64_t when) {
    for (int i = 0; i < which->cnt; ++i) which->elems[i].offset = when;
    return patiently(waiting, troubles, of, [&](int limit_ms) {
      Partitions answer(rd_kafka_topic_partition_list_copy(which));
      const auto error = rd_kafka_offsets_for_times(of, answer.get(), limit_ms);
      if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return error;
      for (int i = 0; i < which->cnt; ++i) {
        if (answer->elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR) return answer->elems[i].err;
        which->elems[i].offset = answer->elems[i].offset;
      }
      return RD_KAFKA_RESP_ERR_NO_ERROR;
    });
  };
  if (const auto error = ask(ends.get(), RD_KAFKA_OFFSET_END); error != RD_KAFKA_RESP_ERR_NO_ERROR)
    return error;
  if (const auto error = ask(open.get(), wanted.since_ms); error != RD_KAFKA_RESP_ERR_NO_ERROR) return error;
  for (int i = 0; i < open->cnt; ++i) {
    const auto& found = open->elems[i];
    const int64_t offset = found.offset >= 0 ? found.offset : ends->elems[i].offset;
    rd_kafka_topic_partition_list_find(list, found.topic, found.partition)->offset = offset;
  }
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

void on_rebalance(rd_kafka_t* handle, rd_kafka_resp_err_t what, rd_kafka_topic_partition_list_t* list,
                  void* opaque) {
  auto& consumer = *static_cast<Consumer*>(static_cast<KafkaOpaque*>(opaque));
  if (what != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS || consumer.closing) {
    rd_kafka_assign(handle, nullptr);
    return;
  }
  auto error = patiently(consumer.waiting, consumer.troubles, handle,
                         [&](int limit_ms) { return rd_kafka_committed(handle, list, limit_ms); });
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) error = consumer.find_positions(handle, list);
  consumer.problem = error;
  rd_kafka_assign(handle, error == RD_KAFKA_RESP_ERR_NO_ERROR ? list : nullptr);
}

std::string random_group() {
  std::random_device random;
  return fmt::format("testmesh-{:08x}{:08x}", random(), random());
}

// All partitions of the topic, without joining a group.
std::optional<ActionError> assign_all(Consumer& consumer) {
  rd_kafka_t* const handle = consumer.handle.get();
  const std::string& name = consumer.wanted.topic;
  std::unique_ptr<rd_kafka_topic_t, void (*)(rd_kafka_topic_t*)> topic(
      rd_kafka_topic_new(handle, name.c_str(), nullptr), rd_kafka_topic_destroy);
  if (topic == nullptr) return ActionError{"invalid_config", fmt::format("{} is no name of a topic", name)};
  Partitions all(rd_kafka_topic_partition_list_new(1));
  while (all->cnt == 0) {
    const rd_kafka_metadata_t* metadata = nullptr;
    auto error = patiently(consumer.waiting, consumer.troubles, handle, [&](int limit_ms) {
      return rd_kafka_metadata(handle, 0, topic.get(), &metadata, limit_ms);
    });
    const std::unique_ptr<const rd_kafka_metadata_t, void (*)(const rd_kafka_metadata_t*)> owner(
        metadata, rd_kafka_metadata_destroy);
    if (auto hopeless = consumer.troubles.hopeless()) return hopeless;
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR && metadata->topic_cnt == 1) {
      error = metadata->topics[0].err;
      for (int i = 0; i < metadata->topics[0].partition_cnt; ++i)
        rd_kafka_topic_partition_list_add(all.get(), name.c_str(), metadata->topics[0].partitions[i].id)
            ->offset = RD_KAFKA_OFFSET_INVALID;
    }
    if (all->cnt > 0) break;
    // A topic that does not exist yet may come while we wait.
    if (error != RD_KAFKA_RESP_ERR__TIMED_OUT && error != RD_KAFKA_RESP_ERR__TRANSPORT)
      consumer.problem = error;
    if (consumer.waiting.over()) {
      if (consumer.waiting.cancelled() || consumer.problem == RD_KAFKA_RESP_ERR_NO_ERROR)
        return consumer.troubles.explain(
            consumer.waiting.error(fmt::format("asking Kafka for topic {}", name)));
      return std::nullopt;
    }
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR && error != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART &&
        error != RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE && error != RD_KAFKA_RESP_ERR__TIMED_OUT &&
        error != RD_KAFKA_RESP_ERR__TRANSPORT)
      return ActionError{"broker", fmt::format("Kafka says of topic {}: {}", name, rd_kafka_err2str(error))};
    rd_kafka_poll(handle, static_cast<int>(consumer.waiting.slice().count()));
  }
  consumer.problem = RD_KAFKA_RESP_ERR_NO_ERROR;
  const auto error = consumer.find_positions(handle, all.get());
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    if (auto hopeless = consumer.troubles.hopeless()) return hopeless;
    if (consumer.waiting.over())
      return consumer.troubles.explain(
          consumer.waiting.error(fmt::format("asking Kafka for the offsets of topic {}", name)));
    return ActionError{"broker", fmt::format("Kafka says of topic {}: {}", name, rd_kafka_err2str(error))};
  }
  rd_kafka_assign(handle, all.get());
  return std::nullopt;
}

struct Received {
  expr::List messages;
  std::vector<model::Link> links;
  size_t seen = 0, bytes = 0;
  std::string last_unmatched;                                  // what it was, for people
  std::optional<std::string> first_match_error;                // of the expression
  std::string topic_error;                                     // the last the broker said of it
  Partitions positions{rd_kafka_topic_partition_list_new(1)};  // after what was read
};

Value bytes_value(const void* data, size_t size) {
  return data == nullptr ? Value() : Value(text_or_base64({static_cast<const char*>(data), size}));
}

expr::Map headers_of(const rd_kafka_message_t& message, size_t& bytes) {
  expr::Map map;
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return map;
  const char* name = nullptr;
  const void* data = nullptr;
  size_t size = 0;
  for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &data, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
       ++i) {
    bytes += std::string_view(name).size() + size;
    Value value = bytes_value(data, size);
    // A header that is there several times is a list.
    if (const Value* before = map.find(std::string_view(name))) {
      expr::List several = before->kind() == expr::Kind::kList ? before->as_list() : expr::List{*before};
      several.push_back(std::move(value));
      map.set(std::string_view(name), std::move(several));
    } else {
      map.set(std::string_view(name), std::move(value));
    }
  }
  return map;
}

expr::Map describe_message(const rd_kafka_message_t& message, size_t& bytes) {
  bytes = message.len + message.key_len + 256;
  expr::Map map;
  map.set("key", bytes_value(message.key, message.key_len));
  map.set("value", bytes_value(message.payload, message.len));
  Value json;
  if (message.payload != nullptr) {
    if (auto parsed = expr::parse_json({static_cast<const char*>(message.payload), message.len}))
      json = std::move(*parsed);
  }
  map.set("json", std::move(json));
  map.set("headers", headers_of(message, bytes));
  map.set("partition", int64_t{message.partition});
  map.set("offset", message.offset);
  return map;
}

std::optional<model::Link> link_of(const expr::Map& message) {
  const Value* written = message.find("headers")->find("traceparent");
  if (written == nullptr || written->kind() != expr::Kind::kString) return std::nullopt;
  const auto parsed = parse_traceparent(written->as_string());
  if (!parsed) return std::nullopt;
  const Value* state = message.find("headers")->find("tracestate");
  return model::Link{.trace_id = parsed->trace_id,
                     .span_id = parsed->span_id,
                     .trace_state = state != nullptr && state->kind() == expr::Kind::kString
                                        ? std::string(state->as_string())
                                        : std::string(),
                     .attributes = {}};
}

// The error: no more is to be read.
std::optional<ActionError> take(const Wanted& wanted, const rd_kafka_message_t& message, Received& received) {
  ++received.seen;
  auto* position =
      rd_kafka_topic_partition_list_find(received.positions.get(), wanted.topic.c_str(), message.partition);
  if (position == nullptr)
    position =
        rd_kafka_topic_partition_list_add(received.positions.get(), wanted.topic.c_str(), message.partition);
  position->offset = message.offset + 1;
  size_t bytes = 0;
  expr::Map map = describe_message(message, bytes);
  if (wanted.match) {
    const auto verdict = wanted.match->evaluate(expr::MapEnvironment(map));
    // Another kind of message is no error: it has not what the expression asks.
    if (!verdict && !received.first_match_error) received.first_match_error = verdict.error().message;
    if (!verdict || verdict->kind() != expr::Kind::kBool || !verdict->as_bool()) {
      if (verdict && verdict->kind() != expr::Kind::kBool && !received.first_match_error)
        received.first_match_error =
            fmt::format("it gave {} instead of true or false", expr::describe(*verdict, 60));
      received.last_unmatched = expr::describe(*map.find("value"), 200);
      return std::nullopt;
    }
  }
  received.bytes += bytes;
  if (received.bytes > kMostBytes)
    return ActionError{"too_large",
                       fmt::format("the messages are larger than {} MiB together (at message {} of {}); "
                                   "ask for fewer",
                                   kMostBytes >> 20, received.messages.size() + 1, wanted.count)};
  if (auto link = link_of(map); link && received.links.size() < kMostLinks)
    received.links.push_back(std::move(*link));
  received.messages.emplace_back(std::move(map));
  return std::nullopt;
}

std::optional<ActionError> read_messages(Consumer& consumer, Received& received) {
  while (received.messages.size() < consumer.wanted.count) {
    if (consumer.waiting.cancelled()) return consumer.waiting.error("waiting for messages");
    if (auto hopeless = consumer.troubles.hopeless()) return hopeless;
    if (consumer.waiting.over()) return std::nullopt;
    const Message message(
        rd_kafka_consumer_poll(consumer.handle.get(), static_cast<int>(consumer.waiting.slice().count())));
    if (message == nullptr) continue;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      if (message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
        received.topic_error = rd_kafka_message_errstr(message.get());
      continue;
    }
    if (auto error = take(consumer.wanted, *message, received)) return error;
  }
  return std::nullopt;
}

// Leaving a group needs the broker's answer, or the next member waits for the
// session to end.
void leave_group(Consumer& consumer) {
  consumer.closing = true;
  rd_kafka_t* const handle = consumer.handle.get();
  std::unique_ptr<rd_kafka_queue_t, void (*)(rd_kafka_queue_t*)> queue(rd_kafka_queue_new(handle),
                                                                       rd_kafka_queue_destroy);
  if (rd_kafka_error_t* error = rd_kafka_consumer_close_queue(handle, queue.get())) {
    rd_kafka_error_destroy(error);
    return;
  }
  const auto limit = std::chrono::steady_clock::now() + 3s;
  while (rd_kafka_consumer_closed(handle) == 0 && std::chrono::steady_clock::now() < limit &&
         !consumer.waiting.cancelled()) {
    if (rd_kafka_event_t* event = rd_kafka_queue_poll(queue.get(), 20)) {
      if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE) rd_kafka_assign(handle, nullptr);
      rd_kafka_event_destroy(event);
    }
  }
}

std::string seconds_text(std::chrono::nanoseconds time) {
  const auto ms = std::chrono::duration_cast<milliseconds>(time).count();
  return ms % 1000 == 0 ? fmt::format("{} s", ms / 1000) : fmt::format("{} ms", ms);
}

ActionError not_enough(const Consumer& consumer, const Received& received, std::chrono::nanoseconds waited) {
  const Wanted& wanted = consumer.wanted;
  std::string text = fmt::format("{} of {} messages came from topic {} within {}", received.messages.size(),
                                 wanted.count, wanted.topic, seconds_text(waited));
  if (wanted.match) {
    text += fmt::format(": {} {} read, {} matched `{}`", received.seen, received.seen == 1 ? "was" : "were",
                        received.messages.size(), wanted.match->source());
    if (!received.last_unmatched.empty())
      text += fmt::format("; the last that did not: {}", received.last_unmatched);
    if (received.first_match_error)
      text += fmt::format("; the expression failed: {}", *received.first_match_error);
  }
  if (consumer.problem != RD_KAFKA_RESP_ERR_NO_ERROR)
    text += fmt::format("; Kafka says of the topic: {}", rd_kafka_err2str(consumer.problem));
  else if (!received.topic_error.empty())
    text += fmt::format("; Kafka said: {}", received.topic_error);
  else if (received.seen == 0 && !wanted.from_beginning && wanted.group.empty())
    text += " (only what came since the run began was looked at; from_beginning: true reads all)";
  return {"not_enough_messages", std::move(text)};
}

class KafkaConsumerAction final : public Action {
 public:
  std::string_view name() const override { return "kafka_consumer"; }
  ActionOutcome run(const Value& config, ActionContext& context) const override;
};

Wanted read_wanted(ConfigReader& reader, const ActionContext& context) {
  Wanted wanted;
  wanted.topic = reader.required_text("topic");
  if (wanted.topic.find('\0') != std::string::npos) reader.fail("`topic` has a zero byte");
  wanted.group = reader.text("group_id");
  wanted.count = static_cast<size_t>(reader.integer("count", 1, 1, 100'000));
  wanted.from_beginning = reader.boolean("from_beginning", false);
  const base::UnixNanos since =
      context.run_started_at != 0 ? context.run_started_at : base::system_clock().now();
  wanted.since_ms = static_cast<int64_t>(since / 1'000'000);
  if (const std::string match = reader.text("match"); !match.empty()) {
    auto program = expr::Program::compile(match);
    if (!program) {
      reader.fail(fmt::format("`match` is no expression: {}", expr::with_caret(match, program.error())));
    } else {
      wanted.match = std::move(*program);
    }
  }
  return wanted;
}

void set_callbacks(rd_kafka_conf_t* conf) { rd_kafka_conf_set_rebalance_cb(conf, on_rebalance); }

std::optional<ActionError> consume(Consumer& consumer, Received& received, std::chrono::nanoseconds waited) {
  rd_kafka_t* const handle = consumer.handle.get();
  const Wanted& wanted = consumer.wanted;
  rd_kafka_poll_set_consumer(handle);
  std::optional<ActionError> error;
  if (wanted.group.empty()) {
    error = assign_all(consumer);
  } else {
    const Partitions topics(rd_kafka_topic_partition_list_new(1));
    rd_kafka_topic_partition_list_add(topics.get(), wanted.topic.c_str(), RD_KAFKA_PARTITION_UA);
    if (const auto failed = rd_kafka_subscribe(handle, topics.get()); failed != RD_KAFKA_RESP_ERR_NO_ERROR)
      error =
          ActionError{"invalid_config", fmt::format("topic {}: {}", wanted.topic, rd_kafka_err2str(failed))};
  }
  if (!error) error = read_messages(consumer, received);
  if (!error && received.messages.size() < wanted.count)
    error = consumer.troubles.explain(not_enough(consumer, received, waited));
  if (!wanted.group.empty()) {
    // Who fails reads the same messages again.
    if (!error && received.positions->cnt > 0) {
      const auto failed = rd_kafka_commit(handle, received.positions.get(), 0);
      if (failed != RD_KAFKA_RESP_ERR_NO_ERROR)
        error = ActionError{
            "broker", fmt::format("the messages came, but Kafka did not take the position of group {}: {}",
                                  wanted.group, rd_kafka_err2str(failed))};
    }
    leave_group(consumer);
  }
  return error;
}

ActionOutcome KafkaConsumerAction::run(const Value& config, ActionContext& context) const {
  const auto start = std::chrono::steady_clock::now();
  ActionOutcome outcome;
  outcome.span_kind = model::SpanKind::kConsumer;
  ConfigReader reader(config);
  KafkaConfig kafka = read_kafka_config(reader);
  const Wanted wanted = read_wanted(reader, context);
  const Waiting waiting(context, reader.duration("timeout", 30s));
  outcome.span_name = fmt::format("poll {}", wanted.topic);
  outcome.span_attributes = {
      attribute("messaging.system", "kafka"), attribute("messaging.destination.name", wanted.topic),
      attribute("messaging.operation.type", "receive"), attribute("messaging.operation.name", "poll")};
  if (!wanted.group.empty())
    outcome.span_attributes.push_back(attribute("messaging.consumer.group.name", wanted.group));
  if (!kafka.brokers.empty()) {
    outcome.span_attributes.push_back(attribute("server.address", kafka.brokers[0].host));
    outcome.span_attributes.push_back(attribute("server.port", int64_t{kafka.brokers[0].port}));
  }
  expr::Map request{{"brokers", shown_brokers(kafka)},
                    {"topic", wanted.topic},
                    {"count", static_cast<int64_t>(wanted.count)},
                    {"from_beginning", wanted.from_beginning}};
  if (!wanted.group.empty()) request.set("group_id", wanted.group);
  if (wanted.match) request.set("match", wanted.match->source());
  outcome.request = std::move(request);

  Received received;
  const auto finish = [&](std::optional<ActionError> error) {
    const auto count = static_cast<int64_t>(received.messages.size());
    outcome.span_attributes.push_back(attribute("messaging.batch.message_count", count));
    outcome.span_links = std::move(received.links);
    outcome.result = expr::Map{{"messages", std::move(received.messages)},
                               {"count", count},
                               {"duration_ms", milliseconds_since(start)}};
    if (error) {
      outcome.span_failed = true;
      outcome.span_attributes.push_back(attribute("error.type", error->code));
    }
    outcome.error = std::move(error);
    return std::move(outcome);
  };
  if (reader.error()) return finish(*reader.error());
  kafka.settings = {{"group.id", wanted.group.empty() ? random_group() : wanted.group},
                    {"enable.auto.commit", "false"},
                    {"enable.auto.offset.store", "false"},
                    {"auto.offset.reset", wanted.from_beginning ? "earliest" : "latest"},
                    {"session.timeout.ms", "10000"},
                    {"fetch.wait.max.ms", "100"},
                    {"fetch.error.backoff.ms", "100"},
                    {"queued.max.messages.kbytes", "16384"},
                    {"fetch.max.bytes", "16777216"},
                    {"receive.message.max.bytes", "100000000"},
                    {"topic.metadata.refresh.fast.interval.ms", "100"}};
  Consumer consumer(context.hosts, kafka, wanted, waiting);
  auto handle = open_kafka(KafkaRole::kConsumer, kafka, context.hosts, static_cast<KafkaOpaque*>(&consumer),
                           set_callbacks);
  if (!handle) return finish(std::move(handle).error());
  consumer.handle = std::move(*handle);
  return finish(consume(consumer, received, waiting.deadline() - start));
}

}  // namespace

const Action& kafka_consumer_action() {
  static const KafkaConsumerAction action;
  return action;
}

}  // namespace testmesh::actions
