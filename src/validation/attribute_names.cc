#include "validation/attribute_names.h"

#include <span>
#include <unordered_map>

namespace testmesh::validation {
namespace {

using Names = std::span<const std::string_view>;

// Each line one thing, its present name first. Source: the migration tables of
// the OpenTelemetry semantic conventions for HTTP, databases, messaging, RPC and
// deployment.
constexpr std::string_view kMethod[] = {"http.request.method", "http.method"};
constexpr std::string_view kStatus[] = {"http.response.status_code", "http.status_code"};
constexpr std::string_view kUrl[] = {"url.full", "http.url"};
constexpr std::string_view kPath[] = {"url.path", "http.target"};
constexpr std::string_view kScheme[] = {"url.scheme", "http.scheme"};
constexpr std::string_view kClient[] = {"client.address", "http.client_ip"};
constexpr std::string_view kAgent[] = {"user_agent.original", "http.user_agent"};
constexpr std::string_view kRequestSize[] = {"http.request.body.size", "http.request_content_length"};
constexpr std::string_view kResponseSize[] = {"http.response.body.size", "http.response_content_length"};
constexpr std::string_view kResends[] = {"http.request.resend_count", "http.resend_count"};
constexpr std::string_view kServer[] = {"server.address", "net.peer.name", "net.host.name", "http.host"};
constexpr std::string_view kPort[] = {"server.port", "net.peer.port", "net.host.port"};
constexpr std::string_view kPeerAddress[] = {"network.peer.address", "net.sock.peer.addr"};
constexpr std::string_view kPeerPort[] = {"network.peer.port", "net.sock.peer.port"};
constexpr std::string_view kProtocol[] = {"network.protocol.version", "net.protocol.version", "http.flavor"};
constexpr std::string_view kDbSystem[] = {"db.system.name", "db.system"};
constexpr std::string_view kDbName[] = {"db.namespace", "db.name"};
constexpr std::string_view kDbOperation[] = {"db.operation.name", "db.operation"};
constexpr std::string_view kDbText[] = {"db.query.text", "db.statement"};
constexpr std::string_view kDbTable[] = {"db.collection.name", "db.sql.table", "db.mongodb.collection",
                                         "db.cassandra.table"};
constexpr std::string_view kDestination[] = {"messaging.destination.name", "messaging.destination"};
constexpr std::string_view kMessaging[] = {"messaging.operation.type", "messaging.operation"};
constexpr std::string_view kMessage[] = {"messaging.message.id", "messaging.message_id"};
constexpr std::string_view kClientId[] = {"messaging.client.id", "messaging.client_id"};
constexpr std::string_view kGroup[] = {"messaging.consumer.group.name", "messaging.kafka.consumer.group",
                                       "messaging.kafka.consumer_group"};
constexpr std::string_view kPartition[] = {"messaging.destination.partition.id",
                                           "messaging.kafka.destination.partition",
                                           "messaging.kafka.partition"};
constexpr std::string_view kOffset[] = {"messaging.kafka.offset", "messaging.kafka.message.offset"};
constexpr std::string_view kKey[] = {"messaging.kafka.message.key", "messaging.kafka.message_key"};
constexpr std::string_view kPeer[] = {"service.peer.name", "peer.service"};
constexpr std::string_view kEnvironment[] = {"deployment.environment.name", "deployment.environment"};
constexpr std::string_view kFunction[] = {"code.function.name", "code.function"};

constexpr Names kGroups[] = {
    kMethod,       kStatus,      kUrl,    kPath,    kScheme,      kClient,      kAgent,    kRequestSize,
    kResponseSize, kResends,     kServer, kPort,    kPeerAddress, kPeerPort,    kProtocol, kDbSystem,
    kDbName,       kDbOperation, kDbText, kDbTable, kDestination, kMessaging,   kMessage,  kClientId,
    kGroup,        kPartition,   kOffset, kKey,     kPeer,        kEnvironment, kFunction};

Names names_for(std::string_view key) {
  static const auto groups = [] {
    std::unordered_map<std::string_view, Names> map;
    for (const Names& group : kGroups)
      for (const std::string_view name : group) map.emplace(name, group);
    return map;
  }();
  const auto found = groups.find(key);
  return found == groups.end() ? Names() : found->second;
}

}  // namespace

const model::Value* find_by_any_name(const std::vector<model::KeyValue>& attributes, std::string_view key) {
  if (const model::Value* value = model::find_attribute(attributes, key)) return value;
  for (const std::string_view name : names_for(key))
    if (name != key)
      if (const model::Value* value = model::find_attribute(attributes, name)) return value;
  return nullptr;
}

bool has_other_names(std::string_view key) { return !names_for(key).empty(); }

}  // namespace testmesh::validation
