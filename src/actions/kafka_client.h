// What producing and consuming share: the client library's configuration, the
// guard on its sockets, and why a cluster cannot be reached. Private to the
// module.
#pragma once

#include <chrono>
#include <expected>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "actions/action.h"
#include "actions/config_reader.h"
#include "actions/host_policy.h"

struct rd_kafka_s;
struct rd_kafka_conf_s;

namespace testmesh::actions {

struct KafkaConfig {
  struct Broker {
    std::string host;
    uint16_t port = 9092;
  };
  std::vector<Broker> brokers;
  std::string mechanism, username, password;  // of SASL; empty: none
  bool tls = false, verify = true;
  std::string ca, certificate, key;  // PEM text or a path each
  // Further settings of the library.
  std::vector<std::pair<std::string, std::string>> settings;

  std::string place() const;     // "a:9092,b:9092"
  std::string pool_key() const;  // of all of it
};

// `brokers`, `sasl` and `tls` of an action's config.
KafkaConfig read_kafka_config(ConfigReader&);
// For the history: no password.
expr::Value shown_brokers(const KafkaConfig&);

// What the library's threads told. Thread-safe.
class KafkaTroubles {
 public:
  KafkaTroubles(HostPolicy hosts, std::string place) : hosts_(std::move(hosts)), place_(std::move(place)) {}

  void note(int code, std::string_view text);
  // From a thread of the library, right before it connects; 0 or an errno.
  int connect(int fd, const void* address, int size, std::string_view broker);
  // A new operation begins: what was down may be up by now.
  void begin();
  // It will not work, however long one waits.
  std::optional<ActionError> hopeless() const;
  // `otherwise`, made more precise by what the brokers' connections say.
  ActionError explain(ActionError otherwise) const;

 private:
  const HostPolicy hosts_;
  const std::string place_;
  mutable std::mutex mutex_;
  std::optional<ActionError> final_;
  std::string last_;
  bool last_is_connection_ = false;
  std::optional<SteadyTime> all_down_since_;
};

struct KafkaDeleter {
  void operator()(rd_kafka_s*) const;
};
using KafkaHandle = std::unique_ptr<rd_kafka_s, KafkaDeleter>;

enum class KafkaRole { kProducer, kConsumer };
// `prepare` sets callbacks; `troubles` outlives the handle.
std::expected<KafkaHandle, ActionError> open_kafka(KafkaRole, const KafkaConfig&, const HostPolicy&,
                                                   void* opaque, void (*prepare)(rd_kafka_conf_s*));
// `opaque` of every client is one of these.
struct KafkaOpaque {
  KafkaOpaque(const HostPolicy& hosts, const KafkaConfig& config) : troubles(hosts, config.place()) {}
  virtual ~KafkaOpaque() = default;
  KafkaTroubles troubles;
};

}  // namespace testmesh::actions
