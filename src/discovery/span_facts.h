// What discovery reads of a span (../spec discovery 2.2, 2.3): a fixed set of
// attributes, looked up once by key and then addressed by slot. The storage
// layer keeps, per attribute list, which slots are filled, so that no key is
// compared per span.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <optional>
#include <string_view>

#include "model/span.h"

namespace testmesh::discovery {

enum class Slot : uint8_t {
  kHttpRequestMethod,
  kHttpMethod,
  kHttpRoute,
  kUrlPath,
  kHttpTarget,
  kUrlFull,
  kHttpUrl,
  kDbSystemName,
  kDbSystem,
  kDbNamespace,
  kDbName,
  kDbOperationName,
  kDbOperation,
  kDbQueryText,
  kDbStatement,
  kMessagingSystem,
  kMessagingDestinationTemplate,
  kMessagingDestinationName,
  kMessagingDestination,
  kMessagingRabbitmqDestinationRoutingKey,
  kMessagingRabbitmqRoutingKey,
  kMessagingOperationType,
  kMessagingOperation,
  kRpcService,
  kRpcMethod,
  kServicePeerName,
  kPeerService,
  kServerAddress,
  kNetPeerName,
  kHttpRequestResendCount,
  kTestmeshExecutionId,
};
inline constexpr size_t kSlotCount = static_cast<size_t>(Slot::kTestmeshExecutionId) + 1;
using SlotSet = std::bitset<kSlotCount>;

std::optional<Slot> slot_of(std::string_view attribute_key);

// The input of FactsTable::intern. Views live only during the call. A value is
// the attribute's text: strings as they are, integers in decimal, every other
// type absent; empty is absent. kTestmeshExecutionId counts when present with
// any value (give "1"). Of a repeated key the first counts.
struct SpanDescription {
  model::SpanKind kind = model::SpanKind::kUnspecified;
  std::string_view name;
  std::string_view service;      // model::service_name of the resource
  std::string_view environment;  // deployment.environment.name|deployment.environment of the resource
  std::array<std::string_view, kSlotCount> values{};

  std::string_view operator[](Slot slot) const { return values[static_cast<size_t>(slot)]; }
};

// The slots whose values can change a span's facts, given its kind and the
// slots that are filled and not empty: `http.route` makes `url.path` irrelevant, a server
// address makes `url.full` irrelevant, and so on. Callers memoise facts by
// these values alone, so that ids in URLs do not defeat the memo. A `name` that
// has the route (Go's `GET /items/{id}`) makes paths and URLs irrelevant too;
// empty when it is not known. Of the slots that tell a database's operation
// (db_operation.h) one bit alone matters.
SlotSet relevant_slots(model::SpanKind kind, const SlotSet& present, std::string_view name = {});

}  // namespace testmesh::discovery
