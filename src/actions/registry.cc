#include "actions/registry.h"

#include <array>

namespace testmesh::actions {
namespace {

using Getter = const Action& (*)();
constexpr auto kActions = std::to_array<Getter>({
    database_query_action,
    grpc_call_action,
    http_request_action,
    kafka_consumer_action,
    kafka_producer_action,
    redis_action,
});

}  // namespace

const Action* find_action(std::string_view name) {
  for (const Getter getter : kActions)
    if (getter().name() == name) return &getter();
  return nullptr;
}

std::vector<const Action*> all_actions() {
  std::vector<const Action*> all;
  for (const Getter getter : kActions) all.push_back(&getter());
  return all;
}

}  // namespace testmesh::actions
