#include "bench/known_truth/facts.h"

#include <algorithm>
#include <cctype>
#include <cstring>

#include "simulate/emit.h"

namespace testmesh::known_truth {
namespace {

using simulate::Action;
using simulate::ActionKind;
using simulate::Delivery;
using simulate::Endpoint;
using simulate::EndpointKind;
using simulate::TracePlan;

// `/users/{id}` -> `/users/:id`; parameters are whole segments here.
std::string with_colons(std::string route) {
  std::erase(route, '}');
  std::ranges::replace(route, '{', ':');
  return route;
}

std::string endpoint_subject(const simulate::Service& service, const Endpoint& endpoint) {
  switch (endpoint.kind) {
    case EndpointKind::kHttp:
      return service.names_routes ? endpoint.method + ' ' + with_colons(endpoint.route) : std::string();
    case EndpointKind::kRpc:
      return endpoint.route + '/' + endpoint.method;
    case EndpointKind::kConsumer:
      break;
  }
  return {};
}

// The operation as the drivers name it.
std::string query_name(const simulate::Service& service, const simulate::Database& database) {
  const bool writes = database.access == simulate::Access::kWrite;
  std::string name = writes ? "INSERT" : "SELECT";
  if (database.system == "redis") name = writes ? "SET" : "GET";
  if (database.system == "mongodb") name = writes ? "insert" : "find";
  if (service.language == "nodejs" && database.system == "postgresql")
    return "pg.query:" + name + ' ' + database.name;
  if (service.language != "python" && !database.collection.empty()) name += ' ' + database.collection;
  return name;
}

std::string message_name(const simulate::Service& service, const std::string& verb,
                         const std::string& topic) {
  return service.conventions == simulate::Conventions::kOld ? topic + ' ' + verb : verb + ' ' + topic;
}

// What tells the URLs of calls apart: the values in them are of the step's
// occurrence, where there are none it stands in the query.
std::string url_of(const std::string& where, bool has_values, const Action& action) {
  if (has_values)
    return where + '#' + std::to_string(action.parent) + '.' + std::to_string(action.occurrence);
  return where + '?' + std::to_string(action.occurrence);
}

uint64_t number_of(const model::SpanId& id) {
  uint64_t number;
  std::memcpy(&number, id.bytes.data(), sizeof number);
  return __builtin_bswap64(number);  // ids are compared byte by byte
}

}  // namespace

Facts::Facts(const simulate::System& system, uint64_t seed, base::UnixNanos start)
    : system_(system), seed_(seed), start_(start) {
  for (const simulate::Service& service : system.phases.front().services) {
    auto& subjects = endpoints_.emplace_back();
    for (const Endpoint& endpoint : service.endpoints)
      subjects.push_back(endpoint_subject(service, endpoint));
  }
}

bool Facts::damaged(const TracePlan& plan) {
  return std::ranges::any_of(plan.fates,
                             [](const simulate::Fate& fate) { return fate.delivery != Delivery::kSent; });
}

void Facts::seen(const TracePlan& plan, std::vector<SeenSpan>& spans) const {
  spans.clear();
  for (uint32_t i = 0; i < plan.actions.size(); ++i)
    if (plan.fates[i].delivery == Delivery::kSent) spans.push_back(span_of(plan, i));
}

SeenSpan Facts::span_of(const TracePlan& plan, uint32_t i) const {
  const simulate::Phase& phase = system_.phases[plan.phase];
  const Action& action = plan.actions[i];
  static const simulate::Service kTesterService{.name = "testmesh"};
  const bool tester = action.service == simulate::kTester;
  const simulate::Service& service = tester ? kTesterService : phase.services[action.service];
  SeenSpan span;
  span.test = tester;
  span.id = number_of(simulate::span_id_of(seed_, plan.index, i));
  if (action.parent != simulate::kAbsent)
    span.parent = number_of(simulate::span_id_of(seed_, plan.index, action.parent));
  else if (phase.entries[plan.entry].untraced_caller)
    span.parent = 1;  // some id that never comes
  span.error = action.error;
  span.service = service.name;
  const simulate::SpanTimes times = simulate::span_times(system_, seed_, start_, plan, i);
  span.start = static_cast<int64_t>(times.start);
  span.end = static_cast<int64_t>(times.end);
  switch (action.kind) {
    case ActionKind::kHandler: {
      const Endpoint& endpoint = service.endpoints[action.endpoint];
      if (endpoint.kind == EndpointKind::kConsumer) {
        span.kind = Kind::kConsumer;
        span.role = Role::kConsumes;
        span.subject = phase.topics[endpoint.topic].name;
        span.name = message_name(service, "process", phase.topics[endpoint.topic].name);
      } else {
        span.kind = Kind::kServer;
        span.role = Role::kServes;
        span.subject = endpoints_[action.service][action.endpoint];
        span.name = span.subject.empty() ? endpoint.method : std::string(span.subject);
      }
      break;
    }
    case ActionKind::kCall:
      describe_call(action, phase, plan.entry, span);
      break;
    case ActionKind::kDatabase:
      span.kind = Kind::kClient;
      span.role = Role::kQueries;
      span.subject = action.database->name.empty() ? action.database->system : action.database->name;
      span.system = action.database->system;
      span.name = query_name(service, *action.database);
      span.writes = action.database->access == simulate::Access::kWrite;
      break;
    case ActionKind::kPublish:
      span.kind = Kind::kProducer;
      span.role = Role::kSends;
      span.subject = phase.topics[action.step->topic].name;
      span.name = message_name(service, "publish", phase.topics[action.step->topic].name);
      break;
    case ActionKind::kExternal:
      span.kind = Kind::kClient;
      span.role = Role::kCalls;
      span.subject = action.step->host;
      span.name = action.step->method;
      span.url = url_of(action.step->host + action.step->path, false, action);
      break;
    case ActionKind::kWork:
      span.name = action.step->name;
      break;
    case ActionKind::kTest:
      span.name = "testmesh.execution";
      break;
  }
  return span;
}

void Facts::describe_call(const Action& action, const simulate::Phase& phase, uint32_t entry,
                          SeenSpan& span) const {
  // The tester calls what its entry says.
  const uint32_t service = action.step ? action.step->service : phase.entries[entry].service;
  const uint32_t position = action.step ? action.step->endpoint : phase.entries[entry].endpoint;
  const simulate::Service& callee = phase.services[service];
  const Endpoint& endpoint = callee.endpoints[position];
  span.kind = Kind::kClient;
  span.role = Role::kCalls;
  span.subject = callee.name;
  span.name = endpoint.kind == EndpointKind::kRpc ? endpoints_[service][position] : endpoint.method;
  if (endpoint.kind == EndpointKind::kHttp)
    span.url = url_of(callee.name + endpoint.route, endpoint.route.find('{') != std::string::npos, action);
}

}  // namespace testmesh::known_truth
