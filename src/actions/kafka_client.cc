#include "actions/kafka_client.h"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

namespace testmesh::actions {
namespace {

using namespace std::chrono_literals;
using expr::Value;

// A cluster that restarts is given a moment, one that is not there no more.
constexpr auto kMostDown = 5s;

std::optional<KafkaConfig::Broker> parse_broker(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  if (const size_t scheme = text.find("://"); scheme != std::string_view::npos)
    text.remove_prefix(scheme + 3);
  KafkaConfig::Broker broker;
  std::string_view port;
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    broker.host = text.substr(1, close - 1);
    port = text.substr(close + 1);
    if (!port.empty() && port[0] != ':') return std::nullopt;
    if (!port.empty()) port.remove_prefix(1);
  } else {
    const size_t colon = text.rfind(':');
    broker.host = text.substr(0, colon);
    if (colon != std::string_view::npos) port = text.substr(colon + 1);
    if (broker.host.find_first_of(":/ \t\n") != std::string::npos) return std::nullopt;
  }
  if (broker.host.empty()) return std::nullopt;
  if (!port.empty()) {
    const auto [end, problem] = std::from_chars(port.data(), port.data() + port.size(), broker.port);
    if (problem != std::errc() || end != port.data() + port.size() || broker.port == 0) return std::nullopt;
  }
  return broker;
}

void add_brokers(ConfigReader& reader, std::string_view text, KafkaConfig& config) {
  while (!text.empty()) {
    const size_t comma = text.find(',');
    const std::string_view one = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    auto broker = parse_broker(one);
    if (!broker) return reader.fail(fmt::format("`brokers`: \"{}\" is no host:port", one.substr(0, 100)));
    config.brokers.push_back(std::move(*broker));
  }
}

void read_sasl(ConfigReader& reader, const Value& sasl, KafkaConfig& config) {
  if (sasl.kind() != expr::Kind::kMap)
    return reader.fail("`sasl` must be a map {mechanism, username, password}");
  for (const auto& [key, value] : sasl.as_map()) {
    const std::string name = expr::to_text(key);
    if (name == "mechanism")
      config.mechanism = expr::to_text(value);
    else if (name == "username")
      config.username = expr::to_text(value);
    else if (name == "password")
      config.password = expr::to_text(value);
    else
      reader.fail(fmt::format("`sasl` has a key \"{}\"; it takes mechanism, username and password", name));
  }
  for (char& c : config.mechanism)
    c = c == '_' ? '-' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (config.mechanism.empty()) config.mechanism = "PLAIN";
  if (config.mechanism != "PLAIN" && config.mechanism != "SCRAM-SHA-256" &&
      config.mechanism != "SCRAM-SHA-512")
    reader.fail(fmt::format("`sasl.mechanism` is \"{}\"; it is one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512",
                            config.mechanism.substr(0, 40)));
  if (config.username.empty()) reader.fail("`sasl.username` is missing or empty");
}

void read_tls(ConfigReader& reader, const Value& tls, KafkaConfig& config) {
  if (tls.kind() != expr::Kind::kMap) {
    config.tls = reader.boolean("tls", false);
    return;
  }
  config.tls = true;
  for (const auto& [key, value] : tls.as_map()) {
    const std::string name = expr::to_text(key);
    if (name == "ca")
      config.ca = expr::to_text(value);
    else if (name == "cert")
      config.certificate = expr::to_text(value);
    else if (name == "key")
      config.key = expr::to_text(value);
    else if (name == "verify")
      config.verify = !(value == Value(false) || value == Value("false"));
    else
      reader.fail(fmt::format("`tls` has a key \"{}\"; it takes ca, cert, key and verify", name));
  }
}

bool is_pem(std::string_view text) { return text.find("-----BEGIN") != std::string_view::npos; }

// Before 2.6.1 the library sent its nonce twice, which Kafka 4 refuses as a wrong
// password.
std::string_view scram_hint() {
  return rd_kafka_version() >= 0x02060100
             ? ""
             : " (Kafka 4 refuses every SCRAM login of this server's librdkafka, which is "
               "older than 2.6.1: use PLAIN over TLS there)";
}

KafkaTroubles& troubles_of(void* opaque) { return static_cast<KafkaOpaque*>(opaque)->troubles; }

void on_error(rd_kafka_t*, int code, const char* reason, void* opaque) {
  troubles_of(opaque).note(code, reason == nullptr ? "" : reason);
}

int on_connect(int fd, const sockaddr* address, int size, const char* id, void* opaque) {
  return troubles_of(opaque).connect(fd, address, size, id == nullptr ? "" : id);
}

// Errors come through on_error; the rest is nobody's.
void ignore_log(const rd_kafka_t*, int, const char*, const char*) {}

std::optional<std::string> set(rd_kafka_conf_t* conf, const char* name, const std::string& value) {
  std::array<char, 512> problem{};
  if (rd_kafka_conf_set(conf, name, value.c_str(), problem.data(), problem.size()) == RD_KAFKA_CONF_OK)
    return {};
  return std::string(problem.data());
}

std::optional<std::string> set_security(rd_kafka_conf_t* conf, const KafkaConfig& config) {
  const bool sasl = !config.mechanism.empty();
  std::vector<std::pair<const char*, std::string>> settings = {
      {"security.protocol", fmt::format("{}{}", sasl ? "sasl_" : "", config.tls ? "ssl" : "plaintext")}};
  if (sasl) {
    settings.emplace_back("sasl.mechanisms", config.mechanism);
    settings.emplace_back("sasl.username", config.username);
    settings.emplace_back("sasl.password", config.password);
  }
  if (config.tls) {
    settings.emplace_back("enable.ssl.certificate.verification", config.verify ? "true" : "false");
    settings.emplace_back("ssl.endpoint.identification.algorithm", config.verify ? "https" : "none");
    if (!config.ca.empty())
      settings.emplace_back(is_pem(config.ca) ? "ssl.ca.pem" : "ssl.ca.location", config.ca);
    if (!config.certificate.empty())
      settings.emplace_back(is_pem(config.certificate) ? "ssl.certificate.pem" : "ssl.certificate.location",
                            config.certificate);
    if (!config.key.empty())
      settings.emplace_back(is_pem(config.key) ? "ssl.key.pem" : "ssl.key.location", config.key);
  }
  for (const auto& [name, value] : settings) {
    if (auto problem = set(conf, name, value)) return problem;
  }
  return std::nullopt;
}

}  // namespace

std::string KafkaConfig::place() const {
  std::string text;
  for (const Broker& broker : brokers) {
    const bool v6 = broker.host.find(':') != std::string::npos;
    text += fmt::format("{}{}{}{}:{}", text.empty() ? "" : ",", v6 ? "[" : "", broker.host, v6 ? "]" : "",
                        broker.port);
  }
  return text;
}

std::string KafkaConfig::pool_key() const {
  std::string all = place();
  const auto add = [&](std::string_view part) {
    all += '\0';
    all += part;
  };
  for (const std::string& part : {mechanism, username, password, ca, certificate, key}) add(part);
  add(tls ? (verify ? "tls" : "tls, any") : "");
  for (const auto& [name, value] : settings) {
    add(name);
    add(value);
  }
  return all;
}

KafkaConfig read_kafka_config(ConfigReader& reader) {
  KafkaConfig config;
  if (const Value* brokers = reader.value("brokers"); brokers == nullptr) {
    reader.fail("`brokers` is missing");
  } else if (brokers->kind() == expr::Kind::kList) {
    for (const Value& broker : brokers->as_list()) add_brokers(reader, expr::to_text(broker), config);
  } else {
    add_brokers(reader, reader.text("brokers"), config);
  }
  if (config.brokers.empty()) reader.fail("`brokers` names no broker");
  if (const Value* sasl = reader.value("sasl")) read_sasl(reader, *sasl, config);
  if (const Value* tls = reader.value("tls")) read_tls(reader, *tls, config);
  return config;
}

Value shown_brokers(const KafkaConfig& config) { return config.place(); }

void KafkaTroubles::note(int code, std::string_view text) {
  const std::lock_guard lock(mutex_);
  switch (code) {
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
      if (!all_down_since_) all_down_since_ = std::chrono::steady_clock::now();
      return;
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
      final_ = ActionError{"broker",
                           fmt::format("Kafka at {} refused the login: {}{}", place_, text,
                                       text.find("SCRAM") == std::string_view::npos ? "" : scram_hint())};
      return;
    case RD_KAFKA_RESP_ERR__SSL:
      if (!final_)
        final_ = ActionError{"tls", fmt::format("no TLS connection to Kafka at {}: {}", place_, text)};
      return;
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
      last_ = text;
      last_is_connection_ = true;
      return;
    default:
      last_ = text;
      last_is_connection_ = false;
  }
}

int KafkaTroubles::connect(int fd, const void* address, int size, std::string_view broker) {
  // "host:port/1", "host:port/bootstrap", with "ssl://" before it
  if (const size_t scheme = broker.find("://"); scheme != std::string_view::npos)
    broker.remove_prefix(scheme + 3);
  std::string_view host = broker.substr(0, broker.rfind('/'));
  uint16_t port = 0;
  if (const size_t colon = host.rfind(':'); colon != std::string_view::npos) {
    std::from_chars(host.data() + colon + 1, host.data() + host.size(), port);
    host = host.substr(0, colon);
  }
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const auto* target = static_cast<const sockaddr*>(address);
  std::optional<std::string> refused = hosts_.refuses_host(host, port);
  if (!refused) refused = hosts_.refuses_address(*target, host);
  if (refused) {
    const std::lock_guard lock(mutex_);
    final_ = ActionError{"address_refused", std::move(*refused)};
    return EACCES;
  }
  if (::connect(fd, target, static_cast<socklen_t>(size)) == 0 || errno == EINPROGRESS) return 0;
  return errno;
}

void KafkaTroubles::begin() {
  const std::lock_guard lock(mutex_);
  all_down_since_.reset();
}

std::optional<ActionError> KafkaTroubles::hopeless() const {
  const std::lock_guard lock(mutex_);
  if (final_) return final_;
  if (all_down_since_ && std::chrono::steady_clock::now() - *all_down_since_ > kMostDown)
    return ActionError{"connection", fmt::format("no broker of Kafka at {} can be reached: {}", place_,
                                                 last_.empty() ? "all are down" : last_)};
  return std::nullopt;
}

ActionError KafkaTroubles::explain(ActionError otherwise) const {
  const std::lock_guard lock(mutex_);
  if (otherwise.code == "cancelled") return otherwise;
  if (final_) return *final_;
  if (last_.empty()) return otherwise;
  if (all_down_since_)
    return {"connection", fmt::format("no broker of Kafka at {} can be reached: {}", place_, last_)};
  otherwise.message += fmt::format("; the last trouble with Kafka at {}: {}", place_, last_);
  return otherwise;
}

void KafkaDeleter::operator()(rd_kafka_s* handle) const {
  rd_kafka_destroy_flags(handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

std::expected<KafkaHandle, ActionError> open_kafka(KafkaRole role, const KafkaConfig& config,
                                                   const HostPolicy& hosts, void* opaque,
                                                   void (*prepare)(rd_kafka_conf_s*)) {
  for (const KafkaConfig::Broker& broker : config.brokers) {
    if (auto refused = hosts.refuses_host(broker.host, broker.port))
      return std::unexpected(ActionError{"address_refused", std::move(*refused)});
  }
  for (const std::string* file : {&config.ca, &config.certificate, &config.key}) {
    if (hosts.restricted() && !file->empty() && !is_pem(*file))
      return std::unexpected(
          ActionError{"address_refused",
                      "certificate files may not be read: this server lets flows reach listed hosts "
                      "only; write the PEM text itself"});
    if (!file->empty() && !is_pem(*file) && access(file->c_str(), R_OK) != 0)
      return std::unexpected(
          ActionError{"invalid_config", fmt::format("the file {} of `tls` cannot be read: {}", *file,
                                                    std::generic_category().message(errno))});
  }
  std::unique_ptr<rd_kafka_conf_t, void (*)(rd_kafka_conf_t*)> conf(rd_kafka_conf_new(),
                                                                    rd_kafka_conf_destroy);
  const auto invalid = [](std::string problem) {
    return std::unexpected(
        ActionError{"invalid_config", "Kafka's client library says: " + std::move(problem)});
  };
  for (const auto& [name, value] : {std::pair<const char*, std::string>{"bootstrap.servers", config.place()},
                                    {"client.id", "testmesh"},
                                    {"log_level", "0"},
                                    {"reconnect.backoff.ms", "50"},
                                    {"reconnect.backoff.max.ms", "500"},
                                    {"socket.nagle.disable", "true"}}) {
    if (auto problem = set(conf.get(), name, value)) return invalid(std::move(*problem));
  }
  for (const auto& [name, value] : config.settings) {
    if (auto problem = set(conf.get(), name.c_str(), value)) return invalid(std::move(*problem));
  }
  if (auto problem = set_security(conf.get(), config)) return invalid(std::move(*problem));
  rd_kafka_conf_set_opaque(conf.get(), opaque);
  rd_kafka_conf_set_error_cb(conf.get(), on_error);
  rd_kafka_conf_set_log_cb(conf.get(), ignore_log);
  rd_kafka_conf_set_connect_cb(conf.get(), on_connect);
  if (prepare != nullptr) prepare(conf.get());
  std::array<char, 512> problem{};
  rd_kafka_t* handle = rd_kafka_new(role == KafkaRole::kProducer ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER,
                                    conf.get(), problem.data(), problem.size());
  if (handle == nullptr) return invalid(problem.data());
  conf.release();  // the handle's now
  return KafkaHandle(handle);
}

}  // namespace testmesh::actions
