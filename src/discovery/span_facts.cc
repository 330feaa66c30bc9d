#include "discovery/span_facts.h"

#include <algorithm>
#include <initializer_list>
#include <string_view>

#include "discovery/names.h"
#include "discovery/slots.h"

namespace testmesh::discovery {

namespace {

struct KeyOfSlot {
  std::string_view key;
  Slot slot;
};

// In key order: slot_of() searches by bisection.
constexpr KeyOfSlot kKeys[] = {
    {"db.name", Slot::kDbName},
    {"db.namespace", Slot::kDbNamespace},
    {"db.operation", Slot::kDbOperation},
    {"db.operation.name", Slot::kDbOperationName},
    {"db.query.text", Slot::kDbQueryText},
    {"db.statement", Slot::kDbStatement},
    {"db.system", Slot::kDbSystem},
    {"db.system.name", Slot::kDbSystemName},
    {"http.method", Slot::kHttpMethod},
    {"http.request.method", Slot::kHttpRequestMethod},
    {"http.request.resend_count", Slot::kHttpRequestResendCount},
    {"http.route", Slot::kHttpRoute},
    {"http.target", Slot::kHttpTarget},
    {"http.url", Slot::kHttpUrl},
    {"messaging.destination", Slot::kMessagingDestination},
    {"messaging.destination.name", Slot::kMessagingDestinationName},
    {"messaging.destination.template", Slot::kMessagingDestinationTemplate},
    {"messaging.operation", Slot::kMessagingOperation},
    {"messaging.operation.type", Slot::kMessagingOperationType},
    {"messaging.rabbitmq.destination.routing_key", Slot::kMessagingRabbitmqDestinationRoutingKey},
    {"messaging.rabbitmq.routing_key", Slot::kMessagingRabbitmqRoutingKey},
    {"messaging.system", Slot::kMessagingSystem},
    {"net.peer.name", Slot::kNetPeerName},
    {"peer.service", Slot::kPeerService},
    {"rpc.method", Slot::kRpcMethod},
    {"rpc.service", Slot::kRpcService},
    {"server.address", Slot::kServerAddress},
    {"service.peer.name", Slot::kServicePeerName},
    {"testmesh.execution.id", Slot::kTestmeshExecutionId},
    {"url.full", Slot::kUrlFull},
    {"url.path", Slot::kUrlPath},
};
static_assert(std::ranges::is_sorted(kKeys, {}, &KeyOfSlot::key));
static_assert(std::size(kKeys) == kSlotCount);

// Adds what the alias is read from; whether it is read from anywhere.
bool read(const AliasSlots& alias, const SlotSet& present, SlotSet& relevant) {
  for (const Slot slot : alias) {
    if (!present.test(static_cast<size_t>(slot))) continue;
    relevant.set(static_cast<size_t>(slot));
    return true;
  }
  return false;
}

bool any_of(const AliasSlots& slots, const SlotSet& present) {
  return std::ranges::any_of(slots, [&](Slot slot) { return present.test(static_cast<size_t>(slot)); });
}

void read_endpoint(const SlotSet& present, std::string_view name, SlotSet& relevant) {
  // Without a method nothing else of HTTP counts; without any path the route
  // may still come from the span's name, and RPC if it does not.
  const bool http = any_of(kMethodSlots, present) && read(kMethodSlots, present, relevant) &&
                    (read(kRouteSlots, present, relevant) || names_route(name) ||
                     read(kPathSlots, present, relevant) || read(kUrlSlots, present, relevant));
  if (!http && read(kRpcMethodSlots, present, relevant)) read(kRpcServiceSlots, present, relevant);
}

}  // namespace

std::optional<Slot> slot_of(std::string_view attribute_key) {
  const auto* found = std::ranges::lower_bound(kKeys, attribute_key, {}, &KeyOfSlot::key);
  if (found == std::end(kKeys) || found->key != attribute_key) return std::nullopt;
  return found->slot;
}

SlotSet relevant_slots(model::SpanKind kind, const SlotSet& present, std::string_view name) {
  SlotSet relevant;
  read(kResendSlots, present, relevant);
  read(kExecutionSlots, present, relevant);
  switch (kind) {
    case model::SpanKind::kServer:
      read_endpoint(present, name, relevant);
      break;
    case model::SpanKind::kConsumer:
      read(kMessagingOperationSlots, present, relevant);
      read(kDestinationSlots, present, relevant);
      break;
    case model::SpanKind::kProducer:
      read(kDestinationSlots, present, relevant);
      break;
    default: {
      const bool client = kind == model::SpanKind::kClient;
      if (!client) read_endpoint(present, name, relevant);
      if (read(kDbSystemSlots, present, relevant)) {
        read(kDbNamespaceSlots, present, relevant);
        read(kDbOperationSlots, present, relevant);
        break;
      }
      if (read(kMessagingOperationSlots, present, relevant)) {
        read(kDestinationSlots, present, relevant);
        break;
      }
      if (!client) break;
      // One attribute of a database or of messaging, whatever its value, says
      // that there is no peer.
      if (read(kDatabaseSlots, present, relevant) || read(kMessagingSlots, present, relevant)) break;
      read(kPeerServiceSlots, present, relevant) || read(kServerAddressSlots, present, relevant) ||
          read(kUrlSlots, present, relevant);
    }
  }
  return relevant;
}

}  // namespace testmesh::discovery
