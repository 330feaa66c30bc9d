// The alias table of discovery.md 2.3: which slots a name is read from, the
// first filled one counts. Private to discovery; names.cc reads by it and
// span_facts.cc tells by it what is worth telling apart.
#pragma once

#include <span>

#include "discovery/span_facts.h"

namespace testmesh::discovery {

using AliasSlots = std::span<const Slot>;

inline constexpr Slot kMethodSlots[] = {Slot::kHttpRequestMethod, Slot::kHttpMethod};
inline constexpr Slot kRouteSlots[] = {Slot::kHttpRoute};
inline constexpr Slot kPathSlots[] = {Slot::kUrlPath, Slot::kHttpTarget};
inline constexpr Slot kUrlSlots[] = {Slot::kUrlFull, Slot::kHttpUrl};
inline constexpr Slot kDbSystemSlots[] = {Slot::kDbSystemName, Slot::kDbSystem};
inline constexpr Slot kDbNamespaceSlots[] = {Slot::kDbNamespace, Slot::kDbName};
// Operation, else statement; one bit of it counts (db_operation.h).
inline constexpr Slot kDbOperationSlots[] = {Slot::kDbOperationName, Slot::kDbOperation, Slot::kDbQueryText,
                                             Slot::kDbStatement};
inline constexpr Slot kDestinationSlots[] = {
    Slot::kMessagingDestinationTemplate, Slot::kMessagingDestinationName, Slot::kMessagingDestination,
    Slot::kMessagingRabbitmqDestinationRoutingKey, Slot::kMessagingRabbitmqRoutingKey};
inline constexpr Slot kMessagingOperationSlots[] = {Slot::kMessagingOperationType, Slot::kMessagingOperation};
inline constexpr Slot kRpcMethodSlots[] = {Slot::kRpcMethod};
inline constexpr Slot kRpcServiceSlots[] = {Slot::kRpcService};
inline constexpr Slot kPeerServiceSlots[] = {Slot::kServicePeerName, Slot::kPeerService};
inline constexpr Slot kServerAddressSlots[] = {Slot::kServerAddress, Slot::kNetPeerName};
inline constexpr Slot kResendSlots[] = {Slot::kHttpRequestResendCount};
inline constexpr Slot kExecutionSlots[] = {Slot::kTestmeshExecutionId};

// "Database or messaging attributes" (2.2): any of these.
inline constexpr Slot kDatabaseSlots[] = {Slot::kDbSystemName, Slot::kDbSystem, Slot::kDbNamespace,
                                          Slot::kDbName};
inline constexpr Slot kMessagingSlots[] = {Slot::kMessagingSystem,
                                           Slot::kMessagingOperationType,
                                           Slot::kMessagingOperation,
                                           Slot::kMessagingDestinationTemplate,
                                           Slot::kMessagingDestinationName,
                                           Slot::kMessagingDestination,
                                           Slot::kMessagingRabbitmqDestinationRoutingKey,
                                           Slot::kMessagingRabbitmqRoutingKey};

}  // namespace testmesh::discovery
